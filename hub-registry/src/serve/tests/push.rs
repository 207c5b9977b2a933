//! "Push" of the specification: blobs in each of the ways, manifests, subjects.

use super::super::content::{Algorithm, ContentDigest};
use std::io;

use axum::body::Body;

use super::*;

#[tokio::test]
async fn a_blob_is_pushed_by_post_then_put() {
    let hub = Hub::start().await;
    let location = hub.begin(REPO).await;
    let digest = sha256(b"content");
    let put = format!("{location}?digest={digest}");
    let reply = hub.call("PUT", &put, &[], "content").await.is(201);
    assert_eq!(reply.header("docker-content-digest"), digest.to_string());
    assert_eq!(
        hub.get(reply.header("location")).await.is(200).body,
        "content"
    );
    // The session is over.
    assert_eq!(
        hub.get(&location).await.is(404).code(),
        "BLOB_UPLOAD_UNKNOWN"
    );
}

#[tokio::test]
async fn a_blob_is_pushed_by_one_post() {
    let hub = Hub::start().await;
    for content in [b"content".as_slice(), b"", b"{}"] {
        let digest = hub.push_blob(REPO, content).await;
        let reply = hub.get(&format!("/v2/{REPO}/blobs/{digest}")).await.is(200);
        assert_eq!(reply.body, content);
        assert_eq!(reply.header("content-length"), content.len().to_string());
    }
}

#[tokio::test]
async fn a_blob_is_pushed_in_chunks_and_out_of_order_is_told_where_to_go_on() {
    let hub = Hub::start().await;
    let content: Vec<u8> = (0..3_000_u32).map(|i| i.to_le_bytes()[0]).collect();
    let mut location = hub.begin(REPO).await;
    let chunk = |first: usize, last: usize| {
        let range = format!("{first}-{last}");
        (range, content[first..=last].to_vec())
    };
    for (first, last) in [(0, 999), (1000, 1999)] {
        for wrong in [first + 1, first + 1000] {
            let (range, body) = chunk(wrong, wrong + 10);
            let headers = [("content-range", range.as_str())];
            let reply = hub.call("PATCH", &location, &headers, body).await.is(416);
            assert_eq!(reply.code(), "BLOB_UPLOAD_INVALID");
            assert_eq!(reply.header("location"), location);
        }
        let (range, body) = chunk(first, last);
        let headers = [("content-range", range.as_str())];
        let reply = hub.call("PATCH", &location, &headers, body).await.is(202);
        assert_eq!(reply.header("range"), format!("0-{last}"));
        location = reply.header("location").to_owned();
        let state = hub.get(&location).await.is(204);
        assert_eq!(state.header("range"), format!("0-{last}"));
        assert_eq!(state.header("location"), location);
    }
    let digest = sha256(&content);
    let put = format!("{location}?digest={digest}");
    let (range, body) = chunk(2500, 2999);
    let headers = [("content-range", range.as_str())];
    hub.call("PUT", &put, &headers, body).await.is(416);
    let (range, body) = chunk(2000, 2999);
    let headers = [("content-range", range.as_str())];
    let reply = hub.call("PUT", &put, &headers, body).await.is(201);
    assert_eq!(
        hub.get(reply.header("location")).await.is(200).body,
        content
    );
}

#[tokio::test]
async fn a_blob_is_pushed_as_one_stream_and_closed() {
    let hub = Hub::start().await;
    let location = hub.begin(REPO).await;
    let parts = futures_util::stream::iter((0..200).map(|i| Ok::<_, io::Error>(vec![i; 20_000])));
    let reply = hub
        .call("PATCH", &location, &[], Body::from_stream(parts))
        .await
        .is(202);
    assert_eq!(reply.header("range"), "0-3999999");
    let content: Vec<u8> = (0..200).flat_map(|i| vec![i; 20_000]).collect();
    let put = format!("{location}?digest={}", sha256(&content));
    let reply = hub.call("PUT", &put, &[], "").await.is(201);
    assert_eq!(
        hub.get(reply.header("location")).await.is(200).body,
        content
    );
}

#[tokio::test]
async fn a_chunk_whose_headers_contradict_each_other_is_refused() {
    let hub = Hub::start().await;
    let location = hub.begin(REPO).await;
    for (range, code) in [
        ("0-9", "SIZE_INVALID"),
        ("bytes 0-3/4", "BLOB_UPLOAD_INVALID"),
        ("3-0", "BLOB_UPLOAD_INVALID"),
        ("x", "BLOB_UPLOAD_INVALID"),
    ] {
        let headers = [("content-range", range), ("content-length", "4")];
        let reply = hub.call("PATCH", &location, &headers, "four").await.is(400);
        assert_eq!(reply.code(), code, "{range}");
    }
    hub.call("PATCH", &location, &[("content-range", "0-3")], "four")
        .await
        .is(202);
}

