//! The states of steps: a tree, since each item of a map is a step below it.

use std::collections::BTreeSet;

use crate::event::{Failure, FailureKind};
use crate::id::SignalName;
use crate::payload::Payload;
use crate::planted::{self, Bug};
use crate::ports::Resumption;
use crate::time::Timestamp;

/// How many items of one map run at once at the most, whatever its
/// `concurrency` says. Part of the decision rules: what is begun follows from it.
const MAX_CONCURRENCY: u32 = 1_000;

/// Where a step stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// Not all connections into its node are decided.
    Pending,
    /// All are decided and it will not run: none fired, or a condition erred.
    Unfired(Option<Box<Failure>>),
    /// Its input, a map's list or the end of a wait is to be evaluated.
    Wanted,
    /// An action that may run.
    Ready(Box<Ready>),
    /// A map whose items run, or whose results are gathered.
    Mapping(Box<Mapping>),
    /// A wait that is not over.
    Waiting(Box<Waiting>),
    /// An execution of another workflow that runs, or is to be started.
    Child(Box<Child>),
    /// Ended well.
    Succeeded(Payload),
    /// Failed for good.
    Failed(Box<Failure>),
    /// Skipped.
    Skipped,
}

/// An action whose input is there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ready {
    /// Evaluated.
    pub(crate) input: Payload,
    /// When it became ready.
    pub(crate) at: Timestamp,
    /// The present one, from 1.
    pub(crate) attempt: u32,
    /// How many attempts failed by the host's own trouble.
    pub(crate) host_failures: u32,
    /// Whether the present attempt is recorded as started.
    pub(crate) started: bool,
    /// Why it is not known what became of the present attempt, if a person has to say.
    pub(crate) unknown: Option<Box<Failure>>,
    /// When the present attempt is due, if it is a retry that has not started.
    pub(crate) retry_at: Option<Timestamp>,
    /// 0 for the first.
    pub(crate) iteration: u32,
    /// Why it is called again; none in the first iteration.
    pub(crate) resumption: Option<Box<Resumption<Payload>>>,
}

/// A wait that began.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Waiting {
    /// Version of the event that began it: its place among the waits for a signal.
    pub(crate) since: u64,
    /// When it is over; for a signal, its time-out.
    pub(crate) until: Option<Timestamp>,
    /// What it is for, unless it is for a time.
    pub(crate) signal: Option<SignalName>,
    /// What its signal says, once it is here.
    pub(crate) answer: Option<Payload>,
    /// The action that is called again then, unless it is a wait of the workflow's own.
    pub(crate) caller: Option<Box<Caller>>,
}

/// An action that waits to be called again.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Caller {
    /// Of each of its iterations.
    pub(crate) input: Payload,
    /// The next one.
    pub(crate) iteration: u32,
    /// What that begins with.
    pub(crate) state: Payload,
}

/// An execution of another workflow, started by this step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Child {
    /// Evaluated.
    pub(crate) input: Payload,
    /// Whether it was started.
    pub(crate) started: bool,
}

/// A map that runs. Items are begun in index order, so that those begun are
/// always a prefix and the lowest that fails does not hang on who is faster.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mapping {
    /// The list.
    pub(crate) items: Payload,
    /// How many items it has.
    pub(crate) count: u32,
    /// How many may run at once.
    width: u32,
    /// Whether an item that fails lets the others go on.
    continues: bool,
    /// The items begun so far.
    pub(crate) steps: Vec<Step>,
    /// Indices of those that have not ended.
    pub(crate) running: BTreeSet<u32>,
    /// The lowest that failed; then no more are begun.
    failed: Option<u32>,
}

impl Ready {
    pub(crate) fn new(input: Payload, at: Timestamp) -> Self {
        Self {
            input,
            at,
            attempt: 1,
            host_failures: 0,
            started: false,
            unknown: None,
            retry_at: None,
            iteration: 0,
            resumption: None,
        }
    }

