//! Clients: they start executions, wait for some, watch some, cancel some, send
//! the signals that they wait for, and ask again for as long as they got no answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, StatusCode};
use nebula_engine::SystemClock;
use nebula_flow::ports::Clock;
use nebula_tests::client::Connection;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::Error;
use crate::chance::Chance;
use crate::ledger::{Entry, Ledger};
use crate::model::{Input, SIGNAL, Workflow};

/// How long after the end a client asks on for what it has sent.
const GRACE: Duration = Duration::from_secs(60);

/// No request takes so long to be answered: nobody waits for an end for longer than 5 s,
/// and a database is away for 20 s.
const UNANSWERED: Duration = Duration::from_secs(60);

/// What all clients share.
pub(crate) struct World {
    /// Of each node.
    pub(crate) addresses: Vec<String>,
    pub(crate) workflows: Vec<Workflow>,
    pub(crate) ledger: Ledger,
    pub(crate) chance: Chance,
    /// A cancel has reached its execution so long after it was acknowledged,
    /// whatever was done to the node or the database meanwhile.
    pub(crate) heard: Duration,
    /// Turns true when nothing new is started.
    pub(crate) end: watch::Receiver<bool>,
}

impl World {
    fn is_over(&self) -> bool {
        *self.end.borrow()
    }
}

/// One client.
pub(crate) struct Client {
    world: Arc<World>,
    connection: Option<Connection>,
    chance: Chance,
}

/// What came of a request that was repeated until it was answered.
enum Answer {
    Good(Value),
    /// Refused, with this status.
    Refused(StatusCode, Value),
    /// The time is over.
    None,
}

impl Client {
    pub(crate) fn new(world: Arc<World>, number: u64) -> Self {
        let chance = world.chance.branch(number);
        Self {
            world,
            connection: None,
            chance,
        }
    }

    /// Works until the end, with at most so many starts.
    pub(crate) async fn run(mut self, number: u64, starts: u64) -> Result<(), Error> {
        for start in 0..starts {
            if self.world.is_over() {
                break;
            }
            self.start(format!("{number}-{start}")).await?;
        }
        Ok(())
    }

    /// Deploys, and stores and removes a credential, again and again.
    pub(crate) async fn keep_house(mut self) -> Result<(), Error> {
        let credential = "/api/v1/credentials/housekeeper";
        let mut number = 0;
        while !self.world.is_over() {
            number += 1;
            let definition = json!({
                "apiVersion": "nebula/v1", "kind": "Workflow", "name": "housekeeping",
                "description": format!("number {number}"),
                "nodes": { "a": { "action": "condition.check" } },
            });
            let secret = json!({ "secret": format!("secret {number}"), "hosts": [] });
            for (method, path, body) in [
                (Method::POST, "/api/v1/workflows", definition.to_string()),
                (Method::PUT, credential, secret.to_string()),
                (Method::DELETE, credential, String::new()),
            ] {
                match self.ask(method.clone(), path, &[], body.into()).await? {
                    // It is gone already: removed by a request that got no answer.
                    Answer::Refused(StatusCode::NOT_FOUND, _) if method == Method::DELETE => {}
                    Answer::Refused(status, why) => self.refused(path, status, &why)?,
                    Answer::Good(_) | Answer::None => {}
                }
            }
            tokio::time::sleep(self.chance.millis(10, 100)).await;
        }
        Ok(())
    }

    /// Says of every step whose outcome is unknown that it went well, until it is
    /// dropped.
    pub(crate) async fn resolve(mut self) -> Result<(), Error> {
        loop {
            let path = "/api/v1/executions?limit=200&status=waiting";
            let list = self.look(path).await?;
            for item in list["items"].as_array().into_iter().flatten() {
                let id = item["id"].as_str().unwrap_or_default();
                let execution = self.look(&format!("/api/v1/executions/{id}")).await?;
                let steps = execution["steps"].as_array().into_iter().flatten();
                for step in steps.filter(|step| step["status"] == "unknown") {
                    let step = step["step"].as_str().unwrap_or_default();
                    self.say(id, step).await?;
                }
            }
            tokio::time::sleep(self.chance.millis(50, 300)).await;
        }
    }

    async fn look(&mut self, path: &str) -> Result<Value, Error> {
        match self.ask(Method::GET, path, &[], Bytes::new()).await? {
            Answer::Good(seen) => Ok(seen),
            Answer::Refused(..) | Answer::None => Ok(Value::Null),
        }
    }

    async fn say(&mut self, execution: &str, step: &str) -> Result<(), Error> {
        let token = format!("said of {execution} {step}");
        self.world.ledger.write(&Entry::Resolving {
            execution: execution.to_owned(),
            step: step.to_owned(),
            token: token.clone(),
        })?;
        let path = format!("/api/v1/executions/{execution}/resolve");
        let body =
            json!({ "step": step, "as": "succeeded", "output": { "json": { "token": token } } });
        match self
            .ask(Method::POST, &path, &[], body.to_string().into())
            .await?
        {
            // It was said already, or the execution was cancelled.
            Answer::Good(_) | Answer::Refused(StatusCode::CONFLICT, _) | Answer::None => Ok(()),
            Answer::Refused(status, why) => self.refused(&path, status, &why),
        }
    }

