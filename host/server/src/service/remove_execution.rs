//! Removing an execution that has ended, with everything that is kept of it.

use nebula_flow::ExecutionId;
use nebula_flow::ports::Removal;

use super::{Error, Result};
use crate::app::App;

/// Removes it. Once it returns, it is gone.
pub(crate) async fn remove(app: &App, execution: ExecutionId) -> Result<()> {
    let now = app.clock.now();
    let removed = app
        .log
        .remove_executions(&app.tenant, &[execution], now)
        .await?;
    match removed.first() {
        Some(Removal::Removed) => Ok(()),
        Some(Removal::Unfinished(status)) => Err(Error::Unfinished {
            execution,
            status: *status,
        }),
        Some(Removal::InUse) => Err(Error::InUse(execution)),
        Some(Removal::Damaged) => Err(Error::Damaged(format!("the row of {execution}"))),
        Some(Removal::NotFound) | None => Err(Error::ExecutionNotFound(execution.to_string())),
    }
}
