//! Random workflows, and what must become of each of their executions, computed
//! beforehand and without the engine.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::chance::Chance;

/// The host that the sink is granted under.
pub(crate) const SINK: &str = "sink.example";

/// What every wait for a signal is for.
pub(crate) const SIGNAL: &str = "go";

/// The workflow that nodes run: it tells the sink in one step.
pub(crate) const CHILD: &str = "torture-child";

/// The step of [`CHILD`] that does.
pub(crate) const CHILD_STEP: &str = "tell";

/// A value of so many bytes is kept as a blob.
const BLOB: usize = 70_000;

/// What a node does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Work {
    /// Hands on what it was given: no effect.
    Pure,
    /// Tells the sink, which refuses the first so many tries and takes a while.
    Effect { flaky: u64, millis: u64 },
    /// Tells the sink, which refuses for good: the connection for failures is taken.
    Refused,
    /// Tells the sink at most once, and a person says what became of it if nobody knows.
    Once { millis: u64 },
    /// Tells the sink once for each item of the input's list.
    Map { concurrency: u64 },
    /// Waits so many milliseconds.
    Delay { millis: u64 },
    /// Waits for a [`SIGNAL`], and gives what it says.
    Signal,
    /// Runs the workflow [`CHILD`], and gives what it gives.
    Child,
}

/// A connection from an earlier node.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Link {
    from: usize,
    to: usize,
    /// For failures instead of success.
    on_failure: bool,
    /// Fires only if the input's flag is this.
    flag: Option<bool>,
}

/// A workflow.
#[derive(Debug, Clone)]
pub(crate) struct Workflow {
    pub(crate) name: String,
    nodes: Vec<Work>,
    links: Vec<Link>,
}

/// An input, from which all that an execution does follows.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    /// Unique: names the request in the ledger.
    pub(crate) request: String,
    flag: bool,
    items: u64,
    /// So long that the store keeps it as a blob.
    long: bool,
}

/// How a node ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Succeeded,
    Failed,
    Skipped,
}

/// What must become of an execution that nobody cancels. It succeeds.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    /// By node.
    pub(crate) nodes: BTreeMap<String, End>,
    /// The steps that tell the sink, each with the number of tries that it refuses.
    pub(crate) effects: BTreeMap<String, u64>,
    /// What each of these steps reads: nodes before it that have succeeded.
    pub(crate) reads: BTreeMap<String, BTreeSet<String>>,
    /// The nodes that wait for a time, with how many milliseconds at the least.
    pub(crate) timers: BTreeMap<String, u64>,
    /// The nodes that wait for a signal.
    pub(crate) signals: BTreeSet<String>,
    /// Those of the steps that tell the sink at most once.
    pub(crate) once: BTreeSet<String>,
    /// The nodes that run a child.
    pub(crate) children: BTreeSet<String>,
}

impl Workflow {
    pub(crate) fn draw(number: usize, chance: &mut Chance) -> Self {
        let count = 2 + chance.index(6);
        let mut nodes = Vec::new();
        for index in 0..count {
            nodes.push(match chance.below(17) {
                0..3 => Work::Pure,
                3..7 => Work::Effect {
                    flaky: if chance.percent(30) {
                        1 + chance.below(2)
                    } else {
                        0
                    },
                    millis: chance.below(30),
                },
                // Somebody must come after it, to take the failure.
                7 if index + 1 < count => Work::Refused,
                8 => Work::Map {
                    concurrency: 1 + chance.below(4),
                },
                9 => Work::Effect {
                    flaky: 0,
                    millis: 0,
                },
                10..12 => Work::Signal,
                12..14 => Work::Child,
                14..16 => Work::Once {
                    millis: chance.below(60),
                },
                _ => Work::Delay {
                    millis: 50 + chance.below(1_500),
                },
            });
        }
        let mut links: Vec<Link> = Vec::new();
        for to in 1..count {
            let mut froms = BTreeSet::from([chance.index(to)]);
            if chance.percent(40) {
                froms.insert(chance.index(to));
            }
            for from in froms {
                let flag = chance.percent(20).then(|| chance.percent(50));
                let on_failure = nodes[from] == Work::Refused;
                // One that always takes it, or the execution would fail.
                let first = !links.iter().any(|link| link.from == from);
                let flag = if on_failure && first { None } else { flag };
                links.push(Link {
                    from,
                    to,
                    on_failure,
                    flag,
                });
            }
        }
        // A failure that nobody follows is none.
        for (index, work) in nodes.iter_mut().enumerate() {
            if *work == Work::Refused && !links.iter().any(|link| link.from == index) {
                *work = Work::Pure;
            }
        }
        Self {
            name: format!("torture-{number}"),
            nodes,
            links,
        }
    }

