//! The [`Runner`]: what the engine and `action test` hold.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use nebula_egress::Egress;
use nebula_flow::component::{Component, Effect, Verified};
use nebula_flow::event::{Failure, FailureKind, Usage};
use nebula_flow::ports::{Call, Prepared, Records, Report, Runner};
use nebula_flow::redact::Redactor;
use nebula_flow::{ActionId, ActionMetadata};
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::call::{self, deadline};
use crate::compile::Compiler;
use crate::compiled::CompiledCache;
use crate::host;
use crate::host::clocks::GuestClock;
use crate::host::random::GuestRandom;
use crate::http::{Outgoing, Reach};
use crate::keep::{Keeper, Turns};
use crate::limits::StoreLimiter;
use crate::lines::{Lines, cut};
use crate::load::{self, Loaded, Shelf};
use crate::meter::Meter;
use crate::outcome;
use crate::profile::{self, Allocation, SandboxError};
use crate::resources::{Bound, Resources};
use crate::samples::{FRAMES, Profile, Sampler};
use crate::slots::{Slots, TenantMemory};
use crate::state::{Blobs, Caller, State};
use crate::ticker::Ticker;

/// What a sandbox is made of.
#[derive(Clone)]
pub struct SandboxConfig {
    /// Where compiled components are kept; without it each start compiles anew.
    pub cache_dir: Option<PathBuf>,
    /// This node's key for the MAC over compiled components. Whoever has it and
    /// may write the folder can run machine code here.
    pub cache_key: [u8; 32],
    /// The program that compiles components in a process of its own; without it
    /// they are compiled in this one, which is only for components that the
    /// caller built.
    pub compiler: Option<Compiler>,
    /// How many calls run at once; more wait for their turn.
    pub max_concurrent_calls: u32,
    /// How many of these a tenant may have.
    pub max_calls_per_tenant: u32,
    /// Bytes of memory that the calls of a tenant may take together.
    pub tenant_memory_bytes: u64,
    /// How many components are kept ready; the one used longest ago makes room.
    pub max_loaded: usize,
    /// Where instances come from.
    pub allocation: Allocation,
    /// Where calls keep blobs and states; without it they are refused.
    pub records: Option<Arc<dyn Records>>,
    /// Bytes of blobs that a call may write.
    pub blob_bytes_per_call: u64,
    /// Bytes of blobs that a tenant may have.
    pub blob_bytes_per_tenant: u64,
    /// What the host holds for guests; without it there are no resources.
    pub resources: Option<Arc<dyn Resources>>,
    /// Whether calls may be profiled; whoever profiles none has nothing from it.
    pub profiles: bool,
}

impl Default for SandboxConfig {
    /// No cache folder, no compiling process, 64 calls of one tenant or several,
    /// 2 GiB for each tenant, 256 components, pooled; no records, blobs of 256 MiB for
    /// each call and 10 GiB for each tenant; no resources; no profiles.
    fn default() -> Self {
        Self {
            cache_dir: None,
            cache_key: [0; 32],
            compiler: None,
            max_concurrent_calls: 64,
            max_calls_per_tenant: 64,
            tenant_memory_bytes: 2 << 30,
            max_loaded: 256,
            allocation: Allocation::Pooled,
            records: None,
            blob_bytes_per_call: 256 << 20,
            blob_bytes_per_tenant: 10 << 30,
            resources: None,
            profiles: false,
        }
    }
}

/// Runs components that strangers wrote. Cheap to clone; needs a tokio runtime
/// with time and I/O.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

/// What all clones share.
pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<State>,
    pub(crate) ticker: Ticker,
    pub(crate) shelf: Shelf,
    pub(crate) cache: Option<CompiledCache>,
    /// One for each place in the pool, so that it is never exhausted.
    slots: Slots,
    pub(crate) compiler: Option<Compiler>,
    /// Compiling takes a core for tens of milliseconds; one is left for calls.
    pub(crate) compiles: Semaphore,
    /// For components that describe themselves.
    pub(crate) own_memory: Arc<TenantMemory>,
    egress: Arc<Egress>,
    allocation: Allocation,
    records: Option<Arc<dyn Records>>,
    turns: Arc<Turns>,
    blobs: Blobs,
    resources: Option<Arc<dyn Resources>>,
}

