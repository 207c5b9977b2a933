//! From commands to work in flight, and from the results of work to events.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::future::{AbortHandle, BoxFuture, FutureExt, abortable};
use nebula_flow::component::Effect;
use nebula_flow::decide::{Command, Target};
use nebula_flow::event::{Event, Failure, FailureKind, Usage};
use nebula_flow::expression::Root;
use nebula_flow::planted::{self, Bug};
use nebula_flow::ports::{LogLine, Pulse};
use nebula_flow::{Payload, StepKey, Timestamp};

use super::call::{self, Attempt, Ran};
use super::evaluate::Evaluated;
use super::scope::Name;
use super::{Exit, Mode, Task};

/// A piece of work that is in flight, or waits for the commit before it.
pub(super) struct Flight {
    ticket: u64,
    /// In which round it was last listed.
    round: u64,
    /// Stopped when this is dropped; absent while it waits for a commit.
    pub(super) running: Option<AbortHandle>,
    /// Of an attempt that runs.
    pub(super) pulse: Option<Arc<Pulse>>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}

/// The end of a piece of work.
pub(super) struct Done {
    command: Command,
    ticket: u64,
    result: WorkResult,
}

enum WorkResult {
    Evaluated(Result<Evaluated, Failure>),
    Ran(Box<Ran>),
    Stopped,
}

type Work = BoxFuture<'static, WorkResult>;

