//! A list that comes in pages.

use core::time::Duration;

use fluent_uri::{Uri, UriRef};
use nebula_sdk::action::alloc::collections::{BTreeMap, BTreeSet};
use nebula_sdk::action::http::{HttpError, RequestBuilder, Response};
use nebula_sdk::prelude::*;

use crate::link;
use crate::shared::{Auth, parameter};

/// The most pages of a call.
const MAX_PAGES: usize = 100;

/// The most bytes of all pages together. An output has 4 MiB at most, and JSON is
/// longer than the MessagePack that it becomes.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// What `http.paginate` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// The first page: absolute, `http` or `https`.
    pub url: String,
    /// Parameters of each page's address; numbers and bools are written as text.
    #[serde(default)]
    pub query: BTreeMap<String, Value>,
    /// Headers of each request.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How the next page is found.
    #[serde(default)]
    pub by: By,
    /// Where a page has what leads to the next one, as JSON Pointer (RFC 6901): an
    /// address for `by: url`, a text or a number for `by: cursor`.
    #[serde(default)]
    pub next: Option<String>,
    /// The parameter of the address that says which page: `cursor` or `page` if not
    /// given.
    #[serde(default)]
    pub parameter: Option<String>,
    /// For `by: page`: the number of the first page.
    #[serde(default = "one")]
    pub first: u64,
    /// Where a page has its list, as JSON Pointer; the page itself if not given.
    #[serde(default)]
    pub items: String,
    /// The most pages that are asked for: 100 at most.
    #[serde(default = "ten")]
    pub max_pages: usize,
    /// Asks for no further page when there are as many items.
    #[serde(default)]
    pub max_items: Option<usize>,
    /// Sends the credential that the node binds to `auth`.
    #[serde(default)]
    pub auth: Option<Auth>,
    /// Of each request, for the connection, the first byte and between bytes, each, in
    /// milliseconds.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

/// How the next page is found.
#[data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The header `Link` has its address with the relation `next` (RFC 8288).
    #[default]
    Link,
    /// The page has its address at `next`.
    Url,
    /// The page has at `next` what `parameter` is to be for the next one.
    Cursor,
    /// `parameter` counts the pages, until one has no items.
    Page,
}

/// What `http.paginate` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// Of all pages, in order.
    pub items: Vec<Value>,
    /// How many items there are.
    pub count: usize,
    /// How many pages were read.
    pub pages: usize,
    /// Whether the last page was reached.
    pub complete: bool,
    /// Where the list goes on, if it does: an address, a cursor or a number, as a text.
    pub next: Option<String>,
}

/// Reads a list that comes in pages: by the Link header, an address or cursor in the page, or page numbers.
#[derive(Action)]
#[action(
    id = "http.paginate",
    name = "Read all pages",
    credentials("auth"),
    hosts("*")
)]
pub struct Paginate;

impl SimpleAction for Paginate {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Input, ctx: &ActionContext) -> Result<Output> {
        check(&input)?;
        let header = match &input.auth {
            Some(auth) => auth.header(ctx).await?,
            None => None,
        };
        let mut walk = Walk::new(&input, header);
        while walk.wants_more() {
            ctx.check_cancelled()?;
            ctx.heartbeat();
            walk.step(ctx).await?;
        }
        let complete = walk.place.is_none();
        let next = match walk.place {
            Some(Place::At(next) | Place::Parameter(next)) => Some(next),
            Some(Place::First) | None => None,
        };
        Ok(Output {
            count: walk.items.len(),
            items: walk.items,
            pages: walk.pages,
            complete,
            next,
        })
    }
}

/// Which page is next.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// The address as it is given.
    First,
    /// That address.
    At(String),
    /// The first address with this as the parameter.
    Parameter(String),
}

/// The way through the pages.
struct Walk<'a> {
    input: &'a Input,
    /// With the credential, where the input says which.
    header: Option<(String, String)>,
    /// None behind the last page.
    place: Option<Place>,
    seen: BTreeSet<Place>,
    items: Vec<Value>,
    pages: usize,
    bytes: usize,
}

fn one() -> u64 {
    1
}

fn ten() -> usize {
    10
}

fn check(input: &Input) -> Result<()> {
    if !(1..=MAX_PAGES).contains(&input.max_pages) {
        return Err(ActionError::invalid_input(format!(
            "max_pages: {} is not between 1 and {MAX_PAGES}",
            input.max_pages
        )));
    }
    let is_pointer = |pointer: &str| pointer.is_empty() || pointer.starts_with('/');
    for (name, pointer) in [("items", Some(&input.items)), ("next", input.next.as_ref())] {
        if pointer.is_some_and(|pointer| !is_pointer(pointer)) {
            return Err(ActionError::invalid_input(format!(
                "{name}: a JSON Pointer begins with `/`"
            )));
        }
    }
    if matches!(input.by, By::Url | By::Cursor) && input.next.is_none() {
        return Err(ActionError::invalid_input(
            "next: `by: url` and `by: cursor` need to know where a page has it, such as `/next`",
        ));
    }
    Ok(())
}

impl<'a> Walk<'a> {
    fn new(input: &'a Input, header: Option<(String, String)>) -> Self {
        let place = match input.by {
            By::Page => Place::Parameter(input.first.to_string()),
            _ => Place::First,
        };
        Self {
            input,
            header,
            place: Some(place),
            seen: BTreeSet::new(),
            items: Vec::new(),
            pages: 0,
            bytes: 0,
        }
    }

    fn wants_more(&self) -> bool {
        let max_items = self.input.max_items.unwrap_or(usize::MAX);
        self.place.is_some()
            && self.pages < self.input.max_pages
            && (self.pages == 0 || self.items.len() < max_items)
    }