impl Sandbox {
    /// Starts a sandbox: reserves its instance pool, or says that it cannot.
    ///
    /// # Errors
    /// When wasmtime is too old or does not start, or the cache folder cannot
    /// be made.
    pub fn new(config: SandboxConfig, egress: Arc<Egress>) -> Result<Self, SandboxError> {
        profile::check_version(wasmtime_environ::VERSION)?;
        let max_calls = config.max_concurrent_calls.max(1);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let max_compiles = cores.saturating_sub(1).max(1);
        // A component that describes itself has a place of its own.
        let places = max_calls.saturating_add(u32::try_from(max_compiles).unwrap_or(u32::MAX));
        let (engine, allocation) =
            profile::engine(config.allocation, places, config.profiles.then_some(FRAMES))?;
        let failed = |e: &dyn std::fmt::Display| SandboxError::Engine(e.to_string());
        let linker = host::linker(&engine).map_err(|e| failed(&e))?;
        let ticker = Ticker::start(engine.clone()).map_err(|e| failed(&e))?;
        let cache = config
            .cache_dir
            .map(|dir| CompiledCache::open(dir, config.cache_key, &engine))
            .transpose()?;
        Ok(Self(Arc::new(Inner {
            engine,
            linker,
            ticker,
            shelf: Shelf::new(config.max_loaded),
            cache,
            slots: Slots::new(
                max_calls as usize,
                config.max_calls_per_tenant as usize,
                config.tenant_memory_bytes,
            ),
            compiler: config.compiler,
            compiles: Semaphore::new(max_compiles),
            own_memory: Arc::new(TenantMemory::new(config.tenant_memory_bytes)),
            egress,
            allocation,
            records: config.records,
            turns: Arc::default(),
            blobs: Blobs {
                call: config.blob_bytes_per_call,
                written: 0,
                tenant: config.blob_bytes_per_tenant,
            },
            resources: config.resources,
        })))
    }

    /// Where instances come from: what was asked for, or on demand where the
    /// pool could not be reserved.
    #[must_use]
    pub fn allocation(&self) -> Allocation {
        self.0.allocation
    }

    /// Runs a call as [`Runner::run`] does, and says where it burned its fuel; nowhere,
    /// if it did not begin. It gives and burns the same, and takes longer. In a sandbox
    /// without [`SandboxConfig::profiles`] stacks are cut to their last 20 functions.
    pub async fn profile(&self, call: Call) -> (Report, Profile) {
        let sampler = Sampler::new(call.limits.fuel);
        match self.0.run(call, Some(Box::new(sampler))).await {
            Ok((report, profile)) => (report, profile.unwrap_or_default()),
            Err(failure) => (failed(failure), Profile::default()),
        }
    }
}

/// Of a call that did not begin.
fn failed(failure: Failure) -> Report {
    Report {
        result: Err(failure),
        usage: Usage::default(),
        lines: Vec::new(),
    }
}

#[async_trait]
impl Runner for Sandbox {
    async fn prepare(&self, component: &Verified<Component>) -> Result<Prepared, Failure> {
        Ok(self.0.load(component).await?.prepared.clone())
    }

    async fn run(&self, call: Call) -> Report {
        match self.0.run(call, None).await {
            Ok((report, _)) => report,
            Err(failure) => failed(failure),
        }
    }
}

