//! Other bytes than those that were signed, whichever they are, and other bytes
//! the second time.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::oci::RegistryError;

/// How many mutations: a few, or with `NEBULA_LONG` as many as the promise has.
fn cases() -> u32 {
    if std::env::var_os("NEBULA_LONG").is_some() {
        10_000
    } else {
        300
    }
}

/// Flips a bit, removes or adds a byte, or puts another in its place.
fn alter(bytes: &[u8], place: prop::sample::Index, how: u8, other: u8) -> Option<Vec<u8>> {
    let mut altered = bytes.to_vec();
    let at = place.index(bytes.len());
    match how {
        0 => altered[at] ^= 1 << (other % 8),
        1 => drop(altered.remove(at)),
        2 => altered.insert(at, other),
        _ => altered[at] = other,
    }
    (altered != bytes).then_some(altered)
}

/// What of it a liar alters.
#[derive(Debug, Clone, Copy)]
enum What {
    Manifest,
    Config,
    Layer,
    Bundle,
    /// Its bundle, with all digests that lead to it put right.
    BundleMadeRight,
    /// The manifest, with everything hung on it anew.
    ManifestMadeRight,
    /// The manifest of the bundle.
    BundleManifest,
}

const ALL: [What; 7] = [
    What::Manifest,
    What::Config,
    What::Layer,
    What::Bundle,
    What::BundleMadeRight,
    What::ManifestMadeRight,
    What::BundleManifest,
];

impl World {
    /// The bytes of it, and where they are.
    fn part(&self, what: What) -> (String, &[u8]) {
        let top = &self.artifact.top;
        let manifest: crate::artifact::ImageManifest = serde_json::from_slice(top.bytes()).unwrap();
        let blob = |digest: Digest| {
            let mut blobs = self.artifact.blobs.iter();
            let blob = blobs.find(|blob| blob.digest() == digest).unwrap();
            (format!("{REPOSITORY}/blobs/{digest}"), &blob.bytes()[..])
        };
        match what {
            What::Manifest | What::ManifestMadeRight => {
                (format!("{REPOSITORY}/manifests/1.0.0"), top.bytes())
            }
            What::Config => blob(manifest.config.digest),
            What::Layer => blob(manifest.layers[0].digest),
            What::Bundle | What::BundleMadeRight => {
                let digest = Digest::of(&self.bundle);
                (format!("{REPOSITORY}/blobs/{digest}"), &self.bundle)
            }
            What::BundleManifest => {
                let digest = self.attachment.descriptor.digest;
                let path = format!("{REPOSITORY}/manifests/{digest}");
                (path, &self.attachment.manifest)
            }
        }
    }

    /// Puts altered bytes in place of the right ones.
    fn put(&self, what: What, altered: &[u8]) {
        let (path, _) = self.part(what);
        let kind = match what {
            What::Manifest | What::ManifestMadeRight | What::BundleManifest => MANIFEST,
            _ => "application/octet-stream",
        };
        let top = &self.artifact.top;
        match what {
            What::BundleMadeRight => {
                let (old, new) = (Digest::of(&self.bundle), Digest::of(altered));
                let manifest = String::from_utf8(self.attachment.manifest.clone()).unwrap();
                let size = |bytes: &[u8]| format!("\"size\":{}", bytes.len());
                let manifest = manifest
                    .replace(&old.to_string(), &new.to_string())
                    .replace(&size(&self.bundle), &size(altered))
                    .into_bytes();
                let there = &self.attachment.descriptor;
                let attachment = Attachment {
                    tag: None,
                    descriptor: Descriptor {
                        digest: Digest::of(&manifest),
                        size: manifest.len() as u64,
                        ..there.clone()
                    },
                    manifest,
                    blobs: vec![altered.to_vec()],
                };
                self.attach(&attachment, top.digest());
            }
            What::ManifestMadeRight => {
                self.liar.has(&path, kind, altered.to_vec());
                let subject = Descriptor::of(top.media_type(), altered);
                let attachment = attach::bundle(&subject, &self.bundle).unwrap();
                self.attach(&attachment, subject.digest);
            }
            _ => self.liar.has(&path, kind, altered.to_vec()),
        }
    }
}

