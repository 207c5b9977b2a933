//! The `nebula` command's outputs, its exit codes, its mocked HTTP and its
//! questions, as scripts and people meet them.

use serde_json::{Value, json};

use crate::cli::Cli;

const ECHO: &str =
    "apiVersion: nebula/v1\nkind: Workflow\nname: echo\nnodes:\n  a: { action: condition.check }\n";

/// A data folder on which `echo` ran three times.
fn echoed() -> (Cli, Vec<String>) {
    let cli = Cli::new();
    let file = cli.file("echo.yaml", ECHO);
    cli.json(&["workflow", "deploy", &file]);
    let ids = (0..3)
        .map(|_| {
            let ended = cli.json(&["workflow", "execute", "echo", "--json", "{}", "--wait"]);
            ended["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    (cli, ids)
}

#[test]
fn a_list_is_a_table_lines_of_json_yaml_or_names_as_asked() {
    let (cli, ids) = echoed();
    let run = |format: &str| {
        let ended = cli.run(&["execution", "list", "-o", format]);
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.stdout
    };
    let table = run("table");
    assert!(table.starts_with("ID") && table.contains(" ago"), "{table}");
    assert!(!table.contains('\x1b'), "no colour in a pipe: {table}");
    assert!(run("wide").contains("FINISHED") && !table.contains("FINISHED"));
    for line in run("jsonl").lines() {
        let item: Value = serde_json::from_str(line).expect("one object a line");
        let created = item["created_at"].as_str().expect("RFC 3339");
        assert!(created.ends_with('Z'), "{created}");
    }
    assert!(run("yaml").contains("workflow: echo"));
    let mut names: Vec<String> = run("name").lines().map(str::to_owned).collect();
    names.reverse();
    assert_eq!(names, ids, "newest first");

    let page = cli.json(&["execution", "list", "--limit", "2"]);
    assert_eq!(page["items"].as_array().map(Vec::len), Some(2));
    let cursor = page["next_cursor"].as_str().expect("there is one more");
    let rest = cli.json(&["execution", "list", "--cursor", cursor]);
    assert_eq!(rest["items"][0]["id"], ids[0].as_str());

    let events = cli.run(&["execution", "watch", &ids[0], "-o", "jsonl"]);
    assert_eq!(events.code, 0, "{events:?}");
    let last = events.stdout.lines().last().expect("an event");
    let last: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(last["type"], "succeeded");
}

#[test]
fn a_list_is_drawn_again_only_on_a_terminal() {
    let (cli, _) = echoed();
    let ended = cli.run(&["execution", "list", "--watch"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.contains("jsonl"), "{ended:?}");
}

#[test]
fn many_are_cancelled_only_after_a_question_or_with_yes() {
    let (cli, ids) = echoed();
    let two = ["execution", "cancel", ids[0].as_str(), ids[1].as_str()];
    let asked = cli.run(&two);
    assert_eq!(asked.code, 3, "{asked:?}");
    assert!(
        asked.stderr.contains(&ids[0]) && asked.stderr.contains("--yes"),
        "it lists what it would touch: {asked:?}"
    );
    let ended = cli.run(&[&two[..], &["--yes"]].concat());
    assert_eq!(ended.code, 3, "they have ended: {ended:?}");
    let none = cli.run(&["execution", "cancel", "--status", "running"]);
    assert_eq!(none.code, 0, "nothing runs: {none:?}");
    assert_eq!(cli.run(&["execution", "cancel"]).code, 2);
}

#[test]
fn help_has_topics_completions_and_man_pages() {
    let cli = Cli::new();
    let codes = cli.run(&["help", "exit-codes"]);
    for code in ["0", "1", "2", "3", "4", "5", "130"] {
        assert!(
            codes
                .stdout
                .lines()
                .any(|l| l.split(' ').next() == Some(code)),
            "{code}: {codes:?}"
        );
    }
    assert!(
        cli.run(&["help", "workflow", "execute"])
            .stdout
            .contains("--wait")
    );
    assert_eq!(cli.run(&["help", "nonsense"]).code, 3);
    for shell in ["bash", "zsh", "fish"] {
        let script = cli.run(&["completions", shell]);
        assert!(
            script.code == 0 && script.stdout.contains("execution"),
            "{shell}"
        );
    }
    let folder = cli.file("marker", "");
    let folder = folder.replace("marker", "man");
    assert_eq!(cli.run(&["man", &folder]).code, 0);
    let page = std::fs::read_to_string(format!("{folder}/nebula-workflow-execute.1"));
    assert!(
        page.expect("a page for each command")
            .contains("idempotency")
    );
}

/// The pack `http.request` as a file, as an author has a component.
fn http_pack(cli: &Cli) -> String {
    let path = cli.file("http.wasm", "");
    let pack = nebula_server::PACKS
        .iter()
        .find(|(name, _)| *name == "http");
    std::fs::write(&path, pack.expect("a pack").1).expect("writable");
    path
}

#[test]
fn mocked_requests_take_the_real_way_and_unmatched_ones_fail_by_name() {
    let cli = Cli::new();
    let pack = http_pack(&cli);
    let mock = cli.file(
        "mock.yaml",
        "- request: { method: GET, url: \"https://api.example/v1?page=2\" }\n  response: { status: 201, json: { ok: true } }\n- request: { url: \"https://other.example/*\" }\n  response: {}\n",
    );
    let secret = cli.file("secret", "s3cret\n");
    let test = |input: Value| {
        let credential = format!("auth=@{secret}");
        cli.run(&[
            "action",
            "test",
            &pack,
            "--action",
            "http.request",
            "--json",
            &input.to_string(),
            "--mock-http",
            &mock,
            "--credential",
            &credential,
            "-o",
            "json",
        ])
    };
    let good = test(json!({ "url": "https://api.example/v1?page=2&x=1", "auth": {} }));
    assert_eq!(good.code, 0, "{good:?}");
    let answer: Value = serde_json::from_str(&good.stdout).expect("JSON");
    assert_eq!(answer["output"]["status"], 201);
    assert_eq!(answer["output"]["json"], json!({ "ok": true }));
    assert_eq!(answer["http"]["requests"][0]["rule"], 0);
    assert_eq!(
        answer["http"]["unused"],
        json!(["any https://other.example/*"])
    );
    assert!(!good.stdout.contains("s3cret"), "{good:?}");

    let bad = test(json!({ "url": "https://api.example/v2" }));
    assert_eq!(bad.code, 1, "{bad:?}");
    let answer: Value = serde_json::from_str(&bad.stdout).expect("JSON");
    assert_eq!(answer["error"]["kind"], "unmatched_request");
    let message = answer["error"]["message"].as_str().expect("a text");
    assert!(message.contains("GET api.example/v2"), "{message}");

    let limits = ["action", "test", &pack, "--json", "{}", "--memory", "1KiB"];
    assert_eq!(cli.run(&limits).code, 2, "a limit that makes no sense");
}
