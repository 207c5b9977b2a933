//! From a component to machine code. Nothing bounds what a compiler takes for a
//! hostile input but the system, so it runs in a process of its own that the
//! system stops: the child sets its limits before it reads a byte, gets the
//! component through its standard input and gives the code through its standard
//! output, and has no other way in or out. The parent takes only what came
//! through that pipe from a child that ended well.
//!
//! Without a program that can be such a child, components are compiled in this
//! process, within no limits: only for components that the caller built.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use nebula_flow::event::Failure;
use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use wasmtime::Engine;
use wasmtime::component::Component as Compiled;

use crate::lines::cut;
use crate::load::host;
use crate::profile;
use crate::structure::refused;

/// CPU time of a compilation.
const CPU: Duration = Duration::from_secs(20);
/// Address space of a compilation, bytes.
const ADDRESS_SPACE: u64 = 1 << 30;
/// Time of a compilation by the wall, for a child that waits instead of working.
const WALL: Duration = Duration::from_secs(120);
/// The most machine code that is taken, bytes.
pub(crate) const CODE_BYTES: u64 = 512 << 20;
/// What is read of what a child says about its end, bytes.
const SAID_BYTES: u64 = 8 << 10;
/// The child's exit code when the compiler refuses the component.
const REFUSED: u8 = 10;
/// Rust's exit code after a panic.
const PANICKED: i32 = 101;

/// A program whose process may become the compiler: with these arguments it
/// calls [`compile_child`] and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiler {
    /// Which program.
    pub program: PathBuf,
    /// With which arguments.
    pub args: Vec<OsString>,
}

impl Compiler {
    /// The program that runs now, whatever became of its file.
    #[must_use]
    pub fn this_program(verb: &str) -> Self {
        Self {
            program: "/proc/self/exe".into(),
            args: vec![verb.into()],
        }
    }
}

// ----------------------------------------------------------------- the child --

/// The whole life of a compiling process: limits itself, then turns the
/// component on its standard input into machine code on its standard output.
/// A refusal is one line on standard error.
#[must_use]
pub fn compile_child() -> ExitCode {
    let (code, said) = match limited().and_then(|()| compile_stdin()) {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(refusal)) => (REFUSED.into(), refusal),
        Err(error) => (ExitCode::FAILURE, error.to_string()),
    };
    // Who started this process is told by its exit code if by nothing else.
    let _ = writeln!(std::io::stderr(), "{said}");
    code
}

fn limited() -> std::io::Result<()> {
    let cpu = CPU.as_secs();
    for (resource, soft, hard) in [
        (Resource::Cpu, cpu, cpu + 1),
        (Resource::As, ADDRESS_SPACE, ADDRESS_SPACE),
        (Resource::Core, 0, 0),
        (Resource::Fsize, 0, 0),
    ] {
        let limit = Rlimit {
            current: Some(soft),
            maximum: Some(hard),
        };
        setrlimit(resource, limit)?;
    }
    Ok(())
}

fn compile_stdin() -> std::io::Result<Result<(), String>> {
    let mut component = Vec::new();
    std::io::stdin().lock().read_to_end(&mut component)?;
    let engine = profile::compiling_engine().map_err(std::io::Error::other)?;
    match engine.precompile_component(&component) {
        Ok(code) => {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(&code)?;
            stdout.flush()?;
            Ok(Ok(()))
        }
        Err(error) => Ok(Err(format!("{error:#}"))),
    }
}

// ---------------------------------------------------------------- the parent --

/// Machine code that a child of this process gave.
pub(crate) struct ChildsCode(Vec<u8>);

impl ChildsCode {
    /// # Errors
    /// Of kind `Component` when it needs more than a store may have; of kind
    /// `Host` when it is no code of this engine.
    pub(crate) fn load(&self, engine: &Engine) -> Result<Compiled, Failure> {
        #[expect(
            unsafe_code,
            reason = "the bytes came through a pipe from our own program, which wrote what wasmtime gave it"
        )]
        // SAFETY: `in_child` is the only maker of this type.
        let loaded = unsafe { Compiled::deserialize(engine, &self.0) };
        loaded.map_err(|error| {
            let error = format!("{error:#}");
            // The pool's limits have no type of their own; a test holds the words.
            if error.contains("exceeds the") {
                return refused(format!("the component cannot be compiled: {error}"));
            }
            host(&format!("the compiled component does not load: {error}"))
        })
    }
}

