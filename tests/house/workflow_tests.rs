//! `nebula workflow test`: tests beside a workflow file, as people run them; and the
//! harness beneath it, with the real components of the packs.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use nebula_sdk::prelude::{NodeBuilder, WorkflowBuilder};
use nebula_sdk::testing::{FailureKind, WorkflowTestHarness};
use serde_json::{Value, json};

use crate::cli::{Cli, Ended, warmed};

const WORKFLOW: &str = r#"apiVersion: nebula/v1
kind: Workflow
name: weather
nodes:
  fetch: { action: weather.fetch, retry: { max_attempts: 3, jitter: none } }
  check: { action: condition.check }
  later: { wait: { for: 7d } }
  notify:
    action: notification.send
    input: { text: "${ $nodes.fetch.result.days | map(.temp) | max }" }
connections:
  - { from: fetch, to: check }
  - { from: check, to: later, when: "$nodes.fetch.result.temp > 30" }
  - { from: later, to: notify }
"#;

const TESTS: &str = r#"mocks:
  weather.fetch: { output: { temp: 36, days: [{ temp: 36 }, { temp: 40 }] } }
  notification.send: { output: { sent: true } }
tests:
  - name: a hot day
    expect:
      output: { notify: { sent: true } }
      calls: { notification.send: [{ text: 40 }] }
      elapsed: 7d
  - name: a cold day
    mocks: { weather.fetch: { output: { temp: 3, days: [] } } }
    expect:
      nodes: { notify: { status: skipped } }
  - name: a station that is away
    faults: { fetch: [timeout, crash] }
  - name: a mistake
    expect:
      output: { notify: { sent: false } }
      elapsed: 8d
"#;

/// Runs it, with packs that were compiled before.
fn test(cli: &Cli, arguments: &[&str]) -> Ended {
    let cache = cli.folder().join("cache");
    let folder: PathBuf = cache.join("nebula").join("workflow-test");
    if !folder.exists() {
        std::fs::create_dir_all(folder.parent().expect("below the cache")).expect("a folder");
        warmed(&folder);
    }
    let mut command = cli.command();
    command
        .current_dir(cli.folder())
        .env("XDG_CACHE_HOME", cache);
    let output: Output = command
        .args(["workflow", "test"])
        .args(arguments)
        .output()
        .expect("nebula runs");
    output.into()
}

fn files(cli: &Cli) {
    cli.file("weather.yaml", WORKFLOW);
    cli.file("weather.test.yaml", TESTS);
}

#[test]
fn each_test_is_told_of_and_a_failed_one_is_the_exit_code() {
    let cli = Cli::new();
    files(&cli);
    let ended = test(&cli, &["weather.yaml"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert_eq!(
        ended.stdout,
        "weather.test.yaml
ok      a hot day  3 calls, 7d 00h of virtual time
ok      a cold day  2 calls
ok      a station that is away  5 calls, 7d 00h of virtual time
FAILED  a mistake
        output: expected {\"notify\":{\"sent\":false}}, is {\"notify\":{\"sent\":true}}
        elapsed: expected 8d, took 7d

4 tests: 3 passed, 1 failed
"
    );

    let ended = test(&cli, &["weather.test.yaml", "--filter", "day"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(
        ended.stdout.ends_with("2 tests: 2 passed, 0 failed\n"),
        "{ended:?}"
    );
    // No node was started, and none was asked.
    assert!(!Path::new(&cli.folder().join("data").join("nebula.db")).exists());
}

#[test]
fn programs_get_json_and_names() {
    let cli = Cli::new();
    files(&cli);
    let ended = test(&cli, &["weather.yaml", "-o", "json"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let answer: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(
        (&answer["passed"], &answer["failed"]),
        (&json!(3), &json!(1))
    );
    assert_eq!(answer["files"][0]["workflow"], "weather");
    assert_eq!(
        answer["files"][0]["tests"][0],
        json!({ "name": "a hot day", "passed": true, "problems": [], "elapsed_ms": 604_800_000, "calls": 3 })
    );
    let ended = test(&cli, &["weather.yaml", "-o", "name"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, "a mistake\n"));
}

#[test]
fn what_cannot_be_used_is_refused() {
    let cli = Cli::new();
    files(&cli);
    let ended = test(&cli, &["weather.yaml", "--filter", "snow"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(
        ended.stderr.contains("no test has `snow` in its name"),
        "{ended:?}"
    );

    let ended = test(&cli, &["none.yaml"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.contains("none.test.yaml"), "{ended:?}");

    cli.file("weather.test.yaml", "tests: [{ name: a, expects: {} }]");
    let ended = test(&cli, &["weather.yaml"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(
        ended.stderr.contains("tests[0]") && ended.stderr.contains("docs/testing.md"),
        "{ended:?}"
    );

    cli.file("weather.test.yaml", "tests: [{ name: a }]");
    cli.file(
        "weather.yaml",
        &WORKFLOW.replace("weather.fetch", "wether.fetch"),
    );
    let ended = test(&cli, &["weather.yaml"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stdout.contains("`wether.fetch`"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_components_run_beside_mocks_in_virtual_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    warmed(&data);
    let ports = nebula_server::embedded(&data).await.expect("it opens");
    let harness = WorkflowTestHarness::new()
        .with_components(ports.components, ports.runner)
        .with_mock_action("weather.fetch", |_| json!({ "temps": [36, 40, 31] }));
    let filter = json!({ "filter": "add / length", "input": "${ $nodes.fetch.result.temps }" });
    let workflow = WorkflowBuilder::new("w")
        .add_node("fetch", "weather.fetch")
        .add_node("day", NodeBuilder::wait_for("1d"))
        .add_node("mean", NodeBuilder::action("transform.jq").input(filter))
        .add_node("check", NodeBuilder::action("condition.check"))
        .connect("fetch", "day")
        .connect("day", "mean")
        .connect("mean", "check")
        .output("${ $nodes.fetch.result.temps | sort | first }")
        .build();
    let result = harness
        .execute(workflow, json!(null))
        .await
        .expect_success();
    assert_eq!(result.output, json!(31));
    let mean = result.node_outputs["mean"].to_string();
    assert!(mean.starts_with("35.6"), "{mean}");
    assert_eq!(result.metrics.elapsed, Duration::from_secs(24 * 60 * 60));
    assert_eq!(result.metrics.calls["transform.jq"], 1);

    // The sandbox's limits hold, and the failure is its own.
    let endless = json!({ "filter": "def f: f; f", "input": null });
    let node = NodeBuilder::action("transform.jq").input(endless);
    let workflow = WorkflowBuilder::new("w").add_node("endless", node).build();
    let result = harness.execute(workflow, json!(null)).await;
    assert_eq!(result.expect_failure().kind, FailureKind::FuelExhausted);
}
