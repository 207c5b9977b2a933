//! What an answer or an error of the guest means. Guest errors travel in the
//! answer; whatever else ends a call is told apart here: a limit, by its name
//! and value; a trap; a broken contract; the host's own trouble.

use std::time::Duration;

use bytes::Bytes;
use nebula_flow::event::{Failure, FailureKind};
use nebula_flow::payload::{self, MAX_PAYLOAD};
use nebula_flow::ports::{Limits, Outcome};
use nebula_flow::{SignalName, Timestamp};
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap};

use crate::bindings::exports::nebula::action::actions;
use crate::bindings::nebula::action::types::Wake;
use crate::host::cli::GuestExit;
use crate::host::random::NoRandom;
use crate::limits::{HANDLES, bytes, digits, duration};
use crate::lines::{cut, panic_message};
use crate::slots::TenantFull;

/// The longest message that is kept of a guest's, bytes.
const MESSAGE_BYTES: usize = 4 << 10;
/// What an action may leave for its next iteration, bytes of MessagePack.
const STATE_BYTES: usize = 256 << 10;
/// The longest name of a port, bytes.
const PORT_BYTES: usize = 64;

/// The guest's answer in the host's words.
pub(crate) fn answer(answer: Result<actions::Outcome, actions::Error>) -> Result<Outcome, Failure> {
    match answer {
        Ok(actions::Outcome::Success(output)) => Ok(Outcome::Success(payload(output)?)),
        Ok(actions::Outcome::Skip(reason)) => Ok(Outcome::Skip(reason.map(|r| message(&r)))),
        Ok(actions::Outcome::Branch(branch)) => {
            Ok(Outcome::Branch(port(branch.port)?, payload(branch.output)?))
        }
        Ok(actions::Outcome::Wait(wait)) => Ok(Outcome::Wait(wake(wait.wake)?, state(wait.state)?)),
        Ok(actions::Outcome::Continue(left)) => Ok(Outcome::Continue(state(left)?)),
        Err(error) => Err(match error {
            actions::Error::InvalidInput(text) => {
                Failure::new(FailureKind::InvalidInput, message(&text))
            }
            actions::Error::Permanent(text) => Failure::new(FailureKind::Permanent, message(&text)),
            actions::Error::Retryable(retryable) => Failure {
                retry_after_ms: retryable.delay_ms,
                ..Failure::new(FailureKind::Retryable, message(&retryable.message))
            },
            actions::Error::Cancelled => Failure::new(
                FailureKind::Cancelled,
                "the action stopped because it was cancelled",
            ),
        }),
    }
}

fn payload(output: Vec<u8>) -> Result<Bytes, Failure> {
    match payload::check(&output) {
        Ok(()) => Ok(output.into()),
        Err(error) => Err(Failure::new(
            FailureKind::InvalidOutput,
            format!("the action's output cannot be used: {error}"),
        )),
    }
}

/// What an action leaves for its next iteration.
fn state(left: Vec<u8>) -> Result<Bytes, Failure> {
    if left.len() > STATE_BYTES {
        let (has, may) = (digits(left.len() as u64), bytes(STATE_BYTES as u64));
        return Err(Failure::new(
            FailureKind::InvalidOutput,
            format!(
                "the action leaves a state of {has} bytes for its next iteration; at most {may} are \
                 allowed"
            ),
        ));
    }
    payload(left)
}

fn wake(wake: Wake) -> Result<nebula_flow::ports::Wake, Failure> {
    use nebula_flow::ports::Wake as Wakes;
    Ok(match wake {
        Wake::AfterMs(millis) => Wakes::After(Duration::from_millis(millis)),
        Wake::AtMs(millis) => Wakes::At(Timestamp::from_millis(millis)),
        Wake::Signal(signal) => {
            let name = SignalName::new(&signal.name)
                .map_err(|e| Failure::new(FailureKind::InvalidOutput, message(&e.to_string())))?;
            Wakes::Signal(name, signal.timeout_ms.map(Duration::from_millis))
        }
    })
}

fn port(name: String) -> Result<String, Failure> {
    if name.is_empty() || name.len() > PORT_BYTES {
        let len = name.len();
        return Err(Failure::new(
            FailureKind::InvalidOutput,
            format!("the action named a port of {len} bytes; a port has 1 to {PORT_BYTES}"),
        ));
    }
    Ok(name)
}

fn message(text: &str) -> String {
    cut(text, MESSAGE_BYTES).to_owned()
}

/// An input that is over its caps never reaches the guest.
pub(crate) fn check_input(input: &[u8]) -> Result<(), Failure> {
    payload::check(input).map_err(|error| {
        Failure::new(
            FailureKind::InvalidInput,
            format!("the input cannot be used: {error}"),
        )
    })
}

/// The call ran into its time-out.
pub(crate) fn timed_out(limits: &Limits) -> Failure {
    Failure::new(
        FailureKind::TimedOut,
        format!("deadline {} passed", duration(limits.timeout)),
    )
}

/// What ended a call that gave no answer.
pub(crate) fn failure(
    error: &wasmtime::Error,
    limits: &Limits,
    refusal: Option<String>,
    lines: &[(String, String)],
) -> Failure {
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return trapped(*trap, limits, refusal, lines);
    }
    if let Some(exit) = error.downcast_ref::<GuestExit>() {
        return Failure::new(FailureKind::Trapped, exit.to_string());
    }
    if let Some(pressure) = pressure(error) {
        return Failure::new(FailureKind::Host, pressure);
    }
    if let Some(refusal) = refusal {
        return Failure::new(FailureKind::MemoryLimit, refusal);
    }
    let cause = error.root_cause().to_string();
    if matches!(
        error.downcast_ref::<ResourceTableError>(),
        Some(ResourceTableError::Full)
    ) || cause.contains("handle limit exceeded")
    {
        return Failure::new(
            FailureKind::MemoryLimit,
            format!("limit of {} handles reached", digits(HANDLES as u64)),
        );
    }
    // wasmtime has no public type for this one; a test holds the words.
    if cause.contains("fuel allocated for hostcalls has been exhausted") {
        let most = bytes(MAX_PAYLOAD as u64);
        return Failure::new(
            FailureKind::InvalidOutput,
            format!("the action gave more than {most} at once"),
        );
    }
    Failure::new(
        FailureKind::InvalidOutput,
        format!("the component broke its contract: {}", cut(&cause, 300)),
    )
}

/// What the host lacks for the moment, which is not the guest's doing.
fn pressure(error: &wasmtime::Error) -> Option<String> {
    if let Some(full) = error.downcast_ref::<TenantFull>() {
        return Some(full.to_string());
    }
    if let Some(none @ NoRandom::Machine(_)) = error.downcast_ref::<NoRandom>() {
        return Some(none.to_string());
    }
    error
        .is::<PoolConcurrencyLimitError>()
        .then(|| "the instance pool is full".into())
}

fn trapped(
    trap: Trap,
    limits: &Limits,
    refusal: Option<String>,
    lines: &[(String, String)],
) -> Failure {
    match (trap, refusal) {
        (Trap::OutOfFuel, _) => Failure::new(
            FailureKind::FuelExhausted,
            format!("fuel exhausted after {}", digits(limits.fuel)),
        ),
        (Trap::Interrupt, _) => timed_out(limits),
        // A guest whose memory was refused aborts, which looks like any trap.
        (_, Some(refusal)) => Failure::new(FailureKind::MemoryLimit, refusal),
        (trap, None) => {
            let said = panic_message(lines).unwrap_or_else(|| trap.to_string());
            Failure::new(FailureKind::Trapped, format!("the guest trapped: {said}"))
        }
    }
}
