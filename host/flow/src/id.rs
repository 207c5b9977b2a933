//! The names of things. Every id has one text form, used in the log, the API,
//! the CLI and the UI alike.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use ulid::Ulid;

use crate::time::Timestamp;

/// How many shards executions hash to. Fixed for the life of a log.
pub const SHARDS: u8 = 64;

/// A text that is not a valid id of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {kind}: {expected}")]
pub struct InvalidId {
    /// Which kind of id was expected, e.g. `execution id`.
    pub kind: &'static str,
    /// The text that was given, cut to 80 characters.
    pub text: String,
    /// What a valid one looks like.
    pub expected: &'static str,
}

impl InvalidId {
    fn new(kind: &'static str, text: &str, expected: &'static str) -> Self {
        Self {
            kind,
            text: text.chars().take(80).collect(),
            expected,
        }
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Checks the text and makes the name.
            ///
            /// # Errors
            /// When the text breaks the rule of this kind of name.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                let text = text.as_ref();
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidId::new($kind, text, $expected))
                }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                Self::new(&*text).map_err(de::Error::custom)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

fn segment(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 63
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        && text.starts_with(|c: char| c.is_ascii_lowercase())
}

name_type!(
    /// Who owns an execution, a definition, a grant: every key carries one.
    TenantId,
    "tenant",
    "1 to 63 of a-z, 0-9, `-` and `_`, beginning with a letter",
    segment
);

name_type!(
    /// The name of a workflow, unique within a tenant.
    WorkflowName,
    "workflow name",
    "1 to 128 of a-z, A-Z, 0-9, `-`, `_` and `.`, beginning with a letter",
    |t| !t.is_empty()
        && t.len() <= 128
        && t.starts_with(|c: char| c.is_ascii_alphabetic())
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
);

name_type!(
    /// The name of a node within a workflow; usable in an expression as it stands.
    NodeId,
    "node id",
    "1 to 64 of [A-Za-z_][A-Za-z0-9_]*",
    |t| !t.is_empty()
        && t.len() <= 64
        && t.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
);

name_type!(
    /// The name of an action, e.g. `weather.fetch`: two or more segments; the
    /// first belongs to one publisher.
    ActionId,
    "action id",
    "two or more segments of a-z, 0-9, `-` and `_` joined by dots, at most 128 characters",
    |t| t.len() <= 128 && t.split('.').count() >= 2 && t.split('.').all(segment)
);

impl TenantId {
    /// The one tenant of a node that has no tenants configured.
    #[must_use]
    pub fn default_tenant() -> Self {
        Self("default".into())
    }
}

macro_rules! ulid_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u128);

        impl $name {
            /// Makes an id from an instant and 80 bits of randomness; ids made
            /// later sort later.
            #[must_use]
            pub fn mint(at: Timestamp, random: u128) -> Self {
                Self(Ulid::from_parts(at.as_millis(), random).0)
            }

            /// The id as a number, as stores keep it.
            #[must_use]
            pub const fn as_u128(self) -> u128 {
                self.0
            }

            /// The id that a store kept as a number.
            #[must_use]
            pub const fn from_u128(raw: u128) -> Self {
                Self(raw)
            }

            /// When it was minted.
            #[must_use]
            pub fn minted_at(self) -> Timestamp {
                Timestamp::from_millis(Ulid(self.0).timestamp_ms())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text = Ulid(self.0).to_string().to_ascii_lowercase();
                write!(f, concat!($prefix, "{}"), text)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix($prefix)
                    .filter(|t| t.is_ascii())
                    .and_then(|t| Ulid::from_string(&t.to_ascii_uppercase()).ok())
                    .map(|u| Self(u.0))
                    .ok_or_else(|| InvalidId::new($kind, text, $expected))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

ulid_type!(
    /// A workflow, through all its versions: `wf-` and a ULID.
    WorkflowId, "wf-", "workflow id", "`wf-` and 26 characters"
);

ulid_type!(
    /// One run of a workflow: `exec-` and a ULID; time-ordered.
    ExecutionId, "exec-", "execution id", "`exec-` and 26 characters"
);

impl ExecutionId {
    /// The shard that owns this execution.
    #[must_use]
    pub const fn shard(self) -> Shard {
        #[expect(clippy::cast_possible_truncation, reason = "the value is below 64")]
        Shard((self.0 % SHARDS as u128) as u8)
    }
}

/// One of [`SHARDS`] parts of a log; each has one owner at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shard(pub u8);

impl Shard {
    /// Every shard of a log.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SHARDS).map(Self)
    }
}

/// The SHA-256 of some bytes: `sha256:` and 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A digest from its 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 64 hex digits without the algorithm's name, as file names use them.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().map(|b| format!("{b:02x}")).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId::new("digest", text, "`sha256:` and 64 hex digits");
        let hex = text.strip_prefix("sha256:").ok_or_else(invalid)?;
        if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).map_err(|_| invalid())?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// One step: a node × one path of map items × one iteration. Text form:
/// `totals`, `totals[3]`, `totals[3][0]`, with `#2` behind it from the second
/// iteration on.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StepKey {
    /// The node.
    pub node: NodeId,
    /// The index at each level of nested maps; empty outside a map, and for
    /// the map node itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<u32>,
    /// 0 for the first; raised each time the action answers *wait* or *continue*.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub iteration: u32,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl StepKey {
    /// The first iteration of a node outside any map.
    #[must_use]
    pub fn root(node: NodeId) -> Self {
        Self {
            node,
            path: Vec::new(),
            iteration: 0,
        }
    }

    /// The step for item `index` of the map whose own step this is.
    #[must_use]
    pub fn item(&self, index: u32) -> Self {
        let mut path = self.path.clone();
        path.push(index);
        Self {
            node: self.node.clone(),
            path,
            iteration: 0,
        }
    }
}

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.node.as_str())?;
        for index in &self.path {
            write!(f, "[{index}]")?;
        }
        if self.iteration > 0 {
            write!(f, "#{}", self.iteration)?;
        }
        Ok(())
    }
}

impl fmt::Debug for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_id_reads_back_from_its_text_and_sorts_by_time() {
        let early = ExecutionId::mint(Timestamp::from_millis(1_000), 77);
        let late = ExecutionId::mint(Timestamp::from_millis(2_000), 3);
        assert_eq!(early.to_string().parse(), Ok(early));
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!(late.minted_at(), Timestamp::from_millis(2_000));
    }

    #[test]
    fn names_keep_their_rules() {
        assert!(NodeId::new("fetch_2").is_ok());
        assert!(NodeId::new("2fetch").is_err());
        assert!(NodeId::new("a-b").is_err(), "would read as a subtraction");
        assert!(ActionId::new("weather.fetch").is_ok());
        assert!(ActionId::new("weather").is_err());
        assert!(WorkflowName::new("../x").is_err());
        assert!("exec-é".parse::<ExecutionId>().is_err());
    }

    #[test]
    fn a_digest_reads_back_from_its_text() {
        let digest = Digest::of(b"nebula");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!("sha256:éé".parse::<Digest>().is_err());
    }
}
