//! `nebula action test` and `nebula action bench` of a component: snapshots, recorded
//! answers, watching, profiles, figures.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::cli::{Cli, Ended};
use crate::hub_world::component;

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn value(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {ended:?}"))
}

// --------------------------------------------------------------- snapshots --

#[test]
fn what_comes_out_is_compared_with_the_snapshot_beside_the_input() {
    let cli = Cli::fresh();
    let input = cli.file("ada.json", r#"{ "name": "Ada" }"#);
    let wrong = cli.file("wrong.json", "{}");
    let test = |input: &str, more: &[&str]| {
        let call = ["action", "test", text(component()), "--input", input];
        cli.run(&[&call, more].concat())
    };
    let plain = test(&input, &["-o", "json"]);
    assert_eq!((plain.code, value(&plain).get("snapshot")), (0, None));

    let kept = test(&input, &["--update"]);
    assert_eq!(kept.code, 0, "{kept:?}");
    assert!(kept.stdout.contains("written      "), "{kept:?}");
    let file = cli.folder().join("ada.snapshot.json");
    let snapshot = std::fs::read_to_string(&file).expect("kept");
    let wanted = "{\n  \"output\": {\n    \"text\": \"Hello, Ada!\"\n  }\n}\n";
    assert_eq!(snapshot, wanted);
    let same = value(&test(&input, &["-o", "json"]));
    assert_eq!(same["snapshot"]["matches"], true, "{same}");

    cli.file("ada.snapshot.json", &snapshot.replace("Ada", "Bob"));
    let other = test(&input, &[]);
    assert_eq!(other.code, 1, "{other:?}");
    let told = r#"/output/text: expected "Hello, Bob!", is "Hello, Ada!""#;
    assert!(other.stdout.contains(told), "{other:?}");
    assert!(other.stderr.contains("--update"), "{other:?}");
    assert_eq!(test(&input, &["--update"]).code, 0);
    assert_eq!(std::fs::read_to_string(&file).expect("kept"), wanted);

    // A failure that is expected is no failure of the test.
    assert_eq!(test(&wrong, &[]).code, 1);
    assert_eq!(test(&wrong, &["--update"]).code, 0);
    let expected = test(&wrong, &["-o", "json"]);
    assert_eq!(expected.code, 0, "{expected:?}");
    assert_eq!(value(&expected)["error"]["kind"], "invalid_input");

    cli.file("ada.snapshot.json", "{");
    let damaged = test(&input, &[]);
    assert_eq!(damaged.code, 3, "{damaged:?}");
    assert!(damaged.stderr.contains("ada.snapshot.json"), "{damaged:?}");
    for place in [&["--json", "{}"][..], &["--input", "-"], &[]] {
        let call = ["action", "test", text(component()), "--update"];
        let nowhere = cli.run(&[&call, place].concat());
        assert_eq!(nowhere.code, 3, "{nowhere:?}");
        assert!(nowhere.stderr.contains("--input FILE"), "{nowhere:?}");
    }
}

// --------------------------------------------------------------- recording --

/// A server on loopback: its address, and how often it was asked.
fn server(answer: fn(&str) -> Vec<u8>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = Vec::new();
            let mut part = [0; 4096];
            while !request.windows(4).any(|w| w == b"\r\n\r\n") {
                match stream.read(&mut part).expect("reads") {
                    0 => break,
                    n => request.extend(&part[..n]),
                }
            }
            count.fetch_add(1, Ordering::SeqCst);
            let said = answer(&String::from_utf8_lossy(&request));
            stream.write_all(&said).expect("writes");
        }
    });
    (address, asked)
}

