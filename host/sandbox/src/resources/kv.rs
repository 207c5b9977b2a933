//! Small values by key.

use std::time::Duration;

use async_trait::async_trait;

use super::ResourceError;

/// The values of one tenant, whoever of its calls uses them. Each request is one
/// transaction, and takes no longer than `within`. Dropped before its end, a change may
/// have been made or not, but never in part.
#[async_trait]
pub trait Kv: Send + Sync {
    /// The value of a key; none if it has none, or its time is over.
    ///
    /// # Errors
    /// When it cannot be told.
    async fn get(&self, key: String, within: Duration) -> Result<Option<Entry>, ResourceError>;

    /// Sets a value; its version, or none where another version was expected.
    ///
    /// # Errors
    /// When nothing was set.
    async fn set(&self, set: SetValue, within: Duration) -> Result<Option<u64>, ResourceError>;

    /// Removes a value, of this version if one is expected; whether it did.
    ///
    /// # Errors
    /// When nothing was removed.
    async fn delete(
        &self,
        key: String,
        expected: Option<u64>,
        within: Duration,
    ) -> Result<bool, ResourceError>;

    /// Adds to a whole number, 0 if there is none; the sum. What it makes is there for
    /// `ttl`, or for good; what was there keeps its time.
    ///
    /// # Errors
    /// When nothing was added.
    async fn increment(
        &self,
        key: String,
        by: i64,
        ttl: Option<Duration>,
        within: Duration,
    ) -> Result<i64, ResourceError>;

    /// The keys that begin so, after this one, in the order of their bytes; at most so
    /// many, and at most 1,000.
    ///
    /// # Errors
    /// When they cannot be told.
    async fn list(
        &self,
        prefix: String,
        after: Option<String>,
        limit: u32,
        within: Duration,
    ) -> Result<Keys, ResourceError>;
}

/// A value that is to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetValue {
    /// Of this key.
    pub key: String,
    /// MessagePack.
    pub value: Vec<u8>,
    /// How long it is there; for good if absent.
    pub ttl: Option<Duration>,
    /// The version that the key must have, 0 for none; any if absent.
    pub expected: Option<u64>,
}

/// A value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// MessagePack.
    pub value: Vec<u8>,
    /// Another after every change, also of a key that was away meanwhile; never 0.
    pub version: u64,
}

/// Some keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keys {
    /// In their order.
    pub keys: Vec<String>,
    /// After which one the next ones come; none at the end.
    pub next: Option<String>,
}
