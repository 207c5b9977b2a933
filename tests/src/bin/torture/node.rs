//! The node that suffers: `nebula dev` on one data folder, started again and again.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nebula_flow::planted::Bug;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use crate::Error;

/// How long a node may take to end by itself.
const DRAIN: Duration = Duration::from_secs(60);

/// The node, whether it runs or not.
pub(crate) struct Node {
    binary: PathBuf,
    data: PathBuf,
    log: PathBuf,
    /// Chosen by the first start, and kept.
    port: u16,
    /// The bug that it has.
    bug: Option<Bug>,
    /// The URL of its store, if that is not in its folder.
    store: Option<String>,
    child: Option<Child>,
}

impl Node {
    /// On a folder that is there.
    pub(crate) fn on(
        folder: &Path,
        bug: Option<Bug>,
        store: Option<String>,
    ) -> Result<Self, Error> {
        let binary = std::env::current_exe()?.with_file_name("nebula");
        if !binary.is_file() {
            return Err(format!("{} is missing: use `make torture`", binary.display()).into());
        }
        Ok(Self {
            binary,
            data: folder.join("data"),
            log: folder.join("node.log"),
            port: 0,
            bug,
            store,
            child: None,
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--data").arg(&self.data);
        command.envs(self.store.iter().map(|store| ("NEBULA_STORE", store)));
        command
    }

    /// Runs a command of `nebula` on the folder; no node may run.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<(), Error> {
        let output = self.command().args(arguments).output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("nebula {}: {said}", arguments.join(" ")).into())
    }

    /// `host:port`, once it was started.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts it and waits until it listens.
    pub(crate) fn start(&mut self) -> Result<(), Error> {
        match self.start_to_abort(None)? {
            true => Ok(()),
            false => Err("the node did not start; see its log".into()),
        }
    }

    /// Starts it with the order to abort at a fail point; false if it has before it
    /// listens.
    pub(crate) fn start_to_abort(&mut self, point: Option<&str>) -> Result<bool, Error> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = self.command();
        command.args(["dev", "--port", &self.port.to_string()]);
        command.env("NEBULA_LOG", "warn");
        command.envs(point.map(|point| ("NEBULA_ABORT_AT", point)));
        command.envs(self.bug.map(|bug| ("NEBULA_PLANT", bug.name())));
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn()?;
        let out = child.stdout.take().ok_or("no output")?;
        self.child = Some(child);
        let Some(line) = BufReader::new(out).lines().next() else {
            return Ok(false);
        };
        let line = line?;
        let port = line
            .trim()
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok());
        self.port = port.ok_or_else(|| format!("no port in `{line}`"))?;
        Ok(true)
    }

    fn signal(&self, signal: Signal) -> Result<(), Error> {
        let child = self.child.as_ref().ok_or("no node runs")?;
        Ok(kill_process(Pid::from_child(child), signal)?)
    }

    /// `kill -9`: true if it was this that ended it.
    pub(crate) fn kill(&mut self) -> Result<bool, Error> {
        self.signal(Signal::KILL)?;
        let status = self.wait()?;
        Ok(status.signal() == Some(9))
    }

    /// Asks it to end, and waits until it has; true if it ended well.
    pub(crate) async fn terminate(&mut self) -> Result<bool, Error> {
        self.signal(Signal::TERM)?;
        let mut child = self.child.take().ok_or("no node runs")?;
        let status = tokio::task::spawn_blocking(move || child.wait());
        let status = tokio::time::timeout(DRAIN, status).await;
        Ok(status
            .map_err(|_| "the node does not end by itself")???
            .success())
    }

    /// Lets no file of it be written beyond so many bytes, as if the disk were full;
    /// none lets them again.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) -> Result<(), Error> {
        let child = self.child.as_ref().ok_or("no node runs")?;
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(Some(Pid::from_child(child)), Resource::Fsize, limit)?;
        Ok(())
    }

    /// Stops it, so that the rest of the world goes on without it.
    pub(crate) fn stop(&self) -> Result<(), Error> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) -> Result<(), Error> {
        self.signal(Signal::CONT)
    }

    /// Waits until it has aborted; false if it does not.
    pub(crate) async fn aborted(&mut self, patience: Duration) -> Result<bool, Error> {
        let end = Instant::now() + patience;
        while Instant::now() < end {
            if !self.runs()? {
                return Ok(self.wait()?.signal() == Some(Signal::ABORT.as_raw()));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(false)
    }

    /// Asks it to end, and does not wait.
    pub(crate) fn ask_to_end(&self) -> Result<(), Error> {
        self.signal(Signal::TERM)
    }

    fn wait(&mut self) -> Result<ExitStatus, Error> {
        Ok(self.child.take().ok_or("no node runs")?.wait()?)
    }

    /// Whether it runs still.
    pub(crate) fn runs(&mut self) -> Result<bool, Error> {
        match &mut self.child {
            None => Ok(false),
            Some(child) => Ok(child.try_wait()?.is_none()),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Makes a folder whose node need not compile the packs, if another has, and
/// which has the same key.
pub(crate) fn prepare(warm: &Path, here: &Path) -> Result<(), Error> {
    let data = here.join("data");
    fs::create_dir_all(here)?;
    if !warm.join("compiled").is_dir() {
        return Ok(());
    }
    for folder in [data.clone(), data.join("compiled")] {
        fs::DirBuilder::new().mode(0o700).create(folder)?;
    }
    let mut files = vec!["node.key".into()];
    for entry in fs::read_dir(warm.join("compiled"))? {
        files.push(Path::new("compiled").join(entry?.file_name()));
    }
    for file in files {
        // It keeps the file's mode.
        fs::copy(warm.join(&file), data.join(&file))?;
    }
    Ok(())
}
