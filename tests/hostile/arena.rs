//! An offender among neighbours, and what is measured of both.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nebula_flow::component::{Component, Verified};
use nebula_flow::event::FailureKind;
use nebula_flow::id::TenantId;
use nebula_flow::ports::{Call, Limits, Report, Runner};
use nebula_sandbox::{Compiler, Sandbox, SandboxConfig};
use tokio::task::JoinHandle;

use crate::guest::{self, Guest};
use crate::long;
use crate::machine::Machine;

/// How an attack must end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ends {
    /// It is not even loaded; the reason has these words.
    Refused(&'static str),
    /// With a failure of this kind whose message has these words.
    Fails(FailureKind, &'static str),
    /// It is allowed, and answers with this number.
    Answers(u64),
}

/// Which limit an attack runs into.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Budget {
    /// Little fuel, much time.
    Fuel,
    /// All the fuel there is, little time.
    Time,
}

/// Fuel of an attack on fuel.
pub(crate) const FUEL: u64 = 20_000_000;
/// Time of an attack on time.
pub(crate) const TIME: Duration = Duration::from_millis(200);
/// What an offender may take of its time.
const WITHIN: f64 = 1.5;
/// What a neighbour's 99th percentile may become.
const SLOWER: f64 = 2.0;
/// Resident memory that may stay behind, bytes.
const LEFT_BEHIND: u64 = 16 << 20;
/// How long connections may take to close.
const PATIENCE: Duration = Duration::from_secs(5);
const NEIGHBOURS: usize = 8;
/// How often neighbours are watched alone and beside an offender; the median counts.
const PAIRS: usize = 3;
/// How long they are watched at least each time: else their first calls, which are
/// slower, would be one of a hundred.
const LEAST: Duration = Duration::from_secs(1);
/// Between these the table stands.
const BEGIN: &str = "<!-- figures of make long -->";
const END: &str = "<!-- end of figures -->";

/// One test at a time where figures count.
static ALONE: Mutex<()> = Mutex::new(());
static FIGURES: Mutex<BTreeMap<&'static str, Figures>> = Mutex::new(BTreeMap::new());

/// What was measured of one attack.
#[derive(Debug, Clone, Copy)]
struct Figures {
    rounds: usize,
    /// The longest round as a part of its time-out.
    worst: f64,
    pair: Pair,
    before: Machine,
    after: Machine,
}

/// The 99th percentile of what the neighbours' calls took.
#[derive(Debug, Clone, Copy)]
struct Pair {
    alone: Duration,
    beside: Duration,
}

/// How often an attack runs in each of its parts.
fn rounds() -> usize {
    if long() { 100_usize.div_ceil(PAIRS) } else { 3 }
}

impl Budget {
    pub(crate) fn limits(self) -> Limits {
        match self {
            Self::Fuel => Limits {
                fuel: FUEL,
                ..guest::limits()
            },
            Self::Time => Limits {
                fuel: u64::MAX,
                timeout: TIME,
                ..guest::limits()
            },
        }
    }
}

impl Ends {
    pub(crate) fn check(self, report: &Report) {
        let failure = report.result.as_ref().err();
        match self {
            Self::Answers(number) => assert_eq!(guest::output(report), number),
            Self::Refused(words) => {
                let failure = failure.expect("it is refused");
                assert_eq!(failure.kind, FailureKind::Component, "{failure:?}");
                assert!(failure.message.contains(words), "{failure:?}");
            }
            Self::Fails(kind, words) => {
                let failure = failure.unwrap_or_else(|| panic!("it fails: {report:?}"));
                assert_eq!(failure.kind, kind, "{failure:?}");
                assert!(failure.message.contains(words), "{failure:?}");
            }
        }
    }
}

/// A sandbox with its neighbours' component ready.
pub(crate) struct Arena {
    pub(crate) sandbox: Sandbox,
    neighbour: Verified<Component>,
}

/// Neighbours at work; each has a tenant of its own.
struct Neighbours {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Vec<Duration>>>,
}

