//! Nodes that share one PostgreSQL database, as people run them.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nebula_tests::postgres::Server;
use serde_json::Value;

use crate::cli::{Cli, Ended};
use crate::serve::Served;

/// In the URL, though the server asks for none.
const PASSWORD: &str = "s3cret-of-the-store";

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&[]))
}

/// A node's configuration, with a store in this schema.
fn config(cli: &Cli, schema: &str) -> String {
    let url = server().url("postgres", &format!("schema={schema}&lease=3s"));
    let url = url.replacen("nebula@", &format!("nebula:{PASSWORD}@"), 1);
    assert!(url.contains(PASSWORD));
    let text = format!("listen = \"127.0.0.1:0\"\nlog = \"debug\"\nstore = \"{url}\"\n");
    cli.file("nebula.toml", &text)
}

/// A command that finds the node's settings in the environment.
fn run(cli: &Cli, config: &str, key: &str, arguments: &[&str]) -> Ended {
    let mut command = cli.command();
    command.env("NEBULA_CONFIG", config).args(arguments);
    if !key.is_empty() {
        command.env("NEBULA_API_KEY", key);
    }
    Ended::from(command.output().expect("nebula runs"))
}

fn json(cli: &Cli, config: &str, key: &str, arguments: &[&str]) -> Value {
    let ended = run(cli, config, key, &[arguments, &["-o", "json"]].concat());
    assert_eq!(ended.code, 0, "{arguments:?}: {ended:?}");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {ended:?}"))
}

/// The first key, made while no node runs.
fn key(cli: &Cli, config: &str) -> String {
    let made = run(
        cli,
        config,
        "",
        &["key", "create", "--name", "me", "--role", "admin"],
    );
    assert_eq!(made.code, 0, "{made:?}");
    made.stdout.trim().to_owned()
}

#[test]
fn what_a_dead_node_had_begun_another_one_ends() {
    let (one, two) = (Cli::new(), Cli::new());
    let configs = (config(&one, "takeover"), config(&two, "takeover"));
    let key = key(&one, &configs.0);
    let first = Served::start(&one, &["--config", &configs.0]);
    let second = Served::start(&two, &["--config", &configs.1]);

    // A step that is in flight until it is answered.
    let service = TcpListener::bind("127.0.0.1:0").expect("binds");
    let host = service.local_addr().expect("an address").to_string();
    let at = format!("http://{host}");
    // Each is asked of the other node: what one keeps, both have.
    let granted = run(
        &two,
        &configs.1,
        &key,
        &["grant", "http.request", &host, "--at", &at],
    );
    assert_eq!(granted.code, 0, "{granted:?}");
    let workflow = format!(
        "apiVersion: nebula/v1\nkind: Workflow\nname: asks\nnodes:\n  a:\n    action: http.request\n    \
         input: {{ method: GET, url: \"http://{host}/\" }}\noutput: \"${{ $nodes.a.result.status }}\"\n"
    );
    let file = one.file("asks.yaml", &workflow);
    let deployed = run(&one, &configs.0, &key, &["workflow", "deploy", &file]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    let started = json(&two, &configs.1, &key, &["workflow", "execute", "asks"]);
    let id = started["id"].as_str().expect("an id").to_owned();
    let (held, _) = service.accept().expect("the step is in flight");

    // The first node was there first and owns every shard; it dies with a step in flight.
    drop(first);
    drop(held);
    let died = Instant::now();
    let (mut again, _) = service.accept().expect("the second node tries it again");
    assert!(
        died.elapsed() < Duration::from_secs(30),
        "{:?}",
        died.elapsed()
    );
    let _ = again.read(&mut [0; 4096]).expect("a request");
    again
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        .expect("answers");
    let watched = run(&two, &configs.1, &key, &["execution", "watch", &id]);
    assert_eq!(watched.code, 0, "{watched:?}");
    let seen = json(&two, &configs.1, &key, &["execution", "get", &id]);
    assert_eq!(seen["status"], "succeeded", "{seen}");
    drop(second);
}

#[test]
fn a_password_of_a_store_is_shown_nowhere() {
    let cli = Cli::new();
    let config = config(&cli, "passwords");
    let key = key(&cli, &config);
    let shown = run(&cli, &config, "", &["config", "show", "--config", &config]);
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(shown.stdout.contains("nebula:***@localhost"), "{shown:?}");
    let checked = run(&cli, &config, "", &["config", "check", "--config", &config]);
    let node = Served::start(&cli, &["--config", &config]);
    let listed = run(&cli, &config, &key, &["workflow", "list"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    node.signal("-TERM");
    let (code, log) = node.end();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("the store is open"), "{log}");

    // One that cannot be reached, and one that cannot be read.
    let away = cli.file(
        "away.toml",
        &format!("store = \"postgres://me:{PASSWORD}@127.0.0.1:1/x\"\n"),
    );
    let away = cli.run(&["serve", "--listen", "127.0.0.1:0", "--config", &away]);
    assert_eq!(away.code, 4, "{away:?}");
    let wrong = cli.file(
        "wrong.toml",
        &format!("store = \"postgres://me:{PASSWORD}@db/x?y=1\"\n"),
    );
    let wrong = cli.run(&["serve", "--config", &wrong]);
    assert_eq!(wrong.code, 3, "{wrong:?}");
    for told in [
        format!("{shown:?}{checked:?}{listed:?}{away:?}{wrong:?}"),
        log,
    ] {
        assert!(!told.contains(PASSWORD), "{told}");
    }
}

#[test]
fn a_data_folder_is_one_nodes_also_if_its_store_is_elsewhere() {
    let cli = Cli::new();
    let config = config(&cli, "folders");
    let node = Served::start(&cli, &["--config", &config, "--listen", "127.0.0.1:0"]);
    let second = cli.run(&["serve", "--config", &config]);
    assert_eq!(second.code, 4, "{second:?}");
    assert!(second.stderr.contains("is in use"), "{second:?}");
    drop(node);
}
