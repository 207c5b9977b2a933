//! The checks and their results, as they are printed.

use std::fmt;

use serde::Serialize;

use super::{Accepted, Refusal};
use crate::key::PublicKey;
use crate::package::PackageName;

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// That the manifest is not too large.
    Size,
    /// That the manifest is the one that was asked for.
    Digest,
    /// That its publisher signed, and nothing was altered since.
    Signature,
    /// That what is signed is this package, version and manifest.
    Package,
    /// That the stated components are those of the manifest.
    Components,
    /// That the key may sign for this name.
    Key,
    /// That the statement is not one of those that do not count any more.
    Serial,
    /// That it is not older than what is installed.
    Installed,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Size => "size",
            Self::Digest => "digest",
            Self::Signature => "signature",
            Self::Package => "package",
            Self::Components => "components",
            Self::Key => "key",
            Self::Serial => "serial",
            Self::Installed => "installed",
        })
    }
}

/// One check and its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked.
    pub what: What,
    /// Whether it passed.
    pub outcome: Outcome,
    /// What was found, in words.
    pub detail: String,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It passed.
    Passed,
    /// A person is to decide.
    Asked,
    /// It did not; no further check was made.
    Failed,
}

/// All checks, and what follows from them.
#[derive(Debug)]
#[must_use]
pub struct Report {
    /// In the order in which they were made; after one that failed comes none.
    pub checks: Vec<Check>,
    /// What follows.
    pub verdict: Verdict,
}

/// What follows from the checks.
#[derive(Debug)]
pub enum Verdict {
    /// All passed.
    Accepted(Box<Accepted>),
    /// All others passed, but no key is trusted for the namespace yet: a person
    /// may pin this one (`trust::edit::pin`), and then it is verified again.
    FirstUse(Box<FirstUse>),
    /// One did not.
    Refused(Refusal),
}

/// A namespace that is met for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstUse {
    /// The package.
    pub name: PackageName,
    /// The key that signed for it.
    pub key: PublicKey,
}

impl Report {
    /// What passed.
    ///
    /// # Errors
    /// Why it was refused; a namespace that is met for the first time counts as
    /// refused until its key is pinned.
    pub fn accepted(self) -> Result<Accepted, Refusal> {
        match self.verdict {
            Verdict::Accepted(accepted) => Ok(*accepted),
            Verdict::FirstUse(first) => Err(Refusal::UnknownKey {
                namespace: first.name.namespace().to_owned(),
                key: first.key.id(),
            }),
            Verdict::Refused(refusal) => Err(refusal),
        }
    }

    /// How many checks passed.
    pub(super) fn passed(&self) -> usize {
        let passed = |check: &&Check| check.outcome == Outcome::Passed;
        self.checks.iter().filter(passed).count()
    }
}

/// The checks that were made so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Checks(Vec<Check>);

impl Checks {
    /// Makes one, and notes its result.
    pub(super) fn make(
        &mut self,
        what: What,
        check: impl FnOnce() -> Result<String, Refusal>,
    ) -> Result<(), Refusal> {
        match check() {
            Ok(detail) => {
                self.note(what, Outcome::Passed, detail);
                Ok(())
            }
            Err(refusal) => {
                self.note(what, Outcome::Failed, refusal.to_string());
                Err(refusal)
            }
        }
    }

    pub(super) fn note(&mut self, what: What, outcome: Outcome, detail: String) {
        self.0.push(Check {
            what,
            outcome,
            detail,
        });
    }

    pub(super) fn accepted(self, accepted: Accepted) -> Report {
        Report {
            checks: self.0,
            verdict: Verdict::Accepted(Box::new(accepted)),
        }
    }

    pub(super) fn first_use(self, first: FirstUse) -> Report {
        Report {
            checks: self.0,
            verdict: Verdict::FirstUse(Box::new(first)),
        }
    }

    pub(super) fn refused(self, refusal: Refusal) -> Report {
        Report {
            checks: self.0,
            verdict: Verdict::Refused(refusal),
        }
    }
}
