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
        match (&self.signal, &self.answer, self.until) {
            (_, Some(answer), _) if answer != output => {
                Err(format!("the result of `{key}` is not what its signal says"))
            }
            (Some(name), None, _) => Err(format!("no signal `{name}` has come for `{key}`")),
            (None, _, Some(until)) if until > at => Err(format!("`{key}` waits until {until}")),
            _ => Ok(()),
        }
    }

    /// Whether it may end without its signal at this instant.
    pub(super) fn may_time_out(&self, key: &StepKey, at: Timestamp) -> Result<(), String> {
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
        let answer = signal.and_then(|name| self.signals.take_kept(name));
        if let (Some(name), None) = (signal, &answer) {
            let waiting = self.signals.waiting.entry(name.clone()).or_default();
            waiting.insert((version, key.clone()), until);
        }
        *self.step_mut(key)? = Step::Waiting(Box::new(Waiting {
            since: version,
            until,
            signal: signal.cloned(),
            answer,
        }));
        Ok(())
    }

    pub(super) fn on_signal_received(
        &mut self,
        name: &SignalName,
        payload: &Payload,
        received_at: Timestamp,
    ) -> Result<(), String> {
        if !self.plan.signals.contains_key(name) {
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
