//! `make torture`: executions that nothing can lose, or so it is claimed.
//!
//! Clients start executions of random workflows on a node that is killed, stopped
//! and frozen at random times. Effects go to a sink, a process of its own that
//! writes each down; the clients keep a ledger of what they sent and were told.
//! When all is quiet, a judge reads ledger, sink and database, and compares them
//! with each other and with a model that knew beforehand what must happen.
//!
//! ```text
//! torture --seed 7 --seconds 60    at random times
//! torture --seed 7 --edges         before and after each commit edge
//! torture --seed 7 --pairs         at each pair of them
//! torture --seed 7 --planted all   with each planted bug, which it must see
//! torture --seed 7 --store postgres --nodes 2   nodes that share a database, which suffers too
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nebula_flow::planted::Bug;
use nebula_tests::client::Connection;
use nebula_tests::postgres::Server;
use tokio::sync::watch;
use tokio::task::JoinSet;

mod chance;
mod check;
mod families;
mod faults;
mod ledger;
mod load;
mod model;
mod node;
mod planted;
mod sink;
mod story;
mod waits;

use chance::Chance;
use check::{Judge, Verdict};
use faults::{EDGES, Fired, Victims};
use ledger::Ledger;
use load::{Client, World};
use model::Workflow;
use node::Node;

/// Whatever went wrong.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

const OPTIONS: &str = "there are --seconds N, --edges, --pairs, --planted all|NAME,…, --store sqlite|postgres, \
    --nodes N, --seed N, --starts N and --folder PATH";

const WORKFLOWS: usize = 24;
const CLIENTS: u64 = 24;

/// When the node suffers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Random(Duration),
    Edges,
    Pairs,
}

/// What is asked for.
#[derive(Clone)]
struct Orders {
    what: What,
    seed: u64,
    /// Starts of each client at most.
    starts: u64,
    /// Where everything is kept; a temporary folder if absent.
    folder: Option<PathBuf>,
    /// Bugs to plant, one after the other.
    planted: Vec<Bug>,
    /// Whether the store is a PostgreSQL server.
    postgres: bool,
    /// How many nodes share it.
    nodes: usize,
    /// The bug that the node has.
    bug: Option<Bug>,
    /// The longest pause between two faults at random times, milliseconds.
    pause: u64,
    /// How long what was accepted may take to end once nothing is done to the node.
    settle: Duration,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, log] = &arguments[..]
        && flag == "--sink"
    {
        return sink::serve(Path::new(log)).await;
    }
    let orders = Orders::read(&arguments)?;
    let temporary = tempfile::tempdir()?;
    let folder = orders.folder.clone();
    let folder = folder.unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder)?;
    let wrong = if orders.planted.is_empty() {
        let violations = run(&orders, &folder).await?.len();
        (violations > 0).then(|| format!("{violations} violations"))
    } else {
        planted::run(&orders, &folder).await?
    };
    let Some(wrong) = wrong else {
        return Ok(());
    };
    let kept = temporary.keep();
    let folder = orders.folder.unwrap_or(kept);
    Err(format!("{wrong}; all is kept in {}", folder.display()).into())
}

/// One run: what was found to be wrong.
async fn run(orders: &Orders, folder: &Path) -> Result<Vec<String>, Error> {
    let mut chance = Chance::new(orders.seed);
    let workflows: Vec<Workflow> = (0..WORKFLOWS)
        .map(|number| Workflow::draw(number, &mut chance))
        .collect();
    let (sink_log, ledger_path) = (folder.join("sink"), folder.join("ledger"));
    let sink = sink::Process::start(&sink_log)?;
    let mut victims = victims(orders, folder, &sink.address)?;
    let addresses: Vec<String> = victims.nodes.iter().map(Node::address).collect();
    let address = addresses[0].clone();
    deploy(&address, &workflows).await?;

    let begin = Instant::now();
    let (ended, end) = watch::channel(false);
    let world = Arc::new(World {
        addresses,
        heard: match victims.server {
            // Longer than the database is ever away.
            Some(_) => Duration::from_secs(30),
            None => Duration::from_millis(1_500),
        },
        workflows: workflows.clone(),
        ledger: Ledger::create(&ledger_path)?,
        chance: chance.branch(1),
        end,
    });
    let mut clients: JoinSet<Result<(), Error>> = JoinSet::new();
    for number in 0..CLIENTS {
        let client = Client::new(world.clone(), number);
        clients.spawn(client.run(number, orders.starts));
    }
    clients.spawn(Client::new(world.clone(), CLIENTS).keep_house());
    let person = tokio::spawn(Client::new(world.clone(), CLIENTS + 1).resolve());
    let mut faults = chance.branch(2);
    let fired = tokio::select! {
        fired = torment(orders, &mut victims, &mut faults) => fired?,
        Some(Ok(Err(error))) = clients.join_next() => return Err(error),
    };
    let _ = ended.send(true);
    while let Some(client) = clients.join_next().await {
        client??;
    }
    settle(&address, orders.settle).await?;
    person.abort();
    let seconds = begin.elapsed().as_secs_f64();

    let judge = Judge::new(
        &workflows,
        ledger::read(&ledger_path)?,
        sink::read(&sink_log)?,
        fired.deaths.clone(),
    );
    let verdict = judge.judge(&address).await?;
    report(orders, &fired, &verdict, seconds);
    Ok(verdict.violations)
}

