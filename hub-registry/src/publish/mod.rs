//! Publishing: everything is pushed by digest first, then the signatures, and
//! last the version's tag, which makes it a version. Whatever ends a publisher
//! before that, nothing is published.
//!
//! - `claim`: one publisher per version at a time, although registries compare
//!   nothing.
//! - `attach`: the signatures that hang on the manifest.

use bytes::Bytes;
use nebula_flow::{Digest, Timestamp};
use semver::Version;

use crate::artifact::Artifact;
use crate::cosign::CosignError;
use crate::envelope::bundle::EnvelopeError;
use crate::key::SigningKey;
use crate::oci::{RegistryError, Remote};
use crate::package::PackageName;
use crate::statement::{StatedComponent, Statement, StatementError};

mod attach;
mod claim;

use claim::Claim;

/// What is to be published, and by whom.
pub struct Publication<'a> {
    /// Where.
    pub remote: &'a Remote,
    /// What.
    pub artifact: &'a Artifact,
    /// What its components may reach.
    pub stated: Vec<StatedComponent>,
    /// Who signs.
    pub key: &'a SigningKey,
    /// When, by the publisher's clock.
    pub now: Timestamp,
}

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Which package.
    pub name: PackageName,
    /// Which version.
    pub version: Version,
    /// Its top manifest.
    pub manifest: Digest,
    /// The repository, with its registry.
    pub repository: String,
    /// The serial of its statement.
    pub serial: u64,
}

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The version is there.
    #[error(
        "{name} {version} is published in {registry} already, as {manifest}; a version never changes: choose the next one"
    )]
    Taken {
        /// Which package.
        name: PackageName,
        /// Which version.
        version: Version,
        /// Where.
        registry: String,
        /// What is there.
        manifest: Digest,
    },
    /// It took too long between claiming the version and naming it.
    #[error(
        "{name} {version} was not published: {registry} took too long, and another publisher may have begun; try again"
    )]
    Slow {
        /// Which package.
        name: PackageName,
        /// Which version.
        version: Version,
        /// Where.
        registry: String,
    },
    /// Others publish the same version.
    #[error("{name} {version} is being published in {registry} by someone else; try again")]
    Busy {
        /// Which package.
        name: PackageName,
        /// Which version.
        version: Version,
        /// Where.
        registry: String,
    },
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// What is to be signed.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// A signature that hangs there already, and does not read.
    #[error(transparent)]
    Cosign(#[from] CosignError),
    /// A bundle that cannot be made.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
}

/// Publishes. Once it returns, the version is there with its signatures.
///
/// # Errors
/// When the version is there already or the registry refuses; then it is not
/// published.
pub async fn publish(publication: Publication<'_>) -> Result<Published, PublishError> {
    let Publication {
        remote,
        artifact,
        stated,
        key,
        now,
    } = publication;
    let document = &artifact.document;
    let (name, version) = (&document.name, &document.version);
    not_taken(remote, name, version).await?;
    push(remote, name, artifact).await?;

    let claim = Claim::take(remote, name, version).await?;
    let done = async {
        not_taken(remote, name, version).await?;
        let statement = Statement {
            name: name.clone(),
            version: version.clone(),
            manifest: artifact.top.digest(),
            components: stated.into_iter().collect(),
            publisher: key.public().clone(),
            time: now,
            serial: serial(now),
        };
        attach::sign(remote, artifact, &statement, key).await?;
        // The last step: with it the version is there, with its signatures.
        claim.in_time()?;
        let top = &artifact.top;
        let tag = version.to_string();
        remote
            .push_manifest(name, Some(&tag), top.media_type(), top.bytes())
            .await?;
        Ok(statement.serial)
    };
    let done: Result<u64, PublishError> = done.await;
    claim.release(remote).await;
    let serial = done?;
    Ok(Published {
        name: name.clone(),
        version: version.clone(),
        manifest: artifact.top.digest(),
        repository: format!(
            "{}/{}",
            remote.registry().host(),
            remote.registry().repository(name)
        ),
        serial,
    })
}

/// The statements of one publisher count upwards with its clock: no state to
/// keep, and none to lose with a disk.
fn serial(now: Timestamp) -> u64 {
    now.as_millis()
}

async fn not_taken(
    remote: &Remote,
    name: &PackageName,
    version: &Version,
) -> Result<(), PublishError> {
    match remote.tag(name, &version.to_string()).await? {
        None => Ok(()),
        Some(there) => Err(PublishError::Taken {
            name: name.clone(),
            version: version.clone(),
            registry: remote.registry().to_string(),
            manifest: there.digest,
        }),
    }
}

/// Pushes all that has a digest, what is named before what names it.
async fn push(
    remote: &Remote,
    name: &PackageName,
    artifact: &Artifact,
) -> Result<(), RegistryError> {
    for blob in &artifact.blobs {
        remote.push_blob(name, blob.digest(), blob.bytes()).await?;
    }
    for manifest in artifact.manifests.iter().chain([&artifact.top]) {
        remote
            .push_manifest(name, None, manifest.media_type(), manifest.bytes())
            .await?;
    }
    Ok(())
}

/// Pushes blobs of bytes that are not known to have a digest yet.
async fn push_bytes(
    remote: &Remote,
    name: &PackageName,
    bytes: Vec<u8>,
) -> Result<(), RegistryError> {
    let bytes = Bytes::from(bytes);
    remote.push_blob(name, Digest::of(&bytes), &bytes).await
}
