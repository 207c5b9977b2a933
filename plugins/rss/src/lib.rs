//! `rss.fetch`: the entries of a feed, RSS 0.9 to 2.0 or Atom, by the crate
//! quick-xml; `rss.new_items`: a trigger, with an event for each that is new.
//!
//! ```yaml
//! news:
//!   action: rss.fetch
//!   input: { url: https://news.example/feed.xml, limit: 20, etag: "${ $input.etag }" }
//! ```
//!
//! The host of the address needs a grant: `nebula grant rss.fetch news.example`.
//! With the `etag` or `last_modified` of the call before, a server that has
//! nothing new answers in a few bytes, and `not_modified` is true.
//!
//! ```yaml
//! triggers:
//!   news:
//!     poll: { action: rss.new_items, every: 5m, with: { url: https://news.example/feed.xml } }
//! ```
//!
//! - `feed`: what a feed is, and how it is read.
//! - `element`: which element means what.
//! - `fetch`: asks for one; `news`: which entries are new.

use nebula_sdk::prelude::*;

mod element;
mod feed;
mod fetch;
mod news;

pub use feed::{Entry, Feed};
use fetch::{Answer, Asked, get};
pub use news::{Config, Cursor, NewItems};

/// What `rss.fetch` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// Of the feed: absolute, `http` or `https`.
    pub url: String,
    /// The most entries that are given, from the first on; 100 if not given, 1,000 at
    /// most.
    #[serde(default = "hundred")]
    pub limit: usize,
    /// The `etag` of the call before.
    #[serde(default)]
    pub etag: Option<String>,
    /// The `last_modified` of the call before.
    #[serde(default)]
    pub last_modified: Option<String>,
    /// Sends the credential that the node binds to `auth`, as its kind says.
    #[serde(default)]
    pub auth: bool,
}

/// What `rss.fetch` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// Whether nothing has changed since the call before; the feed is then null.
    pub not_modified: bool,
    /// The feed.
    pub feed: Option<Feed>,
    /// For the next call.
    pub etag: Option<String>,
    /// For the next call.
    pub last_modified: Option<String>,
}

/// Fetches a feed (RSS or Atom) and gives its entries.
#[derive(Action)]
#[action(
    id = "rss.fetch",
    name = "Fetch a feed",
    credentials("auth"),
    hosts("*")
)]
pub struct Fetch;

impl SimpleAction for Fetch {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Input, ctx: &ActionContext) -> Result<Output> {
        if !(1..=1_000).contains(&input.limit) {
            return Err(ActionError::invalid_input(format!(
                "limit: {} is not between 1 and 1000",
                input.limit
            )));
        }
        let asked = Asked {
            url: &input.url,
            etag: input.etag.as_deref(),
            last_modified: input.last_modified.as_deref(),
            auth: input.auth,
            limit: input.limit,
        };
        Ok(match get(ctx, asked).await? {
            Answer::NotModified {
                etag,
                last_modified,
            } => Output {
                not_modified: true,
                feed: None,
                etag: etag.or(input.etag),
                last_modified: last_modified.or(input.last_modified),
            },
            Answer::Feed {
                feed,
                etag,
                last_modified,
            } => Output {
                not_modified: false,
                feed: Some(feed),
                etag,
                last_modified,
            },
        })
    }
}

nebula_sdk::export!(Fetch, NewItems);

fn hundred() -> usize {
    100
}

#[cfg(test)]
mod tests;