    /// The document that is deployed.
    pub(crate) fn definition(&self) -> Value {
        let nodes: Map<String, Value> = (0..self.nodes.len())
            .map(|index| (node(index), self.node(index)))
            .collect();
        let links: Vec<Value> = self.links.iter().map(Link::definition).collect();
        let tokens: Map<String, Value> = (0..self.nodes.len())
            .map(|index| (node(index), json!(format!("${{ {} }}", self.token(index)))))
            .collect();
        let status: Map<String, Value> = (0..self.nodes.len())
            .map(|index| {
                let status = format!("${{ $nodes.{}.status }}", node(index));
                (node(index), json!(status))
            })
            .collect();
        json!({
            "apiVersion": "nebula/v1", "kind": "Workflow", "name": self.name,
            "nodes": nodes, "connections": links,
            "output": { "tokens": tokens, "status": status },
        })
    }

    fn node(&self, index: usize) -> Value {
        // What the nodes before it gave: what is read must be what is recorded.
        let read: Map<String, Value> = self
            .before(index)
            .map(|from| (node(from), json!(format!("${{ {} }}", self.token(from)))))
            .collect();
        let tell = |step: String, query: String| tell(&step, &query, read.clone().into());
        match &self.nodes[index] {
            Work::Pure => json!({
                "action": "condition.check",
                "input": { "json": { "token": node(index), "read": read } },
            }),
            Work::Effect { flaky, millis } => {
                tell(node(index), format!("?flaky={flaky}&millis={millis}"))
            }
            Work::Refused => tell(node(index), "?refuse=true".into()),
            Work::Once { millis } => {
                let mut once = tell(node(index), format!("?millis={millis}"));
                once["delivery"] = json!("at-most-once");
                once
            }
            Work::Map { concurrency } => json!({
                "map": "${ $input.items }",
                "concurrency": concurrency,
                "each": tell(format!("{}[${{ $index }}]", node(index)), "?millis=2".into()),
            }),
            Work::Delay { millis } => json!({ "wait": { "for": format!("{millis}ms") } }),
            Work::Signal => json!({ "wait": { "signal": SIGNAL } }),
            Work::Child => json!({
                "workflow": CHILD,
                "input": { "request": "${ $input.request }", "child": node(index), "read": read },
            }),
        }
    }

    /// The expression of what a node gave.
    fn token(&self, index: usize) -> String {
        let result = format!("$nodes.{}.result", node(index));
        match self.nodes[index] {
            Work::Map { .. } => format!("[{result}[]?.json.token]"),
            _ => format!("{result}.json.token"),
        }
    }

    fn before(&self, index: usize) -> impl Iterator<Item = usize> {
        let links = self.links.iter().filter(move |link| link.to == index);
        links.map(|link| link.from)
    }

