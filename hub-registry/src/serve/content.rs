//! Content addresses. A registry keeps other people's content, which may be
//! addressed by either algorithm that the OCI image specification registers.

use std::fmt;
use std::str::FromStr;

use sha2::Digest as _;

/// `sha256:` and 64, or `sha512:` and 128 hex digits, all lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ContentDigest {
    algorithm: Algorithm,
    hex: String,
}

/// A registered algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Algorithm {
    Sha256,
    Sha512,
}

/// Hashes content as it comes.
pub(super) enum Hasher {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
}

/// A text that is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not `sha256:` and 64, or `sha512:` and 128 hex digits in lower case")]
pub(super) struct InvalidDigest;

impl Algorithm {
    /// All of them.
    pub(super) const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// As it stands before the colon.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    const fn digits(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }

    /// By its name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.name() == name)
    }

    /// Begins to hash.
    pub(super) fn hasher(self) -> Hasher {
        match self {
            Self::Sha256 => Hasher::Sha256(sha2::Sha256::new()),
            Self::Sha512 => Hasher::Sha512(sha2::Sha512::new()),
        }
    }
}

impl Hasher {
    /// Which algorithm this is.
    pub(super) const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Sha256(_) => Algorithm::Sha256,
            Self::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// The next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of all bytes.
    pub(super) fn finish(self) -> ContentDigest {
        let algorithm = self.algorithm();
        let hex = match self {
            Self::Sha256(hasher) => data_encoding::HEXLOWER.encode(&hasher.finalize()),
            Self::Sha512(hasher) => data_encoding::HEXLOWER.encode(&hasher.finalize()),
        };
        ContentDigest { algorithm, hex }
    }
}

impl ContentDigest {
    /// Of these bytes.
    pub(super) fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = algorithm.hasher();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Its algorithm.
    pub(super) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its digits.
    pub(super) fn hex(&self) -> &str {
        &self.hex
    }

    /// As a file's name: a dash in place of the colon.
    pub(super) fn file_name(&self) -> String {
        format!("{}-{}", self.algorithm.name(), self.hex)
    }

    /// From a file's name.
    pub(super) fn from_file_name(name: &str) -> Option<Self> {
        let (algorithm, hex) = name.split_once('-')?;
        Self::new(algorithm, hex)
    }

    fn new(algorithm: &str, hex: &str) -> Option<Self> {
        let algorithm = Algorithm::named(algorithm)?;
        let lower = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        let fits = hex.len() == algorithm.digits() && hex.bytes().all(lower);
        fits.then(|| Self {
            algorithm,
            hex: hex.into(),
        })
    }
}

impl FromStr for ContentDigest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        text.split_once(':')
            .and_then(|(algorithm, hex)| Self::new(algorithm, hex))
            .ok_or(InvalidDigest)
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl serde::Serialize for ContentDigest {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for ContentDigest {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_algorithms_read_back_what_they_write_and_nothing_else() {
        for algorithm in Algorithm::ALL {
            let digest = ContentDigest::of(algorithm, b"nebula");
            assert_eq!(digest.to_string().parse(), Ok(digest.clone()));
            let name = digest.file_name();
            assert_eq!(ContentDigest::from_file_name(&name), Some(digest.clone()));
            let text = digest.to_string();
            for wrong in [
                text.to_uppercase(),
                text[..text.len() - 1].to_owned(),
                format!("{text}0"),
                text.replace(':', "-"),
                format!("md5:{}", digest.hex()),
                format!("{}:../../../../etc/passwd", algorithm.name()),
                String::new(),
            ] {
                assert_eq!(
                    wrong.parse::<ContentDigest>(),
                    Err(InvalidDigest),
                    "{wrong}"
                );
            }
        }
    }

    #[test]
    fn the_digests_are_those_of_other_tools() {
        // Of `printf '' | sha256sum` and `printf '' | sha512sum`.
        let empty = ContentDigest::of(Algorithm::Sha256, b"");
        assert!(
            empty
                .hex()
                .starts_with("e3b0c44298fc1c149afbf4c8996fb92427ae41e4")
        );
        let empty = ContentDigest::of(Algorithm::Sha512, b"");
        assert!(
            empty
                .hex()
                .starts_with("cf83e1357eefb8bdf1542850d66d8007d620e405")
        );
    }
}
