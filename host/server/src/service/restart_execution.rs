//! Making an execution from one that has ended.

use nebula_api::execution::ReplayQuery;
use nebula_flow::ExecutionId;
use nebula_flow::event::{Origin, Restart};
use nebula_flow::restart::{self, Again, RestartError};

use super::start_execution::{self, Started, Submission, mint};
use super::{Error, Result, executions, workflows};
use crate::app::App;

/// Goes on where an execution failed or was stopped. Once this returns, the start
/// is on disk.
pub(crate) async fn retry(
    app: &App,
    execution: ExecutionId,
    key: Option<String>,
) -> Result<Started> {
    make(app, execution, Restart::Retry, None, key).await
}

/// Begins again with the same input. Once this returns, the start is on disk.
pub(crate) async fn replay(
    app: &App,
    execution: ExecutionId,
    query: ReplayQuery,
    key: Option<String>,
) -> Result<Started> {
    let version = query.version.as_deref().map(parse_version).transpose()?;
    make(app, execution, Restart::Replay, version, key).await
}

/// A version that is asked for: a number, or the newest.
fn parse_version(text: &str) -> Result<Option<u32>> {
    match text.parse() {
        Ok(version) => Ok(Some(version)),
        Err(_) if text == "newest" => Ok(None),
        Err(_) => Err(Error::InvalidQuery {
            parameter: "version",
            message: "give a number, or `newest`".to_owned(),
        }),
    }
}

async fn make(
    app: &App,
    origin: ExecutionId,
    restart: Restart,
    version: Option<Option<u32>>,
    key: Option<String>,
) -> Result<Started> {
    let found = executions::summary(app, origin).await?;
    let workflow = match version {
        None => workflows::load(app, found.workflow, found.workflow_version).await?,
        Some(version) => {
            let id = found.workflow.to_string();
            workflows::select(app, &id, version).await?.1
        }
    };
    let now = app.clock.now();
    let execution = mint(now)?;
    let again = Again {
        tenant: &app.tenant,
        origin: Origin {
            execution: origin,
            restart,
        },
        workflow: &workflow,
        key: key.as_deref(),
        execution,
        at: now,
    };
    let submitted = restart::restart(&*app.log, &*app.records, again)
        .await
        .map_err(refusal)?;
    let submission = Submission {
        execution,
        workflow: &workflow,
        at: now,
        submitted,
        watch: None,
    };
    start_execution::answer(app, submission).await
}

fn refusal(error: RestartError) -> Error {
    match error {
        RestartError::Start(error) => error.into(),
        refused => Error::NotRestartable(refused),
    }
}
