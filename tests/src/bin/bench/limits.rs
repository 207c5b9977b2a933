//! What the machine gives at the most: calls, commits and HTTP, each alone, with
//! as many at once as the load has connections.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::routing::post;
use bytes::Bytes;
use nebula_engine::SystemClock;
use nebula_flow::event::{Event, RULES, Usage};
use nebula_flow::id::{ExecutionId, StepKey, WorkflowId};
use nebula_flow::ports::{
    Append, Clock, Durability, EventLog, Fence, Message, Runner, Status, Submission,
};
use nebula_flow::{Payload, Recorded, TenantId, payload};
use nebula_sandbox::{Sandbox, SandboxConfig};
use nebula_storage::Sqlite;
use nebula_tests::client::Connection;
use serde_json::{Value, json};

use crate::calls::{call, pack};
use crate::print;

const AT_ONCE: usize = 64;
const TIME: Duration = Duration::from_secs(5);

pub(crate) async fn run() -> Result<(), crate::Error> {
    print("\n| what the machine gives at the most, 64 at once | a second |\n|---|---|");
    let calls = calls().await?;
    print(&format!(
        "| fresh store, instance and call of `condition.check` | {calls:.0} |"
    ));
    let commits = commits().await?;
    print(&format!(
        "| start, events and end of one pure step into SQLite, group commit and nothing else | {commits:.0} |"
    ));
    let http = http().await?;
    print(&format!(
        "| requests that are parsed as JSON and answered with JSON | {http:.0} |"
    ));
    Ok(())
}

/// How often a second a piece of work is done, so many at once.
async fn rate<F, W>(work: impl Fn(usize) -> F) -> Result<f64, crate::Error>
where
    F: Future<Output = Result<W, crate::Error>>,
    W: FnMut() -> futures_util::future::BoxFuture<'static, Result<(), crate::Error>>
        + Send
        + 'static,
{
    let mut tasks = Vec::new();
    let end = Instant::now() + TIME;
    for n in 0..AT_ONCE {
        let mut once = work(n).await?;
        tasks.push(tokio::spawn(async move {
            let mut count = 0_u32;
            while Instant::now() < end {
                once().await?;
                count += 1;
            }
            Ok::<_, crate::Error>(count)
        }));
    }
    let mut all = 0;
    for task in tasks {
        all += task.await??;
    }
    Ok(f64::from(all) / TIME.as_secs_f64())
}

async fn calls() -> Result<f64, crate::Error> {
    let component = pack("condition")?;
    let sandbox = Arc::new(Sandbox::new(SandboxConfig::default(), Arc::default())?);
    sandbox.prepare(&component).await?;
    let input = json!({ "city": "Cairo", "temp": 28.4 });
    let call = call(&component, "condition.check", &input)?;
    rate(|_| {
        let (sandbox, call) = (sandbox.clone(), call.clone());
        async move {
            Ok(move || -> futures_util::future::BoxFuture<'static, _> {
                let (sandbox, call) = (sandbox.clone(), call.clone());
                Box::pin(async move {
                    sandbox.run(call).await.result?;
                    Ok(())
                })
            })
        }
    })
    .await
}

async fn commits() -> Result<f64, crate::Error> {
    let folder = tempfile::tempdir()?;
    let log = Arc::new(Sqlite::open(folder.path())?);
    let fences: Arc<[Fence]> = log.claim("bench").await?.into();
    rate(|n| {
        let (log, fences) = (log.clone(), fences.clone());
        async move {
            let mut serial = u128::try_from(n)? << 64;
            Ok(move || -> futures_util::future::BoxFuture<'static, _> {
                serial += 1;
                Box::pin(commit(log.clone(), fences.clone(), serial))
            })
        }
    })
    .await
}

/// What one execution of one pure step leaves, in one commit or two.
async fn commit(log: Arc<Sqlite>, fences: Arc<[Fence]>, serial: u128) -> Result<(), crate::Error> {
    // Ids in order of time, as a node makes them.
    let at = SystemClock.now();
    let execution = ExecutionId::mint(at, serial.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let value = Payload::Inline(payload::encode(&json!({ "city": "Cairo", "temp": 28.4 }))?);
    let workflow = WorkflowId::from_u128(1);
    let submission = Submission {
        tenant: TenantId::default_tenant(),
        execution,
        key: None,
        at,
        message: Message::Start {
            workflow,
            name: "pure-1".parse()?,
            version: 1,
            input: value.clone(),
            parent: None,
            origin: None,
            follows: None,
            priority: 0,
            slot: None,
            paused: false,
        },
        expect: None,
        durability: Durability::WithAppend,
    };
    let step = StepKey::root("n0".parse()?);
    let events = [
        Event::Started {
            workflow,
            workflow_version: 1,
            input: value.clone(),
            rules: RULES,
            parent: None,
            origin: None,
            follows: None,
        },
        Event::StepReady {
            step: step.clone(),
            input: value.clone(),
        },
        Event::StepSucceeded {
            step,
            attempt: 1,
            output: value.clone(),
            port: None,
            usage: Usage::default(),
        },
        Event::Succeeded { output: value },
    ];
    let append = Append {
        execution,
        expected: 0,
        events: events
            .into_iter()
            .zip(1..)
            .map(|(event, version)| Recorded { version, at, event })
            .collect(),
        lines: Vec::new(),
        consumed: 1,
        inbox_empty: false,
        status: Status::Succeeded,
        wake_at: None,
        error: None,
        outbox: Vec::new(),
    };
    let shard = execution.shard();
    let fence = fences.iter().find(|f| f.shard == shard).ok_or("no fence")?;
    let (submitted, appended) = tokio::join!(log.submit(submission), log.append(*fence, append));
    submitted?;
    appended?;
    Ok(())
}

async fn http() -> Result<f64, crate::Error> {
    let app = axum::Router::new().route("/", post(async |Json(body): Json<Value>| Json(body)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let rate = rate(|_| {
        let address = address.clone();
        async move {
            let connection = Arc::new(tokio::sync::Mutex::new(Connection::open(&address).await?));
            Ok(move || -> futures_util::future::BoxFuture<'static, _> {
                let connection = connection.clone();
                Box::pin(async move {
                    let body = Bytes::from_static(br#"{"city": "Cairo", "temp": 28.4}"#);
                    connection.lock().await.post("/", body).await?;
                    Ok(())
                })
            })
        }
    })
    .await;
    server.abort();
    rate
}
