//! `--planted`: the node has a bug, and the harness must see it. What a harness
//! cannot see, it does not prove.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nebula_flow::planted::Bug;

use crate::{Error, Orders, What, node, print};

/// How long the node is tormented at a time.
const TIME: Duration = Duration::from_secs(6);

/// The longest pause between two faults, milliseconds: a bug that shows only
/// when the node dies shows soon.
const PAUSE: u64 = 900;

/// How long what was accepted may take to end: with a bug, much never does.
const SETTLE: Duration = Duration::from_secs(5);

/// How many times a bug is looked for, each time with another seed: some show
/// only when the node dies within a millisecond.
const ROUNDS: u64 = 8;

/// What a violation says by which a bug is seen for what it is: one of these.
const fn signs(bug: Bug) -> &'static [&'static str] {
    match bug {
        Bug::ReplyBeforeCommit | Bug::CommitSkipped => &["acknowledged"],
        Bug::ShownBeforeCommit => &["showed an event that is not there", "replied"],
        Bug::EffectBeforeCommit => &["and its attempt began at", "no attempt of it is on disk"],
        // A reader, or the node itself after a death between the two.
        Bug::CommitTorn => &[
            "The node made a mistake",
            "has not ended",
            "its history ends",
        ],
        Bug::KeyIgnored => &["began twice"],
        Bug::MessageLost => &["and lost it"],
        Bug::MessageTwice => &["received signal"],
        Bug::WakeLost => &["has not ended: it is waiting"],
        Bug::TimerEarly => &["told the sink before"],
        Bug::RetryEarly => &["was tried again before its time"],
        Bug::RetryUncounted => &["is recorded as"],
        Bug::CompletedTwice => &["completed twice"],
        Bug::ItemLost => &["believes null"],
    }
}

/// The bugs of these names, separated by commas, or all.
pub(crate) fn named(names: &str) -> Result<Vec<Bug>, Error> {
    if names == "all" {
        return Ok(Bug::ALL.to_vec());
    }
    let find = |name: &str| {
        let found = Bug::ALL.iter().find(|bug| bug.name() == name).copied();
        let known = Bug::ALL.iter().map(|bug| bug.name());
        let known = || known.collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| format!("no bug is called `{name}`; there are {}", known()).into())
    };
    names.split(',').map(find).collect()
}

/// Runs without a bug, if all are asked for, and with each; says what is wrong.
pub(crate) async fn run(orders: &Orders, folder: &Path) -> Result<Option<String>, Error> {
    let orders = Orders {
        what: What::Random(TIME),
        pause: PAUSE,
        settle: SETTLE,
        ..orders.clone()
    };
    if orders.planted.len() == Bug::ALL.len() {
        let sound = Orders {
            settle: Duration::from_secs(60),
            ..orders.clone()
        };
        let violations = crate::run(&sound, folder).await?.len();
        if violations > 0 {
            return Ok(Some(format!("{violations} violations without a bug")));
        }
    }
    let mut unseen = Vec::new();
    for bug in &orders.planted {
        if !is_seen(&orders, folder, *bug).await? {
            unseen.push(bug.name());
        }
    }
    let seen = orders.planted.len() - unseen.len();
    print(&format!(
        "{seen} of {} planted bugs seen",
        orders.planted.len()
    ));
    let all = unseen.join(", ");
    Ok((!unseen.is_empty()).then(|| format!("not seen: {all}")))
}

async fn is_seen(orders: &Orders, folder: &Path, bug: Bug) -> Result<bool, Error> {
    let name = bug.name();
    for round in 0..ROUNDS {
        let here = folder.join(format!("{name}-{round}"));
        node::prepare(&folder.join("data"), &here)?;
        let orders = Orders {
            seed: orders.seed + round,
            bug: Some(bug),
            ..orders.clone()
        };
        let begin = Instant::now();
        let found = match crate::run(&orders, &here).await {
            Ok(violations) => violations,
            // The node does not work at all, or refuses what it must take.
            Err(error) => vec![error.to_string()],
        };
        let seconds = begin.elapsed().as_secs();
        let tells = |violation: &&String| signs(bug).iter().any(|sign| violation.contains(sign));
        let told: Vec<&String> = found.iter().filter(tells).collect();
        let (count, all) = (told.len(), found.len());
        if let Some(first) = told.first() {
            print(&format!(
                "{name}: seen in {seconds} s, by {count} of {all} violations: {first}"
            ));
            fs::remove_dir_all(&here)?;
            return Ok(true);
        }
        print(&format!(
            "{name}: not seen in {seconds} s, in {all} violations"
        ));
        found.iter().take(3).for_each(|violation| print(violation));
    }
    Ok(false)
}
