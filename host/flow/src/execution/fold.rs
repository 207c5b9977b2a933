//! What each event changes, and when it cannot follow. Every function checks
//! all before it changes anything.

use crate::event::{Event, Failure, FailureKind, RULES, Recorded};
use crate::id::StepKey;
use crate::payload::Payload;
use crate::plan::{NodeIndex, Task};
use crate::planted::{self, Bug};
use crate::time::Timestamp;

use super::graph::End;
use super::iterate::may_answer;
use super::step::{Child, Mapping, Ready, Step};
use super::{Execution, Started};

/// `Err` says what the event contradicts.
type Fold = Result<(), String>;

impl Execution {
    pub(super) fn fold(&mut self, recorded: &Recorded) -> Fold {
        if recorded.version != self.version + 1 {
            return Err(format!("the last event is {}", self.version));
        }
        if self.end.is_some() {
            return Err("the execution has ended".into());
        }
        match (&recorded.event, &self.started) {
            (Event::Started { .. }, Some(_)) => return Err("it has started before".into()),
            (Event::Started { .. }, None) | (_, Some(_)) => {}
            (_, None) => return Err("the execution has not started".into()),
        }
        self.fold_kind(&recorded.event, recorded.at, recorded.version)
    }

    fn fold_kind(&mut self, event: &Event, at: Timestamp, version: u64) -> Fold {
        match event {
            Event::Started { .. } => self.on_started(event, at),
            Event::StepKept { step, outcome } => self.on_step_kept(step, outcome),
            Event::StepReady { step, input } => self.on_step_ready(step, input, at),
            Event::MapStarted { step, items, count } => self.on_map_started(step, items, *count),
            Event::WaitStarted {
                step,
                signal,
                until,
            } => self.on_wait_started(step, signal.as_ref(), *until, version),
            Event::ChildStarted { step, execution } => self.on_child_started(step, *execution),
            Event::SignalReceived {
                name,
                payload,
                received_at,
            } => self.on_signal_received(name, payload, *received_at),
            Event::AttemptStarted { step, attempt } => self.on_attempt_started(step, *attempt),
            Event::AttemptFailed {
                step,
                attempt,
                error,
                retry_at,
                ..
            } => self.on_attempt_failed(step, *attempt, error, *retry_at),
            Event::StepUnknown {
                step,
                attempt,
                error,
                ..
            } => self.on_step_unknown(step, *attempt, error),
            Event::StepSucceeded {
                step,
                attempt,
                output,
                port,
                ..
            } => self.on_step_succeeded(step, *attempt, output, port.as_deref(), at),
            Event::StepContinued { step, attempt, .. } => {
                self.on_step_continued(step, *attempt, event, at, version)
            }
            Event::StepResumed { step } => self.on_step_resumed(step, at),
            Event::StepFailed {
                step,
                attempt,
                error,
                ..
            } => self.on_step_failed(step, *attempt, error, at),
            Event::StepSkipped { step, .. } => self.on_step_skipped(step),
            Event::ConnectionDecided {
                connection,
                fired,
                error,
            } => self.connection_decided(*connection, *fired, error.as_ref()),
            Event::Warning { node, .. } => self.node_index(&StepKey::root(node.clone())).map(drop),
            Event::UndoStarted { node, error } => {
                let end = match error {
                    Some(error) => Event::Failed {
                        node: node.clone(),
                        error: error.clone(),
                    },
                    None => Event::Cancelled {
                        reason: String::new(),
                    },
                };
                self.may_end(&end, at)?;
                self.on_undo_started(node.as_ref(), error.as_ref())
            }
            Event::CancelRequested { reason } => {
                self.cancel.get_or_insert_with(|| reason.clone());
                Ok(())
            }
            Event::Paused { .. } => self.on_paused(true),
            Event::Resumed { .. } => self.on_paused(false),
            Event::Stepped { .. } => self.on_stepped(),
            Event::Succeeded { .. }
            | Event::Failed { .. }
            | Event::Cancelled { .. }
            | Event::Terminated { .. } => self.on_end(event, at),
        }
    }

    fn on_started(&mut self, event: &Event, at: Timestamp) -> Fold {
        let Event::Started {
            workflow,
            workflow_version: version,
            input,
            rules,
            parent,
            origin,
            follows,
        } = event
        else {
            return Err("it is no start".into());
        };
        let deployed = &self.plan.deployed;
        if (*workflow, *version) != (deployed.id, deployed.version) {
            return Err(format!(
                "it starts {workflow} version {version}, and the plan is of {} version {}",
                deployed.id, deployed.version
            ));
        }
        if *rules != RULES {
            return Err(format!(
                "it needs decision rules {rules}, and this program has rules {RULES}"
            ));
        }
        self.started = Some(Started {
            input: input.clone(),
            at,
            parent: parent.clone(),
            origin: *origin,
            follows: *follows,
        });
        for node in 0..self.plan.own_nodes().len() {
            if self.nodes[node].open == 0 {
                self.arrive(node);
            }
        }
        Ok(())
    }

