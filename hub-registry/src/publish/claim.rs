//! One publisher per version at a time. A registry puts the last tag in place
//! of the first and compares nothing, so publishers take turns: Lamport's bakery
//! (Comm. ACM 17(8), 1974) over the only thing that all of them see, the tags.
//!
//! A publisher reads the tags, takes a number higher than all there, and pushes
//! its claim as a tag, all within [`QUICK`]; then it waits for [`SETTLE`] and
//! reads again. Whoever drew the same number has been quick too, so by then each
//! sees the other, and the lowest (number, name) goes first. Whoever comes later
//! sees the claim and takes a higher number. The turn lasts for [`TURN`], after
//! which its owner gives it up; a claim that another has watched for longer than
//! [`DEAD`] is a dead publisher's. Each uses its own monotonic clock, and only to
//! measure how long something took.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use nebula_flow::Digest;
use semver::Version;

use super::{PublishError, push_bytes};
use crate::artifact::manifest::{EMPTY, IMAGE_MANIFEST};
use crate::artifact::{Descriptor, ImageManifest};
use crate::oci::{RegistryError, Remote};
use crate::package::PackageName;

const QUICK: Duration = Duration::from_millis(500);
const SETTLE: Duration = Duration::from_millis(1_000);
const TURN: Duration = Duration::from_secs(20);
const DEAD: Duration = Duration::from_secs(30);
/// Between two looks at who is before us.
const LOOK: Duration = Duration::from_millis(500);
/// How often a claim that was not quick is made anew.
const TRIES: u32 = 8;
/// Tags of claims; not semantic versions, so that clients pass them over.
const PREFIX: &str = "claim-";

/// The turn of one publisher, for one version.
pub(super) struct Claim {
    name: PackageName,
    version: Version,
    registry: String,
    digest: Digest,
    since: Instant,
}

/// A claim as its tag spells it. Ordered as turns are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Ticket {
    number: u64,
    chance: String,
}

impl Ticket {
    /// `claim-<version>-<number>-<chance>`, the number with a fixed length.
    fn tag(&self, version: &Version) -> String {
        format!("{PREFIX}{version}-{:010}-{}", self.number, self.chance)
    }

    fn read(tag: &str, version: &Version) -> Option<Self> {
        let rest = tag
            .strip_prefix(PREFIX)?
            .strip_prefix(&version.to_string())?;
        let (number, chance) = rest.strip_prefix('-')?.split_once('-')?;
        let is_ours = number.len() == 10 && chance.len() == 16;
        let ticket = Self {
            number: number.parse().ok()?,
            chance: chance.to_owned(),
        };
        is_ours.then_some(ticket)
    }
}

impl Claim {
    /// Waits for the turn to publish this version.
    pub(super) async fn take(
        remote: &Remote,
        name: &PackageName,
        version: &Version,
    ) -> Result<Self, PublishError> {
        let busy = || PublishError::Busy {
            name: name.clone(),
            version: version.clone(),
            registry: remote.registry().to_string(),
        };
        let mut mine = None;
        for _ in 0..TRIES {
            let begun = Instant::now();
            let there = tickets(remote, name, version).await?;
            let highest = there.iter().map(|ticket| ticket.number).max();
            let ticket = Ticket {
                number: highest.unwrap_or_default().saturating_add(1),
                chance: chance()?,
            };
            let digest = place(remote, name, version, &ticket).await?;
            if begun.elapsed() < QUICK {
                mine = Some((ticket, digest));
                break;
            }
            remote.delete(name, digest).await?;
        }
        let (ticket, digest) = mine.ok_or_else(busy)?;
        tokio::time::sleep(SETTLE).await;
        let mut seen: HashMap<Ticket, Instant> = HashMap::new();
        loop {
            let there = tickets(remote, name, version).await?;
            let now = Instant::now();
            let alive = |before: &Ticket| {
                let since = *seen.entry(before.clone()).or_insert(now);
                now.duration_since(since) < DEAD
            };
            let is_next = !there.into_iter().filter(|other| *other < ticket).any({
                let mut alive = alive;
                move |other| alive(&other)
            });
            if is_next {
                break;
            }
            super::not_taken(remote, name, version).await?;
            tokio::time::sleep(LOOK).await;
        }
        Ok(Self {
            name: name.clone(),
            version: version.clone(),
            registry: remote.registry().to_string(),
            digest,
            since: Instant::now(),
        })
    }

    /// Whether the turn lasts for as long as a tag takes.
    pub(super) fn in_time(&self) -> Result<(), PublishError> {
        if self.since.elapsed() < TURN {
            return Ok(());
        }
        Err(PublishError::Slow {
            name: self.name.clone(),
            version: self.version.clone(),
            registry: self.registry.clone(),
        })
    }

    /// Gives the turn up. A registry that does not delete keeps the claim, which
    /// then only makes the next publisher of this version wait.
    pub(super) async fn release(self, remote: &Remote) {
        if let Err(error) = remote.delete(&self.name, self.digest).await {
            tracing::debug!(%error, "a claim stays in the registry");
        }
    }
}

async fn tickets(
    remote: &Remote,
    name: &PackageName,
    version: &Version,
) -> Result<Vec<Ticket>, RegistryError> {
    let tags = remote.tags(name).await?;
    Ok(tags
        .iter()
        .filter_map(|tag| Ticket::read(tag, version))
        .collect())
}

/// Pushes a claim; its manifest has no other, so that deleting it deletes
/// nothing else.
async fn place(
    remote: &Remote,
    name: &PackageName,
    version: &Version,
    ticket: &Ticket,
) -> Result<Digest, RegistryError> {
    let tag = ticket.tag(version);
    push_bytes(remote, name, b"{}".to_vec()).await?;
    let empty = Descriptor::of(EMPTY, b"{}");
    let mut manifest = ImageManifest::new(empty.clone(), vec![empty]);
    manifest.artifact_type = Some("application/vnd.nebula.claim.v1+json".to_owned());
    manifest
        .annotations
        .insert("org.opencontainers.image.title".to_owned(), tag.clone());
    let bytes = Bytes::from(serde_json::to_vec(&manifest).unwrap_or_default());
    remote
        .push_manifest(name, Some(&tag), IMAGE_MANIFEST, &bytes)
        .await?;
    Ok(Digest::of(&bytes))
}

fn chance() -> Result<String, RegistryError> {
    let chance = getrandom::u64().map_err(|error| RegistryError::Nonsense {
        registry: "the system".to_owned(),
        reason: format!("it gives no randomness: {error}"),
    })?;
    Ok(format!("{chance:016x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_reads_back_and_is_of_one_version_only() {
        let ticket = Ticket {
            number: 7,
            chance: "0123456789abcdef".into(),
        };
        let version = Version::new(1, 0, 0);
        let tag = ticket.tag(&version);
        assert_eq!(tag, "claim-1.0.0-0000000007-0123456789abcdef");
        assert_eq!(Ticket::read(&tag, &version), Some(ticket.clone()));
        for other in [Version::new(1, 0, 1), Version::new(11, 0, 0)] {
            assert_eq!(Ticket::read(&tag, &other), None);
        }
        for tag in [
            "1.0.0",
            "claim-1.0.0",
            "claim-1.0.0-7-0123456789abcdef",
            "claim-1.0.0-0000000007-x",
        ] {
            assert_eq!(Ticket::read(tag, &version), None, "{tag}");
        }
        let later = Ticket {
            number: 8,
            chance: "0".into(),
        };
        assert!(ticket < later);
    }
}
