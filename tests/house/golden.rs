//! Whole executions as people read them. A file in `tests/golden` has a
//! workflow, with those that it runs before it, what is done to an execution of it
//! (lines with `>`), and below each what follows, with the time since the start;
//! `> look at NAME` tells of the newest execution of that workflow, from its start. `UPDATE_SNAPSHOTS=1` writes what
//! follows anew; look at the difference before it is committed.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nebula_engine::{EngineConfig, ExecutionOptions, WorkflowEngine};
use nebula_flow::control::Control;
use nebula_flow::definition::Document;
use nebula_flow::event::{Failure, Kept, Restart};
use nebula_flow::ports::{Clock, ExecutionQuery, Status};
use nebula_flow::time::Span;
use nebula_flow::{Event, ExecutionId, Payload, Recorded, TenantId, Timestamp, payload};
use tokio::sync::watch;

/// Time that passes only when it is told to.
struct HandClock(watch::Sender<Timestamp>);

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    async fn until(&self, at: Timestamp) {
        let _ = self.0.subscribe().wait_for(|now| *now >= at).await;
    }
}

/// An engine, its clock, and the execution that is told of.
struct Stage {
    config: EngineConfig,
    clock: Arc<HandClock>,
    engine: WorkflowEngine,
    engines: u32,
    execution: Option<ExecutionId>,
    began: Timestamp,
    told: u64,
}

impl Stage {
    fn new(mut config: EngineConfig) -> Self {
        let start = "2026-01-01T00:00:00Z".parse().expect("an instant");
        let clock = Arc::new(HandClock(watch::Sender::new(start)));
        config.clock = clock.clone();
        Self {
            engine: WorkflowEngine::new(config.clone()),
            config,
            clock,
            engines: 1,
            execution: None,
            began: start,
            told: 0,
        }
    }

    /// Does one thing, and tells what follows.
    async fn act(&mut self, workflow: &str, line: &str) -> String {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let json = |text: &str| serde_json::from_str(text).expect("JSON");
        match verb {
            "start" | "start-paused" => {
                let options = ExecutionOptions {
                    paused: verb == "start-paused",
                    ..ExecutionOptions::default()
                };
                let started = self.engine.execute_workflow(workflow, json(rest), options);
                self.execution = Some(started.await.expect("starts").id());
                (self.began, self.told) = (self.clock.now(), 0);
            }
            "after" => {
                let Span(time) = rest.parse().expect("a duration");
                self.clock.0.send_modify(|now| *now = now.plus(time));
            }
            "signal" => {
                let (name, says) = rest.split_once(' ').expect("a name and what it says");
                let name = name.parse().expect("a name");
                let sent = self.engine.signal(self.id(), &name, json(says), None).await;
                if let Err(refused) = sent {
                    return format!("{:>10}  refused: {refused}\n", "");
                }
            }
            "look" => {
                let name = rest.strip_prefix("at ").expect("`look at NAME`");
                let newest = self.newest(name).await;
                self.execution = Some(newest);
                self.told = 0;
            }
            "crash" => {
                self.engines += 1;
                self.config.owner = format!("engine-{}", self.engines);
                self.engine = WorkflowEngine::new(self.config.clone());
            }
            "retry" | "replay" => {
                let restart = match verb {
                    "retry" => Restart::Retry,
                    _ => Restart::Replay,
                };
                let made = self.engine.restart(self.id(), restart).await;
                match made {
                    Ok(made) => self.execution = Some(made.id()),
                    Err(refused) => {
                        let refused = nameless(&refused.to_string());
                        return format!("{:>10}  refused: {refused}\n", "");
                    }
                }
                self.told = 0;
            }
            control => {
                let control = match control {
                    "cancel" => Control::Cancel,
                    "pause" => Control::Pause,
                    "resume" => Control::Resume,
                    "step" => Control::Step,
                    "terminate" => Control::Terminate,
                    other => panic!("nobody knows how to `{other}`"),
                };
                let asked = self.engine.control(self.id(), control, rest).await;
                asked.expect("accepted");
            }
        }
        self.rests().await;
        self.tell().await
    }

    /// Of a workflow, once there is one.
    async fn newest(&self, name: &str) -> ExecutionId {
        let (log, tenant) = (&self.config.log, TenantId::default_tenant());
        let query = ExecutionQuery {
            limit: 1_000,
            ..ExecutionQuery::default()
        };
        let found = log.executions(&tenant, &query).await.expect("reads");
        let mut found = found.iter().filter(|e| e.workflow_name.as_str() == name);
        found.next().expect("one was started").id
    }

    fn id(&self) -> ExecutionId {
        self.execution.expect("one was started")
    }