    fn on_step_ready(&mut self, key: &StepKey, input: &Payload, at: Timestamp) -> Fold {
        let (task, step) = self.locate(key)?;
        let ready = match (task, step) {
            (Task::Action(_), Step::Wanted) => Step::Ready(Box::new(Ready::new(input.clone(), at))),
            (Task::Child(_), Step::Wanted) => Step::Child(Box::new(Child {
                input: input.clone(),
                started: false,
            })),
            (Task::Action(_) | Task::Child(_), other) => return contradicts(key, other),
            (Task::Map { .. }, _) => return Err(format!("step `{key}` is a map")),
            (Task::Delay(_) | Task::Signal { .. }, _) => {
                return Err(format!("step `{key}` is a wait"));
            }
        };
        *self.step_mut(key)? = ready;
        Ok(())
    }

    fn on_map_started(&mut self, key: &StepKey, items: &Payload, count: u32) -> Fold {
        let (task, step) = self.locate(key)?;
        let (concurrency, continues) = match (task, step) {
            (
                Task::Map {
                    concurrency,
                    continues,
                    ..
                },
                Step::Wanted,
            ) => (*concurrency, *continues),
            (Task::Map { .. }, other) => return contradicts(key, other),
            (_, _) => return Err(format!("step `{key}` is not a map")),
        };
        let mapping = Mapping::new(items.clone(), count, concurrency, continues);
        *self.step_mut(key)? = Step::Mapping(Box::new(mapping));
        Ok(())
    }

    fn on_attempt_started(&mut self, key: &StepKey, attempt: u32) -> Fold {
        let ready = self.ready_mut(key, attempt)?;
        ready.started = true;
        ready.retry_at = None;
        Ok(())
    }

    fn on_attempt_failed(
        &mut self,
        key: &StepKey,
        attempt: u32,
        error: &Failure,
        retry_at: Timestamp,
    ) -> Fold {
        self.ready_mut(key, attempt)?.retry(error.kind, retry_at);
        Ok(())
    }

    fn on_step_succeeded(
        &mut self,
        key: &StepKey,
        attempt: u32,
        output: &Payload,
        port: Option<&str>,
        at: Timestamp,
    ) -> Fold {
        match self.locate(key)? {
            (Task::Action(task), Step::Ready(ready)) => may_answer(key, attempt, task, ready)?,
            (_, Step::Mapping(mapping)) => {
                same_attempt(key, attempt, 0)?;
                if !mapping.is_drained() || mapping.failure().is_some() {
                    return Err(format!("not all items of `{key}` ended well"));
                }
                if port.is_some() {
                    return Err(format!("step `{key}` is a map, which has no ports"));
                }
            }
            (_, Step::Waiting(waiting)) => {
                same_attempt(key, attempt, 0)?;
                waiting.may_succeed(key, output, at)?;
                if port.is_some() {
                    return Err(format!("step `{key}` is a wait, which has no ports"));
                }
            }
            (_, Step::Child(child)) if child.started => {
                same_attempt(key, attempt, 0)?;
                if port.is_some() {
                    return Err(format!("step `{key}` is a workflow, which has no ports"));
                }
            }
            (_, Step::Succeeded(_)) if planted::is(Bug::CompletedTwice) => return Ok(()),
            (_, other) => return contradicts(key, other),
        }
        self.end_step(key, Step::Succeeded(output.clone()), End::Succeeded(port))?;
        self.has_stepped();
        Ok(())
    }

    fn on_step_failed(
        &mut self,
        key: &StepKey,
        attempt: u32,
        error: &Failure,
        at: Timestamp,
    ) -> Fold {
        match self.locate(key)?.1 {
            Step::Wanted | Step::Unfired(Some(_)) | Step::Child(_) => {
                same_attempt(key, attempt, 0)?
            }
            Step::Ready(ready) => same_attempt(key, attempt, ready.attempt)?,
            Step::Mapping(mapping) => {
                same_attempt(key, attempt, 0)?;
                if !mapping.is_drained() {
                    return Err(format!("items of `{key}` still run"));
                }
            }
            Step::Waiting(waiting) => {
                same_attempt(key, attempt, 0)?;
                waiting.may_time_out(key, at)?;
            }
            other => return contradicts(key, other),
        }
        self.end_step(key, Step::Failed(Box::new(error.clone())), End::Failed)?;
        self.has_stepped();
        Ok(())
    }

    fn on_step_skipped(&mut self, key: &StepKey) -> Fold {
        match self.locate(key)?.1 {
            Step::Unfired(None) | Step::Ready(_) => {}
            other => return contradicts(key, other),
        }
        self.end_step(key, Step::Skipped, End::Skipped)
    }

    fn on_paused(&mut self, paused: bool) -> Fold {
        if self.paused == paused && !self.stepping {
            let is = if paused { "is" } else { "is not" };
            return Err(format!("the execution {is} paused"));
        }
        self.paused = paused;
        self.stepping = false;
        Ok(())
    }