    /// What must become of an execution with this input.
    pub(crate) fn expected(&self, input: &Input) -> Expected {
        let mut expected = Expected::default();
        let mut ends: Vec<End> = Vec::new();
        for (index, work) in self.nodes.iter().enumerate() {
            let mut entering = self.links.iter().filter(|link| link.to == index).peekable();
            let begins = entering.peek().is_none()
                || entering.any(|link| link.fires(ends[link.from], input.flag));
            let end = match work {
                _ if !begins => End::Skipped,
                Work::Refused => End::Failed,
                _ => End::Succeeded,
            };
            if begins {
                self.tells(index, input, &ends, &mut expected);
            }
            expected.nodes.insert(node(index), end);
            ends.push(end);
        }
        expected
    }

    fn tells(&self, index: usize, input: &Input, ends: &[End], expected: &mut Expected) {
        let succeeded = self
            .before(index)
            .filter(|from| ends[*from] == End::Succeeded);
        let read: BTreeSet<String> = succeeded.map(node).collect();
        let mut tell = |step: String, flaky: u64| {
            expected.effects.insert(step.clone(), flaky);
            expected.reads.insert(step, read.clone());
        };
        match self.nodes[index] {
            Work::Pure => {}
            Work::Delay { millis } => drop(expected.timers.insert(node(index), millis)),
            Work::Signal => drop(expected.signals.insert(node(index))),
            Work::Child => drop(expected.children.insert(node(index))),
            Work::Effect { flaky, .. } => tell(node(index), flaky),
            Work::Refused => tell(node(index), 0),
            Work::Once { .. } => {
                tell(node(index), 0);
                expected.once.insert(node(index));
            }
            Work::Map { .. } => {
                (0..input.items).for_each(|item| tell(format!("{}[{item}]", node(index)), 0));
            }
        }
    }
}

/// A node that tells the sink.
fn tell(step: &str, query: &str, read: Value) -> Value {
    json!({
        "action": "http.request",
        "input": {
            "method": "POST",
            "url": format!("http://{SINK}/effect{query}"),
            "json": {
                "execution": "${ $execution.id }", "request": "${ $input.request }",
                "step": step, "read": read,
            },
            "idempotent": true,
            "fail_on_status": true,
        },
        "retry": { "max_attempts": 50, "initial": "20ms", "factor": 1.5, "max": "300ms" },
        "timeout": "30s",
    })
}

/// The document of [`CHILD`].
pub(crate) fn child() -> Value {
    json!({
        "apiVersion": "nebula/v1", "kind": "Workflow", "name": CHILD,
        "nodes": { CHILD_STEP: tell(CHILD_STEP, "?millis=5", json!({})) },
        "output": format!("${{ $nodes.{CHILD_STEP}.result }}"),
    })
}

impl Link {
    fn definition(&self) -> Value {
        let mut link = json!({ "from": node(self.from), "to": node(self.to) });
        if self.on_failure {
            link["on"] = json!("failure");
        }
        match self.flag {
            Some(true) => link["when"] = json!("$input.flag"),
            Some(false) => link["when"] = json!("$input.flag | not"),
            None => {}
        }
        link
    }

    fn fires(&self, from: End, flag: bool) -> bool {
        let end = if self.on_failure {
            End::Failed
        } else {
            End::Succeeded
        };
        from == end && self.flag.is_none_or(|wanted| wanted == flag)
    }
}

impl Input {
    pub(crate) fn draw(request: String, chance: &mut Chance) -> Self {
        Self {
            request,
            flag: chance.percent(50),
            items: chance.below(6),
            long: chance.percent(4),
        }
    }

    pub(crate) fn value(&self) -> Value {
        let items: Vec<u64> = (0..self.items).collect();
        let ballast = if self.long {
            format!("{}.", self.request).repeat(BLOB / self.request.len())
        } else {
            String::new()
        };
        json!({ "request": self.request, "flag": self.flag, "items": items, "ballast": ballast })
    }

    /// As [`value`](Self::value) wrote it.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        Some(Self {
            request: value["request"].as_str()?.to_owned(),
            flag: value["flag"].as_bool()?,
            items: value["items"].as_array()?.len() as u64,
            long: value["ballast"] != "",
        })
    }
}

fn node(index: usize) -> String {
    format!("n{index}")
}
