//! A MariaDB server of a test's own: in a temporary folder, on a Unix socket, and ended
//! with the process that started it, whatever ends that.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that takes longer than this to begin does not work.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where Debian's package `mariadb-server-core` has the scripts of the system's tables,
/// and messages.
const SHARE: &str = "/usr/share/mysql";
const TABLES: [&str; 3] = [
    "mysql_system_tables.sql",
    "mysql_performance_tables.sql",
    "mysql_system_tables_data.sql",
];
/// Who may do everything, so that tests may.
const ACCOUNT: &str = "CREATE USER nebula@localhost IDENTIFIED BY 'open-sesame';\n\
                       GRANT ALL ON *.* TO nebula@localhost WITH GRANT OPTION;\n";

/// Ends the server by its pid once the test's process has closed its end of the
/// pipe, and removes the folder.
const KEEPER: &str = r#"
trap '' INT TERM
cat >/dev/null
pid=$(head -n 1 "$1/pid" 2>/dev/null)
if [ -n "$pid" ]; then
    kill -TERM "$pid" 2>/dev/null
    for n in 1 2 3 4 5 6 7 8 9 10; do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.5
    done
    kill -KILL "$pid" 2>/dev/null
fi
rm -rf "$1"
"#;

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    child: Child,
    keeper: Option<(Child, ChildStdin)>,
}

impl Server {
    /// Makes its tables and starts it; none if there is no MariaDB on this machine.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let program = program()?;
        let folder = tempfile::Builder::new()
            .prefix("nebula-maria-")
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
        make_tables(&program, &folder);
        let child = run(&program, &folder);
        Some(Self {
            folder,
            child,
            keeper: Some((keeper, pipe)),
        })
    }

    /// The URL of one of its databases, with these parameters besides.
    #[must_use]
    pub fn url(&self, database: &str, parameters: &str) -> String {
        let socket = self.folder.join("socket");
        let url = format!(
            "mysql://nebula:open-sesame@localhost/{database}?socket={}&{parameters}",
            socket.display()
        );
        url.trim_end_matches('&').to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The keeper does the same should this not be reached.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some((mut keeper, pipe)) = self.keeper.take() {
            drop(pipe);
            let _ = keeper.wait();
        }
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    let mut programs = folders.map(|folder| folder.join("mariadbd"));
    programs.find(|program| program.is_file() && Path::new(SHARE).is_dir())
}

/// With a small memory, no network, and nothing on disk before it has to be.
fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("--no-defaults");
    // It refuses to be root unless it is told to.
    if fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0) {
        command.arg("--user=root");
    }
    command
        .arg(format!("--datadir={}", folder.join("data").display()))
        .arg(format!("--lc-messages-dir={SHARE}"))
        .args([
            "--skip-networking",
            "--skip-log-bin",
            "--character-set-server=utf8mb4",
        ])
        .args(["--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M"])
        .arg("--innodb-flush-log-at-trx-commit=0")
        .current_dir(folder);
    command
}

fn make_tables(program: &Path, folder: &Path) {
    fs::create_dir(folder.join("data")).expect("writable");
    // A statement is a line, or ends as in a script.
    let mut script =
        "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n".to_owned();
    for table in TABLES {
        script += &fs::read_to_string(Path::new(SHARE).join(table)).expect("readable");
    }
    let log = fs::File::create(folder.join("log")).expect("writable");
    let mut making = command(program, folder)
        .arg("--bootstrap")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("mariadbd runs");
    let mut stdin = making.stdin.take().expect("piped");
    stdin.write_all(script.as_bytes()).expect("it reads");
    drop(stdin);
    let made = making.wait().expect("it ends");
    assert!(made.success(), "no tables: {}", log_of(folder));
}

/// Starts it, and waits until it takes sessions.
fn run(program: &Path, folder: &Path) -> Child {
    let account = folder.join("account.sql");
    fs::write(&account, ACCOUNT).expect("writable");
    let log = fs::File::create(folder.join("log")).expect("writable");
    let mut child = command(program, folder)
        .arg(format!("--socket={}", folder.join("socket").display()))
        .arg(format!("--pid-file={}", folder.join("pid").display()))
        .arg(format!("--init-file={}", account.display()))
        .args(["--max-connections=200"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("mariadbd runs");
    let began = Instant::now();
    while !log_of(folder).contains("ready for connections") {
        if let Some(status) = child.try_wait().expect("a child") {
            panic!("mariadbd ended with {status}: {}", log_of(folder));
        }
        assert!(began.elapsed() < PATIENCE, "not ready: {}", log_of(folder));
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

fn log_of(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}
