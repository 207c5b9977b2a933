//! What is over: executions that are removed, and what they alone used.
//!
//! **Executions.** The row of an execution, its inbox, events, lines and uses of
//! blobs go in one transaction. Of one that has more rows than a transaction may
//! delete, only its row and inbox do: without a row it is gone for every reader.
//! Its name is kept among the leftovers, whose rows go with later sweeps.
//!
//! **Keys** outlive their execution until their time is over: a removal says when
//! that is.
//!
//! **Blobs.** An append or a submission that refers to a blob writes that use in
//! its own transaction, and is refused if the blob is not there. So no use is ever
//! without its blob, whatever is put, swept and appended at the same time; the
//! grace that a sweep gives spares the refusal, and is not what makes it safe.
//! What may be without a use is a suspect: a blob that is put, and those of
//! an execution that is removed. A sweep notes when it first saw a suspect; one
//! that sees it after the grace removes it, unless it is used or pinned. A put of
//! bytes that are there begins the grace anew. Blobs from before uses were written
//! are pinned, and so are components: they stay.

use std::collections::{BTreeMap, BTreeSet};

use nebula_flow::id::{Digest, ExecutionId};
use nebula_flow::time::Timestamp;

use crate::rows::CallerKey;

/// An execution with more events and lines than this is left to sweeps; they
/// delete so many of each at once.
pub(crate) const ROWS: u64 = 2_000;

/// How many keys one sweep removes, and how many suspects it notes.
pub(crate) const NAMES: usize = 256;

/// How many blobs one sweep removes: each has up to 4 MiB.
pub(crate) const BLOBS: usize = 8;

/// What a sweep finds.
#[derive(Debug, Default)]
pub(crate) struct Chores {
    /// Keys whose time is over.
    pub(crate) keys: Vec<CallerKey>,
    /// A removed execution of which there is something left.
    pub(crate) leftover: Option<ExecutionId>,
    /// Suspects whose grace is over, and whether they are needed: used or pinned.
    pub(crate) suspects: Vec<(Digest, bool)>,
    /// Suspects that no sweep has seen.
    pub(crate) unseen: Vec<Digest>,
}

impl Chores {
    /// Whether there may be more than these.
    pub(crate) fn is_full(&self) -> bool {
        self.leftover.is_some()
            || self.keys.len() >= NAMES
            || self.suspects.len() >= BLOBS
            || self.unseen.len() >= NAMES
    }
}

/// What is removed.
#[derive(Debug, Default)]
pub(crate) struct Over {
    /// Executions, each with the instant of its removal.
    pub(crate) executions: BTreeMap<ExecutionId, Removed>,
    /// Of which the next rows are to be deleted.
    pub(crate) leftover: Option<ExecutionId>,
    /// Keys.
    pub(crate) keys: BTreeSet<CallerKey>,
    /// Blobs.
    pub(crate) blobs: BTreeSet<Digest>,
    /// Suspects that are none any more.
    pub(crate) cleared: BTreeSet<Digest>,
    /// Suspects, and since when.
    pub(crate) seen: BTreeMap<Digest, Timestamp>,
}

/// How an execution is removed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Removed {
    /// When. Its keys that were made before [`Removed::keys_from`] go too.
    pub(crate) at: Timestamp,
    /// Whether its events, lines and uses go at once.
    pub(crate) whole: bool,
}

impl Removed {
    /// Keys that are older than this are over.
    pub(crate) fn keys_from(&self) -> Timestamp {
        self.at.minus(nebula_flow::start::KEY_LIFE)
    }
}

impl Over {
    pub(crate) fn is_empty(&self) -> bool {
        self.executions.is_empty()
            && self.leftover.is_none()
            && self.keys.is_empty()
            && self.blobs.is_empty()
            && self.cleared.is_empty()
            && self.seen.is_empty()
    }
}
