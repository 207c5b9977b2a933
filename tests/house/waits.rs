//! Executions that wait: through `kill -9`, for signals, and what is refused.

use serde_json::{Value, json};

use crate::cli::Cli;

/// Waits 2 s, then for `approval`.
const ASKS: &str = r#"
apiVersion: nebula/v1
kind: Workflow
name: asks
nodes:
  pause: { wait: { for: 2s } }
  approve:
    wait:
      signal: approval
      schema: { type: object, required: [by], properties: { by: { type: string } } }
      timeout: 24h
connections:
  - { from: pause, to: approve }
output: "${ $nodes.approve.result.by }"
"#;

/// A data folder with `asks`.
pub(crate) fn asks() -> Cli {
    let cli = Cli::new();
    let file = cli.file("asks.yaml", ASKS);
    let deployed = cli.run(&["workflow", "deploy", &file]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    cli
}

pub(crate) fn start(cli: &Cli, workflow: &str) -> String {
    let started = cli.json(&["workflow", "execute", workflow]);
    started["id"].as_str().expect("an id").to_owned()
}

/// Looks at an execution until it has this status.
pub(crate) fn until(cli: &Cli, id: &str, holds: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..600 {
        let execution = cli.json(&["execution", "get", id]);
        if holds(&execution) {
            return execution;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("{}", cli.json(&["execution", "get", id]))
}

pub(crate) fn events(cli: &Cli, id: &str) -> Vec<Value> {
    let watched = cli.run(&["execution", "watch", id, "-o", "jsonl"]);
    let lines = watched.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[test]
fn a_wait_and_a_signal_that_came_before_it_survive_kill_9() {
    let cli = asks();
    let node = cli.node();
    let id = start(&cli, "asks");
    until(&cli, &id, |e| e["status"] == "waiting");
    let early = cli.run(&[
        "execution",
        "signal",
        &id,
        "approval",
        "--json",
        r#"{"by":"Ada"}"#,
    ]);
    assert_eq!(early.code, 0, "{early:?}");
    node.kill();

    let node = cli.node();
    let ended = cli.run(&["execution", "watch", &id]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let execution = cli.json(&["execution", "get", &id]);
    assert_eq!(execution["output"], "Ada", "{execution}");
    let events = events(&cli, &id);
    let find = |kind: &str, step: &str| {
        let found = events
            .iter()
            .find(|e| e["type"] == kind && e["step"] == step);
        found.unwrap_or_else(|| panic!("no {kind} {step}: {events:?}"))
    };
    let text = |event: &Value, key: &str| event[key].as_str().expect("an instant").to_owned();
    let until = text(find("wait_started", "pause"), "until");
    let over = text(find("step_succeeded", "pause"), "at");
    assert!(over >= until, "over at {over}, before {until}");
    node.kill();
}

#[test]
fn a_wait_is_shown_and_a_signal_is_refused_with_what_to_do() {
    let cli = asks();
    let node = cli.node();
    let id = start(&cli, "asks");
    until(&cli, &id, |e| e["nodes"][1]["status"] == "waiting");
    let shown = cli.run(&["execution", "get", &id]);
    assert!(
        shown.stdout.contains("WAITS FOR") && shown.stdout.contains("signal approval until 2"),
        "{shown:?}"
    );
    let signal =
        |name: &str, says: &str| cli.run(&["execution", "signal", &id, name, "--json", says]);
    let unknown = signal("approvel", "{}");
    assert_eq!(unknown.code, 3, "{unknown:?}");
    assert!(
        unknown.stderr.contains("waits for `approval`"),
        "{unknown:?}"
    );
    let wrong = signal("approval", r#"{"by": 7}"#);
    assert_eq!(wrong.code, 3, "{wrong:?}");
    assert!(wrong.stderr.contains("/by"), "{wrong:?}");
    let keyed = || {
        let key = ["--idempotency-key", "order-17", "-o", "json"];
        let says = [
            "execution",
            "signal",
            &id,
            "approval",
            "--json",
            r#"{"by":"Ada"}"#,
        ];
        cli.run(&[&says[..], &key].concat())
    };
    let first = keyed();
    assert_eq!(first.code, 0, "{first:?}");
    let answer: Value = serde_json::from_str(&first.stdout).expect("JSON");
    assert_eq!(answer, json!({ "id": id, "signal": "approval" }));
    until(&cli, &id, |e| e["status"] == "succeeded");
    assert_eq!(keyed().code, 0, "a repeat is no second answer");
    let late = signal("approval", r#"{"by":"Eve"}"#);
    assert_eq!(late.code, 3, "{late:?}");
    assert!(late.stderr.contains("has succeeded already"), "{late:?}");
    node.kill();
}
