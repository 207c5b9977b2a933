//! The first-party packs: the bytes of each component, and one call of each action, on
//! its example in `docs/packs.md` or on an input below.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use nebula_flow::grant::{BoundCredential, Capabilities, CredentialKind, Secret};
use nebula_flow::id::{ExecutionId, NodeId, StepKey, TenantId};
use nebula_flow::ports::{Call, Identity, Limits, Runner};
use nebula_flow::{Component, Timestamp, Value, Verified, json, payload};
use nebula_sandbox::resources::Resources;
use nebula_sandbox::{Sandbox, SandboxConfig};
use tokio::net::TcpListener;

use super::{Figures, Record};
use crate::client::Error;
use crate::examples::{Example, examples, granted};

/// Actions of packs that cannot be called here, each with the reason.
const NOT_CALLED: [(&str, &str); 1] = [(
    "notification.email",
    "a mail server has to be held, as in `tests/house/mail.rs`",
)];

/// What is called: an input, what it may reach, what is held for it.
struct Work {
    input: Value,
    capabilities: Capabilities,
    database: Option<Arc<dyn Resources>>,
    /// Of the database.
    _folder: Option<tempfile::TempDir>,
}

/// Measures all packs. Compiled components are kept in a folder.
///
/// # Errors
/// When an action fails, or has no input.
pub async fn measure(cache: PathBuf) -> Result<Record, Error> {
    let page = std::fs::read_to_string(crate::root().join("docs/packs.md"))?;
    let examples: BTreeMap<String, Example> = examples(&page)?
        .into_iter()
        .map(|example| (example.action.clone(), example))
        .collect();
    let sandbox = |resources| {
        let config = SandboxConfig {
            cache_dir: Some(cache.clone()),
            resources,
            ..SandboxConfig::default()
        };
        Sandbox::new(config, Arc::default())
    };
    let plain = sandbox(None)?;
    let mut record = Record::default();
    for (pack, bytes) in nebula_server::PACKS {
        let component = nebula_hub::embedded(bytes)?;
        let size = Figures {
            bytes: Some(bytes.len() as u64),
            ..Figures::default()
        };
        record.packs.insert((*pack).to_owned(), size);
        for action in plain.prepare(&component).await?.actions {
            let id = action.id.as_str();
            if NOT_CALLED.iter().any(|(action, _)| *action == id) {
                continue;
            }
            let work = match examples.get(id) {
                Some(example) => of(example).await?,
                None => alone(id).await?,
            };
            let held = work.database.clone().map(|held| sandbox(Some(held)));
            let sandbox = held.transpose()?.unwrap_or_else(|| plain.clone());
            let figures = called(&sandbox, &component, id, &work).await?;
            record.actions.insert(id.to_owned(), figures);
        }
    }
    Ok(record)
}

async fn of(example: &Example) -> Result<Work, Error> {
    let folder = tempfile::tempdir()?;
    Ok(Work {
        input: example.input.clone(),
        capabilities: example.capabilities().await?,
        database: example.database(folder.path())?,
        _folder: Some(folder),
    })
}

/// Of an action without an example.
async fn alone(action: &str) -> Result<Work, Error> {
    let input = input(action).ok_or_else(|| {
        format!(
            "{action} has no input to be measured on: give it an example in docs/packs.md, or an \
             input (or a reason for none) in tests/src/figures/packs.rs"
        )
    })?;
    Ok(Work {
        capabilities: station(action).await?,
        input,
        database: None,
        _folder: None,
    })
}

fn input(action: &str) -> Option<Value> {
    let rows = || (0..40).map(|n| json!({ "name": format!("item {n}"), "price": n }));
    Some(match action {
        "condition.check" => json!({ "city": "Cairo", "temp": 28.4, "tags": ["a", "b"] }),
        "validation.input" => json!({
            "schema": { "type": "object", "required": ["age"], "properties": { "age": { "type": "integer", "minimum": 0 } } },
            "value": { "age": 36, "name": "Ada" },
        }),
        "validation.user" => json!({ "email": "ada@example.com", "age": 36, "name": "Ada" }),
        "transform.jq" => json!({
            "filter": "map(select(.price > $least) | .name)",
            "input": rows().collect::<Vec<_>>(),
            "variables": { "least": 20 },
        }),
        "transform.csv" => {
            let lines = (0..40).map(|n| format!("item {n},{n}.5\n"));
            json!({ "text": format!("name,price\n{}", lines.collect::<String>()) })
        }
        "template.render" => json!({
            "template": "{% for row in rows %}{{ row.name }}: {{ row.price }}\n{% endfor %}",
            "values": { "rows": rows().collect::<Vec<_>>() },
        }),
        "crypto.hash" => json!({ "data": "x".repeat(1_000) }),
        "crypto.hmac" => json!({ "key": "a key", "data": "x".repeat(1_000) }),
        "http.request" => json!({ "url": "http://station.example/received" }),
        "notification.send" => {
            json!({ "url": "http://station.example/hook", "format": "slack", "text": "hello" })
        }
        "weather.fetch" => json!({ "city": "Dubai" }),
        _ => return None,
    })
}

/// The demo's station, under the names that the actions ask for.
async fn station(action: &str) -> Result<Capabilities, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let at = format!("http://{}", listener.local_addr()?);
    tokio::spawn(crate::station::serve(listener, "the-key".into()));
    let hosts = ["station.example", "api.weather.example"];
    let hosts = hosts.map(|host| granted(action, host, &at));
    let credential = BoundCredential {
        stored_as: "weather-prod".into(),
        secret: Secret::new("the-key"),
        kind: CredentialKind::Text,
        hosts: vec!["api.weather.example".into()],
        reveal: false,
    };
    Ok(Capabilities {
        hosts: hosts.into_iter().collect::<Result<_, _>>()?,
        credentials: BTreeMap::from([("weather_api".to_owned(), credential)]),
        ..Capabilities::default()
    })
}

async fn called(
    sandbox: &Sandbox,
    component: &Verified<Component>,
    action: &str,
    work: &Work,
) -> Result<Figures, Error> {
    let call = Call {
        tenant: TenantId::default_tenant(),
        component: component.clone(),
        action: action.parse()?,
        input: payload::encode(&work.input)?,
        identity: Identity {
            workflow: "figures".parse()?,
            execution: ExecutionId::mint(Timestamp::from_millis(1), 1),
            step: StepKey::root(NodeId::new("step")?),
            attempt: 1,
            restarts: 0,
        },
        ready_at: Timestamp::from_millis(1_700_000_000_000),
        resumption: None,
        limits: Limits::default(),
        capabilities: Arc::new(work.capabilities.clone()),
        pulse: Arc::default(),
    };
    let report = sandbox.run(call).await;
    if let Err(failure) = report.result {
        return Err(format!("{action}: {failure}").into());
    }
    Ok(Figures {
        bytes: None,
        fuel: Some(report.usage.fuel),
        memory_bytes: Some(report.usage.memory_bytes),
    })
}
