//! oras, crane and cosign against a hub of one's own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use nebula_flow::Timestamp;
use nebula_flow::ports::Clock;
use nebula_hub::oci::{Credentials, Remote};
use nebula_hub::serve::tokens::{Allowed, NewToken, Tokens};
use nebula_hub::serve::{Registry, RegistryConfig};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::tools;

/// The time of day.
struct Wall;

#[async_trait]
impl Clock for Wall {
    #[expect(
        clippy::disallowed_methods,
        reason = "the hub's files have the time of day"
    )]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Timestamp::from_millis(u64::try_from(since.unwrap().as_millis()).unwrap())
    }

    async fn until(&self, at: Timestamp) {
        tokio::time::sleep(at.since(self.now())).await;
    }
}

/// A hub on loopback and a user who may do everything there, with the settings
/// of clients in a home of their own.
pub(crate) struct Own {
    /// `host:port`.
    pub(crate) address: String,
    /// Allows everything.
    pub(crate) token: String,
    folder: tempfile::TempDir,
    /// It serves as long as this lives.
    pub(crate) runtime: Runtime,
}

impl Own {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let hub = folder.path().join("hub");
        let config = RegistryConfig {
            anonymous_pull: true,
            ..RegistryConfig::new(&hub)
        };
        let registry = Registry::open(config, Arc::new(Wall)).unwrap();
        let address = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let router = registry.router();
            tokio::spawn(async move { axum::serve(listener, router).await });
            address
        });
        let token = NewToken {
            name: "clients".into(),
            allowed: Allowed::Delete,
            namespaces: Vec::new(),
            lifetime: Some(Duration::from_secs(3_600)),
        };
        let (_, token) = Tokens::of(&hub, Arc::new(Wall)).create(token).unwrap();
        let auth = data_encoding::BASE64.encode(format!("anyone:{}", *token).as_bytes());
        let settings = serde_json::json!({ "auths": { &address: { "auth": auth } } });
        let docker = folder.path().join("home/.docker");
        std::fs::create_dir_all(&docker).unwrap();
        std::fs::write(docker.join("config.json"), settings.to_string()).unwrap();
        std::fs::create_dir(folder.path().join("stranger")).unwrap();
        Self {
            address,
            folder,
            token: token.to_string(),
            runtime,
        }
    }

    /// The hub as one of its publishers reaches it.
    pub(crate) async fn remote(&self) -> Remote {
        let variables = [
            ("NEBULA_REGISTRY", &self.address),
            ("NEBULA_REGISTRY_PASSWORD", &self.token),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.clone()));
        let credentials = Credentials::new(variables);
        let registry = self.address.parse().unwrap();
        Remote::new(registry, &credentials).await.unwrap()
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Runs a client, which must do what it is told; what it printed.
    #[track_caller]
    fn run(&self, program: &Path, arguments: &[&str]) -> String {
        let ran = tools::run(program, &self.home(), arguments);
        assert!(ran.ok, "{}", ran.said);
        ran.said
    }

    /// Runs a client without the user's token.
    fn strange(&self, program: &Path, arguments: &[&str]) -> tools::Ran {
        tools::run(program, &self.folder.path().join("stranger"), arguments)
    }

    /// A file in the user's home.
    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.home().join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.home().join(name)).unwrap()
    }
}

/// The JSON that a client printed, after the line of the command.
fn printed(said: &str) -> Value {
    let begin = said.find('{').unwrap();
    let mut values = serde_json::Deserializer::from_str(&said[begin..]).into_iter();
    values.next().unwrap().unwrap()
}

/// Pushes a component with oras, and what is about it; where it is.
fn push_with_oras(own: &Own, oras: &Path, component: &[u8]) -> String {
    own.write("weather.wasm", component);
    own.write("sbom.json", b"{}");
    let at = format!("{}/acme/weather:1.0.0", own.address);
    let push = ["push", "--plain-http", &at, "weather.wasm:application/wasm"];
    let refused = own.strange(oras, &push);
    assert!(!refused.ok, "without a token nothing is pushed");
    own.run(oras, &push);
    let attach = [
        "attach",
        "--plain-http",
        "--artifact-type",
        "application/x.sbom",
    ];
    own.run(oras, &[attach.as_slice(), &[&at, "sbom.json"]].concat());
    at
}

#[test]
fn oras_pushes_and_pulls() {
    let Some(oras) = tools::or_say("oras", "oras against a hub of one's own") else {
        return;
    };
    let own = Own::start();
    let component = vec![42; 3_000_000];
    let at = push_with_oras(&own, &oras, &component);
    std::fs::remove_file(own.home().join("weather.wasm")).unwrap();
    own.run(&oras, &["pull", "--plain-http", &at]);
    assert_eq!(own.read("weather.wasm"), component);
    let pulled = own.strange(&oras, &["pull", "--plain-http", &at]);
    assert!(pulled.ok, "pulls need no token here: {}", pulled.said);
}

