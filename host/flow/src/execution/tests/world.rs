//! A world that answers commands. Equal questions get equal answers, whenever
//! they are asked: that is what lets two orders be compared.

use std::fmt::Display;
use std::time::Duration;

use serde_json::{Value, json};

use crate::component::Effect;
use crate::decide::{Command, Target};
use crate::event::{Event, Failure, FailureKind, Usage};
use crate::id::{Digest, SignalName, StepKey};
use crate::payload::Payload;
use crate::plan::Task;
use crate::ports::{InboxRow, Message, Outcome, Resolution, Resumption, Wake, Woken};
use crate::time::Timestamp;

use super::super::step::Step;
use super::bench::{Bench, failure, payload};

/// Seeded; `trouble` from 0 (nothing fails) to 4.
#[derive(Debug, Clone, Copy)]
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) trouble: u64,
}

impl World {
    /// A number below 1000 for a question.
    fn roll(self, question: impl Display) -> u64 {
        let digest = Digest::of(format!("{} {question}", self.seed).as_bytes());
        let [a, b, c, d, ..] = *digest.as_bytes();
        u64::from(u32::from_be_bytes([a, b, c, d])) % 1_000
    }

    fn errs(self, question: impl Display, permille: u64) -> Option<Failure> {
        let text = format!("{question} errs");
        (self.roll(&text) < permille * self.trouble)
            .then(|| failure(FailureKind::Expression, &text))
    }

    pub(super) fn input(self, step: &StepKey) -> Result<Payload, Failure> {
        let question = format!("input {step}");
        self.errs(&question, 10)
            .map_or_else(|| Ok(payload(&json!(question))), Err)
    }

    pub(super) fn count(self, step: &StepKey) -> Result<u32, Failure> {
        let question = format!("items {step}");
        let count = u32::try_from(self.roll(&question) % 5).unwrap();
        self.errs(question, 10).map_or(Ok(count), Err)
    }

    pub(super) fn until(self, step: &StepKey) -> Result<Value, Failure> {
        let question = format!("until {step}");
        let at = Timestamp::from_millis(self.roll(&question) * 3);
        self.errs(question, 10)
            .map_or_else(|| Ok(json!(at.to_string())), Err)
    }

    /// What a signal says, if it comes before the time-outs of its waits.
    pub(super) fn signal(self, name: &SignalName, timeout: Option<Duration>) -> Option<Payload> {
        let question = format!("signal {name}");
        let comes = timeout.is_none() || self.roll(&question) < 600;
        comes.then(|| payload(&json!(question)))
    }

    /// What a person says of an attempt whose outcome is unknown.
    pub(super) fn resolution(self, step: &StepKey, attempt: u32) -> Resolution {
        let question = format!("resolve {step}:{attempt}");
        match self.roll(&question) {
            0..400 => Resolution::Succeeded {
                output: payload(&json!(question)),
            },
            400..700 => Resolution::Failed { reason: question },
            _ => Resolution::Retry { reason: question },
        }
    }

    /// How the child of a step ends.
    pub(super) fn child(self, step: &StepKey) -> Result<Payload, Failure> {
        let question = format!("child {step}");
        self.errs(&question, 40)
            .map_or_else(|| Ok(payload(&json!(question))), Err)
    }

    pub(super) fn connection(self, index: u32) -> Result<bool, Failure> {
        let question = format!("connection {index}");
        let fired = self.roll(&question) < 600;
        self.errs(question, 30).map_or(Ok(fired), Err)
    }

    pub(super) fn gather(
        self,
        step: &StepKey,
        outputs: &[Option<&Payload>],
    ) -> Result<Payload, Failure> {
        let question = format!("gather {step}");
        let texts = outputs.iter().map(|o| format!("{o:?}")).collect::<Vec<_>>();
        self.errs(question, 5)
            .map_or_else(|| Ok(payload(&json!(texts))), Err)
    }

    pub(super) fn output(self) -> Result<Payload, Failure> {
        self.errs("output", 10)
            .map_or_else(|| Ok(payload(&json!("output"))), Err)
    }

    /// What an attempt answers hangs on what its iteration begins with.
    pub(super) fn run(
        self,
        step: &StepKey,
        attempt: u32,
        resumption: Option<&Resumption<Payload>>,
    ) -> Result<(Outcome, Payload), Failure> {
        let question = match resumption {
            None => format!("run {step}:{attempt}"),
            Some(resumption) => format!("run {step}:{attempt} {resumption:?}"),
        };
        let question = Digest::of(question.as_bytes()).to_string();
        let output = payload(&json!(question));
        let bytes = bytes::Bytes::new();
        let kinds = [
            FailureKind::Permanent,
            FailureKind::Retryable,
            FailureKind::Host,
            FailureKind::TimedOut,
            FailureKind::Trapped,
        ];
        let roll = self.roll(&question);
        let outcome = match roll {
            _ if roll < 60 * self.trouble => {
                let kind = kinds[usize::try_from(roll).unwrap() % kinds.len()];
                return Err(failure(kind, &question));
            }
            900.. => Outcome::Skip(None),
            820..900 => Outcome::Branch("a".into(), bytes),
            740..820 => Outcome::Branch("b".into(), bytes),
            680..740 => Outcome::Continue(bytes),
            500..680 => Outcome::Wait(self.wake(step, roll), bytes),
            _ => Outcome::Success(bytes),
        };
        Ok((outcome, output))
    }

