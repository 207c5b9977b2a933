//! `nebula action create`: what it makes is built and tested as it stands, by
//! the commands that its README prints.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::action_calls::Watching;
use crate::cli::{Cli, Ended};

/// Runs a command of the shell in a folder, as its author would. All crates share a
/// target folder.
fn shell(cli: &Cli, folder: &Path, script: &str) -> Ended {
    let mut command = Command::new("sh");
    as_author(&mut command, cli, folder);
    let output = command.args(["-ec", script]).output();
    Ended::from(output.expect("sh runs"))
}

/// In a folder, with `nebula` and this cargo on the path, and nothing from the
/// network.
fn as_author(command: &mut Command, cli: &Cli, folder: &Path) {
    let nebula = cli.command().get_program().to_owned();
    let programs = [Path::new(&nebula), Path::new(env!("CARGO"))].map(|file| {
        let folder = file.parent().expect("a file stands in a folder");
        folder.to_owned()
    });
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(programs.into_iter().chain(std::env::split_paths(&path)));
    let target = crate::cache().with_file_name("created-crates");
    command
        .current_dir(folder)
        .env("PATH", path.expect("no folder has a colon"))
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_NET_OFFLINE", "true");
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
    for (template, name, id, answer) in [
        ("simple", "my-action", "my.action", "Hello, Ada!"),
        ("http", "ask", "ask.run", "Hello, Ada!"),
        ("process", "check-order", "check.order", "on port review:"),
        ("stateful", "number", "number.run", "R-0001"),
        ("trigger", "listen", "listen.run", "Tea is up"),
        ("database", "open-orders", "open.orders", "chair"),
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
        assert!(ended.stdout.contains(answer), "{template}: {ended:?}");
        assert!(
            ended.stdout.contains("matches      input.snapshot.json"),
            "{template}: {ended:?}"
        );
        assert!(ended.stdout.contains(&format!("{id} 0.1.0")), "{ended:?}");
        let ci = std::fs::read_to_string(folder.join(".github/workflows/ci.yml"));
        let ci = ci.expect("readable");
        let run = ci
            .lines()
            .find_map(|line| line.trim().strip_prefix("- run: "));
        let checked = shell(&cli, &folder, run.expect("it runs something"));
        assert_eq!(checked.code, 0, "{template}: {checked:?}");
        let untracked = shell(
            &cli,
            &folder,
            "git status --porcelain --untracked-files=all",
        );
        assert_eq!(
            untracked.code, 0,
            "{template} is a repository: {untracked:?}"
        );
        assert!(untracked.stdout.contains("?? ci.sh"), "{untracked:?}");
        assert!(!untracked.stdout.contains("target/"), "{untracked:?}");
    }
    what_an_author_writes_is_seen_at_work(&cli);

    let again = create(&cli, &["my-action"]);
    assert_eq!(again.code, 3, "{again:?}");
    assert!(again.stderr.contains("there already"), "{again:?}");
}

/// Of the first crate, whose dependencies are compiled by now.
fn what_an_author_writes_is_seen_at_work(cli: &Cli) {
    let folder = cli.folder().join("my-action");
    let source = folder.join("src/lib.rs");
    let written = std::fs::read_to_string(&source).expect("readable");
    let mut command = cli.command();
    as_author(&mut command, cli, &folder);
    command.args(["action", "test", ".", "--json", r#"{ "name": "Ada" }"#]);
    let mut watching = Watching::start(command);
    assert_eq!(watching.next()["output"]["text"], "Hello, Ada!");
    for word in ["Good day", "Good evening"] {
        // One that does not compile ends nothing.
        std::fs::write(&source, format!("{written} nonsense")).expect("writable");
        std::fs::write(&source, written.replace("Hello", word)).expect("writable");
        let text = format!("{word}, Ada!");
        assert_eq!(watching.next()["output"]["text"], text.as_str());
    }
    assert_eq!(watching.end(), Some(130));
}

#[test]
fn a_crate_in_another_repository_stays_part_of_that() {
    let cli = Cli::fresh();
    assert_eq!(create(&cli, &["alone", "-o", "json"]).code, 0);
    assert!(cli.folder().join("alone/.git").is_dir());
    std::fs::create_dir(cli.folder().join(".git")).expect("writable");
    let made = create(&cli, &["within", "-o", "json"]);
    let made: Value = serde_json::from_str(&made.stdout).expect("JSON");
    assert_eq!(made["repository"], false);
    assert!(!cli.folder().join("within/.git").exists());
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
