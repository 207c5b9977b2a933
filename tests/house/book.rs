//! The documentation as a book: every page is in its table of contents, and every link
//! leads to a file, a page or a heading that is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn pages() -> Vec<PathBuf> {
    let docs = crate::root().join("docs");
    let entries = std::fs::read_dir(docs).expect("docs");
    let files = entries.map(|entry| entry.expect("readable").path());
    let mut pages: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect();
    pages.sort();
    pages
}

/// A page without its blocks of code, in which nothing is a link or a heading.
fn prose(page: &Path) -> String {
    let text = std::fs::read_to_string(page).expect("readable");
    let mut inside = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Where the links of a text lead.
fn links(text: &str) -> Vec<String> {
    let after = text.split("](").skip(1);
    after
        .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
        .filter(|to| !to.contains("://") && !to.contains(' '))
        .collect()
}

/// The names that GitHub and mdBook give the headings of a page.
fn anchors(page: &Path) -> BTreeSet<String> {
    let text = prose(page);
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase();
            let kept = words
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn every_page_is_in_the_table_of_contents_once() {
    let summary = crate::root().join("docs/SUMMARY.md");
    let mut listed = links(&prose(&summary));
    listed.sort();
    let names = pages().into_iter().filter_map(|page| {
        let name = page.file_name()?.to_str()?.to_owned();
        (name != "SUMMARY.md").then_some(name)
    });
    assert_eq!(listed, names.collect::<Vec<_>>());
}

#[test]
fn every_link_of_the_documentation_leads_somewhere() {
    let mut pages = pages();
    pages.push(crate::root().join("README.md"));
    pages.push(crate::root().join("CHANGELOG.md"));
    let mut dead = Vec::new();
    let mut seen = 0;
    for page in &pages {
        for link in links(&prose(page)) {
            seen += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let to = if file.is_empty() {
                page.clone()
            } else {
                page.parent().expect("a folder").join(file)
            };
            let there = to.exists() && (anchor.is_empty() || anchors(&to).contains(anchor));
            if !there {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
    assert!(seen > 80, "only {seen} links were found");
}

/// A placeholder such as `<name>` vanishes from a rendered page unless it is code.
#[test]
fn nothing_in_the_prose_is_taken_for_a_tag() {
    let is_tag = |text: &str| {
        let mut letters = text.chars();
        !text.starts_with("http")
            && letters
                .next()
                .is_some_and(|c| c.is_alphabetic() || c == '/')
    };
    let mut tags = Vec::new();
    for page in pages() {
        let text = prose(&page);
        // What stands between two backticks is code.
        for outside in text.split('`').step_by(2) {
            let mut parts = outside.split('<');
            let mut before = parts.next().unwrap_or_default();
            for part in parts {
                if is_tag(part) && !before.ends_with('\\') {
                    let shown: String = part.chars().take(30).collect();
                    tags.push(format!("{}: <{shown}", page.display()));
                }
                before = part;
            }
        }
    }
    assert!(tags.is_empty(), "{}", tags.join("\n"));
}
