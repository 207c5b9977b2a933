//! Nebula's own imports: `context`, `log`, `credentials`.

use nebula_flow::ports::{Resumption, Woken};

use crate::bindings::nebula::action::context::{self, CallIdentity};
use crate::bindings::nebula::action::credentials::{self, CredentialError};
use crate::bindings::nebula::action::log::{self, Level};
use crate::charge::{HASHED_BYTE, TEXT_BYTE};
use crate::state::{Caller, State};

/// A component asked who it is while it described itself.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not there while a component describes itself")]
pub(crate) struct NoCaller(&'static str);

impl State {
    pub(super) fn caller(&self, asked: &'static str) -> wasmtime::Result<&Caller> {
        self.caller.as_ref().ok_or_else(|| NoCaller(asked).into())
    }
}

impl context::Host for State {
    fn identity(&mut self) -> wasmtime::Result<CallIdentity> {
        let caller = self.caller("context.identity")?;
        let identity = &caller.identity;
        Ok(CallIdentity {
            workflow: identity.workflow.to_string(),
            execution: identity.execution.to_string(),
            node: identity.step.node.to_string(),
            item_path: identity.step.path.clone(),
            iteration: identity.step.iteration,
            // The result of a pure call may not depend on how often it was tried.
            attempt: if caller.pure { 1 } else { identity.attempt },
        })
    }

    fn idempotency_key(&mut self, operation: String) -> wasmtime::Result<String> {
        self.charge_each(HASHED_BYTE, operation.len());
        Ok(self
            .caller("context.idempotency-key")?
            .identity
            .idempotency_key(&operation))
    }

    fn deadline(&mut self) -> wasmtime::Result<Option<u64>> {
        Ok(self
            .caller
            .as_ref()
            .and_then(|c| c.deadline)
            .map(|d| d.as_millis()))
    }

    fn cancelled(&mut self) -> wasmtime::Result<bool> {
        let caller = self.caller("context.cancelled")?;
        // The result of a pure call may not depend on when it is asked for: it is
        // stopped where it stands.
        Ok(!caller.pure && caller.pulse.ask())
    }

    fn heartbeat(&mut self) -> wasmtime::Result<()> {
        self.caller("context.heartbeat")?.pulse.beat();
        Ok(())
    }

    fn resumed(&mut self) -> wasmtime::Result<Option<context::Resumption>> {
        let caller = self.caller("context.resumed")?;
        let Some(Resumption { state, woken }) = caller.resumption.clone() else {
            return Ok(None);
        };
        let says = match &woken {
            Woken::Signal(says) => says.len(),
            _ => 0,
        };
        self.charge_each(TEXT_BYTE, state.len() + says);
        Ok(Some(context::Resumption {
            state: state.into(),
            woken: match woken {
                Woken::Continued => context::Woken::Continued,
                Woken::Time => context::Woken::Time,
                Woken::Signal(says) => context::Woken::Signal(says.into()),
                Woken::TimedOut => context::Woken::TimedOut,
            },
        }))
    }
}

impl log::Host for State {
    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.charge_each(TEXT_BYTE, message.len());
        let level = match level {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        self.lines.push(level, &message);
        Ok(())
    }

    fn measure(&mut self, name: String, value: f64) -> wasmtime::Result<()> {
        self.charge_each(TEXT_BYTE, name.len());
        self.lines.measure(&name, value);
        Ok(())
    }
}

impl credentials::Host for State {
    fn get(&mut self, name: String) -> wasmtime::Result<Result<String, CredentialError>> {
        self.charge_each(TEXT_BYTE, name.len());
        let caller = self.caller("credentials.get")?;
        if !caller.action.credentials.contains(&name) {
            return Ok(Err(CredentialError::Undeclared(name)));
        }
        match self.outgoing.credential(&name)? {
            Some(text) => Ok(Ok(text)),
            None => Ok(Err(CredentialError::Unbound(name))),
        }
    }
}
