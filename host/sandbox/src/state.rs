//! What a store holds: everything that the imports of one call need, and
//! nothing that outlives the call.

use std::sync::Arc;

use bytes::Bytes;
use nebula_flow::ports::{Identity, Pulse, Resumption};
use nebula_flow::redact::Redactor;
use nebula_flow::{ActionMetadata, Timestamp};
use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::host::clocks::GuestClock;
use crate::host::random::GuestRandom;
use crate::http::Outgoing;
use crate::keep::Keeper;
use crate::limits::{HANDLES, HTTP_FIELD_BYTES, StoreLimiter};
use crate::lines::Lines;
use crate::resources::Bound;
use crate::samples::Sampler;

/// The data of one store.
pub(crate) struct State {
    pub(crate) table: ResourceTable,
    pub(crate) limiter: StoreLimiter,
    pub(crate) clock: GuestClock,
    pub(crate) random: GuestRandom,
    pub(crate) lines: Lines,
    pub(crate) caller: Option<Caller>,
    pub(crate) outgoing: Outgoing,
    /// What the call may keep; absent while a component describes itself, and on a
    /// host without records.
    pub(crate) keeper: Option<Arc<Keeper>>,
    /// What of blobs it may write.
    pub(crate) blobs: Blobs,
    /// Blobs that it writes just now.
    pub(crate) drafts: u32,
    /// The resources that it may open; none while a component describes itself, and
    /// in a pure call.
    pub(crate) resources: Option<Bound>,
    /// Covers the call's secrets in what it keeps.
    pub(crate) redactor: Arc<Redactor>,
    /// Fuel that the host call under way costs (`charge`).
    pub(crate) owed: u64,
    /// Fuel that there was when the guest last made way after a host call.
    pub(crate) turn_began: u64,
    /// Looks where the call burns its fuel; absent unless it is profiled.
    pub(crate) sampler: Option<Box<Sampler>>,
    http: WasiHttpCtx,
}

/// Bytes of blobs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Blobs {
    /// That a call may write.
    pub(crate) call: u64,
    /// That it has written.
    pub(crate) written: u64,
    /// That a tenant may have.
    pub(crate) tenant: u64,
}

/// For whom the guest runs; absent while it describes itself.
pub(crate) struct Caller {
    pub(crate) identity: Identity,
    pub(crate) action: Arc<ActionMetadata>,
    /// When it will be stopped; absent in a pure call.
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) pure: bool,
    /// Why it is called again; none in a step's first iteration.
    pub(crate) resumption: Option<Resumption<Bytes>>,
    /// Its heartbeats, and whether it is cancelled.
    pub(crate) pulse: Arc<Pulse>,
}

impl State {
    pub(crate) fn new(
        limiter: StoreLimiter,
        clock: GuestClock,
        random: GuestRandom,
        caller: Option<Caller>,
        outgoing: Outgoing,
        lines: Lines,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(HTTP_FIELD_BYTES);
        Self {
            table,
            limiter,
            clock,
            random,
            lines,
            caller,
            outgoing,
            keeper: None,
            blobs: Blobs::default(),
            drafts: 0,
            resources: None,
            redactor: Arc::default(),
            owed: 0,
            turn_began: u64::MAX,
            sampler: None,
            http,
        }
    }
}

/// A guest that waits for the host.
pub(crate) struct Waiting(Arc<Pulse>);

impl State {
    /// The guest waits for as long as this is held.
    pub(crate) fn waits(&self) -> Option<Waiting> {
        let pulse = Arc::clone(&self.caller.as_ref()?.pulse);
        pulse.wait(true);
        Some(Waiting(pulse))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.wait(false);
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.called();
        WasiHttpCtxView {
            hooks: &mut self.outgoing,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::TenantMemory;
    use wasmtime::component::Resource;
    use wasmtime_wasi::p2::bindings::clocks::monotonic_clock::Host as _;
    use wasmtime_wasi::p2::bindings::io::poll::Host as _;

    fn state() -> State {
        let lines = Lines::default();
        State::new(
            StoreLimiter::new(1 << 20, Arc::new(TenantMemory::new(1 << 20))),
            GuestClock::virtual_from(Timestamp::from_millis(0)),
            GuestRandom::seeded([0; 32]),
            None,
            Outgoing::new(None, lines.clone()),
            lines,
        )
    }

    #[tokio::test]
    async fn a_table_of_resources_and_a_poll_have_their_caps() {
        let mut state = state();
        let first = state.subscribe_instant(0).expect("a timer");
        let list = |n| (0..n).map(|_| Resource::new_borrow(first.rep())).collect();
        let ready = state.poll(list(1_024)).await.expect("as many as may be");
        assert_eq!(ready.len(), 1_024);
        let error = state.poll(list(1_025)).await.expect_err("one too many");
        assert_eq!(
            error.to_string(),
            "1025 entries in one poll; at most 1,024 are allowed"
        );
        // A timer is two resources: the clock's and the one to poll.
        let made = (0..2_000).take_while(|_| state.subscribe_instant(0).is_ok());
        assert!(made.count() < 1_024);
    }
}
