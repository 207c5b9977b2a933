//! Manifests and tags. A manifest is there once all that it needs is there, and
//! a tag points to a manifest that is there.

use std::io;
use std::path::Path;

use super::super::content::ContentDigest;
use super::super::manifest::{Entry, Needed};
use super::super::name::{Reference, RepositoryName, Tag};
use super::blobs::Deleted;
use super::{Store, disk};

/// A manifest that is to be put.
pub(in crate::serve) struct Push {
    pub(in crate::serve) name: RepositoryName,
    pub(in crate::serve) bytes: bytes::Bytes,
    pub(in crate::serve) entry: Entry,
    /// Tags that are to point to it.
    pub(in crate::serve) tags: Vec<Tag>,
    /// What each of them must be now.
    pub(in crate::serve) condition: Condition,
    /// Tags of versions stay where they point to.
    pub(in crate::serve) versions_are_fixed: bool,
}

/// What a tag must be, so that it is moved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::serve) enum Condition {
    /// Anything.
    #[default]
    None,
    /// Absent.
    Absent,
    /// A pointer to one of these.
    At(Vec<String>),
}

/// What became of a push.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::serve) enum Pushed {
    Done,
    /// Content that it needs is absent.
    Unknown(Vec<ContentDigest>),
    /// Content that it needs has another length than it says.
    Size(ContentDigest),
    /// A tag points elsewhere, and stays there.
    Fixed {
        tag: Tag,
        at: ContentDigest,
    },
    /// The condition does not hold.
    Changed(Tag),
}

/// A manifest that was found.
pub(in crate::serve) struct Manifest {
    pub(in crate::serve) entry: Entry,
    pub(in crate::serve) bytes: Vec<u8>,
}

impl Store {
    /// Puts a manifest, then points the tags to it. All of it or nothing, but for
    /// a crash, after which the manifest may have fewer tags.
    pub(in crate::serve) fn put_manifest(&self, push: &Push) -> io::Result<Pushed> {
        let _alone = self.alone_with(&push.name);
        let _kept = self.keep_all();
        if let Some(refused) = self.lacks(push)? {
            return Ok(refused);
        }
        for tag in &push.tags {
            if let Some(refused) = self.holds(push, tag)? {
                return Ok(refused);
            }
        }
        let digest = &push.entry.descriptor.digest;
        let content = self.blob_path(digest);
        if !disk::touch(&content, self.now())? {
            disk::write(&self.temp(), &content, &push.bytes)?;
        }
        if let Some(subject) = &push.entry.subject {
            let referrers = self.referrers_path(&push.name, subject);
            disk::write(&self.temp(), &referrers.join(digest.file_name()), b"")?;
        }
        let entry = serde_json::to_vec(&push.entry)?;
        disk::write(&self.temp(), &self.entry_path(&push.name, digest), &entry)?;
        for tag in &push.tags {
            let path = self.tag_path(&push.name, tag);
            disk::write(&self.temp(), &path, digest.to_string().as_bytes())?;
        }
        Ok(Pushed::Done)
    }

    /// What the manifest needs and the repository has not. A subject is not
    /// needed: what is about it may come first.
    fn lacks(&self, push: &Push) -> io::Result<Option<Pushed>> {
        let mut unknown = Vec::new();
        let blobs = push.entry.blobs.iter().map(|needed| (needed, true));
        let manifests = push.entry.manifests.iter().map(|needed| (needed, false));
        for (Needed { digest, size }, is_blob) in blobs.chain(manifests) {
            let found = if is_blob {
                self.blob_size(&push.name, digest)?
            } else {
                let entry = self.entry(&push.name, digest)?;
                entry.map(|entry| entry.descriptor.size)
            };
            match found {
                None => unknown.push(digest.clone()),
                Some(found) if found != *size => return Ok(Some(Pushed::Size(digest.clone()))),
                Some(_) => {}
            }
        }
        Ok((!unknown.is_empty()).then_some(Pushed::Unknown(unknown)))
    }

    /// Why a tag stays where it is.
    fn holds(&self, push: &Push, tag: &Tag) -> io::Result<Option<Pushed>> {
        let now = self.tagged(&push.name, tag)?;
        let holds = match (&push.condition, &now) {
            (Condition::None, _) | (Condition::Absent, None) => true,
            (Condition::At(digests), Some(now)) => digests.contains(&now.to_string()),
            (Condition::Absent, Some(_)) | (Condition::At(_), None) => false,
        };
        if !holds {
            return Ok(Some(Pushed::Changed(tag.clone())));
        }
        let moved = now.filter(|now| *now != push.entry.descriptor.digest);
        let fixed = moved.filter(|_| push.versions_are_fixed && tag.is_version());
        let tag = tag.clone();
        Ok(fixed.map(|at| Pushed::Fixed { tag, at }))
    }

