//! What guests weigh: the bytes of a component, the fuel and the memory of one call.
//! They are the same on every machine and in every run, so that a record of them in the
//! tree (`tests/guests.json`) shows what a change costs authors and tenants, which no
//! other test would notice.
//!
//! - `packs`: the first-party packs, each action on an input of its own.
//! - `templates`: what `nebula action create` makes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::client::Error;

pub mod packs;
pub mod templates;

/// What may be more than recorded before it counts, percent: a growth by less is
/// written down with the next one that is meant.
const TOLERANCE: u64 = 10;

/// What a component or a call of an action weighs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Of the component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Units of one call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Most bytes of memory in one call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// Figures by name.
pub type Table = BTreeMap<String, Figures>;

/// What is recorded, or was measured; a table that was not measured is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Record {
    /// The packs' components.
    pub packs: Table,
    /// One call of each of their actions.
    pub actions: Table,
    /// The templates: component and call.
    pub templates: Table,
}

impl Record {
    /// What the tree has; nothing, if it has no record.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn kept() -> Result<Self, Error> {
        match std::fs::read(file()) {
            Ok(text) => Ok(serde_json::from_slice(&text)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Puts what was measured in the place of what the tree has.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(self) -> Result<(), Error> {
        let mut record = Self::kept()?;
        for (kept, measured) in [
            (&mut record.packs, self.packs),
            (&mut record.actions, self.actions),
            (&mut record.templates, self.templates),
        ] {
            if !measured.is_empty() {
                *kept = measured;
            }
        }
        let text = serde_json::to_string_pretty(&record)?;
        Ok(std::fs::write(file(), text + "\n")?)
    }

    /// Where this, which was measured, is not as it was recorded.
    #[must_use]
    pub fn compare(&self, recorded: &Self) -> Vec<Difference> {
        [
            (&self.packs, &recorded.packs),
            (&self.actions, &recorded.actions),
            (&self.templates, &recorded.templates),
        ]
        .into_iter()
        .filter(|(measured, _)| !measured.is_empty())
        .flat_map(|(measured, recorded)| compare(measured, recorded))
        .collect()
    }
}

/// How a figure is not as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Of what.
    pub name: String,
    /// Of which figure, with recorded and measured value; of all, if the name itself is
    /// new or gone.
    pub figure: Option<(&'static str, u64, u64)>,
    /// Whether it must not go unnoticed.
    pub is_worse: bool,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match self.figure {
            None => write!(f, "{name} is recorded or measured, not both"),
            Some((figure, recorded, measured)) => {
                let percent = measured.abs_diff(recorded) * 1_000 / recorded.max(1);
                let (whole, tenth) = (percent / 10, percent % 10);
                let word = if measured > recorded { "more" } else { "less" };
                write!(
                    f,
                    "{name}: {figure} {measured}, {whole}.{tenth} % {word} than the recorded {recorded}"
                )
            }
        }
    }
}

fn compare(measured: &Table, recorded: &Table) -> Vec<Difference> {
    let mut differences = Vec::new();
    let names: BTreeSet<&String> = measured.keys().chain(recorded.keys()).collect();
    for name in names {
        let (Some(now), Some(then)) = (measured.get(name), recorded.get(name)) else {
            differences.push(Difference {
                name: name.clone(),
                figure: None,
                is_worse: true,
            });
            continue;
        };
        for (figure, now, then) in [
            ("bytes", now.bytes, then.bytes),
            ("fuel", now.fuel, then.fuel),
            ("memory_bytes", now.memory_bytes, then.memory_bytes),
        ] {
            let (now, then) = (now.unwrap_or_default(), then.unwrap_or_default());
            if now.abs_diff(then) * 100 > then * TOLERANCE {
                differences.push(Difference {
                    name: name.clone(),
                    figure: Some((figure, then, now)),
                    is_worse: now > then,
                });
            }
        }
    }
    differences
}

fn file() -> PathBuf {
    crate::root().join("tests/guests.json")
}
