//! The columns of rows.

use std::collections::BTreeSet;

use nebula_sdk::Map;
use nebula_sdk::prelude::*;

/// A row: its values by column.
pub(crate) type Row = Map<String, Value>;

/// The most columns of a table. Each row of a result has all of them.
const MAX_COLUMNS: usize = 1_000;

/// The columns that any of the rows has, in the order in which they are met.
///
/// # Errors
/// [`ActionError::InvalidInput`] with the field, when they are too many.
pub(crate) fn columns<'a>(
    field: &str,
    rows: impl IntoIterator<Item = &'a Row>,
) -> Result<Vec<&'a str>> {
    let mut names = Vec::new();
    let mut seen = BTreeSet::new();
    for name in rows.into_iter().flat_map(Map::keys) {
        if seen.insert(name.as_str()) {
            names.push(name.as_str());
        }
    }
    if names.len() > MAX_COLUMNS {
        return Err(ActionError::invalid_input(format!(
            "{field}: it has {} columns; at most {MAX_COLUMNS} are allowed",
            names.len()
        )));
    }
    Ok(names)
}
