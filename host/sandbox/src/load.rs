//! From a component's bytes to something that can be called: check, compile or
//! take from the cache, describe, keep. Each component is prepared once, however
//! many ask for it; one that was refused is not compiled again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nebula_flow::event::{Failure, FailureKind};
use nebula_flow::ports::Prepared;
use nebula_flow::rules::Rules;
use nebula_flow::{ActionId, ActionMetadata, Component, Digest, Timestamp};
use tokio::sync::OnceCell;
use wasmtime::component::Component as Compiled;

use crate::bindings::CellPre;
use crate::call;
use crate::compile;
use crate::describe;
use crate::host::clocks::GuestClock;
use crate::host::random::GuestRandom;
use crate::http::Outgoing;
use crate::limits::{DESCRIBE, StoreLimiter};
use crate::lines::Lines;
use crate::sandbox::Inner;
use crate::state::State;
use crate::structure::{self, Structure, refused};

/// A component that can be called.
pub(crate) struct Loaded {
    pub(crate) pre: CellPre<State>,
    pub(crate) prepared: Prepared,
    pub(crate) actions: HashMap<ActionId, Arc<ActionMetadata>>,
    /// Of the actions whose input schema has any.
    pub(crate) rules: HashMap<ActionId, Rules>,
}

type Slot = Arc<OnceCell<Result<Arc<Loaded>, Failure>>>;

/// Components that were used lately, by digest.
pub(crate) struct Shelf {
    places: Mutex<Places>,
    most: usize,
}

/// Each component's slot and when it was used last, counted in uses.
#[derive(Default)]
struct Places {
    slots: HashMap<Digest, (Slot, u64)>,
    uses: u64,
}

