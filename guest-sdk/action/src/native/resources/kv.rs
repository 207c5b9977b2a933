//! Values of a unit test, in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::context::ActionContext;
use crate::native::Backend;
use crate::resource::ResourceError;
use crate::wire;

/// What the host allows where an operator says nothing.
const MAX_VALUE: usize = 64 << 10;
const MAX_KEY: usize = 512;
const MAX_LISTED: u32 = 1_000;

/// Values by key, as a host keeps them, in memory. Clones have the same ones. Their time
/// passes when a test says so.
#[derive(Debug, Clone, Default)]
pub struct KvStore(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<String, Stored>,
    /// Of the last change.
    version: u64,
    now_millis: u64,
}

#[derive(Debug)]
struct Stored {
    value: Vec<u8>,
    version: u64,
    expires: Option<u64>,
}

/// What an action asks of its values.
#[derive(Debug, Clone, PartialEq)]
pub struct KvRequest {
    /// The name by which the action asked for the values.
    pub resource: String,
    /// What it asks.
    pub ask: KvAsk,
}

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub enum KvAsk {
    /// The value of a key.
    Get {
        /// The key.
        key: String,
    },
    /// To set one.
    Set {
        /// The key.
        key: String,
        /// The value.
        value: Value,
        /// How long it is there; for good if absent.
        ttl: Option<Duration>,
        /// The version that is expected, 0 for none.
        expected: Option<u64>,
    },
    /// To remove one.
    Delete {
        /// The key.
        key: String,
        /// The version that is expected.
        expected: Option<u64>,
    },
    /// To add to one.
    Increment {
        /// The key.
        key: String,
        /// So much.
        by: i64,
    },
    /// Some keys.
    List {
        /// They begin so.
        prefix: String,
    },
}

/// What is asked before the values are; an error is the answer.
#[derive(Clone)]
pub(in crate::native) struct Double {
    store: KvStore,
    before: Arc<Before>,
}

type Before = dyn Fn(&KvRequest) -> Result<(), ResourceError> + Send + Sync;

impl fmt::Debug for Double {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Double").field(&self.store).finish()
    }
}

/// Small values by key.
#[derive(Debug)]
pub struct Values {
    name: String,
    double: Double,
}

impl ActionContext {
    /// With values by key. They are kept in the store, where the test and other calls
    /// find them.
    #[must_use]
    pub fn with_kv(self, name: impl Into<String>, store: &KvStore) -> Self {
        self.with_kv_after(name, store, |_| Ok(()))
    }

    /// The same; an error of the function is the answer to a request.
    #[must_use]
    pub fn with_kv_after(
        self,
        name: impl Into<String>,
        store: &KvStore,
        before: impl Fn(&KvRequest) -> Result<(), ResourceError> + Send + Sync + 'static,
    ) -> Self {
        let double = Double {
            store: store.clone(),
            before: Arc::new(before),
        };
        self.backend.state().values.insert(name.into(), double);
        self
    }
}

impl Backend {
    pub(crate) fn values(&self, name: &str) -> Result<Values, ResourceError> {
        let double = self.state().values.get(name).cloned();
        let unbound = || super::unbound("values", name, "kv", "with_kv");
        Ok(Values {
            name: name.to_owned(),
            double: double.ok_or_else(unbound)?,
        })
    }
}

impl KvStore {
    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        let mut state = self.state();
        state.now_millis = state.now_millis.saturating_add(millis(time));
    }

    /// It is this instant now, milliseconds since the Unix epoch; it never goes back.
    pub fn pass_until(&self, now_millis: u64) {
        let mut state = self.state();
        state.now_millis = state.now_millis.max(now_millis);
    }

    /// All values that there are, by key.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, Value> {
        let mut state = self.state();
        state.sweep();
        let entries = state.entries.iter();
        entries
            .map(|(key, stored)| {
                let value = wire::decode(&stored.value);
                (key.clone(), value.unwrap_or(Value::Null))
            })
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Removes what is over.
    fn sweep(&mut self) {
        let now = self.now_millis;
        self.entries
            .retain(|_, stored| stored.expires.is_none_or(|at| at > now));
    }

    fn put(&mut self, key: &str, value: Vec<u8>, expires: Option<u64>) -> u64 {
        self.version += 1;
        let version = self.version;
        let stored = Stored {
            value,
            version,
            expires,
        };
        self.entries.insert(key.to_owned(), stored);
        version
    }

    fn version(&self, key: &str) -> u64 {
        self.entries.get(key).map_or(0, |stored| stored.version)
    }
}