    /// Until nothing happens before time passes or something is done.
    async fn rests(&self) {
        let (log, tenant) = (&self.config.log, TenantId::default_tenant());
        for _ in 0..2_000 {
            let found = log.execution(&tenant, self.id()).await.expect("reads");
            let found = found.expect("it is there");
            let is_due = found.wake_at.is_some_and(|at| at <= self.clock.now());
            let rests = !matches!(found.status, Status::Queued | Status::Running) && !is_due;
            if rests && log.inbox(self.id()).await.expect("reads").is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{} does not come to rest", self.id());
    }

    async fn tell(&mut self) -> String {
        let log = &self.config.log;
        let events = log
            .history(self.id(), self.told, 1_000)
            .await
            .expect("reads");
        let mut told = String::new();
        for Recorded { version, at, event } in events {
            self.told = version;
            let since = |at: Timestamp| Span(at.since(self.began)).to_string();
            let what = nameless(&describe(&event, since));
            writeln!(told, "{:>10}  {what}", since(at)).expect("a text");
        }
        told
    }
}

/// An event as a line.
fn describe(event: &Event, since: impl Fn(Timestamp) -> String) -> String {
    let name = event.name();
    match event {
        Event::Started { input, .. } => format!("{name} with {}", shown(input)),
        Event::StepReady { step, input } => format!("{name} {step} with {}", shown(input)),
        Event::MapStarted { step, count, .. } => format!("{name} {step} of {count} items"),
        Event::WaitStarted {
            step,
            signal,
            until,
        } => {
            let signal = signal.as_ref().map(|name| format!(" for signal {name}"));
            let until = until.map(|at| format!(" until {}", since(at)));
            format!(
                "{name} {step}{}{}",
                signal.unwrap_or_default(),
                until.unwrap_or_default()
            )
        }
        Event::ChildStarted { step, .. } => format!("{name} {step}"),
        Event::StepKept { step, outcome } => match outcome {
            Kept::Succeeded { output, .. } => format!("{name} {step} → {}", shown(output)),
            Kept::Failed { error } => format!("{name} {step}: {}", failure(error)),
            Kept::Skipped { .. } => format!("{name} {step}: skipped"),
        },
        Event::UndoStarted { node, error } => {
            let node = node.as_ref().map(|node| format!(" after {node}"));
            let error = error.as_ref().map(|error| format!(": {}", failure(error)));
            format!(
                "{name}{}{}",
                node.unwrap_or_default(),
                error.unwrap_or_default()
            )
        }
        Event::SignalReceived {
            name: signal,
            payload,
            ..
        } => format!("{name} {signal}: {}", shown(payload)),
        Event::StepSucceeded { step, output, .. } => format!("{name} {step} → {}", shown(output)),
        Event::StepContinued {
            step,
            state,
            signal,
            until,
            ..
        } => {
            let signal = signal.as_ref().map(|name| format!(" for signal {name}"));
            let until = until.map(|at| format!(" until {}", since(at)));
            format!(
                "{name} {step} with {}{}{}",
                shown(state),
                signal.unwrap_or_default(),
                until.unwrap_or_default()
            )
        }
        Event::StepResumed { step } => format!("{name} {step}"),
        Event::StepFailed { step, error, .. } => format!("{name} {step}: {}", failure(error)),
        Event::StepSkipped { step, .. } => format!("{name} {step}"),
        Event::ConnectionDecided {
            connection, fired, ..
        } => format!("{name} {connection}: {fired}"),
        Event::CancelRequested { reason }
        | Event::Paused { reason }
        | Event::Resumed { reason }
        | Event::Stepped { reason }
        | Event::Cancelled { reason }
        | Event::Terminated { reason } => format!("{name}: {reason}"),
        Event::Succeeded { output } => format!("{name} → {}", shown(output)),
        Event::Failed { node, error } => {
            let node = node.as_ref().map(|node| format!(" at {node}"));
            format!("{name}{}: {}", node.unwrap_or_default(), failure(error))
        }
        other => panic!("no transcript has {other:?} yet"),
    }
}

/// Without the ids of executions, which differ each time.
fn nameless(text: &str) -> String {
    let mut parts = text.split("exec-");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let id = part.chars().take_while(char::is_ascii_alphanumeric).count();
        out += "exec-…";
        out += &part[id..];
    }
    out
}

fn shown(value: &Payload) -> String {
    match value {
        Payload::Inline(bytes) => payload::decode(bytes).expect("decodes").to_string(),
        Payload::Blob { size, .. } => format!("{size} bytes"),
    }
}

fn failure(failure: &Failure) -> String {
    format!("{}: {}", failure.kind, failure.message)
}

/// Plays what a file says, and gives the file as it should be.
async fn play(stage: &mut Stage, text: &str) -> String {
    let begins = text.find("\n>").expect("something is done") + 1;
    let (head, script) = text.split_at(begins);
    let documents = &head[head.find("apiVersion").expect("a workflow")..];
    let mut name = String::new();
    for document in documents.split("\n---\n") {
        let definition = Document::parse(document).and_then(|d| d.definition());
        let definition = definition.expect("a definition");
        name = definition.name.to_string();
        let deployed = stage.engine.deploy_workflow(definition).await;
        deployed.expect("deploys");
    }
    let mut played = head.to_owned();
    for line in script.lines().filter_map(|line| line.strip_prefix("> ")) {
        let follows = stage.act(&name, line).await;
        write!(played, "> {line}\n{follows}").expect("a text");
    }
    played
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn executions_go_as_their_transcripts_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    crate::cli::warmed(&data);
    let config = nebula_server::embedded(&data).await.expect("opens");
    let mut stage = Stage::new(config);
    let golden = crate::root().join("tests/golden");
    let entries = std::fs::read_dir(&golden).expect("the transcripts");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("reads").path()).collect();
    files.sort();
    assert!(files.len() >= 9, "{files:?}");
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a text");
        let played = play(&mut stage, &text).await;
        if played != text {
            if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
                std::fs::write(&file, &played).expect("writes");
            }
            wrong.push(format!("{}:\n{played}", name(&file)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn name(file: &Path) -> String {
    file.display().to_string()
}