#[tokio::test]
async fn an_upload_is_cancelled() {
    let hub = Hub::start().await;
    let location = hub.begin(REPO).await;
    hub.call("PATCH", &location, &[], "some").await.is(202);
    hub.call("DELETE", &location, &[], "").await.is(204);
    for method in ["GET", "PATCH", "DELETE"] {
        let reply = hub.call(method, &location, &[], "").await.is(404);
        assert_eq!(reply.code(), "BLOB_UPLOAD_UNKNOWN");
    }
}

#[tokio::test]
async fn a_digest_that_is_wrong_unknown_or_missing_is_400_and_leaves_nothing() {
    let hub = Hub::start().await;
    let wrong = sha256(b"other");
    for digest in [
        wrong.to_string(),
        "sha256:baddigest".into(),
        "md5:00".into(),
        String::new(),
    ] {
        let path = format!("/v2/{REPO}/blobs/uploads/?digest={digest}");
        let reply = hub.call("POST", &path, &[], "content").await.is(400);
        assert_eq!(reply.code(), "DIGEST_INVALID");
        let location = hub.begin(REPO).await;
        let put = format!("{location}?digest={digest}");
        let reply = hub.call("PUT", &put, &[], "content").await.is(400);
        assert_eq!(reply.code(), "DIGEST_INVALID");
    }
    let location = hub.begin(REPO).await;
    assert_eq!(
        hub.call("PUT", &location, &[], "x").await.is(400).code(),
        "DIGEST_INVALID"
    );
    let path = format!("/v2/{REPO}/blobs/uploads/?digest-algorithm=md5");
    assert_eq!(
        hub.call("POST", &path, &[], "").await.is(400).code(),
        "DIGEST_INVALID"
    );
    hub.get(&format!("/v2/{REPO}/blobs/{wrong}")).await.is(404);
    hub.get(&format!("/v2/{REPO}/blobs/{}", sha256(b"content")))
        .await
        .is(404);
}

#[tokio::test]
async fn a_session_is_of_one_repository() {
    let hub = Hub::start().await;
    let location = hub.begin(REPO).await;
    let elsewhere = location.replace(REPO, "acme/other");
    assert_eq!(
        hub.get(&elsewhere).await.is(404).code(),
        "BLOB_UPLOAD_UNKNOWN"
    );
    for session in [
        "x",
        "..",
        "%2e%2e%2f_tags",
        "00000000-0000-4000-8000-000000000000",
    ] {
        let path = format!("/v2/{REPO}/blobs/uploads/{session}");
        assert_eq!(hub.get(&path).await.is(404).code(), "BLOB_UPLOAD_UNKNOWN");
    }
}

