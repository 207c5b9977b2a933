//! What a feed is, and how it is read.

use nebula_sdk::prelude::*;
use quick_xml::Reader;
use quick_xml::XmlVersion::Explicit1_0;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::element::{Means, is_entry, is_feed, means};

/// How deep elements may stand in each other.
const MAX_DEPTH: usize = 256;

/// The most categories and enclosures of an entry.
const MAX_LISTED: usize = 100;

/// A feed and its entries.
#[data]
#[derive(Debug, Default)]
pub struct Feed {
    /// What it is called.
    pub title: String,
    /// Its page.
    pub link: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// In the order of the feed.
    pub entries: Vec<Entry>,
}

/// An entry of a feed. Texts are as the feed has them, often with HTML; dates as
/// it writes them, which RSS does by RFC 2822 and Atom by RFC 3339.
#[data]
#[derive(Debug, Default)]
pub struct Entry {
    /// What tells it from others: its id, else its link, else its title.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// Its page.
    pub link: Option<String>,
    /// When it was published.
    pub published: Option<String>,
    /// When it was changed.
    pub updated: Option<String>,
    /// In short.
    pub summary: Option<String>,
    /// In full, if the feed has it.
    pub content: Option<String>,
    /// Who wrote it.
    pub author: Option<String>,
    /// What it is about.
    pub categories: Vec<String>,
    /// Addresses of what belongs to it, such as the sound of a podcast.
    pub enclosures: Vec<String>,
}

/// An element whose end has not come yet.
struct Open {
    means: Option<Means>,
    is_entry: bool,
    text: String,
}

struct Reading {
    limit: usize,
    feed: Feed,
    entry: Option<Entry>,
    open: Vec<Open>,
    /// Whether entries are passed over, as there are enough.
    full: bool,
}

/// Reads a feed and its first `limit` entries.
///
/// # Errors
/// [`ActionError::Permanent`], when it is none: what a server answers is not the
/// caller's mistake.
pub(crate) fn read(xml: &str, limit: usize) -> Result<Feed> {
    let mut reader = Reader::from_str(xml);
    let config = reader.config_mut();
    // Feeds are written by hand, too.
    config.allow_dangling_amp = true;
    let mut reading = Reading {
        limit,
        feed: Feed::default(),
        entry: None,
        open: Vec::new(),
        full: false,
    };
    let mut is_known = false;
    loop {
        let event = reader
            .read_event()
            .map_err(|error| refused(&error.to_string()))?;
        match event {
            Event::Start(start) => {
                is_known = is_known || is_outermost(&reading, &start)?;
                reading.begin(&start)?;
            }
            Event::Empty(start) => {
                is_known = is_known || is_outermost(&reading, &start)?;
                reading.begin(&start)?;
                reading.end();
            }
            Event::End(_) => reading.end(),
            Event::Text(text) => reading.text(&text.xml10_content()),
            Event::CData(text) => reading.text(&text.xml10_content()),
            Event::GeneralRef(reference) => reading.text(&resolve(&reference)),
            Event::Eof => break,
            _ => {}
        }
    }
    if !is_known {
        return Err(refused("there is no element"));
    }
    if !reading.open.is_empty() {
        return Err(refused("it ends too early"));
    }
    Ok(reading.feed)
}

fn is_outermost(reading: &Reading, start: &BytesStart<'_>) -> Result<bool> {
    let name = start.name().into_inner();
    if reading.open.is_empty() && !is_feed(name) {
        return Err(refused(&format!("`<{name}>` is the outermost element")));
    }
    Ok(true)
}

fn refused(why: &str) -> ActionError {
    ActionError::permanent(format!("the answer is no feed: {why}"))
}

