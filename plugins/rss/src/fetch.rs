//! Asks for a feed, unless it is as it was.

use nebula_sdk::prelude::*;

use crate::feed::{self, Feed};

/// The largest feed, in bytes. What is made of it is never much larger.
const MAX_FEED: usize = 4 * 1024 * 1024;

/// What is asked for.
pub(crate) struct Asked<'a> {
    pub(crate) url: &'a str,
    pub(crate) etag: Option<&'a str>,
    pub(crate) last_modified: Option<&'a str>,
    /// Whether the credential `auth` is sent.
    pub(crate) auth: bool,
    /// The most entries.
    pub(crate) limit: usize,
}

/// What a server answers.
pub(crate) enum Answer {
    /// Nothing has changed.
    NotModified {
        etag: Option<String>,
        last_modified: Option<String>,
    },
    Feed {
        feed: Feed,
        etag: Option<String>,
        last_modified: Option<String>,
    },
}

pub(crate) async fn get(ctx: &ActionContext, asked: Asked<'_>) -> Result<Answer> {
    let mut request = ctx
        .http()
        .get(asked.url)
        .header(
            "accept",
            "application/rss+xml, application/atom+xml, application/xml;q=0.9, text/xml;q=0.8",
        )
        .header("nebula-redirects", "follow")
        .max_body(MAX_FEED);
    for (name, value) in [
        ("if-none-match", asked.etag),
        ("if-modified-since", asked.last_modified),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            request = request.header(name, value);
        }
    }
    if asked.auth {
        request = request.credential("auth");
    }
    let response = request.send().await?.error_for_status()?;
    let header = |name: &str| response.header(name).map(str::to_owned);
    let (etag, last_modified) = (header("etag"), header("last-modified"));
    match response.status() {
        200 => Ok(Answer::Feed {
            feed: feed::read(response.text()?, asked.limit)?,
            etag,
            last_modified,
        }),
        304 => Ok(Answer::NotModified {
            etag,
            last_modified,
        }),
        status => Err(ActionError::permanent(format!(
            "the server answered with status {status}"
        ))),
    }
}
