//! Packages from end to end, as people use them: published with the command into
//! a real registry, installed on another home, run, updated, removed.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::cli::Ended;
use crate::hub_world::{Home, Registry, WORKFLOW};

#[test]
fn a_package_is_published_installed_elsewhere_run_removed_and_installed_again_offline() {
    let Some(registry) = Registry::start("a package from end to end") else {
        return;
    };
    let author = Home::publisher(&registry.address);
    let folder = author.package("greeting", "");
    let published = author.json(&["hub", "publish", &folder, "v1.0.0"]);
    assert_eq!(published["name"], "acme/greeting");
    assert!(registry.has("acme/greeting", "1.0.0"));
    let dry = author.json(&["hub", "publish", &folder, "v1.0.0", "--dry-run"]);
    assert_eq!(dry["digest"], published["digest"], "the same source");

    let user = Home::new(&registry.address);
    // Without a word nothing is installed, and what would be is shown.
    let asked = user.run(&["hub", "install", "greeting"]);
    assert_eq!(asked.code, 7, "{asked:?}");
    assert!(asked.stderr.contains("met for the first time"), "{asked:?}");
    assert!(user.installed().is_empty() && user.lock().is_none());
    user.done(&["hub", "install", "greeting@^1", "--yes"]);
    assert_eq!(user.installed(), ["acme/greeting@1.0.0"]);
    let lock = user.lock().expect("a lock");
    assert!(
        lock.contains(published["digest"].as_str().expect("text")),
        "{lock}"
    );
    assert!(
        lock.contains(published["key"].as_str().expect("text")),
        "{lock}"
    );

    let file = user.cli.file("hello.yaml", WORKFLOW);
    user.done(&["workflow", "deploy", &file]);
    let execute = [
        "workflow",
        "execute",
        "hello",
        "--json",
        r#"{"name":"Ada"}"#,
        "--wait",
    ];
    let ran = user.json(&execute);
    assert_eq!(ran["output"], "Hello, Ada!", "{ran}");

    // What is deployed keeps its bytes; what is removed is not deployed anew.
    user.done(&["hub", "remove", "greeting"]);
    assert!(user.installed().is_empty());
    assert_eq!(user.json(&execute)["output"], "Hello, Ada!");
    let other = user.cli.file(
        "other.yaml",
        &WORKFLOW.replace("name: hello", "name: other"),
    );
    assert_eq!(user.run(&["workflow", "deploy", &other]).code, 3);

    // Without the registry, from the lock.
    fs::write(user.cli.folder().join("nebula.lock"), &lock).expect("writable");
    drop(registry);
    let locked = ["hub", "install", "--locked", "--offline", "--yes"];
    user.done(&locked);
    assert_eq!(user.installed(), ["acme/greeting@1.0.0"]);
    assert_eq!(user.lock().as_deref(), Some(&*lock), "the lock stays");
    user.done(&["workflow", "deploy", &other]);
    user.done(&["hub", "cache", "verify"]);
    user.done(&["hub", "cache", "gc"]);
    user.done(&["hub", "cache", "verify"]);
}

#[test]
fn an_install_shows_on_a_terminal_how_far_it_has_come() {
    let Some(registry) = Registry::start("an install on a terminal") else {
        return;
    };
    let author = Home::publisher(&registry.address);
    let folder = author.package("greeting", "");
    author.done(&["hub", "publish", &folder, "v1.0.0"]);

    let user = Home::new(&registry.address);
    let install = ["hub", "install", "greeting", "--yes"];
    let nebula = user.command(&install);
    let arguments: Vec<_> = nebula.get_args().filter_map(|a| a.to_str()).collect();
    let line = format!(
        "stty cols 120; exec {} {}",
        nebula.get_program().display(),
        arguments.join(" ")
    );
    let set = nebula.get_envs().filter_map(|(name, v)| Some((name, v?)));
    // A terminal of util-linux.
    let mut script = Command::new("script");
    script
        .args(["-qec", &line, "/dev/null"])
        .envs(set)
        .current_dir(user.cli.folder())
        .stdin(Stdio::null());
    let shown = Ended::from(script.output().expect("Debian has it"));
    assert_eq!(shown.code, 0, "{shown:?}");
    let order = [
        "━  ",
        "compiling",
        "ready",
        "acme/greeting 1.0.0 is installed",
    ];
    let places = order.map(|wanted| shown.stdout.find(wanted));
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{places:?} in {shown:?}"
    );
}

