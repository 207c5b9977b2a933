//! What hangs on a manifest.

use nebula_flow::Digest;

use super::{Attached, FetchError, Found, Hub, SUBJECT};
use crate::artifact::{Descriptor, MAX_MANIFEST};
use crate::cosign::SimpleSignature;
use crate::cosign::attach::{self, MAX_SIGNATURES};
use crate::statement::MAX_STATEMENT;

/// Base64 of a statement, and the envelope around it.
const MAX_BUNDLE: u64 = 2 * MAX_STATEMENT as u64;
const MAX_PAYLOAD: u64 = 64 << 10;

impl Hub {
    /// What hangs on a manifest, from the registry where it was found, or from
    /// the cache.
    ///
    /// # Errors
    /// When the registry does not answer, or offers more than is looked at.
    pub async fn attached(&self, found: &Found) -> Result<Attached, FetchError> {
        let subject = found.manifest.digest;
        let name = &found.document.name;
        let Some(remote) = self.remote(found.registry.as_deref()) else {
            return self.cached_attached(subject);
        };
        let mut attached = Attached::default();
        let (referrers, _) = remote.referrers(name, subject).await?;
        for referrer in referrers.into_iter().take(MAX_SIGNATURES + 1) {
            let Some(manifest) = remote.pinned(name, referrer.digest).await? else {
                continue;
            };
            let Some(blob) = attach::read_bundle(&manifest.bytes, subject)? else {
                continue;
            };
            let bundle = remote.small(name, &blob, MAX_BUNDLE).await?;
            attached.bundles.push(bundle.to_vec());
            let whole = Descriptor::of(&manifest.media_type, &manifest.bytes);
            attached.manifests.push((whole, manifest.bytes));
            attached.manifests.push((blob, bundle));
        }
        if let Some(manifest) = remote.tag(name, &attach::simple_tag(subject)).await? {
            for layer in attach::read_simple(&manifest.bytes)? {
                let payload = layer.payload;
                let payload = remote.small(name, &payload, MAX_PAYLOAD).await?;
                attached.simple.push(SimpleSignature {
                    payload: payload.to_vec(),
                    signature: layer.signature,
                });
            }
        }
        Ok(attached)
    }

    /// What hangs on a manifest of the cache.
    fn cached_attached(&self, subject: Digest) -> Result<Attached, FetchError> {
        let text = subject.to_string();
        let mut attached = Attached::default();
        for entry in self.cache.index()? {
            if entry.annotations.get(SUBJECT) != Some(&text) {
                continue;
            }
            let Some(manifest) = self.cache.blob(entry.digest, MAX_MANIFEST)? else {
                continue;
            };
            if let Some(blob) = attach::read_bundle(&manifest, subject)?
                && let Some(bundle) = self.cache.blob(blob.digest, MAX_BUNDLE)?
            {
                attached.bundles.push(bundle.to_vec());
                attached.manifests.push((entry, manifest));
                attached.manifests.push((blob, bundle));
            }
        }
        Ok(attached)
    }
}
