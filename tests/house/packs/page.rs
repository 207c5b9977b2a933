//! The examples of `docs/packs.md`.

use std::collections::BTreeMap;

use nebula_flow::definition::Document;
use nebula_flow::{Value, json};

/// An example: a heading with the action, what a server answers or the tables of a
/// database, the node, what it gives.
pub(crate) struct Example {
    pub(crate) action: String,
    pub(crate) answers: Vec<Answer>,
    pub(crate) tables: Option<String>,
    /// The name that the action's code uses → the resource.
    pub(crate) resources: BTreeMap<String, String>,
    pub(crate) input: Value,
    pub(crate) output: Value,
}

/// What a server answers, as the page has it: `GET` and the path, then status,
/// headers and body.
pub(crate) struct Answer {
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// All examples of a page.
pub(crate) fn examples(page: &str) -> Vec<Example> {
    let sections = page.split("\n## `").skip(1);
    sections.map(example).collect()
}

fn example(section: &str) -> Example {
    let (action, _) = section.split_once('`').expect("an action");
    let mut answers = Vec::new();
    let (mut tables, mut resources) = (None, BTreeMap::new());
    let (mut input, mut output) = (None, None);
    for block in section.split("```").skip(1).step_by(2) {
        let (kind, text) = block.split_once('\n').expect("a block");
        match kind {
            "http" => answers.push(answer(text)),
            "sql" => tables = Some(text.to_owned()),
            "yaml" => {
                let node = Document::parse(text).expect("YAML").value().clone();
                // A trigger stands in its `poll`, which is called with its config.
                let (node, is_trigger) = match node.get("poll") {
                    Some(poll) => (poll.clone(), true),
                    None => (node, false),
                };
                assert_eq!(node["action"], action, "the node is that of its heading");
                if let Some(bound) = node.get("resources") {
                    resources = serde_json::from_value(bound.clone()).expect("names");
                }
                input = Some(match is_trigger {
                    true => json!({ "config": node["with"], "cursor": null }),
                    false => node["input"].clone(),
                });
            }
            "json" => output = Some(serde_json::from_str(text).expect("JSON")),
            other => panic!("{action}: a block of `{other}`"),
        }
    }
    Example {
        action: action.to_owned(),
        answers,
        tables,
        resources,
        input: input.expect("a node"),
        output: output.expect("what it gives"),
    }
}

fn answer(text: &str) -> Answer {
    let mut parts = text.splitn(3, "\n\n");
    let mut next = || parts.next().expect("request, head and body");
    let request = next().trim();
    let path = request.strip_prefix("GET ").expect("GET").to_owned();
    let mut head = next().lines();
    let status = head.next().expect("a status").parse().expect("a number");
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").expect("a header");
        (name.to_owned(), value.to_owned())
    };
    Answer {
        path,
        status,
        headers: head.map(header).collect(),
        body: next().to_owned(),
    }
}
