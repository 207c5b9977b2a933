//! The name of a crate, and what is named after it.

use std::fmt;

use nebula_hub::catalog::RESERVED;
use nebula_sandbox::nebula_flow::id::ActionId;

use crate::error::{Error, Result};

/// The longest name.
const MOST: usize = 48;

/// What no crate can be called: Rust's keywords and own crates, and ours.
const TAKEN: &str = " abstract alloc as async await become box break const continue core crate do dyn else \
enum extern false final fn for gen if impl in let loop macro match mod move mut nebula-sdk override priv \
proc-macro pub ref return self static std struct super test trait true try type typeof union unsafe \
unsized use virtual where while yield ";

/// Types that a template uses, so that none of its own may be called so.
const TYPES: [&str; 21] = [
    "Action",
    "ActionContext",
    "ActionError",
    "Err",
    "Input",
    "Ok",
    "Option",
    "Order",
    "Output",
    "ProcessAction",
    "ProcessResult",
    "ResourceError",
    "Response",
    "Result",
    "Schema",
    "SimpleAction",
    "Sql",
    "SqlAnswer",
    "String",
    "Value",
    "Vec",
];

/// A good name: `greet-people`.
pub(super) struct Name {
    text: String,
    id: ActionId,
}

impl Name {
    /// Checks a name: words of a-z and 0-9 joined by `-`, the first of which
    /// owns the action.
    pub(super) fn new(text: &str) -> Result<Self> {
        let refuse =
            |why: String| Error::refused(format!("`{text}` cannot be a crate's name: {why}"));
        if !is_name(text) {
            let rule = format!(
                "a name is up to {MOST} of a-z and 0-9, words joined by `-`, beginning with a letter"
            );
            return Err(refuse(rule).hint(match similar(text) {
                Some(name) => format!("try {name}"),
                None => "for example greet-people".into(),
            }));
        }
        if TAKEN.contains(&format!(" {text} ")) {
            return Err(refuse("Rust or the SDK has that word for itself".into())
                .hint(format!("try my-{text}")));
        }
        let id = id(text)?;
        let owner = id.as_str().split('.').next().unwrap_or_default();
        if RESERVED.contains(&owner) {
            let why = format!("actions that begin with `{owner}.` come with Nebula");
            return Err(refuse(why).hint(format!("try my-{text}")));
        }
        Ok(Self {
            text: text.to_owned(),
            id,
        })
    }

    /// The name itself.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The action's id: `greet.people`, of one word `greet.run`.
    pub(super) fn id(&self) -> &str {
        self.id.as_str()
    }

    /// The library's name in file names: `greet_people`.
    pub(super) fn library(&self) -> String {
        self.text.replace('-', "_")
    }

    /// The action's type: `GreetPeople`.
    pub(super) fn type_name(&self) -> String {
        let mut name: String = self
            .text
            .split('-')
            .flat_map(|word| {
                let (first, rest) = word.split_at(1);
                [first.to_ascii_uppercase(), rest.to_owned()]
            })
            .collect();
        if TYPES.contains(&name.as_str()) {
            name += "Action";
        }
        name
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_name(text: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.len() <= MOST
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.split('-').all(word)
}

/// The first word owns the action, the others say what it does.
fn id(text: &str) -> Result<ActionId> {
    let whole = text.replace('-', "_");
    let owned = whole.replacen('_', ".", 1);
    ActionId::new(&owned)
        .or_else(|_| ActionId::new(format!("{whole}.run")))
        .map_err(|e| Error::refused(e.to_string()))
}

/// A good name that is like this one.
fn similar(text: &str) -> Option<String> {
    let words: Vec<String> = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let name = words.join("-");
    let name = name.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    is_name(name).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_library_and_type_follow_from_the_name() {
        for (name, id, library, type_name) in [
            (
                "greet-people",
                "greet.people",
                "greet_people",
                "GreetPeople",
            ),
            (
                "greet-all-people",
                "greet.all_people",
                "greet_all_people",
                "GreetAllPeople",
            ),
            ("greet", "greet.run", "greet", "Greet"),
            ("mp-3", "mp_3.run", "mp_3", "Mp3"),
            ("output", "output.run", "output", "OutputAction"),
        ] {
            let name = Name::new(name).expect(name);
            assert_eq!(
                (
                    name.id(),
                    name.library().as_str(),
                    name.type_name().as_str()
                ),
                (id, library, type_name)
            );
        }
    }

    #[test]
    fn what_cargo_rust_or_a_node_would_refuse_is_refused_here() {
        let long = "a".repeat(MOST + 1);
        for wrong in [
            "",
            "-",
            "a-",
            "-a",
            "a--b",
            "3d",
            "A",
            "a_b",
            "a b",
            "ä",
            "../a",
            "/a",
            ".",
            "a\n",
            "fn",
            "self",
            "core",
            "nebula-sdk",
            "http-get",
            "weather",
            &long,
        ] {
            assert!(Name::new(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(similar("My_Action").as_deref(), Some("my-action"));
        assert_eq!(similar("../a"), Some("a".into()));
        assert_eq!(similar("3 d prints").as_deref(), Some("d-prints"));
        assert_eq!(similar("ä"), None);
    }
}
