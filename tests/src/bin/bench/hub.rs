//! Packages: what an install takes, what many pulls of one digest cost the
//! registry, and how fast blobs move, beside `docker-registry` in the same run.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use bytes::Bytes;
use nebula_engine::SystemClock;
use nebula_flow::component::Origin;
use nebula_flow::{Digest, Effect, Timestamp};
use nebula_hub::artifact::Descriptor;
use nebula_hub::cache::Cache;
use nebula_hub::demand::Demand;
use nebula_hub::fetch::Hub;
use nebula_hub::installed::{InstalledComponent, InstalledPackage};
use nebula_hub::oci::remote::basic;
use nebula_hub::oci::{Patience, Remote, Sink};
use nebula_hub::serve::tokens::{Allowed, NewToken, Tokens};
use nebula_hub::serve::{Registry, RegistryConfig};
use nebula_tests::guest;
use tokio::net::TcpListener;

use crate::node::{Home, Node, binary};
use crate::print;
use crate::stats::{Samples, show};

/// Bytes of the action that is installed.
const ACTION: usize = 100_000;
const INSTALLS: usize = 10;
/// Who ask for one digest at once.
const AT_ONCE: usize = 1_000;
/// Bytes of the blob that is pushed and pulled.
const BLOB: usize = 64 << 20;
const TIMES: usize = 5;

type Result<T> = std::result::Result<T, crate::Error>;

pub(crate) async fn run() -> Result<()> {
    print("\n| packages, over loopback | |\n|---|---|");
    installs().await?;
    at_once().await?;
    print("\n| 64 MiB, over loopback | push | pull |\n|---|---|---|");
    let own = Server::own()?;
    throughput("`nebula hub serve`", &own).await?;
    match Server::docker()? {
        Some(docker) => throughput("`docker-registry`", &docker).await?,
        None => print("| `docker-registry` | not on this machine | |"),
    }
    Ok(())
}

// --------------------------------------------------------------- installs --

async fn installs() -> Result<()> {
    let component = guest::build(&guests("custom-action"))?;
    let component = std::fs::read(component)?;
    let node = Home::new()?.start().await?;
    let folder = tempfile::tempdir()?;
    nebula(&node, folder.path(), &["hub", "key", "generate", "bench"])?;
    let package = folder.path().join("greeting");
    std::fs::create_dir(&package)?;
    let toml =
        "[package]\nname = \"greeting\"\n\n[[component]]\nname = \"main\"\npath = \"main.wasm\"\n";
    std::fs::write(package.join("nebula.toml"), toml)?;
    let (mut cold, mut warm) = (Samples::default(), Samples::default());
    for n in 0..INSTALLS {
        std::fs::write(package.join("main.wasm"), padded(&component, n)?)?;
        let version = format!("1.0.{n}");
        nebula(
            &node,
            folder.path(),
            &["hub", "publish", "greeting", &version],
        )?;
        let exact = format!("greeting@{version}");
        let install = ["hub", "install", &exact, "--yes"];
        let begin = Instant::now();
        nebula(&node, folder.path(), &install)?;
        cold.add(begin.elapsed());
        nebula(&node, folder.path(), &["hub", "remove", &exact])?;
        let begin = Instant::now();
        nebula(&node, folder.path(), &install)?;
        warm.add(begin.elapsed());
    }
    print(&format!(
        "| `nebula hub install` of an action of 100 KB: pulled, checked, compiled | {} |",
        cold.spread()
    ));
    print(&format!(
        "| the same again: from the cache, checked | {} |",
        warm.spread()
    ));
    Ok(())
}

/// Runs the command on a node's folder, in a folder of a person's own.
fn nebula(node: &Node, folder: &Path, arguments: &[&str]) -> Result<()> {
    let output = node
        .command()?
        .args(arguments)
        .current_dir(folder)
        .env("XDG_CONFIG_HOME", folder.join("config"))
        .env("DOCKER_CONFIG", folder.join("docker"))
        .env("NEBULA_HUB_PASSPHRASE", "of the bench")
        .env("NEBULA_PACKAGES_NAMESPACE", "bench")
        .env_remove("NEBULA_PACKAGES_REGISTRIES")
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("nebula {arguments:?}: {said}").into())
}

