//! No secret leaves a node but in the header that it is for: whatever the node
//! writes, logs or says is searched for each credential, in every common form.

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use data_encoding::{BASE64, HEXLOWER, HEXUPPER};
use serde_json::{Value, json};

use crate::cli::Cli;
use crate::serve::key;

// ---------------------------------------------------------------- search --

/// A text that is nowhere else, with characters that encodings change.
fn canary(name: &str) -> String {
    let chance = || RandomState::new().hash_one(name);
    format!("{name}:{:016x}\" /+\\?~*&{:016x}", chance(), chance())
}

/// The forms in which a secret may be found.
fn forms(secret: &str) -> BTreeMap<&'static str, Vec<u8>> {
    let bytes = secret.as_bytes();
    let url = |keep: &[u8]| -> String {
        bytes
            .iter()
            .map(|b| match b {
                b if b.is_ascii_alphanumeric() || keep.contains(b) => char::from(*b).to_string(),
                b => format!("%{b:02X}"),
            })
            .collect()
    };
    // What base64 makes of it is the same wherever it begins, but for the edges.
    let base64 = |before: usize| {
        let text = BASE64.encode(&[&vec![0; before], bytes].concat());
        let from = [0, 2, 3][before];
        text.as_bytes()[from..text.len() - 4].to_vec()
    };
    let json = |text: &str| {
        let quoted = Value::from(text).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    };
    let safe = |text: Vec<u8>| -> Vec<u8> {
        let one = |b| match b {
            b'+' => b'-',
            b'/' => b'_',
            b => b,
        };
        text.into_iter().map(one).collect()
    };
    BTreeMap::from([
        ("plain", bytes.to_vec()),
        ("reversed", bytes.iter().rev().copied().collect()),
        ("hex", HEXLOWER.encode(bytes).into_bytes()),
        ("HEX", HEXUPPER.encode(bytes).into_bytes()),
        ("base64 at 0", base64(0)),
        ("base64 at 1", base64(1)),
        ("base64 at 2", base64(2)),
        ("base64url at 0", safe(base64(0))),
        ("base64url at 1", safe(base64(1))),
        ("base64url at 2", safe(base64(2))),
        ("url", url(b"-._~").into_bytes()),
        ("url, lower case", url(b"-._~").to_lowercase().into_bytes()),
        ("url, its marks kept", url(b"-._~!*'()").into_bytes()),
        ("url, as a whole", url(b"-._~!*'();/?:@&=+$,#").into_bytes()),
        ("url of a path", url(b"-._~/").into_bytes()),
        ("url of a segment", url(b"-._~!$&'()*+,;=:@").into_bytes()),
        ("url of a query", url(b"-._~!$&'()*+,;=:@/?").into_bytes()),
        ("form", url(b"*-._").replace("%20", "+").into_bytes()),
        ("json", json(secret).into_bytes()),
        ("json in json", json(&json(secret)).into_bytes()),
        // Of what was cut off.
        ("its first half", bytes[..bytes.len() / 2].to_vec()),
        ("its second half", bytes[bytes.len() / 2..].to_vec()),
    ])
}

/// Everything that a node left or said, by where it was found.
#[derive(Default)]
struct Haystack {
    things: Vec<(String, Vec<u8>)>,
}

impl Haystack {
    fn add(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.things.push((place.into(), bytes.into()));
    }

    /// Every file below a folder.
    fn add_files(&mut self, when: &str, folder: &Path) {
        for path in files(folder) {
            // A file that is gone by now has left nothing.
            if let Ok(bytes) = std::fs::read(&path) {
                self.add(format!("{when}: {}", path.display()), bytes);
            }
        }
    }

    /// Where a secret stands, and in which forms.
    fn find(&self, secret: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (form, needle) in forms(secret) {
            let finder = memchr::memmem::Finder::new(&needle);
            for (place, bytes) in &self.things {
                if finder.find(bytes).is_some() {
                    found.push(format!("{form} in {place}"));
                }
            }
        }
        found
    }

