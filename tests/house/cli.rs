//! The `nebula` command as people use it: what it prints, and how it ends.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

/// The command on a data folder of its own.
pub(crate) struct Cli {
    folder: tempfile::TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Builds the binary once for all tests; cargo does nothing if it is fresh.
pub(crate) fn binary() -> &'static PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        // What cargo tells a test about its package would let build scripts run
        // again, and much be built anew, here and by the next command.
        for name in std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()) {
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(name);
            }
        }
        let status = cargo
            .args(["build", "--quiet", "--workspace", "--all-targets"])
            .current_dir(crate::root())
            .status()
            .expect("cargo runs");
        assert!(status.success(), "nebula-cli builds");
        let test = std::env::current_exe().expect("this test is a file");
        test.ancestors()
            .nth(2)
            .expect("target/debug/deps")
            .join("nebula")
    })
}

/// A data folder on which a node has compiled the packs, which takes it seconds.
fn warm() -> &'static Path {
    static WARM: OnceLock<PathBuf> = OnceLock::new();
    WARM.get_or_init(|| {
        let data = crate::cache().join("data");
        let mut command = Command::new(binary());
        command.arg("--data").arg(&data);
        drop(RunningNode::start(command, "0"));
        data
    })
}

/// Makes a data folder as a node's first start leaves it, but for its store.
pub(crate) fn warmed(data: &Path) {
    let private = |folder: &Path| {
        let made = fs::DirBuilder::new().mode(0o700).create(folder);
        made.expect("a folder");
    };
    private(data);
    private(&data.join("compiled"));
    let compiled = fs::read_dir(warm().join("compiled")).expect("the node made it");
    let compiled =
        compiled.map(|entry| Path::new("compiled").join(entry.expect("reads").file_name()));
    for file in compiled.chain([PathBuf::from("node.key")]) {
        // It keeps the file's mode.
        fs::copy(warm().join(&file), data.join(&file)).expect("copies");
    }
}

impl Cli {
    /// On a folder where no node has to compile the packs.
    pub(crate) fn new() -> Self {
        let cli = Self::fresh();
        warmed(&cli.folder().join("data"));
        cli
    }

    /// On a folder where no node has ever been.
    pub(crate) fn fresh() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    /// Where its files and its data folder stand.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(binary());
        command
            .arg("--data")
            .arg(self.folder.path().join("data"))
            .env_remove("NEBULA_SERVER")
            .env_remove("NEBULA_CONTEXT")
            .env_remove("NEBULA_LOG");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = self.command();
        Ended::from(command.args(arguments).output().expect("nebula runs"))
    }

    /// Runs a command that must end well, and reads its JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.run(&[arguments, &["-o", "json"]].concat());
        assert_eq!(ended.code, 0, "{arguments:?}: {ended:?}");
        serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {ended:?}"))
    }

    /// Writes a file beside the data folder.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("writable");
        path.to_str().expect("a text path").to_owned()
    }

    /// Starts a node on the data folder and waits until it listens.
    pub(crate) fn node(&self) -> RunningNode {
        self.node_at("0")
    }

    /// The same at this port.
    pub(crate) fn node_at(&self, port: &str) -> RunningNode {
        RunningNode::start(self.command(), port)
    }

    /// The same with options of `nebula dev`.
    pub(crate) fn node_with(&self, options: &[&str]) -> RunningNode {
        RunningNode::start_with(self.command(), "0", options, Stdio::null())
    }

    /// The same, whose log goes into a file.
    pub(crate) fn node_logging(&self, options: &[&str], log: &Path) -> RunningNode {
        let log = fs::File::options().create(true).append(true).open(log);
        let log = Stdio::from(log.expect("writable"));
        let mut command = self.command();
        command.env("NEBULA_LOG", "debug");
        RunningNode::start_with(command, "0", options, log)
    }
}

/// Ended when it is dropped.
pub(crate) struct RunningNode(Child);

impl RunningNode {
    /// Starts `nebula dev` and waits until it listens.
    pub(crate) fn start(command: Command, port: &str) -> Self {
        Self::start_with(command, port, &[], Stdio::null())
    }

