//! Tests in a file beside a workflow: what they find, and how they are refused.

use std::path::Path;

use nebula_sdk::testing::suite::{Suite, TestReport, file_of};
use nebula_sdk::testing::{WorkflowTestHarness, json};

const WORKFLOW: &str = r#"
apiVersion: nebula/v1
kind: Workflow
name: w
nodes:
  route: { action: test.route }
  big: { action: test.big, retry: { max_attempts: 2, jitter: none } }
  small: { action: test.small }
connections:
  - { from: route, to: big, on: "port:big" }
  - { from: route, to: small, on: skip }
"#;

/// The reports of a file of tests beside that workflow.
async fn run(tests: &str) -> Vec<TestReport> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("w.yaml"), WORKFLOW).unwrap();
    let file = folder.path().join("w.test.yaml");
    std::fs::write(&file, tests).unwrap();
    let suite = Suite::read(&file).unwrap();
    let mut reports = Vec::new();
    for name in suite.names() {
        reports.push(suite.run(name, &WorkflowTestHarness::new()).await.unwrap());
    }
    reports
}

const MOCKS: &str = r#"
mocks:
  test.route: { output: 11, port: big }
  test.big: { output: { n: 1.0, more: [1, 2] } }
  test.small: { output: null }
"#;

#[tokio::test]
async fn answers_come_one_after_the_other_and_a_test_has_its_own() {
    let tests = format!(
        "{MOCKS}
tests:
  - name: big
    expect:
      output: {{ big: {{ n: 1, more: [1, 2] }}, small: null }}
      has: {{ big: {{ n: 1.0 }} }}
      nodes: {{ small: {{ status: skipped }}, big: {{ status: succeeded, has: {{ n: 1.0 }} }} }}
      calls: {{ test.big: 1, test.small: 0, test.route: [null] }}
      elapsed: 0ms
  - name: small
    mocks: {{ test.route: {{ skip: there is none }} }}
    expect:
      nodes: {{ small: {{ output: null }}, big: {{ status: skipped }} }}
  - name: second time
    mocks:
      test.big: [{{ error: {{ kind: retryable, message: away, after: 5s }} }}, {{ output: 2 }}]
    expect: {{ output: {{ big: 2, small: null }}, elapsed: 5s, calls: {{ test.big: [11, 11] }} }}
  - name: never
    mocks: {{ test.big: {{ error: {{ message: the table is gone }} }} }}
    expect: {{ error: {{ kind: permanent, message: table }} }}
"
    );
    for report in run(&tests).await {
        assert!(report.passed(), "{report:#?}");
    }
}

