//! `nebula action test`: one call in the real sandbox.
//!
//! - `snapshot`: what is to come out, beside the input.
//! - `profile`: where its fuel went.
//! - `watch`: again and again, whenever a file changes.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nebula_sandbox::Profile;
use nebula_sandbox::nebula_flow::event::FailureKind;
use nebula_sandbox::nebula_flow::payload;
use nebula_sandbox::nebula_flow::ports::{Outcome, Report, Wake};
use nebula_sandbox::nebula_flow::time::Span;
use serde_json::{Value, json};

use super::super::Context;
use super::call::CallArgs;
use super::report;
use crate::error::{Error, Exit, Result};
use crate::output;

mod profile;
mod snapshot;
mod watch;

use snapshot::Snapshot;

/// Run an action in the real sandbox, without a node
#[derive(Debug, clap::Args)]
pub(crate) struct Test {
    #[command(flatten)]
    call: CallArgs,
    /// Let its requests go out, and write what is answered into a new file, for --mock-http
    #[arg(long, value_name = "FILE", conflicts_with = "mock_http")]
    record: Option<PathBuf>,
    /// Keep what comes out beside the input, as what is to come out from now on; with
    /// --record, write over the file
    #[arg(long)]
    update: bool,
    /// Write a flame graph of the fuel that its functions burned, as SVG
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Build and run it again whenever a file of it changes, until Ctrl-C
    #[arg(long)]
    watch: bool,
}

/// One call, told.
struct Tested {
    /// The component's file.
    component: PathBuf,
    answer: Value,
    failed: bool,
}

pub(super) async fn run(context: &Context, test: Test) -> Result<ExitCode> {
    test.check()?;
    if test.watch {
        return watch::run(context, &test).await;
    }
    let tested = test.once().await?;
    report::show(context.format, &tested.answer)?;
    Ok(if tested.failed {
        Exit::Failed.into()
    } else {
        ExitCode::SUCCESS
    })
}

impl Test {
    /// What can be refused before anything is built.
    fn check(&self) -> Result<()> {
        let input = self.call.input.as_deref();
        if self.update && self.record.is_none() && input.is_none_or(|input| input == "-") {
            return Err(Error::refused(
                "there is no place for a snapshot: it stands beside the input's file",
            )
            .hint("give the input as --input FILE"));
        }
        if self.watch && self.call.files().iter().any(|file| *file == Path::new("-")) {
            return Err(
                Error::refused("standard input cannot be read again when a file changes")
                    .hint("give the input as --input FILE or --json JSON"),
            );
        }
        match &self.record {
            Some(file) if file.exists() && !self.update => Err(Error::refused(format!(
                "`{}` is there already, and nothing in it was touched",
                file.display()
            ))
            .hint("take another name, or add --update to write over it")),
            _ => Ok(()),
        }
    }

    async fn once(&self) -> Result<Tested> {
        let profiles = self.profile.is_some();
        let ready = self.call.ready(self.record.as_deref(), profiles).await?;
        let (called, profile) = match profiles {
            true => ready.profile(0).await?,
            false => (ready.call(0).await?, Profile::default()),
        };
        let mut answer = outcome(&called)?;
        let mut failed = answer.get("error").is_some();
        let snapshot = match self.call.input.as_deref() {
            Some(input) if input != "-" => Some(Snapshot::beside(Path::new(input))),
            _ => None,
        };
        let heard = ready.http.heard();
        if let Some(problem) = heard.as_ref().and_then(|heard| heard.failure.clone()) {
            answer["error"] = problem;
            failed = true;
        } else if let Some(snapshot) = snapshot {
            if self.update && is_of_the_guest(&called) {
                answer["snapshot"] = snapshot.write(&answer)?;
                failed = false;
            } else if let Some(compared) = snapshot.compare(&answer)? {
                failed = compared["matches"] != true;
                answer["snapshot"] = compared;
            }
        }
        if let Some(heard) = heard {
            answer["http"] = heard.http;
        }
        report::add(
            &mut answer,
            &ready.action,
            &ready.prepared,
            called.usage,
            &ready.limits,
            &called.lines,
        );
        // A call that was refused before it began burned nothing.
        if let (Some(file), false) = (&self.profile, profile.stacks.is_empty()) {
            let fuel = output::count(called.usage.fuel);
            let title = format!("{}: {fuel} units of fuel", ready.action.id);
            answer["profile"] = profile::write(file, &title, profile)?;
        }
        Ok(Tested {
            component: ready.file,
            answer,
            failed,
        })
    }
}

/// Whether the action answered so: what the host did to it may be otherwise the next
/// time.
fn is_of_the_guest(called: &Report) -> bool {
    called
        .result
        .as_ref()
        .err()
        .is_none_or(|failure| !matches!(failure.kind, FailureKind::Host | FailureKind::TimedOut))
}

/// What came out.
fn outcome(called: &Report) -> Result<Value> {
    Ok(match &called.result {
        Ok(Outcome::Success(bytes)) => json!({ "output": decode(bytes)? }),
        Ok(Outcome::Branch(port, bytes)) => json!({ "port": port, "output": decode(bytes)? }),
        Ok(Outcome::Skip(reason)) => json!({ "skipped": reason }),
        Ok(Outcome::Wait(wake, state)) => {
            json!({ "waits_for": waits_for(wake), "state": decode(state)? })
        }
        Ok(Outcome::Continue(state)) => json!({ "state": decode(state)? }),
        Err(failure) => {
            json!({ "error": { "kind": failure.kind.name(), "message": failure.message } })
        }
    })
}

/// What an action waits for, as an execution would show it.
fn waits_for(wake: &Wake) -> Value {
    match wake {
        Wake::After(long) => json!({ "for": Span(*long).to_string() }),
        Wake::At(at) => json!({ "until": at.to_string() }),
        Wake::Signal(name, timeout) => {
            json!({ "signal": name, "timeout": timeout.map(|long| Span(long).to_string()) })
        }
    }
}

fn decode(bytes: &[u8]) -> Result<Value> {
    payload::decode(bytes).map_err(|e| Error::refused(format!("the action's output: {e}")))
}