    fn start_with(mut command: Command, port: &str, options: &[&str], log: Stdio) -> Self {
        command.args(["dev", "--port", port]).args(options);
        command.stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("nebula runs");
        let out = child.stdout.take().expect("piped");
        let line = BufReader::new(out).lines().next();
        let line = line.expect("a line").expect("text");
        assert!(line.contains("http://127.0.0.1:"), "{line}");
        Self(child)
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for RunningNode {
    fn drop(&mut self) {
        self.end();
    }
}

const ECHO: &str =
    "apiVersion: nebula/v1\nkind: Workflow\nname: echo\nnodes:\n  a: { action: condition.check }\n";

#[test]
fn a_workflow_deploys_and_runs_with_no_node_running() {
    let cli = Cli::new();
    let file = cli.file("echo.yaml", ECHO);
    let deployed = cli.json(&["workflow", "deploy", &file]);
    assert_eq!(
        (&deployed["name"], &deployed["version"]),
        (&json!("echo"), &json!(1))
    );
    let ended = cli.json(&[
        "workflow",
        "execute",
        "echo",
        "--json",
        r#"{"n": 7}"#,
        "--wait",
    ]);
    assert_eq!(ended["status"], "succeeded");
    assert_eq!(ended["output"], json!({ "a": { "n": 7 } }));
    let list = cli.json(&["execution", "list"]);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_wrong_file_is_refused_with_line_column_and_hint() {
    let cli = Cli::new();
    for (name, text, wanted) in [
        (
            "cycle",
            "nodes:\n  a: { action: condition.check }\n  b: { action: condition.check }\nconnections:\n  - { from: a, to: b }\n  - { from: b, to: a }\n",
            "circle",
        ),
        (
            "unknown action",
            "nodes:\n  a: { action: weather.fecth }\n",
            "weather.fetch",
        ),
        (
            "wrong expression",
            "nodes:\n  a:\n    action: condition.check\n    input: \"${ $input. }\"\n",
            "does not parse",
        ),
        (
            "unknown node",
            "nodes:\n  a: { action: condition.check }\nconnections:\n  - { from: a, to: nowhere }\n",
            "nowhere",
        ),
        (
            "wrong type",
            "nodes:\n  a: { action: condition.check, timeout: soon }\n",
            "duration",
        ),
        (
            "unknown field",
            "nodes:\n  a: { acton: condition.check }\n",
            "action",
        ),
    ] {
        let file = cli.file(
            "wrong.yaml",
            &format!("apiVersion: nebula/v1\nkind: Workflow\nname: wrong\n{text}"),
        );
        let ended = cli.run(&["workflow", "deploy", &file]);
        assert_eq!(ended.code, 3, "{name}: {ended:?}");
        assert!(ended.stderr.contains(wanted), "{name}: {ended:?}");
        let place = ended
            .stderr
            .lines()
            .find_map(|l| l.trim().strip_prefix(&format!("{file}:")));
        let place = place.unwrap_or_else(|| panic!("{name}: no place in {ended:?}"));
        let mut numbers = place.split(':').map(str::parse::<u32>);
        assert!(
            numbers
                .next()
                .is_some_and(|n| n.is_ok_and(|line| line >= 4)),
            "{name}: {place}"
        );
        assert!(numbers.next().is_some_and(|n| n.is_ok()), "{name}: {place}");
        assert!(ended.stderr.contains("hint:"), "{name}: {ended:?}");
    }
}

#[test]
fn exit_codes_tell_whose_problem_it_is() {
    let cli = Cli::new();
    assert_eq!(cli.run(&["workflow"]).code, 2, "wrong usage");
    assert_eq!(
        cli.run(&["execution", "get", "exec-nonsense"]).code,
        3,
        "not an id"
    );
    assert_eq!(
        cli.run(&["workflow", "execute", "nothing"]).code,
        3,
        "unknown workflow"
    );
    assert_eq!(
        cli.run(&["--server", "http://127.0.0.1:1", "workflow", "list"])
            .code,
        4,
        "no node"
    );
    let nowhere = ["--server", "http://127.0.0.1:1", "execution"];
    let id = "exec-01m87px098vzc1ex6jz7vw5mx8";
    for follow in [&["watch", id][..], &["logs", id, "--follow"]] {
        let ended = cli.run(&[&nowhere[..], follow].concat());
        assert_eq!(ended.code, 4, "a node that was never there: {ended:?}");
    }
    let file = cli.file(
        "fails.yaml",
        "apiVersion: nebula/v1\nkind: Workflow\nname: fails\nnodes:\n  a:\n    action: validation.input\n    input: { schema: { type: string }, value: 7 }\n",
    );
    assert_eq!(cli.run(&["workflow", "deploy", &file]).code, 0);
    let ended = cli.run(&["workflow", "execute", "fails", "--wait"]);
    assert_eq!(ended.code, 1, "{ended:?}");
}

#[test]
fn a_secret_is_taken_from_a_file_and_never_shown() {
    let cli = Cli::new();
    let file = cli.file("secret.txt", "hunter2-hunter2\n");
    let set = cli.run(&[
        "credential",
        "set",
        "prod",
        "--host",
        "api.weather.example",
        "--from-file",
        &file,
    ]);
    assert_eq!(set.code, 0, "{set:?}");
    let list = cli.run(&["credential", "list", "-o", "yaml"]);
    assert!(
        list.stdout.contains("prod") && list.stdout.contains("api.weather.example"),
        "{list:?}"
    );
    assert!(!list.stdout.contains("hunter2"));
    for entry in std::fs::read_dir(cli.folder.path().join("data")).expect("the data folder") {
        let path = entry.expect("readable").path();
        let bytes = if path.is_file() {
            std::fs::read(&path).expect("readable")
        } else {
            continue;
        };
        assert!(
            !bytes.windows(7).any(|w| w == b"hunter2"),
            "the secret stands in {}",
            path.display()
        );
    }
}

#[test]
fn a_grant_is_given_listed_and_taken_back() {
    let cli = Cli::new();
    let node = cli.node();
    let grant = |arguments: &[&str]| cli.run(&[&["grant"], arguments].concat());
    let given = grant(&[
        "http.request",
        "API.example:8443",
        "--method",
        "get,post",
        "--scheme",
        "https",
    ]);
    assert_eq!(given.code, 0, "{given:?}");
    assert!(
        given
            .stdout
            .contains("may reach API.example:8443: https GET,POST"),
        "{given:?}"
    );
    let inside = grant(&["weather.fetch", "127.0.0.1:80"]);
    assert_eq!(inside.code, 3, "{inside:?}");
    assert!(inside.stderr.contains("--at URL"), "{inside:?}");

    let list = grant(&["list"]);
    let row = |host: &str| list.stdout.lines().find(|line| line.contains(host));
    assert!(row("api.example:8443").is_some_and(|row| row.contains("https GET,POST")));
    assert!(row("api.weather.example").is_some_and(|row| row.contains("not granted")));
    let json = cli.json(&["grant", "list", "http.request"]);
    let hosts = json["items"][0]["hosts"].as_array().expect("hosts").clone();
    assert_eq!((hosts.len(), &hosts[0]["host"]), (2, &json!("*")));
    assert_eq!(hosts[1]["grant"]["methods"][1], "POST");

    let gone = grant(&["revoke", "http.request", "api.example:8443"]);
    assert_eq!(gone.code, 0, "{gone:?}");
    let again = grant(&["revoke", "http.request", "api.example:8443"]);
    assert_ne!(again.code, 0, "{again:?}");
    node.kill();
}

#[test]
fn two_commands_cannot_open_one_folder_and_the_second_is_told_who_has_it() {
    let cli = Cli::new();
    let node = cli.node();
    let second = cli.run(&["dev", "--port", "0"]);
    assert_eq!(second.code, 4, "{second:?}");
    assert!(second.stderr.contains("in use"), "{second:?}");
    let list = cli.run(&["workflow", "list"]);
    assert_eq!(list.code, 0, "the running node answers: {list:?}");
    node.kill();
    assert_eq!(
        cli.run(&["workflow", "list"]).code,
        0,
        "the lock died with the node"
    );
}

#[test]
fn an_address_that_is_not_loopback_is_refused() {
    let ended = Cli::new().run(&["dev", "--port", "0", "--listen", "0.0.0.0"]);
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(ended.stderr.contains("loopback"), "{ended:?}");
}

#[test]
fn what_is_no_component_of_ours_is_refused_with_the_reason() {
    let cli = Cli::new();
    let core = cli.file("core.wasm", "\0asm\u{1}\0\0\0");
    let ended = cli.run(&["action", "test", &core, "--json", "{}"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.contains("component"), "{ended:?}");
    let garbage = cli.file("garbage.wasm", "not wasm at all");
    assert_eq!(
        cli.run(&["action", "test", &garbage, "--json", "{}"]).code,
        3
    );
}

#[test]
fn nebula_is_its_own_compiling_process() {
    use std::io::Write;
    let compile = |component: &[u8]| {
        let mut child = Cli::new()
            .command()
            .arg("compile-component")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nebula runs");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(component).expect("it reads all");
        drop(stdin);
        child.wait_with_output().expect("it ends")
    };
    let (_, pack) = nebula_server::PACKS[0];
    let good = compile(pack);
    assert!(good.status.success(), "{good:?}");
    assert!(good.stdout.starts_with(b"\x7fELF"), "machine code");
    let bad = compile(b"no component");
    assert_eq!(bad.status.code(), Some(10));
    assert!(bad.stdout.is_empty() && !bad.stderr.is_empty());
    let listed = Cli::new().run(&["--help"]).stdout;
    assert!(!listed.contains("compile-component"), "{listed}");
}
