//! Following an execution, or a list: what a cancel, Ctrl-C and a node that
//! goes away mean for whoever follows.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::cli::{Cli, Ended};

/// A service that answers when the test says so; `asks` is a workflow whose
/// one step asks it.
struct Service {
    cli: Cli,
    listener: TcpListener,
}

impl Service {
    fn new() -> Self {
        let cli = Cli::new();
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let host = listener.local_addr().expect("an address").to_string();
        let file = cli.file(
            "asks.yaml",
            &format!(
                "apiVersion: nebula/v1\nkind: Workflow\nname: asks\nnodes:\n  a:\n    action: http.request\n    input: {{ method: GET, url: \"http://{host}/\" }}\n    timeout: 5m\n"
            ),
        );
        let at = format!("http://{host}");
        for arguments in [
            &["grant", "http.request", &host, "--at", &at][..],
            &["workflow", "deploy", &file],
        ] {
            let ended = cli.run(arguments);
            assert_eq!(ended.code, 0, "{ended:?}");
        }
        Self { cli, listener }
    }

    /// Starts an execution, and waits until it has asked.
    fn start(&self) -> (String, TcpStream) {
        let started = self.cli.json(&["workflow", "execute", "asks"]);
        let id = started["id"].as_str().expect("an id").to_owned();
        (id, self.asked())
    }

    /// The next request, which is not answered yet.
    fn asked(&self) -> TcpStream {
        self.listener.accept().expect("a step asks").0
    }

    /// Follows an execution in a process of its own, up to its first attempt.
    fn watch(&self, id: &str) -> Followed {
        let mut command = self.cli.command();
        command.args(["execution", "watch", id, "-o", "jsonl"]);
        let mut followed = Followed::start(command);
        while !followed.read.contains("attempt_started") {
            followed.read_line();
        }
        followed
    }
}

/// A port that nobody gets by chance while the node is away: below those that
/// the system hands out.
fn free_port() -> u16 {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).expect("it is small");
    let mut ports = first..32_000;
    let free = ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.expect("a port is free")
}

/// Lets the step succeed.
fn answer(mut asked: TcpStream) {
    let mut head = [0; 4096];
    assert_ne!(asked.read(&mut head).expect("a request"), 0);
    let response =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    asked.write_all(response.as_bytes()).expect("it is read");
}

/// A process that follows something; ended when it is dropped.
struct Followed {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
    /// What was read of both so far.
    read: String,
    told: String,
}

impl Followed {
    fn start(mut command: Command) -> Self {
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("nebula runs");
        Self {
            stdout: BufReader::new(child.stdout.take().expect("piped")),
            stderr: BufReader::new(child.stderr.take().expect("piped")),
            child,
            read: String::new(),
            told: String::new(),
        }
    }

    fn read_line(&mut self) {
        let bytes = self.stdout.read_line(&mut self.read).expect("text");
        assert_ne!(bytes, 0, "it ended: {}", self.read);
    }

    /// Until it has noticed that its node does not answer.
    fn waits(&mut self) {
        while !self.told.contains("waiting for it to come back") {
            let bytes = self.stderr.read_line(&mut self.told).expect("text");
            assert_ne!(bytes, 0, "it ended: {}", self.told);
        }
    }

