//! What tests of packages stand on: a real registry, and homes of those who
//! publish and install.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli::{Cli, Ended};

// --------------------------------------------------------------- registry --

/// A `docker-registry` of the test's own; it ends with the value.
pub(crate) struct Registry {
    child: Child,
    pub(crate) address: String,
    folder: tempfile::TempDir,
}

impl Registry {
    /// None, said loudly, where the machine has no such program.
    pub(crate) fn start(test: &str) -> Option<Self> {
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
            folder,
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

    /// Where it says what a tag names.
    fn link(&self, package: &str, tag: &str) -> PathBuf {
        let link = format!(
            "blobs/docker/registry/v2/repositories/{package}/_manifests/tags/{tag}/current/link"
        );
        self.folder.path().join(link)
    }

    /// Whether a version is there, by its tag.
    pub(crate) fn has(&self, package: &str, version: &str) -> bool {
        self.link(package, version).is_file()
    }

    /// What a tag names.
    pub(crate) fn tagged(&self, package: &str, tag: &str) -> String {
        fs::read_to_string(self.link(package, tag)).expect("a tag")
    }

    /// Moves a tag, as whoever has the registry can; without a digest it goes.
    pub(crate) fn tag(&self, package: &str, tag: &str, digest: Option<&str>) {
        let link = self.link(package, tag);
        let folder = link.ancestors().nth(2).expect("the tag's folder");
        match digest {
            Some(digest) => {
                fs::create_dir_all(link.parent().expect("a folder")).expect("made");
                fs::write(&link, digest).expect("writable");
            }
            None => fs::remove_dir_all(folder).expect("it goes"),
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn free() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

// ------------------------------------------------------------------ homes --

/// The component of an action without effects, built once.
pub(crate) fn component() -> &'static Path {
    static COMPONENT: OnceLock<PathBuf> = OnceLock::new();
    COMPONENT.get_or_init(|| crate::sizes::build("custom-action"))
}

/// A home: a data folder, keys, a lock, and a registry that it knows.
pub(crate) struct Home {
    pub(crate) cli: Cli,
    pub(crate) registry: String,
}

impl Home {
    pub(crate) fn new(registry: &str) -> Self {
        Self {
            cli: Cli::new(),
            registry: registry.to_owned(),
        }
    }

    /// With a key of its own.
    pub(crate) fn publisher(registry: &str) -> Self {
        let home = Self::new(registry);
        let ended = home.run(&["hub", "key", "generate", "acme"]);
        assert_eq!(ended.code, 0, "{ended:?}");
        home
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
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

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.command(arguments)
            .output()
            .expect("nebula runs")
            .into()
    }

    pub(crate) fn done(&self, arguments: &[&str]) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {ended:?}");
        ended
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.done(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {ended:?}"))
    }

    /// Writes a package's folder around the component.
    pub(crate) fn package(&self, name: &str, more: &str) -> String {
        self.package_of(component(), name, more)
    }

    /// Writes a package's folder around a component.
    pub(crate) fn package_of(&self, component: &Path, name: &str, more: &str) -> String {
        let folder = self.cli.folder().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        fs::copy(component, folder.join("main.wasm")).expect("copies");
        let toml = format!(
            "[package]\nname = \"{name}\"\ndescription = \"A test's\"\n\n[[component]]\nname = \"main\"\npath = \"main.wasm\"\n{more}"
        );
        fs::write(folder.join("nebula.toml"), toml).expect("writable");
        folder.to_str().expect("text").to_owned()
    }

    pub(crate) fn lock(&self) -> Option<String> {
        fs::read_to_string(self.cli.folder().join("nebula.lock")).ok()
    }

    pub(crate) fn installed(&self) -> Vec<String> {
        let list = self.json(&["hub", "list"]);
        let items = list["items"].as_array().expect("a list");
        let text = |p: &Value| {
            let field = |name: &str| p[name].as_str().unwrap_or_default().to_owned();
            format!("{}@{}", field("name"), field("version"))
        };
        items.iter().map(text).collect()
    }
}

/// A workflow that greets whom its input names.
pub(crate) const WORKFLOW: &str = "apiVersion: nebula/v1\nkind: Workflow\nname: hello\n\
    nodes:\n  greet:\n    action: my.custom_action@^1\n    input: { name: \"${ $input.name }\" }\n\
    output: \"${ $nodes.greet.result.text }\"\n";
