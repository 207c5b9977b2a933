//! Where a registry has its index: an artifact of its own, under a tag that moves.

use bytes::Bytes;
use nebula_flow::Digest;

use super::{INDEX, MAX_INDEX};
use crate::artifact::manifest::{EMPTY, IMAGE_MANIFEST};
use crate::artifact::{Descriptor, ImageManifest};
use crate::oci::{RegistryError, Remote};
use crate::package::PackageName;

/// In the namespace that is nobody's but Nebula's own.
const NAMESPACE: &str = "nebula";
const NAME: &str = "index";
const TAG: &str = "latest";
/// Base64 of an index, and the envelope around it.
const MAX_BUNDLE: u64 = 2 * MAX_INDEX as u64;

/// The signed index of a registry, if it has one. Nothing of it is checked yet.
///
/// # Errors
/// When the registry does not answer, or has something else there.
pub async fn pull(remote: &Remote) -> Result<Option<Bytes>, RegistryError> {
    let name = name(remote)?;
    let Some(manifest) = remote.tag(&name, TAG).await? else {
        return Ok(None);
    };
    let parsed: Option<ImageManifest> = serde_json::from_slice(&manifest.bytes).ok();
    let parsed = parsed.filter(|manifest| manifest.kind() == INDEX);
    let layer = parsed.as_ref().and_then(|manifest| manifest.layers.first());
    let Some(layer) = layer else {
        return Err(nonsense(remote, "what it has as its index is none"));
    };
    remote.small(&name, layer, MAX_BUNDLE).await.map(Some)
}

/// Puts a signed index in place of the one before.
///
/// # Errors
/// When the registry refuses, has no space or goes away.
pub async fn push(remote: &Remote, signed: Vec<u8>) -> Result<(), RegistryError> {
    let name = name(remote)?;
    let (signed, config) = (Bytes::from(signed), Bytes::from_static(b"{}"));
    let layer = Descriptor::of(INDEX, &signed);
    let mut manifest = ImageManifest::new(Descriptor::of(EMPTY, &config), vec![layer]);
    manifest.artifact_type = Some(INDEX.to_owned());
    let bytes = serde_json::to_vec(&manifest)
        .map_err(|error| nonsense(remote, &format!("its index cannot be written: {error}")))?;
    for blob in [&signed, &config] {
        remote.push_blob(&name, Digest::of(blob), blob).await?;
    }
    let bytes = Bytes::from(bytes);
    remote
        .push_manifest(&name, Some(TAG), IMAGE_MANIFEST, &bytes)
        .await
}

fn name(remote: &Remote) -> Result<PackageName, RegistryError> {
    PackageName::new(NAMESPACE, NAME).map_err(|error| nonsense(remote, &error.to_string()))
}

fn nonsense(remote: &Remote, reason: &str) -> RegistryError {
    RegistryError::Nonsense {
        registry: remote.registry().to_string(),
        reason: reason.to_owned(),
    }
}