    /// What an action waits for: a signal has a name of its own, as those of nodes do.
    fn wake(self, step: &StepKey, roll: u64) -> Wake {
        let path: Vec<_> = step.path.iter().map(ToString::to_string).collect();
        let name = format!("w-{}-{}-{}", step.node, path.join("-"), step.iteration);
        let hour = Duration::from_secs(3_600);
        match roll {
            500..540 => Wake::After(Duration::from_millis(20)),
            540..560 => Wake::At(Timestamp::from_millis(1_100)),
            560..620 => Wake::Signal(name.parse().unwrap(), Some(hour)),
            _ => Wake::Signal(name.parse().unwrap(), None),
        }
    }

    /// Why an action is called again that waited for this.
    pub(super) fn woken(self, wake: &Wake) -> Woken<Payload> {
        match wake {
            Wake::After(_) | Wake::At(_) => Woken::Time,
            Wake::Signal(name, timeout) => match self.signal(name, *timeout) {
                Some(says) => Woken::Signal(says),
                None => Woken::TimedOut,
            },
        }
    }

    /// The event that the command's end is; none for a wake, which only moves
    /// time, and for a signal that does not come.
    pub(super) fn answer(self, bench: &Bench, command: &Command) -> Option<Event> {
        let execution = &bench.execution;
        let usage = Usage::default();
        Some(match command {
            Command::Wake(_) => return None,
            Command::Await(step) if execution.unknown_attempt(step).is_ok() => {
                let attempt = execution.unknown_attempt(step).ok()?;
                let message = Message::Resolve {
                    step: step.clone(),
                    attempt,
                    resolution: self.resolution(step, attempt),
                };
                let row = InboxRow {
                    seq: 1,
                    at: bench.now,
                    message,
                };
                return execution.taken(&row);
            }
            Command::Await(step) if execution.child(step).is_some() => {
                let message = Message::ChildEnded {
                    step: step.clone(),
                    execution: execution.child(step)?,
                    result: self.child(step),
                };
                let row = InboxRow {
                    seq: 1,
                    at: bench.now,
                    message,
                };
                return execution.taken(&row);
            }
            Command::Await(step) => {
                // A child that has ended meanwhile is awaited no more.
                let Ok((_, Step::Waiting(waiting))) = execution.find(step) else {
                    return None;
                };
                // An action is told once.
                if waiting.caller.is_some() && waiting.answer.is_some() {
                    return None;
                }
                let name = waiting.signal.as_ref()?;
                let timeout = waiting.until.map(|at| at.since(bench.now));
                Event::SignalReceived {
                    name: name.clone(),
                    payload: self.signal(name, timeout)?,
                    received_at: bench.now,
                }
            }
            Command::Evaluate(Target::Until(step)) => match self.until(step) {
                Ok(value) => execution.waits_until(step, &value, bench.now),
                Err(error) => execution.erred(&Target::Until(step.clone()), error),
            },
            Command::Run { step, attempt } => {
                let effectful = matches!(execution.task(step), Some(Task::Action(task))
                    if task.action.effect == Effect::Effectful);
                if effectful && !execution.attempt_started(step) {
                    return Some(Event::AttemptStarted {
                        step: step.clone(),
                        attempt: *attempt,
                    });
                }
                let result = self.run(step, *attempt, execution.resumption(step));
                execution.settle(step, *attempt, result, usage, bench.now)
            }
            Command::Gather(step) => match self.gather(step, &execution.item_outputs(step)) {
                Ok(output) => Event::StepSucceeded {
                    step: step.clone(),
                    attempt: 0,
                    output,
                    port: None,
                    usage,
                },
                Err(error) => execution.erred(&Target::Items(step.clone()), error),
            },
            Command::Evaluate(target) => self
                .value(target)
                .unwrap_or_else(|error| execution.erred(target, error)),
        })
    }

    fn value(self, target: &Target) -> Result<Event, Failure> {
        Ok(match target {
            Target::Input(step) => Event::StepReady {
                step: step.clone(),
                input: self.input(step)?,
            },
            Target::Items(step) => Event::MapStarted {
                step: step.clone(),
                items: Payload::null(),
                count: self.count(step)?,
            },
            Target::Until(step) => panic!("the time of {step} is answered above"),
            Target::Connection(connection) => Event::ConnectionDecided {
                connection: *connection,
                fired: self.connection(*connection)?,
                error: None,
            },
            Target::Output => Event::Succeeded {
                output: self.output()?,
            },
        })
    }
}
