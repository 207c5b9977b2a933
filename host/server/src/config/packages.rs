//! Where a node gets packages from.

use super::layers::Layers;

/// Where a node gets packages from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackagesConfig {
    /// Registries, in the order in which they are asked: `host[:port][/path]`.
    pub registries: Vec<String>,
    /// The namespace of a bare name.
    pub namespace: String,
}

impl Default for PackagesConfig {
    fn default() -> Self {
        Self {
            registries: Vec::new(),
            namespace: "local".into(),
        }
    }
}

impl PackagesConfig {
    /// These as defaults, below what the layers say.
    pub(super) fn read(self, from: &mut Layers) -> Self {
        Self {
            registries: from.get("packages.registries", self.registries),
            namespace: from.get("packages.namespace", self.namespace),
        }
    }
}
