//! Values as the SQL stores keep them, and back: nothing that was read is
//! believed before it was checked.

use nebula_flow::id::{ExecutionId, TenantId, WorkflowId};
use nebula_flow::ports::Status;
use nebula_flow::time::Timestamp;

use crate::codec;
use crate::rows::{ExecutionRow, Head};
use crate::slots::{SlotRow, SlotState};
use crate::trouble::Trouble;

/// The columns of an execution, in the order in which every SQL store reads them.
macro_rules! execution_columns {
    () => {
        "id, tenant, workflow, workflow_name, workflow_version, created_at, \
         status, version, submitted, consumed, lines, updated_at, finished_at, wake_at, error, origin, priority, \
         slot_group, slot_limit, slot_state"
    };
}

/// An execution's row after its id.
#[derive(Debug)]
pub(crate) struct ExecutionCells {
    pub(crate) tenant: String,
    pub(crate) workflow: Vec<u8>,
    pub(crate) workflow_name: String,
    pub(crate) workflow_version: i64,
    pub(crate) created_at: i64,
    pub(crate) head: HeadCells,
    pub(crate) origin: Option<Vec<u8>>,
    pub(crate) priority: i16,
    pub(crate) slot: SlotCells,
}

/// An execution's part in a group of slots: the group, its limit and the state.
pub(crate) type SlotCells = (Option<String>, Option<i64>, Option<i16>);

/// It as stored.
pub(crate) fn slot_cells(slot: Option<&SlotRow>) -> SlotCells {
    (
        slot.map(|slot| slot.group.clone()),
        slot.map(|slot| slot.limit.into()),
        slot.map(|slot| slot.state.number()),
    )
}

/// One that was stored. Without a state there is none any more.
fn slot(stored: SlotCells) -> Result<Option<SlotRow>, Trouble> {
    let (Some(group), Some(limit), Some(state)) = stored else {
        return Ok(None);
    };
    Ok(Some(SlotRow {
        group,
        limit: u32::try_from(limit).map_err(|e| damaged("slot_limit", e))?,
        state: SlotState::of(state)?,
    }))
}

/// The part of it that changes.
#[derive(Debug)]
pub(crate) struct HeadCells {
    pub(crate) status: i16,
    pub(crate) version: i64,
    pub(crate) submitted: i64,
    pub(crate) consumed: i64,
    pub(crate) lines: i64,
    pub(crate) updated_at: i64,
    pub(crate) finished_at: Option<i64>,
    pub(crate) wake_at: Option<i64>,
    /// MessagePack.
    pub(crate) error: Option<Vec<u8>>,
}

impl ExecutionCells {
    /// As a row, if it can be one.
    pub(crate) fn row(self, id: ExecutionId) -> Result<ExecutionRow, Trouble> {
        self.checked()
            .map_err(|trouble| trouble.at(|| format!("execution {id}")))
    }

    fn checked(self) -> Result<ExecutionRow, Trouble> {
        let workflow = <[u8; 16]>::try_from(self.workflow.as_slice())
            .map_err(|_| damaged("workflow", "is no id"))?;
        let origin = self.origin.as_deref().map(<[u8; 16]>::try_from);
        let origin = origin
            .transpose()
            .map_err(|_| damaged("origin", "is no id"))?;
        Ok(ExecutionRow {
            tenant: tenant(&self.tenant)?,
            workflow: WorkflowId::from_u128(u128::from_be_bytes(workflow)),
            workflow_name: self
                .workflow_name
                .parse()
                .map_err(|e| damaged("workflow_name", e))?,
            workflow_version: u32::try_from(self.workflow_version)
                .map_err(|e| damaged("workflow_version", e))?,
            created_at: at(self.created_at),
            origin: origin.map(id),
            priority: priority(self.priority)?,
            slot: slot(self.slot)?,
            head: self.head.checked()?,
        })
    }
}

impl HeadCells {
    /// For a store to write.
    pub(crate) fn of(head: &Head) -> Result<Self, Trouble> {
        let error = head.error.as_ref().map(codec::encode).transpose()?;
        Ok(Self {
            status: status_number(head.status),
            version: number(head.version),
            submitted: number(head.submitted),
            consumed: number(head.consumed),
            lines: number(head.lines),
            updated_at: instant(head.updated_at),
            finished_at: head.finished_at.map(instant),
            wake_at: head.wake_at.map(instant),
            error: error.map(Vec::from),
        })
    }

    fn checked(self) -> Result<Head, Trouble> {
        let error = self
            .error
            .map(|error| codec::decode(&error, || "error".into()));
        Ok(Head {
            status: status(self.status)?,
            version: unsigned("version", self.version)?,
            submitted: unsigned("submitted", self.submitted)?,
            consumed: unsigned("consumed", self.consumed)?,
            lines: unsigned("lines", self.lines)?,
            updated_at: at(self.updated_at),
            finished_at: self.finished_at.map(at),
            wake_at: self.wake_at.map(at),
            error: error.transpose()?,
        })
    }
}

/// An id as stored: big-endian, so that it sorts as the number does.
pub(crate) const fn id_bytes(id: ExecutionId) -> [u8; 16] {
    id.as_u128().to_be_bytes()
}

/// An id that was stored.
pub(crate) const fn id(bytes: [u8; 16]) -> ExecutionId {
    ExecutionId::from_u128(u128::from_be_bytes(bytes))
}

/// A number of the log as stored; one beyond SQL's integers is beyond every
/// stored one.
pub(crate) fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// At most how many rows.
pub(crate) fn limit(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A number that was stored.
pub(crate) fn unsigned(column: &str, stored: i64) -> Result<u64, Trouble> {
    u64::try_from(stored).map_err(|e| damaged(column, e))
}

/// An instant as stored, bit by bit: none is compared within SQL.
pub(crate) const fn instant(at: Timestamp) -> i64 {
    at.as_millis().cast_signed()
}

/// An instant that was stored.
pub(crate) const fn at(stored: i64) -> Timestamp {
    Timestamp::from_millis(stored.cast_unsigned())
}

/// A tenant that was stored.
pub(crate) fn tenant(stored: &str) -> Result<TenantId, Trouble> {
    stored.parse().map_err(|e| damaged("tenant", e))
}

/// A priority that was stored.
pub(crate) fn priority(stored: i16) -> Result<i8, Trouble> {
    i8::try_from(stored).map_err(|e| damaged("priority", e))
}

/// A status as stored; the indices of the unfinished have those up to 2.
pub(crate) const fn status_number(status: Status) -> i16 {
    match status {
        Status::Paused => -1,
        Status::Queued => 0,
        Status::Running => 1,
        Status::Waiting => 2,
        Status::Succeeded => 3,
        Status::Failed => 4,
        Status::Cancelled => 5,
        Status::Terminated => 6,
    }
}

/// A status that was stored.
pub(crate) fn status(stored: i16) -> Result<Status, Trouble> {
    Status::ALL
        .into_iter()
        .find(|status| status_number(*status) == stored)
        .ok_or_else(|| damaged("status", stored))
}

fn damaged(column: &str, what: impl std::fmt::Display) -> Trouble {
    Trouble::Damaged(format!("{column}: {what}"))
}
