//! Actions that keep something, in a real component: states that count once, and
//! blobs that are read in later steps.

use serde_json::{Value, json};

use crate::cli::Cli;
use crate::sizes::build;

const COUNTS: &str = r#"
apiVersion: nebula/v1
kind: Workflow
name: counts
nodes:
  count: { action: keep.count, input: {} }
  items:
    map: "${ [range(20)] }"
    concurrency: 8
    each: { action: keep.count, input: { key: items } }
  fails: { action: keep.fail, input: {}, continue_on_failure: true }
output: "${ [$nodes.count.result, ($nodes.items.result | sort)] }"
"#;

const BLOBS: &str = r#"
apiVersion: nebula/v1
kind: Workflow
name: blobs
nodes:
  write: { action: keep.write, input: { size: 5000000 } }
  begin: { action: keep.read, input: { blob: "${ $nodes.write.result }", offset: 0, len: 100 } }
  edge: { action: keep.read, input: { blob: "${ $nodes.write.result }", offset: 1048570, len: 12 } }
  end: { action: keep.read, input: { blob: "${ $nodes.write.result }", offset: 4999999, len: 100 } }
connections:
  - { from: write, to: begin }
  - { from: write, to: edge }
  - { from: write, to: end }
output: "${ [$nodes.write.result, $nodes.begin.result, $nodes.edge.result, $nodes.end.result] }"
"#;

const NOBODYS: &str = r#"
apiVersion: nebula/v1
kind: Workflow
name: nobodys
nodes:
  read: { action: keep.read, input: { blob: "${ $input }", offset: 0, len: 1 } }
"#;

fn component() -> String {
    build("keep").to_str().expect("a text path").to_owned()
}

fn run(cli: &Cli, workflow: &str, input: &str) -> Value {
    cli.json(&["workflow", "execute", workflow, "--wait", "--json", input])
}

/// The sum of the bytes from one place to another.
fn sum(from: u64, to: u64) -> u64 {
    (from..to).map(|n| n % 251).sum()
}

#[test]
fn states_count_over_executions_and_kills_and_a_failed_call_does_not_count() {
    let cli = Cli::new();
    let component = component();
    let node = cli.node_with(&["--component", &component]);
    let file = cli.file("counts.yaml", COUNTS);
    assert_eq!(cli.run(&["workflow", "deploy", &file]).code, 0);
    let items = |from: u64| (from..from + 20).collect::<Vec<_>>();
    let first = run(&cli, "counts", "null");
    assert_eq!(first["output"], json!([1, items(1)]), "{first}");
    node.kill();
    let node = cli.node_with(&["--component", &component]);
    let second = run(&cli, "counts", "null");
    assert_eq!(second["output"], json!([2, items(21)]), "{second}");
    node.kill();
}

#[test]
fn a_blob_is_written_in_one_step_and_read_in_ranges_by_others() {
    let cli = Cli::new();
    let node = cli.node_with(&["--component", &component()]);
    for (name, workflow) in [("blobs.yaml", BLOBS), ("nobodys.yaml", NOBODYS)] {
        let deployed = cli.run(&["workflow", "deploy", &cli.file(name, workflow)]);
        assert_eq!(deployed.code, 0, "{deployed:?}");
    }
    let ended = run(&cli, "blobs", "null");
    let output = &ended["output"];
    assert_eq!(output[0]["size"], 5_000_000, "{ended}");
    assert_eq!(output[1], json!([100, sum(0, 100)]));
    assert_eq!(output[2], json!([12, sum(1_048_570, 1_048_582)]));
    assert_eq!(output[3], json!([1, 4_999_999 % 251]));
    let id = ended["id"].as_str().expect("an id");
    let logs = cli.run(&["execution", "logs", id, "-o", "jsonl"]);
    for said in [
        r#""level":"info","step":"write","attempt":1,"message":"written bytes=5000000 of=\"a blob\"""#,
        r#""level":"metric","step":"write","attempt":1,"message":"bytes 5000000""#,
    ] {
        assert!(logs.stdout.contains(said), "{logs:?}");
    }
    // The same bytes are the same blob.
    let again = run(&cli, "blobs", "null");
    assert_eq!(again["output"][0], output[0]);

    let input = json!({ "digest": format!("sha256:{}", "0".repeat(64)), "size": 9 });
    let refused = cli.run(&[
        "workflow",
        "execute",
        "nobodys",
        "--wait",
        "--json",
        &input.to_string(),
    ]);
    assert_eq!(refused.code, 1, "{refused:?}");
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(said.contains("no blob `sha256:000"), "{said}");
    node.kill();
}