#[tokio::test]
async fn an_upload_goes_on_after_a_lost_connection_and_after_a_restart() {
    let hub = Hub::start().await;
    let location = hub.begin(REPO).await;
    let broken = futures_util::stream::unfold(0, |step| async move {
        if step == 0 {
            return Some((Ok(vec![1; 50_000]), 1));
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        Some((Err(io::Error::other("the line went dead")), 2))
    });
    let request = hub.request("PATCH", &location, &[], Body::from_stream(broken));
    assert!(send(hub.address, request).await.is_err());
    let mut came = String::new();
    for _ in 0..500 {
        came = hub.get(&location).await.is(204).header("range").to_owned();
        if came == "0-49999" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(came, "0-49999", "what came is kept");

    let hub = hub.restart(|_| {}).await;
    assert_eq!(hub.get(&location).await.is(204).header("range"), "0-49999");
    let headers = [("content-range", "50000-99999")];
    hub.call("PATCH", &location, &headers, vec![2; 50_000])
        .await
        .is(202);
    let content = [vec![1; 50_000], vec![2; 50_000]].concat();
    let digest = ContentDigest::of(Algorithm::Sha512, &content);
    let put = format!("{location}?digest={digest}");
    let reply = hub.call("PUT", &put, &[], "").await.is(201);
    assert_eq!(
        hub.get(reply.header("location")).await.is(200).body,
        content
    );
}

fn async_stream(parts: Vec<io::Result<Vec<u8>>>) -> Body {
    Body::from_stream(futures_util::stream::iter(parts))
}

#[tokio::test]
async fn a_blob_is_mounted_from_another_repository() {
    let hub = Hub::start().await;
    let digest = hub.push_blob("acme/source", b"shared").await;
    let mount = |from: &str| format!("/v2/{REPO}/blobs/uploads/?mount={digest}{from}");
    let reply = hub
        .call("POST", &mount("&from=acme/source"), &[], "")
        .await
        .is(201);
    assert_eq!(reply.header("docker-content-digest"), digest.to_string());
    assert_eq!(
        hub.get(reply.header("location")).await.is(200).body,
        "shared"
    );
    // Without a source, from wherever it is.
    let path = format!("/v2/acme/third/blobs/uploads/?mount={digest}");
    hub.call("POST", &path, &[], "").await.is(201);
    // What cannot be mounted is uploaded instead.
    let reply = hub
        .call("POST", &mount("&from=acme/absent"), &[], "")
        .await
        .is(202);
    assert!(reply.header("location").contains("/blobs/uploads/"));
    let absent = sha256(b"absent");
    let path = format!("/v2/{REPO}/blobs/uploads/?mount={absent}&from=acme/source");
    hub.call("POST", &path, &[], "").await.is(202);
    let path = format!("/v2/{REPO}/blobs/uploads/?mount=sha256:0&from=acme/source");
    assert_eq!(
        hub.call("POST", &path, &[], "").await.is(400).code(),
        "DIGEST_INVALID"
    );
}

#[tokio::test]
async fn a_manifest_is_taken_only_when_what_it_refers_to_is_there() {
    let hub = Hub::start().await;
    let manifest = image(b"wasm");
    let reply = hub.put_manifest(REPO, "latest", &manifest).await.is(400);
    assert_eq!(reply.code(), "MANIFEST_BLOB_UNKNOWN");
    let errors = reply.json()["errors"].as_array().expect("errors").clone();
    assert_eq!(errors.len(), 2, "one for each: {errors:?}");
    assert_eq!(errors[1]["detail"]["digest"], sha256(b"wasm").to_string());
    hub.get(&format!("/v2/{REPO}/manifests/latest"))
        .await
        .is(404);

    // Blobs of another repository are not this one's.
    hub.push_image("acme/other", "latest", b"wasm").await;
    hub.put_manifest(REPO, "latest", &manifest).await.is(400);
    hub.push_image(REPO, "latest", b"wasm").await;

    // Nor is a manifest that was only pushed as a blob one that an index may list.
    let missing = image(b"missing");
    hub.push_blob(REPO, missing.to_string().as_bytes()).await;
    let reply = hub
        .put_manifest(REPO, "pack", &index(&[&manifest, &missing]))
        .await
        .is(400);
    assert_eq!(reply.code(), "MANIFEST_BLOB_UNKNOWN");
    hub.put_manifest(REPO, "pack", &index(&[&manifest]))
        .await
        .is(201);
}

#[tokio::test]
async fn a_manifest_is_kept_as_it_came_and_answers_as_the_specification_says() {
    let hub = Hub::start().await;
    hub.push_image(REPO, "first", b"wasm").await;
    let mut manifest = image(b"wasm");
    manifest["x-more"] = json!({ "kept": [1, 2.5, null] });
    let text = format!(
        "\n{}\n\n",
        serde_json::to_string_pretty(&manifest).expect("text")
    );
    let digest = sha256(text.as_bytes());
    let path = format!("/v2/{REPO}/manifests/spaced");
    let headers = [(
        "content-type",
        "application/vnd.oci.image.manifest.v1+json; charset=utf-8",
    )];
    let reply = hub.call("PUT", &path, &headers, text.clone()).await.is(201);
    assert_eq!(reply.header("docker-content-digest"), digest.to_string());
    let pulled = hub.get(reply.header("location")).await.is(200);
    assert_eq!(pulled.body, text);
    assert_eq!(pulled.header("content-type"), IMAGE, "without parameters");
}

#[tokio::test]
async fn a_manifest_by_digest_must_have_it_and_may_be_given_tags() {
    let hub = Hub::start().await;
    let digest = hub.push_image(REPO, "first", b"wasm").await;
    let manifest = image(b"wasm");
    let other = sha256(b"other");
    for at in [other.to_string(), "sha256:baddigeststring".into()] {
        let reply = hub.put_manifest(REPO, &at, &manifest).await.is(400);
        assert_eq!(reply.code(), "DIGEST_INVALID");
    }
    let tags: Vec<_> = (0..12).map(|i| format!("tag-{i}")).collect();
    let query = tags.join("&tag=");
    let at = format!("{digest}?tag={query}");
    let reply = hub.put_manifest(REPO, &at, &manifest).await.is(201);
    let accepted: Vec<_> = reply.headers.get_all("oci-tag").iter().collect();
    assert_eq!(accepted, tags.iter().collect::<Vec<_>>());
    for tag in tags {
        let reply = hub
            .get(&format!("/v2/{REPO}/manifests/{tag}"))
            .await
            .is(200);
        assert_eq!(reply.header("docker-content-digest"), digest.to_string());
    }
    let many = (0..65)
        .map(|i| format!("tag=t{i}"))
        .collect::<Vec<_>>()
        .join("&");
    hub.put_manifest(REPO, &format!("{digest}?{many}"), &manifest)
        .await
        .is(414);
    hub.put_manifest(REPO, &format!("{digest}?tag=.."), &manifest)
        .await
        .is(400);
    hub.put_manifest(REPO, "first?tag=second", &manifest)
        .await
        .is(400);
}

#[tokio::test]
async fn a_manifest_about_another_says_so_and_may_come_first() {
    let hub = Hub::start().await;
    hub.push_image(REPO, "first", b"wasm").await;
    let mut manifest = image(b"wasm");
    manifest["subject"] = descriptor(IMAGE, b"not here yet");
    let reply = hub.put_manifest(REPO, "about", &manifest).await.is(201);
    assert_eq!(
        reply.header("oci-subject"),
        sha256(b"not here yet").to_string()
    );
    let reply = hub
        .put_manifest(REPO, "plain", &image(b"wasm"))
        .await
        .is(201);
    assert!(!reply.headers.contains_key("oci-subject"));
}

#[tokio::test]
async fn what_is_no_manifest_is_400_and_what_is_too_long_413() {
    let hub = Hub::start().await;
    hub.push_image(REPO, "first", b"wasm").await;
    let path = format!("/v2/{REPO}/manifests/bad");
    let headers = [("content-type", IMAGE)];
    for body in [
        "",
        "{",
        "[]",
        "{}",
        "null",
        "\"text\"",
        "{\"schemaVersion\":2}",
    ] {
        let reply = hub.call("PUT", &path, &headers, body).await.is(400);
        assert_eq!(reply.code(), "MANIFEST_INVALID", "{body}");
    }
    let mut lying = image(b"wasm");
    lying["layers"][0]["size"] = 5.into();
    let reply = hub.put_manifest(REPO, "bad", &lying).await.is(400);
    assert_eq!(reply.code(), "MANIFEST_INVALID");

    let mut manifest = image(b"wasm");
    let room = (4 << 20) - manifest.to_string().len() - ",\"x\":\"\"".len();
    manifest["x"] = "x".repeat(room).into();
    assert_eq!(manifest.to_string().len(), 4 << 20);
    hub.put_manifest(REPO, "large", &manifest).await.is(201);
    manifest["x"] = "x".repeat(room + 1).into();
    assert_eq!(
        hub.put_manifest(REPO, "large", &manifest)
            .await
            .is(413)
            .code(),
        "MANIFEST_INVALID"
    );
    // Nor without a length that is said.
    let stream = async_stream(vec![Ok(vec![b' '; (4 << 20) + 1])]);
    let reply = hub.call("PUT", &path, &headers, stream).await;
    assert_eq!(reply.is(413).code(), "MANIFEST_INVALID");
}

#[tokio::test]
async fn a_tag_is_moved_only_from_where_it_is_expected() {
    let hub = Hub::start().await;
    let first = hub.push_image(REPO, "latest", b"first").await;
    hub.push_blob(REPO, b"second").await;
    let path = format!("/v2/{REPO}/manifests/latest");
    let put = async |header: (&str, &str)| {
        let headers = [("content-type", IMAGE), header];
        hub.call("PUT", &path, &headers, image(b"second").to_string())
            .await
    };
    let expected = format!("\"{first}\"");
    assert_eq!(put(("if-none-match", "*")).await.is(412).code(), "DENIED");
    put(("if-match", "\"sha256:0\"")).await.is(412);
    assert_eq!(
        hub.get(&path).await.header("docker-content-digest"),
        first.to_string()
    );
    put(("if-match", &expected)).await.is(201);
    put(("if-match", &expected)).await.is(412);
}
