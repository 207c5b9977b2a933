//! How far an install has come, for whoever watches it.

use std::fmt;
use std::sync::Arc;

use semver::Version;

use crate::package::PackageName;

/// What is done with a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its bytes come from a registry.
    Pulling,
    /// It is whole and checked, and is compiled.
    Compiling,
    /// It is ready to run.
    Ready,
}

/// How far one component has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Of which package.
    pub package: PackageName,
    /// Of which version.
    pub version: Version,
    /// The component, as the package names it.
    pub component: String,
    /// What is done with it.
    pub stage: Stage,
    /// Bytes that are here.
    pub bytes: u64,
    /// Bytes that it has.
    pub size: u64,
}

/// Who is told how far an install has come. It must not block.
#[derive(Clone)]
pub struct Watcher(Arc<dyn Fn(Progress) + Send + Sync>);

impl Watcher {
    /// Tells this.
    pub fn new(tell: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Tells nobody.
    #[must_use]
    pub fn nobody() -> Self {
        Self::new(|_| {})
    }

    pub(super) fn tell(&self, progress: Progress) {
        (self.0)(progress);
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
}
