//! Plain text of a credential: an action gets it with both words of an operator and
//! not with one, each time is on record, and nothing that the action does with it is
//! left anywhere but where it sent it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::{Cli, Ended, RunningNode};
use crate::sizes::build;

const SECRET: &str = "Sesame-4711-Open";
const COVERED: &str = "****************";
const ACTION: &str = "sample.asks";
const SAID: &str = "the action reads credential `prod` in plain text, as it was granted";

/// A service that hands each body to the test.
fn service() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let at = format!("http://{}", listener.local_addr().expect("an address"));
    let (sender, told) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            answer(stream, &sender);
        }
    });
    (at, told)
}

fn answer(stream: TcpStream, told: &Sender<String>) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while reader.read_line(&mut head).is_ok_and(|bytes| bytes > 2) {}
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a number"))];
    reader.read_exact(&mut body).expect("the body");
    let _ = told.send(String::from_utf8_lossy(&body).into_owned());
    let response = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let _ = reader.get_mut().write_all(response.as_bytes());
}

/// The secret as it is, and as hosts are written.
fn without_the_secret(place: &str, bytes: &[u8]) {
    for secret in [SECRET, &SECRET.to_lowercase()] {
        let found = memchr::memmem::find(bytes, secret.as_bytes());
        assert!(found.is_none(), "{secret} in {place}");
    }
}

fn files(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path);
        } else if let Ok(bytes) = std::fs::read(&path) {
            without_the_secret(&path.display().to_string(), &bytes);
        }
    }
}

/// A node with an action that tells what it gets for a credential.
struct House {
    cli: Cli,
    told: Receiver<String>,
    _node: RunningNode,
}

impl House {
    fn start() -> Self {
        let cli = Cli::new();
        let component = build("asks");
        let component = component.to_str().expect("a text path");
        let log = cli.folder().join("log");
        let node = cli.node_logging(&["--component", component], &log);
        let (at, told) = service();
        let house = Self {
            cli,
            told,
            _node: node,
        };
        house.run(0, &["grant", ACTION, "api.example", "--at", &at]);
        for (workflow, credential) in [("with-prod", "prod"), ("with-other", "other")] {
            house.set(credential, &["--reveal"]);
            let workflow = json!({
                "apiVersion": "nebula/v1", "kind": "Workflow", "name": workflow,
                "nodes": { "ask": {
                    "action": ACTION, "input": { "how": "${ $input.how }" },
                    "credentials": { "door": credential },
                } },
                "output": "${ $nodes.ask.result }",
            });
            let file = house.cli.file("workflow.json", &workflow.to_string());
            house.run(0, &["workflow", "deploy", &file]);
        }
        house
    }

    /// Runs a command that must end with this code and say nothing of the secret.
    fn run(&self, code: i32, arguments: &[&str]) -> Ended {
        let ended = self.cli.run(arguments);
        assert_eq!(ended.code, code, "{arguments:?}: {ended:?}");
        let said = format!("{}{}", ended.stdout, ended.stderr);
        without_the_secret(&arguments.join(" "), said.as_bytes());
        ended
    }

    fn set(&self, name: &str, more: &[&str]) -> Ended {
        let file = self.cli.file("secret", &format!("{SECRET}\n"));
        let set = ["credential", "set", name, "--host", "api.example"];
        let ended = self.run(0, &[&set, more, &["--from-file", &file]].concat());
        std::fs::remove_file(file).expect("there");
        ended
    }

    /// Runs a workflow: the execution, and what the service was told.
    fn execute(&self, code: i32, workflow: &str, how: &str) -> (Value, Option<String>) {
        let input = json!({ "how": how }).to_string();
        let execute = ["workflow", "execute", workflow, "--json", &input];
        let ended = self.run(code, &[&execute[..], &["--wait", "-o", "json"]].concat());
        let execution = serde_json::from_str(&ended.stdout).expect("JSON");
        (execution, self.told.recv_timeout(Duration::ZERO).ok())
    }

    /// Whether the action got plain text.
    fn is_told(&self, workflow: &str) -> bool {
        let (execution, told) = self.execute(0, workflow, "tells");
        let told = told.expect("told");
        let output = execution["output"].as_str().expect("a text");
        if told == SECRET {
            assert_eq!(output, COVERED);
            return true;
        }
        assert!(told.starts_with("nebula-secret-"), "{told}");
        assert_eq!(output, told);
        false
    }

    /// What may be read, as `grant list` shows it.
    fn may(&self) -> Vec<String> {
        let listed = self.run(0, &["grant", "list", ACTION]).stdout;
        let of_credentials = listed.lines().filter(|line| line.contains("plain text"));
        of_credentials.map(str::to_owned).collect()
    }

    fn node_log(&self) -> String {
        std::fs::read_to_string(self.cli.folder().join("log")).expect("a log")
    }
}

