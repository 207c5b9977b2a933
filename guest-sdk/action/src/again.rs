//! Actions that are called again: what one iteration leaves, what it waits for,
//! and what the next one begins with.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
#[cfg(any(feature = "std", not(target_arch = "wasm32")))]
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{ActionError, Result};
use crate::wire;

/// A value as it travels: MessagePack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded(pub(crate) Vec<u8>);

impl Encoded {
    /// Encodes a value.
    ///
    /// # Errors
    /// Permanent, when it cannot be encoded: a map whose keys are no texts, say.
    pub fn of(value: &(impl Serialize + ?Sized)) -> Result<Self> {
        Ok(Self(wire::encode(value)?))
    }

    /// A value that is encoded already.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// As it travels.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value.
    ///
    /// # Errors
    /// Permanent, when it is not of this type; the message names the place.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(wire::decode(&self.0)?)
    }
}

/// What an action waits for. Nothing of it runs meanwhile; a wait outlasts a
/// restart of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// So much time from when it answers.
    After(Duration),
    /// An instant, in milliseconds since the Unix epoch.
    AtMillis(u64),
    /// A signal to the execution (`nebula execution signal`).
    Signal {
        /// Its name: `[A-Za-z][A-Za-z0-9._-]{0,63}`.
        name: String,
        /// How long; for ever if absent.
        timeout: Option<Duration>,
    },
}

impl Wake {
    /// So much time from now on.
    #[must_use]
    pub const fn after(time: Duration) -> Self {
        Self::After(time)
    }

    /// An instant; one before 1970 is the beginning of that year.
    #[cfg(any(feature = "std", not(target_arch = "wasm32")))]
    #[must_use]
    pub fn at(instant: SystemTime) -> Self {
        let since = instant.duration_since(SystemTime::UNIX_EPOCH);
        let millis = since.map_or(0, |since| since.as_millis());
        Self::AtMillis(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    /// A signal, for ever.
    #[must_use]
    pub fn signal(name: impl Into<String>) -> Self {
        Self::Signal {
            name: name.into(),
            timeout: None,
        }
    }

    /// A signal, for so long: then the action is called with [`Woken::TimedOut`].
    #[must_use]
    pub fn signal_within(name: impl Into<String>, time: Duration) -> Self {
        Self::Signal {
            name: name.into(),
            timeout: Some(time),
        }
    }
}

/// What an iteration after the first begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed<S> {
    /// As the iteration before it left it.
    pub state: S,
    /// Why the action is called again.
    pub woken: Woken,
}

/// Why an action is called again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Woken {
    /// It wanted to be, at once.
    Continued,
    /// The time that it waited for has come.
    Time,
    /// The signal that it waited for has come, and says this.
    Signal(Encoded),
    /// The signal that it waited for did not come in time.
    TimedOut,
}

impl Resumed<Encoded> {
    /// The same with its state as a value.
    pub(crate) fn decode<S: DeserializeOwned>(self) -> Result<Resumed<S>> {
        let state = self.state.decode().map_err(|e| {
            let message = "the state of the iteration before cannot be read: ";
            ActionError::Permanent([message, &alloc::string::ToString::to_string(&e)].concat())
        })?;
        Ok(Resumed {
            state,
            woken: self.woken,
        })
    }
}
