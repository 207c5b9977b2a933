//! What starts workflows by what it finds: a feed of a server on this machine.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::{Cli, Ended};

const NEWS: &str = r#"
apiVersion: nebula/v1
kind: Workflow
name: announce
input: { type: object, required: [title] }
triggers:
  news:
    poll: { action: rss.new_items, every: 1s, with: { url: "http://news.example/feed.xml" } }
    input: { title: "${ $trigger.event.title }" }
nodes:
  tell: { action: condition.check }
"#;

/// A server of a feed.
struct Server {
    /// The titles of its entries, the newest last.
    entries: Arc<Mutex<Vec<String>>>,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let entries: Arc<Mutex<Vec<String>>> = Arc::default();
        let shown = Arc::clone(&entries);
        // Ends with the process: nobody waits for it.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let titles = shown.lock().expect("no panic").clone();
                // A client that is killed has hung up.
                let _ = stream.and_then(|stream| serve(stream, &titles));
            }
        });
        Self { entries, port }
    }

    fn publish(&self, titles: impl IntoIterator<Item = String>) {
        self.entries.lock().expect("no panic").extend(titles);
    }
}

/// Answers one request, with 304 if nothing has changed.
fn serve(mut stream: TcpStream, titles: &[String]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let etag = format!("\"{}\"", titles.len());
    let mut known = false;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        known |= line.to_ascii_lowercase() == format!("if-none-match: {etag}");
        if line.is_empty() {
            break;
        }
    }
    let items = titles.iter().enumerate().rev();
    let items: String = items
        .map(|(id, title)| format!("<item><guid>{id}</guid><title>{title}</title></item>"))
        .collect();
    let body = format!("<rss><channel><title>News</title>{items}</channel></rss>");
    let (status, body) = if known {
        ("304 Not Modified", "")
    } else {
        ("200 OK", body.as_str())
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\netag: {etag}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A folder on which the feed may be read.
fn granted(server: &Server) -> Cli {
    let cli = Cli::new();
    let at = format!("http://127.0.0.1:{}", server.port);
    let grant = ["grant", "rss.new_items", "news.example", "--at", &at];
    let granted = cli.run(&grant);
    assert_eq!(granted.code, 0, "{granted:?}");
    cli
}

fn shown(cli: &Cli) -> Value {
    cli.json(&["trigger", "get", "announce/news"])
}

/// Waits until the trigger is as it should be.
fn until(cli: &Cli, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..600 {
        let trigger = shown(cli);
        if holds(&trigger) {
            return trigger;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{what}: {:?}", shown(cli))
}

/// How many executions each title started.
fn started(cli: &Cli) -> BTreeMap<String, usize> {
    let listed = cli.json(&["execution", "list", "--limit", "1000"]);
    let mut titles = BTreeMap::new();
    for execution in listed["items"].as_array().expect("items") {
        let id = execution["id"].as_str().expect("an id");
        let shown = cli.json(&["execution", "get", id]);
        let title = shown["input"]["title"].as_str().expect("a title");
        *titles.entry(title.to_owned()).or_default() += 1;
    }
    titles
}

#[test]
fn each_entry_of_a_feed_starts_one_execution_however_often_the_node_is_killed() {
    let server = Server::start();
    server.publish((0..3).map(|n| format!("old {n}")));
    let cli = granted(&server);
    let mut node = cli.node();
    let file = cli.file("announce.yaml", NEWS);
    let deployed = cli.run(&["workflow", "deploy", &file]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    // What was there before is not new.
    until(&cli, "a first poll", |t| t["polled_at"].is_string());
    let mut published = Vec::new();
    for round in 0..3 {
        let titles: Vec<String> = (0..20).map(|n| format!("new {round}-{n}")).collect();
        server.publish(titles.clone());
        published.extend(titles);
        // Once when it has just found them, once when it may be about to, once when all
        // have started.
        let found = (round + 1) * 20;
        match round {
            0 => drop(until(&cli, "found", |t| t["events"] == json!(found))),
            1 => std::thread::sleep(Duration::from_millis(900)),
            _ => drop(until(&cli, "started", |t| {
                t["last_event"]["outcome"] == "started"
            })),
        }
        node.kill();
        node = cli.node();
    }
    let found = published.len();
    until(&cli, "all are found", |t| t["events"] == json!(found));
    for _ in 0..600 {
        if started(&cli).len() >= found {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let started = started(&cli);
    let wanted: BTreeMap<String, usize> = published.into_iter().map(|t| (t, 1)).collect();
    assert_eq!(started, wanted);
    drop(node);
}

#[test]
fn a_poll_is_tried_by_hand_and_shown_in_lists() {
    let server = Server::start();
    let cli = granted(&server);
    let _node = cli.node();
    let file = cli.file("announce.yaml", &NEWS.replace("every: 1s", "every: 1h"));
    assert_eq!(cli.run(&["workflow", "deploy", &file]).code, 0);
    let first = until(&cli, "a first poll", |t| t["polled_at"].is_string());
    assert_eq!(first["kind"], "poll");
    assert_eq!(
        (&first["action"], &first["every"]),
        (&json!("rss.new_items"), &json!("1h"))
    );
    assert_eq!(first["cursor"]["seen"], json!([]));

    server.publish(["Tea is up".to_owned()]);
    let tried = cli.run(&["trigger", "test", "announce/news"]);
    assert_eq!(tried.code, 0, "{tried:?}");
    let lines: Vec<&str> = tried.stdout.lines().collect();
    assert!(
        lines[0].starts_with("event  {\"id\":\"0\",\"title\":\"Tea is up\""),
        "{tried:?}"
    );
    assert!(lines[1].starts_with("cursor {\"seen\":[\""), "{tried:?}");
    assert_eq!(lines[2], "input  {\"title\":\"Tea is up\"}", "{tried:?}");
    // Nothing started, and the cursor is where it was.
    assert_eq!(cli.json(&["execution", "list"])["items"], json!([]));
    assert_eq!(shown(&cli)["cursor"], first["cursor"]);
    let fired = cli.run(&["trigger", "test", "announce/news", "--fire"]);
    assert!(fired.stdout.contains("started exec-"), "{fired:?}");

    let list = cli.run(&["trigger", "list", "-o", "wide"]);
    let row = list.stdout.lines().nth(1).expect("a row").to_owned();
    for part in ["announce/news", "poll", "rss.new_items", "1h", "tested"] {
        assert!(row.contains(part), "{part} in {row}");
    }
    let actions = cli.json(&["action", "list", "--limit", "200"]);
    let mut kinds = actions["items"].as_array().expect("items").iter();
    let kind = |action: &Value| (action["id"] == "rss.new_items").then(|| action["kind"].clone());
    assert_eq!(kinds.find_map(kind), Some(json!("trigger")));
    failures(&cli);
    refusals(&cli);
}

/// A host that was not granted, when it is tried and when it is polled.
fn failures(cli: &Cli) {
    let other = NEWS
        .replace("announce", "other")
        .replace("news.example", "log.example");
    let file = cli.file("other.yaml", &other);
    assert_eq!(cli.run(&["workflow", "deploy", &file]).code, 0);
    let tried = cli.run(&["trigger", "test", "other/news"]);
    assert_eq!(tried.code, 1, "{tried:?}");
    assert!(
        tried.stderr.contains("the trigger could not poll"),
        "{tried:?}"
    );
    assert!(
        tried
            .stderr
            .contains("was not granted the host `log.example`"),
        "{tried:?}"
    );
    for _ in 0..600 {
        let trigger = cli.json(&["trigger", "get", "other/news"]);
        let error = trigger["last_error"]["message"].as_str();
        if error.is_some_and(|error| error.contains("was not granted the host `log.example`")) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the poll does not fail")
}

fn refusals(cli: &Cli) {
    let deploy = |from: &str, to: &str| -> Ended {
        let file = cli.file("refused.yaml", &NEWS.replace(from, to));
        cli.run(&["workflow", "deploy", &file])
    };
    for (from, to, part) in [
        (
            "rss.new_items",
            "rss.fetch",
            "the trigger `news` polls `rss.fetch`, and that action is no trigger",
        ),
        (
            "condition.check",
            "rss.new_items",
            "`rss.new_items` is a trigger, and no action that a node can run",
        ),
        (
            "every: 1s",
            "every: 10ms",
            "`every` is at least 1s and at most 30d, not 10ms",
        ),
        ("url:", "uri:", "does not take this config"),
        ("event.title", "event.titel", "did you mean `title`?"),
    ] {
        let refused = deploy(from, to);
        assert_eq!(refused.code, 3, "{refused:?}");
        assert!(refused.stderr.contains(part), "{part} in {refused:?}");
    }
}
