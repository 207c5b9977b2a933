//! What nothing refers to goes, and nothing else.

use super::super::Swept;
use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn files(hub: &Hub) -> usize {
    let folder = hub.folder.path().join("blobs/sha256");
    std::fs::read_dir(folder).expect("a folder").count()
}

#[tokio::test]
async fn only_what_nothing_refers_to_and_nobody_needs_goes() {
    let hub = Hub::start().await;
    let tagged = hub.push_image(REPO, "latest", b"kept").await;
    // A manifest without a tag may be named by a lock file.
    let untagged = image(b"untagged");
    hub.push_blob(REPO, b"untagged").await;
    let untagged_digest = sha256(untagged.to_string().as_bytes());
    hub.put_manifest(REPO, &untagged_digest.to_string(), &untagged)
        .await
        .is(201);
    let orphan = hub.push_blob(REPO, b"orphan").await;
    let shared = hub.push_blob("acme/other", b"kept").await;
    let upload = hub.begin(REPO).await;
    hub.call("PATCH", &upload, &[], "half").await.is(202);
    assert_eq!(hub.registry.sweep().await.expect("swept"), Swept::default());

    hub.clock.forward(DAY - Duration::from_secs(60));
    let recent = hub.push_blob(REPO, b"recent").await;
    assert_eq!(hub.registry.sweep().await.expect("swept"), Swept::default());
    hub.clock.forward(Duration::from_secs(120));
    let swept = hub.registry.sweep().await.expect("swept");
    // The other repository's blob goes, its content is needed here.
    let expected = Swept {
        blobs: 2,
        files: 1,
        bytes: 6,
        uploads: 1,
    };
    assert_eq!(swept, expected);

    for path in [
        format!("/v2/{REPO}/manifests/{tagged}"),
        format!("/v2/{REPO}/manifests/{untagged_digest}"),
        format!("/v2/{REPO}/blobs/{}", sha256(b"kept")),
        format!("/v2/{REPO}/blobs/{}", sha256(b"untagged")),
        format!("/v2/{REPO}/blobs/{recent}"),
    ] {
        hub.get(&path).await.is(200);
    }
    for path in [
        format!("/v2/{REPO}/blobs/{orphan}"),
        format!("/v2/acme/other/blobs/{shared}"),
        upload,
    ] {
        hub.get(&path).await.is(404);
    }
}

#[tokio::test]
async fn a_blob_that_is_asked_for_is_about_to_be_referred_to() {
    let hub = Hub::start().await;
    let digest = hub.push_blob(REPO, b"content").await;
    hub.push_blob(REPO, b"{}").await;
    hub.clock.forward(2 * DAY);
    for content in [b"content".as_slice(), b"{}"] {
        let path = format!("/v2/{REPO}/blobs/{}", sha256(content));
        hub.call("HEAD", &path, &[], "").await.is(200);
    }
    assert_eq!(hub.registry.sweep().await.expect("swept"), Swept::default());
    hub.put_manifest(REPO, "latest", &image(b"content"))
        .await
        .is(201);
    hub.clock.forward(2 * DAY);
    assert_eq!(hub.registry.sweep().await.expect("swept"), Swept::default());
    hub.get(&format!("/v2/{REPO}/blobs/{digest}")).await.is(200);
}

#[tokio::test]
async fn deleted_content_is_swept() {
    let hub = Hub::start().await;
    let digest = hub.push_image(REPO, "latest", b"wasm").await;
    assert_eq!(files(&hub), 3);
    let path = format!("/v2/{REPO}/manifests/{digest}");
    hub.call("DELETE", &path, &[], "").await.is(202);
    hub.clock.forward(2 * DAY);
    let swept = hub.registry.sweep().await.expect("swept");
    assert_eq!((swept.blobs, swept.files), (2, 3));
    assert_eq!(files(&hub), 0);
}

#[tokio::test]
async fn a_repository_with_a_damaged_file_loses_nothing() {
    let hub = Hub::start().await;
    let digest = hub.push_image(REPO, "latest", b"wasm").await;
    hub.push_blob(REPO, b"orphan").await;
    let entries = hub
        .folder
        .path()
        .join("repositories")
        .join(REPO)
        .join("_manifests");
    let entry = entries.join(digest.file_name());
    let good = std::fs::read(&entry).expect("there");
    std::fs::write(&entry, "damaged").expect("written");
    hub.clock.forward(2 * DAY);
    assert_eq!(hub.registry.sweep().await.expect("swept"), Swept::default());
    hub.get(&format!("/v2/{REPO}/manifests/latest"))
        .await
        .is(500);
    std::fs::write(&entry, good).expect("written");
    hub.get(&format!("/v2/{REPO}/manifests/latest"))
        .await
        .is(200);
}

/// Sweeps run all the time, and what nothing refers to is kept for a moment only,
/// beside pushes and deletions that share content.
#[tokio::test(flavor = "multi_thread")]
async fn sweeps_beside_pushes_never_take_what_is_referred_to() {
    let hub = Arc::new(Hub::with(|config| config.idle = Duration::from_millis(30)).await);
    let over = Arc::new(AtomicU64::new(0));
    let sweeping = tokio::spawn({
        let (registry, over) = (hub.registry.clone(), Arc::clone(&over));
        async move {
            while over.load(Ordering::SeqCst) == 0 {
                registry.sweep().await.expect("swept");
            }
        }
    });
    let rounds = if std::env::var_os("NEBULA_LONG").is_some() {
        300
    } else {
        30
    };
    let mut pushed = 0;
    for round in 0..rounds {
        let name = format!("acme/r{}", round % 3);
        let content = format!("content {}", round % 5);
        let manifest = image(content.as_bytes());
        // With a moment to refer to a blob, a push may find it gone; it says so,
        // and the next try pushes it again.
        hub.push_blob(&name, b"{}").await;
        hub.push_blob(&name, content.as_bytes()).await;
        let reply = hub.put_manifest(&name, "latest", &manifest).await;
        if reply.status == 201 {
            pushed += 1;
            for path in [
                format!("/v2/{name}/manifests/latest"),
                format!("/v2/{name}/blobs/{}", sha256(content.as_bytes())),
                format!("/v2/{name}/blobs/{}", sha256(b"{}")),
            ] {
                hub.get(&path).await.is(200);
            }
            if round % 2 == 0 {
                let digest = sha256(manifest.to_string().as_bytes());
                let path = format!("/v2/{name}/manifests/{digest}");
                hub.call("DELETE", &path, &[], "").await.is(202);
                tokio::time::sleep(Duration::from_millis(35)).await;
            }
        } else {
            assert_eq!(reply.code(), "MANIFEST_BLOB_UNKNOWN");
        }
    }
    over.store(1, Ordering::SeqCst);
    sweeping.await.expect("no panic");
    assert!(pushed > 0, "some push ended");
}
