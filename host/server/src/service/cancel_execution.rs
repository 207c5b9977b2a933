//! Asking an execution to stop.

use nebula_api::execution::{Cancel, Cancelling};
use nebula_flow::ExecutionId;
use nebula_flow::ports::{Durability, Message, Status, Submission};

use super::{Error, Result, executions};
use crate::app::App;

/// Characters of a reason.
const MAX_REASON: usize = 1_000;

/// Submits the cancel; the owner of the execution takes it from there. One
/// that is cancelled already stays so.
pub(crate) async fn cancel(
    app: &App,
    execution: ExecutionId,
    request: Cancel,
) -> Result<Cancelling> {
    if request.reason.chars().count() > MAX_REASON {
        return Err(Error::InvalidBody {
            pointer: "/reason".into(),
            message: format!("the reason has more than {MAX_REASON} characters"),
        });
    }
    let summary = executions::summary(app, execution).await?;
    match summary.status {
        Status::Cancelled => {}
        status if status.is_final() => return Err(Error::Finished { execution, status }),
        _ => submit(app, execution, request.reason).await?,
    }
    Ok(Cancelling {
        id: execution.to_string(),
        status: summary.status.name().into(),
    })
}

async fn submit(app: &App, execution: ExecutionId, reason: String) -> Result<()> {
    let submission = Submission {
        tenant: app.tenant.clone(),
        execution,
        key: None,
        at: app.clock.now(),
        message: Message::Cancel { reason },
        durability: Durability::Now,
    };
    app.log.submit(submission).await?;
    Ok(())
}
