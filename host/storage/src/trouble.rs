//! What a store can suffer from, before it is told to a caller as an error of
//! the log or of the records.

use nebula_flow::ports::{LogError, RecordError};

/// Why a store could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Trying again may help.
    Unavailable(String),
    /// What the store holds is not what it should be.
    Damaged(String),
}

impl Trouble {
    /// The writer has ended, so nobody will answer.
    pub(crate) fn closed() -> Self {
        Self::Unavailable("the store is closed".into())
    }

    /// Names the place of a damage.
    pub(crate) fn at(self, place: impl FnOnce() -> String) -> Self {
        match self {
            Self::Damaged(what) => Self::Damaged(format!("{}: {what}", place())),
            other @ Self::Unavailable(_) => other,
        }
    }
}

impl From<Trouble> for LogError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unavailable(why) => Self::Unavailable(why),
            Trouble::Damaged(what) => Self::Damaged(what),
        }
    }
}

impl From<Trouble> for RecordError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unavailable(why) => Self::Unavailable(why),
            Trouble::Damaged(what) => Self::Damaged(what),
        }
    }
}
