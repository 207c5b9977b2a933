//! Asking an execution to stop, to pause, to go on, or to end at once.

use nebula_api::execution::{Asked, Reason};
use nebula_flow::ExecutionId;
use nebula_flow::control::{self, Control, MAX_REASON};
use nebula_flow::ports::Status;

use super::{Error, Result, executions};
use crate::app::App;

/// Submits it; the owner of the execution takes it from there. One that has
/// ended in the way that is asked for stays so.
pub(crate) async fn control(
    app: &App,
    execution: ExecutionId,
    what: Control,
    request: Reason,
) -> Result<Asked> {
    if request.reason.chars().count() > MAX_REASON {
        return Err(Error::InvalidBody {
            pointer: "/reason".into(),
            message: format!("the reason has more than {MAX_REASON} characters"),
        });
    }
    let summary = executions::summary(app, execution).await?;
    match (summary.status, what) {
        (Status::Cancelled, Control::Cancel) | (Status::Terminated, Control::Terminate) => {}
        (status, _) if status.is_final() => return Err(Error::Finished { execution, status }),
        _ => {
            let (now, reason) = (app.clock.now(), &request.reason);
            control::control(&*app.log, &app.tenant, execution, what, reason, now).await?;
        }
    }
    Ok(Asked {
        id: execution.to_string(),
        status: summary.status.name().into(),
    })
}
