//! What the judge asks of time: no timer early, each signal to one wait, no
//! effect before its attempt is on disk, and none repeated without a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nebula_flow::Timestamp;

use crate::model::Expected;
use crate::sink::Effect;
use crate::story::Story;

/// What the clients did about one execution's signals, by their tokens.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    pub(crate) sent: BTreeSet<String>,
    pub(crate) acknowledged: BTreeSet<String>,
    pub(crate) refused: Vec<String>,
}

/// What the sink was told by one execution, by step.
pub(crate) type Told = BTreeMap<String, Vec<Effect>>;

/// What is wrong with the waits for a time.
pub(crate) fn timers(story: &Story, expected: &Expected, told: &Told) -> Vec<String> {
    let mut faults = Vec::new();
    for (node, millis) in &expected.timers {
        let Some((began, until)) = story.wait(node) else {
            continue;
        };
        if until < began.plus(Duration::from_millis(*millis)) {
            faults.push(format!(
                "{node} waits from {began} until {until}, not {millis} ms"
            ));
        }
        if story.ended(node).is_some_and(|ended| ended < until) {
            faults.push(format!("{node} was over before {until}"));
        }
        // As the rest of the world saw it.
        let due = began.plus(Duration::from_millis(*millis));
        let after = |step: &&String| expected.reads.get(*step).is_some_and(|r| r.contains(node));
        for step in told.keys().filter(after) {
            if told[step].iter().any(|effect| effect.at < due) {
                faults.push(format!("{step} told the sink before {node} was over"));
            }
        }
    }
    faults
}

/// What is wrong with the signals.
pub(crate) fn signals(story: &Story, expected: &Expected, signals: &Signals) -> Vec<String> {
    let refused = signals.refused.iter();
    let mut faults: Vec<String> = refused
        .map(|why| format!("refused a signal that it waits for: {why}"))
        .collect();
    let mut received = BTreeSet::new();
    for token in story.received() {
        if !received.insert(token) {
            faults.push(format!("received signal {token} twice"));
        }
        if !signals.sent.contains(token) {
            faults.push(format!("received signal {token}, which nobody sent"));
        }
    }
    for token in &signals.acknowledged {
        if !received.contains(token.as_str()) {
            faults.push(format!("acknowledged signal {token}, and lost it"));
        }
    }
    if story.status == "succeeded" {
        let answers = expected.signals.iter().map(|node| story.token(node));
        let answers: BTreeSet<&str> = answers.flatten().filter_map(|t| t.as_str()).collect();
        if answers != received {
            faults.push(format!(
                "waits were answered {answers:?}, of signals {received:?}"
            ));
        }
    }
    faults
}

/// How often a step may tell the sink.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Most {
    /// Once, whatever happens.
    Once,
    /// Once more than so many times, and again for each death of the node.
    Flaky(u64),
}

/// What is wrong with how often and when a step told the sink: an attempt is on
/// disk before its effect starts, and only a death of the node while the step
/// was under way, or a refusal, lets it be repeated.
pub(crate) fn tries(
    story: &Story,
    step: &str,
    most: Most,
    tries: &[Effect],
    deaths: &[Timestamp],
) -> Vec<String> {
    let mut faults = Vec::new();
    let Some(begun) = story.attempts(step).into_iter().min() else {
        return vec![format!(
            "{step} told the sink, and no attempt of it is on disk"
        )];
    };
    if let Some(early) = tries.iter().find(|effect| effect.at < begun) {
        let at = early.at;
        faults.push(format!(
            "{step} told the sink at {at}, and its attempt began at {begun}"
        ));
    }
    let ended = story.ended(step);
    let meanwhile = deaths
        .iter()
        .filter(|at| **at >= begun && ended.is_none_or(|ended| **at <= ended));
    let most = match most {
        Most::Once => 1,
        Most::Flaky(flaky) => usize::try_from(flaky).unwrap_or(usize::MAX) + 1 + meanwhile.count(),
    };
    if tries.len() > most {
        let times = tries.len();
        faults.push(format!(
            "{step} told the sink {times} times, and {most} are allowed"
        ));
    }
    faults
}
