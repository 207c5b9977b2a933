//! `nebula serve`, its settings and its keys, as people use them.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};

use serde_json::json;

use crate::cli::{Cli, Ended};

/// A node that was started with `nebula serve`; ended when it is dropped.
pub(crate) struct Served {
    child: Child,
    pub(crate) address: String,
}

impl Served {
    pub(crate) fn start(cli: &Cli, arguments: &[&str]) -> Self {
        let mut child = cli
            .command()
            .arg("serve")
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nebula runs");
        let out = child.stdout.take().expect("piped");
        let line = BufReader::new(out).lines().next();
        let line = line.expect("a line").expect("text");
        let address = line.rsplit(' ').next().unwrap_or_default().to_owned();
        assert!(address.starts_with("http"), "{line}");
        Self { child, address }
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = std::process::Command::new("kill")
            .args([name, &pid])
            .status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    /// Its exit code and what it logged.
    pub(crate) fn end(mut self) -> (i32, String) {
        let status = self.child.wait().expect("it ends");
        let mut log = String::new();
        let mut stderr = self.child.stderr.take().expect("piped");
        stderr.read_to_string(&mut log).expect("text");
        (status.code().unwrap_or(-1), log)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn key(cli: &Cli, role: &str) -> String {
    let made = cli.run(&["key", "create", "--name", role, "--role", role]);
    assert_eq!(made.code, 0, "{made:?}");
    made.stdout.trim().to_owned()
}

fn with_key(cli: &Cli, key: &str, arguments: &[&str]) -> Ended {
    let mut command = cli.command();
    command.env("NEBULA_API_KEY", key).args(arguments);
    Ended::from(command.output().expect("nebula runs"))
}

#[test]
fn a_served_node_takes_keys_from_a_variable_or_a_private_file_and_drains_on_a_signal() {
    let cli = Cli::new();
    let (viewer, admin) = (key(&cli, "viewer"), key(&cli, "admin"));
    let config = cli.file(
        "nebula.toml",
        "listen = \"127.0.0.1:0\"\nlog_format = \"json\"\nlog = \"debug\"\n",
    );
    let node = Served::start(&cli, &["--config", &config]);

    let none = cli.run(&["workflow", "list"]);
    assert_eq!(none.code, 3, "{none:?}");
    assert!(none.stderr.contains("hint:"), "{none:?}");
    assert_eq!(with_key(&cli, &viewer, &["workflow", "list"]).code, 0);
    let more = with_key(&cli, &viewer, &["key", "list"]);
    assert_eq!(more.code, 3, "{more:?}");
    assert!(more.stderr.contains("admin"), "{more:?}");

    let file = cli.file("key", &admin);
    let mode = |mode| {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("sets")
    };
    mode(0o644);
    let open = cli.run(&["--api-key-file", &file, "key", "list"]);
    assert_eq!(open.code, 3, "{open:?}");
    assert!(open.stderr.contains("chmod 600"), "{open:?}");
    mode(0o600);
    let list = cli.run(&["--api-key-file", &file, "key", "list"]);
    assert_eq!(list.code, 0, "{list:?}");
    let id = viewer.split('.').nth(2).expect("an id");
    assert!(
        list.stdout.contains(id) && !list.stdout.contains(&viewer),
        "{list:?}"
    );
    let revoked = cli.run(&["--api-key-file", &file, "key", "revoke", id]);
    assert_eq!(revoked.code, 0, "{revoked:?}");
    assert_eq!(with_key(&cli, &viewer, &["workflow", "list"]).code, 3);

    assert!(node.address.starts_with("http://127.0.0.1:"));
    node.signal("-TERM");
    let (code, log) = node.end();
    assert_eq!(code, 0, "{log}");
    for line in log.lines() {
        assert!(
            serde_json::from_str::<serde_json::Value>(line).is_ok(),
            "{line}"
        );
    }
    let secrets = [&viewer, &admin].map(|key| key.rsplit('.').next().expect("a secret"));
    assert!(!log.is_empty() && secrets.iter().all(|secret| !log.contains(secret)));
}

#[test]
fn a_second_signal_ends_a_node_at_once_and_nothing_is_lost() {
    let cli = Cli::new();
    // It takes a connection and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let host = silent.local_addr().expect("an address").to_string();
    let at = format!("http://{host}");
    let granted = cli.run(&["grant", "http.request", &host, "--at", &at]);
    assert_eq!(granted.code, 0, "{granted:?}");
    let workflow = format!(
        "apiVersion: nebula/v1\nkind: Workflow\nname: hangs\nnodes:\n  a:\n    action: http.request\n    input: {{ method: GET, url: \"http://{host}/\" }}\n"
    );
    let file = cli.file("hangs.yaml", &workflow);
    let deployed = cli.run(&["workflow", "deploy", &file]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    let admin = key(&cli, "admin");
    let node = Served::start(&cli, &["--listen", "127.0.0.1:0"]);
    let started = with_key(&cli, &admin, &["workflow", "execute", "hangs"]);
    assert_eq!(started.code, 0, "{started:?}");
    let (_held, _) = silent.accept().expect("the step is in flight");
    node.signal("-INT");
    std::thread::sleep(std::time::Duration::from_millis(300));
    let second = std::time::Instant::now();
    node.signal("-INT");
    let (code, log) = node.end();
    assert_eq!(code, 4, "{log}");
    assert!(
        second.elapsed() < std::time::Duration::from_secs(5),
        "it waited for the step"
    );
    let left = cli.json(&["execution", "list"]);
    assert_eq!(left["items"][0]["workflow"], "hangs", "{left}");
}

#[test]
fn settings_are_checked_and_shown_with_where_they_came_from() {
    let cli = Cli::new();
    let wrong = cli.file("wrong.toml", "name = \"a\"\n[http]\nmax_bodi = 1\n");
    let check = cli.run(&["config", "check", "--config", &wrong]);
    assert_eq!(check.code, 3, "{check:?}");
    assert!(check.stderr.contains(&format!("{wrong}:3")), "{check:?}");
    assert!(check.stderr.contains("http.max_body"), "{check:?}");
    let exposed = cli.run(&["config", "check", "--listen", "0.0.0.0:7300"]);
    assert_eq!(exposed.code, 3, "{exposed:?}");
    assert!(exposed.stderr.contains("tls.certificate"), "{exposed:?}");
    let good = cli.run(&[
        "config",
        "check",
        "--listen",
        "0.0.0.0:7300",
        "--behind-proxy",
    ]);
    assert_eq!(good.code, 0, "{good:?}");

    let file = cli.file("good.toml", "name = \"a\"\n[http]\nmax_body = \"2MiB\"\n");
    let output = cli
        .command()
        .env("NEBULA_HTTP_MAX_STREAMS", "9")
        .args([
            "config",
            "show",
            "--config",
            &file,
            "--listen",
            "127.0.0.1:1",
            "-o",
            "json",
        ])
        .output()
        .expect("nebula runs");
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let of = |setting: &str| {
        let rows = shown.as_array().expect("rows");
        let row = rows.iter().find(|row| row["setting"] == setting);
        row.unwrap_or_else(|| panic!("no {setting}: {shown}"))
            .clone()
    };
    assert_eq!(of("http.max_body")["source"], json!(format!("{file}:3")));
    assert_eq!(
        of("http.max_streams"),
        json!({"setting": "http.max_streams", "value": "9", "source": "NEBULA_HTTP_MAX_STREAMS"})
    );
    assert_eq!(of("listen")["source"], "--listen");
    assert_eq!(
        of("auth"),
        json!({"setting": "auth", "value": "keys", "source": "default"})
    );
}

#[test]
fn a_node_that_would_be_open_to_others_does_not_start() {
    let cli = Cli::new();
    for (arguments, wanted) in [
        (vec!["serve", "--listen", "0.0.0.0:0"], "tls.certificate"),
        (
            vec!["dev", "--port", "0", "--listen", "0.0.0.0"],
            "loopback",
        ),
    ] {
        let ended = cli.run(&arguments);
        assert_eq!(ended.code, 4, "{ended:?}");
        assert!(ended.stderr.contains(wanted), "{ended:?}");
    }
}
