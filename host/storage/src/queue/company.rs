//! For how many requests it pays to wait before a commit.
//!
//! A commit costs much the same for one request as for thirty: an fsync, and the
//! last pages of each table written anew. Where many executions run at once the
//! next requests come within a millisecond or two, so the writer waits for them.
//! How many there are it knows in part only: those whose start or last append it
//! has seen just now. Of these it waits for half, so that half are committed while
//! the others run. Whether there are more it tries: it waits as long as requests
//! keep coming. If they stop, it leaves that alone for a while, twice as long each
//! time. Who is alone is never kept waiting.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use nebula_flow::id::ExecutionId;
use nebula_flow::ports::Status;

use crate::request::Request;

/// More make a commit hardly cheaper for each.
const ENOUGH: usize = 32;

/// For so long an urgent request waits at most.
const WAIT: Duration = Duration::from_millis(5);

/// Requests that come one after the other have no gap as long as this: those that
/// were just answered are ahead of the next on the same cores.
const GAP: Duration = Duration::from_micros(1_500);

/// An execution that runs, and whose last append is older than this, is not
/// expected to make its next one soon.
const RECENT: Duration = Duration::from_millis(4);

/// At most so many batches in a row are taken without a try.
const MOST_SKIPPED: u32 = 256;

/// The executions that may make an append soon, and whether more came than were
/// known.
#[derive(Debug, Default)]
pub(super) struct Company {
    /// Those that run, with the instant of the batch that had their last append.
    running: HashMap<ExecutionId, Instant>,
    /// The same by time; one that is not in the map with this instant is out of date.
    times: VecDeque<(Instant, ExecutionId)>,
    /// Batches that are taken before the next try.
    skip: u32,
    /// As many are skipped when the next try fails.
    penalty: u32,
    /// The last batch had more than one urgent request.
    was_shared: bool,
}

/// The urgent requests that wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Urgent {
    pub(super) count: usize,
    /// When the first of them came, and the last.
    pub(super) first: Instant,
    pub(super) last: Instant,
    /// The patient ones.
    pub(super) patient: usize,
}

impl Company {
    /// When the urgent requests must be taken.
    pub(super) fn until(&mut self, urgent: Urgent, now: Instant) -> Instant {
        if urgent.count >= ENOUGH {
            return now;
        }
        let end = urgent.first + WAIT;
        if self.tries() {
            return end.min(urgent.last + GAP);
        }
        self.forget(now);
        let known = urgent.count + urgent.patient + self.running.len();
        if urgent.count >= known / 2 { now } else { end }
    }

    fn tries(&self) -> bool {
        self.skip == 0 && self.was_shared
    }

    fn forget(&mut self, now: Instant) {
        while let Some((at, execution)) = self.times.front()
            && now.saturating_duration_since(*at) > RECENT
        {
            if self.running.get(execution) == Some(at) {
                self.running.remove(execution);
            }
            self.times.pop_front();
        }
    }

    /// A request waits.
    pub(super) fn queued(&mut self, request: &Request) {
        if let Request::Append(append) = request {
            self.running.remove(&append.head.execution);
        }
    }

    /// A request is in a batch.
    pub(super) fn taken(&mut self, request: &Request, now: Instant) {
        if let Request::Append(append) = request
            && append.head.status == Status::Running
        {
            self.running.insert(append.head.execution, now);
            self.times.push_back((now, append.head.execution));
        }
    }

    /// These were taken.
    pub(super) fn tried(&mut self, urgent: Urgent, now: Instant) {
        if self.tries() {
            let stopped = urgent.count < ENOUGH && now >= urgent.last + GAP;
            self.penalty = if stopped {
                (self.penalty * 2).clamp(1, MOST_SKIPPED)
            } else {
                0
            };
            self.skip = self.penalty;
        } else {
            self.skip = self.skip.saturating_sub(1);
        }
        self.was_shared = urgent.count > 1;
    }
}
