//! What must happen next. [`decide`] looks at an execution and says what
//! follows from it without any work (events) and which work is outstanding
//! (commands). It is level-triggered: the same state gives the same answer, so
//! after a crash the owner simply asks again; a command that is in flight and
//! no longer in the list is to be stopped.

use crate::definition::Due;
use crate::event::{Event, Failure, FailureKind, Usage};
use crate::execution::Execution;
use crate::execution::step::{Child, Mapping, Step, Waiting};
use crate::id::{SignalName, StepKey};
use crate::payload::Payload;
use crate::plan::Task;
use crate::planted::{self, Bug};
use crate::time::{Span, Timestamp};

/// What follows, and what is outstanding.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// To be applied and recorded; then [`decide`] is asked again.
    pub events: Vec<Event>,
    /// All work that is outstanding, whether in flight already or not. Empty
    /// while `events` is not.
    pub commands: Vec<Command>,
}

/// A piece of work. Its end is an event; equal commands are the same work.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Command {
    /// Evaluate a template or an expression.
    Evaluate(Target),
    /// Run an attempt. Effectful ones commit `AttemptStarted` first.
    Run {
        /// Which step; its input is in the execution.
        step: StepKey,
        /// 1 for the first.
        attempt: u32,
    },
    /// Put the results of a map's items together, in order.
    Gather(StepKey),
    /// Listen for the signal, the end of the child, or the word of a person that a
    /// step waits for.
    Await(StepKey),
    /// Look again at this instant.
    Wake(Timestamp),
}

/// What is to be evaluated, and so which event its value becomes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A step's input → `StepReady`.
    Input(StepKey),
    /// A map's list → `MapStarted`.
    Items(StepKey),
    /// When a wait is over → `WaitStarted`.
    Until(StepKey),
    /// A connection's `when`, by index → `ConnectionDecided`.
    Connection(u32),
    /// The workflow's output → `Succeeded`.
    Output,
}

/// Decides. `now` tells which retries are due, which waits are over and whether
/// the execution takes too long; what is not due becomes one [`Command::Wake`],
/// at the earliest of them. It is also the time of the events: a wait of ten
/// minutes ends ten minutes after its own event.
///
/// An execution that has ended, or not begun, has nothing to decide. One that
/// is paused gives the commands that may be under way: these go on, and no
/// other is to begin; no event follows, and no time matters.
#[must_use]
pub fn decide(execution: &Execution, now: Timestamp) -> Decision {
    let mut walk = Walk {
        execution,
        now: now.max(execution.updated_at()),
        events: Vec::new(),
        commands: Vec::new(),
        wake: None,
    };
    walk.all();
    if !walk.events.is_empty() {
        walk.commands.clear();
    } else if let Some(at) = walk.wake {
        walk.commands.push(Command::Wake(at));
    }
    Decision {
        events: walk.events,
        commands: walk.commands,
    }
}

/// When an execution is due, if it does nothing but wait; none within, if it
/// waits for signals or children alone.
pub(crate) fn only_waits(execution: &Execution, now: Timestamp) -> Option<Option<Timestamp>> {
    let mut due = None;
    let commands = decide(execution, now).commands;
    for command in &commands {
        match command {
            Command::Await(_) => {}
            Command::Wake(at) => due = Some(*at),
            _ => return None,
        }
    }
    (!commands.is_empty()).then_some(due)
}

/// Visits what is neither pending nor ended, and nothing else: its cost is
/// that of what is outstanding, not of the workflow or of a map's list.
struct Walk<'a> {
    execution: &'a Execution,
    now: Timestamp,
    events: Vec<Event>,
    commands: Vec<Command>,
    wake: Option<Timestamp>,
}

