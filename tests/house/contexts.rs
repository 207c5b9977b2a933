//! `nebula context`: nodes by name, and which one a command goes to.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::cli::{Cli, Ended};
use crate::serve::{Served, key};

/// Where nothing listens.
const DEAD: &str = "http://127.0.0.1:1";

/// The command of a user who has nothing set but a home.
fn nebula(cli: &Cli, variables: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(cli.command().get_program());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("NEBULA_") {
            command.env_remove(name);
        }
    }
    command
        .env("XDG_CONFIG_HOME", cli.folder().join("config"))
        .env("XDG_DATA_HOME", cli.folder().join("home"))
        .envs(variables.iter().copied())
        .args(arguments)
        .stdin(Stdio::null());
    command
}

fn run(cli: &Cli, variables: &[(&str, &str)], arguments: &[&str]) -> Ended {
    let mut command = nebula(cli, variables, arguments);
    Ended::from(command.output().expect("nebula runs"))
}

/// Keeps a node whose key comes through standard input.
fn add_with_key(cli: &Cli, name: &str, address: &str, key: &str) -> Ended {
    let arguments = ["context", "add", name, "--server", address, "--with-key"];
    let mut command = nebula(cli, &[], &arguments);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.stderr(Stdio::piped()).spawn().expect("nebula runs");
    let mut stdin = child.stdin.take().expect("piped");
    writeln!(stdin, "{key}").expect("it reads all");
    drop(stdin);
    Ended::from(child.wait_with_output().expect("it ends"))
}

fn file(cli: &Cli) -> PathBuf {
    cli.folder().join("config/nebula/contexts.json")
}

#[test]
fn a_command_goes_to_what_is_typed_then_to_the_environment_then_to_the_context_in_use() {
    let cli = Cli::new();
    let viewer = key(&cli, "viewer");
    let node = Served::start(&cli, &["--listen", "127.0.0.1:0"]);
    let added = add_with_key(&cli, "prod", &node.address, &viewer);
    assert_eq!(added.code, 0, "{added:?}");
    let dead = run(&cli, &[], &["context", "add", "dead", "--server", DEAD]);
    assert_eq!(dead.code, 0, "{dead:?}");

    let go = |variables: &[(&str, &str)], options: &[&str]| {
        run(&cli, variables, &[options, &["workflow", "list"]].concat())
    };
    let used = run(&cli, &[], &["context", "use", "prod"]);
    assert_eq!(used.code, 0, "{used:?}");
    let server = node.address.as_str();
    let wrong = "nebula.default.nobody.nothing";
    for (variables, options, code, why) in [
        (&[][..], &[][..], 0, "the context in use"),
        (&[("NEBULA_CONTEXT", "dead")], &[], 4, "a variable above it"),
        (&[("NEBULA_CONTEXT", "")], &[], 0, "an empty one is not set"),
        (&[("NEBULA_SERVER", DEAD)], &[], 4, "and so is an address"),
        (
            &[("NEBULA_CONTEXT", "prod"), ("NEBULA_SERVER", DEAD)],
            &[],
            4,
            "an address above a name",
        ),
        (
            &[("NEBULA_SERVER", DEAD)],
            &["--context", "prod"],
            0,
            "what is typed above the environment",
        ),
        (
            &[],
            &["--server", DEAD],
            4,
            "what is typed above what is in use",
        ),
        (
            &[],
            &["--server", server],
            3,
            "a context's key goes to its address only if the context is named",
        ),
        (
            &[("NEBULA_API_KEY", wrong)],
            &[],
            3,
            "a key of the environment above the kept one",
        ),
        (
            &[("NEBULA_API_KEY", wrong)],
            &["--context", "prod"],
            0,
            "the key of a context that is typed above the environment",
        ),
        (
            &[],
            &["--server", server, "--context", "prod"],
            3,
            "two nodes are typed",
        ),
    ] {
        let ended = go(variables, options);
        assert_eq!(ended.code, code, "{why}: {ended:?}");
    }
    let typo = go(&[], &["--context", "prdo"]);
    assert_eq!(typo.code, 3, "{typo:?}");
    assert!(typo.stderr.contains("did you mean `prod`?"), "{typo:?}");

    // A folder that is named goes above what is in use: it is the same node, without the key.
    let folder = cli.folder().join("data");
    let folder = folder.to_str().expect("a text path");
    assert_eq!(go(&[], &["--data", folder]).code, 3);

    let replaced = ["context", "add", "prod", "--server", DEAD];
    let twice = run(&cli, &[], &replaced);
    assert_eq!(twice.code, 3, "{twice:?}");
    assert!(twice.stderr.contains("--replace"), "{twice:?}");
    assert_eq!(go(&[], &[]).code, 0, "it is as it was");
    let replaced = run(&cli, &[], &[&replaced[..], &["--replace"]].concat());
    assert_eq!(replaced.code, 0, "{replaced:?}");
    assert_eq!(go(&[], &[]).code, 4);
}