    async fn step(&mut self, ctx: &ActionContext) -> Result<()> {
        let Some(place) = self.place.take() else {
            return Ok(());
        };
        let number = self.pages + 1;
        if !self.seen.insert(place.clone()) {
            return Err(ActionError::permanent(format!(
                "page {number} is one that was read before: the pages lead in a circle"
            )));
        }
        let response = self.request(ctx, &place)?.send().await;
        let response = match response {
            Err(HttpError::TooLarge { .. }) => {
                return Err(ActionError::permanent(format!(
                    "page {number}: the pages have more than {MAX_BYTES} bytes; ask for fewer by `max_pages`"
                )));
            }
            response => response?.error_for_status()?,
        };
        if !response.is_success() {
            return Err(ActionError::permanent(format!(
                "page {number}: the server answered with status {}",
                response.status()
            )));
        }
        self.bytes += response.bytes().len();
        let mut page: Value = response.json()?;
        self.place = self.following(&response, &page, &place)?;
        let at = &self.input.items;
        match page.pointer_mut(at).map(Value::take) {
            Some(Value::Array(items)) => {
                if items.is_empty() && self.input.by == By::Page {
                    self.place = None;
                }
                self.items.extend(items);
            }
            _ => {
                return Err(ActionError::permanent(format!(
                    "page {number}: there is no list at `{at}`; `items` says where it is"
                )));
            }
        }
        self.pages = number;
        Ok(())
    }

    fn request<'c>(&self, ctx: &'c ActionContext, place: &Place) -> Result<RequestBuilder<'c>> {
        let input = self.input;
        let mut request = match place {
            // The server has put the parameters in.
            Place::At(url) => ctx.http().get(url.clone()),
            Place::First | Place::Parameter(_) => {
                let mut request = ctx.http().get(input.url.clone());
                for (name, value) in &input.query {
                    request = request.query(name, parameter(name, value)?);
                }
                request
            }
        };
        if let Place::Parameter(value) = place {
            let name = match (&input.parameter, input.by) {
                (Some(name), _) => name,
                (None, By::Page) => "page",
                (None, _) => "cursor",
            };
            request = request.query(name, value);
        }
        for (name, value) in &input.headers {
            request = request.header(name, value);
        }
        request = match &self.header {
            Some((name, value)) => request.header(name, value),
            None if input.auth.is_some() => request.credential("auth"),
            None => request,
        };
        if let Some(millis) = input.timeout_ms {
            request = request.timeout(Duration::from_millis(millis));
        }
        Ok(request.max_body(MAX_BYTES - self.bytes))
    }

    /// Where the page behind this one is.
    fn following(&self, response: &Response, page: &Value, place: &Place) -> Result<Option<Place>> {
        let pointed = || self.input.next.as_ref().and_then(|at| page.pointer(at));
        let value = match self.input.by {
            By::Page => {
                let counted = self.input.first.checked_add(self.pages as u64 + 1);
                return Ok(counted.map(|page| Place::Parameter(page.to_string())));
            }
            By::Link => {
                let mut links = response
                    .headers()
                    .iter()
                    .filter(|(name, _)| name.eq_ignore_ascii_case("link"));
                links
                    .find_map(|(_, value)| link::next(value))
                    .map(ToOwned::to_owned)
            }
            By::Url | By::Cursor => match pointed() {
                None | Some(Value::Null | Value::Bool(false)) => None,
                Some(Value::String(text)) => Some(text.clone()).filter(|text| !text.is_empty()),
                Some(number @ Value::Number(_)) if self.input.by == By::Cursor => {
                    Some(number.to_string())
                }
                Some(_) => {
                    return Err(ActionError::permanent(format!(
                        "page {}: what is at `{}` leads to no page",
                        self.pages + 1,
                        self.input.next.as_deref().unwrap_or_default()
                    )));
                }
            },
        };
        let Some(value) = value else {
            return Ok(None);
        };
        if self.input.by == By::Cursor {
            return Ok(Some(Place::Parameter(value)));
        }
        let base = match place {
            Place::At(url) => url,
            Place::First | Place::Parameter(_) => &self.input.url,
        };
        self.resolve(base, &value).map(|url| Some(Place::At(url)))
    }

    /// The address that `reference` is beside `base` (RFC 3986 §5).
    ///
    /// # Errors
    /// Permanent, when it is none, or leads away from the first page's scheme, host and
    /// port: headers and credential are for that one.
    fn resolve(&self, base: &str, reference: &str) -> Result<String> {
        let number = self.pages + 2;
        let none = |why: &str| {
            ActionError::permanent(format!("page {number}: `{reference}` is no address: {why}"))
        };
        let first = Uri::parse(self.input.url.as_str())
            .map_err(|error| ActionError::invalid_input(format!("url: {error}")))?;
        let base = Uri::parse(base).map_err(|error| none(&error.to_string()))?;
        let reference_read = UriRef::parse(reference).map_err(|error| none(&error.to_string()))?;
        let url = reference_read
            .resolve_against(&base.strip_fragment())
            .map_err(|error| none(&error.to_string()))?;
        let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
        let authority = |a: Option<&str>, b: Option<&str>| match (a, b) {
            (Some(a), Some(b)) => same(a, b),
            _ => false,
        };
        let is_same = same(url.scheme().as_str(), first.scheme().as_str())
            && authority(
                url.authority().map(|a| a.as_str()),
                first.authority().map(|a| a.as_str()),
            );
        if !is_same {
            return Err(ActionError::permanent(format!(
                "page {number}: `{reference}` leads to another server than the first page"
            )));
        }
        Ok(url.into_string())
    }
}

#[cfg(test)]
mod tests;
