//! The judge: reads the ledger, the sink's log and the node's database through its
//! API, and compares them with each other and with the model.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use nebula_flow::Timestamp;
use nebula_tests::client::Connection;
use serde_json::Value;

use crate::Error;
use crate::families::{self, Families};
use crate::ledger::Entry;
use crate::model::{End, Expected, Input, Workflow};
use crate::sink::Effect;
use crate::story::Story;
use crate::waits::{self, Most, Signals, Told};

/// What the judge found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Each broken promise.
    pub(crate) violations: Vec<String>,
    pub(crate) executions: usize,
    pub(crate) cancelled: usize,
    /// Executions that others started, besides.
    pub(crate) children: usize,
    pub(crate) events: usize,
    /// Replies and streams that were compared with the history.
    pub(crate) shown: usize,
    pub(crate) effects: usize,
    /// Effects that were repeated though their first try was a good one.
    pub(crate) repeated: usize,
}

/// What is known of one request before the database is asked.
#[derive(Debug, Default)]
struct Sent {
    workflow: usize,
    input: Value,
    execution: Option<String>,
    /// As replies gave them.
    replies: Vec<(String, Option<Value>)>,
}

/// All that is known from outside.
pub(crate) struct Judge<'a> {
    workflows: &'a [Workflow],
    sent: BTreeMap<String, Sent>,
    cancelling: BTreeSet<String>,
    /// When executions whose cancel was acknowledged must be over.
    cancelled: BTreeMap<String, String>,
    shown: HashMap<String, Vec<Vec<Value>>>,
    signals: HashMap<String, Signals>,
    /// By execution.
    effects: HashMap<String, Told>,
    /// What a person said that a step gave, by execution and step.
    said: HashMap<(String, String), String>,
    /// When a try may have been lost.
    deaths: Vec<Timestamp>,
    families: Families,
    verdict: Verdict,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(
        workflows: &'a [Workflow],
        entries: Vec<Entry>,
        effects: Vec<Effect>,
        deaths: Vec<Timestamp>,
    ) -> Self {
        let mut judge = Self {
            workflows,
            sent: BTreeMap::new(),
            cancelling: BTreeSet::new(),
            cancelled: BTreeMap::new(),
            shown: HashMap::new(),
            signals: HashMap::new(),
            effects: HashMap::new(),
            said: HashMap::new(),
            deaths,
            families: Families::default(),
            verdict: Verdict::default(),
        };
        judge.verdict.effects = effects.len();
        for effect in effects {
            let steps = judge.effects.entry(effect.execution.clone()).or_default();
            steps.entry(effect.step.clone()).or_default().push(effect);
        }
        entries.into_iter().for_each(|entry| judge.enter(entry));
        judge
    }

    fn enter(&mut self, entry: Entry) {
        match entry {
            Entry::Sent {
                request,
                workflow,
                input,
            } => {
                let sent = self.sent.entry(request).or_default();
                (sent.workflow, sent.input) = (workflow, input);
            }
            Entry::Acknowledged {
                request,
                execution,
                status,
                output,
            } => {
                let sent = self.sent.entry(request).or_default();
                sent.execution = Some(execution);
                sent.replies.push((status, output));
            }
            Entry::Cancelling { execution } => drop(self.cancelling.insert(execution)),
            Entry::Cancelled { execution, over } => drop(self.cancelled.insert(execution, over)),
            Entry::Signalling { execution, token } => {
                let signals = self.signals.entry(execution).or_default();
                signals.sent.insert(token);
            }
            Entry::Signalled { execution, token } => {
                let signals = self.signals.entry(execution).or_default();
                signals.acknowledged.insert(token);
            }
            Entry::SignalRefused { execution, why } => {
                self.signals.entry(execution).or_default().refused.push(why);
            }
            Entry::Resolving {
                execution,
                step,
                token,
            } => drop(self.said.insert((execution, step), token)),
            Entry::Refused { what } => self.verdict.violations.push(what),
            Entry::Shown { execution, events } => {
                self.shown.entry(execution).or_default().push(events);
            }
        }
    }

    fn broken(&mut self, execution: &str, what: impl std::fmt::Display) {
        self.verdict.violations.push(format!("{execution}: {what}"));
    }

    /// Reads every execution, and judges.
    pub(crate) async fn judge(mut self, address: &str) -> Result<Verdict, Error> {
        let mut connection = Connection::open(address).await?;
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        let mut page = "/api/v1/executions?limit=200".to_owned();
        loop {
            let list = connection.get(&page).await?;
            for item in list["items"].as_array().into_iter().flatten() {
                let id = item["id"].as_str().unwrap_or_default().to_owned();
                let story = Story::read(&mut connection, &id).await?;
                let request = story.input["request"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                if families::node_of(&story).is_some() {
                    self.child(&id, &request, &story);
                    continue;
                }
                if let Some(other) = seen.insert(request.clone(), id.clone()) {
                    self.broken(
                        &id,
                        format_args!("request {request} began twice, also as {other}"),
                    );
                }
                self.execution(&id, &request, &story);
            }
            match list["next_cursor"].as_str() {
                Some(cursor) => page = format!("/api/v1/executions?limit=200&cursor={cursor}"),
                None => break,
            }
        }
        self.lost(&seen);
        for (id, what) in std::mem::take(&mut self.families).faults() {
            self.broken(&id, what);
        }
        Ok(self.verdict)
    }

    /// What is in the ledger or the sink, and not in the database.
    fn lost(&mut self, seen: &BTreeMap<String, String>) {
        let ids: BTreeSet<&String> = seen.values().collect();
        let mut broken = Vec::new();
        for (request, sent) in &self.sent {
            match (&sent.execution, seen.get(request)) {
                (Some(told), Some(found)) if told != found => {
                    broken.push((
                        told.clone(),
                        format!("acknowledged, but request {request} is {found}"),
                    ));
                }
                (Some(told), None) => broken.push((told.clone(), "acknowledged, and lost".into())),
                _ => {}
            }
        }
        for execution in self.effects.keys().filter(|id| !ids.contains(id)) {
            broken.push((execution.clone(), "told the sink, and is not there".into()));
        }
        broken
            .into_iter()
            .for_each(|(id, what)| self.broken(&id, what));
    }

    /// An execution that another one started.
    fn child(&mut self, id: &str, request: &str, story: &Story) {
        self.verdict.children += 1;
        self.verdict.events += story.events.len();
        let told = self.effects.remove(id).unwrap_or_default();
        self.families.child(id, request, story, &told, &self.deaths);
    }

    fn execution(&mut self, id: &str, request: &str, story: &Story) {
        self.verdict.executions += 1;
        self.verdict.events += story.events.len();
        for what in story.faults() {
            self.broken(id, what);
        }
        let Some(sent) = self.sent.remove(request) else {
            return self.broken(id, format_args!("nobody sent request {request}"));
        };
        if sent.input != story.input {
            self.broken(id, "its input is not what was sent");
        }
        self.compare_replies(id, story, &sent);
        let expected =
            Input::read(&story.input).map(|input| self.workflows[sent.workflow].expected(&input));
        if let Some(expected) = expected {
            let signals = self.signals.remove(id).unwrap_or_default();
            let told = self.effects.remove(id).unwrap_or_default();
            let faults = waits::signals(story, &expected, &signals).into_iter();
            let faults = faults.chain(waits::timers(story, &expected, &told));
            faults.for_each(|what| self.broken(id, what));
            self.families.parent(id, request, story, &expected);
            self.compare_with_model(id, story, &expected);
            self.compare_with_sink(id, story, &expected, &told);
            self.effects.insert(id.to_owned(), told);
        }
        self.sent.insert(request.to_owned(), sent);
    }

    /// Nothing was shown that is not so.
    fn compare_replies(&mut self, id: &str, story: &Story, sent: &Sent) {
        for (status, output) in &sent.replies {
            self.verdict.shown += 1;
            let ended = ["succeeded", "failed", "cancelled"].contains(&status.as_str());
            if ended && *status != story.status {
                self.broken(
                    id,
                    format_args!("replied {status}, and is {}", story.status),
                );
            }
            if output.is_some() && *output != story.output {
                self.broken(id, "replied with another output");
            }
        }
        for events in self.shown.remove(id).unwrap_or_default() {
            self.verdict.shown += 1;
            if let Some(event) = events.iter().find(|event| !story.events.contains(event)) {
                self.broken(
                    id,
                    format_args!("showed an event that is not there: {event}"),
                );
            }
        }
    }

    fn compare_with_model(&mut self, id: &str, story: &Story, expected: &Expected) {
        match story.status.as_str() {
            "succeeded" => {}
            "cancelled" if self.cancelling.contains(id) => {
                self.verdict.cancelled += 1;
                return;
            }
            other => return self.broken(id, format_args!("is {other}: {}", story.end())),
        }
        // One that is about to end when the cancel comes may end well.
        if let Some(over) = self.cancelled.get(id)
            && story.last_attempt() > Some(over.as_str())
        {
            self.broken(id, "went on after its cancel was acknowledged");
        }
        let Some(output) = &story.output else {
            return self.broken(id, "has no output");
        };
        for (node, end) in &expected.nodes {
            let name = match end {
                End::Succeeded => "succeeded",
                End::Failed => "failed",
                End::Skipped => "skipped",
            };
            if output["status"][node] != name {
                let found = &output["status"][node];
                self.broken(id, format_args!("{node} is {found}, not {name}"));
            }
        }
    }

    /// Each effect happened, under one key, and what it answered is what all later
    /// steps read.
    fn compare_with_sink(&mut self, id: &str, story: &Story, expected: &Expected, told: &Told) {
        let mut keys: BTreeMap<&str, &str> = BTreeMap::new();
        for (step, tries) in told {
            let Some(flaky) = expected.effects.get(step) else {
                self.broken(
                    id,
                    format_args!("{step} told the sink, and must not have run"),
                );
                continue;
            };
            for effect in tries {
                let step = effect.step.as_str();
                if keys
                    .insert(effect.key.as_str(), step)
                    .is_some_and(|other| other != step)
                {
                    self.broken(id, format_args!("{step} shares its idempotency key"));
                }
                if effect.key != tries[0].key || effect.key.is_empty() {
                    self.broken(
                        id,
                        format_args!("{step} has several idempotency keys or none"),
                    );
                }
                if effect.request != story.input["request"] {
                    self.broken(
                        id,
                        format_args!("{step} told of request {}", effect.request),
                    );
                }
            }
            self.compare_reads(id, story, &expected.reads[step], tries);
            let good = tries.iter().filter(|effect| effect.token.is_some()).count();
            self.verdict.repeated += good.saturating_sub(1);
            let most = match expected.once.contains(step) {
                true => Most::Once,
                false => Most::Flaky(*flaky),
            };
            for what in waits::tries(story, step, most, tries, &self.deaths) {
                self.broken(id, what);
            }
        }
        if story.status != "succeeded" {
            return;
        }
        for step in expected.effects.keys() {
            // One that is refused has no token, and is believed to have none.
            let tokens = told.get(step).into_iter().flatten();
            let tokens = tokens.map(|effect| effect.token.as_deref());
            let said = self.said.get(&(id.to_owned(), step.clone()));
            let said = said.filter(|_| story.was_unknown(step));
            let believed = story.token(step);
            if !tokens
                .chain(said.map(|said| Some(said.as_str())))
                .any(|token| token.map(Value::from).as_ref() == believed)
            {
                let believed = believed.cloned().unwrap_or_default();
                self.broken(
                    id,
                    format_args!("{step} believes {believed}, which the sink never said"),
                );
            }
        }
    }

    fn compare_reads(
        &mut self,
        id: &str,
        story: &Story,
        reads: &BTreeSet<String>,
        tries: &[Effect],
    ) {
        for effect in tries {
            for (node, value) in effect.read.as_object().into_iter().flatten() {
                let recorded = story.tokens(node);
                let wanted = if reads.contains(node) {
                    recorded
                } else {
                    Value::Null
                };
                // A map that did not succeed reads as a list of nothing.
                let nothing = wanted.is_null() && value.as_array().is_some_and(Vec::is_empty);
                if *value != wanted && !nothing {
                    self.broken(
                        id,
                        format_args!("{} read {value} of {node}, which is {wanted}", effect.step),
                    );
                }
            }
        }
    }
}
