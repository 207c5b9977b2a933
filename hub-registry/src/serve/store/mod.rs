//! The folder of a registry. Every file in it is whole or absent, whenever the
//! process or the machine ends:
//!
//! ```text
//! oci-layout                                  as in an OCI image layout
//! blobs/<algorithm>/<hex>                     content, kept once for all repositories
//! repositories/<name>/_blobs/<digest>         empty: the repository has this blob
//! repositories/<name>/_manifests/<digest>     what the hub knows of a manifest
//! repositories/<name>/_tags/<tag>             the digest of a manifest
//! repositories/<name>/_referrers/<subject>/<digest>   empty: this manifest is about that one
//! repositories/<name>/_uploads/<session>      what has come so far of a blob
//! temp/                                       files on their way to their place
//! ```
//!
//! No name of a repository's segment begins with `_`. When a file was modified
//! is when its content was needed last; [`sweep`] goes by that.
//!
//! - [`blobs`], [`uploads`], [`manifests`]: content, in and out.
//! - [`lists`]: what there is.
//! - [`sweep`]: what nothing refers to goes.
//! - [`disk`]: files that are whole or absent.

pub(super) mod blobs;
pub(super) mod disk;
pub(super) mod lists;
pub(super) mod manifests;
pub(super) mod sweep;
pub(super) mod uploads;

use std::fs::{File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use nebula_flow::Timestamp;
use nebula_flow::ports::Clock;

use super::OpenError;
use super::content::{Algorithm, ContentDigest};
use super::name::{RepositoryName, Tag};
use uploads::Uploads;

/// Locks of repositories; two names may share one.
const STRIPES: usize = 64;
/// What the file `oci-layout` says (image specification, "oci-layout file").
const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// The folder of a registry, held by this process alone.
pub(super) struct Store {
    root: PathBuf,
    clock: Arc<dyn Clock>,
    /// Whoever changes which manifests, tags and blobs a repository has.
    stripes: [Mutex<()>; STRIPES],
    /// Shared by whoever makes content needed, exclusive for what removes it.
    gate: RwLock<()>,
    uploads: Uploads,
    /// Released with the process, however it ends.
    _lock: File,
}

impl Store {
    /// Opens a folder, or makes it.
    pub(super) fn open(root: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let failed = |error| OpenError::Folder {
            path: root.into(),
            error,
        };
        disk::make_folder(root).map_err(failed)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(root.join("lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Held { path: root.into() }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let store = Self {
            root: root.into(),
            clock,
            stripes: std::array::from_fn(|_| Mutex::default()),
            gate: RwLock::default(),
            uploads: Uploads::default(),
            _lock: lock,
        };
        store.prepare().map_err(failed)?;
        Ok(store)
    }

    /// Makes what must be there. What was on its way when the last process ended
    /// will not arrive any more.
    fn prepare(&self) -> io::Result<()> {
        for algorithm in Algorithm::ALL {
            disk::make_folder(&self.root.join("blobs").join(algorithm.name()))?;
        }
        disk::make_folder(&self.root.join("repositories"))?;
        disk::make_folder(&self.temp())?;
        for name in disk::names(&self.temp())? {
            std::fs::remove_file(self.temp().join(name))?;
        }
        let layout = self.root.join("oci-layout");
        if !layout.exists() {
            disk::write(&self.temp(), &layout, LAYOUT)?;
        }
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn temp(&self) -> PathBuf {
        self.root.join("temp")
    }

    fn blob_path(&self, digest: &ContentDigest) -> PathBuf {
        let algorithm = digest.algorithm().name();
        self.root.join("blobs").join(algorithm).join(digest.hex())
    }

    fn repository(&self, name: &RepositoryName) -> PathBuf {
        self.root.join("repositories").join(name.as_str())
    }

    fn link_path(&self, name: &RepositoryName, digest: &ContentDigest) -> PathBuf {
        self.repository(name)
            .join("_blobs")
            .join(digest.file_name())
    }

    fn entry_path(&self, name: &RepositoryName, digest: &ContentDigest) -> PathBuf {
        let entries = self.repository(name).join("_manifests");
        entries.join(digest.file_name())
    }

    fn tag_path(&self, name: &RepositoryName, tag: &Tag) -> PathBuf {
        self.repository(name).join("_tags").join(tag.as_str())
    }

    fn referrers_path(&self, name: &RepositoryName, subject: &ContentDigest) -> PathBuf {
        let referrers = self.repository(name).join("_referrers");
        referrers.join(subject.file_name())
    }

    fn upload_path(&self, name: &RepositoryName, session: &str) -> PathBuf {
        self.repository(name).join("_uploads").join(session)
    }

    /// Alone with what a repository has.
    fn alone_with(&self, name: &RepositoryName) -> MutexGuard<'_, ()> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(name);
        let stripe = usize::try_from(hash % STRIPES as u64).unwrap_or_default();
        // Nothing is half done in memory while it is held: the files are the state.
        let lock = self.stripes[stripe].lock();
        lock.unwrap_or_else(PoisonError::into_inner)
    }

    /// No content is removed from the folder meanwhile.
    fn keep_all(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().unwrap_or_else(PoisonError::into_inner)
    }
}
