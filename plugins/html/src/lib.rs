//! `html.extract`: values from a page, by CSS selectors. The crate html5gum reads
//! it as browsers do.
//!
//! ```yaml
//! prices:
//!   action: html.extract
//!   input:
//!     html: "${ $nodes.page.result.body }"
//!     each: "table.prices tbody tr"
//!     fields:
//!       name: { select: "td:first-child" }
//!       link: { select: "a[href]", attribute: href }
//! ```
//!
//! - `document`: the elements of a page.
//! - `rules`: which tags end which elements.
//! - `selector`: what a selector says.
//! - `find`: which elements it means.
//! - `text`: the text of an element.

use std::collections::BTreeMap;

use nebula_sdk::Map;
use nebula_sdk::prelude::*;

mod document;
mod find;
mod rules;
mod selector;
mod text;

use document::Document;
use selector::Selector;

/// The most fields.
const MAX_FIELDS: usize = 100;

/// The most values of an output.
const MAX_VALUES: usize = 100_000;

/// What `html.extract` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// The page, or a part of one.
    pub html: String,
    /// A CSS selector: one item is made of each element that it means. Without it, one
    /// of the page.
    #[serde(default)]
    pub each: Option<String>,
    /// What an item has, by name.
    pub fields: BTreeMap<String, Field>,
}

/// Where a value is.
#[data]
#[derive(Debug)]
pub struct Field {
    /// A CSS selector, for elements in the item's; the item's own element if not given.
    #[serde(default)]
    pub select: Option<String>,
    /// Which attribute of the element; its text if not given.
    #[serde(default)]
    pub attribute: Option<String>,
    /// Gives a list of all that is found, not only the first.
    #[serde(default)]
    pub all: bool,
    /// Fails if nothing is found; it is null, or an empty list, if not.
    #[serde(default)]
    pub required: bool,
}

/// What `html.extract` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// In the order of the page.
    pub items: Vec<Map<String, Value>>,
    /// How many there are.
    pub count: usize,
}

/// Takes texts and attributes out of an HTML page by CSS selectors.
#[derive(Action)]
#[action(id = "html.extract", name = "Extract from HTML")]
pub struct Extract;

impl SimpleAction for Extract {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Input, _: &ActionContext) -> Result<Output> {
        let items = extract(&input)?;
        Ok(Output {
            count: items.len(),
            items,
        })
    }
}

nebula_sdk::export!(Extract);

/// A field, and the elements of the whole page that its selector means.
struct Found<'a> {
    name: &'a str,
    field: &'a Field,
    elements: Option<Vec<usize>>,
}

fn extract(input: &Input) -> Result<Vec<Map<String, Value>>> {
    if input.fields.len() > MAX_FIELDS {
        return Err(ActionError::invalid_input(format!(
            "fields: there are {}; at most {MAX_FIELDS} are taken",
            input.fields.len()
        )));
    }
    let read = |place: String, text: &str| {
        Selector::parse(text)
            .map_err(|why| ActionError::invalid_input(format!("{place}: `{text}`: {why}")))
    };
    let each = match &input.each {
        Some(text) => Some(read("each".into(), text)?),
        None => None,
    };
    let mut selectors = Vec::new();
    for (name, field) in &input.fields {
        let selector = match &field.select {
            Some(text) => Some(read(format!("fields.{name}.select"), text)?),
            None => None,
        };
        selectors.push((name, field, selector));
    }
    let document = Document::read(&input.html)
        .map_err(|why| ActionError::invalid_input(format!("html: {why}")))?;
    let fields: Vec<Found<'_>> = selectors
        .into_iter()
        .map(|(name, field, selector)| Found {
            name,
            field,
            elements: selector.map(|selector| find::all(&document, &selector)),
        })
        .collect();
    let roots = match each {
        Some(each) => find::all(&document, &each),
        None => vec![document::ROOT],
    };
    let mut items = Vec::new();
    let mut values = 0;
    for root in roots {
        items.push(item(&document, root, &fields, &mut values)?);
    }
    Ok(items)
}

fn item(
    document: &Document,
    root: usize,
    fields: &[Found<'_>],
    values: &mut usize,
) -> Result<Map<String, Value>> {
    let mut item = Map::new();
    for Found {
        name,
        field,
        elements,
    } in fields
    {
        let own = [root];
        let within = match elements {
            Some(elements) => inside(elements, document, root),
            None => &own[..],
        };
        let mut found = within
            .iter()
            .filter_map(|&element| match &field.attribute {
                Some(name) => document.attribute(element, name).map(str::to_owned),
                None => Some(text::of(document, element)),
            })
            .map(Value::from);
        let value = if field.all {
            let all: Vec<Value> = found.collect();
            *values += all.len();
            Some(all)
                .filter(|all| !all.is_empty() || !field.required)
                .map(Value::from)
        } else {
            found.next()
        };
        *values += 1;
        if *values > MAX_VALUES {
            return Err(ActionError::invalid_input(format!(
                "fields: there are more than {MAX_VALUES} values; select fewer elements"
            )));
        }
        if value.is_none() && field.required {
            return Err(ActionError::invalid_input(format!(
                "fields.{name}: nothing is found"
            )));
        }
        item.insert((*name).to_owned(), value.unwrap_or_default());
    }
    Ok(item)
}

/// Of elements in the order of the page, those in another one.
fn inside<'e>(elements: &'e [usize], document: &Document, root: usize) -> &'e [usize] {
    let start = elements.partition_point(|&element| element <= root);
    let end = elements.partition_point(|&element| element < document.end(root));
    &elements[start..end.max(start)]
}

#[cfg(test)]
mod tests;
