//! Who sends too much, too slowly, or nonsense.

use std::io;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;

#[tokio::test]
async fn a_blob_over_the_cap_is_refused_however_it_comes() {
    let hub = Hub::with(|config| config.max_blob = 100_000).await;
    hub.push_blob(REPO, &vec![1; 100_000]).await;
    let too_much = vec![1; 100_001];
    let digest = sha256(&too_much);
    let path = format!("/v2/{REPO}/blobs/uploads/?digest={digest}");
    assert_eq!(
        hub.call("POST", &path, &[], too_much.clone())
            .await
            .is(413)
            .code(),
        "SIZE_INVALID"
    );
    let location = hub.begin(REPO).await;
    let put = format!("{location}?digest={digest}");
    hub.call("PUT", &put, &[], too_much.clone()).await.is(413);
    hub.call("PATCH", &location, &[], vec![1; 60_000])
        .await
        .is(202);
    hub.call("PATCH", &location, &[], vec![1; 60_000])
        .await
        .is(413);
    // Without a length that is said.
    let endless = futures_util::stream::iter((0..400).map(|_| Ok::<_, io::Error>(vec![0; 10_000])));
    let location = hub.begin(REPO).await;
    let request = hub.request("PATCH", &location, &[], Body::from_stream(endless));
    if let Ok(reply) = send(hub.address, request).await {
        reply.is(413);
    }
    hub.get(&format!("/v2/{REPO}/blobs/{digest}")).await.is(404);
}

#[tokio::test]
async fn a_body_that_stops_is_not_waited_for() {
    let hub = Hub::with(|config| config.body_timeout = Duration::from_millis(200)).await;
    let location = hub.begin(REPO).await;
    let stuck = || {
        let first = futures_util::stream::iter([Ok::<_, io::Error>(vec![1; 1_000])]);
        Body::from_stream(futures_util::StreamExt::chain(
            first,
            futures_util::stream::pending(),
        ))
    };
    let reply = hub.call("PATCH", &location, &[], stuck()).await.is(408);
    assert_eq!(reply.code(), "BLOB_UPLOAD_INVALID");
    assert_eq!(hub.get(&location).await.is(204).header("range"), "0-999");
    let path = format!("/v2/{REPO}/manifests/latest");
    hub.call("PUT", &path, &[("content-type", IMAGE)], stuck())
        .await
        .is(408);
}

#[tokio::test]
async fn uploads_in_progress_have_a_bound() {
    let hub = Hub::with(|config| config.max_uploads = 2).await;
    let first = hub.begin(REPO).await;
    hub.begin(REPO).await;
    let path = format!("/v2/{REPO}/blobs/uploads/");
    let reply = hub.call("POST", &path, &[], "").await.is(429);
    assert_eq!(
        (reply.header("retry-after"), reply.code().as_str()),
        ("10", "TOOMANYREQUESTS")
    );
    hub.call("DELETE", &first, &[], "").await.is(204);
    hub.begin(REPO).await;
}

#[tokio::test]
async fn names_that_are_none_are_400() {
    let hub = Hub::start().await;
    for (path, code) in [
        ("/v2/Acme/weather/tags/list", "NAME_INVALID"),
        ("/v2/acme/../x/tags/list", "NAME_INVALID"),
        ("/v2/acme%2f..%2fx/tags/list", "NAME_INVALID"),
        ("/v2/_tags/tags/list", "NAME_INVALID"),
        ("/v2/acme/manifests/-x", "MANIFEST_INVALID"),
        ("/v2/acme/blobs/sha256:0", "DIGEST_INVALID"),
    ] {
        assert_eq!(hub.get(path).await.is(400).code(), code, "{path}");
    }
    let long = format!("/v2/{}/tags/list", "a/".repeat(150) + "a");
    assert_eq!(hub.get(&long).await.is(400).code(), "NAME_INVALID");
}

/// A method, a path, a header and a body.
type Case = (&'static str, String, (String, String), String);

/// Requests of pieces that mean something here, in places where they may not.
fn requests() -> impl Strategy<Value = Case> {
    let segment = prop_oneof![
        "(a|_blobs|_tags|blobs|uploads|tags|list|manifests|referrers|_catalog|latest)",
        "(%2e%2e|%2f|%00|\\.\\.|sha256:0|[a-zA-Z0-9%._-]{0,6})",
        Just(sha256(b"wasm").to_string()),
    ];
    let query = prop_oneof![
        Just(String::new()),
        "(\\?(n|last|mount|from|digest|tag|artifactType|digest-algorithm)=[a-z0-9:%&=-]{0,12})",
    ];
    let path = (prop::collection::vec(segment, 1..6), query)
        .prop_map(|(segments, query)| format!("/v2/{}{query}", segments.join("/")));
    let methods = vec!["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"];
    let header = prop_oneof![
        (
            "(range|content-range|if-match|if-none-match|content-type|if-range)",
            "[ -~]{0,20}"
        ),
        Just(("range".to_owned(), "bytes=0-".to_owned())),
    ];
    let body = "[{}\\[\\]\",:a-z0-9]{0,20}";
    (prop::sample::select(methods), path, header, body)
}

/// Whatever path, method and header is sent, the answer is one of the
/// specification and never a failure of the hub, and nothing appears outside of
/// its folder.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_a_failure() {
    let hub = Hub::start().await;
    hub.push_image("a", "latest", b"wasm").await;
    let long = std::env::var_os("NEBULA_LONG").is_some();
    let mut runner = TestRunner::deterministic();
    for _ in 0..if long { 20_000 } else { 300 } {
        let tree = requests().new_tree(&mut runner).expect("a case");
        let (method, path, (name, value), body) = tree.current();
        if path.parse::<http::Uri>().is_err() {
            continue;
        }
        let headers = [(name.as_str(), value.as_str())];
        let reply = hub.call(method, &path, &headers, body).await;
        let status = reply.status;
        assert!(!status.is_server_error(), "{method} {path} {status}");
        if status.is_client_error() && method != "HEAD" {
            reply.code();
        }
    }
    let mut left: Vec<_> = std::fs::read_dir(hub.folder.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    left.sort();
    let ours = "blobs local.token lock oci-layout repositories temp tokens.json tokens.lock";
    assert_eq!(left, ours.split(' ').collect::<Vec<_>>());
}