/// Two pages, the first of which leads to the second and repeats what it was sent.
fn pages(request: &str) -> Vec<u8> {
    let mut head = request.lines();
    let path = head.next().and_then(|line| line.split(' ').nth(1));
    let path = path.unwrap_or_default().to_owned();
    let sent = head.find(|line| line.to_lowercase().starts_with("authorization:"));
    let (more, body) = match path.as_str() {
        "/list" => (
            "link: </list?page=2>; rel=\"next\"\r\n",
            json!([{ "n": 1, "sent": sent }]),
        ),
        "/list?page=2" => ("", json!([{ "n": 2 }])),
        "/bytes" => return b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n\xff\xfe".to_vec(),
        _ => return b"HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\nnothing here".to_vec(),
    };
    let body = body.to_string();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nset-cookie: session=s3ss10n\r\n\
         date: today\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The pack `http`, called with options.
fn http(cli: &Cli, action: &str, input: &Value, options: &[&str]) -> Ended {
    let pack = nebula_server::PACKS
        .iter()
        .find(|(name, _)| *name == "http");
    let file = cli.folder().join("http.wasm");
    std::fs::write(&file, pack.expect("a pack").1).expect("writable");
    let input = input.to_string();
    let call = [
        "action",
        "test",
        text(&file),
        "--action",
        action,
        "--json",
        &input,
    ];
    cli.run(&[&call, options, &["-o", "json"]].concat())
}

#[test]
fn recorded_answers_are_given_again_without_the_network_and_hold_no_secret() {
    let cli = Cli::fresh();
    let (address, asked) = server(pages);
    let secret = format!("auth=@{}", cli.file("secret", "s3cret-t0ken\n"));
    let allow = format!("api.example=http://{address}");
    let cassette = cli.folder().join("pages.yaml");
    let input = json!({ "url": "https://api.example/list", "auth": { "prefix": "Bearer " } });
    let network = ["--allow", &allow, "--credential", &secret];
    let record = [&network[..], &["--record", text(&cassette)]].concat();
    let recorded = http(&cli, "http.paginate", &input, &record);
    assert_eq!(recorded.code, 0, "{recorded:?}");
    let recorded = value(&recorded);
    assert_eq!(recorded["output"]["count"], 2, "{recorded}");
    assert_eq!(recorded["http"]["requests"][1]["recorded"], true);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    let written = std::fs::read_to_string(&cassette).expect("written");
    assert!(
        written.contains("https://api.example/list?page=2"),
        "{written}"
    );
    assert!(written.contains("link:"), "{written}");
    for kept_out in ["s3cret", "s3ss10n", "today"] {
        assert!(!written.contains(kept_out), "{kept_out}: {written}");
    }

    let mock = ["--credential", &secret, "--mock-http", text(&cassette)];
    let again = http(&cli, "http.paginate", &input, &mock);
    assert_eq!(again.code, 0, "{again:?}");
    assert_eq!(value(&again)["output"], recorded["output"]);
    assert_eq!(asked.load(Ordering::SeqCst), 2, "nobody was asked");

    // What is there is not written over by accident.
    let taken = http(&cli, "http.paginate", &input, &record);
    assert_eq!(taken.code, 3, "{taken:?}");
    assert!(taken.stderr.contains("--update"), "{taken:?}");
    assert_eq!(std::fs::read_to_string(&cassette).expect("there"), written);
    let anew = [&record[..], &["--update"]].concat();
    assert_eq!(http(&cli, "http.paginate", &input, &anew).code, 0);
    assert_eq!(std::fs::read_to_string(&cassette).expect("there"), written);
}

#[test]
fn what_cannot_be_recorded_fails_the_test_and_is_not_written() {
    let cli = Cli::fresh();
    let (address, _) = server(pages);
    let allow = format!("api.example=http://{address}");
    let cassette = cli.folder().join("cassette.yaml");
    let record = |url: &str, allow: &str| {
        let options = ["--allow", allow, "--record", text(&cassette)];
        http(&cli, "http.request", &json!({ "url": url }), &options)
    };
    for (url, allow, why) in [
        ("https://api.example/bytes", allow.as_str(), "is not text"),
        ("https://127.0.0.1/", "127.0.0.1", "loopback"),
        ("https://other.example/", allow.as_str(), "asked nothing"),
    ] {
        let ended = record(url, allow);
        assert_eq!(ended.code, 1, "{ended:?}");
        let error = value(&ended)["error"].clone();
        assert_eq!(error["kind"], "not_recorded", "{url}: {ended:?}");
        let message = error["message"].as_str().expect("text");
        assert!(message.contains(why), "{url}: {message}");
        assert!(!cassette.exists());
    }
    // An answer that the action does not like is one that can be recorded.
    let input = json!({ "url": "https://api.example/gone", "fail_on_status": true });
    let options = ["--allow", &allow, "--record", text(&cassette)];
    let failed = http(&cli, "http.request", &input, &options);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert_ne!(value(&failed)["error"]["kind"], "not_recorded");
    assert!(cassette.exists());
    let both = http(
        &cli,
        "http.request",
        &input,
        &["--record", "a", "--mock-http", "b"],
    );
    assert_eq!(both.code, 2, "{both:?}");
}

// ---------------------------------------------------------------- watching --

/// `nebula action test --watch`; ended when it is dropped.
pub(crate) struct Watching {
    child: Child,
    answers: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Watching {
    pub(crate) fn start(mut command: Command) -> Self {
        command.args(["--watch", "-o", "json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("nebula runs");
        let answers = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, answers }
    }

    /// The next answer.
    pub(crate) fn next(&mut self) -> Value {
        let line = self.answers.next().expect("it goes on").expect("text");
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"))
    }

    /// Ends it as Ctrl-C does; its exit code.
    pub(crate) fn end(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()));
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_change_of_an_input_is_seen_and_a_mistake_in_it_does_not_end_the_watch() {
    let cli = Cli::fresh();
    let input = cli.file("input.json", r#"{ "name": "Ada" }"#);
    let mut command = cli.command();
    // A copy, which no other test builds anew meanwhile.
    let copy = cli.folder().join("main.wasm");
    std::fs::copy(component(), &copy).expect("copies");
    command.args(["action", "test", text(&copy), "--input", &input]);
    let mut watching = Watching::start(command);
    assert_eq!(watching.next()["output"]["text"], "Hello, Ada!");
    cli.file("input.json", "{ not JSON");
    std::thread::sleep(std::time::Duration::from_millis(500));
    cli.file("input.json", r#"{ "name": "Grace" }"#);
    assert_eq!(watching.next()["output"]["text"], "Hello, Grace!");
    assert_eq!(watching.end(), Some(130));

    for (arguments, says) in [
        (&["nothing.wasm", "--json", "{}"][..], "to watch"),
        (
            &[text(component()), "--input", "-"][..],
            "cannot be read again",
        ),
    ] {
        let refused = cli.run(&[&["action", "test", "--watch"], arguments].concat());
        assert_eq!(refused.code, 3, "{refused:?}");
        assert!(refused.stderr.contains(says), "{refused:?}");
    }
}

// ---------------------------------------------------------------- profiles --

/// An action with one function that does nearly all of the work.
fn busy(cli: &Cli) -> String {
    let sdk = crate::root().join("guest-sdk/sdk");
    let manifest =
        std::fs::read_to_string(crate::root().join("tests/guests/custom-action/Cargo.toml"));
    let manifest = manifest
        .expect("readable")
        .replace("../../../guest-sdk/sdk", text(&sdk));
    let folder = cli.folder().join("busy");
    std::fs::create_dir_all(folder.join("src")).expect("writable");
    std::fs::copy(
        crate::root().join("tests/guests/custom-action/Cargo.lock"),
        folder.join("Cargo.lock"),
    )
    .expect("copies");
    std::fs::write(folder.join("Cargo.toml"), manifest).expect("writable");
    std::fs::write(folder.join("src/lib.rs"), BUSY).expect("writable");
    text(&folder).to_owned()
}

const BUSY: &str = r#"#![no_std]
use nebula_sdk::prelude::*;

#[data]
pub struct Input { rounds: u32 }

#[data]
pub struct Output { sum: u32 }

/// Adds up.
#[derive(Action)]
#[action(id = "busy.sum")]
pub struct Busy;

#[inline(never)]
fn churn(rounds: u32) -> u32 {
    (0..rounds).fold(1, |sum, n| core::hint::black_box(sum ^ n).rotate_left(3))
}

#[inline(never)]
fn idle(rounds: u32) -> u32 {
    churn(rounds / 100)
}

impl SimpleAction for Busy {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Input, _: &ActionContext) -> Result<Output> {
        Ok(Output { sum: churn(input.rounds) ^ idle(input.rounds) })
    }
}

nebula_sdk::export!(Busy);
"#;

#[test]
fn a_profile_shows_which_function_burned_the_fuel() {
    let cli = Cli::fresh();
    let folder = busy(&cli);
    let picture = cli.folder().join("busy/flame.svg");
    let shared = crate::cache().with_file_name("created-crates");
    let command = |path: &str, arguments: &[&str]| {
        let mut command = cli.command();
        command
            .env("CARGO_TARGET_DIR", &shared)
            .env("CARGO_NET_OFFLINE", "true");
        command
            .args(["action", "test", path, "--json", r#"{ "rounds": 50000 }"#])
            .args(arguments);
        command
    };
    let test = |path: &str, arguments: &[&str]| {
        Ended::from(command(path, arguments).output().expect("nebula runs"))
    };
    let plain = value(&test(&folder, &["-o", "json"]));
    let profiled = test(&folder, &["--profile", text(&picture), "-o", "json"]);
    assert_eq!(profiled.code, 0, "{profiled:?}");
    let profiled = value(&profiled);
    assert_eq!(profiled["output"], plain["output"], "{profiled}");
    assert_eq!(
        profiled["profile"]["fuel"], profiled["usage"]["fuel"],
        "{profiled}"
    );
    let heaviest = &profiled["profile"]["functions"][0];
    let name = heaviest["name"].as_str().expect("text");
    assert!(name.ends_with("::churn"), "{profiled}");
    assert!(heaviest["share"].as_f64() > Some(80.0), "{profiled}");
    let svg = std::fs::read_to_string(&picture).expect("written");
    let bar = svg.lines().find(|line| line.contains("::churn: "));
    assert!(bar.is_some_and(|bar| bar.contains("<rect ")), "{svg}");
    assert!(
        svg.contains("::idle: ") && svg.contains("busy.sum: "),
        "{svg}"
    );

    let page = test(&folder, &["--profile", text(&picture)]).stdout;
    assert!(page.contains("WITH CALLS") && page.contains(name), "{page}");

    // What was built for others has no names; the picture has numbers, and says why.
    let released = shared.join("wasm32-wasip2/release/custom_action.wasm");
    let unnamed = test(text(&released), &["--profile", text(&picture)]);
    assert!(unnamed.stdout.contains("%  function "), "{unnamed:?}");
    assert!(unnamed.stderr.contains("without names"), "{unnamed:?}");

    // The picture stands among the sources and is no change of them.
    let mut watching = Watching::start(command(&folder, &["--profile", text(&picture)]));
    assert_eq!(watching.next()["output"], plain["output"]);
    let source = cli.folder().join("busy/src/lib.rs");
    std::thread::sleep(std::time::Duration::from_millis(500));
    std::fs::write(&source, BUSY.replace("churn", "toil")).expect("writable");
    let next = watching.next();
    let name = next["profile"]["functions"][0]["name"].as_str();
    assert!(name.is_some_and(|name| name.ends_with("::toil")), "{next}");
    assert_eq!(watching.end(), Some(130));
}

#[test]
fn a_call_that_was_refused_has_no_profile_and_its_own_reason() {
    let cli = Cli::fresh();
    let picture = cli.folder().join("flame.svg");
    let call = ["action", "test", text(component()), "--json", "{}"];
    let refused = cli.run(&[&call[..], &["--profile", text(&picture)]].concat());
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stdout.contains("invalid_input"), "{refused:?}");
    assert!(!picture.exists());
}

// ----------------------------------------------------------------- figures --

#[test]
fn a_bench_tells_what_a_call_costs() {
    let cli = Cli::fresh();
    let bench = |arguments: &[&str]| {
        let call = ["action", "bench", text(component()), "--for", "300ms"];
        cli.run(&[&call, arguments].concat())
    };
    let ada = r#"{ "name": "Ada" }"#;
    for at_once in ["1", "2"] {
        let ended = bench(&["--json", ada, "--concurrency", at_once, "-o", "json"]);
        assert_eq!(ended.code, 0, "{ended:?}");
        let figures = value(&ended);
        assert_eq!(figures["action"], "my.custom_action");
        assert!(figures["calls"].as_u64() > Some(10), "{figures}");
        assert!(
            figures["calls_per_second"].as_f64() > Some(30.0),
            "{figures}"
        );
        for key in ["time_us", "fuel", "memory_bytes"] {
            let at = |name: &str| figures[key][name].as_u64().expect("a number");
            assert!(at("min") > 0, "{figures}");
            let all = ["min", "p50", "p99", "max"].map(at);
            assert!(all.is_sorted(), "{figures}");
        }
    }
    let page = bench(&["--json", ada]);
    for part in ["my.custom_action ", "a second: ", "p50 ", "peak memory"] {
        assert!(page.stdout.contains(part), "{part}: {page:?}");
    }

    let failing = bench(&["--json", "{}"]);
    assert_eq!(failing.code, 1, "{failing:?}");
    assert!(
        failing.stderr.contains("call 1 failed (invalid_input)"),
        "{failing:?}"
    );
    assert_eq!(bench(&["--json", ada, "--concurrency", "0"]).code, 2);
    assert_eq!(bench(&["--json", ada, "--for", "0"]).code, 2);
}
