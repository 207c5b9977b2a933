//! A node on a small file system of its own, which is full for a while.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::cli::{Cli, Ended};
use crate::hub_world::free;

/// Waits for a signal.
const ASKS: &str = r#"
apiVersion: nebula/v1
kind: Workflow
name: asks
nodes:
  approve: { wait: { signal: approval } }
output: "${ $nodes.approve.result }"
"#;

/// Mounts, and does as it is told: the mount is seen by what it starts, and by nobody
/// else, and is gone with it.
const SCRIPT: &str = r#"
set -e
mkdir small
mount -t tmpfs -o size=256m,mode=700 small small
cp -a data small/data
while read word; do
  case $word in
    start) "$NEBULA" --data small/data dev --port "$PORT" >out 2>>err & node=$!;;
    kill) kill -9 $node; wait $node || true;;
    fill) left=$(df -k --output=avail small | tail -1); head -c $(((left - 3072) * 1024)) /dev/zero >small/ballast;;
    empty) rm small/ballast;;
  esac
  echo "$word"
done
kill -9 $node
"#;

/// A node that is reached by its port alone.
struct Small {
    cli: Cli,
    address: String,
    script: Child,
    words: Option<ChildStdin>,
    echo: BufReader<ChildStdout>,
}

impl Small {
    fn new() -> Option<Self> {
        let cli = Cli::new();
        let may = Command::new("unshare")
            .args(["-Urm", "mount", "-t", "tmpfs", "try"])
            .arg(cli.folder())
            .stderr(Stdio::null())
            .status();
        if !may.is_ok_and(|status| status.success()) {
            // Not by a macro, whose output a passing test hides.
            let _ = writeln!(
                std::io::stderr(),
                "\n*** DID NOT RUN: a node on a full file system: this user may not mount one (`unshare -Urm`) ***\n"
            );
            return None;
        }
        let address = free();
        let (_, port) = address.rsplit_once(':').expect("a port");
        let mut script = Command::new("unshare")
            .args(["-Urm", "sh", "-c", SCRIPT])
            .current_dir(cli.folder())
            .env("NEBULA", cli.command().get_program())
            .env("PORT", port)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("util-linux has it");
        Some(Self {
            words: script.stdin.take(),
            echo: BufReader::new(script.stdout.take().expect("piped")),
            script,
            cli,
            address,
        })
    }

    fn tell(&mut self, word: &str) {
        let words = self.words.as_mut().expect("until the end");
        writeln!(words, "{word}").expect("it reads");
        let mut echo = String::new();
        self.echo.read_line(&mut echo).expect("it answers");
        assert_eq!(echo.trim(), word);
    }

    /// Starts the node and waits until it answers.
    fn start(&mut self) {
        self.tell("start");
        for _ in 0..600 {
            if self.run(&["workflow", "list"]).code == 0 {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let log = std::fs::read_to_string(self.cli.folder().join("err"));
        panic!("it does not start: {log:?}");
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = self.cli.command();
        let url = format!("http://{}", self.address);
        command.env("NEBULA_SERVER", url).args(arguments);
        Ended::from(command.output().expect("nebula runs"))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.run(&[arguments, &["-o", "json"]].concat());
        assert_eq!(ended.code, 0, "{arguments:?}: {ended:?}");
        serde_json::from_str(&ended.stdout).expect("JSON")
    }

    /// Starts an execution with much input: its id, or how it was refused.
    fn execute(&self) -> Result<String, Ended> {
        let input = format!(r#"{{"filler":"{}"}}"#, "x".repeat(60_000));
        let ended = self.run(&[
            "workflow", "execute", "asks", "--json", &input, "-o", "json",
        ]);
        if ended.code != 0 {
            return Err(ended);
        }
        let started: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        Ok(started["id"].as_str().expect("an id").to_owned())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Its input's end ends it, and it ends the node.
        drop(self.words.take());
        let _ = self.script.wait();
    }
}

#[test]
fn a_full_disk_refuses_what_is_new_and_loses_nothing() {
    let Some(mut small) = Small::new() else {
        return;
    };
    small.start();
    let file = small.cli.file("asks.yaml", ASKS);
    let deployed = small.run(&["workflow", "deploy", &file]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    small.tell("fill");

    let mut accepted = Vec::new();
    let refused = loop {
        match small.execute() {
            Ok(id) => accepted.push(id),
            Err(refused) => break refused,
        }
        assert!(accepted.len() < 500, "the disk is not full");
    };
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.stderr.contains("the node's log"), "{refused:?}");
    let log = std::fs::read_to_string(small.cli.folder().join("err")).expect("a log");
    assert!(log.contains("full"), "{log}");
    assert!(!accepted.is_empty());
    // It goes on to answer, and what it says is true.
    for id in &accepted {
        let seen = small.json(&["execution", "get", id]);
        // Its first append may be what found no room.
        let waits = ["waiting", "queued"].contains(&seen["status"].as_str().unwrap_or_default());
        assert!(waits, "{seen}");
    }
    assert!(small.execute().is_err());

    small.tell("empty");
    let later = small.execute().expect("there is room again");
    accepted.push(later);
    small.tell("kill");
    small.start();
    for id in &accepted {
        let told = small.run(&["execution", "signal", id, "approval", "--json", "1"]);
        assert_eq!(told.code, 0, "{told:?}");
        let ended = small.run(&["execution", "watch", id]);
        assert_eq!(ended.code, 0, "{ended:?}");
    }
}
