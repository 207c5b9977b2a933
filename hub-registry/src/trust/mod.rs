//! Whom this node trusts, and for what: `trust.toml`.
//!
//! - [`policy`]: which keys may sign which packages, read from the file.
//! - [`scope`]: a namespace, or one package in it.
//! - [`edit`]: the file's text with a key added, revoked, replaced.
//! - [`file`]: the file itself, which several processes may change.

pub mod edit;
pub mod file;
pub mod policy;
pub mod scope;

#[cfg(test)]
mod tests;

pub use file::TrustFile;
pub use policy::{FirstUse, Policy, TrustedKey};
pub use scope::Scope;

use std::io;

/// Why `trust.toml` cannot be used or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// It does not say what it should.
    #[error("{file}{}: {message}", at(*line))]
    Content {
        /// The file, as it was named.
        file: String,
        /// Counted from 1; 0 if it is not known.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// The system refuses.
    #[error("{file} cannot be {what}: {error}")]
    File {
        /// The file.
        file: String,
        /// `read` or `written`.
        what: &'static str,
        /// In the system's words.
        error: io::Error,
    },
    /// There is a key under this name.
    #[error(
        "there is a trusted key `{0}` already; choose another name, or remove that one from trust.toml first"
    )]
    Taken(String),
    /// There is no key under this name or id.
    #[error("no trusted key is called `{0}`; `nebula hub trust list` shows those that there are")]
    Unknown(String),
    /// The same key is trusted under another name.
    #[error("this key is trusted already, as `{0}`; change its entry in trust.toml instead")]
    Known(String),
    /// Not a name for a key.
    #[error(
        "`{0}` cannot name a key: write words of a-z and 0-9, joined by `-`, at most 63 characters"
    )]
    Name(String),
}

fn at(line: usize) -> String {
    if line == 0 {
        String::new()
    } else {
        format!(":{line}")
    }
}
