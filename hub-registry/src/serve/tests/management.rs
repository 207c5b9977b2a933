//! "Content Management" of the specification: tags, manifests and blobs deleted.

use super::*;

#[tokio::test]
async fn a_tag_is_deleted_and_its_manifest_stays() {
    let hub = Hub::start().await;
    let digest = hub.push_image(REPO, "one", b"wasm").await;
    hub.push_image(REPO, "two", b"wasm").await;
    let path = |at: &str| format!("/v2/{REPO}/manifests/{at}");
    hub.call("DELETE", &path("one"), &[], "").await.is(202);
    assert_eq!(
        hub.get(&path("one")).await.is(404).code(),
        "MANIFEST_UNKNOWN"
    );
    hub.get(&path("two")).await.is(200);
    hub.get(&path(&digest.to_string())).await.is(200);
    hub.call("DELETE", &path("one"), &[], "").await.is(404);
}

#[tokio::test]
async fn a_manifest_is_deleted_with_every_tag_that_points_to_it() {
    let hub = Hub::start().await;
    let digest = hub.push_image(REPO, "one", b"wasm").await;
    hub.push_image(REPO, "two", b"wasm").await;
    hub.push_image(REPO, "other", b"other").await;
    let path = |at: &str| format!("/v2/{REPO}/manifests/{at}");
    hub.call("DELETE", &path(&digest.to_string()), &[], "")
        .await
        .is(202);
    for at in ["one", "two", &digest.to_string()] {
        hub.get(&path(at)).await.is(404);
    }
    hub.get(&path("other")).await.is(200);
    hub.call("DELETE", &path(&digest.to_string()), &[], "")
        .await
        .is(404);
    let elsewhere = format!("/v2/acme/absent/manifests/{digest}");
    hub.call("DELETE", &elsewhere, &[], "").await.is(404);
}

#[tokio::test]
async fn a_blob_is_deleted_from_one_repository() {
    let hub = Hub::start().await;
    let digest = hub.push_blob(REPO, b"content").await;
    hub.push_blob("acme/other", b"content").await;
    let path = format!("/v2/{REPO}/blobs/{digest}");
    hub.call("DELETE", &path, &[], "").await.is(202);
    assert_eq!(hub.get(&path).await.is(404).code(), "BLOB_UNKNOWN");
    hub.call("DELETE", &path, &[], "").await.is(404);
    hub.get(&format!("/v2/acme/other/blobs/{digest}"))
        .await
        .is(200);
    // It can be pushed again.
    hub.push_blob(REPO, b"content").await;
    hub.get(&path).await.is(200);
}

#[tokio::test]
async fn what_a_manifest_needs_is_not_deleted_before_it() {
    let hub = Hub::start().await;
    let digest = hub.push_image(REPO, "latest", b"wasm").await;
    let list = index(&[&image(b"wasm")]);
    hub.put_manifest(REPO, "pack", &list).await.is(201);
    let blob = format!("/v2/{REPO}/blobs/{}", sha256(b"wasm"));
    let child = format!("/v2/{REPO}/manifests/{digest}");
    let parent = format!(
        "/v2/{REPO}/manifests/{}",
        sha256(list.to_string().as_bytes())
    );
    for path in [&blob, &child] {
        let reply = hub.call("DELETE", path, &[], "").await.is(405);
        assert_eq!(reply.header("allow"), "GET, HEAD");
        assert_eq!(reply.code(), "UNSUPPORTED");
        hub.get(path).await.is(200);
    }
    for path in [&parent, &child, &blob] {
        hub.call("DELETE", path, &[], "").await.is(202);
    }
}
