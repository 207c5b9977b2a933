//! Small values by key.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Resource, ResourceError};
use crate::backend::Values;
use crate::context::ActionContext;
use crate::wire;

/// Small values by key, which all workflows of the tenant share. Each request is a
/// transaction of its own, and a step that is tried again makes its requests again.
///
/// ```
/// # use core::time::Duration;
/// # use nebula_action::resource::{Kv, ResourceError};
/// # async fn token(cache: &Kv) -> Result<String, ResourceError> {
/// if let Some(token) = cache.get("token").await? {
///     return Ok(token);
/// }
/// let token = String::from("a new one");
/// cache.set_for("token", &token, Duration::from_secs(600)).await?;
/// # Ok(token)
/// # }
/// ```
#[derive(Debug)]
pub struct Kv(Values);

/// A value and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<T> {
    /// The value.
    pub value: T,
    /// Another after every change, also of a key that was away meanwhile; never 0.
    pub version: u64,
}

/// Some keys, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// The keys.
    pub keys: Vec<String>,
    /// After which one the next ones come; none at the end.
    pub next: Option<String>,
}

impl Resource for Kv {
    const KIND: &'static str = "kv";

    fn open(ctx: &ActionContext, name: &str) -> Result<Self, ResourceError> {
        ctx.backend.values(name).map(Self)
    }
}

impl Kv {
    /// The value of a key; none if it has none, or its time is over.
    ///
    /// # Errors
    /// When it is not of this type, or cannot be had.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, ResourceError> {
        Ok(self.entry(key).await?.map(|entry| entry.value))
    }

    /// The value of a key and its version.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn entry<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<Entry<T>>, ResourceError> {
        let Some((value, version)) = self.0.get(key)? else {
            return Ok(None);
        };
        let value = wire::decode(&value).map_err(|e| {
            ResourceError::Refused(format!("the value of `{key}` is of another type: {e}"))
        })?;
        Ok(Some(Entry { value, version }))
    }

    /// Sets a value for good; gives its version.
    ///
    /// # Errors
    /// When nothing was set.
    pub async fn set(&self, key: &str, value: &impl Serialize) -> Result<u64, ResourceError> {
        let version = self.0.set(key, encoded(key, value)?, None, None)?;
        Ok(version.unwrap_or_default())
    }

    /// Sets a value for a time; gives its version.
    ///
    /// # Errors
    /// When nothing was set.
    pub async fn set_for(
        &self,
        key: &str,
        value: &impl Serialize,
        time: Duration,
    ) -> Result<u64, ResourceError> {
        let version = self
            .0
            .set(key, encoded(key, value)?, Some(millis(time)), None)?;
        Ok(version.unwrap_or_default())
    }

    /// Sets a value, for a time or for good, if the key has this version, 0 for none;
    /// gives the new one, or none where the key has another.
    ///
    /// # Errors
    /// When nothing was set for another reason.
    pub async fn set_if(
        &self,
        key: &str,
        version: u64,
        value: &impl Serialize,
        time: Option<Duration>,
    ) -> Result<Option<u64>, ResourceError> {
        self.0
            .set(key, encoded(key, value)?, time.map(millis), Some(version))
    }

    /// Removes a value; whether there was one.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub async fn delete(&self, key: &str) -> Result<bool, ResourceError> {
        self.0.delete(key, None)
    }

    /// Removes a value if it has this version; whether it had.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub async fn delete_if(&self, key: &str, version: u64) -> Result<bool, ResourceError> {
        self.0.delete(key, Some(version))
    }

    /// Adds to a whole number, 0 if there is none; gives the sum.
    ///
    /// # Errors
    /// When there is something else, or the sum is no `i64`.
    pub async fn increment(&self, key: &str, by: i64) -> Result<i64, ResourceError> {
        self.0.increment(key, by, None)
    }

    /// The same; a number that it makes is there for a time. One that was there keeps its
    /// own: so many a minute are counted with a time of a minute.
    ///
    /// # Errors
    /// As [`increment`](Self::increment).
    pub async fn increment_for(
        &self,
        key: &str,
        by: i64,
        time: Duration,
    ) -> Result<i64, ResourceError> {
        self.0.increment(key, by, Some(millis(time)))
    }

    /// The keys that begin so, after one of them (`next` of those before); at most so
    /// many, and at most 1,000.
    ///
    /// # Errors
    /// When they cannot be told.
    pub async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Keys, ResourceError> {
        let (keys, next) = self.0.list(prefix, after, limit)?;
        Ok(Keys { keys, next })
    }
}

fn encoded(key: &str, value: &impl Serialize) -> Result<Vec<u8>, ResourceError> {
    wire::encode(value).map_err(|e| ResourceError::Refused(format!("the value of `{key}`: {e}")))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
