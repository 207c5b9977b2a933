//! The cache as several processes use it, and as disks spoil it.

use std::thread;

use super::*;
use crate::artifact::ImageManifest;
use crate::artifact::manifest::IMAGE_MANIFEST;
use crate::oci::Sink as _;

fn cache() -> (tempfile::TempDir, Cache) {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path().join("hub")).unwrap();
    (folder, cache)
}

/// Keeps a manifest of one layer and names it.
fn named(cache: &Cache, layer: &[u8]) -> (Digest, Digest) {
    let layer_digest = cache.put(layer).unwrap();
    let config = cache.put(b"{}").unwrap();
    assert!(cache.has(config));
    let manifest = ImageManifest::new(
        Descriptor::of("application/json", b"{}"),
        vec![Descriptor::of("application/wasm", layer)],
    );
    let bytes = serde_json::to_vec(&manifest).unwrap();
    let digest = cache.put(&bytes).unwrap();
    cache
        .change(|all| all.push(Descriptor::of(IMAGE_MANIFEST, &bytes)))
        .unwrap();
    (digest, layer_digest)
}

#[test]
fn it_is_a_layout_and_what_it_gives_is_what_its_name_says() {
    let (_folder, cache) = cache();
    let layout = fs::read_to_string(cache.folder().join("oci-layout")).unwrap();
    assert_eq!(layout, r#"{"imageLayoutVersion":"1.0.0"}"#);
    let digest = cache.put(b"bytes").unwrap();
    let blob = cache.folder().join("blobs/sha256").join(digest.hex());
    assert_eq!(fs::read(&blob).unwrap(), b"bytes");
    assert_eq!(cache.blob(digest, 5).unwrap().unwrap(), "bytes");
    assert_eq!(cache.blob(Digest::of(b"other"), 5).unwrap(), None);

    fs::write(&blob, b"bites").unwrap();
    assert_eq!(cache.blob(digest, 5).unwrap(), None, "not what it was");
    assert!(!cache.has(digest), "and it is taken out");
}

#[test]
fn a_blob_has_no_name_until_it_is_whole_and_right() {
    let (_folder, cache) = cache();
    let digest = Digest::of(b"whole");
    let left = || fs::read_dir(cache.folder().join("fresh")).unwrap().count();
    for (bytes, size) in [
        (&b"who"[..], 5),
        (b"whola", 5),
        (b"wholes", 5),
        (b"whole", 6),
    ] {
        let mut sink = cache.sink().unwrap();
        sink.write(bytes).unwrap();
        assert!(!cache.has(digest));
        let error = sink.keep(digest, size).unwrap_err();
        assert!(matches!(error, CacheError::Altered { .. }), "{error}");
        assert!(!cache.has(digest));
    }
    let mut sink = cache.sink().unwrap();
    sink.write(b"wrong").unwrap();
    sink.restart().unwrap();
    sink.write(b"who").unwrap();
    sink.write(b"le").unwrap();
    sink.keep(digest, 5).unwrap();
    assert_eq!(cache.blob(digest, 5).unwrap().unwrap(), "whole");
    drop(cache.sink().unwrap());
    assert_eq!(left(), 0);
}

#[test]
fn the_collector_takes_what_nothing_names_and_nothing_else() {
    let (_folder, cache) = cache();
    let (manifest, layer) = named(&cache, b"layer");
    let stray = cache.put(b"stray").unwrap();
    let collected = cache.collect().unwrap();
    assert_eq!(
        (collected.removed, collected.bytes, collected.kept),
        (1, 5, 3)
    );
    assert!(cache.has(manifest) && cache.has(layer) && !cache.has(stray));
    cache.change(Vec::clear).unwrap();
    assert_eq!(cache.collect().unwrap().removed, 3);
}

#[test]
fn the_collector_waits_for_whoever_writes() {
    let (_folder, cache) = cache();
    let using = cache.using().unwrap();
    let digest = cache.put(b"written").unwrap();
    let collector = {
        let cache = cache.clone();
        thread::spawn(move || cache.collect().unwrap())
    };
    thread::sleep(std::time::Duration::from_millis(100));
    assert!(!collector.is_finished() && cache.has(digest));
    drop(using);
    assert_eq!(collector.join().unwrap().removed, 1);
}

#[test]
fn an_inspection_names_what_is_damaged_and_what_is_missing() {
    let (_folder, cache) = cache();
    let (manifest, layer) = named(&cache, b"layer");
    assert_eq!(cache.inspect().unwrap().sound, 3);
    let blob = |digest: Digest| cache.folder().join("blobs/sha256").join(digest.hex());
    fs::write(blob(layer), b"loyer").unwrap();
    let inspected = cache.inspect().unwrap();
    assert_eq!(
        (&inspected.damaged, &inspected.missing),
        (&vec![layer], &vec![layer])
    );
    assert!(cache.has(manifest));
}

#[test]
fn many_writers_lose_nothing_that_another_wrote() {
    let (_folder, cache) = cache();
    let writers: Vec<_> = (0..8)
        .map(|writer: u8| {
            let folder = cache.folder().to_owned();
            thread::spawn(move || {
                // Each as a process of its own has it.
                let cache = Cache::open(folder).unwrap();
                for round in 0..5_u8 {
                    let _using = cache.using().unwrap();
                    named(&cache, &[writer, round]);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    assert_eq!(cache.index().unwrap().len(), 40);
    assert_eq!(cache.collect().unwrap().removed, 0);
    assert!(cache.inspect().unwrap().missing.is_empty());
}

#[test]
fn a_folder_that_is_something_else_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("oci-layout"), "something").unwrap();
    let error = Cache::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("not a cache"), "{error}");
    fs::write(folder.path().join("file"), "").unwrap();
    assert!(Cache::open(folder.path().join("file")).is_err());
}