impl Values {
    /// The values, when the test lets the request be.
    fn asked(&self, ask: KvAsk) -> Result<MutexGuard<'_, State>, ResourceError> {
        let request = KvRequest {
            resource: self.name.clone(),
            ask,
        };
        (self.double.before)(&request)?;
        let mut state = self.double.store.state();
        state.sweep();
        Ok(state)
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<(Vec<u8>, u64)>, ResourceError> {
        let state = self.asked(KvAsk::Get { key: checked(key)? })?;
        let found = state.entries.get(key);
        Ok(found.map(|stored| (stored.value.clone(), stored.version)))
    }

    pub(crate) fn set(
        &self,
        key: &str,
        value: Vec<u8>,
        ttl: Option<u64>,
        expected: Option<u64>,
    ) -> Result<Option<u64>, ResourceError> {
        if value.len() > MAX_VALUE {
            let has = value.len();
            return Err(ResourceError::Limit(format!(
                "the value has {has} bytes; at most {MAX_VALUE} are allowed"
            )));
        }
        let mut state = self.asked(KvAsk::Set {
            key: checked(key)?,
            value: wire::decode(&value).map_err(|e| ResourceError::Refused(e.to_string()))?,
            ttl: lasting(ttl)?,
            expected,
        })?;
        if expected.is_some_and(|expected| expected != state.version(key)) {
            return Ok(None);
        }
        let expires = ttl.map(|ttl| state.now_millis.saturating_add(ttl));
        Ok(Some(state.put(key, value, expires)))
    }

    pub(crate) fn delete(&self, key: &str, expected: Option<u64>) -> Result<bool, ResourceError> {
        let mut state = self.asked(KvAsk::Delete {
            key: checked(key)?,
            expected,
        })?;
        if expected.is_some_and(|expected| expected != state.version(key)) {
            return Ok(false);
        }
        Ok(state.entries.remove(key).is_some())
    }

    pub(crate) fn increment(
        &self,
        key: &str,
        by: i64,
        ttl: Option<u64>,
    ) -> Result<i64, ResourceError> {
        lasting(ttl)?;
        let mut state = self.asked(KvAsk::Increment {
            key: checked(key)?,
            by,
        })?;
        let now = state.now_millis;
        let (number, expires) = match state.entries.get(key) {
            None => (0, ttl.map(|ttl| now.saturating_add(ttl))),
            Some(stored) => {
                let number = wire::decode::<i64>(&stored.value).map_err(|_| {
                    ResourceError::Refused(
                        "the key has a value that is no whole number of 64 bits".into(),
                    )
                })?;
                (number, stored.expires)
            }
        };
        let sum = number.checked_add(by).ok_or_else(|| {
            ResourceError::Refused(format!("{number} and {by} are more than 64 bits hold"))
        })?;
        let value = wire::encode(&sum).map_err(|e| ResourceError::Refused(e.to_string()))?;
        state.put(key, value, expires);
        Ok(sum)
    }

    pub(crate) fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<String>, Option<String>), ResourceError> {
        let state = self.asked(KvAsk::List {
            prefix: prefix.to_owned(),
        })?;
        let keys = state.entries.keys().filter(|key| key.starts_with(prefix));
        let mut later = keys.filter(|key| after.is_none_or(|after| key.as_str() > after));
        let most = limit.clamp(1, MAX_LISTED) as usize;
        let keys: Vec<String> = later.by_ref().take(most).cloned().collect();
        let next = later.next().and_then(|_| keys.last().cloned());
        Ok((keys, next))
    }
}

fn checked(key: &str) -> Result<String, ResourceError> {
    if key.is_empty() || key.len() > MAX_KEY || key.chars().any(char::is_control) {
        return Err(ResourceError::Refused(format!(
            "a key has 1 to {MAX_KEY} bytes, without control characters"
        )));
    }
    Ok(key.to_owned())
}

fn lasting(ttl: Option<u64>) -> Result<Option<Duration>, ResourceError> {
    match ttl {
        Some(0) => Err(ResourceError::Refused(
            "the time that a value is there is at least 1 ms; leave it out for one that stays"
                .into(),
        )),
        ttl => Ok(ttl.map(Duration::from_millis)),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
