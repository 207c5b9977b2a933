//! What nothing refers to goes, once nobody has needed it for a while: blobs
//! that no manifest needs, content that no repository has, uploads that nobody
//! went on with. A manifest stays until it is deleted, tagged or not, since a
//! lock file may name its digest.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::PoisonError;
use std::time::Duration;

use nebula_flow::Timestamp;

use super::super::content::{Algorithm, ContentDigest};
use super::super::name::RepositoryName;
use super::{Store, disk};

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Blobs that a repository had and no manifest of it needed.
    pub blobs: u64,
    /// Files of content that no repository had.
    pub files: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// Uploads that nobody went on with.
    pub uploads: u64,
}

impl Store {
    /// Removes what nobody has needed for this long. It is safe beside pushes
    /// and pulls. A repository with a damaged file loses nothing.
    pub(in crate::serve) fn sweep(&self, idle: Duration) -> io::Result<Swept> {
        let begun = self.now();
        let idle = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
        let before = Timestamp::from_millis(begun.as_millis().saturating_sub(idle));
        let mut swept = Swept::default();
        let mut had = HashSet::new();
        for name in self.repositories()? {
            if let Err(error) = self.sweep_repository(&name, before, &mut swept) {
                tracing::error!(repository = %name, %error, "nothing of a repository is swept");
            }
            self.had_by(&name, &mut had)?;
        }
        self.sweep_uploads(before, &mut swept)?;
        for algorithm in Algorithm::ALL {
            let folder = self.root.join("blobs").join(algorithm.name());
            for hex in disk::names(&folder)? {
                let digest = format!("{}:{hex}", algorithm.name()).parse();
                if digest.is_ok_and(|digest| !had.contains(&digest)) {
                    self.sweep_content(&folder.join(hex), before, &mut swept)?;
                }
            }
        }
        Ok(swept)
    }

    /// Takes from a repository the blobs that none of its manifests needs.
    fn sweep_repository(
        &self,
        name: &RepositoryName,
        before: Timestamp,
        swept: &mut Swept,
    ) -> io::Result<()> {
        let _alone = self.alone_with(name);
        let entries = self.entries(name)?;
        let needed: HashSet<_> = entries
            .iter()
            .flat_map(|entry| &entry.blobs)
            .map(|needed| needed.digest.file_name())
            .collect();
        let folder = self.repository(name).join("_blobs");
        for link in disk::names(&folder)? {
            let path = folder.join(&link);
            if !needed.contains(&link) && is_idle(&path, before)? {
                swept.blobs += u64::from(disk::remove(&path)?);
            }
        }
        Ok(())
    }

    /// Adds what a repository has.
    fn had_by(&self, name: &RepositoryName, had: &mut HashSet<ContentDigest>) -> io::Result<()> {
        for kind in ["_blobs", "_manifests"] {
            let names = disk::names(&self.repository(name).join(kind))?;
            had.extend(
                names
                    .iter()
                    .filter_map(|n| ContentDigest::from_file_name(n)),
            );
        }
        Ok(())
    }

    /// Whoever makes content needed marks it as needed first, behind the gate: so
    /// what was idle before this sweep began and still is, nobody refers to.
    fn sweep_content(&self, path: &Path, before: Timestamp, swept: &mut Swept) -> io::Result<()> {
        let _alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        if is_idle(path, before)? {
            let size = std::fs::metadata(path)?.len();
            disk::remove(path)?;
            swept.files += 1;
            swept.bytes += size;
        }
        Ok(())
    }

    /// A name that was only begun to be pushed to is no repository yet.
    fn sweep_uploads(&self, before: Timestamp, swept: &mut Swept) -> io::Result<()> {
        let mut folders = vec![self.root.join("repositories")];
        while let Some(folder) = folders.pop() {
            for (segment, path) in disk::folders(&folder)? {
                if segment != "_uploads" {
                    if !segment.starts_with('_') {
                        folders.push(path);
                    }
                    continue;
                }
                for session in disk::names(&path)? {
                    let upload = path.join(session);
                    if is_idle(&upload, before)? && self.expire_upload(&upload)? {
                        swept.uploads += 1;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether a file is there, and was needed last before an instant.
fn is_idle(path: &Path, before: Timestamp) -> io::Result<bool> {
    Ok(disk::needed_at(path)?.is_some_and(|at| at < before))
}
