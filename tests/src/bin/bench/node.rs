//! A `nebula dev` of its own: start, memory, processor, address.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nebula_tests::client::Connection;
use nebula_tests::guest;

use crate::print;
use crate::stats::Samples;

const STARTS: usize = 15;

/// How often the kernel counts a process's time, a second (`USER_HZ`, 100 on
/// every Linux).
const TICKS: f64 = 100.0;

/// A node on a data folder of its own.
pub(crate) struct Node {
    child: Child,
    /// `host:port`.
    pub(crate) address: String,
    home: Home,
}

/// What a node runs on; outlives it.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    /// In place of SQLite in the folder.
    store: Option<String>,
    /// Besides the packs.
    components: Vec<PathBuf>,
}

impl Home {
    /// A new folder.
    pub(crate) fn new() -> Result<Self, crate::Error> {
        Ok(Self {
            folder: tempfile::tempdir()?,
            store: None,
            components: Vec::new(),
        })
    }

    /// The same with executions kept elsewhere.
    pub(crate) fn on(mut self, store: String) -> Self {
        self.store = Some(store);
        self
    }

    /// The same with a component of one's own.
    pub(crate) fn with(mut self, component: &Path) -> Self {
        self.components.push(component.to_owned());
        self
    }

    /// Starts a node on it, and waits for its first answer.
    pub(crate) async fn start(self) -> Result<Node, crate::Error> {
        let mut command = Command::new(binary()?);
        command.arg("--data").arg(self.folder.path());
        command.args(["dev", "--port", "0"]);
        for component in &self.components {
            command.arg("--component").arg(component);
        }
        command.envs(self.store.iter().map(|store| ("NEBULA_STORE", store)));
        let mut child = command
            .env("NEBULA_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().ok_or("no output")?;
        let line = BufReader::new(out)
            .lines()
            .next()
            .ok_or("the node ended")??;
        let address = line
            .rsplit_once("http://")
            .ok_or("no address")?
            .1
            .to_owned();
        let mut connection = Connection::open(&address).await?;
        connection.get("/api/v1/health").await?;
        Ok(Node {
            child,
            address,
            home: self,
        })
    }
}

impl Node {
    /// Resident memory, MiB.
    pub(crate) fn resident(&self) -> Result<f64, crate::Error> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kib = field(&status, "VmRSS:").ok_or("no VmRSS")?;
        Ok(kib / 1024.0)
    }

    /// Processor time so far, in user and kernel mode.
    pub(crate) fn processor(&self) -> Result<Duration, crate::Error> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // Behind the name, which may have spaces: the 12th and 13th field.
        let rest = stat.rsplit_once(')').ok_or("no stat")?.1;
        let ticks: Vec<f64> = rest
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        Ok(Duration::from_secs_f64(ticks.iter().sum::<f64>() / TICKS))
    }

    /// Bytes that it has sent to the disk so far.
    pub(crate) fn written(&self) -> Result<f64, crate::Error> {
        let io = std::fs::read_to_string(format!("/proc/{}/io", self.child.id()))?;
        Ok(field(&io, "write_bytes:").ok_or("no write_bytes")?)
    }

    /// The command on its folder.
    pub(crate) fn command(&self) -> Result<Command, crate::Error> {
        let mut command = Command::new(binary()?);
        command.arg("--data").arg(self.home.folder.path());
        Ok(command)
    }

    /// Ends it with `kill -9`; its home is left.
    pub(crate) fn kill(mut self) -> Home {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.home
    }
}

fn field(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The `nebula` beside this program.
pub(crate) fn binary() -> Result<PathBuf, crate::Error> {
    let path = std::env::current_exe()?.with_file_name("nebula");
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("{} is missing: use `make bench`", path.display()).into())
    }
}

/// The component of `tests/guests/effectful`, built.
pub(crate) fn effectful() -> Result<PathBuf, crate::Error> {
    guest::build(&Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/effectful"))
}

/// From the start of the process to its first answer, with cached components.
pub(crate) async fn cold_start() -> Result<(), crate::Error> {
    // Its first start on a new folder compiles.
    let home = Home::new()?.start().await?.kill();
    let node = home.start().await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let idle = node.resident()?;
    let mut home = node.kill();
    let mut starts = Samples::default();
    for _ in 0..STARTS {
        let begin = Instant::now();
        let node = home.start().await?;
        starts.add(begin.elapsed());
        home = node.kill();
    }
    print("\n| figure | value |\n|---|---|");
    print(&format!(
        "| start of `nebula dev` to its first answer, components cached | {} |",
        starts.spread()
    ));
    print(&format!("| resident memory, idle | {idle:.0} MiB |"));
    Ok(())
}