    fn bytes(&self) -> usize {
        self.things.iter().map(|(_, bytes)| bytes.len()).sum()
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_search_finds_every_form_of_a_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = canary("planted");
    for (form, bytes) in forms(&secret) {
        for before in ["", "a", "ab", "abc"] {
            let path = folder.path().join("a/b");
            std::fs::create_dir_all(&path).expect("writable");
            let text = [before.as_bytes(), &bytes, b"\0 and more"].concat();
            std::fs::write(path.join("file"), text).expect("writable");
            let mut haystack = Haystack::default();
            haystack.add_files("now", folder.path());
            let found = haystack.find(&secret);
            assert!(
                found.iter().any(|f| f.starts_with(form)),
                "{form}: {found:?}"
            );
            assert!(haystack.find(&canary("planted")).is_empty());
        }
    }
    // In what was encoded together with other text, wherever it begins.
    for before in 0..7 {
        let text = format!("{}{secret} and more", "x".repeat(before));
        for encoded in [
            BASE64.encode(text.as_bytes()),
            data_encoding::BASE64URL_NOPAD.encode(text.as_bytes()),
        ] {
            let mut haystack = Haystack::default();
            haystack.add("encoded", encoded);
            assert!(!haystack.find(&secret).is_empty(), "base64 after {before}");
        }
    }
}

// --------------------------------------------------------------- service --

/// A service that answers by path; each request's head is handed to the test.
struct Service {
    host: String,
    requests: Receiver<String>,
}

impl Service {
    fn start(marker: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let host = listener.local_addr().expect("an address").to_string();
        let (sender, requests) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (sender, marker) = (sender.clone(), marker.clone());
                std::thread::spawn(move || Self::answer(stream, &marker, &sender));
            }
        });
        Self { host, requests }
    }

    fn answer(stream: TcpStream, marker: &str, sender: &Sender<String>) {
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while reader.read_line(&mut head).is_ok_and(|bytes| bytes > 2) {}
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let prefix = "x-secret: ";
        let secret = head.lines().find_map(|line| line.strip_prefix(prefix));
        let secret = secret.unwrap_or_default().to_owned();
        let _ = sender.send(head);
        let status = match path.as_str() {
            "/fails" => "500 Internal Server Error",
            "/busy" => "503 Service Unavailable",
            "/hangs" => {
                // Until the node lets go of the connection.
                let _ = reader.read(&mut [0]);
                return;
            }
            _ => "200 OK",
        };
        let returned = if path == "/ok" {
            Vec::new()
        } else {
            Self::encodings(&secret)
        };
        let body = json!({ "marker": marker, "you sent": returned }).to_string();
        let response = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nx-echo: {}\r\nx-marker: {marker}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            if path == "/ok" { "" } else { &secret },
            body.len(),
        );
        let _ = reader.get_mut().write_all(response.as_bytes());
    }

    /// A secret as services write what they were sent: as it is, encoded, and
    /// encoded with other text around it.
    fn encodings(secret: &str) -> Vec<String> {
        let mut forms = forms(secret);
        // Nothing that is common turns a text around or cuts it.
        let cut = ["reversed", "half", "base64"];
        forms.retain(|form, _| !cut.iter().any(|cut| form.contains(cut)));
        let mut returned: Vec<String> = forms.values().map(|form| text(form)).collect();
        for before in 0..3 {
            let around = format!("{}{secret} and more", "x".repeat(before));
            returned.push(BASE64.encode(around.as_bytes()));
            returned.push(data_encoding::BASE64URL_NOPAD.encode(around.as_bytes()));
        }
        returned
    }

    /// The head of the next request.
    fn asked(&self) -> String {
        let next = self.requests.recv_timeout(Duration::from_secs(60));
        next.expect("a request comes")
    }
}

// ------------------------------------------------------------------ node --

/// A node that was started under an umask which takes nothing away, and logs
/// everything into a file.
struct Node {
    child: Child,
    address: String,
}

