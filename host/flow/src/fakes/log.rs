//! A log that takes submissions.

use std::sync::Mutex;

use async_trait::async_trait;

use crate::ports::*;
use crate::{ExecutionId, Recorded, Shard, TenantId, Timestamp};

/// A log that takes submissions, and what was said of it.
#[derive(Default)]
pub(crate) struct Inbox(pub(crate) Mutex<Vec<Submission>>, Mutex<Fate>);

/// What becomes of submissions.
#[derive(Default)]
struct Fate {
    /// The first so many executions have ended so.
    ended: (usize, Option<Status>),
    /// The next submission is not answered; whether it is taken.
    unanswered: Option<bool>,
}

impl Inbox {
    /// All executions until now have ended so.
    pub(crate) fn end(&self, status: Status) {
        self.1.lock().unwrap().ended = (self.0.lock().unwrap().len(), Some(status));
    }

    /// The next submission fails; whether it is taken all the same.
    pub(crate) fn lose_next_answer(&self, taken: bool) {
        self.1.lock().unwrap().unanswered = Some(taken);
    }
}

fn absent<T>() -> Result<T, LogError> {
    Err(LogError::Unavailable(
        "the fake has no such door".to_owned(),
    ))
}

#[async_trait]
impl EventLog for Inbox {
    async fn submit(&self, submission: Submission) -> Result<Submitted, LogError> {
        let lost = self.1.lock().unwrap().unanswered.take();
        let broken = || LogError::Unavailable("told to fail".to_owned());
        if lost == Some(false) {
            return Err(broken());
        }
        let mut all = self.0.lock().unwrap();
        if let Some(key) = &submission.key {
            let same = |s: &&Submission| s.key.as_ref().is_some_and(|k| k.key == key.key);
            if let Some(first) = all.iter().find(same) {
                return match first.key.as_ref() == Some(key) {
                    true => Ok(Submitted::Duplicate(first.execution)),
                    false => Err(LogError::KeyReused(key.key.clone())),
                };
            }
        }
        all.push(submission);
        lost.map_or(Ok(Submitted::Accepted), |_| Err(broken()))
    }

    async fn append(&self, _: Fence, _: Append) -> Result<(), LogError> {
        absent()
    }

    async fn claim(&self, _: &str) -> Result<Vec<Fence>, LogError> {
        absent()
    }

    async fn release(&self, _: &[Fence]) -> Result<(), LogError> {
        absent()
    }

    fn arrivals(&self) -> Feed<Arrival> {
        unreachable!("not a door of this fake")
    }

    async fn unfinished(
        &self,
        _: Shard,
        _: Option<ExecutionId>,
        _: usize,
    ) -> Result<Vec<Unfinished>, LogError> {
        absent()
    }

    async fn inbox(&self, _: ExecutionId) -> Result<Vec<InboxRow>, LogError> {
        absent()
    }

    async fn history(&self, _: ExecutionId, _: u64, _: usize) -> Result<Vec<Recorded>, LogError> {
        absent()
    }

    async fn lines(
        &self,
        _: ExecutionId,
        _: u64,
        _: usize,
    ) -> Result<Vec<(u64, LogLine)>, LogError> {
        absent()
    }

    async fn execution(
        &self,
        _: &TenantId,
        execution: ExecutionId,
    ) -> Result<Option<ExecutionSummary>, LogError> {
        let all = self.0.lock().unwrap();
        let found = all.iter().position(|s| s.execution == execution);
        let Some((
            index,
            Message::Start {
                workflow,
                name,
                version,
                ..
            },
        )) = found.map(|index| (index, &all[index].message))
        else {
            return Ok(None);
        };
        let (ended, status) = self.1.lock().unwrap().ended;
        let status = status.filter(|_| index < ended).unwrap_or(Status::Running);
        Ok(Some(ExecutionSummary {
            id: execution,
            workflow: *workflow,
            workflow_name: name.clone(),
            workflow_version: *version,
            status,
            version: 1,
            created_at: all[index].at,
            updated_at: all[index].at,
            finished_at: None,
            wake_at: None,
            priority: 0,
            waits_for_slot: false,
            error: None,
        }))
    }

    async fn executions(
        &self,
        _: &TenantId,
        _: &ExecutionQuery,
    ) -> Result<Vec<ExecutionSummary>, LogError> {
        absent()
    }

    fn changes(&self) -> Feed<Change> {
        unreachable!("not a door of this fake")
    }

    async fn ended(&self, _: &TenantId, _: &EndedQuery) -> Result<Vec<ExecutionSummary>, LogError> {
        absent()
    }

    async fn remove_executions(
        &self,
        _: &TenantId,
        _: &[ExecutionId],
        _: Timestamp,
    ) -> Result<Vec<Removal>, LogError> {
        absent()
    }

    async fn sweep(&self, _: Timestamp) -> Result<bool, LogError> {
        absent()
    }
}