/// A component that nobody else has, of [`ACTION`] bytes: with a custom section
/// behind it.
fn padded(component: &[u8], number: usize) -> Result<Vec<u8>> {
    // Five bytes say how long the section is, one how long its name is, one is
    // that name.
    let missing = ACTION.checked_sub(component.len() + 6);
    let missing = missing.ok_or("the component is larger than that already")?;
    let mut length = u32::try_from(missing)?;
    let mut bytes = component.to_vec();
    bytes.push(0);
    for last in [false, false, false, false, true] {
        let low = u8::try_from(length & 0x7f)?;
        bytes.push(if last { low } else { low | 0x80 });
        length >>= 7;
    }
    bytes.extend([1, b'x']);
    bytes.resize(ACTION, u8::try_from(number)?);
    Ok(bytes)
}

fn guests(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("guests")
        .join(name)
}

// ---------------------------------------------------------- pulls at once --

async fn at_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hub = folder.path().join("hub");
    let config = RegistryConfig {
        anonymous_pull: true,
        ..RegistryConfig::new(&hub)
    };
    let registry = Registry::open(config, Arc::new(SystemClock))?;
    let pulls = Arc::new(AtomicUsize::new(0));
    let counted = middleware::from_fn_with_state(Arc::clone(&pulls), count);
    let router = registry.router().layer(counted);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let token = NewToken {
        name: "bench".into(),
        allowed: Allowed::Push,
        namespaces: Vec::new(),
        lifetime: None,
    };
    let (_, token) = Tokens::of(&hub, Arc::new(SystemClock)).create(token)?;
    let remote = Remote::with(
        address.parse()?,
        basic("bench", &token),
        Patience::default(),
    )?;
    let bytes = chance(1, ACTION);
    let digest = Digest::of(&bytes);
    let package = package(digest)?;
    remote.push_blob(&package.name, digest, &bytes).await?;
    pulls.store(0, Ordering::Relaxed);
    let cache = Cache::open(folder.path().join("cache"))?;
    let demand = Arc::new(Demand::new(Arc::new(Hub::new(cache, vec![remote]))));
    let package = Arc::new(package);
    let begin = Instant::now();
    let asking: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (demand, package) = (Arc::clone(&demand), Arc::clone(&package));
            tokio::spawn(async move { demand.pull(&package, digest).await })
        })
        .collect();
    for asked in asking {
        if asked.await??.len() != ACTION {
            return Err("other bytes came".into());
        }
    }
    let took = begin.elapsed().as_secs_f64() * 1e6;
    print(&format!(
        "| {AT_ONCE} pulls of one digest at once: {} from the registry, all served after | {} |",
        pulls.load(Ordering::Relaxed),
        show(took)
    ));
    serving.abort();
    Ok(())
}

/// Counts pulls of blobs.
async fn count(
    State(pulls): State<Arc<AtomicUsize>>,
    request: Request,
    next: Next,
) -> axum::response::Response {
    let is_pull = request.method() == http::Method::GET && request.uri().path().contains("/blobs/");
    if is_pull {
        pulls.fetch_add(1, Ordering::Relaxed);
    }
    next.run(request).await
}

fn package(digest: Digest) -> Result<InstalledPackage> {
    Ok(InstalledPackage {
        name: "bench/greeting".parse()?,
        version: semver::Version::new(1, 0, 0),
        description: String::new(),
        manifest: digest,
        origin: Origin::Statement,
        key: None,
        serial: None,
        registry: None,
        at: Timestamp::from_millis(0),
        dependencies: BTreeMap::new(),
        components: vec![InstalledComponent {
            name: "main".into(),
            digest,
            size: ACTION as u64,
            effect: Effect::Pure,
            actions: Vec::new(),
        }],
        agreed: BTreeSet::new(),
        templates: Vec::new(),
    })
}

