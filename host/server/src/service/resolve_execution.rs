//! Saying what became of an attempt whose outcome is unknown.

use nebula_api::execution::{Resolve as Request, ResolveAs, ResolvedStep};
use nebula_flow::ExecutionId;
use nebula_flow::control::MAX_REASON;
use nebula_flow::resolve::{self, Resolve, ResolveStepError, Verdict};

use super::{Error, Result, executions};
use crate::app::App;

/// Says it. Once this returns, it is on disk.
pub(crate) async fn resolve(
    app: &App,
    execution: ExecutionId,
    request: Request,
) -> Result<ResolvedStep> {
    let verdict = verdict(&request)?;
    let step = request.step.parse().map_err(Error::InvalidId)?;
    let plan = executions::plan(app, execution).await?;
    let resolve = Resolve {
        tenant: &app.tenant,
        execution,
        plan: &plan,
        step: &step,
        verdict: &verdict,
        at: app.clock.now(),
    };
    let attempt = resolve::resolve(&*app.log, &*app.records, resolve)
        .await
        .map_err(|error| refusal(execution, error))?;
    Ok(ResolvedStep {
        id: execution.to_string(),
        step: step.to_string(),
        attempt,
    })
}

fn verdict(request: &Request) -> Result<Verdict> {
    let invalid = |field: &str, message: String| {
        Err(Error::InvalidBody {
            pointer: format!("/{field}"),
            message,
        })
    };
    let reason = request.reason.clone();
    if reason.chars().count() > MAX_REASON {
        let message = format!("the reason has more than {MAX_REASON} characters");
        return invalid("reason", message);
    }
    match request.verdict {
        ResolveAs::Succeeded => Ok(Verdict::Succeeded(request.output.clone())),
        _ if !request.output.is_null() => invalid(
            "output",
            "an output belongs to a step that succeeded".to_owned(),
        ),
        ResolveAs::Failed if reason.is_empty() => {
            invalid("reason", "say why the step is to fail".to_owned())
        }
        ResolveAs::Failed => Ok(Verdict::Failed(reason)),
        ResolveAs::Retry => Ok(Verdict::Retry(reason)),
    }
}

fn refusal(execution: ExecutionId, error: ResolveStepError) -> Error {
    match error {
        ResolveStepError::Refused(resolved) => Error::NotUnknown {
            execution,
            resolved,
        },
        ResolveStepError::Payload(error) => error.into(),
        ResolveStepError::Busy(execution) => Error::Busy(execution),
        ResolveStepError::Unreadable(..) => Error::Damaged(error.to_string()),
        ResolveStepError::Log(error) => error.into(),
        ResolveStepError::Records(error) => error.into(),
    }
}
