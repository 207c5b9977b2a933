//! Built components, which a harness runs in the sandbox.

use std::fmt;
use std::path::{Path, PathBuf};
#[cfg(feature = "embedded")]
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
#[cfg(feature = "embedded")]
use nebula_flow::TenantId;

/// A built component: a `.wasm` file, or its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuiltComponent {
    /// Its file; read when it is run.
    File(PathBuf),
    /// The component itself.
    Bytes(Bytes),
}

/// The components of a harness.
#[derive(Debug, Clone, Default)]
pub(crate) struct Built {
    pub(crate) components: Vec<BuiltComponent>,
    /// In whose name they keep blobs and states: what one harness's components keep
    /// those of no other see. Its clones share it.
    #[cfg(feature = "embedded")]
    pub(crate) tenant: Own,
}

/// A tenant that no other harness has.
#[cfg(feature = "embedded")]
#[derive(Debug, Clone)]
pub(crate) struct Own(pub(crate) TenantId);

#[cfg(feature = "embedded")]
impl Default for Own {
    fn default() -> Self {
        static GIVEN: AtomicU64 = AtomicU64::new(0);
        let number = GIVEN.fetch_add(1, Ordering::Relaxed);
        let tenant = TenantId::new(format!("harness-{number}"));
        Self(tenant.unwrap_or_else(|_| TenantId::default_tenant()))
    }
}

impl fmt::Display for BuiltComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Bytes(bytes) => write!(f, "the component of {} bytes", bytes.len()),
        }
    }
}

impl From<&str> for BuiltComponent {
    fn from(path: &str) -> Self {
        Self::File(path.into())
    }
}

impl From<String> for BuiltComponent {
    fn from(path: String) -> Self {
        Self::File(path.into())
    }
}

impl From<&Path> for BuiltComponent {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<&PathBuf> for BuiltComponent {
    fn from(path: &PathBuf) -> Self {
        Self::File(path.clone())
    }
}

impl From<PathBuf> for BuiltComponent {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<Bytes> for BuiltComponent {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<u8>> for BuiltComponent {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<&'static [u8]> for BuiltComponent {
    fn from(bytes: &'static [u8]) -> Self {
        Self::Bytes(Bytes::from_static(bytes))
    }
}

/// What `include_bytes!` gives.
impl<const N: usize> From<&'static [u8; N]> for BuiltComponent {
    fn from(bytes: &'static [u8; N]) -> Self {
        Self::Bytes(Bytes::from_static(bytes))
    }
}
