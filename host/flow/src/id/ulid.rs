//! Ids that are minted: time-ordered, without a coordinator.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use ulid::Ulid;

use super::InvalidId;
use super::shard::{SHARDS, Shard};
use crate::time::Timestamp;

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
