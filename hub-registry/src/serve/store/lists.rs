//! What there is: repositories, tags, and what is about a manifest.

use std::io;
use std::path::Path;

use super::super::content::ContentDigest;
use super::super::manifest::Descriptor;
use super::super::name::{RepositoryName, Tag};
use super::{Store, disk};

impl Store {
    /// Whether anything was pushed under this name.
    pub(in crate::serve) fn has_repository(&self, name: &RepositoryName) -> bool {
        is_repository(&self.repository(name))
    }

    /// All repositories, in the order of their bytes.
    pub(in crate::serve) fn repositories(&self) -> io::Result<Vec<RepositoryName>> {
        let mut found = Vec::new();
        let mut folders = vec![(String::new(), self.root.join("repositories"))];
        while let Some((prefix, folder)) = folders.pop() {
            for (segment, path) in disk::folders(&folder)? {
                if segment.starts_with('_') {
                    continue;
                }
                let name = format!("{prefix}{segment}");
                if is_repository(&path) {
                    found.extend(name.parse());
                }
                folders.push((name + "/", path));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// The tags of a repository, in the order of their bytes.
    pub(in crate::serve) fn tags(&self, name: &RepositoryName) -> io::Result<Vec<Tag>> {
        let names = disk::names(&self.repository(name).join("_tags"))?;
        let mut tags: Vec<Tag> = names.iter().filter_map(|name| name.parse().ok()).collect();
        tags.sort_unstable();
        Ok(tags)
    }

    /// The manifests that are about another one, in the order of their digests.
    pub(in crate::serve) fn referrers(
        &self,
        name: &RepositoryName,
        subject: &ContentDigest,
    ) -> io::Result<Vec<Descriptor>> {
        let names = disk::names(&self.referrers_path(name, subject))?;
        let mut found = Vec::new();
        for digest in names
            .iter()
            .filter_map(|n| ContentDigest::from_file_name(n))
        {
            // The note is made before the manifest is there.
            found.extend(self.entry(name, &digest)?.map(|entry| entry.descriptor));
        }
        found.sort_unstable_by(|a, b| a.digest.cmp(&b.digest));
        Ok(found)
    }
}

fn is_repository(folder: &Path) -> bool {
    folder.join("_blobs").is_dir() || folder.join("_manifests").is_dir()
}
