//! Rows, gathered into parts that travel, under the bounds of their statement.

use std::collections::BTreeSet;

use nebula_sandbox::resources::ResourceError;

use super::cell::{Cell, Row};
use super::statement::Job;

/// A part is sent when it has so many bytes.
const PART: usize = 256 << 10;
/// The largest row, bytes: a guest takes no more at once.
const MAX_ROW: usize = 4 << 20;

/// Gathers the rows of one statement.
pub(super) struct Parts {
    columns: Vec<String>,
    part: Vec<u8>,
    in_part: u32,
    rows: u64,
    bytes: u64,
}

impl Parts {
    /// For rows with these columns.
    pub(super) fn new(columns: Vec<String>) -> Result<Self, ResourceError> {
        let mut seen = BTreeSet::new();
        if let Some(twice) = columns.iter().find(|column| !seen.insert(*column)) {
            return Err(ResourceError::Refused(format!(
                "two columns are called `{twice}`: give one another name with AS"
            )));
        }
        Ok(Self {
            columns,
            part: Vec::new(),
            in_part: 0,
            rows: 0,
            bytes: 0,
        })
    }

    /// Adds a row; gives a part that is to be sent.
    pub(super) fn add(
        &mut self,
        job: &Job,
        cells: &[Cell],
    ) -> Result<Option<Vec<u8>>, ResourceError> {
        let Job {
            name,
            max_rows,
            max_bytes,
            ..
        } = job;
        if self.rows >= *max_rows {
            return Err(ResourceError::Limit(format!(
                "the statement gives more than {max_rows} rows (`resources.{name}.max_rows`): add a \
                 LIMIT"
            )));
        }
        let before = self.part.len();
        let row = Row {
            columns: &self.columns,
            cells,
        };
        rmp_serde::encode::write(&mut self.part, &row)
            .map_err(|e| ResourceError::Refused(format!("a row cannot be encoded: {e}")))?;
        let row = self.part.len() - before;
        self.bytes += row as u64;
        if self.bytes > *max_bytes {
            return Err(ResourceError::Limit(format!(
                "the statement gives more than {max_bytes} bytes (`resources.{name}.max_bytes`)"
            )));
        }
        if row > MAX_ROW {
            return Err(ResourceError::Limit(format!(
                "a row has {row} bytes; at most {MAX_ROW} are allowed"
            )));
        }
        self.rows += 1;
        // What comes next would make the part too large for one call.
        let earlier = (before > 0 && self.part.len() > MAX_ROW).then(|| {
            let rest = self.part.split_off(before);
            let earlier = self.take();
            self.part = rest;
            earlier
        });
        self.in_part += 1;
        if earlier.is_some() || self.part.len() < PART {
            return Ok(earlier);
        }
        Ok(Some(self.take()))
    }

    /// The last part, if there is one.
    pub(super) fn finish(mut self) -> Option<Vec<u8>> {
        (self.in_part > 0).then(|| self.take())
    }

    /// The part as a list.
    fn take(&mut self) -> Vec<u8> {
        let mut part = Vec::with_capacity(self.part.len() + 5);
        part.push(0xdd);
        part.extend(self.in_part.to_be_bytes());
        part.append(&mut self.part);
        self.in_part = 0;
        part
    }
}
