//! A PostgreSQL server of a test's own: in a temporary folder, on a Unix
//! socket, and ended with the process that started it, whatever ends that.

use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A server that takes longer than this to begin or to end does not work.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whom to be for the server, which refuses to run as root.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// Ends the server by its pid once the test's process has closed its end of the
/// pipe, and removes the folder.
const KEEPER: &str = r#"
trap '' INT TERM
cat >/dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
    kill -CONT "$pid" 2>/dev/null
    kill -INT "$pid" 2>/dev/null
    for n in 1 2 3 4 5 6 7 8 9 10; do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.5
    done
    kill -QUIT "$pid" 2>/dev/null
fi
rm -rf "$1"
"#;

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// As an operator does: sessions are ended, everything is on disk.
    Fast,
    /// As a crash does: at once, with recovery at the next start.
    Immediate,
}

/// A server, running or stopped.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    programs: PathBuf,
    /// Whom it runs as, if not as this process's user.
    user: Option<(&'static str, u32)>,
    settings: Vec<String>,
    running: Mutex<Option<Child>>,
    keeper: Option<(Child, ChildStdin)>,
}

impl Server {
    /// Makes a cluster and starts its server, with these settings (`name=value`)
    /// besides the defaults.
    ///
    /// # Panics
    /// When there is no PostgreSQL on this machine, or it does not start.
    #[must_use]
    pub fn start(settings: &[&str]) -> Self {
        let programs = programs().unwrap_or_else(|| {
            panic!("there is no PostgreSQL on this machine: scripts/setup installs it")
        });
        let folder = tempfile::Builder::new()
            .prefix("nebula-pg-")
            .tempdir()
            .expect("a folder")
            .keep();
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh runs");
        let pipe = keeper.stdin.take().expect("piped");
        let server = Self {
            user: unprivileged(),
            folder,
            programs,
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
            running: Mutex::new(None),
            keeper: Some((keeper, pipe)),
        };
        server.make_cluster();
        server.run();
        server
    }

    fn make_cluster(&self) {
        if let Some((_, uid)) = self.user {
            chown(&self.folder, Some(uid), None).expect("root may");
        }
        let made = self
            .command("initdb")
            .arg("-D")
            .arg(self.data())
            .args([
                "-A",
                "trust",
                "-U",
                "nebula",
                "-E",
                "UTF8",
                "--locale=C",
                "-N",
            ])
            .output();
        told(made);
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A program of the server's, as the user who may run it.
    fn command(&self, program: &str) -> Command {
        let path = self.programs.join(program);
        let mut command = match self.user {
            Some((name, _)) => {
                let mut command = Command::new("setpriv");
                let group = format!("--regid={}", group_of(name));
                command
                    .args([format!("--reuid={name}"), group, "--clear-groups".into()])
                    .arg(path);
                command
            }
            None => Command::new(path),
        };
        command.current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    /// Starts it, if it is stopped, and waits until it takes sessions.
    ///
    /// # Panics
    /// When it does not start.
    pub fn run(&self) {
        let mut running = self.running();
        if running.is_some() {
            return;
        }
        // What a crash left of the last one must not be taken for this one's.
        let _ = fs::remove_file(self.data().join("postmaster.pid"));
        let log = fs::File::create(self.folder.join("log")).expect("writable");
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data());
        let socket = format!("unix_socket_directories={}", self.folder.display());
        for setting in [
            &socket,
            "listen_addresses=",
            "port=5432",
            "max_connections=200",
        ] {
            command.args(["-c", setting]);
        }
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        let mut child = command
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("postgres runs");
        let began = Instant::now();
        while !self.is_ready() {
            if let Some(status) = child.try_wait().expect("a child") {
                panic!("postgres ended with {status}: {}", self.log());
            }
            assert!(began.elapsed() < PATIENCE, "not ready: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        *running = Some(child);
    }

    /// The eighth line of its pid file says what it does.
    fn is_ready(&self) -> bool {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        text.lines()
            .nth(7)
            .is_some_and(|line| line.trim() == "ready")
    }

    /// What it logged since it was started last.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Stops it, and waits until it has ended.
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop(&self, how: Stop) {
        let mut running = self.running();
        let Some(mut child) = running.take() else {
            return;
        };
        self.signal(if how == Stop::Fast { "-INT" } else { "-QUIT" });
        let began = Instant::now();
        while child.try_wait().expect("a child").is_none() {
            assert!(
                began.elapsed() < PATIENCE,
                "it does not end: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends a signal to the server, e.g. `-STOP`.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, signal: &str) {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).expect("it runs");
        let pid = text.lines().next().unwrap_or_default();
        told(Command::new("kill").args([signal, pid]).output());
    }

    /// Ends every session by its process, as an operator may; how many there were.
    ///
    /// # Panics
    /// When the server does not run.
    pub fn end_sessions(&self) -> usize {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).expect("it runs");
        let pid = text.lines().next().unwrap_or_default();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        let is_session = |child: &&str| {
            // Its processes name themselves: `postgres: user database …`.
            let title = fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
            title.starts_with(b"postgres: nebula ")
        };
        let sessions = children.split_whitespace().filter(is_session);
        sessions
            .filter(|pid| {
                let kill = Command::new("kill").args(["-TERM", pid]).output();
                kill.is_ok_and(|kill| kill.status.success())
            })
            .count()
    }

    /// The URL of one of its databases, with these parameters besides.
    #[must_use]
    pub fn url(&self, database: &str, parameters: &str) -> String {
        let folder = self.folder.display();
        format!("postgres://nebula@localhost:5432/{database}?host={folder}&{parameters}")
            .trim_end_matches('&')
            .to_owned()
    }

    /// The folder of its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    fn running(&self) -> MutexGuard<'_, Option<Child>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The keeper does the same should this not be reached.
        if let Some(mut child) = self.running().take() {
            for signal in ["-CONT", "-INT"] {
                let pid =
                    fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
                if let Some(pid) = pid.lines().next() {
                    let _ = Command::new("kill").args([signal, pid]).output();
                }
            }
            let _ = child.wait();
        }
        if let Some((mut keeper, pipe)) = self.keeper.take() {
            drop(pipe);
            let _ = keeper.wait();
        }
    }
}

/// Where `initdb` and `postgres` are: on the path, or where Debian puts them,
/// the newest first.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).find(|folder| holds(folder));
    on_path.or_else(|| {
        let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
        versions
            .filter_map(|entry| {
                let folder = entry.ok()?.path();
                let version: u32 = folder.file_name()?.to_str()?.parse().ok()?;
                Some((version, folder.join("bin")))
            })
            .filter(|(_, folder)| holds(folder))
            .max()
            .map(|(_, folder)| folder)
    })
}

fn holds(folder: &Path) -> bool {
    ["initdb", "postgres"]
        .iter()
        .all(|program| folder.join(program).is_file())
}

/// A user for the server, if this process is root.
fn unprivileged() -> Option<(&'static str, u32)> {
    if number("-u", None)? != 0 {
        return None;
    }
    let found = USERS
        .into_iter()
        .find_map(|name| Some((name, number("-u", Some(name))?)));
    Some(found.expect("a machine has a user `nobody`"))
}

fn group_of(user: &str) -> u32 {
    number("-g", Some(user)).unwrap_or_default()
}

fn number(what: &str, user: Option<&str>) -> Option<u32> {
    let output = Command::new("id").arg(what).args(user).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn told(output: io::Result<Output>) {
    let output = output.expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
