//! A `nebula dev` of its own: start, memory, address.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nebula_tests::client::Connection;

use crate::print;
use crate::stats::Samples;

const STARTS: usize = 15;

/// A node on a data folder of its own.
pub(crate) struct Node {
    child: Child,
    /// `host:port`.
    pub(crate) address: String,
    folder: tempfile::TempDir,
}

impl Node {
    /// Starts one on a new folder.
    pub(crate) async fn start() -> Result<Self, crate::Error> {
        Self::start_on(tempfile::tempdir()?).await
    }

    async fn start_on(folder: tempfile::TempDir) -> Result<Self, crate::Error> {
        let mut child = Command::new(binary()?)
            .arg("--data")
            .arg(folder.path())
            .args(["dev", "--port", "0"])
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
        Ok(Self {
            child,
            address,
            folder,
        })
    }

    /// Resident memory, MiB.
    pub(crate) fn resident(&self) -> Result<f64, crate::Error> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find(|l| l.starts_with("VmRSS:"))
            .ok_or("no VmRSS")?;
        let kib: f64 = line.split_whitespace().nth(1).ok_or("no figure")?.parse()?;
        Ok(kib / 1024.0)
    }

    /// Ends it.
    pub(crate) fn stop(mut self) {
        self.kill();
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The `nebula` beside this program.
fn binary() -> Result<PathBuf, crate::Error> {
    let path = std::env::current_exe()?.with_file_name("nebula");
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("{} is missing: use `make bench`", path.display()).into())
    }
}

/// From the start of the process to its first answer, with cached components.
pub(crate) async fn cold_start() -> Result<(), crate::Error> {
    let mut node = Node::start().await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let idle = node.resident()?;
    node.kill();
    let mut folder = node.folder;
    let mut starts = Samples::default();
    for _ in 0..STARTS {
        let begin = Instant::now();
        let mut node = Node::start_on(folder).await?;
        starts.add(begin.elapsed());
        node.kill();
        folder = node.folder;
    }
    print("\n| figure | value |\n|---|---|");
    print(&format!(
        "| start of `nebula dev` to its first answer, components cached | {} |",
        starts.spread()
    ));
    print(&format!("| resident memory, idle | {idle:.0} MiB |"));
    Ok(())
}
