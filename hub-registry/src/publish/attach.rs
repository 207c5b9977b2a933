//! The signatures of a version: our statement, and both forms that cosign
//! knows. A registry without the referrers API lists them under a tag, which is
//! kept here, by whoever holds the claim.

use super::{PublishError, push_bytes};
use crate::artifact::manifest::{IMAGE_INDEX, IMAGE_MANIFEST};
use crate::artifact::{Artifact, Descriptor};
use crate::cosign::attach::{self, Attachment};
use crate::cosign::{sign as cosign_sign, simple};
use crate::key::SigningKey;
use crate::oci::Remote;
use crate::package::PackageName;
use crate::statement::Statement;

/// Signs a manifest in all three forms, and pushes them.
pub(super) async fn sign(
    remote: &Remote,
    artifact: &Artifact,
    statement: &Statement,
    key: &SigningKey,
) -> Result<(), PublishError> {
    let name = &artifact.document.name;
    let top = &artifact.top;
    let subject = Descriptor::of(top.media_type(), top.bytes());
    let bundles = [statement.sign(key)?, cosign_sign::sign(key, top.digest())];
    for bundle in bundles {
        refer(remote, name, attach::bundle(&subject, &bundle)?, &subject).await?;
    }
    let repository = remote.registry().repository(name);
    let reference = format!("{}/{repository}", remote.registry().host());
    let one = simple::sign(key, &reference, top.digest());
    let tag = attach::simple_tag(top.digest());
    let others = match remote.tag(name, &tag).await? {
        Some(manifest) => attach::read_simple(&manifest.bytes)?,
        None => Vec::new(),
    };
    push(remote, name, attach::simple(top.digest(), &others, &one)).await
}

/// Pushes a referrer, and lists it where the registry does not.
async fn refer(
    remote: &Remote,
    name: &PackageName,
    attachment: Attachment,
    subject: &Descriptor,
) -> Result<(), PublishError> {
    push(remote, name, attachment.clone()).await?;
    let (_, has_api) = remote.referrers(name, subject.digest).await?;
    if has_api {
        return Ok(());
    }
    let tag = attach::referrers_tag(subject.digest);
    let there = remote.tag(name, &tag).await?;
    let there = there.as_ref().map(|manifest| &*manifest.bytes);
    let index = attach::add_referrer(there, &attachment)?;
    remote
        .push_manifest(name, Some(&tag), IMAGE_INDEX, &index.into())
        .await?;
    Ok(())
}

async fn push(
    remote: &Remote,
    name: &PackageName,
    attachment: Attachment,
) -> Result<(), PublishError> {
    for blob in attachment.blobs {
        push_bytes(remote, name, blob).await?;
    }
    let tag = attachment.tag.as_deref();
    let manifest = attachment.manifest.into();
    remote
        .push_manifest(name, tag, IMAGE_MANIFEST, &manifest)
        .await?;
    Ok(())
}
