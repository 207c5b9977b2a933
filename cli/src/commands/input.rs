//! A value that is given as a file or on the command line.

use serde_json::Value;

use super::read;
use crate::error::{Error, Result};

/// `--input FILE` and `--json JSON`.
#[derive(Debug, clap::Args)]
pub(crate) struct Input {
    /// File with the input as JSON (`-` for standard input)
    #[arg(short, long, value_name = "FILE", conflicts_with = "json")]
    input: Option<String>,
    /// The input itself as JSON
    #[arg(long, value_name = "JSON")]
    json: Option<String>,
}

impl Input {
    /// The value; null if none is given.
    pub(crate) fn value(&self) -> Result<Value> {
        match (&self.input, &self.json) {
            (Some(file), _) => parse(&read(file)?, file),
            (None, Some(text)) => parse(text.as_bytes(), "--json"),
            (None, None) => Ok(Value::Null),
        }
    }
}

fn parse(bytes: &[u8], from: &str) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|e| {
        Error::refused(format!("{from} is not JSON: {e}"))
            .hint("strings need double quotes, as in {\"city\": \"Cairo\"}")
    })
}
