//! The name of a package: `namespace/name`. The namespace belongs to whoever
//! may sign for it; the name is the publisher's own choice.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Characters of a namespace, and of a name.
pub const MAX_PART: usize = 63;

/// The name of a package, `namespace/name`, e.g. `acme/weather-pack`. Each part
/// is one or more words of `a-z` and `0-9`, each beginning with a letter, joined
/// by single hyphens: what the component model, `wkg` and OCI repositories all
/// allow, and nothing that only some of them do.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackageName {
    text: Arc<str>,
    /// Where the slash is.
    slash: usize,
}

/// A text that is not the name of a package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not the name of a package: it is `namespace/name`, each of words of a-z and 0-9 that begin with a \
     letter and are joined by `-`, at most {MAX_PART} characters"
)]
pub struct InvalidName {
    /// The beginning of the text, as it was given.
    pub text: String,
}

impl PackageName {
    /// Checks the two parts and joins them.
    ///
    /// # Errors
    /// When either breaks the rule.
    pub fn new(namespace: &str, name: &str) -> Result<Self, InvalidName> {
        format!("{namespace}/{name}").parse()
    }

    /// The name in `text`: as it stands if it has a namespace, otherwise within
    /// `default`. A bare name is never looked for in any other namespace.
    ///
    /// # Errors
    /// When either part breaks the rule.
    pub fn within(default: &str, text: &str) -> Result<Self, InvalidName> {
        if text.contains('/') {
            text.parse()
        } else {
            Self::new(default, text)
        }
    }

    /// Before the slash.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.text[..self.slash]
    }

    /// After the slash.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.text[self.slash + 1..]
    }

    /// Both, with the slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a person may take one for the other: their namespaces differ, and
    /// either look the same once drawn (`acme` and `acrne`, `l` and `1`), or are
    /// one slip of the pen apart. Within one namespace all names belong to the
    /// same publishers, so that none can pose as another.
    #[must_use]
    pub fn looks_like(&self, other: &Self) -> bool {
        let (one, two) = (self.namespace(), other.namespace());
        one != two && namespaces_look_alike(one, two)
    }
}

/// Whether `part` may be a namespace or a name.
#[must_use]
pub fn is_part(part: &str) -> bool {
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    part.len() <= MAX_PART && part.split('-').all(word)
}

/// Names this short are a slip apart from too many others.
const SHORT: usize = 4;

fn namespaces_look_alike(one: &str, two: &str) -> bool {
    if skeleton(one) == skeleton(two) {
        return true;
    }
    one.len().min(two.len()) > SHORT && strsim::osa_distance(one, two) == 1
}

/// What is left of a text when characters that are drawn alike are one: after
/// the confusables of Unicode's UTS 39, for the alphabet that names have.
fn skeleton(text: &str) -> String {
    text.replace('-', "")
        .replace("rn", "m")
        .replace("vv", "w")
        .replace("cl", "d")
        .chars()
        .map(|c| match c {
            '0' => 'o',
            '1' | 'i' => 'l',
            '5' => 's',
            '2' => 'z',
            '8' => 'b',
            c => c,
        })
        .collect()
}

impl FromStr for PackageName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let slash = match text.split_once('/') {
            Some((namespace, name)) if is_part(namespace) && is_part(name) => namespace.len(),
            _ => {
                return Err(InvalidName {
                    text: text.chars().take(2 * MAX_PART).collect(),
                });
            }
        };
        Ok(Self {
            text: text.into(),
            slash,
        })
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.text)
    }
}

impl Serialize for PackageName {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for PackageName {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> PackageName {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_is_two_parts_of_hyphenated_words() {
        for good in ["acme/weather", "a/b", "my-team/s3-upload2", "x/y-z"] {
            let parsed = name(good);
            assert_eq!(parsed.as_str(), good);
            let again = PackageName::new(parsed.namespace(), parsed.name());
            assert_eq!(again.unwrap(), parsed);
        }
        let long = format!("a/{}", "b".repeat(MAX_PART + 1));
        for bad in [
            "", "/", "a", "a/", "/b", "a/b/c", "A/b", "a/B", "a/b_c", "a/-b", "a/b-", "a/b--c",
            "a/1b", "a/b-2", "a/b c", "a/bé", "a/../b", "a/b:1", "a/b@1", &long,
        ] {
            let error = bad.parse::<PackageName>().unwrap_err();
            assert!(error.to_string().contains("namespace/name"), "{bad}");
        }
    }

    #[test]
    fn a_bare_name_is_in_the_default_namespace_and_no_other() {
        let within = |text| PackageName::within("acme", text).unwrap();
        assert_eq!(within("weather"), name("acme/weather"));
        assert_eq!(within("other/weather"), name("other/weather"));
        assert!(PackageName::within("acme", "a/b/c").is_err());
    }

    #[test]
    fn namespaces_that_a_person_may_confuse_look_alike() {
        for (one, two) in [
            ("acme", "acrne"),
            ("lily", "l1ly"),
            ("cloud", "doud"),
            ("my-team", "myteam"),
            ("nebula", "nebu1a"),
            ("weather", "waether"),
            ("weather", "weathers"),
            ("stripe", "strlpe"),
        ] {
            let (one, two) = (format!("{one}/pack"), format!("{two}/pack"));
            assert!(name(&one).looks_like(&name(&two)), "{one} {two}");
            assert!(name(&two).looks_like(&name(&one)), "{two} {one}");
        }
        for (one, two) in [
            ("acme/weather", "acme/waether"),
            ("acme/weather", "globex/weather"),
            ("aws/s3", "gcs/s3"),
            ("acme/a", "acme/a"),
        ] {
            assert!(!name(one).looks_like(&name(two)), "{one} {two}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_is_a_safe_path_and_comes_back_as_it_was(text in "[a-c1/.@:_ -]{0,12}") {
            if let Ok(name) = text.parse::<PackageName>() {
                prop_assert_eq!(name.to_string(), &text[..]);
                prop_assert!(is_part(name.namespace()) && is_part(name.name()));
                prop_assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'/'));
                prop_assert!(!name.looks_like(&name));
                let json = serde_json::to_string(&name).unwrap();
                prop_assert_eq!(serde_json::from_str::<PackageName>(&json).unwrap(), name);
            }
        }

        #[test]
        fn looking_alike_is_mutual(one in "[a-d1-]{1,8}/x", two in "[a-d1-]{1,8}/x") {
            if let (Ok(one), Ok(two)) = (one.parse::<PackageName>(), two.parse::<PackageName>()) {
                prop_assert_eq!(one.looks_like(&two), two.looks_like(&one));
            }
        }
    }
}
