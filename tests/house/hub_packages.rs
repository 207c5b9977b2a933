//! Packages from end to end, as people use them: published with the command into
//! a real registry, installed on another home, run, updated, removed.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::{Cli, Ended};

// --------------------------------------------------------------- registry --

/// A `docker-registry` of the test's own; it ends with the value.
struct Registry {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Registry {
    /// None, said loudly, where the machine has no such program.
    fn start(test: &str) -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let cache =
            std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/nebula/clients"));
        let mut places = std::env::split_paths(&path).chain(cache);
        let program = places.find_map(|folder| {
            let program = folder.join("docker-registry");
            program.is_file().then_some(program)
        });
        let Some(program) = program else {
            // Not by a macro, whose output a passing test hides.
            let _ = writeln!(
                std::io::stderr(),
                "\n*** DID NOT RUN: {test}: `docker-registry` is not on this machine; scripts/clients fetches it ***\n"
            );
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let address = free();
        let config = folder.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\nhttp:\n  addr: {address}\n",
            folder.path().join("blobs").display()
        );
        fs::write(&config, text).expect("writable");
        let child = Command::new(program)
            .arg("serve")
            .arg(&config)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let registry = Self {
            child,
            address,
            _folder: folder,
        };
        let begun = Instant::now();
        while TcpListener::bind(&registry.address).is_ok() {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "it does not listen"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(registry)
    }

    /// Whether a version is there, by its tag.
    fn has(&self, package: &str, version: &str) -> bool {
        let tag = format!(
            "blobs/docker/registry/v2/repositories/{package}/_manifests/tags/{version}/current/link"
        );
        self._folder.path().join(tag).is_file()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

// ------------------------------------------------------------------ homes --

/// The component of an action without effects, built once.
fn component() -> &'static Path {
    static COMPONENT: OnceLock<PathBuf> = OnceLock::new();
    COMPONENT.get_or_init(|| crate::sizes::build("custom-action"))
}

/// A home: a data folder, keys, a lock, and a registry that it knows.
struct Home {
    cli: Cli,
    registry: String,
}

impl Home {
    fn new(registry: &str) -> Self {
        Self {
            cli: Cli::new(),
            registry: registry.to_owned(),
        }
    }

    /// With a key of its own.
    fn publisher(registry: &str) -> Self {
        let home = Self::new(registry);
        let ended = home.run(&["hub", "key", "generate", "acme"]);
        assert_eq!(ended.code, 0, "{ended:?}");
        home
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.cli.command();
        command
            .args(arguments)
            .current_dir(self.cli.folder())
            .env("XDG_CONFIG_HOME", self.cli.folder().join("config"))
            .env("DOCKER_CONFIG", self.cli.folder().join("docker"))
            .env("NEBULA_HUB_PASSPHRASE", "for this test")
            .env("NEBULA_PACKAGES_REGISTRIES", &self.registry)
            .env("NEBULA_PACKAGES_NAMESPACE", "acme")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        self.command(arguments)
            .output()
            .expect("nebula runs")
            .into()
    }

    fn done(&self, arguments: &[&str]) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {ended:?}");
        ended
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.done(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {ended:?}"))
    }

    /// Writes a package's folder around the component.
    fn package(&self, name: &str, more: &str) -> String {
        let folder = self.cli.folder().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        fs::copy(component(), folder.join("main.wasm")).expect("copies");
        let toml = format!(
            "[package]\nname = \"{name}\"\ndescription = \"A test's\"\n\n[[component]]\nname = \"main\"\npath = \"main.wasm\"\n{more}"
        );
        fs::write(folder.join("nebula.toml"), toml).expect("writable");
        folder.to_str().expect("text").to_owned()
    }

    fn lock(&self) -> Option<String> {
        fs::read_to_string(self.cli.folder().join("nebula.lock")).ok()
    }

    fn installed(&self) -> Vec<String> {
        let list = self.json(&["hub", "list"]);
        let items = list["items"].as_array().expect("a list");
        let text = |p: &Value| {
            let field = |name: &str| p[name].as_str().unwrap_or_default().to_owned();
            format!("{}@{}", field("name"), field("version"))
        };
        items.iter().map(text).collect()
    }
}

const WORKFLOW: &str = "apiVersion: nebula/v1\nkind: Workflow\nname: hello\n\
    nodes:\n  greet:\n    action: my.custom_action@^1\n    input: { name: \"${ $input.name }\" }\n\
    output: \"${ $nodes.greet.result.text }\"\n";

// ------------------------------------------------------------------ tests --

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
