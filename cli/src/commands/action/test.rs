//! `nebula action test`: one call in the real sandbox.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use nebula_sandbox::nebula_flow::grant::{BoundCredential, Capabilities, Grant, Secret};
use nebula_sandbox::nebula_flow::id::{ExecutionId, NodeId, StepKey, TenantId, WorkflowName};
use nebula_sandbox::nebula_flow::ports::{Call, Identity, Limits, Outcome, Prepared, Runner, Wake};
use nebula_sandbox::nebula_flow::time::Span;
use nebula_sandbox::nebula_flow::{ActionMetadata, Timestamp, payload};
use serde_json::{Value, json};

use super::super::{Context, read};
use super::mock::Mock;
use super::{build, limits, report, sandbox};
use crate::error::{Error, Exit, Result};

/// Run an action in the real sandbox, without a node
#[derive(Debug, clap::Args)]
pub(crate) struct Test {
    /// The action's crate, or a component file
    path: PathBuf,
    /// Which action, if the component has several
    #[arg(long)]
    action: Option<String>,
    /// File with the input as JSON (`-` for standard input)
    #[arg(short, long, value_name = "FILE", conflicts_with = "json")]
    input: Option<String>,
    /// The input itself as JSON
    #[arg(long, value_name = "JSON")]
    json: Option<String>,
    /// A credential, from a file (repeatable)
    #[arg(long = "credential", value_name = "NAME=@FILE")]
    credentials: Vec<String>,
    /// A host it may reach, `HOST` or `HOST=URL` for another address (repeatable)
    #[arg(long = "allow", value_name = "HOST[=URL]")]
    hosts: Vec<String>,
    /// Answer its requests from this file instead of the network
    #[arg(long, value_name = "FILE")]
    mock_http: Option<String>,
    /// Most fuel it may burn, units: 1000000000, 500M, 1G
    #[arg(long, value_name = "UNITS", default_value = "1G", value_parser = limits::fuel)]
    fuel: u64,
    /// Most memory it may use: 64 (MiB), 512KiB, 1GiB
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = limits::memory)]
    memory: u64,
    /// Longest it may take: 30 (seconds), 500ms, 2m
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = limits::timeout)]
    timeout: Duration,
}

pub(crate) async fn run(context: &Context, test: Test) -> Result<ExitCode> {
    let input = match (&test.input, &test.json) {
        (Some(file), _) => parse(&read(file)?, file)?,
        (None, Some(text)) => parse(text.as_bytes(), "--json")?,
        (None, None) => Value::Null,
    };
    let input = payload::encode(&input).map_err(|e| Error::refused(e.to_string()))?;
    let mock = match &test.mock_http {
        Some(file) => Some(Mock::start(file, &read(file)?).await?),
        None => None,
    };
    let file = build::component(&test.path).await?;
    let component = sandbox::check(&file)?;
    let cell = sandbox::start(None)?;
    let prepared = sandbox::prepare(&cell, &component).await?;
    let action = choose(&prepared, test.action.as_deref())?.clone();
    let limits = Limits {
        fuel: test.fuel,
        memory_bytes: test.memory,
        timeout: test.timeout,
    };
    let call = Call {
        tenant: TenantId::default_tenant(),
        component,
        action: action.id.clone(),
        input,
        identity: identity()?,
        ready_at: now(),
        resumption: None,
        limits,
        capabilities: Arc::new(capabilities(&test, &action, mock.as_ref())?),
        pulse: Arc::default(),
    };
    let called = cell.run(call).await;
    let mut answer = match called.result {
        Ok(Outcome::Success(bytes)) => json!({ "output": decode(&bytes)? }),
        Ok(Outcome::Branch(port, bytes)) => json!({ "port": port, "output": decode(&bytes)? }),
        Ok(Outcome::Skip(reason)) => json!({ "skipped": reason }),
        Ok(Outcome::Wait(wake, state)) => {
            json!({ "waits_for": waits_for(&wake), "state": decode(&state)? })
        }
        Ok(Outcome::Continue(state)) => json!({ "state": decode(&state)? }),
        Err(failure) => {
            json!({ "error": { "kind": failure.kind.name(), "message": failure.message } })
        }
    };
    if let Some(mock) = &mock {
        let (http, unmatched) = mock.report();
        answer["http"] = http;
        if let Some(unmatched) = unmatched {
            answer["error"] = unmatched;
        }
    }
    let failed = answer.get("error").is_some();
    report::add(
        &mut answer,
        &action,
        &prepared,
        called.usage,
        &limits,
        &called.lines,
    );
    report::show(context.format, &answer)?;
    Ok(if failed {
        Exit::Failed.into()
    } else {
        ExitCode::SUCCESS
    })
}

