//! Actions that are called again, in a real component: their states and waits
//! survive `kill -9`, and are shown.

use serde_json::{Value, json};

use crate::cli::Cli;
use crate::sizes::build;
use crate::waits::{events, start, until};

const ASKS: &str = r#"
apiVersion: nebula/v1
kind: Workflow
name: asks
nodes:
  ask:
    action: again.ask
    input: { who: Ada, within_ms: 3600000 }
output: "${ $nodes.ask.result }"
"#;

const COUNTS: &str = r#"
apiVersion: nebula/v1
kind: Workflow
name: counts
nodes:
  slow:
    action: again.count
    input: { end: 3, every_ms: 700 }
  fast:
    action: again.count
    input: { end: 40, every_ms: 0 }
  ever:
    action: again.count
    input: { end: 40, every_ms: 0 }
    max_iterations: 7
    continue_on_failure: true
output: "${ [$nodes.slow.result, ($nodes.fast.result | length), $nodes.ever.error.kind] }"
"#;

/// A data folder with a node that has the component, and the workflow deployed.
fn with(name: &str, workflow: &str) -> (Cli, String) {
    let cli = Cli::new();
    let component = build("again").to_str().expect("a text path").to_owned();
    let node = cli.node_with(&["--component", &component]);
    let file = cli.file(name, workflow);
    let deployed = cli.run(&["workflow", "deploy", &file]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    node.kill();
    (cli, component)
}

#[test]
fn a_question_survives_kill_9_and_its_answer_wakes_the_action() {
    let (cli, component) = with("asks.yaml", ASKS);
    let node = cli.node_with(&["--component", &component]);
    let id = start(&cli, "asks");
    let waiting = until(&cli, &id, |e| e["status"] == "waiting");
    assert_eq!(
        waiting["nodes"][0]["waits_for"]["signal"], "answer",
        "{waiting}"
    );
    let shown = cli.run(&["execution", "get", &id]);
    assert!(shown.stdout.contains("signal answer until 2"), "{shown:?}");
    let early = cli.run(&["execution", "signal", &id, "anser", "--json", "1"]);
    assert_eq!(early.code, 3, "{early:?}");
    assert!(early.stderr.contains("`answer`"), "{early:?}");
    node.kill();

    let node = cli.node_with(&["--component", &component]);
    let sent = cli.run(&["execution", "signal", &id, "answer", "--json", r#""yes""#]);
    assert_eq!(sent.code, 0, "{sent:?}");
    let watched = cli.run(&["execution", "watch", &id]);
    assert_eq!(watched.code, 0, "{watched:?}");
    assert!(
        watched
            .stdout
            .contains("step_continued ask, waits for signal answer until"),
        "{watched:?}"
    );
    let execution = cli.json(&["execution", "get", &id]);
    assert_eq!(
        execution["output"],
        json!({ "asked": "Ada", "says": "yes" })
    );
    let steps = execution["steps"].as_array().expect("a list");
    let told = |step: &Value| (step["step"].clone(), step["status"].clone());
    assert_eq!(
        steps.iter().map(told).collect::<Vec<_>>(),
        [
            (json!("ask"), json!("continued")),
            (json!("ask#1"), json!("succeeded"))
        ]
    );
    let twice = cli.run(&["execution", "signal", &id, "answer", "--json", "1"]);
    assert_eq!(twice.code, 3, "{twice:?}");
    node.kill();
}

#[test]
fn an_action_counts_through_kill_9_and_is_never_called_early() {
    let (cli, component) = with("counts.yaml", COUNTS);
    let node = cli.node_with(&["--component", &component]);
    let id = start(&cli, "counts");
    until(&cli, &id, |e| e["status"] == "waiting");
    node.kill();
    let node = cli.node_with(&["--component", &component]);
    let watched = cli.run(&["execution", "watch", &id]);
    assert_eq!(watched.code, 0, "{watched:?}");
    let execution = cli.json(&["execution", "get", &id]);
    let expected = json!([[1, 2, 3], 40, "iteration_limit"]);
    assert_eq!(execution["output"], expected, "{execution}");
    let events = events(&cli, &id);
    let of = |kind: &str, step: &str| {
        let mut found = events.iter();
        found
            .find(|e| e["type"] == kind && e["step"] == step)
            .cloned()
    };
    for n in 0..2 {
        let step = if n == 0 {
            "slow".to_owned()
        } else {
            format!("slow#{n}")
        };
        let left = of("step_continued", &step).expect("it goes on");
        let called = of("step_resumed", &format!("slow#{}", n + 1)).expect("it is called");
        assert!(
            called["at"].as_str() >= left["until"].as_str(),
            "{left} {called}"
        );
        assert_eq!(left["state"].as_array().map(Vec::len), Some(n + 1));
    }
    node.kill();
}

#[test]
fn the_cli_shows_what_an_action_waits_for() {
    let cli = Cli::new();
    let component = build("again").to_str().expect("a text path").to_owned();
    let input = r#"{"who": "Ada", "within_ms": 60000}"#;
    let answer = cli.json(&[
        "action",
        "test",
        &component,
        "--action",
        "again.ask",
        "--json",
        input,
    ]);
    assert_eq!(
        answer["waits_for"],
        json!({ "signal": "answer", "timeout": "1m" })
    );
    assert_eq!(answer["state"], "Ada");
}
