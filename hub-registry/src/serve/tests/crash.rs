//! `kill -9` in the middle of pushes: what is there afterwards is whole.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::super::store::disk;
use super::*;

/// Names the folder that this test program is to serve instead of testing.
const CHILD: &str = "NEBULA_HUB_CRASH_FOLDER";

/// Not a test of its own: the process that is killed.
#[tokio::test(flavor = "multi_thread")]
async fn serves_when_it_is_asked_to() {
    let Some(folder) = std::env::var_os(CHILD) else {
        return;
    };
    let config = RegistryConfig::new(folder);
    let registry = Registry::open(config, Arc::new(TestClock::default())).expect("opens");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    println!(
        "\nlistens on {}",
        listener.local_addr().expect("an address")
    );
    axum::serve(listener, registry.router())
        .await
        .expect("serves");
}

/// A hub in a process of its own.
struct Victim {
    child: Child,
    address: SocketAddr,
}

impl Victim {
    fn start(folder: &TempDir) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .args([
                "--exact",
                "serve::tests::crash::serves_when_it_is_asked_to",
                "--nocapture",
            ])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let address = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listens on ")?.parse().ok())
            .expect("an address");
        Self { child, address }
    }

    fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("over");
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Pushes images under ever new tags until the hub is gone.
async fn push_until_killed(
    address: SocketAddr,
    token: String,
    who: usize,
) -> Vec<(String, Vec<u8>)> {
    let mut acknowledged = Vec::new();
    let call = async |method: &str, path: String, body: Vec<u8>| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", address.to_string())
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", IMAGE)
            .body(Body::from(body))
            .expect("a request");
        send(address, request)
            .await
            .ok()
            .map(|reply| reply.status.as_u16())
    };
    for i in 0.. {
        let content = format!("{who} {i} ").repeat(20_000).into_bytes();
        for blob in [b"{}".to_vec(), content.clone()] {
            let path = format!("/v2/{REPO}/blobs/uploads/?digest={}", sha256(&blob));
            if call("POST", path, blob).await.is_none() {
                return acknowledged;
            }
        }
        let tag = format!("{who}.{i}.0");
        let manifest = image(&content).to_string().into_bytes();
        let path = format!("/v2/{REPO}/manifests/{tag}");
        match call("PUT", path, manifest.clone()).await {
            Some(201) => acknowledged.push((tag, manifest)),
            Some(status) => panic!("{tag}: {status}"),
            None => return acknowledged,
        }
    }
    acknowledged
}

/// Everything that the hub says it has is whole, by its digest.
async fn check_all(hub: &Hub) -> usize {
    let tags = hub
        .get(&format!("/v2/{REPO}/tags/list"))
        .await
        .is(200)
        .json();
    let tags = tags["tags"].as_array().expect("tags").clone();
    for tag in &tags {
        let tag = tag.as_str().expect("a tag");
        let reply = hub
            .get(&format!("/v2/{REPO}/manifests/{tag}"))
            .await
            .is(200);
        let digest = reply.header("docker-content-digest").to_owned();
        assert_eq!(sha256(&reply.body).to_string(), digest);
        let layer = reply.json()["layers"][0]["digest"]
            .as_str()
            .expect("a layer")
            .to_owned();
        let blob = hub.get(&format!("/v2/{REPO}/blobs/{layer}")).await.is(200);
        assert_eq!(sha256(&blob.body).to_string(), layer);
    }
    let blobs = hub.folder.path().join("blobs/sha256");
    for hex in disk::names(&blobs).expect("names") {
        let bytes = std::fs::read(blobs.join(&hex)).expect("content");
        assert_eq!(sha256(&bytes).hex(), hex, "no content under a wrong digest");
    }
    tags.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_minus_9_leaves_nothing_half() {
    let rounds = if std::env::var_os("NEBULA_LONG").is_some() {
        200
    } else {
        5
    };
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    let clock = Arc::new(TestClock::default());
    let token = Tokens::of(folder.path(), clock).local().expect("a token");
    let mut known = Vec::new();
    for round in 0..rounds {
        let mut victim = Victim::start(&folder);
        let pushing: Vec<_> = (0..3)
            .map(|i| {
                tokio::spawn(push_until_killed(
                    victim.address,
                    token.to_string(),
                    round * 3 + i,
                ))
            })
            .collect();
        let after = 50 + (round as u64 * 37) % 200;
        tokio::time::sleep(Duration::from_millis(after)).await;
        victim.kill();
        for pushing in pushing {
            known.extend(pushing.await.expect("no panic"));
        }
        let hub = Hub::on(Arc::clone(&folder), |_| {}).await;
        let tags = check_all(&hub).await;
        assert!(tags >= known.len(), "{tags} of {}", known.len());
        for (tag, manifest) in &known {
            let reply = hub
                .get(&format!("/v2/{REPO}/manifests/{tag}"))
                .await
                .is(200);
            assert_eq!(reply.body, *manifest, "what was acknowledged is there");
        }
        let temp = folder.path().join("temp");
        assert_eq!(std::fs::read_dir(temp).expect("a folder").count(), 0);
        hub.stop().await;
    }
    assert!(!known.is_empty(), "something was pushed");
}