/// What an action waits for, as an execution would show it.
fn waits_for(wake: &Wake) -> Value {
    match wake {
        Wake::After(long) => json!({ "for": Span(*long).to_string() }),
        Wake::At(at) => json!({ "until": at.to_string() }),
        Wake::Signal(name, timeout) => {
            json!({ "signal": name, "timeout": timeout.map(|long| Span(long).to_string()) })
        }
    }
}

fn parse(bytes: &[u8], from: &str) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|e| Error::refused(format!("{from} is not JSON: {e}")))
}

fn decode(bytes: &[u8]) -> Result<Value> {
    payload::decode(bytes).map_err(|e| Error::refused(format!("the action's output: {e}")))
}

fn choose<'a>(prepared: &'a Prepared, wanted: Option<&str>) -> Result<&'a ActionMetadata> {
    let ids = || {
        prepared
            .actions
            .iter()
            .map(|a| a.id.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (wanted, prepared.actions.as_slice()) {
        (Some(id), actions) => actions.iter().find(|a| a.id.as_str() == id).ok_or_else(|| {
            Error::refused(format!("the component has no action `{id}`"))
                .hint(format!("it has {}", ids()))
        }),
        (None, [only]) => Ok(only),
        (None, []) => Err(Error::refused("the component describes no action")),
        (None, _) => Err(Error::refused("the component has several actions")
            .hint(format!("choose one with --action: {}", ids()))),
    }
}

fn identity() -> Result<Identity> {
    let unexpected = |e: &dyn std::fmt::Display| Error::node(e.to_string());
    Ok(Identity {
        workflow: WorkflowName::new("action-test").map_err(|e| unexpected(&e))?,
        execution: ExecutionId::mint(Timestamp::from_millis(0), 0),
        step: StepKey::root(NodeId::new("action").map_err(|e| unexpected(&e))?),
        attempt: 1,
        restarts: 0,
    })
}

fn now() -> Timestamp {
    Timestamp::from_millis(
        u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default(),
    )
}

/// Exactly what was allowed on the command line, and the mock's hosts.
fn capabilities(test: &Test, action: &ActionMetadata, mock: Option<&Mock>) -> Result<Capabilities> {
    let mut capabilities = Capabilities::default();
    for allowed in &test.hosts {
        let (host, at) = allowed
            .split_once('=')
            .map_or((allowed.as_str(), None), |(h, at)| (h, Some(at.to_owned())));
        capabilities.hosts.push(Grant {
            action: action.id.clone(),
            host: host.to_ascii_lowercase(),
            schemes: Vec::new(),
            at,
            methods: Vec::new(),
        });
    }
    if let Some(mock) = mock {
        let more = mock.grants(action, &capabilities.hosts);
        capabilities.hosts.extend(more);
    }
    let hosts: Vec<_> = capabilities.hosts.iter().map(|g| g.host.clone()).collect();
    for given in &test.credentials {
        let (name, file) = given.split_once("=@").ok_or_else(|| {
            Error::refused(
                "a credential is given as NAME=@FILE, so that it stays out of the command line",
            )
        })?;
        let text = String::from_utf8(read(file)?)
            .map_err(|_| Error::refused(format!("`{file}` is not UTF-8 text")))?;
        capabilities.credentials.insert(
            name.to_owned(),
            BoundCredential {
                stored_as: name.to_owned(),
                secret: Secret::new(text.trim_end()),
                hosts: hosts.clone(),
                reveal: false,
            },
        );
    }
    Ok(capabilities)
}
