//! What whoever has the registry may try, and what a publisher may: each is
//! refused with its exit code, and leaves the lock and what is installed as they
//! were.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::hub::{Hub, create};
use crate::hub_world::{Home, Registry};

impl Home {
    /// Lets this home's node trust a key of another home, with further arguments.
    fn trust(&self, other: &Self, arguments: &[&str]) {
        let exported = other.done(&["hub", "key", "export", "acme"]);
        let file = self.cli.file("acme.pub", &exported.stdout);
        let [scope, more @ ..] = arguments else {
            panic!("nothing is trusted");
        };
        self.done(&[&["hub", "trust", "add", scope, &file], more].concat());
    }

    /// What fails, and leaves everything as it was.
    #[track_caller]
    fn refused(&self, arguments: &[&str], code: i32, said: &str) {
        let before = (self.lock(), self.installed());
        let ended = self.run(arguments);
        assert_eq!(ended.code, code, "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(said), "{arguments:?}: {ended:?}");
        assert_eq!((self.lock(), self.installed()), before, "{arguments:?}");
    }

    fn forget_lock(&self) {
        fs::remove_file(self.cli.folder().join("nebula.lock")).expect("there is one");
    }
}

/// A registry where `acme/greeting` is published in some versions, its author,
/// and somebody who has installed what they wanted.
fn world(test: &str, versions: &[&str], wanted: &str) -> Option<(Registry, Home, Home)> {
    let registry = Registry::start(test)?;
    let author = Home::publisher(&registry.address);
    let folder = author.package("greeting", "");
    for version in versions {
        author.done(&["hub", "publish", &folder, version]);
    }
    let user = Home::new(&registry.address);
    user.done(&["hub", "install", wanted, "--yes"]);
    Some((registry, author, user))
}

#[test]
fn a_moved_tag_and_a_rolled_back_registry_are_refused() {
    let Some((registry, author, user)) = world(
        "moved tags and rollback",
        &["1.0.0", "1.1.0"],
        "greeting@1.0.0",
    ) else {
        return;
    };
    let of = |version| registry.tagged("acme/greeting", version);
    let (first, second) = (of("1.0.0"), of("1.1.0"));
    let move_tag = |version, digest: &str| registry.tag("acme/greeting", version, Some(digest));

    // Another version under the old tag.
    move_tag("1.0.0", &second);
    user.refused(
        &["hub", "install", "--locked", "--yes"],
        8,
        "its tag was moved",
    );
    user.refused(
        &["hub", "install", "greeting@1.0.0", "--yes"],
        8,
        "its tag was moved",
    );
    let fresh = Home::new(&registry.address);
    fresh.refused(
        &["hub", "install", "greeting@1.0.0", "--yes"],
        8,
        "says that it is",
    );

    // Other bytes as the same version, signed by the same publisher, who went
    // round the rule that a version is published once.
    registry.tag("acme/greeting", "1.0.0", None);
    let folder = author.package("greeting", "");
    let manifest = fs::read_to_string(format!("{folder}/nebula.toml")).expect("there");
    let other = manifest.replace("A test's", "Another test's");
    fs::write(format!("{folder}/nebula.toml"), other).expect("writable");
    author.done(&["hub", "publish", &folder, "1.0.0"]);
    assert_ne!(of("1.0.0"), first);
    user.refused(
        &["hub", "install", "--locked", "--yes"],
        8,
        "its tag was moved",
    );
    user.forget_lock();
    user.refused(&["hub", "install", "greeting@1.0.0", "--yes"], 8, "1.0.0");

    // The registry shows only what is older than what is installed.
    move_tag("1.0.0", &first);
    user.done(&["hub", "install", "greeting@1.1.0", "--yes"]);
    user.done(&["hub", "remove", "greeting@1.0.0"]);
    registry.tag("acme/greeting", "1.1.0", None);
    user.forget_lock();
    user.refused(&["hub", "install", "greeting", "--yes"], 7, "--allow-older");
    user.done(&["hub", "install", "greeting", "--yes", "--allow-older"]);
}

#[test]
fn a_signed_index_is_the_registrys_word_and_cannot_be_held_back() {
    let Some((registry, author, user)) =
        world("the signed index", &["1.0.0", "1.1.0"], "greeting@1.0.0")
    else {
        return;
    };
    let source = registry.address.as_str();
    let publish = ["hub", "index", "publish", "-o", "json"];
    // Its author is its operator as well, as somebody may write by hand.
    let trust = user.cli.folder().join("data/trust.toml");
    let text = fs::read_to_string(&trust).expect("pinned");
    let more = format!("indexes = [\"{source}\"]\nnamespaces = ");
    fs::write(&trust, text.replace("namespaces = ", &more)).expect("writable");
    // There is none yet, although there should be.
    user.refused(&["hub", "install", "greeting", "--yes"], 7, "it has none");

    let made = author.json(&["hub", "index", "publish"]);
    assert_eq!(
        (&made["versions"], &made["left_out"]),
        (&2.into(), &0.into()),
        "{made}"
    );
    let old = registry.tagged("nebula/index", "latest");
    user.done(&[
        "hub",
        "install",
        "greeting@^1",
        "--yes",
        "--lock-file",
        "other.lock",
    ]);
    assert_eq!(
        user.installed(),
        ["acme/greeting@1.1.0", "acme/greeting@1.0.0"]
    );
    let found = user.json(&["hub", "search", "greet"]);
    assert_eq!(found["items"][0]["version"], "1.1.0", "{found}");
    let shown = user.json(&["hub", "index", "show"]);
    assert_eq!(shown["items"].as_array().map(Vec::len), Some(2), "{shown}");

    // What the index does not have is not there, whatever the registry says.
    let folder = author.package("greeting", "");
    author.done(&["hub", "publish", &folder, "1.2.0"]);
    user.refused(
        &["hub", "install", "greeting@1.2.0", "--yes"],
        6,
        "it has 1.1.0, 1.0.0",
    );
    author.done(&publish);
    let new = registry.tagged("nebula/index", "latest");
    user.done(&["hub", "show", "greeting@1.2.0"]);

    // The old list, once a newer one was seen; none; one that is something else.
    registry.tag("nebula/index", "latest", Some(&old));
    user.refused(
        &["hub", "install", "greeting@^1.2", "--yes"],
        7,
        "someone shows an old list",
    );
    registry.tag("nebula/index", "latest", None);
    user.refused(
        &["hub", "install", "greeting@^1.2", "--yes"],
        7,
        "it has none",
    );
    registry.tag("nebula/index", "latest", Some(&new));
    user.done(&["hub", "install", "greeting@^1.2", "--yes"]);

    // Of somebody else, and one that has expired.
    let thief = Home::publisher(&registry.address);
    thief.done(&publish);
    user.refused(
        &["hub", "install", "greeting", "--yes"],
        7,
        "no key that may sign",
    );
    author.done(&[&publish[..], &["--expires-in", "1s"]].concat());
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    user.refused(&["hub", "install", "greeting", "--yes"], 7, "counted until");
    // Whoever asks no index is shown what there is.
    let other = Home::new(&registry.address);
    other.done(&["hub", "install", "greeting", "--yes"]);
}

#[test]
fn an_update_that_asks_for_more_wants_a_word_of_its_own() {
    let Some((registry, author, user)) =
        world("an update that asks for more", &["1.0.0"], "greeting@^1")
    else {
        return;
    };
    let effectful = crate::sizes::build("effectful");
    let folder = author.package_of(&effectful, "greeting", "");
    author.done(&["hub", "publish", &folder, "1.1.0"]);
    let asked = user.run(&["hub", "update"]);
    assert_eq!(asked.code, 7, "{asked:?}");
    for line in [
        "acme/greeting 1.1.0 (installed: 1.0.0)",
        "new: asks to reach hosts that its input names, each by a grant",
        "new: asks to use http",
    ] {
        assert!(asked.stderr.contains(line), "{line}: {asked:?}");
    }
    user.refused(&["hub", "update"], 7, "no terminal to ask on");
    user.done(&["hub", "update", "--yes"]);
    assert_eq!(
        user.installed(),
        ["acme/greeting@1.1.0", "acme/greeting@1.0.0"]
    );
    assert!(user.lock().is_some_and(|lock| lock.contains("1.1.0")));
    // What was agreed to once is not asked about again.
    let folder = author.package_of(&effectful, "greeting", "");
    author.done(&["hub", "publish", &folder, "1.1.1"]);
    user.done(&["hub", "update"]);
    assert_eq!(
        user.json(&["hub", "outdated"])["items"]
            .as_array()
            .map(Vec::len),
        Some(0)
    );
    drop(registry);
}

#[test]
fn names_that_look_alike_are_never_pinned_not_even_by_yes() {
    let Some((registry, _, user)) = world("names that look alike", &["1.0.0"], "greeting@^1")
    else {
        return;
    };
    let thief = Home::publisher(&registry.address);
    for namespace in ["acrne", "ac-me", "nebu1a"] {
        let folder = thief.package(&format!("{namespace}/greeting"), "");
        thief.done(&["hub", "publish", &folder, "1.0.0"]);
        let name = format!("{namespace}/greeting");
        user.refused(&["hub", "install", &name, "--yes"], 7, "looks like");
    }
    // Whoever means it says so, by the key.
    user.trust(&thief, &["acrne"]);
    user.refused(
        &["hub", "install", "acrne/greeting", "--yes"],
        10,
        "--claim my",
    );
    // Letters of other scripts, capitals and underscores are in no name.
    for name in [
        "\u{430}cme/greeting",
        "Acme/greeting",
        "acme/gree_ting",
        "acme/greeting\u{200b}",
    ] {
        user.refused(&["hub", "install", name, "--yes"], 3, "namespace/name");
    }
}

#[test]
fn whoever_is_logged_in_publishes_and_a_name_may_be_given_to_another() {
    let hub_of = Home::new("");
    let arguments = [
        "hub",
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--anonymous-pull",
    ];
    let hub = Hub::start(&hub_of.cli, &arguments, "the hub listens on");
    let token = create(&hub_of.cli, &["--name", "ci", "--allow", "push"]);
    let author = Home::publisher(&hub.address);
    let folder = author.package("greeting", "");
    let publish = ["hub", "publish", &folder, "1.0.0"];
    let stranger = author.run(&publish);
    assert_eq!(stranger.code, 9, "{stranger:?}");
    assert!(stranger.stderr.contains("nebula hub login"), "{stranger:?}");

    let login = |password: &str| {
        let arguments = ["hub", "login", &hub.address, "-u", "ci", "--password-stdin"];
        let mut command = author.command(&arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("nebula runs");
        let mut stdin = child.stdin.take().expect("piped");
        writeln!(stdin, "{password}").expect("takes it");
        drop(stdin);
        crate::cli::Ended::from(child.wait_with_output().expect("ends"))
    };
    let config = author.cli.folder().join("docker/config.json");
    let wrong = login("nebula.hub.0.0");
    assert_eq!(wrong.code, 9, "{wrong:?}");
    assert!(!config.exists(), "nothing is kept of what is not good");
    let right = login(&token);
    assert_eq!(right.code, 0, "{right:?}");
    assert!(!format!("{right:?}").contains(&token), "{right:?}");
    author.done(&publish);
    let kept: Value =
        serde_json::from_str(&fs::read_to_string(&config).expect("kept")).expect("JSON");
    assert!(kept["auths"][&hub.address]["auth"].is_string());

    let user = Home::new(&hub.address);
    user.done(&["hub", "install", "greeting@^1", "--yes"]);
    author.done(&["hub", "publish", &folder, "1.1.0"]);
    let outdated = user.json(&["hub", "outdated"]);
    assert_eq!(outdated["items"][0]["newest"], "1.1.0", "{outdated}");
    user.done(&["hub", "update"]);
    assert_eq!(
        user.installed(),
        ["acme/greeting@1.1.0", "acme/greeting@1.0.0"]
    );
    let newest = user.done(&["hub", "outdated"]);
    assert!(
        newest.stdout.contains("everything is the newest"),
        "{newest:?}"
    );

    // `my.` is acme's on this node, until its operator gives it away.
    let folder = author.package("globex/greeting", "");
    author.done(&["hub", "publish", &folder, "1.0.0"]);
    user.refused(
        &["hub", "install", "globex/greeting", "--yes"],
        10,
        "--claim my",
    );
    user.done(&[
        "hub",
        "install",
        "globex/greeting",
        "--yes",
        "--claim",
        "my",
    ]);
    author.done(&["hub", "publish", &author.package("greeting", ""), "1.2.0"]);
    user.refused(
        &["hub", "update", "greeting", "--yes"],
        10,
        "belong to `globex`",
    );

    author.done(&["hub", "logout", &hub.address]);
    let again = author.run(&["hub", "publish", &folder, "1.1.0"]);
    assert_eq!(again.code, 9, "{again:?}");
    assert_eq!(hub.end(), Some(0));
}
