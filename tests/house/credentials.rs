//! Credentials of every kind, through a node and without one: what a service is sent,
//! and what is left of it anywhere.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::cli::{Cli, Ended};

const TOKEN: &str = "t0ken-0f-the-house";
/// `ada:sw0rdfish`.
const SENT: &str = "YWRhOnN3MHJkZmlzaA==";
const PASSWORD: &str = "sw0rdfish";
const CLIENT: &str = "cl1ent-s3cret";
const KEY: &str = "k3y-k3y-k3y";

/// A service that says what it was sent, and gives tokens; it keeps what it was asked.
struct Service {
    at: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Service {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let at = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || answer(stream, &kept));
            }
        });
        Self { at, asked }
    }

    /// What was asked of a path.
    fn asked(&self, path: &str) -> Vec<String> {
        let asked = self.asked.lock().expect("no panic");
        let of = |head: &&String| head.split(' ').nth(1) == Some(path);
        asked.iter().filter(of).cloned().collect()
    }
}

fn answer(stream: TcpStream, kept: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while reader.read_line(&mut head).is_ok_and(|bytes| bytes > 2) {}
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a number"))];
    reader.read_exact(&mut body).expect("the body");
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let (status, said) = match path.as_str() {
        "/token" => (
            "200 OK",
            json!({ "access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600 }),
        ),
        "/no-token" => (
            "400 Bad Request",
            json!({ "error": "invalid_client", "error_description": CLIENT }),
        ),
        _ => ("200 OK", json!({ "you sent": head })),
    };
    kept.lock()
        .expect("no panic")
        .push(format!("{head}{}", String::from_utf8_lossy(&body)));
    let said = said.to_string();
    let response = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{said}",
        said.len()
    );
    let _ = reader.get_mut().write_all(response.as_bytes());
}

fn without_secrets(place: &str, bytes: &[u8]) {
    for secret in [TOKEN, SENT, PASSWORD, CLIENT, KEY] {
        let found = memchr::memmem::find(bytes, secret.as_bytes());
        assert!(found.is_none(), "{secret} in {place}");
    }
}

fn clean(ended: &Ended) -> Value {
    without_secrets("stdout", ended.stdout.as_bytes());
    without_secrets("stderr", ended.stderr.as_bytes());
    serde_json::from_str(&ended.stdout).unwrap_or(Value::Null)
}

fn files(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path);
        } else if let Ok(bytes) = std::fs::read(&path) {
            without_secrets(&path.display().to_string(), &bytes);
        }
    }
}

/// A workflow that asks the service with a credential.
fn workflow(name: &str, credential: &str) -> String {
    json!({
        "apiVersion": "nebula/v1", "kind": "Workflow", "name": name,
        "nodes": {
            "ask": {
                "action": "http.request",
                "input": { "url": format!("https://api.example/{credential}"), "auth": {} },
                "credentials": { "auth": credential },
            },
        },
        "output": "${ $nodes.ask.result.json }",
    })
    .to_string()
}