impl Arena {
    pub(crate) async fn open() -> Self {
        let sandbox = sandbox(SandboxConfig {
            max_concurrent_calls: 16,
            max_calls_per_tenant: 8,
            ..SandboxConfig::default()
        });
        // About as long as a slice of an offender: two million units of fuel.
        let neighbour = Guest::new(
            "(local.set $n (i64.const 300000))
             (loop $work (br_if $work (i64.ne (i64.const 0) (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))
             (call $number (i64.const 7))",
        )
        .build();
        sandbox.prepare(&neighbour).await.expect("it means no harm");
        Self { sandbox, neighbour }
    }

    fn neighbours(&self) -> Neighbours {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = (0..NEIGHBOURS).map(|n| {
            let (sandbox, stop) = (self.sandbox.clone(), Arc::clone(&stop));
            let call = of(&format!("neighbour-{n}"), &self.neighbour, guest::limits());
            tokio::spawn(async move {
                let mut took = Vec::new();
                while !stop.load(Ordering::Relaxed) || took.is_empty() {
                    let began = Instant::now();
                    let report = sandbox.run(call.clone()).await;
                    took.push(began.elapsed());
                    assert_eq!(guest::output(&report), 7, "a neighbour is served");
                    tokio::task::yield_now().await;
                }
                took
            })
        });
        Neighbours {
            tasks: tasks.collect(),
            stop,
        }
    }
}

impl Neighbours {
    /// Stops them and gives the 99th percentile of what their calls took.
    async fn stop(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        let mut took = Vec::new();
        for task in self.tasks {
            took.extend(task.await.expect("a neighbour ends well"));
        }
        took.sort_unstable();
        took[took.len() * 99 / 100]
    }
}

/// A sandbox whose compiler is a process of its own.
pub(crate) fn sandbox(config: SandboxConfig) -> Sandbox {
    let config = SandboxConfig {
        compiler: Some(compiler()),
        ..config
    };
    Sandbox::new(config, Arc::default()).expect("a sandbox")
}

pub(crate) fn compiler() -> Compiler {
    Compiler {
        program: env!("CARGO_BIN_EXE_compiler").into(),
        args: Vec::new(),
    }
}

/// A call of a tenant.
pub(crate) fn of(tenant: &str, component: &Verified<Component>, limits: Limits) -> Call {
    Call {
        tenant: TenantId::new(tenant).expect("a name"),
        ..guest::call(component, limits)
    }
}

/// A runtime of two workers that keeps its other threads, so that they can be
/// counted.
pub(crate) fn on_two_workers<T>(work: impl Future<Output = T>) -> T {
    let _alone = long().then(|| ALONE.lock().unwrap_or_else(PoisonError::into_inner));
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(2)
        .thread_keep_alive(Duration::from_secs(3_600))
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(work)
}

/// Runs an attack among neighbours, as often as it takes.
pub(crate) fn attack(name: &'static str, call: Call, ends: Ends) {
    // On a worker, as in a node: on a thread of its own the offender would compete
    // with both workers for the processors, by slices of milliseconds.
    let figures = on_two_workers(async { tokio::spawn(measured(call, ends)).await });
    let figures = figures.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    if long() {
        figures.check(name);
        let mut all = FIGURES.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(name, figures);
        write_figures(&all);
    }
}

async fn measured(call: Call, ends: Ends) -> Figures {
    let arena = Arena::open().await;
    // What is kept for later calls is there before anything is measured.
    ends.check(&arena.sandbox.run(call.clone()).await);
    let mut offender = Offender {
        call,
        ends,
        rounds: 0,
        longest: Duration::ZERO,
    };
    let mut before = None;
    let mut pairs = Vec::new();
    for _ in 0..if long() { PAIRS } else { 1 } {
        let neighbours = arena.neighbours();
        if long() {
            tokio::time::sleep(LEAST).await;
        }
        let alone = neighbours.stop().await;
        // With what the pool keeps for its next calls.
        before.get_or_insert_with(Machine::now);
        let neighbours = arena.neighbours();
        offender.attack(&arena.sandbox).await;
        let beside = neighbours.stop().await;
        pairs.push(Pair { alone, beside });
    }
    let before = before.expect("there is a pair");
    pairs.sort_by(|a, b| a.slower().total_cmp(&b.slower()));
    Figures {
        rounds: offender.rounds,
        worst: offender.longest.as_secs_f64() / offender.call.limits.timeout.as_secs_f64(),
        pair: pairs[pairs.len() / 2],
        before,
        after: settled(&before).await,
    }
}

/// The one that means harm.
struct Offender {
    call: Call,
    ends: Ends,
    rounds: usize,
    longest: Duration,
}

impl Offender {
    /// One part of its rounds, and as many more as there is time for.
    async fn attack(&mut self, sandbox: &Sandbox) {
        let (begin, least) = (Instant::now(), self.rounds + rounds());
        while self.rounds < least || long() && begin.elapsed() < LEAST {
            self.rounds += 1;
            let began = Instant::now();
            let report = sandbox.run(self.call.clone()).await;
            self.longest = self.longest.max(began.elapsed());
            self.ends.check(&report);
            assert!(report.usage.fuel <= self.call.limits.fuel);
            tokio::task::yield_now().await;
        }
    }
}

/// What is there once the last connections are closed, which takes a moment.
async fn settled(before: &Machine) -> Machine {
    let patience = Instant::now() + PATIENCE;
    loop {
        let now = Machine::now();
        if !long() || now.is_back_to(before, LEFT_BEHIND) || Instant::now() >= patience {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Pair {
    fn slower(self) -> f64 {
        self.beside.as_secs_f64() / self.alone.as_secs_f64()
    }
}

impl Figures {
    fn check(&self, name: &str) {
        assert!(self.worst <= WITHIN, "{name}: {self:?}");
        assert!(self.pair.slower() <= SLOWER, "{name}: {self:?}");
        let back = self.after.is_back_to(&self.before, LEFT_BEHIND);
        assert!(back, "{name}: {self:?}");
    }
}

/// The table so far, into the document where somebody asked for it.
fn write_figures(all: &BTreeMap<&'static str, Figures>) {
    let Some(path) = std::env::var_os("NEBULA_FIGURES") else {
        return;
    };
    let mut table = String::from(
        "| attack | rounds | longest, of its time-out | neighbours' p99 alone | beside | memory after, MiB | threads | descriptors |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for (name, f) in all {
        let mib = |machine: &Machine| machine.resident >> 20;
        writeln!(
            table,
            "| {} | {} | {:.2} | {:.1?} | {:.1?} ({:.2} ×) | {} → {} | {} → {} | {} → {} |",
            name.replace('_', " "),
            f.rounds,
            f.worst,
            f.pair.alone,
            f.pair.beside,
            f.pair.slower(),
            mib(&f.before),
            mib(&f.after),
            f.before.threads,
            f.after.threads,
            f.before.descriptors,
            f.after.descriptors,
        )
        .expect("writes");
    }
    let document = std::fs::read_to_string(&path).expect("the file of NEBULA_FIGURES");
    let (before, rest) = document.split_once(BEGIN).expect("where figures begin");
    let (_, after) = rest.split_once(END).expect("where figures end");
    let document = format!("{before}{BEGIN}\n{table}{END}{after}");
    std::fs::write(path, document).expect("the file of NEBULA_FIGURES can be written");
}
