//! Components that nobody wrote: random modules in our world, each prepared and
//! run. They are refused or end in a typed outcome; this process goes on. How the
//! outcomes are spread is printed; each class must have some, so that neither the
//! generator nor the limits are idle.
//!
//! The generator stands beside the workspace, in `tests/generator`, and is built
//! here. `generator --seed N` makes a component again; the seeds that were at work
//! when this process ended are in files beside the generator.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nebula_flow::component::{Component, Origin, Verified};
use nebula_flow::event::FailureKind;
use nebula_flow::ports::{Limits, Report, Runner};
use nebula_sandbox::{Sandbox, SandboxConfig};
use tokio::sync::{Mutex, mpsc};

use crate::arena::{self, on_two_workers};
use crate::bombs::hub;
use crate::guest::{self, Guest};
use crate::long;

/// Components at once.
const WORKERS: usize = 4;
/// Of so many, one is compiled by a process of its own: for each it would take
/// longer than all the rest.
const IN_A_CHILD: u64 = 20;
/// Where the generator is built; kept from one test to the next.
const FOLDER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/generator");

/// How a generated component ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// The generator made none of its seed.
    NotMade,
    /// The hub or the sandbox saw from outside that it may not run.
    RefusedByStructure,
    /// It is not valid, or not linked.
    RefusedByCompiling,
    /// It could not say what it is.
    RefusedByDescription,
    Trapped,
    FuelExhausted,
    MemoryLimit,
    TimedOut,
    InvalidOutput,
    /// It answered with an error of its own.
    Failed,
    Succeeded,
}

/// Each must be among the ends. A time-out is not: so little fuel burns sooner.
const MUST_HAPPEN: [End; 9] = [
    End::RefusedByStructure,
    End::RefusedByCompiling,
    End::RefusedByDescription,
    End::Trapped,
    End::FuelExhausted,
    End::MemoryLimit,
    End::InvalidOutput,
    End::Failed,
    End::Succeeded,
];

const LIMITS: Limits = Limits {
    fuel: 1_000_000,
    memory_bytes: 8 << 20,
    timeout: Duration::from_secs(20),
};

/// Generated components, with the seed of each.
type Generated = Arc<Mutex<mpsc::Receiver<(u64, Vec<u8>)>>>;
type Ends = BTreeMap<End, usize>;

/// Says which component it was if the test ends within it, and keeps it in a file
/// in case the process does.
struct Seed(u64);

/// Who takes one component after the other.
struct Worker {
    /// The file with the seed at work.
    at: PathBuf,
    /// Compiles in this process.
    here: Sandbox,
    /// Compiles in a process for each.
    child: Sandbox,
}

#[test]
fn generated_components_are_refused_or_run_cleanly() {
    let count = if long() { 20_000 } else { 400 };
    let generator = build();
    let began = Instant::now();
    let ends = on_two_workers(all(&generator, 0, count));
    let took = began.elapsed();
    println!("{count} generated components in {took:.1?}: {ends:?}");
    assert_eq!(ends.values().sum::<usize>(), count, "{ends:?}");
    for end in MUST_HAPPEN {
        assert!(ends.contains_key(&end), "none is {end:?}: {ends:?}");
    }
    // Most are components, and a good part of these runs to an answer.
    let of = |end| ends.get(&end).copied().unwrap_or_default();
    assert!(of(End::NotMade) < count / 20, "{ends:?}");
    assert!(of(End::Succeeded) > count / 10, "{ends:?}");
}

/// Builds the generator, as `make` would.
fn build() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--target-dir", FOLDER])
        .current_dir(crate::root().join("tests/generator"))
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "it does not build: {said}");
    Path::new(FOLDER).join("debug/generator")
}

