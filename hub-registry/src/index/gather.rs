//! The versions that go into an index: those that this node would take.

use std::collections::BTreeSet;

use nebula_flow::Timestamp;
use semver::Version;

use super::IndexEntry;
use crate::fetch::{FetchError, Hub};
use crate::package::PackageName;
use crate::trust::Policy;
use crate::verify::{Evidence, Refusal, Request, Verdict, verify};

/// A version that is not in the index, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Which package.
    pub name: PackageName,
    /// Which version.
    pub version: Version,
    /// In words.
    pub reason: String,
}

/// All versions of these packages that have a right statement, by a key that
/// the policy does not refuse; and those that have none.
///
/// # Errors
/// When no registry answers.
pub async fn gather(
    hub: &Hub,
    names: &[PackageName],
    policy: &Policy,
    now: Timestamp,
) -> Result<(BTreeSet<IndexEntry>, Vec<LeftOut>), FetchError> {
    let (mut entries, mut left_out) = (BTreeSet::new(), Vec::new());
    for name in names {
        let versions = match hub.versions(name).await {
            Ok(versions) => versions,
            // A repository without a version is not a package.
            Err(FetchError::UnknownPackage { .. }) => continue,
            Err(error) => return Err(error),
        };
        for version in versions {
            let left = match entry(hub, name, &version, policy, now).await {
                Ok(Ok(entry)) => {
                    entries.insert(entry);
                    continue;
                }
                Ok(Err(refusal)) => refusal.to_string(),
                Err(FetchError::Registry(error)) if error.is_passing() => return Err(error.into()),
                Err(error) => error.to_string(),
            };
            left_out.push(LeftOut {
                name: name.clone(),
                version,
                reason: left,
            });
        }
    }
    Ok((entries, left_out))
}

async fn entry(
    hub: &Hub,
    name: &PackageName,
    version: &Version,
    policy: &Policy,
    now: Timestamp,
) -> Result<Result<IndexEntry, Refusal>, FetchError> {
    let found = hub.find(name, version, None).await?;
    let attached = hub.attached(&found).await?;
    let components = found.components();
    let request = Request {
        name,
        version,
        manifest: found.manifest.digest,
        components: &components,
        installed: None,
        allow_older: false,
        allow_unsigned: false,
        loopback: false,
        now,
    };
    let evidence = Evidence {
        manifest: &found.manifest.bytes,
        bundles: &attached.bundles,
        simple: &attached.simple,
    };
    let unsigned = || Refusal::Unsigned { name: name.clone() };
    let publisher = match verify(&request, &evidence, policy).verdict {
        Verdict::FirstUse(first) => Ok(first.key.id()),
        Verdict::Accepted(accepted) => accepted.key().ok_or_else(unsigned),
        Verdict::Refused(refusal) => Err(refusal),
    };
    Ok(publisher.map(|publisher| IndexEntry {
        name: name.clone(),
        version: version.clone(),
        manifest: found.manifest.digest,
        description: found.document.description,
        publisher,
    }))
}
