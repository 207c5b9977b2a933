//! Bounded lists: every list has a limit, and says where its next page begins.

use nebula_api::Page;

use super::{Error, Result};

/// Of lists, unless asked otherwise.
const DEFAULT: u32 = 50;
/// Of lists, at most.
const MOST: u32 = 200;

/// How many items a list may give.
pub(crate) fn limit(asked: Option<u32>) -> Result<usize> {
    bounded(asked, DEFAULT, MOST)
}

/// How many items a list with bounds of its own may give.
pub(crate) fn bounded(asked: Option<u32>, default: u32, most: u32) -> Result<usize> {
    match asked.unwrap_or(default) {
        n if (1..=most).contains(&n) => Ok(n as usize),
        n => Err(Error::InvalidQuery {
            parameter: "limit",
            message: format!("{n} is not between 1 and {most}"),
        }),
    }
}

/// A page of at most `limit` items out of a list that was read to one more.
pub(crate) fn page<T>(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = if more { items.last().map(cursor) } else { None };
    Page { items, next_cursor }
}
