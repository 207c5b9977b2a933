//! A look at where an execution stands, for one who is not its owner and wants to
//! submit only what it will take.

use std::sync::Arc;

use crate::event::Recorded;
use crate::execution::{Execution, IllegalEvent};
use crate::id::ExecutionId;
use crate::plan::Plan;
use crate::ports::{EventLog, LogError, Standing};

/// How many events are read at once.
const PAGE: usize = 500;

/// An execution, as far as its history was read.
pub(crate) struct Look(Execution);

/// Why nothing is seen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    #[error("the history of execution {0} cannot be followed: {1}")]
    Unreadable(ExecutionId, IllegalEvent),
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Look {
    pub(crate) fn new(id: ExecutionId, plan: Arc<Plan>) -> Self {
        Self(Execution::new(id, plan))
    }

    /// The execution as it is once the messages that wait are taken, and where it
    /// stands now: a submission that expects that comes right behind them.
    pub(crate) async fn again(
        &mut self,
        log: &dyn EventLog,
    ) -> Result<(Execution, Standing), LookError> {
        let id = self.0.id();
        loop {
            let page = log.history(id, self.0.version(), PAGE).await?;
            for recorded in &page {
                apply(&mut self.0, recorded)?;
            }
            if page.len() < PAGE {
                break;
            }
        }
        let inbox = log.inbox(id).await?;
        let standing = Standing {
            version: self.0.version(),
            last_message: inbox.last().map(|row| row.seq),
        };
        let mut ahead = self.0.clone();
        for row in &inbox {
            if let Some(event) = ahead.taken(row) {
                let recorded = Recorded {
                    version: ahead.version() + 1,
                    at: ahead.updated_at().max(row.at),
                    event,
                };
                apply(&mut ahead, &recorded)?;
            }
        }
        Ok((ahead, standing))
    }
}

fn apply(execution: &mut Execution, recorded: &Recorded) -> Result<(), LookError> {
    let applied = execution.apply(recorded);
    applied.map_err(|error| LookError::Unreadable(execution.id(), error))
}
