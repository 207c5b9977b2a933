//! Addresses.
//!
//! What a browser accepts (the HTML standard's valid e-mail address), within
//! the lengths of RFC 5321 and with a domain that the world can reach. So
//! neither quoted local parts nor comments, address literals or bare host names,
//! and ASCII only: an internationalised domain is written as `xn--…`.

/// Longest address, in bytes: RFC 5321, section 4.5.3.1.3, without `<` and `>`.
const LONGEST: usize = 254;
/// Longest part before the `@`, in bytes: RFC 5321, section 4.5.3.1.1.
const LONGEST_LOCAL: usize = 64;
/// Longest part of a domain, in bytes: RFC 1035, section 2.3.4.
const LONGEST_LABEL: usize = 63;

/// Whether the text is an address, or why not.
pub(super) fn check(text: &str) -> Result<(), &'static str> {
    if text.len() > LONGEST {
        return Err("is longer than 254 bytes");
    }
    if !text.is_ascii() {
        return Err("is not all ASCII; write an internationalised domain as `xn--…`");
    }
    let Some((local, domain)) = text.split_once('@') else {
        return Err("has no `@`");
    };
    local_part(local)?;
    domain_part(domain)
}

/// RFC 5322, section 3.2.3: `dot-atom-text`.
fn local_part(local: &str) -> Result<(), &'static str> {
    if local.is_empty() || local.len() > LONGEST_LOCAL {
        return Err("needs 1 to 64 characters before the `@`");
    }
    if local.split('.').any(str::is_empty) {
        return Err("has a `.` in a place where none can be");
    }
    let atom = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
    if local.bytes().all(atom) {
        Ok(())
    } else {
        Err("has a character before the `@` that cannot be there")
    }
}

/// RFC 1123, section 2.1: labels of letters, digits and inner hyphens.
fn domain_part(domain: &str) -> Result<(), &'static str> {
    let Some((_, top)) = domain.rsplit_once('.') else {
        return Err("has no `.` after the `@`");
    };
    let label = |label: &str| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if !domain.split('.').all(label) {
        return Err("has no valid domain after the `@`");
    }
    if top.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("has an IP address after the `@`, or a domain that ends in digits");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_people_have_is_an_address() {
        let longest_local = format!("{}@example.com", "a".repeat(64));
        let longest = format!(
            "{}@{}.example.com",
            "a".repeat(64),
            ["b".repeat(63), "c".repeat(63), "d".repeat(49)].join(".")
        );
        assert_eq!(longest.len(), 254);
        for text in [
            "user@example.com",
            "first.last+tag@sub.example.co.uk",
            "o'brien@example.ie",
            "x@a.xn--p1ai",
            "1234567890@example.com",
            "_______@example.com",
            "user@a-b.example",
            "user@1.2.3.example",
            &longest_local,
            &longest,
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_none_says_why() {
        let too_long = format!("a@{}example.com", "b.".repeat(122));
        for (text, why) in [
            ("", "has no `@`"),
            ("user", "has no `@`"),
            ("@example.com", "before the `@`"),
            (&format!("{}@example.com", "a".repeat(65)), "1 to 64"),
            (&too_long, "longer than 254"),
            ("user@", "no `.` after"),
            ("user@localhost", "no `.` after"),
            ("user@@example.com", "no valid domain"),
            ("a@b@example.com", "no valid domain"),
            ("user@example..com", "no valid domain"),
            ("user@.example.com", "no valid domain"),
            ("user@example.com.", "no valid domain"),
            ("user@-a.example", "no valid domain"),
            ("user@a-.example", "no valid domain"),
            ("user@exa_mple.com", "no valid domain"),
            ("user@[127.0.0.1]", "no valid domain"),
            (
                &format!("user@{}.example", "a".repeat(64)),
                "no valid domain",
            ),
            ("user@127.0.0.1", "IP address"),
            (".user@example.com", "a `.` in"),
            ("user.@example.com", "a `.` in"),
            ("us..er@example.com", "a `.` in"),
            ("us er@example.com", "cannot be there"),
            ("\"us er\"@example.com", "cannot be there"),
            ("user@example.com\n", "no valid domain"),
            ("user\r\nBcc: x@example.com", "cannot be there"),
            ("Ada <ada@example.com>", "cannot be there"),
            ("ada@example.com>", "no valid domain"),
            ("ada@ex\u{e4}mple.com", "not all ASCII"),
            ("ad\u{202e}a@example.com", "not all ASCII"),
        ] {
            let refused = check(text).expect_err(text);
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }

    /// `a.b` of atoms, at a domain of labels.
    fn address() -> impl Strategy<Value = String> {
        let atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,15}";
        let label = "[a-z0-9]([a-z0-9-]{0,15}[a-z0-9])?";
        let join = |parts: Vec<String>| parts.join(".");
        (
            proptest::collection::vec(atom, 1..4).prop_map(join),
            proptest::collection::vec(label, 1..4).prop_map(join),
            "[a-z]{2,10}",
        )
            .prop_map(|(local, domain, top)| format!("{local}@{domain}.{top}"))
    }

    proptest! {
        #[test]
        fn what_the_grammar_makes_is_an_address(text in address()) {
            prop_assert_eq!(check(&text), Ok(()));
        }

        #[test]
        fn an_address_with_something_foreign_in_it_is_none(
            text in address(),
            foreign in "[ \t\r\n\0()<>\\[\\],;:\\\\\"@]|[^\\x00-\\x7f]",
            place in any::<proptest::sample::Index>(),
        ) {
            let mut text = text;
            text.insert_str(place.index(text.len() + 1), &foreign);
            prop_assert!(check(&text).is_err(), "{}", text);
        }

        #[test]
        fn what_passes_has_one_at_sign_a_dot_and_nothing_that_breaks_a_line(text in "\\PC*|[ -~\r\n]{0,40}") {
            if check(&text).is_ok() {
                prop_assert_eq!(text.matches('@').count(), 1);
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert!(text.rsplit('@').next().is_some_and(|domain| domain.contains('.')));
            }
        }
    }
}