#[tokio::test]
async fn each_thing_that_is_not_as_it_should_be_is_said() {
    let tests = format!(
        "{MOCKS}
tests:
  - name: wrong
    input: 5
    expect:
      output: {{ big: 1 }}
      has: {{ big: {{ n: 2 }} }}
      nodes: {{ small: {{ status: succeeded, output: null }}, bg: {{}} }}
      calls: {{ test.big: 2, test.route: [6] }}
      elapsed: 1h
  - name: no failure
    expect: {{ error: {{ kind: permanent }} }}
  - name: another failure
    mocks: {{ test.big: {{ error: {{ message: the table is gone }} }} }}
    expect: {{ error: {{ kind: timed_out, message: chair }} }}
  - name: an unexpected failure
    mocks: {{ test.big: {{ error: {{ message: the table is gone }} }} }}
"
    );
    let reports = run(&tests).await;
    let problems: Vec<Vec<&str>> = reports
        .iter()
        .map(|r| r.problems.iter().map(String::as_str).collect())
        .collect();
    let output = r#"{"big":{"n":1.0,"more":[1,2]},"small":null}"#;
    assert_eq!(
        problems[0],
        [
            format!(r#"output: expected {{"big":1}}, is {output}"#).as_str(),
            &format!(r#"output: expected at least {{"big":{{"n":2}}}}, is {output}"#),
            "nodes.bg: the workflow has no such node",
            "nodes.small.status: expected succeeded, is skipped: it was skipped",
            "nodes.small.output: expected null, is nothing",
            "calls.test.big: expected 2 calls, was called 1 times",
            "calls.test.route[0]: expected 6, is 5",
            "elapsed: expected 1h, took 0ms",
        ]
    );
    assert_eq!(problems[1], ["status: expected failed, is succeeded"]);
    assert_eq!(
        problems[2],
        [
            "error.kind: expected timed_out, is permanent",
            "error.message: expected `chair` in `the table is gone`",
        ]
    );
    assert_eq!(
        problems[3],
        ["status: expected succeeded, is failed: permanent: the table is gone"]
    );
}

#[tokio::test]
async fn an_action_without_a_mock_is_named() {
    let reports = run("tests: [{ name: bare }]").await;
    let problem = &reports[0].problems[0];
    for action in ["test.route", "test.big", "test.small"] {
        assert!(problem.contains(action), "{problem}");
    }
}

/// Files that cannot be used, and what is said of each.
const WRONG: &[(&str, &str)] = &[
    ("tests: [", "line"),
    ("tests: []", "there is none"),
    ("test: []", "unknown field `test`"),
    ("tests: [{ input: 1 }]", "tests[0]"),
    ("tests: [{ name: a }, { name: a }]", "twice"),
    (
        "tests: [{ name: a, expect: { outputs: 1 } }]",
        "tests[0].expect",
    ),
    (
        "tests: [{ name: a, expect: { calls: { a.b: x } } }]",
        "how often",
    ),
    (
        "tests: [{ name: a, expect: { status: done } }]",
        "unknown variant `done`",
    ),
    (
        "tests: [{ name: a, faults: { b: [explode] } }]",
        "unknown variant `explode`",
    ),
    (
        "tests: [{ name: a, signals: [{ name: '?' }] }]",
        "tests[0].signals",
    ),
    ("tests: [{ name: a, at: noon }]", "noon"),
    (
        "mocks: { a.b: [] }\ntests: [{ name: a }]",
        "mocks.a.b: a mock needs an answer",
    ),
    (
        "mocks: { a.b: {} }\ntests: [{ name: a }]",
        "one of `output`",
    ),
    (
        "mocks: { a.b: { outputs: 1 } }\ntests: [{ name: a }]",
        "unknown field `outputs`",
    ),
    (
        "mocks: { a.b: { skip: x, port: y } }\ntests: [{ name: a }]",
        "goes with an `output`",
    ),
    (
        "mocks: { insert: { output: 1 } }\ntests: [{ name: a }]",
        "`insert`",
    ),
    ("workflow: none.yaml\ntests: [{ name: a }]", "none.yaml"),
];

#[test]
fn a_file_that_cannot_be_used_says_where_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let (workflow, file) = (
        folder.path().join("w.yaml"),
        folder.path().join("w.test.yaml"),
    );
    std::fs::write(&workflow, WORKFLOW).unwrap();
    for (tests, wanted) in WRONG {
        std::fs::write(&file, tests).unwrap();
        let error = Suite::read(&file).unwrap_err().to_string();
        assert!(error.contains(wanted), "{tests}: {error}");
    }
    std::fs::write(&file, "tests: [{ name: a }]").unwrap();
    std::fs::write(&workflow, "kind: Workflow\nnodes: {}\n").unwrap();
    let error = Suite::read(&file).unwrap_err();
    assert_eq!(error.file, workflow);
    std::fs::remove_file(&workflow).unwrap();
    assert!(Suite::read(&file).is_err());
}

#[tokio::test]
async fn a_test_that_is_not_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("w.yaml"), WORKFLOW).unwrap();
    let file = folder.path().join("w.test.yaml");
    std::fs::write(&file, "tests: [{ name: a }]").unwrap();
    let suite = Suite::read(&file).unwrap();
    assert_eq!(suite.workflow(), "w");
    assert!(suite.run("b", &WorkflowTestHarness::new()).await.is_none());
}

#[test]
fn the_file_of_a_workflow_is_the_one_beside_it() {
    for (given, found) in [
        ("a/w.yaml", "a/w.test.yaml"),
        ("a/w.test.yaml", "a/w.test.yaml"),
        ("w.json", "w.test.json"),
        ("w", "w.test.yaml"),
    ] {
        assert_eq!(
            file_of(Path::new(given)),
            Path::new(found),
            "{}",
            json!(given)
        );
    }
}
