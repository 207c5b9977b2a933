//! `rss.new_items`: the entries of a feed that were not there before.

use std::collections::{BTreeSet, VecDeque};

use nebula_sdk::prelude::*;

use crate::feed::Entry;
use crate::fetch::{Answer, Asked, get};

/// The most entries of a feed that are looked at.
const MAX_ENTRIES: usize = 1_000;

/// So many entries that were seen are remembered: more than a feed has, so that none
/// comes twice while it is in the feed.
const MAX_SEEN: usize = 2 * MAX_ENTRIES;

/// The most entries of one poll.
const MAX_NEW: usize = 100;

/// The most bytes of text of one poll, together; one entry is always given.
const MAX_BYTES: usize = 256 * 1024;

/// The most bytes of the summary and of the content of an entry.
const MAX_TEXT: usize = 32 * 1024;

/// The most bytes of its other texts.
const MAX_SHORT: usize = 1024;

/// The most categories, and enclosures, of an entry.
const MAX_LISTED: usize = 20;

/// What `rss.new_items` is told.
#[data]
#[derive(Debug, Clone)]
pub struct Config {
    /// Of the feed: absolute, `http` or `https`.
    pub url: String,
    /// How many of the entries that the feed has at the first poll are new, the first
    /// ones; 0 if not given, 1,000 at most.
    #[param(range = 0..=1000)]
    #[serde(default)]
    pub backlog: usize,
    /// Sends the credential that the trigger binds to `auth`, as its kind says.
    #[serde(default)]
    pub auth: bool,
}

/// How far a feed was read.
#[data]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The entries that were seen, as hashes of their ids, the last one last.
    pub seen: VecDeque<String>,
    /// Of the last answer that was read to its end.
    #[serde(default)]
    pub etag: Option<String>,
    /// Of the last answer that was read to its end.
    #[serde(default)]
    pub last_modified: Option<String>,
}

/// Looks for new entries of a feed (RSS or Atom); each is an event.
#[derive(Action)]
#[action(
    id = "rss.new_items",
    name = "New entries of a feed",
    credentials("auth"),
    hosts("*"),
    trigger
)]
pub struct NewItems;

impl PollingTrigger for NewItems {
    type Config = Config;
    type Cursor = Cursor;
    type Event = Entry;

    async fn poll(
        &self,
        config: Config,
        cursor: Option<Cursor>,
        ctx: &ActionContext,
    ) -> Result<Polled<Cursor, Entry>> {
        let etag = cursor.as_ref().and_then(|cursor| cursor.etag.as_deref());
        let modified = cursor.as_ref();
        let modified = modified.and_then(|cursor| cursor.last_modified.as_deref());
        let asked = Asked {
            url: &config.url,
            etag,
            last_modified: modified,
            auth: config.auth,
            limit: MAX_ENTRIES,
        };
        let (feed, etag, last_modified) = match (get(ctx, asked).await?, &cursor) {
            (
                Answer::Feed {
                    feed,
                    etag,
                    last_modified,
                },
                _,
            ) => (feed, etag, last_modified),
            (Answer::NotModified { .. }, Some(cursor)) => {
                return Ok(Polled::new(cursor.clone(), Vec::new()));
            }
            (Answer::NotModified { .. }, None) => {
                let why = "the server says that nothing has changed since it was never asked";
                return Err(ActionError::permanent(why));
            }
        };
        let mut polled = match cursor {
            Some(cursor) => new(feed.entries, cursor, MAX_ENTRIES),
            None => new(feed.entries, Cursor::default(), config.backlog),
        };
        // What is left is read again, whatever the server thinks of it.
        if !polled.more {
            polled.cursor.etag = etag.filter(|etag| etag.len() <= MAX_SHORT);
            polled.cursor.last_modified = last_modified.filter(|at| at.len() <= MAX_SHORT);
        }
        Ok(polled)
    }
}

/// Which entries are new, the last of the feed first, since a feed has the newest first;
/// beyond the first `wanted` ones they only count as seen.
fn new(entries: Vec<Entry>, cursor: Cursor, wanted: usize) -> Polled<Cursor, Entry> {
    let known: BTreeSet<&String> = cursor.seen.iter().collect();
    let (mut here, mut passed, mut unseen) = (BTreeSet::new(), Vec::new(), Vec::new());
    for (at, entry) in entries.into_iter().enumerate() {
        let hash = hash(&entry.id);
        if !here.insert(hash.clone()) {
            continue;
        }
        if at >= wanted || known.contains(&hash) {
            passed.push(hash);
        } else {
            unseen.push((hash, entry));
        }
    }
    // What is in the feed stays among what is remembered.
    let mut seen = cursor.seen;
    seen.retain(|hash| !here.contains(hash));
    seen.extend(passed);
    let (mut events, mut bytes, mut more) = (Vec::new(), 0, false);
    for (hash, entry) in unseen.into_iter().rev() {
        let entry = cut(entry);
        bytes += size(&entry);
        if events.len() == MAX_NEW || bytes > MAX_BYTES && !events.is_empty() {
            more = true;
            break;
        }
        seen.push_back(hash);
        events.push(entry);
    }
    while seen.len() > MAX_SEEN {
        seen.pop_front();
    }
    Polled {
        cursor: Cursor {
            seen,
            ..Cursor::default()
        },
        events,
        more,
    }
}

/// An entry that is not too long: an event starts an execution.
fn cut(mut entry: Entry) -> Entry {
    for text in [&mut entry.id, &mut entry.title] {
        shorten(text, MAX_SHORT);
    }
    let short = [
        &mut entry.link,
        &mut entry.published,
        &mut entry.updated,
        &mut entry.author,
    ];
    for text in short.into_iter().flatten() {
        shorten(text, MAX_SHORT);
    }
    for text in [&mut entry.summary, &mut entry.content]
        .into_iter()
        .flatten()
    {
        shorten(text, MAX_TEXT);
    }
    for list in [&mut entry.categories, &mut entry.enclosures] {
        list.truncate(MAX_LISTED);
        list.iter_mut().for_each(|text| shorten(text, MAX_SHORT));
    }
    entry
}

fn shorten(text: &mut String, most: usize) {
    text.truncate(text.floor_char_boundary(most));
}

/// Bytes of its texts.
fn size(entry: &Entry) -> usize {
    let maybe = [
        &entry.link,
        &entry.published,
        &entry.updated,
        &entry.author,
        &entry.summary,
        &entry.content,
    ];
    let lists = [&entry.categories, &entry.enclosures];
    let maybe = maybe.into_iter().flatten();
    let texts = [&entry.id, &entry.title].into_iter().chain(maybe);
    texts
        .chain(lists.into_iter().flatten())
        .map(String::len)
        .sum()
}

/// FNV-1a of Fowler, Noll and Vo with 128 bits, as hex: an id may be of any length, and only the
/// feed's own publisher could make two that are equal.
fn hash(id: &str) -> String {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let step = |hash: u128, byte: u8| (hash ^ u128::from(byte)).wrapping_mul(PRIME);
    format!("{:032x}", id.bytes().fold(BASIS, step))
}

#[cfg(test)]
mod tests;
