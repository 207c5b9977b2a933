//! What calls in the sandbox without a node are given, and the calls themselves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nebula_sandbox::nebula_flow::grant::{Capabilities, CredentialKind, Grant, Secret};
use nebula_sandbox::nebula_flow::id::{ExecutionId, NodeId, StepKey, TenantId, WorkflowName};
use nebula_sandbox::nebula_flow::ports::{Call, Identity, Limits, Prepared, Report, Runner};
use nebula_sandbox::nebula_flow::{ActionMetadata, Component, Timestamp, Verified, payload};
use nebula_sandbox::{Profile, Sandbox};
use nebula_testing::Memory;
use serde_json::Value;

use super::super::read;
use super::databases::Databases;
use super::http::{Http, Mock, Recorder};
use super::{build, credential, limits, sandbox};
use crate::error::{Error, Result};

/// What a call is given.
#[derive(Debug, clap::Args)]
pub(super) struct CallArgs {
    /// The action's crate, or a component file
    pub(super) path: PathBuf,
    /// Which action, if the component has several
    #[arg(long)]
    action: Option<String>,
    /// File with the input as JSON (`-` for standard input)
    #[arg(short, long, value_name = "FILE", conflicts_with = "json")]
    pub(super) input: Option<String>,
    /// The input itself as JSON
    #[arg(long, value_name = "JSON")]
    json: Option<String>,
    /// A credential, from a file (repeatable); kinds as of `nebula credential set`
    #[arg(long = "credential", value_name = "NAME=[KIND:]@FILE")]
    credentials: Vec<String>,
    /// A credential that it reads in plain text, as if it were granted (repeatable)
    #[arg(long = "reveal", value_name = "NAME")]
    reveals: Vec<String>,
    /// A host it may reach, `HOST` or `HOST=URL` for another address (repeatable)
    #[arg(long = "allow", value_name = "HOST[=URL]")]
    hosts: Vec<String>,
    /// A database: a fresh one that a script of SQL makes, or one that is there (repeatable)
    #[arg(long = "resource", value_name = "NAME=@FILE|URL")]
    resources: Vec<String>,
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

/// An action that can be called.
pub(super) struct Ready {
    /// The component's file.
    pub(super) file: PathBuf,
    pub(super) prepared: Prepared,
    pub(super) action: ActionMetadata,
    pub(super) limits: Limits,
    pub(super) http: Http,
    sandbox: Sandbox,
    component: Verified<Component>,
    input: Bytes,
    capabilities: Arc<Capabilities>,
    /// Fresh ones are there for as long as this is.
    _databases: Databases,
}

impl CallArgs {
    /// The files that a call is made of, besides the component's.
    pub(super) fn files(&self) -> Vec<&Path> {
        let named = [&self.input, &self.mock_http];
        let named = named.into_iter().flatten().map(String::as_str);
        let secrets = self.credentials.iter();
        let secrets = secrets.filter_map(|given| credential::file(given));
        let scripts = self.resources.iter();
        let scripts = scripts.filter_map(|given| Some(Path::new(given.split_once("=@")?.1)));
        named.map(Path::new).chain(secrets).chain(scripts).collect()
    }

    /// Builds, compiles and chooses. What the network answers goes into the file
    /// `record`. If calls are to be profiled, functions keep their names.
    pub(super) async fn ready(&self, record: Option<&Path>, profiles: bool) -> Result<Ready> {
        let input = self.payload()?;
        let mock = match &self.mock_http {
            Some(file) => Some(Mock::start(file, &read(file)?).await?),
            None => None,
        };
        let databases = Databases::open(&self.resources, self.timeout)?;
        let file = match profiles {
            true => build::named_component(&self.path).await?,
            false => build::component(&self.path).await?,
        };
        let component = sandbox::check(&file)?;
        let records = Arc::new(Memory::new());
        let sandbox = sandbox::start_for_calls(records, databases.held(), profiles)?;
        let prepared = sandbox::prepare(&sandbox, &component).await?;
        let action = choose(&prepared, self.action.as_deref())?.clone();
        let mut capabilities = self.capabilities(&action)?;
        capabilities.resources = databases.bound(&action)?;
        let http = match (mock, record) {
            (Some(mock), _) => Http::Mock(mock),
            (None, Some(file)) => {
                let recorder = Recorder::start(file, &action, &capabilities, self.timeout);
                Http::Recorder(recorder.await?)
            }
            (None, None) => Http::Network,
        };
        let mocked = matches!(http, Http::Mock(_));
        capabilities.hosts = http.grants(&action, capabilities.hosts);
        let hosts: Vec<_> = capabilities.hosts.iter().map(|g| g.host.clone()).collect();
        for (name, bound) in &mut capabilities.credentials {
            bound.hosts.clone_from(&hosts);
            // Where a file answers nobody is asked for a token.
            if mocked && matches!(bound.kind, CredentialKind::OAuth2(_)) {
                bound.kind = CredentialKind::Bearer;
                bound.secret = Secret::new(format!("token-of-{name}"));
            }
        }
        Ok(Ready {
            file,
            prepared,
            action,
            limits: Limits {
                fuel: self.fuel,
                memory_bytes: self.memory,
                timeout: self.timeout,
            },
            http,
            sandbox,
            component,
            input,
            capabilities: Arc::new(capabilities),
            _databases: databases,
        })
    }

    fn payload(&self) -> Result<Bytes> {
        let input = match (&self.input, &self.json) {
            (Some(file), _) => parse(&read(file)?, file)?,
            (None, Some(text)) => parse(text.as_bytes(), "--json")?,
            (None, None) => Value::Null,
        };
        payload::encode(&input).map_err(|e| Error::refused(e.to_string()))
    }

    /// Exactly what was allowed on the command line.
    fn capabilities(&self, action: &ActionMetadata) -> Result<Capabilities> {
        let mut capabilities = Capabilities::default();
        for allowed in &self.hosts {
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
        for given in &self.credentials {
            let (name, bound) = credential::read_one(given)?;
            capabilities.credentials.insert(name, bound);
        }
        for name in &self.reveals {
            credential::reveal(&mut capabilities.credentials, name)?;
        }
        Ok(capabilities)
    }
}

impl Ready {
    /// Calls the action, as in an execution of this number.
    pub(super) async fn call(&self, number: u64) -> Result<Report> {
        Ok(self.sandbox.run(self.of(number)?).await)
    }

    /// The same, and where it burned its fuel.
    pub(super) async fn profile(&self, number: u64) -> Result<(Report, Profile)> {
        Ok(self.sandbox.profile(self.of(number)?).await)
    }

    fn of(&self, number: u64) -> Result<Call> {
        Ok(Call {
            tenant: TenantId::default_tenant(),
            component: self.component.clone(),
            action: self.action.id.clone(),
            input: self.input.clone(),
            identity: identity(number)?,
            ready_at: now(),
            resumption: None,
            limits: self.limits,
            capabilities: Arc::clone(&self.capabilities),
            pulse: Arc::default(),
        })
    }
}

fn parse(bytes: &[u8], from: &str) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|e| Error::refused(format!("{from} is not JSON: {e}")))
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

fn identity(number: u64) -> Result<Identity> {
    let unexpected = |e: &dyn std::fmt::Display| Error::node(e.to_string());
    Ok(Identity {
        workflow: WorkflowName::new("action-test").map_err(|e| unexpected(&e))?,
        execution: ExecutionId::mint(Timestamp::from_millis(0), u128::from(number)),
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