impl Inner {
    async fn run(
        self: &Arc<Self>,
        mut call: Call,
        sampler: Option<Box<Sampler>>,
    ) -> Result<(Report, Option<Profile>), Failure> {
        let mut meter = Meter::default();
        meter.turn(|| outcome::check_input(&call.input)).await?;
        let loaded = self.load(&call.component).await?;
        let action = loaded.action(&call.action)?;
        let permit = self
            .slots
            .take(&call.tenant, patience(call.limits.timeout))
            .await;
        let permit = permit.map_err(|e| load::host(&e))?;
        if let Some(rules) = loaded.rules.get(&call.action) {
            meter.turn(|| rules.check(&call.input)).await?;
        }
        let _ticking = self.ticker.tick();
        call.pulse.beat();
        let (id, limits, pulse) = (call.action.clone(), call.limits, call.pulse.clone());
        let redactor = Arc::new(Redactor::new(&call.capabilities));
        // No copy, unless somebody else holds the input too.
        let input = Vec::from(std::mem::take(&mut call.input));
        let mut state = match loaded.prepared.effect {
            Effect::Pure => pure(call, action, permit.memory()),
            Effect::Effectful => self.effectful(call, action, permit.memory(), &redactor),
        };
        state.sampler = sampler;
        let keeper = state.keeper.clone();
        let mut ended = call::execute(
            &self.engine,
            &loaded.pre,
            state,
            limits,
            (id.as_str(), &input),
            &mut meter,
        )
        .await;
        if let (Ok(Ok(_)), Some(keeper)) = (&ended.result, &keeper)
            && !pulse.is_cancelled()
            && let Err(failure) = keeper.commit().await
        {
            ended.result = Err(failure);
        }
        let profile = ended.profile;
        let report = || {
            redactor.report(Report {
                result: ended.result.and_then(outcome::answer),
                usage: ended.usage,
                lines: ended.lines,
            })
        };
        Ok((meter.turn(report).await, profile))
    }

    fn effectful(
        &self,
        call: Call,
        action: Arc<ActionMetadata>,
        tenant: Arc<TenantMemory>,
        redactor: &Arc<Redactor>,
    ) -> State {
        let lines = Lines::default();
        let timeout = call.limits.timeout;
        let keeper = self.records.as_ref().map(|records| {
            Arc::new(Keeper::new(
                Arc::clone(records),
                Arc::clone(&self.turns),
                (call.tenant.clone(), &action.id),
                call.identity.clone(),
                timeout / 4,
            ))
        });
        let resources = Bound::new(
            self.resources.clone(),
            call.tenant.clone(),
            call.capabilities.resources.clone(),
        );
        let caller = nebula_egress::Caller {
            tenant: call.tenant.to_string(),
            action: action.id.to_string(),
            asks: action.hosts.clone(),
        };
        let reach = Reach::new(
            Arc::clone(&self.egress),
            caller,
            Arc::clone(&action),
            call.capabilities,
            call.identity.clone(),
            Arc::clone(redactor),
            Instant::now().checked_add(timeout),
        );
        let caller = Caller {
            identity: call.identity,
            action,
            deadline: Some(deadline(timeout)),
            pure: false,
            resumption: call.resumption,
            pulse: call.pulse,
        };
        let mut state = State::new(
            StoreLimiter::new(call.limits.memory_bytes, tenant),
            GuestClock::real(),
            GuestRandom::Machine,
            Some(caller),
            Outgoing::new(Some(reach), lines.clone()),
            lines,
        );
        state.keeper = keeper;
        state.blobs = self.blobs;
        state.resources = Some(resources);
        state.redactor = Arc::clone(redactor);
        state
    }
}

/// How long a call waits for a slot: what the host allows it beyond its time-out
/// is half of it, or a second, and the call itself may need it all.
fn patience(timeout: Duration) -> Duration {
    timeout / 4 + Duration::from_millis(400)
}

/// The state of a call whose result depends on nothing but the call.
fn pure(call: Call, action: Arc<ActionMetadata>, tenant: Arc<TenantMemory>) -> State {
    let lines = Lines::default();
    let seed = call.identity.seed();
    State::new(
        StoreLimiter::new(call.limits.memory_bytes, tenant),
        GuestClock::virtual_from(call.ready_at),
        GuestRandom::seeded(seed),
        Some(Caller {
            identity: call.identity,
            action,
            deadline: None,
            pure: true,
            resumption: call.resumption,
            pulse: call.pulse,
        }),
        Outgoing::new(None, lines.clone()),
        lines,
    )
}

impl Loaded {
    fn action(&self, id: &ActionId) -> Result<Arc<ActionMetadata>, Failure> {
        self.actions.get(id).cloned().ok_or_else(|| {
            let has: Vec<&str> = self
                .prepared
                .actions
                .iter()
                .map(|a| a.id.as_str())
                .collect();
            let has = has.join(", ");
            let message = format!(
                "the component has no action `{id}`; it has: {}",
                cut(&has, 300)
            );
            Failure::new(FailureKind::Component, message)
        })
    }
}
