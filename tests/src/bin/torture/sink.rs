//! The world that executions act upon: a process of its own, which nobody kills.
//! It writes down every request and is on disk with it before it answers; each
//! answer has a token of its own, so that it shows later which one was believed.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Json, Router, routing::post};
use nebula_engine::SystemClock;
use nebula_flow::Timestamp;
use nebula_flow::ports::Clock;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Error;

/// One request, as it is written down.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Effect {
    pub(crate) execution: String,
    /// The request that the execution was started by.
    pub(crate) request: String,
    pub(crate) step: String,
    pub(crate) key: String,
    /// When it came.
    pub(crate) at: Timestamp,
    /// What it read of the nodes before it.
    pub(crate) read: Value,
    /// The answer's, if it was a good one.
    pub(crate) token: Option<String>,
}

#[derive(Deserialize)]
struct Body {
    execution: String,
    request: String,
    step: String,
    read: Value,
}

#[derive(Deserialize)]
struct Orders {
    #[serde(default)]
    flaky: u64,
    #[serde(default)]
    millis: u64,
    #[serde(default)]
    refuse: bool,
}

struct Sink {
    log: File,
    /// How often each step was tried, by its key.
    tries: HashMap<String, u64>,
}

/// The process: serves until it is killed.
pub(crate) async fn serve(log: &Path) -> Result<(), Error> {
    let sink = Sink {
        log: File::options().create(true).append(true).open(log)?,
        tries: HashMap::new(),
    };
    let routes = Router::new()
        .route("/effect", post(effect))
        .with_state(Arc::new(Mutex::new(sink)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    crate::print(&listener.local_addr()?.to_string());
    Ok(axum::serve(listener, routes).await?)
}

async fn effect(
    State(sink): State<Arc<Mutex<Sink>>>,
    Query(orders): Query<Orders>,
    headers: HeaderMap,
    Json(body): Json<Body>,
) -> Result<(StatusCode, Json<Value>), StatusCode> {
    let at = SystemClock.now();
    tokio::time::sleep(Duration::from_millis(orders.millis)).await;
    let key = headers
        .get("idempotency-key")
        .and_then(|key| key.to_str().ok());
    let key = key.unwrap_or_default().to_owned();
    let written = tokio::task::spawn_blocking(move || {
        let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
        sink.take(&orders, key, body, at)
    });
    match written.await {
        Ok(Ok(answer)) => Ok(answer),
        _ => Err(StatusCode::INSUFFICIENT_STORAGE),
    }
}

impl Sink {
    fn take(
        &mut self,
        orders: &Orders,
        key: String,
        body: Body,
        at: Timestamp,
    ) -> Result<(StatusCode, Json<Value>), Error> {
        let tries = self.tries.entry(key.clone()).or_default();
        *tries += 1;
        let tries = *tries;
        let status = match orders {
            Orders { refuse: true, .. } => StatusCode::UNPROCESSABLE_ENTITY,
            _ if tries <= orders.flaky => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::OK,
        };
        let token = (status == StatusCode::OK).then(|| format!("{key}/{tries}"));
        let effect = Effect {
            execution: body.execution,
            request: body.request,
            step: body.step,
            key,
            at,
            read: body.read,
            token: token.clone(),
        };
        let mut line = serde_json::to_vec(&effect)?;
        line.push(b'\n');
        self.log.write_all(&line)?;
        self.log.sync_data()?;
        Ok((status, Json(json!({ "token": token }))))
    }
}

/// Every request that a sink wrote down, in order.
pub(crate) fn read(log: &Path) -> Result<Vec<Effect>, Error> {
    let lines = BufReader::new(File::open(log)?).lines();
    lines
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect()
}

/// The process, as the program that started it holds it.
pub(crate) struct Process {
    child: Child,
    /// `host:port`.
    pub(crate) address: String,
}

impl Process {
    pub(crate) fn start(log: &Path) -> Result<Self, Error> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--sink")
            .arg(log)
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().ok_or("no output")?;
        let address = BufReader::new(out)
            .lines()
            .next()
            .ok_or("the sink ended")??;
        Ok(Self { child, address })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