impl Reading {
    fn begin(&mut self, start: &BytesStart<'_>) -> Result<()> {
        if self.open.len() == MAX_DEPTH {
            return Err(refused(&format!(
                "elements stand in each other more than {MAX_DEPTH} deep"
            )));
        }
        let name = start.name().into_inner();
        let is_entry = is_entry(name) && self.entry.is_none() && !self.open.is_empty();
        if is_entry {
            self.full = self.feed.entries.len() >= self.limit;
            self.entry = Some(Entry::default());
        }
        let means = means(name).filter(|means| self.counts(*means));
        match means {
            Some(Means::Link) => self.linked(start),
            Some(Means::Enclosure) => {
                if let (Some(url), Some(entry)) = (attribute(start, "url"), &mut self.entry) {
                    add(&mut entry.enclosures, url);
                }
            }
            // Atom has it as an attribute.
            Some(Means::Category) => {
                if let (Some(term), Some(entry)) = (attribute(start, "term"), &mut self.entry) {
                    add(&mut entry.categories, term);
                }
            }
            _ => {}
        }
        self.open.push(Open {
            means,
            is_entry,
            text: String::new(),
        });
        Ok(())
    }

    /// Whether an element that begins now says something of the feed or the entry, and
    /// not of an image, a source or another part of it.
    fn counts(&self, means: Means) -> bool {
        match (self.open.last(), &self.entry) {
            (None, _) => false,
            // In Atom, an author is an element with a name in it.
            (Some(open), Some(_)) => {
                open.is_entry || (open.means == Some(Means::Author) && means == Means::Author)
            }
            // `<rss><channel>`, `<rdf:RDF><channel>` or `<feed>`.
            (Some(open), None) => open.means.is_none() && self.open.len() <= 2,
        }
    }

    /// Atom's link: `alternate` is the page, `enclosure` what belongs to it.
    fn linked(&mut self, start: &BytesStart<'_>) {
        let Some(href) = attribute(start, "href") else {
            return;
        };
        let relation = attribute(start, "rel").unwrap_or_else(|| "alternate".to_owned());
        match (&mut self.entry, relation.as_str()) {
            (Some(entry), "alternate") => entry.link = entry.link.take().or(Some(href)),
            (Some(entry), "enclosure") => add(&mut entry.enclosures, href),
            (None, "alternate") => self.feed.link = self.feed.link.take().or(Some(href)),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if self.full {
            return;
        }
        // The innermost that means something: HTML may stand in a text as elements.
        if let Some(open) = self.open.iter_mut().rev().find(|open| open.means.is_some()) {
            open.text.push_str(text);
        }
    }

    /// The reader has checked that it is the end of the innermost element.
    fn end(&mut self) {
        let Some(open) = self.open.pop() else {
            return;
        };
        if open.is_entry {
            self.end_entry();
        }
        let (Some(means), text) = (open.means, open.text.trim()) else {
            return;
        };
        if text.is_empty() {
            return;
        }
        let text = text.to_owned();
        let first = |old: &mut Option<String>, new: String| *old = old.take().or(Some(new));
        let Some(entry) = &mut self.entry else {
            match means {
                Means::Title if self.feed.title.is_empty() => self.feed.title = text,
                Means::Link => first(&mut self.feed.link, text),
                Means::Summary => first(&mut self.feed.description, text),
                _ => {}
            }
            return;
        };
        match means {
            Means::Title if entry.title.is_empty() => entry.title = text,
            Means::Id if entry.id.is_empty() => entry.id = text,
            Means::Link => first(&mut entry.link, text),
            Means::Published => first(&mut entry.published, text),
            Means::Updated => first(&mut entry.updated, text),
            Means::Summary => first(&mut entry.summary, text),
            Means::Content => first(&mut entry.content, text),
            Means::Author => first(&mut entry.author, text),
            Means::Category => add(&mut entry.categories, text),
            Means::Title | Means::Id | Means::Enclosure => {}
        }
    }

    fn end_entry(&mut self) {
        let Some(mut entry) = self.entry.take() else {
            return;
        };
        if self.full {
            return;
        }
        if entry.id.is_empty() {
            entry.id = entry.link.clone().unwrap_or_else(|| entry.title.clone());
        }
        self.feed.entries.push(entry);
    }
}

fn add(list: &mut Vec<String>, text: String) {
    if list.len() < MAX_LISTED {
        list.push(text);
    }
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = start.try_get_attribute(name).ok()??;
    let value = attribute.normalized_value(Explicit1_0).ok()?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// The text of a reference; one that is not known stays as it is.
fn resolve(reference: &BytesRef<'_>) -> String {
    match reference.resolve_char_ref() {
        Ok(Some(c)) => c.to_string(),
        _ => resolve_xml_entity(reference)
            .map_or_else(|| format!("&{};", &**reference), str::to_owned),
    }
}
