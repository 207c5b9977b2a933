//! `nebula action create`: what it makes is built and tested as it stands, by
//! the commands that its README prints.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::cli::{Cli, Ended};

/// Runs a command of the shell in a folder, with `nebula` and this cargo on the
/// path, and nothing from the network. All crates share a target folder.
fn shell(cli: &Cli, folder: &Path, script: &str) -> Ended {
    let nebula = cli.command().get_program().to_owned();
    let programs = [Path::new(&nebula), Path::new(env!("CARGO"))].map(|file| {
        let folder = file.parent().expect("a file stands in a folder");
        folder.to_owned()
    });
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(programs.into_iter().chain(std::env::split_paths(&path)));
    let target = crate::cache().with_file_name("created-crates");
    let output = Command::new("sh")
        .args(["-ec", script])
        .current_dir(folder)
        .env("PATH", path.expect("no folder has a colon"))
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_NET_OFFLINE", "true")
        .output()
        .expect("sh runs");
    Ended::from(output)
}

/// The first lines of the shell in a README.
fn commands(readme: &str) -> &str {
    let (_, rest) = readme.split_once("```sh\n").expect("a block of the shell");
    rest.split_once("```").expect("it ends").0
}

fn create(cli: &Cli, arguments: &[&str]) -> Ended {
    let mut command = cli.command();
    command.current_dir(cli.folder()).args(["action", "create"]);
    Ended::from(command.args(arguments).output().expect("nebula runs"))
}

#[test]
fn a_created_crate_builds_and_passes_its_tests_as_its_readme_says() {
    let cli = Cli::new();
    for (template, name, id) in [
        ("simple", "my-action", "my.action"),
        ("http", "ask", "ask.run"),
    ] {
        let made = create(&cli, &[name, "--template", template]);
        assert_eq!(made.code, 0, "{made:?}");
        assert!(made.stdout.contains(id), "{made:?}");
        let folder = cli.folder().join(name);
        let readme = std::fs::read_to_string(folder.join("README.md")).expect("readable");
        assert!(!readme.contains("{{"), "{readme}");
        let commands = commands(&readme);
        let printed = commands.replace('\\', " ");
        let printed: Vec<&str> = printed.split_whitespace().collect();
        let said = made.stdout.lines().filter_map(|l| l.strip_prefix("  "));
        for next in said.filter(|next| !next.starts_with("cd ")) {
            assert!(printed.join(" ").contains(next), "{next}: {commands}");
        }
        let ended = shell(&cli, &folder, commands);
        assert_eq!(ended.code, 0, "{template}: {ended:?}");
        assert!(ended.stdout.contains("2 passed"), "{template}: {ended:?}");
        assert!(
            ended.stdout.contains("Hello, Ada!"),
            "{template}: {ended:?}"
        );
        assert!(ended.stdout.contains(&format!("{id} 0.1.0")), "{ended:?}");
        let changed = shell(&cli, &folder, "cargo fmt --check");
        assert_eq!(changed.code, 0, "{template}: {changed:?}");
    }

    let again = create(&cli, &["my-action"]);
    assert_eq!(again.code, 3, "{again:?}");
    assert!(again.stderr.contains("there already"), "{again:?}");
}

#[test]
fn nothing_is_made_for_a_wrong_name_or_without_an_sdk() {
    let cli = Cli::fresh();
    for (arguments, hint) in [
        (vec!["Greet_People"], "greet-people"),
        (vec!["../greet"], "greet"),
        (vec!["match"], "my-match"),
        (vec!["weather-warning"], "my-weather-warning"),
        (vec!["greet", "--sdk", "."], "guest-sdk/sdk/Cargo.toml"),
    ] {
        let ended = create(&cli, &arguments);
        assert_eq!(ended.code, 3, "{ended:?}");
        let said = ended.stderr.split("hint:").nth(1);
        assert!(said.is_some_and(|said| said.contains(hint)), "{ended:?}");
    }
    let left = std::fs::read_dir(cli.folder()).expect("readable").count();
    assert_eq!(left, 0, "nothing was made");

    std::fs::create_dir(cli.folder().join("taken")).expect("writable");
    cli.file("taken/Cargo.toml", "mine");
    assert_eq!(create(&cli, &["taken"]).code, 3);
    let kept = std::fs::read_to_string(cli.folder().join("taken/Cargo.toml"));
    assert_eq!(kept.expect("readable"), "mine");

    let root = crate::root();
    let root = root.to_str().expect("a text path");
    let made = create(&cli, &["--sdk", root, "-o", "json"]);
    assert_eq!(made.code, 0, "{made:?}");
    let made: Value = serde_json::from_str(&made.stdout).expect("JSON");
    assert_eq!(made["name"], json!("my-action"));
    let sdk = made["sdk"].as_str().expect("a text path");
    assert!(Path::new(sdk).join("Cargo.toml").is_file(), "{made}");
}
