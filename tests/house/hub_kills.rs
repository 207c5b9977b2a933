//! Publishers and nodes that are killed in the middle: never half published,
//! never half installed.

use std::process::Stdio;
use std::time::Instant;

use crate::hub_world::{Home, Registry, WORKFLOW};

/// How often a process is killed in the middle.
fn kills() -> u32 {
    if std::env::var_os("NEBULA_LONG").is_some() {
        200
    } else {
        5
    }
}

#[test]
fn whoever_is_killed_while_publishing_has_published_nothing_or_all() {
    let Some(registry) = Registry::start("killed while publishing") else {
        return;
    };
    let author = Home::publisher(&registry.address);
    let folder = author.package("greeting", "");
    let user = Home::new(&registry.address);
    let began = Instant::now();
    author.done(&["hub", "publish", &folder, "0.1.0"]);
    let whole = began.elapsed();
    let kills = kills();
    for kill in 0..kills {
        let version = format!("1.0.{kill}");
        let mut child = author
            .command(&["hub", "publish", &folder, &version])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nebula runs");
        std::thread::sleep(whole * (kill + 1) / (kills + 1));
        child.kill().expect("is killed");
        child.wait().expect("ends");
        // Either nothing of it is there, or all of it: then it verifies.
        let there = registry.has("acme/greeting", &version);
        let checked = user.run(&["hub", "install", &format!("greeting@{version}"), "--yes"]);
        assert_eq!(
            checked.code,
            if there { 0 } else { 6 },
            "{version}: {checked:?}"
        );
    }
    // Whoever comes next publishes what the dead one did not.
    let last = format!("1.0.{}", kills - 1);
    if !registry.has("acme/greeting", &last) {
        author.done(&["hub", "publish", &folder, &last]);
    }
    let first = "1.0.0";
    if !registry.has("acme/greeting", first) {
        author.done(&["hub", "publish", &folder, first]);
    }
    // Whether the user trusts it already hangs on what was whole before.
    let verified = user.run(&["hub", "verify", &format!("greeting@{first}")]);
    for check in [
        "digest      passed",
        "signature   passed",
        "package     passed",
    ] {
        assert!(verified.stdout.contains(check), "{verified:?}");
    }
}

#[test]
fn whoever_is_killed_while_installing_has_installed_nothing_or_all() {
    let Some(registry) = Registry::start("killed while installing") else {
        return;
    };
    let author = Home::publisher(&registry.address);
    let folder = author.package("greeting", "");
    author.done(&["hub", "publish", &folder, "1.0.0"]);
    let user = Home::new(&registry.address);
    let install = ["hub", "install", "greeting", "--yes"];
    let began = Instant::now();
    user.done(&install);
    let whole = began.elapsed();
    let file = user.cli.file("hello.yaml", WORKFLOW);
    let kills = kills();
    for kill in 0..kills {
        user.run(&["hub", "remove", "greeting"]);
        let mut child = user
            .command(&install)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nebula runs");
        std::thread::sleep(whole * (kill + 1) / (kills + 1));
        child.kill().expect("is killed");
        child.wait().expect("ends");
        let deployed = user.run(&["workflow", "validate", &file]);
        match user.installed().is_empty() {
            true => assert_eq!(deployed.code, 3, "{deployed:?}"),
            false => assert_eq!(deployed.code, 0, "{deployed:?}"),
        }
    }
    user.done(&install);
    user.done(&["hub", "cache", "verify"]);
    user.done(&["workflow", "deploy", &file]);
}
