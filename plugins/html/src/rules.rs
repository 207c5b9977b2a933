//! Which tags end which elements, after the HTML standard's tree construction
//! (§13.2.6). What it does beyond that is left out: it moves misplaced rows out
//! of tables, and puts formatting back that was closed in a wrong order.

/// Whether an element has nothing in it and no end (§13.1.2).
pub(crate) fn is_void(name: &str) -> bool {
    matches!(
        name,
        "area"
            | "base"
            | "br"
            | "col"
            | "embed"
            | "hr"
            | "img"
            | "input"
            | "link"
            | "meta"
            | "param"
            | "source"
            | "track"
            | "wbr"
    )
}

/// Which open elements the start of an element ends, and in which it does not look
/// further.
pub(crate) fn ended_by(name: &str) -> Option<(&'static [&'static str], &'static [&'static str])> {
    Some(match name {
        "body" => (&["head"], &["html"]),
        "li" => (&["li"], &["ul", "ol", "menu", "table", "template"]),
        "dt" | "dd" => (&["dt", "dd"], &["dl", "table", "template"]),
        "td" | "th" => (
            &["td", "th", "caption", "colgroup"],
            &["tr", "table", "template"],
        ),
        "tr" => (
            &["tr", "td", "th", "caption", "colgroup"],
            &["table", "template"],
        ),
        "thead" | "tbody" | "tfoot" | "colgroup" | "caption" => (
            &[
                "thead", "tbody", "tfoot", "tr", "td", "th", "caption", "colgroup",
            ],
            &["table", "template"],
        ),
        "option" => (&["option"], &["select", "datalist", "optgroup"]),
        "optgroup" => (&["option", "optgroup"], &["select"]),
        "rt" | "rp" => (&["rt", "rp"], &["ruby"]),
        "address" | "article" | "aside" | "blockquote" | "details" | "dialog" | "div" | "dl"
        | "fieldset" | "figcaption" | "figure" | "footer" | "form" | "h1" | "h2" | "h3" | "h4"
        | "h5" | "h6" | "header" | "hgroup" | "hr" | "main" | "menu" | "nav" | "ol" | "p"
        | "pre" | "search" | "section" | "summary" | "table" | "ul" => (
            &["p"],
            &[
                "button", "td", "th", "caption", "table", "object", "template",
            ],
        ),
        _ => return None,
    })
}

/// Beyond which elements an end tag does not look for its element: a stray one in a
/// cell does not end what the table stands in.
pub(crate) fn end_within(name: &str) -> &'static [&'static str] {
    match name {
        "table" | "tr" | "td" | "th" | "thead" | "tbody" | "tfoot" | "caption" | "colgroup" => {
            &["table", "template"]
        }
        _ => &["td", "th", "caption", "table", "template", "button"],
    }
}