impl Node {
    fn start(cli: &Cli, log: &Path) -> Self {
        let nebula = cli.command();
        let mut command = Command::new("sh");
        command
            .args(["-c", "umask 000; exec \"$0\" \"$@\""])
            .arg(nebula.get_program())
            .args(nebula.get_args())
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("NEBULA_LOG", "trace")
            .stdout(Stdio::piped())
            .stderr(
                File::options()
                    .create(true)
                    .append(true)
                    .open(log)
                    .expect("writable"),
            );
        for (name, value) in nebula.get_envs() {
            if name != "NEBULA_LOG" && value.is_none() {
                command.env_remove(name);
            }
        }
        let mut child = command.spawn().expect("nebula runs");
        let out = child.stdout.take().expect("piped");
        let line = BufReader::new(out).lines().next();
        let line = line.expect("a line").expect("text");
        let address = line.rsplit("//").next().expect("an address").to_owned();
        Self { child, address }
    }

    /// One request with a key, and the whole answer.
    fn ask(&self, key: &str, method: &str, path: &str, body: &str) -> Vec<u8> {
        #[expect(clippy::disallowed_methods, reason = "a test speaks to its own node")]
        let mut stream = TcpStream::connect(&self.address).expect("connects");
        let patience = Some(Duration::from_secs(60));
        stream.set_read_timeout(patience).expect("sets");
        let request = format!(
            "{method} {path} HTTP/1.0\r\nhost: {}\r\nauthorization: {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("writes");
        let mut answer = Vec::new();
        // A refused body may be answered before it is read whole.
        let _ = stream.read_to_end(&mut answer);
        assert!(
            answer.starts_with(b"HTTP/1."),
            "{method} {path}: {}",
            text(&answer)
        );
        answer
    }

    /// What the system says of the process.
    fn process(&self) -> Vec<(String, Vec<u8>)> {
        let read = |name: &str| {
            let path = format!("/proc/{}/{name}", self.child.id());
            let bytes = std::fs::read(&path).expect("Linux");
            (path, bytes)
        };
        vec![read("environ"), read("cmdline"), read("comm")]
    }

    fn end(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        let status = self.child.wait().expect("it ends");
        assert_eq!(status.code(), Some(0));
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Asks a granted host, and passes on what came of it, in a few forms.
fn workflow(name: &str, credential: &str) -> Value {
    json!({
        "apiVersion": "nebula/v1", "kind": "Workflow", "name": name,
        "triggers": {
            "hook": {
                "webhook": { "auth": "bearer", "secret": credential, "reply": "result" },
                "input": { "url": "https://nobody.example/echo", "strict": false },
            },
        },
        "nodes": {
            "a": {
                "action": "http.request",
                "input": {
                    "url": "${ $input.url }", "auth": { "header": "x-secret" },
                    "fail_on_status": "${ $input.strict }",
                },
                "credentials": { "auth": credential },
                "retry": { "max_attempts": 2, "initial": "10ms", "factor": 1, "max": "10ms" },
                "timeout": "60s",
            },
            "well": { "action": "condition.check", "input": "${ $nodes.a.result }" },
            "badly": {
                "action": "condition.check",
                "input": { "error": "${ $nodes.a.error }", "text": "it was ${ $nodes.a.error }" },
            },
        },
        "connections": [
            { "from": "a", "to": "well" },
            { "from": "a", "to": "badly", "on": "failure" },
        ],
        "output": {
            "value": "${ $nodes.a.result }",
            "encoded": "${ $nodes.a.result | tojson | @base64 }",
            "error": "${ $nodes.badly.result }",
        },
    })
}

/// A house with a node, a service and secrets.
struct House {
    cli: Cli,
    node: Node,
    service: Service,
    admin: String,
    /// What must be found nowhere, by what it is.
    secrets: BTreeMap<&'static str, String>,
    said: Haystack,
}

impl House {
    fn start(marker: &str) -> Self {
        let cli = Cli::new();
        let service = Service::start(marker.to_owned());
        let admin = key(&cli, "admin");
        let log = cli.folder().join("log");
        let node = Node::start(&cli, &log);
        let keys = [
            "good",
            "elsewhere",
            "replaced",
            "its second value",
            "refused",
            "of no key",
        ];
        let mut secrets: BTreeMap<_, _> = keys.map(|name| (name, canary(name))).into();
        let of_key = admin.rsplit('.').next().expect("a secret").to_owned();
        secrets.insert("the key itself", of_key);
        Self {
            cli,
            node,
            service,
            admin,
            secrets,
            said: Haystack::default(),
        }
    }

    /// Runs a command that must end with this code, and keeps what it says.
    fn run(&mut self, code: i32, environment: &[(&str, &str)], arguments: &[&str]) -> String {
        let mut command = self.cli.command();
        command.env("NEBULA_API_KEY", &self.admin).args(arguments);
        command.envs(environment.iter().copied());
        let output = command.output().expect("nebula runs");
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {output:?}"
        );
        let place = format!("nebula {}", arguments.join(" "));
        self.said
            .add(format!("{place}, stdout"), output.stdout.clone());
        self.said.add(format!("{place}, stderr"), output.stderr);
        text(&output.stdout)
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> String {
        let bearer = format!("Bearer {}", self.admin);
        self.ask_with(&bearer, method, path, body)
    }

    fn ask_with(&mut self, key: &str, method: &str, path: &str, body: &str) -> String {
        let path = format!("/api/v1{path}");
        let answer = self.node.ask(key, method, &path, body);
        let place = format!("{method} {path} ({})", self.said.things.len());
        self.said.add(place, answer.clone());
        text(&answer)
    }

    /// Stores the secrets, by each of the ways there are.
    fn store(&mut self) {
        let file = self.cli.file("secret", &self.secrets["good"]);
        let set = [
            "credential",
            "set",
            "good",
            "--host",
            "svc.example",
            "--from-file",
            &file,
        ];
        self.run(0, &[], &set);
        let elsewhere = self.secrets["elsewhere"].clone();
        let set = [
            "credential",
            "set",
            "elsewhere",
            "--host",
            "elsewhere.example",
            "--from-env",
            "SECRET",
        ];
        self.run(0, &[("SECRET", &elsewhere)], &set);
        for name in ["replaced", "its second value"] {
            let body = json!({ "secret": self.secrets[name], "hosts": ["svc.example"] });
            let answer = self.ask("PUT", "/credentials/replaced", &body.to_string());
            assert!(answer.contains(" 20"), "{answer}");
        }
        let answer = self.ask("DELETE", "/credentials/replaced", "");
        assert!(answer.contains(" 204 "), "{answer}");
    }

    /// Sends a secret where it does not belong.
    fn send_what_is_refused(&mut self) {
        let secret = self.secrets["refused"].clone();
        let quoted = Value::from(secret.as_str()).to_string();
        for body in [
            quoted.clone(),
            format!("[[{quoted}]]"),
            format!("{{\"secret\": {quoted}"),
            format!("{{\"secret\": {quoted} \"hosts\": []}}"),
            format!("{{\"secret\": [{quoted}], \"hosts\": []}}"),
            format!("{{\"secret\": {{{quoted}: 1}}, \"hosts\": []}}"),
            format!("{{\"secret\": \"x\", \"hosts\": {quoted}}}"),
            format!("{{\"secret\": \"x\", \"hosts\": [], \"reveal\": {quoted}}}"),
            format!("{{\"secret\": {quoted}, \"secret\": {quoted}, \"hosts\": []}}"),
            format!("{{\"secret\": {quoted}, \"hosts\": [\"no host\"]}}"),
            format!("{{\"secret\": {quoted}, \"hosts\": [7]}}"),
            format!("{{{quoted}: \"secret\"}}"),
            json!({ "secret": format!("{secret}\n"), "hosts": [] }).to_string(),
            json!({ "secret": secret.repeat(2_000), "hosts": [] }).to_string(),
            json!({ "secret": secret.repeat(40_000), "hosts": [] }).to_string(),
            secret.clone(),
        ] {
            let answer = self.ask("PUT", "/credentials/refused", &body);
            assert!(
                answer.contains("HTTP/1.0 4") || answer.contains("HTTP/1.1 4"),
                "{body}: {answer}"
            );
        }
        let wrong = self.secrets["of no key"].clone();
        for key in [
            format!("Bearer {wrong}"),
            format!("Bearer nebula.default.k.{wrong}"),
            format!("Basic {}", BASE64.encode(wrong.as_bytes())),
            wrong,
        ] {
            let answer = self.ask_with(&key, "GET", "/workflows", "");
            assert!(answer.contains(" 401 "), "{answer}");
        }
        let admin = self.admin.clone();
        self.ask_with("", "GET", &format!("/workflows?key={admin}"), "");
    }

    fn deploy(&mut self) {
        let at = format!("http://{}", self.service.host);
        for host in ["svc.example", "other.example"] {
            self.run(0, &[], &["grant", "http.request", host, "--at", &at]);
        }
        for (name, credential) in [("uses", "good"), ("misuses", "elsewhere")] {
            let file = self
                .cli
                .file("workflow.json", &workflow(name, credential).to_string());
            self.run(0, &[], &["workflow", "deploy", &file]);
        }
    }

    /// Runs a workflow to its end; gives the execution's id.
    fn execute(&mut self, code: i32, name: &str, url: &str, strict: bool) {
        let input = json!({ "url": url, "strict": strict }).to_string();
        self.run(
            code,
            &[],
            &[
                "workflow", "execute", name, "--json", &input, "--wait", "-o", "json",
            ],
        );
    }

    /// Uses them well and badly.
    fn use_them(&mut self) {
        let good = self.secrets["good"].clone();
        let sent = format!("x-secret: {good}");
        for (path, strict, attempts) in [
            ("/ok", false, 1),
            ("/echo", false, 1),
            ("/fails", false, 1),
            ("/fails", true, 2),
            ("/busy", true, 2),
        ] {
            self.execute(0, "uses", &format!("https://svc.example{path}"), strict);
            for _ in 0..attempts {
                let head = self.service.asked();
                assert!(head.contains(&sent), "{path}: {head}");
            }
        }
        // To a host that the credential is not for nothing is sent.
        self.execute(0, "uses", "https://other.example/echo", false);
        self.execute(0, "misuses", "https://svc.example/echo", false);
        self.execute(0, "uses", "https://nobody.example/echo", false);
        let wrong = self.secrets["of no key"].clone();
        for (secret, status) in [(good, " 200 "), (wrong, " 401 ")] {
            let bearer = format!("Bearer {secret}");
            let answer = self.node.ask(&bearer, "POST", "/hooks/uses/hook", "{}");
            assert!(text(&answer).contains(status), "{}", text(&answer));
            self.said.add(format!("POST /hooks{status}"), answer);
        }
        let more = self
            .service
            .requests
            .recv_timeout(Duration::from_millis(200));
        assert!(more.is_err(), "{more:?}");

        let input = json!({ "url": "https://svc.example/hangs", "strict": true }).to_string();
        let id = self.run(
            0,
            &[],
            &[
                "workflow", "execute", "uses", "--json", &input, "-o", "name",
            ],
        );
        assert!(self.service.asked().contains(&sent));
        self.run(0, &[], &["execution", "cancel", id.trim()]);
        self.run(5, &[], &["execution", "watch", id.trim()]);
    }

    /// Everything that can be read from the node.
    fn listen(&mut self) {
        let document = self.ask("GET", "/openapi.json", "");
        let document: Value =
            serde_json::from_str(document.split("\r\n\r\n").nth(1).expect("a body"))
                .expect("the document");
        let listed = self.run(0, &[], &["execution", "list", "-o", "name"]);
        let ids: Vec<String> = listed.lines().map(str::to_owned).collect();
        assert!(ids.len() >= 9, "{listed}");
        for (path, operations) in document["paths"].as_object().expect("paths") {
            if operations["get"].is_null() {
                continue;
            }
            let path = path.trim_start_matches("/api/v1");
            let filled: Vec<String> = if path.contains("{execution}") {
                ids.iter()
                    .map(|id| path.replace("{execution}", id))
                    .collect()
            } else {
                let action = path.replace("{action}", "http.request");
                let action = action.replace("{trigger}", "hook");
                let action = action.replace("{namespace}/{package}", "acme/tools");
                ["uses", "misuses", "good", "elsewhere"]
                    .map(|name| action.replace("{workflow}", name).replace("{name}", name))
                    .into()
            };
            for path in filled {
                assert!(
                    !path.contains('{'),
                    "{path} has a parameter that nobody filled"
                );
                self.ask("GET", &path, "");
            }
        }
        let bearer = format!("Bearer {}", self.admin);
        let metrics = self.node.ask(&bearer, "GET", "/metrics", "");
        assert!(text(&metrics).contains("nebula_executions_ended_total"));
        self.said.add("GET /metrics", metrics);
        let mut commands: Vec<Vec<&str>> = vec![
            vec!["workflow", "list"],
            vec!["workflow", "get", "uses"],
            vec!["execution", "list"],
            vec!["credential", "list"],
            vec!["grant", "list"],
            vec!["key", "list"],
            vec!["action", "list"],
            vec!["trigger", "list"],
            vec!["trigger", "get", "uses/hook"],
        ];
        for id in &ids {
            commands.push(vec!["execution", "get", id]);
            commands.push(vec!["execution", "logs", id]);
        }
        for command in commands {
            for format in ["wide", "json", "yaml"] {
                self.run(0, &[], &[command.as_slice(), &["-o", format]].concat());
            }
        }
    }
}

/// Files of mode 0600 in folders of mode 0700; how many there are of each.
fn modes(folder: &Path) -> (usize, usize) {
    let mode = |path: &Path| {
        let metadata = std::fs::metadata(path).expect("it is there");
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode(folder), 0o700, "{}", folder.display());
    let (mut found, mut folders) = (0, 1);
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            let (below, more) = modes(&path);
            found += below;
            folders += more;
        } else if path.exists() {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            found += 1;
        }
    }
    (found, folders)
}

#[test]
fn no_secret_is_in_anything_that_a_node_writes_logs_or_says() {
    let marker = canary("marker");
    let mut house = House::start(&marker);
    house.store();
    house.send_what_is_refused();
    house.deploy();
    house.use_them();
    house.listen();

    let data = house.cli.folder().join("data");
    let (found, folders) = modes(&data);
    assert!(
        found >= 5 && folders >= 2,
        "{found} files, {folders} folders"
    );
    let log = house.cli.folder().join("log");
    let House {
        node,
        secrets,
        said,
        ..
    } = house;
    let mut all = said;
    let answers = all.things.len();
    for (place, bytes) in node.process() {
        all.add(place, bytes);
    }
    all.add_files("while it runs", &data);
    node.end();
    all.add_files("after it ended", &data);
    modes(&data);
    let logged = std::fs::read(&log).expect("a log");
    assert!(text(&logged).contains("TRACE"), "the log has everything");
    all.add("the log", logged);

    // What is no secret is found where secrets would be.
    let seen = all.find(&marker);
    for place in [
        "GET /api/v1/executions/",
        "nebula execution get",
        "while it runs",
        "after it ended",
    ] {
        assert!(seen.iter().any(|f| f.contains(place)), "{place}: {seen:?}");
    }
    all.add(
        "a planted answer",
        format!("{{\"detail\": \"{}\"}}", secrets["good"]),
    );
    let planted = all.find(&secrets["good"]);
    assert!(
        planted.contains(&"plain in a planted answer".to_owned()),
        "{planted:?}"
    );
    all.things.pop();

    for (name, secret) in &secrets {
        let leaks = all.find(secret);
        assert!(leaks.is_empty(), "{name}: {leaks:#?}");
    }
    println!(
        "{} secrets in {} forms: no hit in {answers} answers and {} other things, {} bytes; {found} files, {folders} folders",
        secrets.len(),
        forms(&marker).len(),
        all.things.len() - answers,
        all.bytes(),
    );
}
