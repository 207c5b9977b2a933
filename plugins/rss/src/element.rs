//! Which element means what. Prefixes are names that a feed chooses, so only the
//! usual ones are known: `dc`, `content`, `media` and none.

/// What the text of an element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Means {
    Title,
    /// The text, or for Atom the attribute `href`.
    Link,
    Id,
    Published,
    Updated,
    Summary,
    Content,
    Author,
    Category,
    Enclosure,
}

/// What an element of a feed or an entry means; none if nothing is made of it.
pub(crate) fn means(name: &str) -> Option<Means> {
    Some(match name {
        "title" | "dc:title" => Means::Title,
        "link" | "atom:link" => Means::Link,
        "guid" | "id" | "dc:identifier" => Means::Id,
        "pubDate" | "published" | "issued" | "dc:date" => Means::Published,
        "updated" | "modified" | "lastBuildDate" | "atom:updated" => Means::Updated,
        "description" | "summary" | "subtitle" | "tagline" | "dc:description" => Means::Summary,
        "content" | "content:encoded" => Means::Content,
        "author" | "name" | "dc:creator" => Means::Author,
        "category" | "dc:subject" => Means::Category,
        "enclosure" => Means::Enclosure,
        _ => return None,
    })
}

/// Whether elements of this name are entries.
pub(crate) fn is_entry(name: &str) -> bool {
    matches!(name, "item" | "entry")
}

/// Whether a document with this outermost element is a feed.
pub(crate) fn is_feed(name: &str) -> bool {
    matches!(name, "rss" | "rdf:RDF" | "RDF" | "feed")
}
