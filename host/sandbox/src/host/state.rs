//! The import `state`.

use nebula_flow::payload;
use nebula_flow::state::MAX_STATE;

use crate::bindings::nebula::action::state::{self, StateError, Versioned};
use crate::charge::TEXT_BYTE;
use crate::keep::{KEYS, Refused};
use crate::limits::bytes;
use crate::state::State;

/// The longest key, bytes.
const KEY_BYTES: usize = 128;

impl From<Refused> for StateError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Conflict(version) => Self::Conflict(version),
            Refused::TooMany => Self::Refused(format!("a call has at most {KEYS} states")),
            Refused::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl State {
    fn check(&mut self, key: Option<&String>) -> Result<(), StateError> {
        let Some(key) = key else {
            return Ok(());
        };
        self.charge_each(TEXT_BYTE, key.len());
        if key.is_empty() || key.len() > KEY_BYTES || key.contains(char::is_control) {
            let message = format!("a key is 1 to {KEY_BYTES} bytes of text without controls");
            return Err(StateError::Refused(message));
        }
        Ok(())
    }
}

impl state::Host for State {
    async fn get(
        &mut self,
        key: Option<String>,
    ) -> wasmtime::Result<Result<Versioned, StateError>> {
        if let Err(error) = self.check(key.as_ref()) {
            return Ok(Err(error));
        }
        let Some(keeper) = self.keeper.clone() else {
            return Ok(Err(nothing_kept()));
        };
        let seen = match keeper.get(key.as_deref()).await {
            Ok(seen) => seen,
            Err(refused) => return Ok(Err(refused.into())),
        };
        let value = payload::encode(&seen.value)?;
        self.charge_each(TEXT_BYTE, value.len());
        Ok(Ok(Versioned {
            value: value.into(),
            version: seen.version,
        }))
    }

    async fn set(
        &mut self,
        key: Option<String>,
        value: Vec<u8>,
        expected: u64,
    ) -> wasmtime::Result<Result<u64, StateError>> {
        if let Err(error) = self.check(key.as_ref()) {
            return Ok(Err(error));
        }
        self.charge_each(TEXT_BYTE, value.len());
        let Some(keeper) = self.keeper.clone() else {
            return Ok(Err(nothing_kept()));
        };
        if value.len() > MAX_STATE {
            let (has, most) = (value.len(), bytes(MAX_STATE as u64));
            let message = format!("the state has {has} bytes; at most {most} are allowed");
            return Ok(Err(StateError::Refused(message)));
        }
        let mut value = value;
        self.redactor.cover(&mut value);
        let value = match payload::decode(&value) {
            Ok(value) => value,
            Err(error) => return Ok(Err(StateError::Refused(error.to_string()))),
        };
        let set = keeper.set(key.as_deref(), value, expected).await;
        Ok(set.map_err(StateError::from))
    }
}

/// A host without records: a test's, say.
fn nothing_kept() -> StateError {
    StateError::Unavailable("this host keeps no states".into())
}