// ------------------------------------------------------------- throughput --

/// A registry of the bench's own, in a process of its own; it ends with the value.
struct Server {
    child: Child,
    address: String,
    token: String,
    _folder: tempfile::TempDir,
}

impl Server {
    fn own() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let nebula = |arguments: &[&str]| -> Result<Command> {
            let mut command = Command::new(binary()?);
            command.arg("--data").arg(folder.path()).args(arguments);
            command.stderr(Stdio::null());
            Ok(command)
        };
        let serve = [
            "hub",
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--anonymous-pull",
        ];
        let mut child = nebula(&serve)?.stdout(Stdio::piped()).spawn()?;
        let out = BufReader::new(child.stdout.take().ok_or("no output")?);
        let line = out
            .lines()
            .map_while(std::result::Result::ok)
            .find(|line| line.starts_with("the hub listens on"))
            .ok_or("the hub ended")?;
        let address = line.rsplit("http://").next().unwrap_or_default().to_owned();
        let create = [
            "hub", "token", "create", "--name", "bench", "--allow", "push",
        ];
        let made = nebula(&create)?.output()?;
        Ok(Self {
            child,
            address,
            token: String::from_utf8(made.stdout)?.trim().to_owned(),
            _folder: folder,
        })
    }

    /// None where the machine has no such program; `scripts/clients` fetches it.
    fn docker() -> Result<Option<Self>> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let cache =
            std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/nebula/clients"));
        let mut places = std::env::split_paths(&path).chain(cache);
        let Some(program) = places.find_map(|folder| {
            let program = folder.join("docker-registry");
            program.is_file().then_some(program)
        }) else {
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        let address = std::net::TcpListener::bind("127.0.0.1:0")?
            .local_addr()?
            .to_string();
        let config = folder.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
            folder.path().join("blobs").display()
        );
        std::fs::write(&config, text)?;
        let child = Command::new(program)
            .arg("serve")
            .arg(&config)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Some(Self {
            child,
            address,
            token: String::new(),
            _folder: folder,
        }))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Takes bytes and forgets them.
struct Nowhere(u64);

impl Sink for Nowhere {
    fn len(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0 += bytes.len() as u64;
        Ok(())
    }

    fn restart(&mut self) -> std::io::Result<()> {
        self.0 = 0;
        Ok(())
    }
}

async fn throughput(name: &str, server: &Server) -> Result<()> {
    let auth = basic("bench", &server.token);
    let remote = Remote::with(server.address.parse()?, auth, Patience::default())?;
    let begin = Instant::now();
    while remote.greet().await.is_err() {
        if begin.elapsed() > Duration::from_secs(30) {
            return Err(format!("{name} does not answer").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let package = "bench/greeting".parse()?;
    let (mut push, mut pull) = (Samples::default(), Samples::default());
    for n in 0..TIMES {
        let bytes = chance(n as u64 + 1, BLOB);
        let wanted = Descriptor::of("application/octet-stream", &bytes);
        let begin = Instant::now();
        remote.push_blob(&package, wanted.digest, &bytes).await?;
        push.add(begin.elapsed());
        let mut nowhere = Nowhere(0);
        let begin = Instant::now();
        remote.blob(&package, &wanted, &mut nowhere).await?;
        pull.add(begin.elapsed());
    }
    let speed = |samples: &mut Samples| {
        let seconds = samples.quantile(0.5) / 1e6;
        let mib = f64::from(u32::try_from(BLOB >> 20).unwrap_or_default());
        format!("{:.0} MiB/s: {}", mib / seconds, samples.spread())
    };
    print(&format!(
        "| {name} | {} | {} |",
        speed(&mut push),
        speed(&mut pull)
    ));
    Ok(())
}

/// Bytes that nobody compresses: xorshift64 (Marsaglia 2003).
fn chance(seed: u64, size: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(size).collect::<Vec<u8>>().into()
}
