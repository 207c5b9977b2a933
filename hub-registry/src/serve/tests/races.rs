//! Many at once.

use tokio::task::JoinSet;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_publish_one_version_exactly_one_wins() {
    let hub = Arc::new(Hub::with(|config| config.immutable_tags = true).await);
    let rounds = if std::env::var_os("NEBULA_LONG").is_some() {
        500
    } else {
        50
    };
    for who in [b"first", b"other"] {
        hub.push_image(REPO, "latest", who).await;
    }
    for round in 0..rounds {
        let mut publishing = JoinSet::new();
        for who in [b"first", b"other"] {
            let hub = Arc::clone(&hub);
            publishing.spawn(async move {
                let manifest = image(who);
                let reply = hub
                    .put_manifest(REPO, &format!("1.0.{round}"), &manifest)
                    .await;
                (
                    reply.status.as_u16(),
                    sha256(manifest.to_string().as_bytes()),
                )
            });
        }
        let mut answers = publishing.join_all().await;
        answers.sort();
        let statuses: Vec<_> = answers.iter().map(|(status, _)| *status).collect();
        assert_eq!(statuses, [201, 409]);
        let reply = hub
            .get(&format!("/v2/{REPO}/manifests/1.0.{round}"))
            .await
            .is(200);
        let winner = answers[0].1.to_string();
        assert_eq!(reply.header("docker-content-digest"), winner);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_expect_a_tag_to_be_absent_exactly_one_wins() {
    let hub = Arc::new(Hub::start().await);
    hub.push_image(REPO, "other", b"wasm").await;
    let mut publishing = JoinSet::new();
    for i in 0..16 {
        let hub = Arc::clone(&hub);
        publishing.spawn(async move {
            let mut manifest = image(b"wasm");
            manifest["annotations"] = json!({ "by": i.to_string() });
            let path = format!("/v2/{REPO}/manifests/latest");
            let headers = [("content-type", IMAGE), ("if-none-match", "*")];
            let reply = hub.call("PUT", &path, &headers, manifest.to_string()).await;
            reply.status.as_u16()
        });
    }
    let mut answers = publishing.join_all().await;
    answers.sort_unstable();
    assert_eq!(answers[0], 201);
    assert!(
        answers[1..].iter().all(|status| *status == 412),
        "{answers:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_push_and_read_one_blob_at_once() {
    let hub = Arc::new(Hub::start().await);
    let content: Arc<Vec<u8>> = Arc::new((0..1_000_000_u32).flat_map(u32::to_le_bytes).collect());
    let mut pushing = JoinSet::new();
    for i in 0..8 {
        let (hub, content) = (Arc::clone(&hub), Arc::clone(&content));
        pushing.spawn(async move {
            let name = format!("acme/r{}", i % 2);
            let digest = hub.push_blob(&name, &content).await;
            let reply = hub.get(&format!("/v2/{name}/blobs/{digest}")).await.is(200);
            assert_eq!(reply.body, **content);
        });
    }
    pushing.join_all().await;
    let folder = hub.folder.path().join("blobs/sha256");
    assert_eq!(
        std::fs::read_dir(folder).expect("a folder").count(),
        1,
        "kept once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_pull_one_digest_at_once() {
    raise_open_files();
    let hub = Arc::new(Hub::with(|config| config.anonymous_pull = true).await);
    let content = vec![42; 200_000];
    let digest = hub.push_blob(REPO, &content).await;
    let mut pulling = JoinSet::new();
    for _ in 0..1_000 {
        let hub = Arc::clone(&hub);
        let path = format!("/v2/{REPO}/blobs/{digest}");
        pulling.spawn(async move {
            let reply = hub.get(&path).await.is(200);
            assert_eq!(reply.body.len(), 200_000);
            sha256(&reply.body)
        });
    }
    let digests = pulling.join_all().await;
    assert_eq!(digests.len(), 1_000);
    assert!(digests.iter().all(|pulled| *pulled == digest));
}

/// Both ends of a thousand connections are in this process.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised).expect("raised");
}

/// The seam between two requests of one session: chunks that race are taken one
/// after the other, and one of them is out of order.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_chunks_for_one_place_one_is_taken() {
    let hub = Arc::new(Hub::start().await);
    let location = hub.begin(REPO).await;
    let mut sending = JoinSet::new();
    for byte in [1, 2] {
        let (hub, location) = (Arc::clone(&hub), location.clone());
        sending.spawn(async move {
            let headers = [("content-range", "0-99999")];
            let reply = hub
                .call("PATCH", &location, &headers, vec![byte; 100_000])
                .await;
            (reply.status.as_u16(), byte)
        });
    }
    let mut answers = sending.join_all().await;
    answers.sort_unstable();
    assert_eq!((answers[0].0, answers[1].0), (202, 416));
    let content = vec![answers[0].1; 100_000];
    let put = format!("{location}?digest={}", sha256(&content));
    hub.call("PUT", &put, &[], "").await.is(201);
}