impl Shelf {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            places: Mutex::default(),
            most: most.max(1),
        }
    }

    /// The slot of a component; the one used longest ago makes room for it.
    fn slot(&self, digest: Digest) -> Slot {
        let mut places = self.places();
        places.uses += 1;
        let now = places.uses;
        if let Some((slot, used)) = places.slots.get_mut(&digest) {
            *used = now;
            return Arc::clone(slot);
        }
        if places.slots.len() >= self.most {
            let oldest = places.slots.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(digest, _)| *digest) {
                places.slots.remove(&oldest);
            }
        }
        let slot = Slot::default();
        places.slots.insert(digest, (Arc::clone(&slot), now));
        slot
    }

    fn forget(&self, digest: Digest) {
        self.places().slots.remove(&digest);
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The component, ready to be called.
    pub(crate) async fn load(
        self: &Arc<Self>,
        component: &Component,
    ) -> Result<Arc<Loaded>, Failure> {
        let digest = component.digest();
        let slot = self.shelf.slot(digest);
        if let Some(loaded) = slot.get() {
            return loaded.clone();
        }
        // On a task of its own: a caller that waits no longer must not undo
        // what others wait for, nor make the next one begin anew.
        let (inner, component) = (Arc::clone(self), component.clone());
        let making = async move { slot.get_or_init(|| inner.make(&component)).await.clone() };
        let loaded = tokio::spawn(making).await.map_err(|e| host(&e))?;
        if loaded
            .as_ref()
            .is_err_and(|failure| failure.kind == FailureKind::Host)
        {
            // The host's own trouble may be over the next time.
            self.shelf.forget(digest);
        }
        loaded
    }

    async fn make(self: &Arc<Self>, component: &Component) -> Result<Arc<Loaded>, Failure> {
        let _permit = self.compiles.acquire().await.map_err(|e| host(&e))?;
        let (inner, kept) = (Arc::clone(self), component.clone());
        let known = blocking(move || inner.known(&kept)).await??;
        let (pre, prepared) = match known {
            Known::Ready(pre, prepared) => (pre, prepared),
            Known::New(structure) => self.compile(component, structure).await?,
        };
        let actions = prepared
            .actions
            .iter()
            .map(|a| (a.id.clone(), Arc::new(a.clone())))
            .collect();
        let rules = describe::rules(&prepared.actions)?;
        Ok(Arc::new(Loaded {
            pre,
            prepared,
            actions,
            rules,
        }))
    }

    /// Takes the component from the cache, or checks whether it may be compiled.
    fn known(&self, component: &Component) -> Result<Known, Failure> {
        let digest = component.digest();
        if let Some(cache) = &self.cache {
            if let Some((compiled, prepared)) = cache.load(&self.engine, digest) {
                return Ok(Known::Ready(self.link(&compiled)?, prepared));
            }
            if let Some(reason) = cache.refusal(digest) {
                return Err(refused(reason));
            }
        }
        Ok(Known::New(structure::check(component.bytes())?))
    }

    /// Compiles a new component, has it describe itself and keeps it; or keeps
    /// why it is refused.
    async fn compile(
        self: &Arc<Self>,
        component: &Component,
        structure: Structure,
    ) -> Result<(CellPre<State>, Prepared), Failure> {
        let (inner, digest) = (Arc::clone(self), component.digest());
        match self.compile_and_describe(component, structure).await {
            Ok((compiled, pre, prepared)) => {
                let kept = prepared.clone();
                blocking(move || inner.keep(digest, &compiled, &kept)).await?;
                Ok((pre, prepared))
            }
            Err(failure) => {
                if failure.kind == FailureKind::Component {
                    let reason = failure.message.clone();
                    blocking(move || inner.keep_refusal(digest, &reason)).await?;
                }
                Err(failure)
            }
        }
    }

    async fn compile_and_describe(
        self: &Arc<Self>,
        component: &Component,
        structure: Structure,
    ) -> Result<(Compiled, CellPre<State>, Prepared), Failure> {
        let began = std::time::Instant::now();
        let compiled = self.code(component).await?;
        let (digest, millis) = (component.digest(), began.elapsed().as_millis());
        tracing::debug!(%digest, millis, "compiled a component");
        let pre = self.link(&compiled)?;
        let prepared = self.describe(&pre, structure).await?;
        Ok((compiled, pre, prepared))
    }

    /// The component's machine code.
    async fn code(self: &Arc<Self>, component: &Component) -> Result<Compiled, Failure> {
        let inner = Arc::clone(self);
        let Some(compiler) = &self.compiler else {
            let component = component.clone();
            return blocking(move || compile::here(&inner.engine, component.bytes())).await?;
        };
        let code = compile::in_child(compiler, component.bytes()).await?;
        blocking(move || code.load(&inner.engine)).await?
    }

    fn link(&self, compiled: &Compiled) -> Result<CellPre<State>, Failure> {
        let cannot =
            |e: wasmtime::Error| refused(format!("the component does not fit this host: {e:#}"));
        CellPre::new(self.linker.instantiate_pre(compiled).map_err(cannot)?).map_err(cannot)
    }

    async fn describe(
        &self,
        pre: &CellPre<State>,
        structure: Structure,
    ) -> Result<Prepared, Failure> {
        let lines = Lines::default();
        let state = State::new(
            StoreLimiter::new(DESCRIBE.memory_bytes, Arc::clone(&self.own_memory)),
            GuestClock::virtual_from(Timestamp::from_millis(0)),
            GuestRandom::seeded([0; 32]),
            None,
            Outgoing::new(None, lines.clone()),
            lines,
        );
        let _ticking = self.ticker.tick();
        let ended = call::describe(&self.engine, pre, state, DESCRIBE).await;
        let said = ended.result.map_err(|failure| Failure {
            kind: match failure.kind {
                // By the wall, on a host that may be busy: not for ever.
                kind @ (FailureKind::Host | FailureKind::TimedOut) => kind,
                _ => FailureKind::Component,
            },
            message: format!("the component cannot describe itself: {}", failure.message),
            ..failure
        })?;
        Ok(Prepared {
            actions: describe::actions(said)?,
            effect: structure.effect,
            imports: structure.imports,
        })
    }

    fn keep(&self, digest: Digest, compiled: &Compiled, prepared: &Prepared) {
        if let Some(cache) = &self.cache {
            cache.store(digest, compiled, prepared);
        }
    }

    fn keep_refusal(&self, digest: Digest, reason: &str) {
        if let Some(cache) = &self.cache {
            cache.refuse(digest, reason);
        }
    }
}

/// What is known of a component before it is compiled.
enum Known {
    /// It was in the cache, with its description.
    Ready(CellPre<State>, Prepared),
    /// It may be compiled.
    New(Structure),
}

/// Compiling and files would hold up whatever else runs on this thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| host(&e))
}

/// The host's own trouble.
pub(crate) fn host(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        FailureKind::Host,
        format!("the sandbox cannot run this now: {error}"),
    )
}
