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

use wasmtime::{CallHook, StoreContextMut, Trap};

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

/// Takes what is owed from the store's fuel.
///
/// # Errors
/// When there is less: the guest has none left then.
pub(crate) fn settle(
    mut store: StoreContextMut<'_, State>,
    hook: CallHook,
) -> wasmtime::Result<()> {
    if !matches!(hook, CallHook::ReturningFromHost | CallHook::CallingWasm) {
        return Ok(());
    }
    let owed = std::mem::take(&mut store.data_mut().owed);
    if owed == 0 {
        return Ok(());
    }
    let left = store.get_fuel()?.checked_sub(owed);
    store.set_fuel(left.unwrap_or(0))?;
    match left {
        Some(_) => Ok(()),
        None => Err(Trap::OutOfFuel.into()),
    }
}