    /// Where a tag points to.
    pub(in crate::serve) fn tagged(
        &self,
        name: &RepositoryName,
        tag: &Tag,
    ) -> io::Result<Option<ContentDigest>> {
        let path = self.tag_path(name, tag);
        let Some(bytes) = disk::read(&path)? else {
            return Ok(None);
        };
        let digest = std::str::from_utf8(&bytes)
            .ok()
            .and_then(|text| text.parse().ok());
        digest.map(Some).ok_or_else(|| damaged(&path))
    }

    /// A manifest, its bytes compared with its digest.
    pub(in crate::serve) fn manifest(
        &self,
        name: &RepositoryName,
        reference: &Reference,
    ) -> io::Result<Option<Manifest>> {
        let digest = match reference {
            Reference::Digest(digest) => digest.clone(),
            Reference::Tag(tag) => match self.tagged(name, tag)? {
                Some(digest) => digest,
                None => return Ok(None),
            },
        };
        let Some(entry) = self.entry(name, &digest)? else {
            return Ok(None);
        };
        let path = self.blob_path(&digest);
        let bytes = disk::read(&path)?.ok_or_else(|| damaged(&path))?;
        if ContentDigest::of(digest.algorithm(), &bytes) != digest {
            return Err(damaged(&path));
        }
        Ok(Some(Manifest { entry, bytes }))
    }

    /// What is known of a manifest of a repository.
    pub(super) fn entry(
        &self,
        name: &RepositoryName,
        digest: &ContentDigest,
    ) -> io::Result<Option<Entry>> {
        let path = self.entry_path(name, digest);
        match disk::read(&path)? {
            None => Ok(None),
            Some(bytes) => read_entry(&path, &bytes).map(Some),
        }
    }

    /// What is known of every manifest of a repository.
    pub(super) fn entries(&self, name: &RepositoryName) -> io::Result<Vec<Entry>> {
        let folder = self.repository(name).join("_manifests");
        let mut entries = Vec::new();
        for file in disk::names(&folder)? {
            let path = folder.join(file);
            if let Some(bytes) = disk::read(&path)? {
                entries.push(read_entry(&path, &bytes)?);
            }
        }
        Ok(entries)
    }

    /// Removes a tag.
    pub(in crate::serve) fn delete_tag(
        &self,
        name: &RepositoryName,
        tag: &Tag,
        versions_are_fixed: bool,
    ) -> io::Result<Deleted> {
        let _alone = self.alone_with(name);
        let path = self.tag_path(name, tag);
        if !path.exists() {
            return Ok(Deleted::Absent);
        }
        if versions_are_fixed && tag.is_version() {
            return Ok(Deleted::Fixed(tag.to_string()));
        }
        disk::remove(&path)?;
        Ok(Deleted::Done)
    }

    /// Removes a manifest and the tags that point to it; not one that an index
    /// of the repository needs.
    pub(in crate::serve) fn delete_manifest(
        &self,
        name: &RepositoryName,
        digest: &ContentDigest,
        versions_are_fixed: bool,
    ) -> io::Result<Deleted> {
        let _alone = self.alone_with(name);
        let Some(entry) = self.entry(name, digest)? else {
            return Ok(Deleted::Absent);
        };
        for other in self.entries(name)? {
            if other
                .manifests
                .iter()
                .any(|needed| needed.digest == *digest)
            {
                return Ok(Deleted::Needed(other.descriptor.digest));
            }
        }
        let mut tags = Vec::new();
        for tag in self.tags(name)? {
            if self.tagged(name, &tag)?.as_ref() == Some(digest) {
                if versions_are_fixed && tag.is_version() {
                    return Ok(Deleted::Fixed(tag.to_string()));
                }
                tags.push(tag);
            }
        }
        for tag in tags {
            disk::remove(&self.tag_path(name, &tag))?;
        }
        if let Some(subject) = &entry.subject {
            let referrers = self.referrers_path(name, subject);
            disk::remove(&referrers.join(digest.file_name()))?;
        }
        disk::remove(&self.entry_path(name, digest))?;
        Ok(Deleted::Done)
    }
}

fn read_entry(path: &Path, bytes: &[u8]) -> io::Result<Entry> {
    serde_json::from_slice(bytes).map_err(|_| damaged(path))
}

fn damaged(path: &Path) -> io::Error {
    let path = path.display();
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{path} is damaged or gone: put it back from a backup, or push its manifest again"),
    )
}
