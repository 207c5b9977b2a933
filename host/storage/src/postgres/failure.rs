//! What an error of the server, or of the way to it, means for what was asked.

use sqlx::Error;

use crate::trouble::Trouble;

/// How something failed.
#[derive(Debug)]
pub(super) enum Failed {
    /// The session is of no more use.
    Lost(String),
    /// What was asked is undone, and may succeed the next time: another
    /// transaction was faster, or held something for too long.
    Again(String),
    /// Trying again at once is of no use.
    Refused(Trouble),
}

impl Failed {
    /// For one who does not try again.
    pub(super) fn trouble(self) -> Trouble {
        match self {
            Self::Lost(why) | Self::Again(why) => Trouble::Unavailable(why),
            Self::Refused(trouble) => trouble,
        }
    }
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        Self::Refused(trouble)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let why = error.to_string();
        match &error {
            Error::Database(told) => of_code(told.code().as_deref().unwrap_or_default(), why),
            Error::ColumnDecode { .. } | Error::Decode(_) => Self::Refused(Trouble::Damaged(why)),
            Error::Io(_)
            | Error::Tls(_)
            | Error::Protocol(_)
            | Error::PoolTimedOut
            | Error::PoolClosed
            | Error::WorkerCrashed => Self::Lost(why),
            _ => Self::Refused(Trouble::Unavailable(why)),
        }
    }
}

/// By the server's code: <https://www.postgresql.org/docs/15/errcodes-appendix.html>.
fn of_code(code: &str, why: String) -> Failed {
    match code {
        // A unique key that another one took between the look and the write;
        // serialization, deadlock, a lock or a statement that took too long.
        "23505" | "40001" | "40P01" | "55P03" | "57014" => Failed::Again(why),
        // The server ends, begins, or does not write any more (it was demoted);
        // the session sat idle in its transaction because this process was stopped.
        // A plan that the session keeps is for tables that were changed since.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25006" | "53300" | "0A000" => {
            Failed::Lost(why)
        }
        // A value that cannot be stored, data or an index that is not whole.
        "XX001" | "XX002" => Failed::Refused(Trouble::Damaged(why)),
        _ => match code.get(..2) {
            Some("08") => Failed::Lost(why),
            Some("22" | "54") => Failed::Refused(Trouble::Damaged(why)),
            _ => Failed::Refused(Trouble::Unavailable(why)),
        },
    }
}
