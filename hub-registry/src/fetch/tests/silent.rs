//! Registries that send bytes without an end, or none: cut off at a cap, and
//! given up in time.

use std::time::Instant;

use super::*;
use crate::oci::RegistryError;

/// What of a request buffers hold beyond a cap: the kernel's, the client's.
const SLACK: u64 = 16 << 20;

impl World {
    /// What is asked for in one take.
    fn all(&self) -> Vec<String> {
        let paths = self.liar.paths();
        let pinned = format!("manifests/{}", self.artifact.top.digest());
        paths
            .into_iter()
            .filter(|path| !path.ends_with(&pinned))
            .collect()
    }
}

#[tokio::test]
async fn bytes_without_an_end_are_cut_off_wherever_they_come() {
    let mut world = World::new().await;
    let paths = world.all();
    assert_eq!(paths.len(), 7, "{paths:?}");
    for path in paths {
        let endless = path.clone();
        world.liar.twist(move |asked: &Asked, _| {
            (asked.path == endless).then(|| Act::Endless(MANIFEST.into()))
        });
        let not = world.refused().await;
        let Not::Fetched(FetchError::Registry(RegistryError::TooLarge { limit, .. })) = not else {
            panic!("{path}: {not}");
        };
        assert!(limit <= 4 << 20, "{path}: {limit}");
        assert!(world.liar.sent() < limit + SLACK, "{path}");
        world.forget();
    }
}

#[tokio::test]
async fn whoever_sends_nothing_is_not_waited_for_longer_than_was_said() {
    let mut world = World::new().await;
    // Each try, and the pauses between them.
    let most = PATIENCE.silence * (PATIENCE.tries + 1) + Duration::from_secs(1);
    for path in world.all() {
        for act in [
            Act::Hangs,
            Act::Closes,
            Act::Drips,
            Act::Breaks(9, Bytes::new()),
        ] {
            let (silent, does) = (path.clone(), act.clone());
            world
                .liar
                .twist(move |asked, _| (asked.path == silent).then(|| does.clone()));
            let begun = Instant::now();
            let not = world.refused().await;
            let Not::Fetched(FetchError::Registry(error)) = not else {
                panic!("{path}, {act:?}: {not}");
            };
            let expected = match act {
                // A drip is more than a small blob has.
                Act::Drips => matches!(
                    error,
                    RegistryError::TimedOut { .. } | RegistryError::TooLarge { .. }
                ),
                Act::Hangs => matches!(
                    error,
                    RegistryError::TimedOut { .. } | RegistryError::Unreachable { .. }
                ),
                _ => matches!(error, RegistryError::Unreachable { .. }),
            };
            assert!(expected, "{path}, {act:?}: {error}");
            assert!(begun.elapsed() < most, "{path}, {act:?}");
            world.forget();
        }
    }
}

#[tokio::test]
async fn what_one_registry_withholds_another_gives() {
    let world = World::new().await;
    let other = World::new().await;
    world.liar.twist(|_, _| Some(Act::Closes));
    let (hub, policy) = (world.hub, other.policy.clone());
    let mut remotes = hub.remotes;
    remotes.extend(other.hub.remotes);
    let both = World {
        hub: Hub::new(hub.cache, remotes),
        policy,
        liar: other.liar,
        artifact: other.artifact,
        bundle: other.bundle,
        attachment: other.attachment,
        _folder: world._folder,
    };
    both.take().await.unwrap();
}