/// Has so many components made and run, and counts how they ended.
async fn all(generator: &Path, first: u64, count: usize) -> Ends {
    let (send, receive) = mpsc::channel(WORKERS);
    let mut process = Command::new(generator)
        .args(["--seed", &first.to_string(), "--count", &count.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the generator runs");
    let mut stdout = io::BufReader::new(process.stdout.take().expect("its output"));
    let reading = tokio::task::spawn_blocking(move || {
        for seed in first..first + count as u64 {
            let component = next(&mut stdout).expect("the generator writes them all");
            if send.blocking_send((seed, component)).is_err() {
                return;
            }
        }
    });
    let config = || SandboxConfig {
        max_loaded: 8,
        max_concurrent_calls: 8,
        ..SandboxConfig::default()
    };
    let here = Sandbox::new(config(), Arc::default()).expect("a sandbox");
    let child = arena::sandbox(config());
    let generated = Arc::new(Mutex::new(receive));
    let workers: Vec<_> = (0..WORKERS)
        .map(|n| {
            let worker = Worker {
                at: format!("{FOLDER}/seed-{n}").into(),
                here: here.clone(),
                child: child.clone(),
            };
            tokio::spawn(worker.work(Arc::clone(&generated)))
        })
        .collect();
    let mut ends = Ends::new();
    for worker in workers {
        for (end, times) in worker.await.expect("a component is held") {
            *ends.entry(end).or_default() += times;
        }
    }
    reading.await.expect("the generator is read");
    assert!(process.wait().expect("it ends").success());
    // Who means no harm is served as before.
    let well = Guest::number("(i64.const 7)").build();
    for sandbox in [here, child] {
        let report = sandbox.run(guest::call(&well, guest::limits())).await;
        assert_eq!(guest::output(&report), 7);
    }
    ends
}

/// The next component, behind its length.
fn next(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut len = [0; 4];
    from.read_exact(&mut len)?;
    let mut component = vec![0; u32::from_le_bytes(len) as usize];
    from.read_exact(&mut component)?;
    Ok(component)
}

impl Worker {
    async fn work(self, generated: Generated) -> Ends {
        let mut ends = Ends::new();
        loop {
            let next = generated.lock().await.recv().await;
            let Some((seed, bytes)) = next else {
                return ends;
            };
            std::fs::write(&self.at, seed.to_string()).expect("writes");
            let seed = Seed(seed);
            *ends.entry(self.end(seed.0, bytes).await).or_default() += 1;
        }
    }

    async fn end(&self, seed: u64, bytes: Vec<u8>) -> End {
        if bytes.is_empty() {
            return End::NotMade;
        }
        if hub(&bytes).is_err() {
            return End::RefusedByStructure;
        }
        let sandbox = if seed.is_multiple_of(IN_A_CHILD) {
            &self.child
        } else {
            &self.here
        };
        let component = Verified::vouch(Component::new(bytes), Origin::Local);
        let report = sandbox.run(guest::call(&component, LIMITS)).await;
        assert!(report.usage.fuel <= LIMITS.fuel, "{report:?}");
        End::of(&report)
    }
}

impl End {
    fn of(report: &Report) -> Self {
        let failure = match &report.result {
            Ok(_) => return Self::Succeeded,
            Err(failure) => failure,
        };
        match failure.kind {
            FailureKind::Component => Self::refused(&failure.message),
            FailureKind::Trapped => Self::Trapped,
            FailureKind::FuelExhausted => Self::FuelExhausted,
            FailureKind::MemoryLimit => Self::MemoryLimit,
            FailureKind::TimedOut => Self::TimedOut,
            FailureKind::InvalidOutput => Self::InvalidOutput,
            FailureKind::InvalidInput
            | FailureKind::Permanent
            | FailureKind::Retryable
            | FailureKind::Cancelled => Self::Failed,
            kind => panic!("{kind:?} is not a guest's: {}", failure.message),
        }
    }

    fn refused(message: &str) -> Self {
        if message.contains("describe") {
            Self::RefusedByDescription
        } else if message.contains("which no action may have") || message.contains("at most") {
            Self::RefusedByStructure
        } else {
            Self::RefusedByCompiling
        }
    }
}

impl Drop for Seed {
    #[expect(clippy::print_stdout, reason = "the end of a test that fails")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!(
                "seed {}: `{FOLDER}/debug/generator --seed {}`",
                self.0, self.0
            );
        }
    }
}