impl Task {
    /// Brings what is in flight in line with what is outstanding: stops the
    /// one, starts the other. True if an event happened at once, so that the
    /// list is outdated.
    pub(super) async fn pursue(&mut self, commands: &[Command]) -> Result<bool, Exit> {
        self.round += 1;
        let round = self.round;
        let mut fresh = Vec::new();
        let mut listed = 0;
        for command in commands {
            match self.in_flight.get_mut(command) {
                Some(flight) => {
                    flight.round = round;
                    listed += 1;
                }
                None if matches!(command, Command::Wake(_) | Command::Await(_)) => {}
                None => fresh.push(command),
            }
        }
        if listed < self.in_flight.len() {
            self.in_flight.retain(|_, flight| flight.round == round);
            let in_flight = &self.in_flight;
            self.gated
                .retain(|(_, command)| in_flight.contains_key(command));
        }
        if self.mode != Mode::Live || self.execution.is_paused() {
            return Ok(false);
        }
        let runs = commands
            .iter()
            .filter(|c| matches!(c, Command::Run { .. }))
            .count();
        for command in fresh {
            if self.begin(command, runs > 1).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Starts a piece of work, or puts it behind the commit that it needs.
    async fn begin(&mut self, command: &Command, beside_others: bool) -> Result<bool, Exit> {
        match command {
            Command::Wake(_) | Command::Await(_) => Ok(false),
            Command::Evaluate(target) => {
                let evaluation = self.evaluation(target);
                self.launch(command, evaluation.map(WorkResult::Evaluated).boxed(), None)
                    .await
            }
            Command::Gather(map) => {
                let gathering = self.gathering(map);
                self.launch(command, gathering.map(WorkResult::Evaluated).boxed(), None)
                    .await
            }
            Command::Run { step, attempt } => {
                if let Some(event) = self.execution.cut_off(step) {
                    self.record(event, self.now())?;
                    return Ok(true);
                }
                if self.is_effectful(step) && self.must_commit(step, *attempt)? {
                    self.hold(command);
                    return Ok(false);
                }
                self.launch_attempt(command, step, *attempt, beside_others)
                    .await
            }
        }
    }

    fn is_effectful(&self, step: &StepKey) -> bool {
        call::action(self.execution.plan(), step)
            .is_some_and(|task| task.action.effect == Effect::Effectful)
    }

    /// Records that an effectful attempt is about to start; whether that, or
    /// anything before it, is not on disk yet, or all of it by another task, whose
    /// owner may have the shard still.
    fn must_commit(&mut self, step: &StepKey, attempt: u32) -> Result<bool, Exit> {
        if !self.execution.attempt_started(step) {
            let step = step.clone();
            self.record(Event::AttemptStarted { step, attempt }, self.now())?;
        }
        if planted::is(Bug::EffectBeforeCommit) {
            return Ok(false);
        }
        Ok(self.execution.version() > self.journal.committed() || !self.journal.is_proven())
    }

    /// Keeps an attempt back until everything that has happened is on disk.
    fn hold(&mut self, command: &Command) {
        self.tickets += 1;
        let flight = Flight {
            ticket: self.tickets,
            round: self.round,
            running: None,
            pulse: None,
        };
        self.in_flight.insert(command.clone(), flight);
        self.gated
            .push_back((self.execution.version(), command.clone()));
    }

    /// Starts the attempts whose commit has landed.
    pub(super) async fn open_gate(&mut self) -> Result<(), Exit> {
        while let Some((version, _)) = self.gated.front() {
            if *version > self.journal.committed() || !self.journal.is_proven() {
                break;
            }
            let Some((_, command)) = self.gated.pop_front() else {
                break;
            };
            if let Command::Run { step, attempt } = &command {
                let beside_others = self.in_flight.len() > 1;
                self.launch_attempt(&command, step, *attempt, beside_others)
                    .await?;
            }
        }
        Ok(())
    }

    async fn launch_attempt(
        &mut self,
        command: &Command,
        step: &StepKey,
        attempt: u32,
        beside_others: bool,
    ) -> Result<bool, Exit> {
        let pulse = Arc::<Pulse>::default();
        let work = self.attempt((step, attempt), pulse.clone(), beside_others);
        self.launch(command, work, Some(pulse)).await
    }

    /// Lets work begin. What ends without waiting becomes an event at once.
    async fn launch(
        &mut self,
        command: &Command,
        work: Work,
        pulse: Option<Arc<Pulse>>,
    ) -> Result<bool, Exit> {
        self.tickets += 1;
        let ticket = self.tickets;
        let (work, abort) = abortable(work);
        let named = command.clone();
        let mut done: BoxFuture<'static, Done> = async move {
            let result = work.await.unwrap_or(WorkResult::Stopped);
            Done {
                command: named,
                ticket,
                result,
            }
        }
        .boxed();
        let flight = Flight {
            ticket,
            round: self.round,
            running: Some(abort),
            pulse,
        };
        self.in_flight.insert(command.clone(), flight);
        match futures_util::poll!(&mut done) {
            std::task::Poll::Ready(done) => self.done(done).map(|()| true),
            std::task::Poll::Pending => {
                self.work.push(done);
                Ok(false)
            }
        }
    }

    fn attempt(
        &self,
        (step, attempt): (&StepKey, u32),
        pulse: Arc<Pulse>,
        beside_others: bool,
    ) -> Work {
        let work = Attempt {
            core: self.core.clone(),
            tenant: self.tenant.clone(),
            plan: self.execution.plan().clone(),
            execution: self.id,
            step: step.clone(),
            attempt,
            input: self
                .execution
                .step_input(step)
                .cloned()
                .unwrap_or_else(Payload::null),
            ready_at: self.execution.ready_at(step).unwrap_or_default(),
            resumption: self.execution.resumption(step).cloned(),
            pulse,
        };
        let run = AssertUnwindSafe(work.run()).catch_unwind().map(|ran| {
            let panicked = || Ran::failed(Failure::new(FailureKind::Host, "the runner panicked"));
            WorkResult::Ran(Box::new(ran.unwrap_or_else(|_| panicked())))
        });
        if !beside_others {
            return run.boxed();
        }
        // Branches that compute do so on several cores.
        Spawned(self.core.runtime.spawn(run)).boxed()
    }

    /// Takes in how a piece of work ended.
    pub(super) fn done(&mut self, done: Done) -> Result<(), Exit> {
        let Done {
            command,
            ticket,
            result,
        } = done;
        if self
            .in_flight
            .get(&command)
            .is_none_or(|flight| flight.ticket != ticket)
        {
            return Ok(());
        }
        self.in_flight.remove(&command);
        let now = self.now();
        let event = match (&command, result) {
            (Command::Evaluate(target), WorkResult::Evaluated(result)) => {
                self.evaluated(target, result, now)
            }
            (Command::Gather(map), WorkResult::Evaluated(result)) => self.gathered(map, result),
            (Command::Run { step, attempt }, WorkResult::Ran(ran)) => {
                self.ran(step, *attempt, *ran, now)
            }
            // Stopped by the runtime's end; whoever comes next asks for it again.
            _ => return Ok(()),
        };
        if planted::is(Bug::CompletedTwice) && matches!(event, Event::StepSucceeded { .. }) {
            self.record(event.clone(), now)?;
        }
        self.record(event, now)
    }

    fn evaluated(
        &self,
        target: &Target,
        result: Result<Evaluated, Failure>,
        now: Timestamp,
    ) -> Event {
        match (target, result) {
            (Target::Input(step), Ok(Evaluated::Value(input))) => Event::StepReady {
                step: step.clone(),
                input,
            },
            (Target::Items(step), Ok(Evaluated::List(items, count))) => Event::MapStarted {
                step: step.clone(),
                items,
                count,
            },
            (Target::Until(step), Ok(Evaluated::Time(value))) => {
                self.execution.waits_until(step, &value, now)
            }
            (Target::Connection(connection), Ok(Evaluated::Condition(fired))) => {
                Event::ConnectionDecided {
                    connection: *connection,
                    fired,
                    error: None,
                }
            }
            (Target::Output, Ok(Evaluated::Value(output))) => Event::Succeeded { output },
            (_, Err(failure)) => self.execution.erred(target, failure),
            (_, Ok(_)) => {
                let failure = Failure::new(
                    FailureKind::Host,
                    "an evaluation gave something else than was asked for",
                );
                self.execution.erred(target, failure)
            }
        }
    }

    fn gathered(&self, map: &StepKey, result: Result<Evaluated, Failure>) -> Event {
        match result {
            Ok(Evaluated::Value(output) | Evaluated::List(output, _)) => Event::StepSucceeded {
                step: map.clone(),
                attempt: 0,
                output,
                port: None,
                usage: Usage::default(),
            },
            Ok(Evaluated::Condition(_) | Evaluated::Time(_)) => {
                let failure = Failure::new(FailureKind::Host, "a gathering gave no list");
                self.execution.erred(&Target::Items(map.clone()), failure)
            }
            Err(failure) => self.execution.erred(&Target::Items(map.clone()), failure),
        }
    }

    fn ran(&mut self, step: &StepKey, attempt: u32, ran: Ran, now: Timestamp) -> Event {
        let line = |(level, message)| LogLine {
            at: now,
            level,
            step: step.clone(),
            attempt,
            message,
        };
        self.journal.push_lines(ran.lines.into_iter().map(line));
        if let (Ok(_), Some((value, bytes))) = (&ran.result, ran.value) {
            self.values.keep(
                Name::Variable(Root::Result(step.node.clone())),
                value,
                bytes,
            );
        }
        self.execution
            .settle(step, attempt, ran.result, ran.usage, now)
    }
}

/// A task that is stopped when nobody waits for it any more.
struct Spawned(tokio::task::JoinHandle<WorkResult>);

impl Future for Spawned {
    type Output = WorkResult;
    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        self.0
            .poll_unpin(context)
            .map(|joined| joined.unwrap_or(WorkResult::Stopped))
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        self.0.abort();
    }
}