#[test]
fn contexts_are_kept_in_a_private_file_and_shown_without_their_keys() {
    let cli = Cli::new();
    let secret = "nebula.default.someone.s3cret";
    let added = add_with_key(&cli, "prod", "https://nebula.example", secret);
    assert_eq!(added.code, 0, "{added:?}");
    let key_file = cli.file("key", secret);
    let mode = |path: &PathBuf, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("sets");
    };
    mode(&PathBuf::from(&key_file), 0o600);
    let arguments = [
        "context",
        "add",
        "stage",
        "--server",
        "https://stage.example",
    ];
    let arguments = [&arguments[..], &["--api-key-file", &key_file]].concat();
    let stage = run(&cli, &[], &arguments);
    assert_eq!(stage.code, 0, "{stage:?}");
    assert!(stage.stdout.contains(&key_file), "{stage:?}");

    let permissions = |path| std::fs::metadata(path).expect("there").permissions();
    assert_eq!(permissions(file(&cli)).mode() & 0o777, 0o600);
    assert_eq!(
        permissions(cli.folder().join("config/nebula")).mode() & 0o777,
        0o700
    );
    let kept = std::fs::read_to_string(file(&cli)).expect("readable");
    assert_eq!(
        kept.matches(secret).count(),
        1,
        "a key's file is only named"
    );

    let context = |arguments: &[&str]| run(&cli, &[], &[&["context"], arguments].concat());
    assert_eq!(context(&["use", "stage"]).code, 0);
    for format in ["table", "wide", "json", "jsonl", "yaml", "name"] {
        for arguments in [&["list"][..], &["show"], &["show", "prod"]] {
            let shown = context(&[arguments, &["-o", format]].concat());
            assert_eq!(shown.code, 0, "{shown:?}");
            let all = format!("{added:?}{shown:?}");
            assert!(!all.contains("s3cret"), "{format}: {shown:?}");
        }
    }
    assert_eq!(context(&["list", "-o", "name"]).stdout, "prod\nstage\n");
    let shown = context(&["show", "-o", "json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert_eq!(
        shown,
        json!({
            "name": "stage", "server": "https://stage.example", "key": "file", "api_key_file": key_file,
            "ca_file": null, "in_use": true,
        })
    );

    for (arguments, wanted) in [
        (&["use", "pord"][..], "did you mean `prod`?"),
        (&["show", "nowhere"], "context list"),
        (&["remove", "stages"], "did you mean `stage`?"),
        (
            &["add", "../x", "--server", DEAD],
            "beginning with a letter",
        ),
        (&["add", "x"], "--server URL"),
        (&["add", "x", "--server", "ftp://x"], "http://"),
        (
            &[
                "add",
                "x",
                "--server",
                "http://nebula.example",
                "--api-key-file",
                &key_file,
            ],
            "https://",
        ),
    ] {
        let ended = context(arguments);
        assert_eq!(ended.code, 3, "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(wanted), "{arguments:?}: {ended:?}");
    }

    let removed = context(&["remove", "stage"]);
    assert!(
        removed.stdout.contains("no context is in use"),
        "{removed:?}"
    );
    assert_eq!(context(&["show"]).code, 3);
    assert_eq!(context(&["use", "prod"]).code, 0);
    assert_eq!(context(&["use", "--none"]).code, 0);
    assert_eq!(context(&["show"]).code, 3);

    mode(&file(&cli), 0o640);
    let open = context(&["list"]);
    assert_eq!(open.code, 3, "{open:?}");
    assert!(open.stderr.contains("chmod 600"), "{open:?}");
    std::fs::write(file(&cli), "{\n  \"contexts\": s3cret\n}").expect("writable");
    mode(&file(&cli), 0o600);
    let broken = context(&["list"]);
    assert_eq!(broken.code, 3, "{broken:?}");
    assert!(
        broken.stderr.contains("line 2") && !broken.stderr.contains("s3cret"),
        "{broken:?}"
    );
}

#[test]
fn two_commands_at_once_lose_no_context() {
    let cli = Cli::new();
    let names: Vec<String> = (0..8).map(|n| format!("node-{n}")).collect();
    let children: Vec<_> = names
        .iter()
        .map(|name| {
            let mut command = nebula(&cli, &[], &["context", "add", name, "--server", DEAD]);
            let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
            quiet.spawn().expect("nebula runs")
        })
        .collect();
    for mut child in children {
        assert!(child.wait().expect("it ends").success());
    }
    let list = run(&cli, &[], &["context", "list", "-o", "name"]);
    assert_eq!(list.stdout.lines().collect::<Vec<_>>(), names);
}
