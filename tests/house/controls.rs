//! What is asked of executions: cancel, pause, resume, terminate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use nebula_engine::{ExecutionOptions, WorkflowEngine};
use nebula_flow::event::Failure;
use nebula_flow::grant::{self, Grant};
use nebula_flow::ports::{Call, Prepared, Report, Runner, Status};
use nebula_flow::{
    ActionId, Component, NodeBuilder, TenantId, Verified, WorkflowBuilder, WorkflowDefinition,
};
use serde_json::json;
use tokio::sync::mpsc;

use crate::cli::Cli;

/// Waits for `approval`.
const ASKS: &str = r#"
apiVersion: nebula/v1
kind: Workflow
name: asks
nodes:
  approve: { wait: { signal: approval } }
"#;

fn start(cli: &Cli) -> String {
    let started = cli.json(&["workflow", "execute", "asks"]);
    started["id"].as_str().expect("an id").to_owned()
}

fn until(cli: &Cli, id: &str, status: &str) {
    for _ in 0..600 {
        if cli.json(&["execution", "get", id])["status"] == status {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{}", cli.json(&["execution", "get", id]))
}

#[test]
fn executions_are_paused_resumed_and_terminated_from_the_command_line() {
    let cli = Cli::new();
    let file = cli.file("asks.yaml", ASKS);
    assert_eq!(cli.run(&["workflow", "deploy", &file]).code, 0);
    let node = cli.node();
    let id = start(&cli);
    until(&cli, &id, "waiting");
    let paused = cli.run(&["execution", "pause", &id, "--reason", "a freeze"]);
    assert_eq!(paused.code, 0, "{paused:?}");
    until(&cli, &id, "paused");
    let list = cli.run(&["execution", "list", "--status", "paused"]);
    assert!(list.stdout.contains(&id), "{list:?}");
    node.kill();

    let node = cli.node();
    let signal = cli.run(&["execution", "signal", &id, "approval", "--json", "1"]);
    assert_eq!(signal.code, 0, "kept while it is paused: {signal:?}");
    until(&cli, &id, "paused");
    // All that match: this one.
    let resumed = cli.run(&["execution", "resume", "--workflow", "asks", "--yes"]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
    let watched = cli.run(&["execution", "watch", &id]);
    assert_eq!(watched.code, 0, "{watched:?}");
    for line in ["paused: a freeze", "resumed: resumed from the command line"] {
        assert!(watched.stdout.contains(line), "{line}: {watched:?}");
    }
    let late = cli.run(&["execution", "pause", &id]);
    assert_eq!(late.code, 3, "{late:?}");
    assert!(late.stderr.contains("has succeeded already"), "{late:?}");

    let id = start(&cli);
    let terminated = cli.run(&["execution", "terminate", &id]);
    assert_eq!(terminated.code, 0, "{terminated:?}");
    let watched = cli.run(&["execution", "watch", &id]);
    assert_eq!(watched.code, 5, "{watched:?}");
    assert_eq!(
        cli.run(&["execution", "terminate", &id]).code,
        0,
        "it is so already"
    );
    let cancel = cli.run(&["execution", "cancel", &id]);
    assert_eq!(cancel.code, 3, "{cancel:?}");
    assert!(
        cancel.stderr.contains("has terminated already"),
        "{cancel:?}"
    );
    node.kill();
}

// ---------------------------------------------- how soon a guest is stopped --

/// Within which a cancel reaches a guest that runs.
const SOON: Duration = Duration::from_millis(100);

/// Says when a call begins, and when it is dropped: a guest runs only within it.
struct Watched {
    inner: Arc<dyn Runner>,
    begins: mpsc::UnboundedSender<()>,
    stops: mpsc::UnboundedSender<Instant>,
}

struct Stopped(mpsc::UnboundedSender<Instant>);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.send(Instant::now());
    }
}

#[async_trait]
impl Runner for Watched {
    async fn prepare(&self, component: &Verified<Component>) -> Result<Prepared, Failure> {
        self.inner.prepare(component).await
    }

    async fn run(&self, call: Call) -> Report {
        let _stopped = Stopped(self.stops.clone());
        let _ = self.begins.send(());
        self.inner.run(call).await
    }
}

/// From a cancel until each of several guests has stopped, in order.
async fn cancelled(definition: WorkflowDefinition, host: &str) -> Vec<Duration> {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    crate::cli::warmed(&data);
    let mut config = nebula_server::embedded(&data).await.expect("opens");
    let grant = Grant {
        action: ActionId::new("http.request").expect("an id"),
        host: host.into(),
        schemes: Vec::new(),
        at: Some(format!("http://{host}")),
        methods: Vec::new(),
    };
    let tenant = TenantId::default_tenant();
    grant::put_grant(&*config.records, &tenant, &grant)
        .await
        .expect("granted");
    let (begins, mut begun) = mpsc::unbounded_channel();
    let (stops, mut stopped) = mpsc::unbounded_channel();
    config.limits.fuel = u64::MAX;
    config.runner = Arc::new(Watched {
        inner: config.runner,
        begins,
        stops,
    });
    let engine = WorkflowEngine::new(config);
    engine.deploy_workflow(definition).await.expect("deploys");
    let mut times = Vec::new();
    for _ in 0..5 {
        let input = json!(null);
        let execution = engine
            .execute_workflow("w", input, ExecutionOptions::default())
            .await
            .expect("starts");
        begun.recv().await.expect("it begins");
        // Loaded, and well within the guest's own code.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(stopped.is_empty(), "{:?}", execution.wait().await);
        let asked = Instant::now();
        engine
            .cancel(execution.id(), "enough")
            .await
            .expect("accepted");
        times.push(
            stopped
                .recv()
                .await
                .expect("it stops")
                .duration_since(asked),
        );
        assert_eq!(execution.wait().await.status, Status::Cancelled);
    }
    engine.shutdown().await;
    times.sort_unstable();
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_stops_a_guest_that_computes_or_waits_for_an_answer_soon() {
    // It takes connections and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let host = silent.local_addr().expect("bound").to_string();
    let counts = json!({"filter": "reduce range(1000000000000) as $n (0; . + 1)", "input": null});
    let asks = json!({"method": "GET", "url": format!("http://{host}/")});
    for (action, input) in [("transform.jq", counts), ("http.request", asks)] {
        let node = NodeBuilder::action(action)
            .input(input)
            .timeout(Duration::from_secs(300));
        let definition = WorkflowBuilder::new("w").add_node("a", node).build();
        let times = cancelled(definition, &host).await;
        println!("{action}: stopped after {times:?}");
        // The machine may be busy with something else now and then.
        assert!(times[2] <= SOON, "{action}: {times:?}");
    }
}
