//! What waits, and when the writer must take it.
//!
//! A start that may share a commit with its execution's first append is patient:
//! it stays behind until that append comes, so that both are one row that is
//! written once. Everything else is urgent. Urgent requests are taken in their
//! order, and a patient one before the first that speaks of its execution.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use nebula_flow::id::ExecutionId;

use super::company::{Company, Urgent};
use super::{BATCH_BYTES, BATCH_REQUESTS, Item};
use crate::request::Request;

/// How long a patient request waits (`Durability::WithAppend`).
const PATIENCE: Duration = Duration::from_millis(50);

/// When the writer must take a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Now,
    At(Instant),
    /// Nothing waits.
    Never,
}

/// What the writer does.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Writer {
    /// It will look by itself.
    #[default]
    Busy,
    /// It sleeps until it is woken.
    Idle,
    /// It sleeps until then.
    Until(Instant),
}

#[derive(Debug, Default)]
pub(super) struct Waiting {
    urgent: VecDeque<Item>,
    patient: Patient,
    bytes: usize,
    company: Company,
    pub(super) writer: Writer,
    pub(super) closed: bool,
}

impl Waiting {
    /// Adds a request behind all others.
    pub(super) fn add(&mut self, item: Item) {
        self.bytes += item.bytes;
        let patient = item.request.patient();
        match patient {
            Some(execution) if !self.patient.has(execution) => self.patient.add(execution, item),
            _ => {
                self.follow(&item.request);
                self.company.queued(&item.request);
                self.urgent.push_back(item);
            }
        }
    }

    /// What must be on disk before this request becomes urgent.
    fn follow(&mut self, request: &Request) {
        match request.executions() {
            Some(executions) => {
                for execution in executions {
                    self.urgent.extend(self.patient.remove(execution));
                }
            }
            None => {
                while let Some(item) = self.patient.pop() {
                    self.urgent.push_back(item);
                }
            }
        }
    }

    pub(super) fn due(&mut self, now: Instant) -> Due {
        let count = self.urgent.len() + self.patient.len();
        if count == 0 {
            return Due::Never;
        }
        if self.closed || count >= BATCH_REQUESTS || self.bytes >= BATCH_BYTES {
            return Due::Now;
        }
        let patient = self.patient.oldest().map(|since| since + PATIENCE);
        let urgent = self.urgent().map(|urgent| self.company.until(urgent, now));
        match urgent.into_iter().chain(patient).min() {
            Some(instant) if instant > now => Due::At(instant),
            _ => Due::Now,
        }
    }

    fn urgent(&self) -> Option<Urgent> {
        Some(Urgent {
            count: self.urgent.len(),
            first: self.urgent.front()?.since,
            last: self.urgent.back()?.since,
            patient: self.patient.len(),
        })
    }

    /// Whether the writer sleeps and would do so for too long.
    pub(super) fn must_wake(&mut self, now: Instant) -> bool {
        match self.writer {
            Writer::Busy => false,
            Writer::Idle => true,
            Writer::Until(end) => match self.due(now) {
                Due::Now => true,
                Due::At(instant) => instant < end,
                Due::Never => false,
            },
        }
    }

    /// The next batch: the patient ones whose time is over, or all if nothing else
    /// waits; then the urgent ones.
    pub(super) fn take(&mut self, now: Instant) -> Vec<Item> {
        let mut batch = Batch::default();
        if let Some(urgent) = self.urgent() {
            self.company.tried(urgent, now);
        }
        let all = self.closed || self.urgent.is_empty();
        while let Some(since) = self.patient.oldest() {
            let bytes = self.patient.first_bytes();
            if !(all || now >= since + PATIENCE) || !batch.has_room(bytes) {
                break;
            }
            batch.items.extend(self.patient.pop());
            batch.bytes += bytes;
        }
        while let Some(bytes) = self.urgent.front().map(|item| item.bytes) {
            if !batch.has_room(bytes) {
                break;
            }
            batch.items.extend(self.urgent.pop_front());
            batch.bytes += bytes;
        }
        self.bytes -= batch.bytes;
        for item in &batch.items {
            self.company.taken(&item.request, now);
        }
        batch.items
    }

    /// Gives up all that waits.
    pub(super) fn empty(&mut self) -> Vec<Item> {
        let mut left: Vec<_> = std::mem::take(&mut self.urgent).into();
        while let Some(item) = self.patient.pop() {
            left.push(item);
        }
        self.bytes = 0;
        left
    }
}

#[derive(Debug, Default)]
struct Batch {
    items: Vec<Item>,
    bytes: usize,
}

impl Batch {
    fn has_room(&self, bytes: usize) -> bool {
        self.items.is_empty()
            || (self.items.len() < BATCH_REQUESTS && self.bytes + bytes <= BATCH_BYTES)
    }
}

/// The starts that are patient, oldest first.
#[derive(Debug, Default)]
struct Patient {
    items: BTreeMap<u64, Item>,
    numbers: HashMap<ExecutionId, u64>,
    last: u64,
}

impl Patient {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn has(&self, execution: ExecutionId) -> bool {
        self.numbers.contains_key(&execution)
    }

    fn oldest(&self) -> Option<Instant> {
        self.items.first_key_value().map(|(_, item)| item.since)
    }

    fn first_bytes(&self) -> usize {
        self.items
            .first_key_value()
            .map_or(0, |(_, item)| item.bytes)
    }

    fn add(&mut self, execution: ExecutionId, item: Item) {
        self.last += 1;
        self.numbers.insert(execution, self.last);
        self.items.insert(self.last, item);
    }

    fn remove(&mut self, execution: ExecutionId) -> Option<Item> {
        let number = self.numbers.remove(&execution)?;
        self.items.remove(&number)
    }

    fn pop(&mut self) -> Option<Item> {
        let (_, item) = self.items.pop_first()?;
        if let Some(execution) = item.request.patient() {
            self.numbers.remove(&execution);
        }
        Some(item)
    }
}
