//! A hub of one's own, as people run it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::cli::Cli;

/// `nebula hub serve` or `nebula dev`; ended when it is dropped.
pub(crate) struct Hub {
    child: Child,
    /// `host:port`.
    pub(crate) address: String,
}

impl Hub {
    /// Starts it; its address is the last word of the line that has this text.
    pub(crate) fn start(cli: &Cli, arguments: &[&str], line: &str) -> Self {
        let mut child = cli
            .command()
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("nebula runs");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let mut lines = out.lines().map_while(Result::ok);
        let said = lines.find(|said| said.starts_with(line));
        let said = said.expect("it says where it listens");
        let address = said.rsplit(' ').next().unwrap_or_default();
        let address = address.trim_start_matches("http://").to_owned();
        Self { child, address }
    }

    /// Ends it as SIGTERM does; its exit code.
    pub(crate) fn end(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-TERM", &pid])
            .status();
        assert!(sent.is_ok_and(|status| status.success()));
        self.child.wait().expect("it ends").code()
    }

    /// One request; status and body.
    fn ask(&self, method: &str, path: &str, token: &str, body: &[u8]) -> (u16, Vec<u8>) {
        use std::io::{Read, Write};
        #[expect(clippy::disallowed_methods, reason = "a test speaks to its own hub")]
        let mut stream = std::net::TcpStream::connect(&self.address).expect("connects");
        let host = &self.address;
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
             connection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("sent");
        stream.write_all(body).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("answered");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let body = answer.split_off(end.expect("a head") + 4);
        let head = String::from_utf8(answer).expect("text");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        (status.expect("a status"), body)
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn create(cli: &Cli, arguments: &[&str]) -> String {
    let made = cli.run(&[&["hub", "token", "create"], arguments].concat());
    assert_eq!(made.code, 0, "{made:?}");
    assert!(made.stderr.contains("shown this once"), "{made:?}");
    made.stdout.trim().to_owned()
}

#[test]
fn a_hub_alone_takes_tokens_that_come_and_go_while_it_serves() {
    let cli = Cli::new();
    let arguments = ["hub", "serve", "--listen", "127.0.0.1:0"];
    let hub = Hub::start(&cli, &arguments, "the hub listens on");
    let push = create(
        &cli,
        &["--name", "ci", "--allow", "push", "--namespace", "acme"],
    );
    let pull = create(
        &cli,
        &["--name", "all", "--allow", "pull", "--expires-in", "90d"],
    );
    let digest = nebula_flow::Digest::of(b"wasm");
    let path = |name: &str| format!("/v2/{name}/blobs/uploads/?digest={digest}");
    assert_eq!(
        hub.ask("POST", &path("acme/weather"), &pull, b"wasm").0,
        403
    );
    assert_eq!(
        hub.ask("POST", &path("globex/weather"), &push, b"wasm").0,
        403
    );
    assert_eq!(
        hub.ask("POST", &path("acme/weather"), &push, b"wasm").0,
        201
    );
    let blob = format!("/v2/acme/weather/blobs/{digest}");
    assert_eq!(hub.ask("GET", &blob, &pull, b""), (200, b"wasm".to_vec()));

    let listed = cli.run(&["hub", "token", "list", "-o", "json"]);
    let listed: Value = serde_json::from_str(&listed.stdout).expect("JSON");
    let items = listed["items"].as_array().expect("a list");
    assert_eq!(items.len(), 3, "the owner has one as well");
    assert!(!listed.to_string().contains(&push), "no secret is listed");
    let ci = items
        .iter()
        .find(|token| token["name"] == "ci")
        .expect("listed");
    assert_eq!(
        (&ci["allows"], &ci["namespaces"][0]),
        (&"push".into(), &"acme".into())
    );
    let id = ci["id"].as_str().expect("an id");
    let revoked = cli.run(&["hub", "token", "revoke", id]);
    assert_eq!(revoked.code, 0, "{revoked:?}");
    assert_eq!(
        hub.ask("POST", &path("acme/weather"), &push, b"wasm").0,
        401
    );

    let again = cli.run(&["hub", "token", "revoke", id]);
    assert_eq!(again.code, 3, "{again:?}");
    let second = cli.run(&arguments);
    assert_eq!(second.code, 4, "one process has the folder: {second:?}");
    for wrong in [
        ["--namespace", "../x"],
        ["--expires-in", "soon"],
        ["--namespace", "Acme"],
    ] {
        let create = ["hub", "token", "create", "--name", "x", "--allow", "pull"];
        let refused = cli.run(&[create.as_slice(), &wrong].concat());
        assert_eq!(refused.code, 3, "{refused:?}");
    }
    assert_eq!(hub.end(), Some(0));
}

#[test]
fn a_node_of_ones_own_says_where_its_hub_is() {
    let cli = Cli::new();
    let hub = Hub::start(&cli, &["dev", "--port", "0"], "hub:");
    let token =
        std::fs::read_to_string(cli.folder().join("data/hub/local.token")).expect("a token");
    assert_eq!(hub.ask("GET", "/v2/", &token, b"").0, 200);
    assert_eq!(hub.ask("GET", "/v2/", "x", b"").0, 401);
    assert_eq!(hub.end(), Some(0));
}