#[test]
fn oras_copies_discovers_lists_and_deletes() {
    let Some(oras) = tools::or_say("oras", "oras against a hub of one's own") else {
        return;
    };
    let own = Own::start();
    let at = push_with_oras(&own, &oras, b"a component");
    let other = format!("{}/globex/weather:1.0.0", own.address);
    let copy = [
        "cp",
        "-r",
        "--from-plain-http",
        "--to-plain-http",
        &at,
        &other,
    ];
    own.run(&oras, &copy);
    let layout = ["cp", "-r", "--from-plain-http", &other, "--to-oci-layout"];
    own.run(&oras, &[layout.as_slice(), &["layout:1.0.0"]].concat());
    assert!(own.home().join("layout/oci-layout").is_file());
    let discover = ["discover", "--plain-http", "--format", "json", &other];
    let found = printed(&own.run(&oras, &discover));
    let list = found.get("referrers").or(found.get("manifests")).unwrap();
    assert_eq!(list.as_array().map(Vec::len), Some(1), "{found}");
    assert_eq!(list[0]["artifactType"], "application/x.sbom");

    let repository = at.trim_end_matches(":1.0.0");
    let tags = own.run(&oras, &["repo", "tags", "--plain-http", repository]);
    assert!(tags.contains("1.0.0"));
    let repositories = own.run(&oras, &["repo", "ls", "--plain-http", &own.address]);
    assert!(repositories.contains("acme/weather") && repositories.contains("globex/weather"));
    own.run(
        &oras,
        &["manifest", "delete", "--plain-http", "--force", &at],
    );
    let pull = |at: &str| own.strange(&oras, &["pull", "--plain-http", at]).ok;
    assert!(!pull(&at), "it is gone");
    assert!(pull(&other));
}

#[test]
fn crane_pushes_pulls_copies_tags_lists_and_deletes() {
    let Some(crane) = tools::or_say("crane", "crane against a hub of one's own") else {
        return;
    };
    let own = Own::start();
    // An empty tar archive is 1,024 zeros.
    own.write("layer.tar", &[0; 1024]);
    let at = format!("{}/acme/image:1.0.0", own.address);
    let other = format!("{}/globex/image:1.0.0", own.address);
    let append = ["append", "--oci-empty-base", "-f", "layer.tar", "-t", &at];
    assert!(
        !own.strange(&crane, &append).ok,
        "without a token nothing is pushed"
    );
    own.run(&crane, &append);
    own.run(&crane, &["validate", "--remote", &at]);
    own.run(&crane, &["copy", &at, &other]);
    own.run(&crane, &["tag", &other, "latest"]);
    let listed = own.run(&crane, &["ls", other.trim_end_matches(":1.0.0")]);
    assert!(listed.contains("latest"));
    let catalog = own.run(&crane, &["catalog", &own.address]);
    assert!(catalog.contains("acme/image") && catalog.contains("globex/image"));
    let digest = |at: &str| {
        let said = own.run(&crane, &["digest", at]);
        let begin = said.find("sha256:").unwrap();
        said[begin..begin + 71].to_owned()
    };
    assert_eq!(digest(&at), digest(&other));
    own.run(&crane, &["pull", "--format", "oci", &other, "pulled"]);
    assert!(own.home().join("pulled/index.json").is_file());
    let by_digest = format!("{}@{}", at.trim_end_matches(":1.0.0"), digest(&at));
    own.run(&crane, &["delete", &by_digest]);
    assert!(
        !tools::run(&crane, &own.home(), &["digest", &at]).ok,
        "it is gone"
    );
    digest(&other);
}

/// cosign 2 looks for the tag of a signature; cosign 3 asks for referrers, which
/// this hub lists itself.
#[test]
fn cosign_signs_and_verifies_what_is_here() {
    for name in ["cosign-2", "cosign-3"] {
        let test = "cosign against a hub of one's own";
        let (Some(cosign), Some(oras)) = (tools::or_say(name, test), tools::or_say("oras", test))
        else {
            continue;
        };
        let own = Own::start();
        own.write("weather.wasm", b"a component");
        let at = format!("{}/acme/weather:1.0.0", own.address);
        let push = [
            "push",
            "--plain-http",
            "--format",
            "json",
            &at,
            "weather.wasm:application/wasm",
        ];
        let pushed = printed(&own.run(&oras, &push));
        let digest = pushed["digest"].as_str().unwrap().to_owned();
        let signed = format!("{}/acme/weather@{digest}", own.address);
        own.run(&cosign, &["generate-key-pair"]);
        let mut sign = vec!["sign", "--key", "cosign.key", "--tlog-upload=false", "-y"];
        sign.push("--allow-http-registry");
        if name == "cosign-3" {
            sign.push("--use-signing-config=false");
        }
        sign.push(&signed);
        own.run(&cosign, &sign);
        let verify = [
            "verify",
            "--key",
            "cosign.pub",
            "--insecure-ignore-tlog=true",
        ];
        let verify = [verify.as_slice(), &["--allow-http-registry", &signed]].concat();
        own.run(&cosign, &verify);
        own.run(
            &cosign,
            &["generate-key-pair", "--output-key-prefix", "other"],
        );
        let wrong: Vec<_> = verify
            .iter()
            .map(|&argument| {
                if argument == "cosign.pub" {
                    "other.pub"
                } else {
                    argument
                }
            })
            .collect();
        let refused = tools::run(&cosign, &own.home(), &wrong);
        assert!(
            !refused.ok,
            "another key has signed nothing: {}",
            refused.said
        );
    }
}