/// How a child ended: its status, its output, the beginning of what it said.
struct Ended {
    status: ExitStatus,
    code: Vec<u8>,
    said: String,
}

/// Compiles a component in a child.
///
/// # Errors
/// Of kind `Component` when the compiler refuses it or a limit stopped it,
/// which is final; of kind `Host` when there could be no child or somebody else
/// stopped it.
pub(crate) async fn in_child(compiler: &Compiler, component: &[u8]) -> Result<ChildsCode, Failure> {
    let child = Command::new(&compiler.program)
        .args(&compiler.args)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| host(&format!("the compiling process does not start: {e}")))?;
    let ended = tokio::time::timeout(WALL, watched(child, component))
        .await
        .map_err(|_| {
            let wall = WALL.as_secs();
            host(&format!(
                "the compiling process did not end within {wall} s"
            ))
        })?
        .map_err(|e| host(&format!("the compiling process cannot be talked to: {e}")))?;
    verdict(ended)
}

/// Feeds a child and hears it out.
async fn watched(mut child: Child, component: &[u8]) -> std::io::Result<Ended> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
        return Err(std::io::Error::other("it has no pipes"));
    };
    let feed = async move {
        // A child that was stopped reads no more; its status says why.
        let _ = stdin.write_all(component).await;
    };
    let (mut code, mut said) = (Vec::new(), Vec::new());
    let hear = async {
        let mut stdout = stdout.take(CODE_BYTES + 1);
        stdout.read_to_end(&mut code).await
    };
    let reasons = async {
        let mut stderr = stderr.take(SAID_BYTES);
        stderr.read_to_end(&mut said).await
    };
    let ((), heard, reasons) = tokio::join!(feed, hear, reasons);
    heard?;
    reasons?;
    if code.len() as u64 > CODE_BYTES {
        child.start_kill()?;
    }
    Ok(Ended {
        status: child.wait().await?,
        code,
        said: String::from_utf8_lossy(&said).into_owned(),
    })
}

/// What an end of a child means.
fn verdict(ended: Ended) -> Result<ChildsCode, Failure> {
    let Ended { status, code, said } = ended;
    let limit = |limit: String| {
        Err(refused(format!(
            "the component met a compile limit: {limit}"
        )))
    };
    if code.len() as u64 > CODE_BYTES {
        return limit(format!(
            "{} of machine code",
            crate::limits::bytes(CODE_BYTES)
        ));
    }
    let signal = |signal: Signal| status.signal() == Some(signal.as_raw());
    if status.success() && !code.is_empty() {
        return Ok(ChildsCode(code));
    }
    if status.code() == Some(REFUSED.into()) {
        let said = cut(said.trim(), 1_000);
        // A compiler that notices that it has no memory left says so itself.
        if said.contains("out of memory") {
            return limit(format!("{} of memory", crate::limits::bytes(ADDRESS_SPACE)));
        }
        return Err(refused(format!("the component cannot be compiled: {said}")));
    }
    if signal(Signal::XCPU) {
        return limit(format!("{} s CPU", CPU.as_secs()));
    }
    if signal(Signal::ABORT) && said.contains("memory allocation of") {
        return limit(format!("{} of memory", crate::limits::bytes(ADDRESS_SPACE)));
    }
    if signal(Signal::ABORT) && said.contains("overflowed its stack") {
        return limit("the compiler's stack".into());
    }
    if status.code() == Some(PANICKED) {
        let said = cut(said.trim(), 300);
        return Err(refused(format!(
            "the compiler fails on the component: {said}"
        )));
    }
    // Killed from outside, for want of memory on the host perhaps: it may pass.
    Err(host(&format!(
        "the compiling process ended unexpectedly ({status}): {}",
        cut(said.trim(), 300)
    )))
}

/// Compiles in this process.
pub(crate) fn here(engine: &Engine, component: &[u8]) -> Result<Compiled, Failure> {
    Compiled::new(engine, component)
        .map_err(|e| refused(format!("the component cannot be compiled: {e:#}")))
}
