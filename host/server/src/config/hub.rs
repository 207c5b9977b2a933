//! The hub that a node serves beside its API.

use std::path::PathBuf;

use super::layers::Layers;
use super::setting::Bytes;

/// The hub that a node serves beside its API: a registry of packages, as
/// `nebula_hub::serve` describes it.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// Whether there is one.
    pub serve: bool,
    /// Where it keeps everything; without it `hub` in the data folder.
    pub folder: Option<PathBuf>,
    /// Whether pulls need no token.
    pub anonymous_pull: bool,
    /// Whether it takes and deletes nothing.
    pub read_only: bool,
    /// Whether tags that are versions stay where they point to.
    pub immutable_tags: bool,
    /// Bytes of a blob.
    pub max_blob: u64,
}

impl Default for HubConfig {
    /// None; and if there is to be one, every request needs a token.
    fn default() -> Self {
        Self {
            serve: false,
            folder: None,
            anonymous_pull: false,
            read_only: false,
            immutable_tags: true,
            max_blob: 1 << 30,
        }
    }
}

impl HubConfig {
    /// The one of a person's own machine: whoever is there may pull.
    pub(super) fn of_dev() -> Self {
        Self {
            serve: true,
            anonymous_pull: true,
            ..Self::default()
        }
    }

    /// These as defaults, below what the layers say.
    pub(super) fn read(self, from: &mut Layers) -> Self {
        Self {
            serve: from.get("hub.serve", self.serve),
            folder: from.get("hub.folder", self.folder),
            anonymous_pull: from.get("hub.anonymous_pull", self.anonymous_pull),
            read_only: from.get("hub.read_only", self.read_only),
            immutable_tags: from.get("hub.immutable_tags", self.immutable_tags),
            max_blob: from
                .get_in(
                    "hub.max_blob",
                    Bytes(self.max_blob),
                    Bytes(1 << 20)..=Bytes(1 << 40),
                )
                .0,
        }
    }
}
