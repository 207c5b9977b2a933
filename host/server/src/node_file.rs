//! `node.json`: by it a client finds the node that runs on a data folder.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nebula_api::Time;
use nebula_api::node::{NODE_FILE, NodeFile};
use nebula_storage::FolderLock;

/// The file, for as long as this lives.
pub(crate) struct Announcement {
    path: PathBuf,
    /// The folder's, unless the store has it: released once the file is gone.
    _lock: Option<FolderLock>,
}

impl Announcement {
    /// Writes the file, in place of one that a crashed node left.
    pub(crate) fn write(
        data_dir: &Path,
        url: &str,
        now: Time,
        lock: Option<FolderLock>,
    ) -> std::io::Result<Self> {
        let path = data_dir.join(NODE_FILE);
        let node = NodeFile {
            pid: std::process::id(),
            address: url.into(),
            started_at: now,
        };
        // Renamed into place, so that no reader sees half of it.
        let fresh = data_dir.join("node.json.new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        serde_json::to_writer_pretty(&mut file, &node)?;
        file.write_all(b"\n")?;
        std::fs::rename(&fresh, &path)?;
        Ok(Self { path, _lock: lock })
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
