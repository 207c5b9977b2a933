//! The names of things. Every id has one text form, used in the log, the API,
//! the CLI and the UI alike.
//!
//! - [`name`]: names that people give.
//! - [`ulid`]: ids that are minted.
//! - [`digest`]: content hashes.
//! - [`step`]: which part of an execution.
//! - [`shard`]: the parts of a log.

pub mod digest;
pub mod name;
pub mod shard;
pub mod step;
pub mod ulid;

pub use digest::{Digest, Hasher};
pub use name::{ActionId, NodeId, SignalName, TenantId, TriggerName, WorkflowName};
pub use shard::{SHARDS, Shard};
pub use step::StepKey;
pub use ulid::{ExecutionId, WorkflowId};

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
    pub(crate) fn new(kind: &'static str, text: &str, expected: &'static str) -> Self {
        Self {
            kind,
            text: text.chars().take(80).collect(),
            expected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

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