    async fn start(&mut self, request: String) -> Result<(), Error> {
        let workflow = self.chance.index(self.world.workflows.len());
        let input = Input::draw(request.clone(), &mut self.chance);
        let expected = self.world.workflows[workflow].expected(&input);
        let signals = expected.signals.len();
        let input = input.value();
        let body = Bytes::from(serde_json::to_vec(&input)?);
        let sent = Entry::Sent {
            request: request.clone(),
            workflow,
            input,
        };
        self.world.ledger.write(&sent)?;
        let name = self.world.workflows[workflow].name.clone();
        // One that waits for a signal does not end while its start is waited for.
        let wait = self.chance.percent(50) && signals == 0;
        let path = match wait {
            true => format!("/api/v1/workflows/{name}/execute?wait=5s"),
            false => format!("/api/v1/workflows/{name}/execute"),
        };
        let key = [("idempotency-key", request.as_str())];
        let answer = match self.ask(Method::POST, &path, &key, body).await? {
            Answer::Good(answer) => answer,
            Answer::Refused(status, why) => return self.refused(&path, status, &why),
            Answer::None => return Ok(()),
        };
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        let execution = text("id");
        self.world.ledger.write(&Entry::Acknowledged {
            request: request.clone(),
            execution: execution.clone(),
            status: text("status"),
            output: answer.get("output").cloned(),
        })?;
        if wait {
            return Ok(());
        }
        match self.chance.below(100) {
            0..7 => return self.cancel(execution).await,
            7..20 => self.watch(&execution).await?,
            _ => {}
        }
        for number in 0..signals {
            self.signal(&execution, format!("{request}/{number}"))
                .await?;
        }
        match self.chance.below(100) {
            0..7 => self.cancel(execution).await,
            7..20 => self.watch(&execution).await,
            _ => Ok(()),
        }
    }

    /// Sends a signal that the execution waits for, or will.
    async fn signal(&mut self, execution: &str, token: String) -> Result<(), Error> {
        tokio::time::sleep(self.chance.millis(0, 100)).await;
        let execution = execution.to_owned();
        self.world.ledger.write(&Entry::Signalling {
            execution: execution.clone(),
            token: token.clone(),
        })?;
        let path = format!("/api/v1/executions/{execution}/signals/{SIGNAL}");
        let body = json!({ "json": { "token": token } }).to_string();
        let key = [("idempotency-key", token.as_str())];
        match self.ask(Method::POST, &path, &key, body.into()).await? {
            Answer::Good(_) => {
                let signalled = Entry::Signalled {
                    execution,
                    token: token.clone(),
                };
                self.world.ledger.write(&signalled)
            }
            Answer::Refused(status, why) => {
                let why = format!("{status}: {why}");
                let refused = Entry::SignalRefused { execution, why };
                self.world.ledger.write(&refused)
            }
            Answer::None => Ok(()),
        }
    }

    async fn cancel(&mut self, execution: String) -> Result<(), Error> {
        tokio::time::sleep(self.chance.millis(0, 100)).await;
        let cancelling = Entry::Cancelling {
            execution: execution.clone(),
        };
        self.world.ledger.write(&cancelling)?;
        let path = format!("/api/v1/executions/{execution}/cancel");
        match self
            .ask(Method::POST, &path, &[], Bytes::from_static(b"{}"))
            .await?
        {
            Answer::Good(_) => {
                let over = SystemClock.now().plus(self.world.heard).to_string();
                let cancelled = Entry::Cancelled { execution, over };
                self.world.ledger.write(&cancelled)
            }
            // It had ended already.
            Answer::Refused(StatusCode::CONFLICT, _) | Answer::None => Ok(()),
            Answer::Refused(status, why) => self.refused(&path, status, &why),
        }
    }

    fn refused(&self, path: &str, status: StatusCode, why: &Value) -> Result<(), Error> {
        let what = format!("{path} is refused: {status}: {why}");
        self.world.ledger.write(&Entry::Refused { what })
    }

    async fn watch(&mut self, execution: &str) -> Result<(), Error> {
        let time = self.chance.millis(10, 500);
        let path = format!("/api/v1/executions/{execution}/events/stream");
        let address = self.address();
        let stream = async { Connection::open(&address).await?.follow(&path, time).await };
        // With no node there is no stream.
        let Ok(Ok(events)) = timeout(UNANSWERED, stream).await else {
            return Ok(());
        };
        let execution = execution.to_owned();
        self.world.ledger.write(&Entry::Shown { execution, events })
    }

    /// Of any node.
    fn address(&mut self) -> String {
        let node = self.chance.index(self.world.addresses.len());
        self.world.addresses[node].clone()
    }

    /// Asks until there is an answer.
    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, Error> {
        let mut over: Option<Instant> = None;
        loop {
            match self.once(method.clone(), path, headers, body.clone()).await {
                Ok((status, value)) if status.is_success() => return Ok(Answer::Good(value)),
                // It drains, or is in trouble; another may not be.
                Ok((StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS, _)) => {
                    self.connection = None;
                }
                Ok((status, value)) => return Ok(Answer::Refused(status, value)),
                Err(_) => self.connection = None,
            }
            if self.world.is_over() && over.get_or_insert_with(Instant::now).elapsed() > GRACE {
                return Ok(Answer::None);
            }
            tokio::time::sleep(self.chance.millis(5, 60)).await;
        }
    }

    async fn once(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<(StatusCode, Value), Error> {
        if self.connection.is_none() {
            self.connection = Some(Connection::open(&self.address()).await?);
        }
        let connection = self.connection.as_mut().ok_or("no connection")?;
        let sending = connection.send(method, path, headers, body);
        if let Ok(answer) = timeout(UNANSWERED, sending).await {
            return answer;
        }
        // With its connection gone the request is lost: one was seen to be waited for
        // for ever, with no socket open. A node that has it and says nothing is at fault.
        if !connection.is_closed() {
            let what = format!("{path} was not answered within {UNANSWERED:?}");
            self.world.ledger.write(&Entry::Refused { what })?;
        }
        Err("not answered".into())
    }
}
