//! One call, from its fresh store to its report. Fuel, epoch, time-out, CPU
//! time and limiter hold from the first instruction of the instantiation on;
//! the store is dropped whatever happened, and never polled again.

use std::time::{Duration, Instant};

use nebula_flow::Timestamp;
use nebula_flow::event::{Failure, Usage};
use nebula_flow::ports::Limits;
use tokio::time::error::Elapsed;
use wasmtime::{Engine, Store, StoreContextMut, UpdateDeadline};

use crate::bindings::CellPre;
use crate::bindings::exports::nebula::action::actions;
use crate::bindings::nebula::action::types::ActionMetadata;
use crate::charge;
use crate::host::clocks::machine_time;
use crate::limits::{FUEL_BETWEEN_YIELDS, HANDLES, HOSTCALL_BYTES};
use crate::lines::Lines;
use crate::meter::Meter;
use crate::outcome;
use crate::samples::Profile;
use crate::state::State;

/// A store and what it is held to.
struct Cell {
    store: Store<State>,
    limits: Limits,
    began: Instant,
}

/// How a call ended: what it gave, what it cost, what it logged, and where its fuel
/// went if it was profiled.
pub(crate) struct Ended<T> {
    pub(crate) result: Result<T, Failure>,
    pub(crate) usage: Usage,
    pub(crate) lines: Vec<(String, String)>,
    pub(crate) profile: Option<Profile>,
}

/// Asks a component what it is.
pub(crate) async fn describe(
    engine: &Engine,
    pre: &CellPre<State>,
    state: State,
    limits: Limits,
) -> Ended<Vec<ActionMetadata>> {
    let mut meter = Meter::default();
    let mut cell = match Cell::open(engine, state, limits) {
        Ok(cell) => cell,
        Err(ended) => return *ended,
    };
    let work = async {
        let instance = pre.instantiate_async(&mut cell.store).await?;
        instance
            .nebula_action_actions()
            .call_describe(&mut cell.store)
            .await
    };
    let answer = tokio::time::timeout(limits.timeout, meter.watch(work)).await;
    cell.close(answer, &mut meter).await
}

/// Runs an action of a component.
pub(crate) async fn execute(
    engine: &Engine,
    pre: &CellPre<State>,
    state: State,
    limits: Limits,
    (action, input): (&str, &Vec<u8>),
    meter: &mut Meter,
) -> Ended<Result<actions::Outcome, actions::Error>> {
    let mut cell = match Cell::open(engine, state, limits) {
        Ok(cell) => cell,
        Err(ended) => return *ended,
    };
    let work = async {
        let instance = pre.instantiate_async(&mut cell.store).await?;
        instance
            .nebula_action_actions()
            .call_execute(&mut cell.store, action, input)
            .await
    };
    let answer = tokio::time::timeout(limits.timeout, meter.watch(work)).await;
    cell.close(answer, meter).await
}

impl Cell {
    fn open<T>(engine: &Engine, state: State, limits: Limits) -> Result<Self, Box<Ended<T>>> {
        let began = Instant::now();
        let mut store = Store::new(engine, state);
        store.data_mut().turn_began = limits.fuel;
        store.limiter(|state| &mut state.limiter);
        store.call_hook_async(charge::Settle);
        store.set_hostcall_fuel(HOSTCALL_BYTES);
        store.set_max_component_handles(HANDLES);
        let fuelled = store
            .set_fuel(limits.fuel)
            .and_then(|()| store.fuel_async_yield_interval(Some(FUEL_BETWEEN_YIELDS)));
        let end = began.checked_add(limits.timeout);
        let is_over = move || end.is_some_and(|end| Instant::now() >= end);
        if store.data().sampler.is_some() {
            // A deadline that is always past: the guest asks as often as it can.
            store.set_epoch_deadline(0);
            store.epoch_deadline_callback(move |store| {
                look(store)?;
                Ok(if is_over() {
                    UpdateDeadline::Interrupt
                } else {
                    UpdateDeadline::Continue(0)
                })
            });
        } else {
            store.set_epoch_deadline(1);
            store.epoch_deadline_callback(move |_| {
                Ok(if is_over() {
                    UpdateDeadline::Interrupt
                } else {
                    UpdateDeadline::Yield(1)
                })
            });
        }
        let cell = Self {
            store,
            limits,
            began,
        };
        match fuelled {
            Ok(()) => Ok(cell),
            Err(error) => {
                let ended = cell.end(Ok(Err(error)), Duration::ZERO, Duration::ZERO);
                Err(Box::new(ended))
            }
        }
    }

    /// The end, which takes long where the guest used much memory: a turn of its
    /// own, so that it does not come on top of the guest's last one.
    async fn close<T>(
        self,
        answer: Result<wasmtime::Result<T>, Elapsed>,
        meter: &mut Meter,
    ) -> Ended<T> {
        let (lasted, used) = (self.began.elapsed(), meter.used());
        meter.rest().await;
        meter.turn(|| self.end(answer, lasted, used)).await
    }

    /// Reads what the call cost and drops its store.
    fn end<T>(
        self,
        answer: Result<wasmtime::Result<T>, Elapsed>,
        lasted: Duration,
        used: Duration,
    ) -> Ended<T> {
        let Self {
            mut store, limits, ..
        } = self;
        let left = store.get_fuel().unwrap_or(0);
        let sampler = store.data_mut().sampler.take();
        let state = store.data();
        let lines: Lines = state.lines.clone();
        let kept = lines.take();
        let usage = Usage {
            fuel: (limits.fuel - left.min(limits.fuel))
                .saturating_add(state.owed)
                .min(limits.fuel),
            memory_bytes: state.limiter.peak(),
            duration_us: micros(lasted),
            cpu_us: micros(used),
        };
        let refusal = state.limiter.refusal();
        let result = match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(outcome::failure(&error, &limits, refusal, &kept)),
            Err(_) => Err(outcome::timed_out(&limits)),
        };
        drop(store);
        Ended {
            result,
            usage,
            lines: kept,
            profile: sampler.map(|sampler| sampler.end(left)),
        }
    }
}

/// A look at a guest that is profiled.
fn look(mut store: StoreContextMut<'_, State>) -> wasmtime::Result<()> {
    let left = store.get_fuel()?;
    if let Some(mut sampler) = store.data_mut().sampler.take() {
        sampler.look(left, &store);
        store.data_mut().sampler = Some(sampler);
    }
    Ok(())
}

/// When a call that begins now will be stopped, for its context.
pub(crate) fn deadline(timeout: Duration) -> Timestamp {
    let now = machine_time().as_millis();
    Timestamp::from_millis(u64::try_from(now).unwrap_or(u64::MAX)).plus(timeout)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
