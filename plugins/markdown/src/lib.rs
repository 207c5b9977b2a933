//! `markdown.render`: Markdown as HTML, by the crate pulldown-cmark.
//!
//! ```yaml
//! letter:
//!   action: markdown.render
//!   input: { markdown: "# Report\n\n${ $nodes.table.result.text }" }
//! ```
//!
//! The language is CommonMark with GitHub's tables, task lists, strikethrough,
//! footnotes and alerts. What strangers wrote may be rendered: HTML in it becomes
//! text, and only links to `http`, `https`, `mailto` and `tel` stay, beside those
//! within the same site. `html: keep` leaves everything as it is.

use nebula_sdk::prelude::*;
use pulldown_cmark::{CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html};

/// The longest text, in bytes: what is read of it takes up to 35 times as much of a
/// call's memory.
const MAX_TEXT: usize = 1_000_000;

/// Schemes of links that run nothing.
const SCHEMES: [&str; 4] = ["http", "https", "mailto", "tel"];

/// What `markdown.render` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// The text: 1,000,000 bytes at most.
    pub markdown: String,
    /// What becomes of HTML in it, and of links that may run something.
    #[serde(default)]
    pub html: Html,
}

/// What becomes of HTML in a text, and of links that may run something.
#[data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Html {
    /// HTML becomes text, but for `<br>`; links with another scheme than `http`,
    /// `https`, `mailto` and `tel` lead nowhere.
    #[default]
    Escape,
    /// Everything stays. Only for texts that you wrote yourself.
    Keep,
}

/// What `markdown.render` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// The HTML: what stands in `<body>`, without it.
    pub html: String,
    /// The text of the first heading, if there is one.
    pub title: Option<String>,
}

/// Makes HTML from Markdown (CommonMark, with GitHub's tables and their like).
#[derive(Action)]
#[action(id = "markdown.render", name = "Render Markdown")]
pub struct Render;

impl SimpleAction for Render {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Input, _: &ActionContext) -> Result<Output> {
        if input.markdown.len() > MAX_TEXT {
            return Err(ActionError::invalid_input(format!(
                "markdown: it has {} bytes; at most {MAX_TEXT} are rendered",
                input.markdown.len()
            )));
        }
        let events = Parser::new_ext(&input.markdown, options());
        // Twice as long is what most texts become at the most.
        let mut text = String::with_capacity(input.markdown.len() * 2);
        match input.html {
            Html::Keep => html::push_html(&mut text, events),
            Html::Escape => html::push_html(&mut text, events.map(escaped)),
        }
        Ok(Output {
            html: text,
            title: title(&input.markdown),
        })
    }
}

nebula_sdk::export!(Render);

fn options() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_GFM
}

/// The same event, of which nothing can run.
fn escaped(event: Event<'_>) -> Event<'_> {
    match event {
        Event::InlineHtml(tag) if is_line_break(&tag) => Event::HardBreak,
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        Event::Start(Tag::HtmlBlock) => Event::Start(Tag::Paragraph),
        Event::End(TagEnd::HtmlBlock) => Event::End(TagEnd::Paragraph),
        Event::Start(Tag::Link {
            link_type,
            dest_url,
            title,
            id,
        }) => Event::Start(Tag::Link {
            dest_url: if link_type == LinkType::Email {
                dest_url
            } else {
                harmless(dest_url)
            },
            link_type,
            title,
            id,
        }),
        Event::Start(Tag::Image {
            link_type,
            dest_url,
            title,
            id,
        }) => Event::Start(Tag::Image {
            link_type,
            dest_url: harmless(dest_url),
            title,
            id,
        }),
        other => other,
    }
}

fn is_line_break(tag: &str) -> bool {
    let name = tag.trim_start_matches('<').trim_end_matches('>');
    name.trim_end_matches('/').trim().eq_ignore_ascii_case("br")
}

/// The address, or none if it has a scheme that may run something. As browsers do,
/// white space and control characters are passed over.
fn harmless(url: CowStr<'_>) -> CowStr<'_> {
    let scheme: String = url
        .chars()
        .filter(|c| !c.is_control() && !c.is_whitespace())
        .take_while(|c| !matches!(c, '/' | '?' | '#'))
        .collect();
    match scheme.split_once(':') {
        Some((scheme, _)) if !SCHEMES.iter().any(|ok| ok.eq_ignore_ascii_case(scheme)) => {
            CowStr::Borrowed("")
        }
        _ => url,
    }
}

fn title(markdown: &str) -> Option<String> {
    let mut events = Parser::new_ext(markdown, options());
    events.find(|event| matches!(event, Event::Start(Tag::Heading { .. })))?;
    let mut title = String::new();
    for event in events {
        match event {
            Event::End(TagEnd::Heading(_)) => break,
            Event::Text(text) | Event::Code(text) => title.push_str(&text),
            Event::SoftBreak | Event::HardBreak => title.push(' '),
            _ => {}
        }
    }
    Some(title)
}

#[cfg(test)]
mod tests;
