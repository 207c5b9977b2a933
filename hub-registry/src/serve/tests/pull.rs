//! "Pull" of the specification: manifests, blobs, ranges, whether content exists.

use axum::body::Body;

use super::super::content::{Algorithm, ContentDigest};
use super::*;

#[tokio::test]
async fn a_manifest_is_pulled_by_tag_and_by_digest_byte_for_byte() {
    let hub = Hub::start().await;
    let digest = hub.push_image(REPO, "1.0.0", b"wasm").await;
    for at in ["1.0.0".to_owned(), digest.to_string()] {
        let reply = hub.get(&format!("/v2/{REPO}/manifests/{at}")).await.is(200);
        assert_eq!(reply.header("content-type"), IMAGE);
        assert_eq!(reply.header("docker-content-digest"), digest.to_string());
        assert_eq!(sha256(&reply.body), digest);
    }
}

#[tokio::test]
async fn a_blob_is_pulled_whole_with_its_digest() {
    let hub = Hub::start().await;
    let content = vec![7; 300_000];
    let digest = hub.push_blob(REPO, &content).await;
    let reply = hub.get(&format!("/v2/{REPO}/blobs/{digest}")).await.is(200);
    assert_eq!(reply.header("docker-content-digest"), digest.to_string());
    assert_eq!(reply.header("content-length"), "300000");
    assert_eq!(reply.header("content-type"), "application/octet-stream");
    assert_eq!(reply.body, content);
}

#[tokio::test]
async fn head_says_length_and_digest_and_sends_nothing() {
    let hub = Hub::start().await;
    let manifest = hub.push_image(REPO, "latest", b"wasm").await;
    let blob = sha256(b"wasm");
    let size = image(b"wasm").to_string().len().to_string();
    for (path, digest, size) in [
        (
            format!("/v2/{REPO}/manifests/latest"),
            &manifest,
            size.as_str(),
        ),
        (format!("/v2/{REPO}/manifests/{manifest}"), &manifest, &size),
        (format!("/v2/{REPO}/blobs/{blob}"), &blob, "4"),
    ] {
        let reply = hub.call("HEAD", &path, &[], Body::empty()).await.is(200);
        assert_eq!(reply.header("docker-content-digest"), digest.to_string());
        assert_eq!(reply.header("content-length"), size, "{path}");
        assert!(reply.body.is_empty());
    }
}

#[tokio::test]
async fn what_is_not_there_is_404_with_its_code() {
    let hub = Hub::start().await;
    hub.push_image(REPO, "latest", b"wasm").await;
    let absent = sha256(b"absent");
    for (path, code) in [
        (format!("/v2/{REPO}/manifests/absent"), "MANIFEST_UNKNOWN"),
        (format!("/v2/{REPO}/manifests/{absent}"), "MANIFEST_UNKNOWN"),
        (format!("/v2/{REPO}/blobs/{absent}"), "BLOB_UNKNOWN"),
        (
            "/v2/acme/absent/manifests/latest".into(),
            "MANIFEST_UNKNOWN",
        ),
        ("/v2/acme/absent/tags/list".into(), "NAME_UNKNOWN"),
        // What another repository has is not here.
        (
            format!("/v2/acme/absent/blobs/{}", sha256(b"wasm")),
            "BLOB_UNKNOWN",
        ),
    ] {
        assert_eq!(hub.get(&path).await.is(404).code(), code, "{path}");
        let head = hub.call("HEAD", &path, &[], Body::empty()).await.is(404);
        assert!(head.body.is_empty());
    }
}

#[tokio::test]
async fn parts_of_a_blob_are_sent_as_rfc_9110_says() {
    let hub = Hub::start().await;
    let content: Vec<u8> = (0..2048_u32).map(|i| i.to_le_bytes()[0]).collect();
    let digest = hub.push_blob(REPO, &content).await;
    let path = format!("/v2/{REPO}/blobs/{digest}");
    let etag = format!("\"{digest}\"");
    for (range, first, last) in [
        ("bytes=500-1499", 500, 1499),
        ("bytes=500-", 500, 2047),
        ("bytes=-500", 1548, 2047),
        ("bytes=2000-5000", 2000, 2047),
        ("bytes=0-0", 0, 0),
    ] {
        let headers = [("range", range), ("if-range", etag.as_str())];
        let reply = hub
            .call("GET", &path, &headers, Body::empty())
            .await
            .is(206);
        assert_eq!(reply.body, content[first..=last], "{range}");
        assert_eq!(
            reply.header("content-range"),
            format!("bytes {first}-{last}/2048")
        );
        assert_eq!(
            reply.header("content-length"),
            (last - first + 1).to_string()
        );
    }
    for range in ["bytes=500-0", "bytes=5000-10000", "bytes=2048-"] {
        let reply = hub
            .call("GET", &path, &[("range", range)], Body::empty())
            .await
            .is(416);
        assert_eq!(reply.header("content-range"), "bytes */2048");
        reply.code();
    }
    for headers in [
        [("range", "bytes=0-1,5-6"), ("accept", "*/*")],
        [("range", "bytes=5-6"), ("if-range", "\"another version\"")],
    ] {
        let reply = hub
            .call("GET", &path, &headers, Body::empty())
            .await
            .is(200);
        assert_eq!(reply.body, content);
    }
}

#[tokio::test]
async fn who_has_a_version_already_is_told_so() {
    let hub = Hub::start().await;
    let manifest = hub.push_image(REPO, "latest", b"wasm").await;
    let paths = [
        (format!("/v2/{REPO}/manifests/latest"), manifest),
        (
            format!("/v2/{REPO}/blobs/{}", sha256(b"wasm")),
            sha256(b"wasm"),
        ),
    ];
    for (path, digest) in paths {
        let etag = format!("\"{digest}\"");
        let headers = [("if-none-match", etag.as_str())];
        let reply = hub
            .call("GET", &path, &headers, Body::empty())
            .await
            .is(304);
        assert!(reply.body.is_empty());
        let headers = [("if-none-match", "\"sha256:0\"")];
        hub.call("GET", &path, &headers, Body::empty())
            .await
            .is(200);
    }
}

#[tokio::test]
async fn content_may_be_addressed_by_sha512() {
    let hub = Hub::start().await;
    let digest = ContentDigest::of(Algorithm::Sha512, b"long");
    let path = format!("/v2/{REPO}/blobs/uploads/?digest-algorithm=sha512");
    let begun = hub
        .call("POST", &path, &[("content-length", "0")], "")
        .await
        .is(202);
    let location = begun.header("location");
    let put = format!("{location}?digest={digest}");
    let reply = hub.call("PUT", &put, &[], "long").await.is(201);
    assert_eq!(reply.header("docker-content-digest"), digest.to_string());
    let pulled = hub.get(reply.header("location")).await.is(200);
    assert_eq!(pulled.body, "long");

    hub.push_image(REPO, "latest", b"wasm").await;
    let manifest = image(b"wasm");
    let digest = ContentDigest::of(Algorithm::Sha512, manifest.to_string().as_bytes());
    hub.put_manifest(REPO, &digest.to_string(), &manifest)
        .await
        .is(201);
    let reply = hub
        .get(&format!("/v2/{REPO}/manifests/{digest}"))
        .await
        .is(200);
    assert_eq!(reply.header("docker-content-digest"), digest.to_string());
}
