//! `nebula action inspect`: what a component is, from a file, a crate or a registry.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::Cli;
use crate::hub::Hub;
use crate::hub_world::{Home, component};

/// A pack as a file.
fn pack(cli: &Cli, name: &str) -> String {
    let pack = nebula_server::PACKS.iter().find(|(pack, _)| *pack == name);
    let path = cli.folder().join(format!("{name}.wasm"));
    std::fs::write(&path, pack.expect("a pack").1).expect("writable");
    path.to_str().expect("text").to_owned()
}

fn sum(answer: &Value) -> u64 {
    let sections = answer["sections"].as_array().expect("a list");
    sections.iter().filter_map(|s| s["bytes"].as_u64()).sum()
}

#[test]
fn a_component_shows_what_it_may_reach_its_actions_and_every_byte() {
    let cli = Cli::fresh();
    let file = pack(&cli, "weather");
    let found = cli.json(&["action", "inspect", &file]);
    assert_eq!(found["world"], "nebula:action/action@0.1.0");
    assert_eq!(found["effect"], "effectful");
    let effects = found["effects"].as_array().expect("a list");
    let has = |text: &str| {
        effects
            .iter()
            .any(|e| e.as_str().is_some_and(|e| e.starts_with(text)))
    };
    assert!(has("wasi:http/outgoing-handler@"), "{found}");
    assert!(has("nebula:action/credentials@"), "{found}");
    let action = &found["actions"][0];
    assert_eq!(action["id"], "weather.fetch");
    assert_eq!(action["credentials"], json!(["weather_api"]));
    assert_eq!(action["hosts"], json!(["api.weather.example"]));
    assert_eq!(action["input_schema"]["type"], "object");
    let size = std::fs::metadata(&file).expect("there").len();
    assert_eq!(found["size"], size);
    assert_eq!(sum(&found), size, "{found}");
    assert_eq!(found["sections"][0]["section"], "code");

    let page = cli.run(&["action", "inspect", &file]).stdout;
    for part in [
        "nebula:action/action@0.1.0",
        "effectful: ",
        "weather.fetch ",
        "{ city: string",
        "api.weather.example",
        "weather_api",
        "code ",
        "custom ",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("$schema"), "{page}");
    let ids = cli.run(&["action", "inspect", &file, "-o", "name"]);
    assert_eq!(ids.stdout, "weather.fetch\n");
}

#[test]
fn a_crate_is_built_and_a_pure_one_is_said_to_be() {
    let cli = Cli::fresh();
    let folder = crate::root().join("tests/guests/custom-action");
    let folder = folder.to_str().expect("text");
    let found = cli.json(&["action", "inspect", folder]);
    assert_eq!(
        (&found["effect"], &found["effects"]),
        (&json!("pure"), &json!([]))
    );
    let source = found["source"].as_str().expect("a path");
    assert!(Path::new(source).is_file(), "{found}");
    let page = cli.run(&["action", "inspect", source]).stdout;
    assert!(page.contains("pure: "), "{page}");
    assert!(page.contains("input        { name: string }"), "{page}");
}

#[test]
fn a_package_of_a_registry_is_looked_into_before_anybody_trusts_it() {
    let mut author = Home::publisher("");
    let hub = Hub::start(&author.cli, &["dev", "--port", "0"], "hub:");
    author.registry.clone_from(&hub.address);
    let folder = author.package("greeting", "");
    author.done(&["hub", "publish", &folder, "1.2.0"]);

    let look = |arguments: &[&str]| author.run(&[&["action", "inspect"], arguments].concat());
    let ended = look(&["greeting@^1", "-o", "json"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("not verified"), "{ended:?}");
    let found: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(found["package"]["name"], "acme/greeting");
    assert_eq!(found["package"]["component"], "main");
    assert_eq!(found["actions"][0]["id"], "my.custom_action");
    let size = std::fs::metadata(component()).expect("there").len();
    assert_eq!((&found["size"], sum(&found)), (&json!(size), size));
    assert!(author.installed().is_empty(), "nothing is installed");

    for (arguments, code, says) in [
        (&["greeting@^2"][..], 6, "no version"),
        (&["nothing"][..], 6, "acme/nothing"),
        (
            &["acme/greeting", "--component", "other"][..],
            3,
            "it has: main",
        ),
    ] {
        let ended = look(arguments);
        assert_eq!(ended.code, code, "{ended:?}");
        assert!(ended.stderr.contains(says), "{ended:?}");
    }
}

#[test]
fn what_is_no_component_of_ours_is_refused_with_what_to_do() {
    let cli = Cli::fresh();
    let core = cli.file("core.wasm", "\0asm\u{1}\0\0\0");
    let text = cli.file("text.wasm", "not wasm at all");
    let empty = cli.file("empty.wasm", "");
    let other = cli.folder().join("other.wasm");
    let bytes = wat::parse_str("(component)").expect("a component");
    std::fs::write(&other, bytes).expect("writable");
    let reaching = cli.folder().join("reaching.wasm");
    let wat = r#"(component (import "wasi:filesystem/preopens@0.2.6" (instance)))"#;
    std::fs::write(&reaching, wat::parse_str(wat).expect("a component")).expect("writable");
    let path = |path: &Path| path.to_str().expect("text").to_owned();
    let (other, reaching) = (path(&other), path(&reaching));
    let folder = path(cli.folder());
    for (arguments, says) in [
        (vec!["nothing.wasm"], "there is no file"),
        (vec!["./greet"], "name a .wasm file"),
        (vec!["greet"], "add --registry"),
        (vec![core.as_str()], "wasm32-wasip2"),
        (vec![text.as_str()], "not a WebAssembly component"),
        (vec![empty.as_str()], "an empty file"),
        (vec![other.as_str()], "nebula_sdk::export!"),
        (vec![reaching.as_str()], "`wasi:filesystem/preopens@0.2.6`"),
        (vec![folder.as_str()], "neither a component nor a crate"),
        (
            vec![core.as_str(), "--component", "main"],
            "leave --component out",
        ),
    ] {
        let ended = cli.run(&[vec!["action", "inspect"], arguments].concat());
        assert_eq!(ended.code, 3, "{ended:?}");
        assert!(ended.stderr.contains(says), "{says}: {ended:?}");
        assert!(ended.stdout.is_empty(), "{ended:?}");
    }
}
