//! `docs/walkthrough.md` as it is printed: each command in its blocks of the console
//! (lines with `$`, which `>` goes on with) is run in order, as a newcomer would, and
//! must print what stands below it. `UPDATE_SNAPSHOTS=1` writes what is printed anew;
//! look at the difference before it is committed. With `NEBULA_LONG` nothing was
//! compiled before; how long each command took is printed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cli::{Cli, warmed};

/// The port on the page; the test takes a free one.
const PORT: &str = "7300";
/// What stands for a time, a digest, an id.
const HIDDEN: &str = "…";

/// Beginnings of further lines with figures, and how many characters of them stay.
const FIGURES: [(&str, usize); 5] = [
    ("size         ", 13),
    ("STEP   STATUS ", 28),
    ("greet  succeeded ", 28),
    ("serial ", 20),
    ("size        passed ", 20),
];

/// A newcomer at a terminal.
struct Walk {
    cli: Cli,
    at: PathBuf,
    variables: BTreeMap<String, String>,
    port: String,
    nodes: Vec<Child>,
    is_cold: bool,
    times: Vec<(String, Duration)>,
}

impl Walk {
    fn new(is_cold: bool) -> Self {
        let cli = Cli::fresh();
        let home = cli.folder().to_owned();
        for folder in ["work", "config", "data"] {
            std::fs::create_dir(home.join(folder)).expect("a folder");
        }
        if !is_cold {
            // Where nodes have compiled the packs before.
            warmed(&home.join("data/nebula"));
            warmed(&home.join("work/elsewhere"));
        }
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port().to_string();
        let place = |folder: &str| home.join(folder).to_str().expect("text").to_owned();
        let variables = BTreeMap::from([
            ("XDG_CONFIG_HOME".to_owned(), place("config")),
            ("XDG_DATA_HOME".to_owned(), place("data")),
            ("DOCKER_CONFIG".to_owned(), place("config/docker")),
        ]);
        Self {
            at: home.join("work"),
            cli,
            variables,
            port,
            nodes: Vec::new(),
            is_cold,
            times: Vec::new(),
        }
    }

