//! What a call may keep: blobs, and the state of its node or of a key. The state
//! is read when it is asked for, changed in memory, and put where others see it
//! when the call has ended well.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use nebula_flow::event::{Failure, FailureKind};
use nebula_flow::ports::{Identity, RecordError, Records};
use nebula_flow::state::{self, Place, Versioned};
use nebula_flow::{ActionId, TenantId, Value};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Keys of one call.
pub(crate) const KEYS: usize = 16;
/// Turns that are remembered before those that nobody waits for are forgotten.
const TURNS: usize = 1_024;

/// The tenant and the key of a state.
type Key = (TenantId, String);

/// Calls that want the same state take turns, so that they do not undo each other's
/// work. That is a courtesy: what may not be lost is compared when it is changed.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<Key, Weak<Turn<()>>>>);

impl Turns {
    fn of(&self, tenant: &TenantId, key: &str) -> Arc<Turn<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() >= TURNS {
            turns.retain(|_, turn| turn.strong_count() > 0);
        }
        let place = (tenant.clone(), key.to_owned());
        if let Some(turn) = turns.get(&place).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(Turn::new(()));
        turns.insert(place, Arc::downgrade(&turn));
        turn
    }
}

/// What one call keeps.
pub(crate) struct Keeper {
    pub(crate) records: Arc<dyn Records>,
    pub(crate) tenant: TenantId,
    identity: Identity,
    /// Keys belong to the publisher of the action.
    namespace: String,
    turns: Arc<Turns>,
    patience: Duration,
    states: Turn<BTreeMap<String, State>>,
}

struct State {
    place: Place,
    /// As it was read.
    from: u64,
    /// As the guest sees it.
    seen: Versioned,
    /// Held until the call is over; none if others took too long.
    _turn: Option<OwnedMutexGuard<()>>,
}

/// Why a state was not changed.
pub(crate) enum Refused {
    /// It has this version.
    Conflict(u64),
    /// The call has too many.
    TooMany,
    /// Trouble of the records.
    Unavailable(String),
}

impl From<RecordError> for Refused {
    fn from(error: RecordError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl Keeper {
    pub(crate) fn new(
        records: Arc<dyn Records>,
        turns: Arc<Turns>,
        (tenant, action): (TenantId, &ActionId),
        identity: Identity,
        patience: Duration,
    ) -> Self {
        let namespace = action.as_str().split('.').next().unwrap_or_default();
        Self {
            records,
            tenant,
            namespace: namespace.to_owned(),
            identity,
            turns,
            patience,
            states: Turn::default(),
        }
    }

    /// The state of the node, or of a key of the workflow.
    pub(crate) async fn get(&self, key: Option<&str>) -> Result<Versioned, Refused> {
        let mut states = self.states.lock().await;
        Ok(self.state(&mut states, key).await?.seen.clone())
    }

    /// Changes it, if it has this version; gives the new one.
    pub(crate) async fn set(
        &self,
        key: Option<&str>,
        value: Value,
        expected: u64,
    ) -> Result<u64, Refused> {
        let mut states = self.states.lock().await;
        let seen = &mut self.state(&mut states, key).await?.seen;
        if seen.version != expected {
            return Err(Refused::Conflict(seen.version));
        }
        seen.value = value;
        seen.version += 1;
        Ok(seen.version)
    }

    async fn state<'s>(
        &self,
        states: &'s mut BTreeMap<String, State>,
        key: Option<&str>,
    ) -> Result<&'s mut State, Refused> {
        let Identity { workflow, step, .. } = &self.identity;
        let key = match key {
            None => format!("{workflow}/node/{}", step.node),
            Some(key) => format!("{workflow}/key/{}/{key}", self.namespace),
        };
        if !states.contains_key(&key) {
            if states.len() >= KEYS {
                return Err(Refused::TooMany);
            }
            let turn = self.turns.of(&self.tenant, &key).lock_owned();
            let turn = tokio::time::timeout(self.patience, turn).await.ok();
            let place = Place::new(self.tenant.clone(), key.clone(), &self.identity);
            let seen = state::load(&*self.records, &place).await?;
            let state = State {
                place,
                from: seen.version,
                seen,
                _turn: turn,
            };
            states.insert(key.clone(), state);
        }
        let missing = || Refused::Unavailable("the state is gone".into());
        states.get_mut(&key).ok_or_else(missing)
    }

    /// The call has ended well: what it changed is for all to see.
    pub(crate) async fn commit(&self) -> Result<(), Failure> {
        let mut states = self.states.lock().await;
        for (_, state) in std::mem::take(&mut *states) {
            if state.seen.version == state.from {
                continue;
            }
            let changed = state::change(
                &*self.records,
                &state.place,
                state.from,
                state.seen.value.clone(),
            );
            changed
                .await
                .map_err(|e| Failure::new(FailureKind::Host, e.to_string()))?;
        }
        Ok(())
    }
}