impl Walk<'_> {
    fn all(&mut self) {
        let execution = self.execution;
        if execution.input().is_none() || execution.final_event().is_some() {
            return;
        }
        if execution.is_undoing() {
            self.active_nodes();
            if self.is_idle() {
                self.events.extend(execution.undone());
            }
        } else {
            if let Some(reason) = execution.cancel_requested() {
                let reason = reason.to_owned();
                return self.end_as(Event::Cancelled { reason });
            }
            if execution.is_overdue(self.now) && !execution.is_paused() {
                return self.end_as(self.overdue());
            }
            self.active_nodes();
            for connection in execution.asked_connections() {
                let target = Target::Connection(connection);
                self.commands.push(Command::Evaluate(target));
            }
            if self.is_idle() {
                self.end();
            }
            if let Some(deadline) = execution.deadline() {
                self.wake_at(deadline);
            }
        }
        if execution.is_paused() {
            self.events.clear();
            self.wake = None;
        }
        if execution.is_stepping() {
            self.one_runs();
        }
    }

    /// Leaves the attempts that have started, or else the first one.
    fn one_runs(&mut self) {
        let execution = self.execution;
        let has_started = |command: &Command| match command {
            Command::Run { step, .. } => execution.has_started(step),
            _ => false,
        };
        let mut more = usize::from(!self.commands.iter().any(has_started));
        self.commands.retain(|command| {
            let free = !matches!(command, Command::Run { .. });
            free || has_started(command) || std::mem::take(&mut more) == 1
        });
    }

    fn active_nodes(&mut self) {
        for (id, step) in self.execution.active_nodes() {
            self.step(step, &mut StepKey::root(id.clone()));
        }
    }

    /// Whether nothing follows and nothing is outstanding.
    const fn is_idle(&self) -> bool {
        self.events.is_empty() && self.commands.is_empty() && self.wake.is_none()
    }

    /// The end, unless something is to be undone first.
    fn end_as(&mut self, end: Event) {
        self.events.push(self.execution.ending(end));
    }

    fn step(&mut self, step: &Step, key: &mut StepKey) {
        match step {
            Step::Unfired(error) => self.events.push(unfired(key.clone(), error.as_deref())),
            Step::Wanted => self.wanted(key),
            Step::Ready(ready) if ready.unknown.is_some() => {
                let step = key.in_iteration(ready.iteration);
                self.commands.push(Command::Await(step));
            }
            Step::Ready(ready) => match ready.retry_at {
                Some(at) if at > self.now && !planted::is(Bug::RetryEarly) => self.wake_at(at),
                _ => self.commands.push(Command::Run {
                    step: key.in_iteration(ready.iteration),
                    attempt: ready.attempt,
                }),
            },
            Step::Mapping(mapping) => self.mapping(mapping, key),
            Step::Waiting(waiting) => self.waiting(waiting, key),
            Step::Child(child) => self.child(child, key),
            Step::Pending | Step::Succeeded(_) | Step::Failed(_) | Step::Skipped => {}
        }
    }

    fn overdue(&self) -> Event {
        let timeout = self.execution.plan().definition().timeout;
        let allowed = timeout.map_or_else(String::new, |long| format!(" of {long}"));
        let message = format!("the execution took longer than its time-out{allowed}");
        Event::Failed {
            node: None,
            error: Failure::new(FailureKind::TimedOut, message),
        }
    }

    fn wake_at(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |earliest| earliest.min(at)));
    }

    /// A step that may begin: its values are evaluated, unless they are known.
    fn wanted(&mut self, key: &StepKey) {
        let (signal, until) = match self.execution.task(key) {
            Some(Task::Signal { name, timeout }) => {
                (Some(name), timeout.map(|long| self.now.plus(long)))
            }
            Some(Task::Delay(Due::After(long))) if planted::is(Bug::TimerEarly) => {
                (None, Some(self.now.plus(*long / 2)))
            }
            Some(Task::Delay(Due::After(long))) => (None, Some(self.now.plus(*long))),
            Some(Task::Delay(Due::At(at))) => (None, Some(*at)),
            task => {
                let target = match task {
                    Some(Task::Map { .. }) => Target::Items(key.clone()),
                    Some(Task::Delay(_)) => Target::Until(key.clone()),
                    _ => Target::Input(key.clone()),
                };
                return self.commands.push(Command::Evaluate(target));
            }
        };
        self.events.push(Event::WaitStarted {
            step: key.clone(),
            signal: signal.cloned(),
            until,
        });
    }

    fn waiting(&mut self, waiting: &Waiting, key: &StepKey) {
        let is_over = waiting.until.filter(|at| *at <= self.now);
        let event = match (&waiting.answer, &waiting.signal, is_over) {
            (Some(_), ..) | (_, _, Some(_)) if let Some(caller) = &waiting.caller => {
                let step = key.in_iteration(caller.iteration);
                Event::StepResumed { step }
            }
            (Some(answer), ..) => over(key.clone(), answer.clone()),
            (None, None, Some(_)) => over(key.clone(), Payload::null()),
            (None, Some(name), Some(_)) => failed(key.clone(), self.no_signal(name, key)),
            (None, signal, None) => {
                if signal.is_some() {
                    let ended = waiting.caller.as_ref().map_or(0, |c| c.iteration - 1);
                    self.commands.push(Command::Await(key.in_iteration(ended)));
                }
                if let Some(at) = waiting.until {
                    self.wake_at(at);
                }
                return;
            }
        };
        self.events.push(event);
    }

    fn child(&mut self, child: &Child, key: &StepKey) {
        let execution = self.execution;
        if !child.started {
            self.events.extend(execution.child_starts(key));
        } else if execution.is_detached(key) {
            self.events.extend(execution.detached(key));
        } else {
            self.commands.push(Command::Await(key.clone()));
        }
    }

    fn no_signal(&self, name: &SignalName, key: &StepKey) -> Failure {
        let within = match self.execution.task(key) {
            Some(Task::Signal {
                timeout: Some(long),
                ..
            }) => format!(" within {}", Span(*long)),
            _ => String::new(),
        };
        let message = format!("no signal `{name}` came{within}");
        Failure::new(FailureKind::TimedOut, message)
    }

    fn mapping(&mut self, mapping: &Mapping, key: &mut StepKey) {
        if !mapping.is_drained() {
            for &index in &mapping.running {
                key.path.push(index);
                self.step(&mapping.steps[index as usize], key);
                key.path.pop();
            }
        } else if let Some(error) = mapping.failure() {
            self.events.push(failed(key.clone(), error));
        } else {
            self.commands.push(Command::Gather(key.clone()));
        }
    }

    /// Nothing is outstanding.
    fn end(&mut self) {
        match self.execution.reported_failure() {
            Some((node, error)) => self.end_as(Event::Failed {
                node: Some(node.clone()),
                error: error.clone(),
            }),
            None if self.execution.all_ended() => {
                self.commands.push(Command::Evaluate(Target::Output));
            }
            // Only a plan with a cycle gets here, and none compiles.
            None => {}
        }
    }
}

fn unfired(step: StepKey, error: Option<&Failure>) -> Event {
    match error {
        Some(error) => failed(step, error.clone()),
        None => Event::StepSkipped {
            step,
            reason: None,
            usage: Usage::default(),
        },
    }
}

fn failed(step: StepKey, error: Failure) -> Event {
    Event::StepFailed {
        step,
        attempt: 0,
        error,
        usage: Usage::default(),
    }
}

/// A wait that is over.
fn over(step: StepKey, output: Payload) -> Event {
    Event::StepSucceeded {
        step,
        attempt: 0,
        output,
        port: None,
        usage: Usage::default(),
    }
}
