//! What starts workflows by itself, from the command line.

use std::time::Duration;

use crate::cli::Cli;

const REPORT: &str = r#"
apiVersion: nebula/v1
kind: Workflow
name: report
triggers:
  nightly:
    cron: { schedule: "0 2 * * *", timezone: Asia/Tokyo }
    input: { at: "${ $trigger.slot }" }
nodes:
  make: { action: condition.check }
"#;

const TICKS: &str = r#"
apiVersion: nebula/v1
kind: Workflow
name: ticks
triggers:
  second: { cron: { schedule: "* * * * * *", overlap: allow, catch_up: none } }
nodes:
  make: { action: condition.check }
"#;

#[test]
fn triggers_are_listed_tried_and_switched_from_the_command_line() {
    let cli = Cli::new();
    let file = cli.file("report.yaml", REPORT);
    assert_eq!(cli.run(&["workflow", "deploy", &file]).code, 0);

    let list = cli.run(&["trigger", "list"]);
    assert_eq!(list.code, 0, "{list:?}");
    let mut lines = list.stdout.lines();
    let heading: Vec<_> = lines
        .next()
        .expect("a heading")
        .split_whitespace()
        .collect();
    assert_eq!(
        heading,
        [
            "TRIGGER", "KIND", "ON", "NEXT", "POLLED", "EVENTS", "LAST", "OUTCOME", "ERRORS",
            "ERROR"
        ]
    );
    let row: Vec<_> = lines.next().expect("a row").split_whitespace().collect();
    let next = row[3];
    assert!(next.ends_with("T17:00:00.000Z"), "02:00 in Tokyo: {next}");
    assert_eq!(
        row,
        [
            "report/nightly",
            "cron",
            "true",
            next,
            "-",
            "-",
            "-",
            "-",
            "0",
            "-"
        ]
    );
    let names = cli.run(&["trigger", "list", "-o", "name"]);
    assert_eq!(names.stdout, "report/nightly\n");

    let tried = cli.run(&["trigger", "test", "report/nightly"]);
    assert_eq!(tried.code, 0, "{tried:?}");
    let lines: Vec<_> = tried.stdout.lines().collect();
    assert_eq!(lines.len(), 6, "{tried:?}");
    assert_eq!(lines[0], format!("next   {next}"));
    assert_eq!(lines[5], format!("input  {{\"at\":\"{next}\"}}"));
    assert!(
        tried.stderr.contains("--fire starts an execution"),
        "{tried:?}"
    );
    assert_eq!(
        cli.json(&["execution", "list"])["items"],
        serde_json::json!([])
    );

    let off = cli.run(&["trigger", "disable", "report/nightly"]);
    assert_eq!(off.stdout, "report/nightly is disabled\n", "{off:?}");
    let shown = cli.json(&["trigger", "get", "report/nightly"]);
    assert_eq!(shown["enabled"], false);
    assert!(shown["next_at"].is_null(), "{shown}");
    let fired = cli.run(&["trigger", "test", "report/nightly", "--fire"]);
    assert!(fired.stdout.contains("started exec-"), "{fired:?}");
    let on = cli.run(&["trigger", "enable", "report/nightly"]);
    assert_eq!(on.stdout, "report/nightly is enabled\n", "{on:?}");

    refusals(&cli);
}

fn refusals(cli: &Cli) {
    let whose = cli.run(&["trigger", "get", "nightly"]);
    assert_eq!(whose.code, 3, "{whose:?}");
    assert!(whose.stderr.contains("WORKFLOW/TRIGGER"), "{whose:?}");
    let unknown = cli.run(&["trigger", "get", "report/daily"]);
    assert_eq!(unknown.code, 3, "{unknown:?}");
    assert!(
        unknown.stderr.contains("its newest version has `nightly`"),
        "{unknown:?}"
    );
    let never = cli.file("never.yaml", &REPORT.replace("0 2 * * *", "0 0 31 4 *"));
    let refused = cli.run(&["workflow", "deploy", &never]);
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(refused.stderr.contains("never fires"), "{refused:?}");
}

#[test]
fn a_node_that_is_killed_starts_no_slot_twice() {
    let cli = Cli::new();
    let file = cli.file("ticks.yaml", TICKS);
    let node = cli.node();
    assert_eq!(cli.run(&["workflow", "deploy", &file]).code, 0);
    let fired = |cli: &Cli| {
        let shown = cli.json(&["trigger", "get", "ticks/second"]);
        shown["last_event"]["slot"].as_str().map(str::to_owned)
    };
    let mut node = Some(node);
    let mut last = None;
    for _ in 0..3 {
        for _ in 0..600 {
            let now = fired(&cli);
            if now.is_some() && now != last {
                last = now;
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(last.is_some());
        if let Some(node) = node.take() {
            node.kill();
        }
        node = Some(cli.node());
    }
    cli.run(&["trigger", "disable", "ticks/second"]);
    let listed = cli.json(&["execution", "list", "--limit", "1000"]);
    let mut slots = Vec::new();
    for execution in listed["items"].as_array().expect("items") {
        let id = execution["id"].as_str().expect("an id");
        let shown = cli.json(&["execution", "get", id]);
        slots.push(shown["input"]["slot"].as_str().expect("a slot").to_owned());
    }
    assert!(slots.len() >= 3, "{slots:?}");
    let all = slots.len();
    slots.sort_unstable();
    slots.dedup();
    assert_eq!(slots.len(), all, "{slots:?}");
}
