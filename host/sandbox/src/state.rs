//! What a store holds: everything that the imports of one call need, and
//! nothing that outlives the call.

use std::sync::Arc;

use nebula_flow::ports::Identity;
use nebula_flow::{ActionMetadata, Timestamp};
use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::host::clocks::GuestClock;
use crate::host::random::GuestRandom;
use crate::http::Outgoing;
use crate::limits::{HANDLES, HTTP_FIELD_BYTES, StoreLimiter};
use crate::lines::Lines;

/// The data of one store.
pub(crate) struct State {
    pub(crate) table: ResourceTable,
    pub(crate) limiter: StoreLimiter,
    pub(crate) clock: GuestClock,
    pub(crate) random: GuestRandom,
    pub(crate) lines: Lines,
    pub(crate) caller: Option<Caller>,
    pub(crate) outgoing: Outgoing,
    http: WasiHttpCtx,
}

/// For whom the guest runs; absent while it describes itself.
pub(crate) struct Caller {
    pub(crate) identity: Identity,
    pub(crate) action: Arc<ActionMetadata>,
    /// When it will be stopped; absent in a pure call.
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) pure: bool,
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
            http,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.outgoing,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}