#[test]
fn a_service_is_sent_what_the_kind_says_and_nothing_of_it_is_left() {
    let cli = Cli::new();
    let service = Service::start();
    let node = cli.node();
    let set = |name: &str, secret: &str, more: &[&str]| {
        let file = cli.file("secret", &format!("{secret}\n"));
        let set = ["credential", "set", name, "--host", "api.example"];
        let ended = cli.run(&[&set, more, &["--from-file", &file]].concat());
        std::fs::remove_file(file).expect("there");
        assert_eq!(ended.code, 0, "{ended:?}");
    };
    set("basic", PASSWORD, &["--kind", "basic", "--user", "ada"]);
    set("key", KEY, &["--kind", "api-key", "--header", "X-Api-Key"]);
    let login = [
        "--kind",
        "oauth2",
        "--client-id",
        "me",
        "--token-at",
        &service.at,
    ];
    let at = |url| [&login[..], &["--scope", "read", "--token-url", url]].concat();
    set("oauth2", CLIENT, &at("https://login.example/token"));
    set("locked-out", CLIENT, &at("https://login.example/no-token"));
    let grant = ["grant", "http.request", "api.example", "--at", &service.at];
    assert_eq!(cli.run(&grant).code, 0);

    let execute = |name: &str, code: i32| {
        let file = cli.file("workflow.json", &workflow(name, name));
        assert_eq!(cli.run(&["workflow", "deploy", &file]).code, 0);
        let ended = cli.run(&["workflow", "execute", name, "--wait", "-o", "json"]);
        assert_eq!(ended.code, code, "{ended:?}");
        clean(&ended)
    };
    for (name, line) in [
        ("basic", format!("authorization: Basic {SENT}\r\n")),
        ("key", format!("x-api-key: {KEY}\r\n")),
        ("oauth2", format!("authorization: Bearer {TOKEN}\r\n")),
        ("oauth2", format!("authorization: Bearer {TOKEN}\r\n")),
    ] {
        let ended = execute(name, 0);
        // It said what it was sent: that came back without the secret.
        let said = ended["output"]["you sent"].as_str().expect("text");
        assert!(said.contains("****"), "{said}");
        let asked = service.asked(&format!("/{name}"));
        assert!(asked.last().expect("one").contains(&line), "{asked:?}");
    }
    let tokens = service.asked("/token");
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    assert!(tokens[0].contains("grant_type=client_credentials&scope=read"));

    let failed = execute("locked-out", 1);
    let id = failed["id"].as_str().expect("an id").to_owned();
    let logs = cli.run(&["execution", "logs", &id]);
    clean(&logs);
    let why = "the token endpoint of credential `locked-out` answered 400 invalid_client";
    assert!(logs.stdout.contains(why), "{logs:?}");
    assert!(service.asked("/locked-out").is_empty());

    let listed = cli.run(&["credential", "list", "-o", "json"]);
    let listed = clean(&listed);
    let kinds: Vec<&Value> = listed["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| &item["kind"])
        .collect();
    assert_eq!(kinds, ["basic", "api-key", "oauth2", "oauth2"]);
    files(&cli.folder().join("data"));
    drop(node);
    files(&cli.folder().join("data"));
}

#[test]
fn what_a_kind_lacks_is_said() {
    let cli = Cli::new();
    let file = cli.file("secret", PASSWORD);
    for (more, said) in [
        (&["--kind", "basic"][..], "user"),
        (&["--kind", "api-key", "--header", "host"], "header"),
        (
            &[
                "--kind",
                "oauth2",
                "--client-id",
                "a",
                "--token-url",
                "http://b.example",
            ],
            "https",
        ),
        (&["--kind", "certificate"], "certificate"),
        (&["--kind", "else"], "possible values"),
    ] {
        let set = ["credential", "set", "x", "--from-file", &file];
        let ended = cli.run(&[&set, more].concat());
        assert_ne!(ended.code, 0, "{ended:?}");
        assert!(ended.stderr.contains(said), "{more:?}: {ended:?}");
        clean(&ended);
    }
}

#[test]
fn a_call_without_a_node_has_credentials_of_every_kind_and_records_none() {
    let cli = Cli::fresh();
    let service = Service::start();
    let pack = nebula_server::PACKS
        .iter()
        .find(|(name, _)| *name == "http");
    let component = cli.folder().join("http.wasm");
    std::fs::write(&component, pack.expect("a pack").1).expect("writable");
    let component = component.to_str().expect("text");
    let allow = format!("api.example={}", service.at);
    let call = |path: &str, options: &[&str]| {
        let input = json!({ "url": format!("https://api.example{path}"), "auth": {} }).to_string();
        let action = ["--action", "http.request", "--json", &input, "-o", "json"];
        cli.run(&[&["action", "test", component], &action[..], options].concat())
    };
    let client = json!({
        "token_url": "https://login.example/token", "token_at": service.at,
        "client_id": "me", "client_secret": CLIENT,
    });
    for (path, given, line) in [
        (
            "/basic",
            format!("basic:@{}", cli.file("basic", "ada:sw0rdfish\n")),
            format!("authorization: Basic {SENT}"),
        ),
        (
            "/key",
            format!("api-key:@{}", cli.file("key", &format!("X-Key: {KEY}\n"))),
            format!("x-key: {KEY}"),
        ),
        (
            "/oauth2",
            format!("oauth2:@{}", cli.file("client", &client.to_string())),
            format!("authorization: Bearer {TOKEN}"),
        ),
    ] {
        let credential = format!("auth={given}");
        let cassette = cli.folder().join("cassette.yaml");
        let file = cassette.to_str().expect("text");
        let record = [
            "--allow",
            &allow,
            "--credential",
            &credential,
            "--record",
            file,
        ];
        let recorded = call(path, &record);
        assert_eq!(recorded.code, 0, "{recorded:?}");
        clean(&recorded);
        let asked = service.asked(path);
        assert!(asked[0].contains(&format!("{line}\r\n")), "{asked:?}");
        without_secrets("the cassette", &std::fs::read(&cassette).expect("written"));

        let tokens = service.asked("/token").len();
        let mocked = call(path, &["--credential", &credential, "--mock-http", file]);
        assert_eq!(mocked.code, 0, "{mocked:?}");
        clean(&mocked);
        assert_eq!(service.asked(path).len(), 1, "nobody was asked");
        assert_eq!(service.asked("/token").len(), tokens, "nor for a token");
        std::fs::remove_file(cassette).expect("there");
    }
    for (given, said) in [
        ("auth=s3cret".to_owned(), "NAME=@FILE"),
        ("auth=s3@cret".into(), "NAME=@FILE"),
        (format!("auth=else:@{}", cli.file("else", "x")), "`else`"),
        (
            format!("auth=basic:@{}", cli.file("user", PASSWORD)),
            "user:password",
        ),
        (
            format!("auth=oauth2:@{}", cli.file("json", CLIENT)),
            "client_id",
        ),
    ] {
        let ended = call("/", &["--credential", &given]);
        assert_eq!(ended.code, 3, "{ended:?}");
        assert!(ended.stderr.contains(said), "{ended:?}");
        clean(&ended);
    }
}
