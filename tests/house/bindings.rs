//! `nebula action bindings`: what it writes for packs compiles, and is what their
//! actions take and give.

use nebula_sdk::prelude::*;
use serde::de::DeserializeOwned;

use crate::cli::Cli;

/// What the command wrote, kept so that a change is seen.
#[allow(dead_code, unreachable_pub, reason = "made, and used in part")]
#[rustfmt::skip]
mod made;

const PACKS: [&str; 6] = [
    "condition",
    "html",
    "http.request",
    "text",
    "validation",
    "weather",
];

fn bindings(cli: &Cli, arguments: &[&str]) -> String {
    let ended = cli.run(&[&["action", "bindings"], arguments].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.stdout
}

#[test]
fn types_of_packs_are_written_as_they_were() {
    let cli = Cli::new();
    let text = bindings(&cli, &PACKS);
    assert_eq!(text, include_str!("bindings/made.rs"), "{text}");

    let file = cli.folder().join("actions.ts");
    let path = file.to_str().expect("a text path");
    let said = bindings(&cli, &["--language", "typescript", "--to", path]);
    assert_eq!(said, "");
    let text = std::fs::read_to_string(&file).expect("written");
    assert!(
        text.contains(r#""weather.fetch": { input: WeatherFetch.Input;"#),
        "{text}"
    );
    assert!(text.contains(r#"export type Units ="#), "{text}");

    let refused = cli.run(&["action", "bindings", "wether"]);
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(refused.stderr.contains("`wether`"), "{refused:?}");
}

#[test]
fn a_program_with_the_types_runs_a_workflow_and_reads_its_result() {
    use made::text::split::{ID, Input, Output};

    let cli = Cli::new();
    let input = Input {
        text: "one two".into(),
        by: Some(made::text::split::By::Words),
        ..Input::default()
    };
    let workflow = WorkflowBuilder::new("words")
        .add_node("split", NodeBuilder::action(ID))
        .output("${ $nodes.split.result }")
        .build();
    let file = cli.file(
        "words.json",
        &serde_json::to_string(&workflow).expect("JSON"),
    );
    cli.json(&["workflow", "deploy", &file]);
    let input = serde_json::to_string(&input).expect("JSON");
    let ended = cli.json(&["workflow", "execute", "words", "--json", &input, "--wait"]);
    let output: Output = read(&ended["output"]);
    assert_eq!(
        (output.parts, output.count),
        (vec!["one".into(), "two".into()], 2)
    );
}

fn read<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("{e}: {value}"))
}