    /// What Ctrl-C sends.
    fn interrupt(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).expect("it runs");
    }

    /// Waits for its end.
    fn end(mut self) -> Ended {
        let mut stdout = std::mem::take(&mut self.read);
        self.stdout.read_to_string(&mut stdout).expect("text");
        let mut stderr = std::mem::take(&mut self.told);
        self.stderr.read_to_string(&mut stderr).expect("text");
        Ended {
            code: self.child.wait().expect("it ends").code().unwrap_or(-1),
            stdout,
            stderr,
        }
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_cancelled_execution_ends_its_followers_with_5_and_ctrl_c_ends_only_the_follower() {
    let service = Service::new();
    let node = service.cli.node();
    let (id, held) = service.start();
    let watched = service.watch(&id);
    let waited = {
        let mut command = service.cli.command();
        command.args(["workflow", "execute", "asks", "--wait", "-o", "json"]);
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        piped.spawn().expect("nebula runs")
    };
    let also_held = service.asked();
    let cancel = ["execution", "cancel", "--workflow", "asks", "--yes"];
    let cancelled = service.cli.run(&cancel);
    assert_eq!(cancelled.code, 0, "{cancelled:?}");
    let watched = watched.end();
    assert_eq!(watched.code, 5, "{watched:?}");
    let last: Value =
        serde_json::from_str(watched.stdout.lines().last().expect("an event")).expect("JSON");
    assert_eq!(last["type"], "cancelled", "{watched:?}");
    let waited = Ended::from(waited.wait_with_output().expect("it ends"));
    assert_eq!(waited.code, 5, "{waited:?}");
    let late = service.cli.run(&["execution", "watch", &id]);
    assert_eq!(late.code, 5, "{late:?}");
    drop((held, also_held));

    let (id, held) = service.start();
    let watched = service.watch(&id);
    watched.interrupt();
    let left = watched.end();
    assert_eq!(left.code, 130, "{left:?}");
    for hint in [
        format!("left {id}: it goes on"),
        format!("nebula execution watch {id}"),
        format!("nebula execution cancel {id}"),
    ] {
        assert!(left.stderr.contains(&hint), "{hint}: {left:?}");
    }
    let now = service.cli.json(&["execution", "get", &id]);
    assert_eq!(now["status"], "running", "{now}");
    answer(held);
    let back = service.cli.run(&["execution", "watch", &id]);
    assert_eq!(back.code, 0, "{back:?}");
    let events = back.stdout;
    assert!(!events.contains("cancel"), "{events}");
    node.kill();
}

#[test]
fn a_watch_and_a_list_go_on_when_their_node_is_killed_and_started_again() {
    let service = Service::new();
    let port = free_port().to_string();
    let node = service.cli.node_at(&port);
    let (id, held) = service.start();
    let mut watched = service.watch(&id);
    let mut command = service.cli.command();
    command.args(["execution", "list", "--watch", "-o", "jsonl"]);
    let mut list = Followed::start(command);
    list.read_line();
    assert!(list.read.contains("\"running\""), "{}", list.read);

    node.kill();
    drop(held);
    watched.waits();
    list.waits();
    let node = service.cli.node_at(&port);
    answer(service.asked());
    let watched = watched.end();
    assert_eq!(watched.code, 0, "{watched:?}");
    assert!(watched.stderr.contains("the node is back"), "{watched:?}");
    let whole = service.cli.run(&["execution", "watch", &id, "-o", "jsonl"]);
    assert_eq!(watched.stdout, whole.stdout, "each event once, in order");

    while !list.read.contains("\"succeeded\"") {
        list.read_line();
    }
    list.interrupt();
    let list = list.end();
    assert_eq!(list.code, 130, "{list:?}");
    node.kill();
}

#[test]
fn a_list_is_drawn_in_place_on_a_terminal_until_ctrl_c() {
    let service = Service::new();
    let node = service.cli.node();
    let (id, held) = service.start();
    // A terminal of util-linux, narrower than a line of the list.
    let nebula = service.cli.command();
    let folder = service.cli.folder().join("data");
    let list = format!(
        "stty cols 40 rows 6; exec {} --data {} execution list --watch",
        nebula.get_program().display(),
        folder.display()
    );
    let mut command = Command::new("script");
    command
        .args(["-qefc", &list, "/dev/null"])
        .env_remove("NEBULA_SERVER")
        .env_remove("NEBULA_CONTEXT")
        .stdin(Stdio::piped());
    let mut terminal = Followed::start(command);
    let mut keys = terminal.child.stdin.take().expect("piped");
    let mut until = |wanted: &str| {
        let mut bytes = [0; 4096];
        while !terminal.read.contains(wanted) {
            let read = terminal.stdout.read(&mut bytes).expect("text");
            assert_ne!(read, 0, "no {wanted:?}: {}", terminal.read);
            terminal.read += &String::from_utf8_lossy(&bytes[..read]);
        }
    };
    until("running");
    until("every 2 s");
    answer(held);
    until("succeeded");
    until("\x1b[3A");
    // The key itself: the terminal makes a signal of it.
    keys.write_all(b"\x03").expect("it is read");
    let ended = terminal.end();
    assert_eq!(ended.code, 130, "{ended:?}");
    assert!(ended.stdout.contains(&id), "{ended:?}");
    let wrapping = ended.stdout.rsplit("\x1b[?7").next().expect("a frame");
    assert!(wrapping.starts_with('h'), "lines wrap again: {ended:?}");
    node.kill();
}