    fn on_stepped(&mut self) -> Fold {
        if !self.paused {
            return Err("the execution is not paused".into());
        }
        self.paused = false;
        self.stepping = true;
        Ok(())
    }

    /// A step has succeeded or failed.
    const fn has_stepped(&mut self) {
        self.paused |= self.stepping;
        self.stepping = false;
    }

    fn on_end(&mut self, event: &Event, at: Timestamp) -> Fold {
        match event {
            Event::Terminated { .. } => {}
            _ if self.is_undoing() => self.ends_undoing(event)?,
            _ => self.may_end(event, at)?,
        }
        self.end = Some(Box::new(event.clone()));
        Ok(())
    }

    /// Whether this is the end that its nodes lead to.
    fn may_end(&self, event: &Event, at: Timestamp) -> Fold {
        match (event, &self.halt) {
            (Event::Failed { node: None, error }, _)
                if error.kind == FailureKind::TimedOut && self.is_overdue(at) => {}
            (Event::Cancelled { .. }, _) if self.cancel.is_none() => {
                return Err("no cancel was requested".into());
            }
            (Event::Cancelled { .. }, _) => {}
            (
                Event::Failed {
                    node: Some(node), ..
                },
                Some(halt),
            ) => {
                let expected = &self.plan.nodes[halt.node].id;
                if node != expected {
                    return Err(format!("the first node that failed is `{expected}`"));
                }
            }
            (Event::Failed { node: Some(_), .. }, None) => {
                return Err("no node failed unhandled".into());
            }
            (_, Some(halt)) => {
                let id = &self.plan.nodes[halt.node].id;
                return Err(format!("node `{id}` failed and no connection took it"));
            }
            (_, None) if !self.all_ended() => {
                return Err("not every node has ended".into());
            }
            (_, None) => {}
        }
        Ok(())
    }

    // ------------------------------------------------------------- steps --

    /// Ends a step: a node's own lets go of its connections, an item's makes
    /// room in its map.
    pub(super) fn end_step(&mut self, key: &StepKey, step: Step, end: End<'_>) -> Fold {
        let node = self.node_index(key)?;
        self.leave_wait(key);
        match key.path.split_last() {
            None => {
                self.nodes[node].step = step;
                self.active.remove(&node);
                if self.plan.nodes[node].undoes.is_some() {
                    self.undo_next();
                    return Ok(());
                }
                if matches!(end, End::Succeeded(_)) {
                    self.remember_to_undo(node);
                }
                self.ended += 1;
                self.leave(node, end);
            }
            Some((index, map)) => {
                if let Some(Step::Mapping(mapping)) = self.nodes[node].step.below_mut(map) {
                    mapping.end(*index, step);
                }
            }
        }
        Ok(())
    }

    fn node_index(&self, key: &StepKey) -> Result<NodeIndex, String> {
        self.plan
            .index(&key.node)
            .filter(|index| *index < self.nodes.len())
            .ok_or_else(|| format!("the workflow has no node `{}`", key.node))
    }

    /// A step in its present iteration.
    pub(super) fn locate(&self, key: &StepKey) -> Result<(&Task, &Step), String> {
        let (task, step) = self.find(key)?;
        if key.iteration != step.iteration() {
            return Err(format!("step `{key}` has no such iteration"));
        }
        Ok((task, step))
    }

    /// A step, in whichever iteration it is.
    pub(super) fn find(&self, key: &StepKey) -> Result<(&Task, &Step), String> {
        let node = self.node_index(key)?;
        let found = self.nodes[node].step.below(&key.path);
        found
            .and_then(|step| Some((self.plan.task(node, key.path.len())?, step)))
            .ok_or_else(|| format!("step `{key}` has not begun"))
    }

    pub(super) fn step_mut(&mut self, key: &StepKey) -> Result<&mut Step, String> {
        let node = self.node_index(key)?;
        self.nodes[node]
            .step
            .below_mut(&key.path)
            .ok_or_else(|| format!("step `{key}` has not begun"))
    }

    /// The step if it is ready and this is its present attempt.
    pub(super) fn ready_mut(&mut self, key: &StepKey, attempt: u32) -> Result<&mut Ready, String> {
        self.locate(key)?;
        match self.step_mut(key)? {
            Step::Ready(ready) => {
                same_attempt(key, attempt, ready.attempt)?;
                Ok(ready)
            }
            other => contradicts(key, other),
        }
    }
}

pub(super) fn contradicts<T>(key: &StepKey, step: &Step) -> Result<T, String> {
    Err(format!("step `{key}` {}", step.describe()))
}

pub(super) fn same_attempt(key: &StepKey, attempt: u32, expected: u32) -> Fold {
    if attempt == expected {
        Ok(())
    } else {
        Err(format!(
            "step `{key}` is at attempt {expected}, not {attempt}"
        ))
    }
}
