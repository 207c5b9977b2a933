//! What the host does for a guest is paid in fuel, as the guest's own
//! instructions are. Each import charges the state of its store, and what is
//! owed is taken from the store's fuel when the call returns, or before the
//! guest is entered to allocate room for the result. At both points the guest's
//! count of its fuel is in the store; at others, such as a `memory.grow`, it is
//! in a register. The price of `memory.grow` is therefore the compiler's
//! business (`profile`).
//!
//! One unit of fuel is about a nanosecond or less; a price is what its work
//! takes at the most, so that no import is a cheaper way to burn a core than a
//! loop.

use std::task::Poll;

use async_trait::async_trait;
use wasmtime::{CallHook, CallHookHandler, StoreContextMut, Trap};

use crate::limits::FUEL_BETWEEN_YIELDS;
use crate::state::State;

/// Any host call: from the guest and back, a lookup, a small allocation.
pub(crate) const HOST_CALL: u64 = 1_000;
/// One entry of a `poll`, which asks it again whenever one of them stirs.
pub(crate) const POLL_ENTRY: u64 = 1_000;
/// A random byte.
pub(crate) const RANDOM_BYTE: u64 = 8;
/// A byte of a text that is looked at or kept.
pub(crate) const TEXT_BYTE: u64 = 1;
/// A byte of a text that is hashed.
pub(crate) const HASHED_BYTE: u64 = 4;

impl State {
    /// Every import comes through here on its way to what it needs.
    pub(crate) const fn called(&mut self) -> &mut Self {
        self.charge(HOST_CALL);
        self
    }

    /// Adds to what the guest owes for the host call that is under way.
    pub(crate) const fn charge(&mut self, fuel: u64) {
        self.owed = self.owed.saturating_add(fuel);
    }

    /// The same for so many of something.
    pub(crate) const fn charge_each(&mut self, price: u64, count: usize) {
        self.charge(price.saturating_mul(count as u64));
    }
}

/// Settles what is owed whenever the guest goes on.
pub(crate) struct Settle;

#[async_trait]
impl CallHookHandler<State> for Settle {
    async fn handle_call_event(
        &self,
        store: StoreContextMut<'_, State>,
        hook: CallHook,
    ) -> wasmtime::Result<()> {
        if settle(store, hook)? {
            make_way().await;
        }
        Ok(())
    }
}

/// Takes what is owed from the store's fuel. True if the guest's turn is over:
/// the store, whose fuel was set, counts from anew.
///
/// # Errors
/// When there is less: the guest has none left then.
fn settle(mut store: StoreContextMut<'_, State>, hook: CallHook) -> wasmtime::Result<bool> {
    if !matches!(hook, CallHook::ReturningFromHost | CallHook::CallingWasm) {
        return Ok(false);
    }
    let owed = std::mem::take(&mut store.data_mut().owed);
    if owed == 0 {
        return Ok(false);
    }
    let Some(left) = store.get_fuel()?.checked_sub(owed) else {
        store.set_fuel(0)?;
        return Err(Trap::OutOfFuel.into());
    };
    store.set_fuel(left)?;
    let state = store.data_mut();
    let is_over = state.turn_began.saturating_sub(left) >= FUEL_BETWEEN_YIELDS;
    if is_over {
        state.turn_began = left;
    }
    Ok(is_over)
}

/// Lets others go first, once.
async fn make_way() {
    let mut made = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut made, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
