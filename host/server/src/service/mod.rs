//! What the node can be asked to do, one file per use case. Nothing here
//! knows HTTP, and nothing here calls the engine: requests go into the log,
//! answers come out of it.
//!
//! - [`deploy_workflow`], [`workflows`]: definitions.
//! - [`start_execution`], [`restart_execution`], [`signal_execution`],
//!   [`resolve_execution`], [`control_execution`]: what is submitted to the log.
//! - [`remove_execution`]: what is over.
//! - [`executions`], [`timeline`], [`history`]: what the log says.
//! - [`triggers`], [`webhooks`], [`signature`]: what starts workflows by itself.
//! - [`actions`], [`credentials`], [`credential_kind`], [`grants`], [`reveals`]: what may
//!   run and what it may reach.
//! - [`packages`], [`plan_packages`], [`install_packages`]: where actions come from.
//! - [`keys`]: who may do what through the API.
//! - [`reach`]: what it has reached.
//! - [`values`], [`paging`]: payloads as JSON, bounded lists.

pub(crate) mod actions;
pub(crate) mod control_execution;
mod credential_kind;
pub(crate) mod credentials;
pub(crate) mod deploy_workflow;
pub(crate) mod executions;
pub(crate) mod grants;
pub(crate) mod history;
pub(crate) mod install_packages;
pub(crate) mod keys;
pub(crate) mod packages;
pub(crate) mod paging;
pub(crate) mod plan_packages;
pub(crate) mod reach;
pub(crate) mod remove_execution;
pub(crate) mod resolve_execution;
pub(crate) mod restart_execution;
pub(crate) mod reveals;
pub(crate) mod signal_execution;
mod signature;
pub(crate) mod start_execution;
pub(crate) mod timeline;
pub(crate) mod triggers;
pub(crate) mod values;
pub(crate) mod webhooks;
pub(crate) mod workflows;

use nebula_flow::definition::Diagnostic;
use nebula_flow::event::Failure;
use nebula_flow::execution::{Refused, Resolved};
use nebula_flow::grant::NotRevealable;
use nebula_flow::id::InvalidId;
use nebula_flow::payload::PayloadError;
use nebula_flow::ports::{LogError, RecordError, ResolveError, Status};
use nebula_flow::restart::RestartError;
use nebula_flow::start::StartError;
use nebula_flow::{ExecutionId, TriggerName};

/// Why a use case refuses.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no workflow `{0}` is deployed")]
    WorkflowNotFound(String),
    #[error("workflow `{workflow}` has no version {version}; its newest is {latest}")]
    VersionNotFound {
        workflow: String,
        version: u32,
        latest: u32,
    },
    #[error("no execution `{0}` exists")]
    ExecutionNotFound(String),
    #[error("no action `{action}` is installed")]
    ActionNotFound {
        action: String,
        similar: Option<String>,
    },
    #[error("workflow `{workflow}` has no trigger `{trigger}`")]
    TriggerNotFound {
        workflow: String,
        trigger: String,
        there: Vec<TriggerName>,
    },
    #[error("{0}")]
    TriggerInput(String),
    #[error("the trigger could not poll: {0}")]
    PollFailed(Failure),
    #[error("the trigger {0} is switched off")]
    TriggerDisabled(String),
    #[error("no webhook is at /hooks/{workflow}/{trigger}")]
    HookNotFound { workflow: String, trigger: String },
    #[error("{0}")]
    WebhookRefused(String),
    #[error("the webhook's secret, the credential `{0}`, is not stored")]
    SecretMissing(String),
    #[error("no credential `{0}` is stored")]
    CredentialNotFound(String),
    #[error("action `{action}` has no grant for `{host}`")]
    GrantNotFound { action: String, host: String },
    #[error("action `{action}` is not granted credential `{credential}` in plain text")]
    RevealNotFound { action: String, credential: String },
    #[error("credential `{credential}` may not be read in plain text: {why}")]
    NotRevealable {
        credential: String,
        why: NotRevealable,
    },
    #[error("no key `{0}` is known")]
    KeyNotFound(String),
    #[error(transparent)]
    InvalidId(#[from] InvalidId),
    #[error("query parameter `{parameter}`: {message}")]
    InvalidQuery {
        parameter: &'static str,
        message: String,
    },
    #[error("{message}")]
    InvalidBody { pointer: String, message: String },
    #[error("{message}")]
    InvalidHeader { message: String },
    #[error("{}", count(.0))]
    InvalidWorkflow(Vec<Diagnostic>),
    #[error("the input is not what the workflow takes: {}", count(.0))]
    InvalidInput(Vec<Diagnostic>),
    #[error(transparent)]
    Payload(#[from] PayloadError),
    #[error("execution {execution} has {} already", .status.name())]
    Finished {
        execution: ExecutionId,
        status: Status,
    },
    #[error("execution {execution} is {}: it has not ended", .status.name())]
    Unfinished {
        execution: ExecutionId,
        status: Status,
    },
    #[error(
        "execution {0} started one that has not ended, or was started by one, or is being changed"
    )]
    InUse(ExecutionId),
    #[error("{}", count(.0))]
    InvalidSignal(Vec<Diagnostic>),
    #[error("execution {execution}: {refused}")]
    SignalRefused {
        execution: ExecutionId,
        refused: Refused,
    },
    #[error("execution {execution}: {resolved}")]
    NotUnknown {
        execution: ExecutionId,
        resolved: Resolved,
    },
    #[error(transparent)]
    NotRestartable(RestartError),
    #[error("execution {0} changes too fast")]
    Busy(ExecutionId),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Records(#[from] RecordError),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error(transparent)]
    Package(#[from] nebula_hub::install::InstallError),
    #[error("{0}")]
    PackageId(String),
    #[error("the store holds something that does not read: {0}")]
    Damaged(String),
}

/// Of a use case.
pub(crate) type Result<T> = std::result::Result<T, Error>;

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        match error {
            StartError::InvalidInput(problems) => Self::InvalidInput(problems),
            StartError::Payload(error) => error.into(),
            StartError::InvalidKey(_) | StartError::ReservedKey => Self::InvalidHeader {
                message: error.to_string(),
            },
            StartError::InvalidPriority(_) => Self::InvalidQuery {
                parameter: "priority",
                message: error.to_string(),
            },
            StartError::Log(error) => error.into(),
            StartError::Records(error) => error.into(),
        }
    }
}

fn count(diagnostics: &[Diagnostic]) -> String {
    match diagnostics {
        [one] => one.message.clone(),
        [first, ..] => format!(
            "{} mistakes, the first: {}",
            diagnostics.len(),
            first.message
        ),
        [] => "it is not valid".into(),
    }
}
