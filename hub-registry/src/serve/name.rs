//! Names of repositories and tags, by the letter of the specification. What is
//! one of these can be a path below a folder: it never leads out of it.

use std::fmt;
use std::str::FromStr;

use super::content::ContentDigest;

/// Characters of a repository's name. Clients commonly hold registry, port and
/// name to 255 together.
const MAX_NAME: usize = 200;
/// Characters of a tag (distribution specification, "Pulling manifests").
const MAX_TAG: usize = 128;

/// A repository's name, such as `acme/weather`:
/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` between slashes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct RepositoryName(String);

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Tag(String);

/// A tag or a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    Tag(Tag),
    Digest(ContentDigest),
}

/// A text that is no name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidName {
    #[error(
        "a repository's name has at most {MAX_NAME} characters, in segments of lower-case letters and digits, with `.`, `_`, `__` or dashes only between them"
    )]
    Repository,
    #[error(
        "a tag has at most {MAX_TAG} letters, digits, `.`, `_` and `-`, and does not begin with `.` or `-`"
    )]
    Tag,
}

impl RepositoryName {
    /// As it is written.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is this one or stands below it.
    pub(super) fn is_within(&self, namespace: &str) -> bool {
        self.0
            .strip_prefix(namespace)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for RepositoryName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let good = text.len() <= MAX_NAME && text.split('/').all(is_segment);
        good.then(|| Self(text.into()))
            .ok_or(InvalidName::Repository)
    }
}

/// Runs of letters and digits, with a separator between each two.
fn is_segment(segment: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut rest = segment;
    loop {
        let after_word = rest.trim_start_matches(is_word);
        if after_word.len() == rest.len() {
            return false;
        }
        let next = after_word.trim_start_matches(|c| !is_word(c));
        let separator = &after_word[..after_word.len() - next.len()];
        match separator {
            "" => return next.is_empty(),
            "." | "_" | "__" => {}
            dashes if dashes.bytes().all(|b| b == b'-') => {}
            _ => return false,
        }
        rest = next;
    }
}

impl Tag {
    /// As it is written.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names a version: semantic versioning, a leading `v` allowed.
    pub(super) fn is_version(&self) -> bool {
        let bare = self.0.strip_prefix('v').unwrap_or(&self.0);
        semver::Version::parse(bare).is_ok()
    }
}

impl FromStr for Tag {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let good = text.len() <= MAX_TAG
            && text.bytes().next().is_some_and(word)
            && text.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'));
        good.then(|| Self(text.into())).ok_or(InvalidName::Tag)
    }
}

impl FromStr for Reference {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match text.parse() {
            Ok(digest) => Ok(Self::Digest(digest)),
            Err(_) => text.parse().map(Self::Tag),
        }
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_those_of_the_specification() {
        for good in ["a", "0", "acme/weather", "a.b/c_d/e__f/g---h", "a/b/c/d"] {
            assert!(good.parse::<RepositoryName>().is_ok(), "{good}");
        }
        for bad in [
            "", "/", "a/", "/a", "a//b", "A", "ä", ".a", "a.", "_a", "a_", "-a", "a-", "a..b",
            "a___b", "a._b", "a-_b", "a/../b", "..", "a b", "a:b", "a\0", "a/_tags",
        ] {
            assert_eq!(
                bad.parse::<RepositoryName>(),
                Err(InvalidName::Repository),
                "{bad}"
            );
        }
        assert!("a".repeat(MAX_NAME).parse::<RepositoryName>().is_ok());
        assert!("a".repeat(MAX_NAME + 1).parse::<RepositoryName>().is_err());
    }

    #[test]
    fn a_namespace_is_a_whole_segment() {
        let name: RepositoryName = "acme/weather".parse().expect("a name");
        assert!(name.is_within("acme"));
        assert!(name.is_within("acme/weather"));
        assert!(!name.is_within("acm"));
        assert!(!name.is_within("acme/weather/x"));
    }

    #[test]
    fn versions_are_told_from_other_tags() {
        let is_version = |text: &str| text.parse::<Tag>().expect("a tag").is_version();
        for version in ["1.0.0", "v1.0.0", "0.1.2-rc.1", "10.20.30"] {
            assert!(is_version(version), "{version}");
        }
        for other in ["latest", "1", "1.0", "vv1.0.0", "1.0.0.0", "sha256-00.sig"] {
            assert!(!is_version(other), "{other}");
        }
    }

    proptest! {
        /// The hand-made reader takes what the specification's pattern makes,
        /// and of any text at all only what is safe as a path.
        #[test]
        fn what_the_pattern_makes_is_taken(
            name in r"[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,5}){0,3}(/[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,5}){0,3}){0,3}",
            tag in r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}",
        ) {
            prop_assert!(name.len() > MAX_NAME || name.parse::<RepositoryName>().is_ok());
            prop_assert!(tag.parse::<Tag>().is_ok());
        }

        #[test]
        fn what_is_taken_is_a_safe_path(text in r"[a-z0-9A-Z._/\-~%\\ \PC]{0,12}") {
            if let Ok(name) = text.parse::<RepositoryName>() {
                for segment in name.as_str().split('/') {
                    prop_assert!(segment.starts_with(|c: char| c.is_ascii_alphanumeric()));
                    prop_assert!(segment.ends_with(|c: char| c.is_ascii_alphanumeric()));
                    prop_assert!(!segment.contains(".."));
                }
            }
            if let Ok(tag) = text.parse::<Tag>() {
                prop_assert!(!tag.as_str().starts_with('.') && !tag.as_str().contains('/'));
            }
        }
    }
}
