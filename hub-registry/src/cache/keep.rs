//! Keeping the cache in order: what nothing names is collected, and every blob
//! compared with its name.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::io::{self, Read as _};
use std::time::Duration;

use nebula_flow::Digest;
use serde::Serialize;
use serde_json::Value;

use super::{Cache, CacheError, FRESH};
use crate::artifact::MAX_MANIFEST;

/// How old an unfinished file is before it counts as left behind.
const LEFT_BEHIND: Duration = Duration::from_secs(3_600);

/// What a collection took out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Collected {
    /// Blobs that nothing names.
    pub removed: u64,
    /// Bytes that they had.
    pub bytes: u64,
    /// Blobs that stay.
    pub kept: u64,
}

/// What an inspection found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Inspected {
    /// Blobs that are what their name says.
    pub sound: u64,
    /// Those that were not; they are taken out, and pulled again when needed.
    pub damaged: Vec<Digest>,
    /// Those that a manifest names and that are not here.
    pub missing: Vec<Digest>,
}

impl Cache {
    /// Takes out blobs that no manifest of the index leads to. Waits until
    /// nobody writes.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn collect(&self) -> Result<Collected, CacheError> {
        let failed = |error| self.failed(error);
        let lock = self.lock_file(false).map_err(failed)?;
        lock.unlock().map_err(failed)?;
        lock.lock().map_err(failed)?;
        let named = self.reachable()?;
        let mut collected = Collected::default();
        for (digest, path) in self.blobs().map_err(failed)? {
            if named.contains(&digest) {
                collected.kept += 1;
                continue;
            }
            let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            fs::remove_file(&path).map_err(failed)?;
            collected.removed += 1;
            collected.bytes += bytes;
        }
        self.sweep().map_err(failed)?;
        Ok(collected)
    }

    /// Compares every blob with its name, and takes out those that differ.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn inspect(&self) -> Result<Inspected, CacheError> {
        let mut inspected = Inspected::default();
        for (digest, path) in self.blobs().map_err(|error| self.failed(error))? {
            if hash(&path).map_err(|error| self.failed(error))? == digest {
                inspected.sound += 1;
            } else {
                let _ = fs::remove_file(&path);
                inspected.damaged.push(digest);
            }
        }
        let named = self.reachable()?;
        let absent = named.into_iter().filter(|digest| !self.has(*digest));
        inspected.missing = absent.collect();
        Ok(inspected)
    }

    /// What the index leads to, through manifests that are here.
    fn reachable(&self) -> Result<BTreeSet<Digest>, CacheError> {
        let index = self.index()?;
        let mut waiting: VecDeque<_> = index
            .into_iter()
            .map(|descriptor| (descriptor.digest, true))
            .collect();
        let mut named = BTreeSet::new();
        while let Some((digest, is_manifest)) = waiting.pop_front() {
            if !named.insert(digest) || !is_manifest {
                continue;
            }
            let Some(bytes) = self.blob(digest, MAX_MANIFEST)? else {
                continue;
            };
            let manifest: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            let list = |field: &str, is_manifest| {
                let items = manifest[field].as_array().cloned().unwrap_or_default();
                items.into_iter().filter_map(move |item| {
                    Some((item["digest"].as_str()?.parse().ok()?, is_manifest))
                })
            };
            waiting.extend(list("manifests", true));
            waiting.extend(list("layers", false));
            let config = manifest["config"]["digest"].as_str();
            waiting.extend(config.and_then(|text| Some((text.parse().ok()?, false))));
        }

        Ok(named)
    }

    /// Removes what writers that ended left behind.
    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.folder.join(FRESH))? {
            let entry = entry?;
            let age = entry.metadata()?.modified()?.elapsed();
            if age.is_ok_and(|age| age > LEFT_BEHIND) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

fn hash(path: &std::path::Path) -> io::Result<Digest> {
    use sha2::Digest as _;
    let mut hasher = sha2::Sha256::new();
    let mut file = fs::File::open(path)?;
    let mut chunk = vec![0; 64 << 10];
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            read => hasher.update(&chunk[..read]),
        }
    }
    Ok(Digest::from_bytes(hasher.finalize().into()))
}