    pub(crate) fn retry(&mut self, kind: FailureKind, at: Timestamp) {
        if !planted::is(Bug::RetryUncounted) {
            self.attempt = self.attempt.saturating_add(1);
        }
        self.host_failures += u32::from(kind == FailureKind::Host);
        self.started = false;
        self.unknown = None;
        self.retry_at = Some(at);
    }
}

impl Mapping {
    pub(crate) fn new(items: Payload, count: u32, concurrency: u32, continues: bool) -> Self {
        let lost = u32::from(planted::is(Bug::ItemLost));
        let mut mapping = Self {
            items,
            count: count.saturating_sub(lost),
            width: concurrency.clamp(1, MAX_CONCURRENCY),
            continues,
            steps: Vec::new(),
            running: BTreeSet::new(),
            failed: None,
        };
        mapping.begin();
        mapping
    }

    /// Item `index` ended as `step`.
    pub(crate) fn end(&mut self, index: u32, step: Step) {
        if matches!(step, Step::Failed(_)) && !self.continues {
            self.failed = Some(self.failed.map_or(index, |lowest| lowest.min(index)));
        }
        if self.running.remove(&index) {
            self.steps[index as usize] = step;
        }
        self.begin();
    }

    /// Begins items while there is room.
    fn begin(&mut self) {
        while self.failed.is_none()
            && self.running.len() < self.width as usize
            && self.steps.len() < self.count as usize
        {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "below `count`, which is 32 bits"
            )]
            self.running.insert(self.steps.len() as u32);
            self.steps.push(Step::Wanted);
        }
    }

    /// How many items will still be begun, if none fails.
    pub(crate) fn to_come(&self) -> u32 {
        match self.failed {
            Some(_) => 0,
            None => self
                .count
                .saturating_sub(u32::try_from(self.steps.len()).unwrap_or(u32::MAX)),
        }
    }

    /// Whether nothing runs and nothing will be begun.
    pub(crate) fn is_drained(&self) -> bool {
        self.running.is_empty()
    }

    /// Why the map fails, once it is drained.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let index = self.failed?;
        match self.steps.get(index as usize) {
            Some(Step::Failed(error)) => Some(Failure::new(
                error.kind,
                format!("item {index}: {}", error.message),
            )),
            _ => None,
        }
    }
}

impl Step {
    /// The step at this path of items below this one.
    pub(crate) fn below(&self, path: &[u32]) -> Option<&Self> {
        let mut step = self;
        for index in path {
            let Self::Mapping(mapping) = step else {
                return None;
            };
            step = mapping.steps.get(*index as usize)?;
        }
        Some(step)
    }

    /// As [`below`](Self::below), to change it.
    pub(crate) fn below_mut(&mut self, path: &[u32]) -> Option<&mut Self> {
        let mut step = self;
        for index in path {
            let Self::Mapping(mapping) = step else {
                return None;
            };
            step = mapping.steps.get_mut(*index as usize)?;
        }
        Some(step)
    }

    /// In which iteration it is: the one that runs, or the last that has ended.
    pub(crate) fn iteration(&self) -> u32 {
        match self {
            Self::Ready(ready) => ready.iteration,
            Self::Waiting(waiting) => waiting
                .caller
                .as_ref()
                .map_or(0, |caller| caller.iteration.saturating_sub(1)),
            _ => 0,
        }
    }

    /// What it is, for a message about an event that cannot follow.
    pub(crate) const fn describe(&self) -> &'static str {
        match self {
            Self::Pending => "waits for its connections",
            Self::Unfired(None) => "is to be skipped",
            Self::Unfired(Some(_)) => "is to fail because a condition erred",
            Self::Wanted => "has no input yet",
            Self::Ready(_) => "is ready",
            Self::Mapping(_) => "is a map that runs",
            Self::Waiting(_) => "waits",
            Self::Child(child) if child.started => "waits for another execution",
            Self::Child(_) => "is to start another execution",
            Self::Succeeded(_) => "has succeeded",
            Self::Failed(_) => "has failed",
            Self::Skipped => "was skipped",
        }
    }
}
