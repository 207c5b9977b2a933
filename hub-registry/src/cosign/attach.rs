//! The OCI manifests in which signatures hang on an artifact: a tag that is made
//! from its digest (cosign 2), or a referrer of it (OCI 1.1, cosign 3) that a
//! registry without the referrers API lists under another such tag. Here they
//! are only bytes, made and read.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use nebula_flow::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{CosignError, SimpleSignature};
use crate::artifact::Descriptor;
use crate::envelope::bundle::{BUNDLE, Bundle, EnvelopeError};
use crate::envelope::in_toto::predicate_type;

/// The media type of a manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of a simple-signing payload.
pub const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The media type of the configuration beside such payloads.
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The media type of a configuration that is `{}`.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// The annotation that has a signature over a payload.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// The annotation that says what a bundle has.
const CONTENT: &str = "dev.sigstore.bundle.content";
/// The annotation that says what a bundle's document is.
const PREDICATE: &str = "dev.sigstore.bundle.predicateType";

/// The most signatures of one kind that are looked at, and listed.
pub const MAX_SIGNATURES: usize = 64;

/// A manifest with signatures, and all that must be pushed before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The tag under which it is pushed; without one, by its digest.
    pub tag: Option<String>,
    /// The manifest.
    pub manifest: Vec<u8>,
    /// What stands for it in the index of what refers to its subject.
    pub descriptor: Descriptor,
    /// The blobs that it names.
    pub blobs: Vec<Vec<u8>>,
}

/// One signature in a manifest under cosign's tag: its payload's descriptor, and
/// the signature over that payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimpleLayer {
    /// Of the payload's blob.
    pub payload: Descriptor,
    /// The signature, not checked yet.
    pub signature: Vec<u8>,
}

