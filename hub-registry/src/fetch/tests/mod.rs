//! Registries that mean harm: what they send is refused, cut off or not waited
//! for, and nothing of it is kept.
//!
//! - `liar`: such a registry.
//! - `altered`: other bytes, also the second time.
//! - `silent`: bytes without an end, and none.
//! - `sent_on`: tokens and redirects.

mod altered;
mod liar;
mod sent_on;
mod silent;

use std::time::Duration;

use nebula_flow::{ActionMetadata, Component, Timestamp};
use oci_distribution::secrets::RegistryAuth;

use super::*;
use crate::HubError;
use crate::artifact::{Artifact, Part, build};
use crate::cosign::attach::{self, Attachment};
use crate::key::{Algorithm, SigningKey};
use crate::oci::Patience;
use crate::statement::{StatedComponent, Statement};
use crate::trust::{Policy, TrustedKey};
use crate::verify::{Evidence, Refusal, Request, verify};
use liar::{Act, Asked, Liar};

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const REPOSITORY: &str = "/v2/acme/weather";
/// That of a test.
const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(5),
    silence: Duration::from_millis(400),
    slowest: 16 << 10,
    tries: 3,
    pause: Duration::from_millis(5),
};

/// A registry with one package, which its author signed, and a hub that asks it.
struct World {
    liar: Liar,
    hub: Hub,
    artifact: Artifact,
    bundle: Vec<u8>,
    attachment: Attachment,
    policy: Policy,
    _folder: tempfile::TempDir,
}

/// Why it was not taken.
#[derive(Debug, thiserror::Error)]
enum Not {
    #[error(transparent)]
    Fetched(#[from] FetchError),
    #[error(transparent)]
    Verified(#[from] Refusal),
    #[error(transparent)]
    Sound(#[from] HubError),
}

impl World {
    async fn new() -> Self {
        Self::asked_by(RegistryAuth::Anonymous).await
    }

    async fn asked_by(auth: RegistryAuth) -> Self {
        let liar = Liar::start().await;
        let registry = liar.address.parse().unwrap();
        let remote = Remote::with(registry, auth, PATIENCE).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().join("cache")).unwrap();
        let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        let (artifact, bundle) = signed(&key);
        let subject = Descriptor::of(artifact.top.media_type(), artifact.top.bytes());
        let attachment = attach::bundle(&subject, &bundle).unwrap();
        let mut policy = Policy::default();
        let trusted = TrustedKey::new(key.public().clone(), "acme".parse().unwrap());
        policy.keys.insert("acme".to_owned(), trusted);
        let world = Self {
            liar,
            hub: Hub::new(cache, vec![remote]),
            artifact,
            bundle,
            attachment,
            policy,
            _folder: folder,
        };
        world.publish();
        world
    }

    /// Puts everything where clients look for it.
    fn publish(&self) {
        let has = |path: String, kind: &str, bytes: &[u8]| {
            let path = format!("{REPOSITORY}/{path}");
            self.liar.has(&path, kind, bytes.to_vec());
        };
        let tags = br#"{"name":"acme/weather","tags":["1.0.0"]}"#;
        has("tags/list?n=1000".into(), "application/json", tags);
        let top = &self.artifact.top;
        has("manifests/1.0.0".into(), top.media_type(), top.bytes());
        for blob in &self.artifact.blobs {
            let path = format!("blobs/{}", blob.digest());
            has(path, "application/octet-stream", blob.bytes());
        }
        self.attach(&self.attachment, top.digest());
    }

    /// Hangs something on a manifest.
    fn attach(&self, attachment: &Attachment, subject: Digest) {
        let has = |path: String, kind: &str, bytes: &[u8]| {
            let path = format!("{REPOSITORY}/{path}");
            self.liar.has(&path, kind, bytes.to_vec());
        };
        let listed = crate::artifact::ImageIndex::new(vec![attachment.descriptor.clone()]);
        let listed = serde_json::to_vec(&listed).unwrap();
        has(format!("referrers/{subject}"), INDEX, &listed);
        let digest = attachment.descriptor.digest;
        has(
            format!("manifests/{digest}"),
            MANIFEST,
            &attachment.manifest,
        );
        // Nobody asks for its config, which is empty.
        for blob in attachment.blobs.iter().filter(|blob| *blob != b"{}") {
            let path = format!("blobs/{}", Digest::of(blob));
            has(path, "application/octet-stream", blob);
        }
    }

    fn name() -> PackageName {
        "acme/weather".parse().unwrap()
    }

    /// Fetches and checks all of it, as an install does before it compiles.
    async fn take(&self) -> Result<(), Not> {
        let name = Self::name();
        let versions = self.hub.versions(&name).await?;
        let version = versions.first().unwrap();
        let found = self.hub.find(&name, version, None).await?;
        let attached = self.hub.attached(&found).await?;
        let components = found.components();
        let request = Request {
            name: &name,
            version,
            manifest: found.manifest.digest,
            components: &components,
            installed: None,
            allow_older: false,
            allow_unsigned: false,
            loopback: true,
            now: NOW,
        };
        let evidence = Evidence {
            manifest: &found.manifest.bytes,
            bundles: &attached.bundles,
            simple: &attached.simple,
        };
        let accepted = verify(&request, &evidence, &self.policy).accepted()?;
        for layer in &found.layers {
            let bytes = self.hub.component(&name, &layer.component).await?;
            accepted.component(bytes)?;
        }
        self.hub.keep(&found, &attached).map_err(FetchError::from)?;
        Ok(())
    }

    /// Why it is not taken; nothing of it is kept.
    async fn refused(&self) -> Not {
        let not = self.take().await.expect_err("it is taken");
        let cache = &self.hub.cache;
        assert!(cache.index().unwrap().is_empty(), "{not}");
        let inspected = cache.inspect().unwrap();
        assert!(inspected.damaged.is_empty(), "{not}");
        not
    }

    /// The same registry, asked by somebody who has pulled nothing yet.
    fn forget(&mut self) {
        let folder = tempfile::tempdir().unwrap();
        self.hub.cache = Cache::open(folder.path().join("cache")).unwrap();
        self._folder = folder;
    }
}

fn signed(key: &SigningKey) -> (Artifact, Vec<u8>) {
    let bytes = crate::tests::component("(core module (memory 1))");
    let part = Part {
        name: "main".into(),
        bytes: bytes.into(),
    };
    let mut document = PackageDocument::new(World::name(), Version::new(1, 0, 0), vec![]);
    document.description = "Weather everywhere".into();
    let artifact = build(document, std::slice::from_ref(&part)).unwrap();
    let action = ActionMetadata {
        id: "acme.run".parse().unwrap(),
        name: "Run".into(),
        version: Version::new(1, 0, 0),
        description: String::new(),
        category: String::new(),
        input_schema: true.into(),
        output_schema: true.into(),
        credentials: vec![],
        hosts: vec![],
    };
    let statement = Statement {
        name: World::name(),
        version: Version::new(1, 0, 0),
        manifest: artifact.top.digest(),
        components: [StatedComponent::of(&Component::new(part.bytes), &[action]).unwrap()].into(),
        publisher: key.public().clone(),
        time: NOW,
        serial: 1,
    };
    let bundle = statement.sign(key).unwrap();
    (artifact, bundle)
}

#[tokio::test]
async fn a_registry_that_says_the_truth_is_believed() {
    let world = World::new().await;
    world.take().await.unwrap();
    assert_eq!(world.hub.cache.index().unwrap().len(), 2);
}
