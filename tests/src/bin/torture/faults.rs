//! What is done to the node, and whether it was really done.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nebula_engine::SystemClock;
use nebula_flow::Timestamp;
use nebula_flow::ports::Clock;
use nebula_tests::postgres::{Server, Stop};

use crate::Error;
use crate::chance::Chance;
use crate::node::Node;

/// What batches the store commits, by what is in them; see
/// `host/storage/src/fail_points.rs`.
const KINDS: [&str; 9] = [
    "start", "message", "append", "end", "claim", "release", "put", "remove", "blob",
];
/// Before and after each commit.
const PLACES: [&str; 4] = ["begun", "decided", "committed", "told"];
/// All of them.
pub(crate) const EDGES: usize = KINDS.len() * PLACES.len();

/// How long a node with an order to abort may live.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was done to the node.
#[derive(Debug, Default)]
pub(crate) struct Fired {
    /// How often each fault fired.
    pub(crate) counts: BTreeMap<String, usize>,
    /// When the node's process had ended: after all it did, and before the next
    /// one did anything.
    pub(crate) deaths: Vec<Timestamp>,
}

impl Fired {
    fn death(&mut self, fault: impl Into<String>) {
        self.deaths.push(SystemClock.now());
        self.count(&fault.into());
    }

    /// How many commit edges it has met.
    pub(crate) fn edges(&self) -> usize {
        let names = self.counts.keys();
        names.filter(|name| name.contains('.')).count()
    }

    fn count(&mut self, fault: &str) {
        *self.counts.entry(fault.into()).or_default() += 1;
    }
}

/// Whom it befalls.
pub(crate) struct Victims {
    /// One, or several that share a database.
    pub(crate) nodes: Vec<Node>,
    /// The database's, if it is not a file of the node's own.
    pub(crate) server: Option<Server>,
}

const KILL: &str = "kill -9";
const TERMINATE: &str = "terminate";
const FREEZE: &str = "freeze";
const FULL: &str = "disk full";
const OUST: &str = "freeze until others have its shards";
const RESTART: &str = "database restarted at once";
const SESSIONS: &str = "database sessions ended";
const AWAY: &str = "database away for 20 s";

/// So long does a node's lease run, and so long after it do others look.
const OUSTED: Duration = Duration::from_secs(8);

/// Torments them at random times, with pauses of so many milliseconds at most,
/// until the end, and leaves them running.
pub(crate) async fn at_random(
    victims: &mut Victims,
    chance: &mut Chance,
    end: Instant,
    pause: u64,
) -> Result<Fired, Error> {
    let mut fired = Fired::default();
    while Instant::now() < end {
        let pause = chance.millis(100, pause);
        let left = end.saturating_duration_since(Instant::now());
        tokio::time::sleep(pause.min(left)).await;
        for node in &mut victims.nodes {
            if !node.runs()? {
                return Err("a node ended by itself; see its log".into());
            }
        }
        match &victims.server {
            Some(server) if chance.percent(40) => at_server(server, chance, &mut fired).await?,
            _ => at_node(&mut victims.nodes, chance, &mut fired).await?,
        }
    }
    Ok(fired)
}

async fn at_node(nodes: &mut [Node], chance: &mut Chance, fired: &mut Fired) -> Result<(), Error> {
    let several = nodes.len() > 1;
    let node = chance.index(nodes.len());
    let node = &mut nodes[node];
    let (fault, done) = match chance.below(12) {
        0..7 => (KILL, node.kill()?),
        10.. => {
            // Sometimes it is not full any more before it dies, sometimes it is.
            node.limit_files(Some(0))?;
            tokio::time::sleep(chance.millis(20, 1_500)).await;
            fired.count(FULL);
            if chance.percent(70) {
                return node.limit_files(None);
            }
            (KILL, node.kill()?)
        }
        7 => (TERMINATE, node.terminate().await?),
        _ if several => {
            node.stop()?;
            tokio::time::sleep(Duration::from_millis(50)).await;
            // What it was about is the others' now, as if it had died.
            fired.death(OUST);
            tokio::time::sleep(OUSTED).await;
            return node.go_on();
        }
        _ => {
            node.stop()?;
            tokio::time::sleep(chance.millis(20, 1_000)).await;
            fired.count(FREEZE);
            return node.go_on();
        }
    };
    if !done {
        return Err(format!("the node did not end as it should by {fault}").into());
    }
    fired.death(fault);
    // Sometimes at once, sometimes while everyone asks in vain.
    tokio::time::sleep(Duration::from_millis(chance.below(3) * 100)).await;
    node.start()
}

async fn at_server(server: &Server, chance: &mut Chance, fired: &mut Fired) -> Result<(), Error> {
    match chance.below(4) {
        0 if !fired.counts.contains_key(AWAY) => {
            tokio::task::block_in_place(|| server.stop(Stop::Fast));
            tokio::time::sleep(Duration::from_secs(20)).await;
            tokio::task::block_in_place(|| server.run());
            fired.count(AWAY);
        }
        1 => {
            if server.end_sessions() == 0 {
                return Err("the database has no sessions".into());
            }
            fired.count(SESSIONS);
        }
        _ => {
            tokio::task::block_in_place(|| {
                server.stop(Stop::Immediate);
                server.run();
            });
            fired.count(RESTART);
        }
    }
    Ok(())
}

/// Has the node abort before and after each commit edge, or with `pairs` at each
/// pair of them one after the other, and leaves it running.
pub(crate) async fn at_edges(
    node: &mut Node,
    chance: &mut Chance,
    pairs: bool,
) -> Result<Fired, Error> {
    let mut fired = Fired::default();
    for kind in KINDS {
        for place in PLACES {
            let first = format!("{place}.{kind}");
            if !pairs {
                abort(node, chance, &first, &mut fired).await?;
                continue;
            }
            for kind in KINDS {
                for place in PLACES {
                    abort(node, chance, &first, &mut fired).await?;
                    let second = format!("{place}.{kind}");
                    abort(node, chance, &second, &mut fired).await?;
                }
            }
            let aborts = fired.deaths.len();
            crate::print(&format!("each edge after {first}: {aborts} deaths so far"));
        }
    }
    node.start()?;
    Ok(fired)
}

/// Lets the node run until it aborts at this edge.
async fn abort(
    node: &mut Node,
    chance: &mut Chance,
    edge: &str,
    fired: &mut Fired,
) -> Result<(), Error> {
    if node.runs()? {
        node.kill()?;
        fired.death(KILL);
    }
    // The shards are claimed once or twice a second, and given back once.
    let most = if edge.ends_with("claim") || edge.ends_with("release") {
        1
    } else {
        12
    };
    let point = format!("{edge}:{}", 1 + chance.below(most));
    if node.start_to_abort(Some(&point))? && edge.ends_with("release") {
        tokio::time::sleep(chance.millis(100, 300)).await;
        node.ask_to_end()?;
    }
    if !node.aborted(PATIENCE).await? {
        return Err(format!("the node did not abort at {point}").into());
    }
    fired.death(edge);
    Ok(())
}
