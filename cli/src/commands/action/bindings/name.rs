//! Names in JSON as names in a program.

use std::collections::BTreeSet;

/// Names that are taken.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// The name, or with a number if it is taken.
    pub(super) fn take(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut number = 1;
        while !self.0.insert(name.clone()) {
            number += 1;
            name = format!("{wanted}{number}");
        }
        name
    }
}

/// `order_by`, `order-by` → `OrderBy`.
pub(super) fn pascal(name: &str) -> String {
    let name: String = words(name)
        .map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|c| c.to_ascii_uppercase());
            first.into_iter().chain(letters).collect::<String>()
        })
        .collect();
    beginning(name, "V")
}

/// `orderBy`, `order-by` → `order_by`.
pub(super) fn snake(name: &str) -> String {
    let mut parts = String::new();
    let mut before = '_';
    for c in name.chars() {
        if c.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit()) {
            parts.push('_');
        }
        parts.push(c.to_ascii_lowercase());
        before = c;
    }
    let name = words(&parts).collect::<Vec<_>>().join("_");
    beginning(name, "v_")
}

fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
}

/// No name begins with a digit, or is empty.
fn beginning(name: String, with: &str) -> String {
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name
    } else {
        format!("{with}{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_names_of_the_language() {
        for (name, type_name, field) in [
            ("order_by", "OrderBy", "order_by"),
            ("orderBy", "OrderBy", "order_by"),
            ("HTTP-Status", "HTTPStatus", "http_status"),
            ("3d", "V3d", "v_3d"),
            ("Straße", "StraE", "stra_e"),
            ("", "V", "v_"),
        ] {
            assert_eq!(
                (pascal(name), snake(name)),
                (type_name.into(), field.into())
            );
        }
        let mut names = Names::default();
        let taken = [names.take("A"), names.take("A"), names.take("A2")];
        assert_eq!(taken, ["A", "A2", "A22"]);
    }
}