    fn shell(&self, script: &str) -> Command {
        let nebula = self.cli.command().get_program().to_owned();
        let programs = [Path::new(&nebula), Path::new(env!("CARGO"))]
            .map(|file| file.parent().expect("a folder").to_owned());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(programs.into_iter().chain(std::env::split_paths(&path)));
        let mut command = Command::new("sh");
        command
            .args(["-c", &script.replace(PORT, &self.port)])
            .current_dir(&self.at)
            .env("PATH", path.expect("no folder has a colon"))
            .env("CARGO_NET_OFFLINE", "true")
            .env_remove("CARGO_TARGET_DIR")
            .stdin(Stdio::null());
        for name in std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()) {
            if name.starts_with("NEBULA_") {
                command.env_remove(name);
            }
        }
        command.envs(&self.variables);
        command
    }

    /// What a command prints.
    fn run(&mut self, command: &str) -> String {
        if let Some(folder) = command.strip_prefix("cd ") {
            self.at = self.at.join(folder);
            let target = self.at.join("target");
            if !self.is_cold && self.at.join("Cargo.toml").is_file() && !target.exists() {
                // What its crate leans on was compiled for others.
                let shared = crate::cache().with_file_name("created-crates");
                std::fs::create_dir_all(&shared).expect("a folder");
                symlink(shared, target).expect("a link");
            }
            return String::new();
        }
        if let Some((name, value)) = command
            .strip_prefix("export ")
            .and_then(|variable| variable.split_once('='))
        {
            let value = value.trim_matches('\'').to_owned();
            self.variables.insert(name.to_owned(), value);
            return String::new();
        }
        if let Some(command) = command.strip_suffix(" &") {
            return self.start(command);
        }
        let began = Instant::now();
        let output = self
            .shell(&format!("{{ {command}\n}} 2>&1"))
            .output()
            .expect("sh runs");
        self.times.push((command.to_owned(), began.elapsed()));
        let mut printed = self.shown(&String::from_utf8_lossy(&output.stdout));
        if let Some(code) = output.status.code().filter(|code| *code != 0) {
            let _ = writeln!(printed, "(exit code {code})");
        }
        printed
    }

    /// Starts a node, and gives what it says until it is ready.
    fn start(&mut self, command: &str) -> String {
        let command = command.replace("nebula dev", &format!("nebula dev --port {}", self.port));
        let mut child = self
            .shell(&format!("exec {command}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh runs");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        self.nodes.push(child);
        let mut printed = String::new();
        for line in out.lines().map_while(Result::ok) {
            let last = line.starts_with("hub:");
            let _ = writeln!(printed, "{line}");
            if last {
                break;
            }
        }
        self.shown(&printed)
    }

    /// As it stands on the page: the same wherever and whenever it runs.
    fn shown(&self, printed: &str) -> String {
        let home = self.cli.folder().canonicalize().expect("there");
        let places = [
            home.join("work"),
            home.clone(),
            self.cli.folder().to_owned(),
        ]
        .map(|place| place.to_str().expect("text").to_owned());
        let own = places.iter().fold(printed.to_owned(), |text, place| {
            text.replace(&format!("{place}/work"), "~")
                .replace(place, "~")
        });
        let own = own.replace(&self.port, PORT);
        let lines = own.lines().filter(|line| !is_of_cargo(line));
        let shown: Vec<String> = lines.map(hidden).collect();
        let mut text = shown.join("\n").trim_matches('\n').to_owned();
        if !text.is_empty() {
            text.push('\n');
        }
        text
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}

/// `   Compiling serde v1.0.1`: what is built differs from day to day.
fn is_of_cargo(line: &str) -> bool {
    let word = line.split_whitespace().next().unwrap_or_default();
    let words = [
        "Compiling",
        "Finished",
        "Locking",
        "Running",
        "Adding",
        "Blocking",
    ];
    line.starts_with("  ") && words.contains(&word)
}

/// A line without what is another each time.
fn hidden(line: &str) -> String {
    let line = line.trim_end();
    let first = line.split("  ").next().unwrap_or_default();
    // Figures of a build or a machine: all but what they are measured against.
    if ["time", "fuel", "peak memory"].contains(&first)
        && let Some((_, most)) = line.split_once(" of ")
    {
        return format!("{first:12} {HIDDEN} of {most}");
    }
    for (beginning, kept) in FIGURES {
        if line.starts_with(beginning)
            && let Some((end, _)) = line.char_indices().nth(kept)
        {
            return format!("{}{HIDDEN}", &line[..end]);
        }
    }
    if let Some((before, _)) = line.split_once("finished in ") {
        return format!("{before}finished in {HIDDEN}");
    }
    let mut shown = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let word = rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        let (token, after) = rest.split_at(word.max(c.len_utf8()));
        let is_id = token.len() >= 16 && token.bytes().any(|b| b.is_ascii_digit());
        shown.push_str(if is_id { HIDDEN } else { token });
        rest = after;
    }
    shown
}

#[test]
fn the_walkthrough_is_what_its_commands_print() {
    let path = crate::root().join("docs/walkthrough.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    let is_cold = std::env::var_os("NEBULA_LONG").is_some();
    let mut walk = Walk::new(is_cold);
    let mut walked = String::new();
    let mut lines = page.lines().peekable();
    let mut in_console = false;
    while let Some(line) = lines.next() {
        let _ = writeln!(walked, "{line}");
        match line {
            "```console" => in_console = true,
            "```" => in_console = false,
            _ => {}
        }
        let Some(first) = line.strip_prefix("$ ").filter(|_| in_console) else {
            continue;
        };
        let mut command = first.to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with("> ")) {
            let _ = writeln!(walked, "{more}");
            let _ = write!(command, "\n{}", &more[2..]);
        }
        while lines
            .next_if(|l| !l.starts_with("$ ") && *l != "```")
            .is_some()
        {}
        walked += &walk.run(&command);
    }
    for (command, time) in &walk.times {
        println!(
            "{:>8.1} s  {}",
            time.as_secs_f64(),
            command.lines().next().unwrap_or_default()
        );
    }
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &walked).expect("writable");
    }
    assert_eq!(walked, page, "docs/walkthrough.md is not what is printed");
}