impl From<&SimpleSignature> for SimpleLayer {
    fn from(simple: &SimpleSignature) -> Self {
        let mut payload = Descriptor::of(SIMPLE, &simple.payload);
        let signature = BASE64.encode(&simple.signature);
        payload.annotations.insert(SIGNATURE.to_owned(), signature);
        Self {
            payload,
            signature: simple.signature.clone(),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index<E> {
    schema_version: u32,
    media_type: String,
    manifests: Vec<E>,
}

/// The tag under which cosign looks for simple signatures of a manifest.
#[must_use]
pub fn simple_tag(subject: Digest) -> String {
    format!("sha256-{}.sig", subject.hex())
}

/// The tag under which the referrers of a manifest are listed where a registry
/// has no API for it (OCI distribution 1.1, "Referrers Tag Schema").
#[must_use]
pub fn referrers_tag(subject: Digest) -> String {
    format!("sha256-{}", subject.hex())
}

/// The manifest under cosign's tag, with one more signature. `others` are those
/// that are there already, as [`read_simple`] gives them: the manifest takes the
/// place of theirs.
#[must_use]
pub fn simple(subject: Digest, others: &[SimpleLayer], one: &SimpleSignature) -> Attachment {
    let new = SimpleLayer::from(one);
    let mut layers: Vec<_> = others.iter().map(|layer| layer.payload.clone()).collect();
    if !layers.contains(&new.payload) {
        layers.push(new.payload);
    }
    let digests: Vec<_> = layers.iter().map(|layer| layer.digest).collect();
    let zero = "0001-01-01T00:00:00Z";
    let config = bytes(&json!({
        "architecture": "",
        "created": zero,
        "history": vec![json!({ "created": zero }); layers.len()],
        "os": "",
        "rootfs": { "type": "layers", "diff_ids": digests },
        "config": {},
    }));
    let manifest = bytes(&Manifest {
        schema_version: 2,
        media_type: MANIFEST.to_owned(),
        artifact_type: None,
        config: Descriptor::of(CONFIG, &config),
        layers,
        subject: None,
        annotations: BTreeMap::new(),
    });
    Attachment {
        tag: Some(simple_tag(subject)),
        descriptor: Descriptor::of(MANIFEST, &manifest),
        manifest,
        blobs: vec![config, one.payload.clone()],
    }
}

/// The signatures in a manifest under cosign's tag. Other layers are left out.
///
/// # Errors
/// When it is not a manifest, or has more signatures than are looked at.
pub fn read_simple(manifest: &[u8]) -> Result<Vec<SimpleLayer>, CosignError> {
    let manifest = read(manifest)?;
    let mut layers = Vec::new();
    for payload in manifest.layers {
        if payload.media_type != SIMPLE {
            continue;
        }
        if layers.len() == MAX_SIGNATURES {
            return Err(too_many());
        }
        let signature = payload.annotations.get(SIGNATURE);
        let signature = signature.and_then(|text| BASE64.decode(text.as_bytes()).ok());
        // One without its signature says nothing.
        if let Some(signature) = signature {
            layers.push(SimpleLayer { payload, signature });
        }
    }
    Ok(layers)
}

/// The manifest of a bundle that refers to its subject.
///
/// # Errors
/// When the bytes are not a bundle.
pub fn bundle(subject: &Descriptor, bundle: &[u8]) -> Result<Attachment, EnvelopeError> {
    let parsed = Bundle::parse(bundle)?;
    let mut annotations = BTreeMap::new();
    annotations.insert(CONTENT.to_owned(), "dsse-envelope".to_owned());
    if let Some(kind) = predicate_type(parsed.payload_type(), parsed.unverified()) {
        annotations.insert(PREDICATE.to_owned(), kind);
    }
    let config = b"{}".to_vec();
    let manifest = bytes(&Manifest {
        schema_version: 2,
        media_type: MANIFEST.to_owned(),
        artifact_type: Some(BUNDLE.to_owned()),
        config: Descriptor::of(EMPTY, &config),
        layers: vec![Descriptor::of(BUNDLE, bundle)],
        subject: Some(Descriptor {
            artifact_type: None,
            annotations: BTreeMap::new(),
            ..subject.clone()
        }),
        annotations: annotations.clone(),
    });
    Ok(Attachment {
        tag: None,
        descriptor: Descriptor {
            artifact_type: Some(BUNDLE.to_owned()),
            annotations,
            ..Descriptor::of(MANIFEST, &manifest)
        },
        manifest,
        blobs: vec![config, bundle.to_vec()],
    })
}

/// The blob with the bundle, if the manifest is that of a bundle which refers to
/// this subject.
///
/// # Errors
/// When it is not a manifest.
pub fn read_bundle(manifest: &[u8], subject: Digest) -> Result<Option<Descriptor>, CosignError> {
    let manifest = read(manifest)?;
    let of_it = manifest.subject.is_some_and(|s| s.digest == subject);
    Ok(match <[Descriptor; 1]>::try_from(manifest.layers) {
        Ok([layer]) if of_it && layer.media_type == BUNDLE => Some(layer),
        _ => None,
    })
}

/// The manifests that an index of referrers lists. Which of them are bundles
/// shows only in the manifests themselves: registries and tools differ in what
/// type they give here.
///
/// # Errors
/// When it is not an index, or lists more than is looked at.
pub fn read_referrers(index: &[u8]) -> Result<Vec<Descriptor>, CosignError> {
    let index: Index<Descriptor> =
        serde_json::from_slice(index).map_err(|error| CosignError::Manifest(error.to_string()))?;
    let mut manifests = index.manifests;
    manifests.retain(|entry| entry.media_type == MANIFEST);
    if manifests.len() > MAX_SIGNATURES {
        return Err(too_many());
    }
    Ok(manifests)
}

/// The index of referrers with one more, for a registry that does not keep it;
/// `existing` is the one that is there.
///
/// # Errors
/// When what is there is not an index, or is full.
pub fn add_referrer(
    existing: Option<&[u8]>,
    attachment: &Attachment,
) -> Result<Vec<u8>, CosignError> {
    // What is there stays as it is, also what is not understood here.
    let mut index: Index<Value> = match existing {
        Some(existing) => serde_json::from_slice(existing)
            .map_err(|error| CosignError::Manifest(error.to_string()))?,
        None => Index {
            schema_version: 2,
            media_type: INDEX.to_owned(),
            manifests: Vec::new(),
        },
    };
    let digest = json!(attachment.descriptor.digest);
    let there = |entry: &Value| entry.get("digest") == Some(&digest);
    if !index.manifests.iter().any(there) {
        if index.manifests.len() >= MAX_SIGNATURES {
            return Err(too_many());
        }
        index.manifests.push(json!(attachment.descriptor));
    }
    Ok(bytes(&index))
}

fn too_many() -> CosignError {
    CosignError::Manifest(format!(
        "more than {MAX_SIGNATURES} hang on the artifact, as many as are looked at"
    ))
}

fn read(manifest: &[u8]) -> Result<Manifest, CosignError> {
    serde_json::from_slice(manifest).map_err(|error| CosignError::Manifest(error.to_string()))
}

/// Strings, numbers and lists in structures always have a form in JSON.
fn bytes(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