/// Starts the nodes, and their database if it is a server.
fn victims(orders: &Orders, folder: &Path, sink: &str) -> Result<Victims, Error> {
    let server = orders.postgres.then(|| Server::start(&[]));
    let store = server.as_ref();
    let store = store.map(|server| server.url("postgres", "lease=3s"));
    let mut first = Node::on(folder, orders.bug, store.clone())?;
    let at = format!("http://{sink}");
    first.run(&["grant", "http.request", model::SINK, "--at", &at])?;
    first.start()?;
    let mut nodes = vec![first];
    for number in 1..orders.nodes {
        let here = folder.join(format!("node-{number}"));
        node::prepare(&folder.join("data"), &here)?;
        let mut node = Node::on(&here, orders.bug, store.clone())?;
        node.start()?;
        nodes.push(node);
    }
    Ok(Victims { nodes, server })
}

async fn torment(
    orders: &Orders,
    victims: &mut Victims,
    chance: &mut Chance,
) -> Result<Fired, Error> {
    let node = &mut victims.nodes[0];
    let (fired, edges) = match orders.what {
        What::Random(time) => {
            let end = Instant::now() + time;
            return faults::at_random(victims, chance, end, orders.pause).await;
        }
        What::Edges => (faults::at_edges(node, chance, false).await?, EDGES),
        What::Pairs => (faults::at_edges(node, chance, true).await?, EDGES),
    };
    if fired.edges() == edges {
        Ok(fired)
    } else {
        Err(format!("{} of {edges} edges were met", fired.edges()).into())
    }
}

async fn deploy(address: &str, workflows: &[Workflow]) -> Result<(), Error> {
    let mut connection = Connection::open(address).await?;
    let own = workflows.iter().map(Workflow::definition);
    for definition in std::iter::once(model::child()).chain(own) {
        let body = serde_json::to_vec(&definition)?;
        connection.post("/api/v1/workflows", body.into()).await?;
    }
    Ok(())
}

/// Waits until nothing is left to do; what is left then is for the judge.
async fn settle(address: &str, patience: Duration) -> Result<(), Error> {
    let mut connection = Connection::open(address).await?;
    let end = Instant::now() + patience;
    loop {
        let mut left = 0;
        for status in ["queued", "running", "waiting"] {
            let path = format!("/api/v1/executions?limit=200&status={status}");
            // Its database may have come back this very moment.
            left += match connection.get(&path).await {
                Ok(list) => list["items"].as_array().map_or(0, Vec::len),
                Err(_) => 1,
            };
        }
        if left == 0 || Instant::now() > end {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn report(orders: &Orders, fired: &Fired, verdict: &Verdict, seconds: f64) {
    // Those of a planted bug are wanted.
    let shown = if orders.bug.is_none() { 20 } else { 0 };
    for violation in verdict.violations.iter().take(shown) {
        print(&format!("VIOLATION {violation}"));
    }
    let fired: Vec<String> = match orders.what {
        What::Random(_) => {
            let each = fired.counts.iter();
            each.map(|(fault, count)| format!("{count} × {fault}"))
                .collect()
        }
        What::Edges | What::Pairs => {
            let (deaths, edges) = (fired.deaths.len(), fired.edges());
            vec![format!("{deaths} aborts at {edges} edges")]
        }
    };
    let Verdict {
        violations,
        executions,
        cancelled,
        children,
        events,
        shown,
        effects,
        repeated,
    } = verdict;
    print(&format!(
        "seed {}: {executions} executions ended in {seconds:.0} s ({cancelled} cancelled) with {children} children, {events} events, \
         {effects} effects ({repeated} repeated), {shown} replies and streams compared; {}; {} violations",
        orders.seed,
        fired.join(", "),
        violations.len(),
    ));
}

impl Orders {
    fn read(arguments: &[String]) -> Result<Self, Error> {
        let mut orders = Self {
            what: What::Random(Duration::from_secs(60)),
            seed: 1,
            starts: u64::MAX,
            folder: None,
            planted: Vec::new(),
            postgres: false,
            nodes: 1,
            bug: None,
            pause: 2_500,
            settle: Duration::from_secs(120),
        };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.ok_or_else(|| format!("{name} needs a value"))
            };
            match name.as_str() {
                "--planted" => orders.planted = planted::named(value()?)?,
                "--store" => {
                    orders.postgres = match value()?.as_str() {
                        "postgres" => true,
                        "sqlite" => false,
                        other => return Err(format!("no store `{other}`; {OPTIONS}").into()),
                    };
                }
                "--nodes" => orders.nodes = value()?.parse()?,
                "--edges" => orders.what = What::Edges,
                "--pairs" => orders.what = What::Pairs,
                "--seconds" => orders.what = What::Random(Duration::from_secs(value()?.parse()?)),
                "--seed" => orders.seed = value()?.parse()?,
                "--starts" => orders.starts = value()?.parse()?,
                "--folder" => orders.folder = Some(value()?.into()),
                other => return Err(format!("no option `{other}`; {OPTIONS}").into()),
            }
        }
        if orders.nodes == 0 || orders.nodes > 1 && !orders.postgres {
            return Err("several nodes share a database: --store postgres".into());
        }
        if orders.postgres {
            // Whoever comes after a dead node waits for its lease.
            orders.pause = 8_000;
        }
        Ok(orders)
    }
}

/// Prints a line of the report.
#[expect(clippy::print_stdout, reason = "the program's answer")]
pub(crate) fn print(line: &str) {
    println!("{line}");
}