#[test]
fn an_action_reads_plain_text_with_both_words_and_each_time_is_on_record() {
    let house = House::start();
    assert!(!house.is_told("with-prod"), "the credential's word alone");
    assert!(house.may().is_empty());

    let granted = house.run(0, &["grant", "reveal", ACTION, "prod"]);
    assert!(granted.stdout.contains("in plain text"), "{granted:?}");
    let may = house.may();
    assert!(may.len() == 1 && may[0].contains("prod"), "{may:?}");
    assert!(house.is_told("with-prod"));
    assert!(!house.is_told("with-other"), "of this credential only");

    // Each call says so, whatever it does with it, in both logs.
    let (failed, told) = house.execute(1, "with-prod", "fails");
    assert_eq!(told.as_deref(), Some(SECRET));
    let error = failed["error"]["message"].as_str().expect("an error");
    assert!(error.contains(&format!("no use for {COVERED}")), "{failed}");
    let id = failed["id"].as_str().expect("an id");
    let logs = house.run(0, &["execution", "logs", id]).stdout;
    assert!(
        logs.contains(SAID) && logs.contains(&format!("it is {COVERED}")),
        "{logs}"
    );
    let node_log = house.node_log();
    let audit = node_log
        .lines()
        .filter(|line| line.contains("an action reads a credential in plain text"));
    let audit: Vec<_> = audit.collect();
    assert_eq!(audit.len(), 2, "{audit:?}");
    for part in [ACTION, "prod", id, "default", "with-prod", "INFO"] {
        assert!(audit[1].contains(part), "{part}: {audit:?}");
    }

    // Where the host's name should be it is covered too.
    house.execute(1, "with-prod", "strays");
    let listed = house
        .run(0, &["grant", "list", ACTION, "-o", "wide"])
        .stdout;
    assert!(listed.contains(&format!("{COVERED}.example")), "{listed}");

    // Either word is taken back from the next call on.
    house.run(0, &["grant", "revoke", ACTION, "--credential", "prod"]);
    assert!(!house.is_told("with-prod"));
    house.run(0, &["grant", "reveal", ACTION, "prod"]);
    assert!(house.is_told("with-prod"));
    house.set("prod", &[]);
    assert!(!house.is_told("with-prod"));
    let may = house.may();
    assert!(
        may[0].contains("not read in plain text, though granted"),
        "{may:?}"
    );

    // The grant of a credential that is gone does not hold for another of its name.
    house.run(0, &["credential", "remove", "prod"]);
    house.set("prod", &["--reveal"]);
    assert!(!house.is_told("with-prod"));

    // What actions reached is written every few seconds, and when the node stops.
    house.run(0, &["grant", "list", "-o", "json"]);
    files(house.cli.folder());
}

#[test]
fn what_is_missing_for_plain_text_is_said_at_once() {
    let house = House::start();
    let set = house.set("prod", &["--reveal"]);
    assert!(
        set.stdout.contains("nebula grant reveal ACTION prod"),
        "{set:?}"
    );
    house.set("quiet", &[]);
    let reveal = ["grant", "reveal", ACTION];
    let revoke = ["grant", "revoke", ACTION];
    let oauth2 = [
        "credential",
        "set",
        "crm",
        "--kind",
        "oauth2",
        "--client-id",
        "me",
        "--token-url",
        "https://login.example/",
        "--reveal",
        "--from-env",
        "HOME",
    ];
    for (arguments, code, said) in [
        ([&reveal[..], &["nobody"]].concat(), 3, "`nobody`"),
        ([&reveal[..], &["quiet"]].concat(), 3, "--reveal"),
        ([&reveal[..], &["no/name"]].concat(), 3, "no/name"),
        (vec!["grant", "reveal", "nodots", "prod"], 3, "nodots"),
        (
            [&revoke[..], &["--credential", "prod"]].concat(),
            3,
            "`prod`",
        ),
        (revoke.to_vec(), 2, "--credential"),
        (
            [&revoke[..], &["a.example", "--credential", "prod"]].concat(),
            2,
            "--credential",
        ),
        (oauth2.to_vec(), 3, "only the host"),
    ] {
        let ended = house.run(code, &arguments);
        assert!(ended.stderr.contains(said), "{arguments:?}: {ended:?}");
    }
    assert!(house.may().is_empty());
}

#[test]
fn an_author_tests_what_an_action_does_with_plain_text() {
    let cli = Cli::fresh();
    let (at, told) = service();
    let component = build("asks");
    let component = component.to_str().expect("a text path");
    let allow = format!("api.example={at}");
    let file = cli.file("secret", SECRET);
    let credential = format!("door=@{file}");
    let call = [
        "action",
        "test",
        component,
        "--json",
        r#"{"how": "tells"}"#,
        "-o",
        "json",
        "--allow",
        &allow,
        "--credential",
        &credential,
    ];
    let ended = cli.run(&call);
    let answer: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let output = answer["output"].as_str().expect("a text");
    assert!(output.starts_with("nebula-secret-"), "{ended:?}");
    assert_eq!(told.recv().expect("told"), output);

    let ended = cli.run(&[&call[..], &["--reveal", "door"]].concat());
    let answer: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(answer["output"], COVERED, "{ended:?}");
    assert_eq!(told.recv().expect("told"), SECRET);
    assert!(ended.stdout.contains("in plain text"), "{ended:?}");
    without_the_secret("action test", ended.stdout.as_bytes());

    let window = cli.run(&[&call[..], &["--reveal", "window"]].concat());
    assert_eq!(window.code, 3, "{window:?}");
    assert!(window.stderr.contains("`window`"), "{window:?}");
    let oauth2 = r#"{"token_url": "https://a.example", "client_id": "me", "client_secret": "x"}"#;
    let credential = format!("key=oauth2:@{}", cli.file("client", oauth2));
    let never = ["--credential", &credential, "--reveal", "key"];
    let never = cli.run(&[&call[..], &never].concat());
    assert_eq!(never.code, 3, "{never:?}");
    assert!(never.stderr.contains("only the host"), "{never:?}");
}
