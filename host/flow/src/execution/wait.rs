//! Which signal goes to which wait: to the one that began first, of those for
//! this signal whose time-out was not over when it was accepted. A signal that
//! finds none is kept, in order, for the waits to come.

use std::collections::{BTreeMap, VecDeque};

use crate::id::{SignalName, StepKey};
use crate::payload::Payload;
use crate::plan::Task;
use crate::time::Timestamp;

use super::Execution;
use super::fold::contradicts;
use super::step::{Step, Waiting};

/// The waits and the signals of an execution that have not met.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Signals {
    /// Waits without an answer, in the order in which they began, and their time-outs.
    waiting: BTreeMap<SignalName, BTreeMap<(u64, StepKey), Option<Timestamp>>>,
    /// What signals say that no wait has taken, in order.
    kept: BTreeMap<SignalName, VecDeque<Payload>>,
}

impl Signals {
    /// The first wait that a signal of this time is for.
    fn taker(&mut self, name: &SignalName, received_at: Timestamp) -> Option<StepKey> {
        let waiting = self.waiting.get_mut(name)?;
        let in_time = |until: &Option<Timestamp>| until.is_none_or(|at| received_at < at);
        let place = waiting.iter().find(|(_, until)| in_time(until))?.0.clone();
        waiting.remove(&place);
        Some(place.1)
    }

    /// How many signals of this name are kept.
    pub(super) fn kept(&self, name: &SignalName) -> usize {
        self.kept.get(name).map_or(0, VecDeque::len)
    }

    /// What all kept signals say.
    pub(super) fn all_kept(&self) -> impl Iterator<Item = &Payload> {
        self.kept.values().flatten()
    }

    /// Whether a wait for it has begun and has no answer.
    pub(super) fn is_awaited(&self, name: &SignalName) -> bool {
        self.waiting.get(name).is_some_and(|w| !w.is_empty())
    }

    /// The waits for a signal of this time that have begun and have no answer.
    pub(super) fn takers(
        &self,
        name: &SignalName,
        at: Timestamp,
    ) -> impl Iterator<Item = &StepKey> {
        let waiting = self.waiting.get(name).into_iter().flatten();
        let in_time = move |until: &Option<Timestamp>| until.is_none_or(|end| at < end);
        waiting
            .filter(move |(_, until)| in_time(until))
            .map(|((_, step), _)| step)
    }

    /// What waits that have begun and have no answer are for.
    pub(super) fn awaited(&self) -> impl Iterator<Item = &SignalName> {
        let begun = self.waiting.iter().filter(|(_, waits)| !waits.is_empty());
        begun.map(|(name, _)| name)
    }

    /// A step begins to wait; what is kept for it at once, if there is something.
    pub(super) fn wait(
        &mut self,
        name: &SignalName,
        step: &StepKey,
        since: u64,
        until: Option<Timestamp>,
    ) -> Option<Payload> {
        let kept = self.take_kept(name);
        if kept.is_none() {
            let waiting = self.waiting.entry(name.clone()).or_default();
            waiting.insert((since, step.clone()), until);
        }
        kept
    }

    fn take_kept(&mut self, name: &SignalName) -> Option<Payload> {
        self.kept.get_mut(name)?.pop_front()
    }
}

impl Waiting {
    /// Whether it may end with this result at this instant.
    pub(super) fn may_succeed(
        &self,
        key: &StepKey,
        output: &Payload,
        at: Timestamp,
    ) -> Result<(), String> {
        self.is_own(key)?;
        match (&self.signal, &self.answer, self.until) {
            (_, Some(answer), _) if answer != output => {
                Err(format!("the result of `{key}` is not what its signal says"))
            }
            (Some(name), None, _) => Err(format!("no signal `{name}` has come for `{key}`")),
            (None, _, Some(until)) if until > at => Err(format!("`{key}` waits until {until}")),
            _ => Ok(()),
        }
    }

    /// Whether it is a wait of the workflow's own.
    fn is_own(&self, key: &StepKey) -> Result<(), String> {
        match self.caller {
            None => Ok(()),
            Some(_) => Err(format!("`{key}` waits to be called again")),
        }
    }

    /// Whether it may end without its signal at this instant.
    pub(super) fn may_time_out(&self, key: &StepKey, at: Timestamp) -> Result<(), String> {
        self.is_own(key)?;
        match (&self.signal, &self.answer, self.until) {
            (None, ..) => Err(format!("`{key}` waits for a time, and cannot fail")),
            (_, Some(_), _) => Err(format!("the signal of `{key}` has come")),
            (_, None, Some(until)) if until <= at => Ok(()),
            (_, None, _) => Err(format!("the wait `{key}` is not over")),
        }
    }
}

impl Execution {
    pub(super) fn on_wait_started(
        &mut self,
        key: &StepKey,
        signal: Option<&SignalName>,
        until: Option<Timestamp>,
        version: u64,
    ) -> Result<(), String> {
        let (task, step) = self.locate(key)?;
        let fits = match task {
            Task::Delay(_) => signal.is_none() && until.is_some(),
            Task::Signal { name, .. } => signal == Some(name),
            Task::Action(_) | Task::Child(_) | Task::Map { .. } => false,
        };
        if !fits {
            return Err(format!("step `{key}` is no such wait"));
        }
        if *step != Step::Wanted {
            return contradicts(key, step);
        }
        let answer = signal.and_then(|name| self.signals.wait(name, key, version, until));
        *self.step_mut(key)? = Step::Waiting(Box::new(Waiting {
            since: version,
            until,
            signal: signal.cloned(),
            answer,
            caller: None,
        }));
        Ok(())
    }

    pub(super) fn on_signal_received(
        &mut self,
        name: &SignalName,
        payload: &Payload,
        received_at: Timestamp,
    ) -> Result<(), String> {
        if !self.knows(name) {
            return Err(format!("no node waits for the signal `{name}`"));
        }
        if let Some(key) = self.signals.taker(name, received_at)
            && let Step::Waiting(waiting) = self.step_mut(&key)?
        {
            waiting.answer = Some(payload.clone());
        } else {
            let kept = self.signals.kept.entry(name.clone()).or_default();
            kept.push_back(payload.clone());
        }
        Ok(())
    }

    /// Whether a node waits for this signal sooner or later, or an action does now.
    pub(super) fn knows(&self, name: &SignalName) -> bool {
        self.plan.signals.contains_key(name) || self.signals.is_awaited(name)
    }

    /// Forgets that a step waits for a signal, if it does.
    pub(super) fn leave_wait(&mut self, key: &StepKey) {
        let Ok((_, Step::Waiting(waiting))) = self.locate(key) else {
            return;
        };
        let since = waiting.since;
        if let Some(name) = waiting.signal.clone()
            && let Some(waiting) = self.signals.waiting.get_mut(&name)
        {
            waiting.remove(&(since, key.clone()));
        }
    }
}
