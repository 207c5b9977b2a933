//! `nebula action test`: one call in the real sandbox.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use nebula_sandbox::nebula_flow::component::Effect;
use nebula_sandbox::nebula_flow::event::Usage;
use nebula_sandbox::nebula_flow::grant::{BoundCredential, Capabilities, Grant, Secret};
use nebula_sandbox::nebula_flow::id::{ExecutionId, NodeId, StepKey, TenantId, WorkflowName};
use nebula_sandbox::nebula_flow::ports::{Call, Identity, Limits, Outcome, Prepared, Runner};
use nebula_sandbox::nebula_flow::{ActionMetadata, Timestamp, payload};
use nebula_sandbox::{Sandbox, SandboxConfig};
use serde_json::{Value, json};

use super::super::{Context, read};
use super::build;
use crate::error::{Error, Exit, Result};
use crate::output::{self, Format};

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
    /// Most fuel it may burn
    #[arg(long, default_value_t = Limits::default().fuel)]
    fuel: u64,
    /// Most memory it may use, MiB
    #[arg(long, default_value_t = 64)]
    memory: u64,
    /// Longest it may take, seconds
    #[arg(long, default_value_t = 30)]
    timeout: u64,
}

pub(crate) async fn run(context: &Context, test: Test) -> Result<ExitCode> {
    let input = match (&test.input, &test.json) {
        (Some(file), _) => parse(&read(file)?, file)?,
        (None, Some(text)) => parse(text.as_bytes(), "--json")?,
        (None, None) => Value::Null,
    };
    let input = payload::encode(&input).map_err(|e| Error::refused(e.to_string()))?;
    let file = build::component(&test.path).await?;
    let component = nebula_hub::local(&file).map_err(|e| Error::refused(e.to_string()))?;
    let config = SandboxConfig {
        compiler: Some(super::super::compiler()),
        ..SandboxConfig::default()
    };
    let sandbox = Sandbox::new(config, Arc::default())
        .map_err(|e| Error::node(format!("the sandbox cannot start: {e}")))?;
    let prepared = sandbox
        .prepare(&component)
        .await
        .map_err(|e| Error::refused(e.to_string()))?;
    let action = choose(&prepared, test.action.as_deref())?.clone();
    let call = Call {
        tenant: TenantId::default_tenant(),
        component,
        action: action.id.clone(),
        input,
        identity: identity()?,
        ready_at: now(),
        limits: Limits {
            fuel: test.fuel,
            memory_bytes: test.memory << 20,
            timeout: Duration::from_secs(test.timeout),
        },
        capabilities: Arc::new(capabilities(&test, &action)?),
    };
    let report = sandbox.run(call).await;
    let (answer, failed) = match report.result {
        Ok(Outcome::Success(bytes)) => (json!({ "output": decode(&bytes)? }), false),
        Ok(Outcome::Branch(port, bytes)) => {
            (json!({ "port": port, "output": decode(&bytes)? }), false)
        }
        Ok(Outcome::Skip(reason)) => (json!({ "skipped": reason }), false),
        Err(failure) => (
            json!({ "error": { "kind": failure.kind.name(), "message": failure.message } }),
            true,
        ),
    };
    show(
        context,
        &action,
        &prepared,
        answer,
        report.usage,
        &report.lines,
    )?;
    Ok(if failed {
        Exit::Failed.into()
    } else {
        ExitCode::SUCCESS
    })
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

fn capabilities(test: &Test, action: &ActionMetadata) -> Result<Capabilities> {
    let mut capabilities = Capabilities::default();
    for allowed in &test.hosts {
        let (host, at) = allowed
            .split_once('=')
            .map_or((allowed.as_str(), None), |(h, at)| (h, Some(at.to_owned())));
        capabilities.hosts.push(Grant {
            action: action.id.clone(),
            host: host.to_owned(),
            schemes: Vec::new(),
            at,
            methods: Vec::new(),
        });
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

fn show(
    context: &Context,
    action: &ActionMetadata,
    prepared: &Prepared,
    mut answer: Value,
    usage: Usage,
    lines: &[(String, String)],
) -> Result<()> {
    let effect = if prepared.effect == Effect::Pure {
        "pure"
    } else {
        "effectful"
    };
    if context.format != Format::Table {
        answer["action"] = action.id.as_str().into();
        answer["effect"] = effect.into();
        answer["usage"] = json!({ "duration_us": usage.duration_us, "fuel": usage.fuel, "memory_bytes": usage.memory_bytes });
        answer["logs"] = lines
            .iter()
            .map(|(level, message)| json!({ "level": level, "message": message }))
            .collect();
        answer["asks_for"] = json!({ "hosts": action.hosts, "credentials": action.credentials, "imports": prepared.imports });
        return output::value(context.format, &answer);
    }
    for (level, message) in lines {
        output::line(&format!("{level:5} {message}"))?;
    }
    match answer.get("error") {
        Some(error) => output::line(&format!(
            "failed: {}: {}",
            error["kind"].as_str().unwrap_or_default(),
            error["message"].as_str().unwrap_or_default()
        ))?,
        None => output::line(&format!("{answer:#}"))?,
    }
    let none_or = |list: &[String]| {
        if list.is_empty() {
            "nothing".to_owned()
        } else {
            list.join(", ")
        }
    };
    output::line(&format!(
        "\naction       {} {} ({effect})",
        action.id, action.version
    ))?;
    output::line(&format!(
        "time         {}",
        output::micros(usage.duration_us)
    ))?;
    output::line(&format!("fuel         {}", output::count(usage.fuel)))?;
    output::line(&format!(
        "peak memory  {}",
        output::bytes(usage.memory_bytes)
    ))?;
    output::line(&format!("hosts        {}", none_or(&action.hosts)))?;
    output::line(&format!("credentials  {}", none_or(&action.credentials)))
}
