//! `rss.fetch`: the entries of a feed, RSS 0.9 to 2.0 or Atom, by the crate
//! quick-xml.
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
//! - `feed`: what a feed is, and how it is read.
//! - `element`: which element means what.

use nebula_sdk::prelude::*;

mod element;
mod feed;

pub use feed::{Entry, Feed};

/// The largest feed, in bytes. What is made of it is never much larger.
const MAX_FEED: usize = 4 * 1024 * 1024;

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
        let mut request = ctx
            .http()
            .get(&input.url)
            .header(
                "accept",
                "application/rss+xml, application/atom+xml, application/xml;q=0.9, text/xml;q=0.8",
            )
            .header("nebula-redirects", "follow")
            .max_body(MAX_FEED);
        for (name, value) in [
            ("if-none-match", &input.etag),
            ("if-modified-since", &input.last_modified),
        ] {
            if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
                request = request.header(name, value);
            }
        }
        if input.auth {
            request = request.credential("auth");
        }
        let response = request.send().await?.error_for_status()?;
        let header = |name: &str| response.header(name).map(str::to_owned);
        if response.status() == 304 {
            return Ok(Output {
                not_modified: true,
                feed: None,
                etag: header("etag").or(input.etag),
                last_modified: header("last-modified").or(input.last_modified),
            });
        }
        if response.status() != 200 {
            return Err(ActionError::permanent(format!(
                "the server answered with status {}",
                response.status()
            )));
        }
        Ok(Output {
            not_modified: false,
            feed: Some(feed::read(response.text()?, input.limit)?),
            etag: header("etag"),
            last_modified: header("last-modified"),
        })
    }
}

nebula_sdk::export!(Fetch);

fn hundred() -> usize {
    100
}

#[cfg(test)]
mod tests;