#[test]
fn every_altered_byte_that_a_registry_sends_is_refused() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = std::cell::RefCell::new(runtime.block_on(World::new()));
    let mut runner = TestRunner::new(Config {
        cases: cases(),
        failure_persistence: None,
        ..Config::default()
    });
    let strategy = (
        prop::sample::select(&ALL[..]),
        any::<prop::sample::Index>(),
        0..4_u8,
        any::<u8>(),
    );
    let ran = runner.run(&strategy, |(what, place, how, other)| {
        let mut world = world.borrow_mut();
        let (_, right) = world.part(what);
        let Some(altered) = alter(right, place, how, other) else {
            return Ok(());
        };
        world.put(what, &altered);
        runtime.block_on(world.refused());
        world.publish();
        world.forget();
        Ok(())
    });
    ran.unwrap();
    let mut world = world.into_inner();
    world.forget();
    runtime.block_on(world.take()).unwrap();
}

#[tokio::test]
async fn other_bytes_the_second_time_are_noticed() {
    let mut world = World::new().await;
    // The manifest, once it was shown to a person.
    let name = World::name();
    let version = Version::new(1, 0, 0);
    let shown = world.hub.find(&name, &version, None).await.unwrap();
    let other = String::from_utf8(world.artifact.top.bytes().to_vec()).unwrap();
    let other = other.replace("Weather everywhere", "Weather elsewhere");
    let (path, _) = world.part(What::Manifest);
    world.liar.has(&path, MANIFEST, other.clone());
    let expected = Some(shown.manifest.digest);
    let again = world.hub.find(&name, &version, expected).await;
    let moved = again.unwrap_err();
    assert!(matches!(moved, FetchError::Moved(_)), "{moved}");
    // The same by its digest.
    world.liar.has(&path, MANIFEST, Bytes::new());
    let digest = shown.manifest.digest;
    let path = format!("{REPOSITORY}/manifests/{digest}");
    world.liar.has(&path, MANIFEST, other);
    let pinned = world.hub.remotes[0].pinned(&name, digest).await;
    let altered = pinned.unwrap_err();
    assert!(
        matches!(altered, RegistryError::Altered { .. }),
        "{altered}"
    );

    // A blob, half of it from another one after the connection broke.
    world.publish();
    world.forget();
    let (path, right) = world.part(What::Layer);
    let (half, size) = (right.len() / 2, right.len() as u64);
    let first = Bytes::copy_from_slice(&right[..half]);
    let mut rest = right[half..].to_vec();
    rest.reverse();
    let rest = Bytes::from(rest);
    let layer = path.clone();
    world.liar.twist(move |asked, before| {
        if asked.path != layer {
            return None;
        }
        Some(match before {
            0 => Act::Breaks(size, first.clone()),
            _ => Act::Answer(206, String::new(), rest.clone()),
        })
    });
    let not = world.refused().await;
    assert!(
        not.to_string().contains("sends other bytes") || not.to_string().contains("digest"),
        "{not}"
    );
    let ranges: Vec<_> = world
        .liar
        .asked()
        .into_iter()
        .filter(|asked| asked.path == path)
        .map(|asked| asked.range)
        .collect();
    assert_eq!(ranges, [None, Some(format!("bytes={half}-"))]);

    // And the right rest: what came before is kept.
    world.forget();
    let first = Bytes::copy_from_slice(&world.part(What::Layer).1[..half]);
    let rest = Bytes::copy_from_slice(&world.part(What::Layer).1[half..]);
    world.liar.twist(move |asked, before| {
        let broken = Act::Breaks(size, first.clone());
        let rest = Act::Answer(206, String::new(), rest.clone());
        let act = if before == 0 { broken } else { rest };
        (asked.path == path).then_some(act)
    });
    world.take().await.unwrap();
}