#[test]
fn what_cannot_be_installed_exits_with_its_code_and_changes_nothing() {
    let Some(registry) = Registry::start("refusals of packages") else {
        return;
    };
    let author = Home::publisher(&registry.address);
    let folder = author.package("greeting", "");
    author.done(&["hub", "publish", &folder, "1.0.0"]);
    let again = author.run(&["hub", "publish", &folder, "1.0.0"]);
    assert_eq!(again.code, 10, "{again:?}");
    assert!(again.stderr.contains("choose the next one"), "{again:?}");

    let user = Home::new(&registry.address);
    user.done(&["hub", "install", "greeting", "--yes"]);
    let lock = user.lock();
    let index = || {
        let path = user.cli.folder().join("data/packages/index.json");
        fs::read_to_string(path).expect("an index")
    };
    let before = index();

    // Somebody else with a key of their own in the same namespace.
    let thief = Home::publisher(&registry.address);
    let folder = thief.package("greeting", "");
    thief.done(&["hub", "publish", &folder, "1.1.0"]);
    // Another namespace that wants the same names of actions.
    let folder = thief.package("globex/greeting", "");
    thief.done(&["hub", "publish", &folder, "1.0.0"]);
    for (arguments, code, said) in [
        (&["greeting@1.1.0"][..], 7, "belongs to"),
        (&["nothing"], 6, "no package acme/nothing"),
        (&["greeting@^2"], 6, "it has 1.1.0, 1.0.0"),
        (&["globex/greeting"], 10, "--claim my"),
        (&["Greeting"], 3, "namespace/name"),
        (&["greeting@one"], 3, "does not read"),
        (&["globex/greeting", "--locked"], 3, "not in the lock"),
        (&["acme/other", "--offline"], 6, "offline"),
        (
            &["greeting", "--registry", "127.0.0.1:1"],
            9,
            "cannot be reached",
        ),
    ] {
        let arguments = [&["hub", "install", "--yes"], arguments].concat();
        let ended = user.run(&arguments);
        assert_eq!(ended.code, code, "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(said), "{arguments:?}: {ended:?}");
        assert_eq!(user.lock(), lock, "{arguments:?}");
        assert_eq!(index(), before, "{arguments:?}");
        assert_eq!(user.installed(), ["acme/greeting@1.0.0"], "{arguments:?}");
    }
    // An operator may say otherwise about names.
    user.done(&[
        "hub",
        "install",
        "globex/greeting",
        "--yes",
        "--claim",
        "my",
    ]);

    let checked = user.run(&["hub", "verify", "greeting@1.1.0"]);
    assert_eq!(checked.code, 7, "{checked:?}");
    let checked = user.run(&["hub", "verify", "greeting@1.0.0"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(
        checked.stdout.contains("signature") && checked.stdout.contains("component"),
        "{checked:?}"
    );
    user.done(&["hub", "audit"]);
    user.done(&["hub", "trust", "revoke", "acme", "--reason", "it leaked"]);
    let audit = user.run(&["hub", "audit"]);
    assert_eq!(audit.code, 7, "{audit:?}");
    assert!(audit.stdout.contains("it leaked"), "{audit:?}");
}

#[test]
fn templates_are_deployed_filled_and_dependencies_come_along_and_stay_needed() {
    let Some(registry) = Registry::start("templates and dependencies") else {
        return;
    };
    let author = Home::publisher(&registry.address);
    let tools = author.package("greeting", "");
    author.done(&["hub", "publish", &tools, "1.0.0"]);
    author.done(&["hub", "publish", &tools, "1.2.0"]);
    let folder = author.cli.folder().join("pack");
    fs::create_dir_all(&folder).expect("a folder");
    let hello = WORKFLOW.replace("$input.name", "$vars.who");
    fs::write(folder.join("hello.yaml"), hello).expect("writable");
    fs::write(
        folder.join("nebula.toml"),
        "[package]\nname = \"acme/pack\"\nversion = \"0.1.0\"\n\n[[template]]\nname = \"hello\"\npath = \"hello.yaml\"\n\
         holes.who = { type = \"string\" }\n\n[dependencies]\n\"acme/greeting\" = \"^1\"\n",
    )
    .expect("writable");
    author.done(&["hub", "publish", folder.to_str().expect("text")]);

    let user = Home::new(&registry.address);
    user.done(&["hub", "install", "greeting@1.0.0", "--yes"]);
    let missing = user.run(&["hub", "install", "pack", "--yes", "--template", "hello"]);
    assert_eq!(missing.code, 3, "{missing:?}");
    assert!(missing.stderr.contains("--set who=VALUE"), "{missing:?}");
    user.done(&["hub", "remove", "pack"]);
    user.done(&[
        "hub",
        "install",
        "pack",
        "--yes",
        "--template",
        "hello",
        "--set",
        "who=Grace",
        "--as",
        "greet-grace",
    ]);
    assert_eq!(
        user.installed(),
        ["acme/greeting@1.0.0", "acme/pack@0.1.0"],
        "what is locked stays"
    );
    let ran = user.json(&["workflow", "execute", "greet-grace", "--wait"]);
    assert_eq!(ran["output"], "Hello, Grace!");
    let needed = user.run(&["hub", "remove", "greeting"]);
    assert_eq!(needed.code, 10, "{needed:?}");
    assert!(
        needed.stderr.contains("acme/pack 0.1.0 depends on it"),
        "{needed:?}"
    );
    let tree = user.done(&["hub", "tree"]);
    assert_eq!(tree.stdout, "acme/pack 0.1.0\n  acme/greeting 1.0.0\n");
    let outdated = user.json(&["hub", "outdated"]);
    assert_eq!(outdated["items"][0]["newest"], "1.2.0", "{outdated}");
    let shown = user.json(&["hub", "show", "greeting"]);
    assert_eq!(shown["versions"], json!(["1.2.0", "1.0.0"]));
    let found = user.json(&["hub", "search", "greet"]);
    assert_eq!(found["items"][0]["name"], "acme/greeting");
}
