//! The header `Link` (RFC 8288), of which one relation is read: `next`.

/// The target of the first link whose relation is `next`; none if there is none,
/// or if the header is not one.
pub(crate) fn next(header: &str) -> Option<&str> {
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (target, parameters) = rest.strip_prefix('<')?.split_once('>')?;
        let (is_next, behind) = parameters_of(parameters)?;
        if is_next {
            return Some(target.trim());
        }
        rest = behind;
    }
}

/// Whether one of the parameters is `rel` with `next` in it, and what stands behind
/// the link. Only the first `rel` counts (§3.3).
fn parameters_of(text: &str) -> Option<(bool, &str)> {
    let mut rest = text;
    let mut relation = None;
    loop {
        rest = rest.trim_start();
        let Some(parameter) = rest.strip_prefix(';') else {
            let ends = rest.is_empty() || rest.starts_with(',');
            return ends.then_some((relation.unwrap_or(false), rest));
        };
        let end = parameter.find(['=', ';', ',']).unwrap_or(parameter.len());
        let (name, behind) = parameter.split_at(end);
        let (value, behind) = match behind.strip_prefix('=') {
            Some(value) => value_of(value.trim_start())?,
            None => ("", behind),
        };
        if name.trim().eq_ignore_ascii_case("rel") {
            let mut kinds = value.split_ascii_whitespace();
            relation.get_or_insert(kinds.any(|kind| kind.eq_ignore_ascii_case("next")));
        }
        rest = behind;
    }
}

/// A token or a quoted text, and what stands behind it. Escapes are left as they
/// are: no relation has one.
fn value_of(text: &str) -> Option<(&str, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',']).unwrap_or(text.len());
        let (token, behind) = text.split_at(end);
        return Some((token.trim(), behind));
    };
    let mut escaped = false;
    let end = quoted.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    Some((&quoted[..end], &quoted[end + 1..]))
}

#[cfg(test)]
mod tests {
    use nebula_sdk::prelude::*;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_next_page_is_found_among_the_links() {
        for (header, target) in [
            (
                "<https://a/?page=2>; rel=\"next\"",
                Some("https://a/?page=2"),
            ),
            (
                "<https://a/?page=1>; rel=\"prev\", <https://a/?page=3>; rel=\"next\"; title=\"a, b; c\"",
                Some("https://a/?page=3"),
            ),
            ("</x,y;z>;rel=next", Some("/x,y;z")),
            (
                "<2>; title=\"rel=\\\"next\\\"\"; REL=\"last Next\"",
                Some("2"),
            ),
            ("<1>; rel=first; rel=next", None),
            ("<1>; rel=\"prev\"", None),
            ("<1>; nothing; rel = \"next\"", Some("1")),
            ("", None),
            ("<1", None),
            ("<1>; rel=\"next", None),
            ("<1> next", None),
            ("1; rel=next", None),
        ] {
            assert_eq!(next(header), target, "{header}");
        }
    }

    proptest! {
        #[test]
        fn any_link_among_others_is_found(
            target in "[!-;=?-~]{0,12}",
            titles in proptest::collection::vec("([a-z,;<>= ]|\\\\\"){0,8}", 0..3),
        ) {
            let mut header = String::new();
            for title in &titles {
                header += &format!("<other>; title=\"{title}\"; rel=prev, ");
            }
            header += &format!("<{target}>; title=x; rel=\"next\"");
            prop_assert_eq!(next(&header), Some(target.trim()));
        }

        #[test]
        fn no_header_ends_in_a_panic(header in "([<>;,=\"\\\\ ]|rel|next|\\PC){0,24}") {
            let _ = next(&header);
        }
    }
}
