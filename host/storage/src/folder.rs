//! A folder that one process alone may use, and private files in it.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::open::OpenError;

/// How long a folder's lock is asked for.
const PATIENCE: Duration = Duration::from_millis(500);

/// A folder that this process alone may use, for as long as this lives.
#[derive(Debug)]
pub struct FolderLock {
    dir: PathBuf,
    /// Closing it releases the lock.
    _lock: File,
}

impl FolderLock {
    /// Makes the folder if there is none, and takes its lock: the file
    /// `nebula.lock`.
    ///
    /// # Errors
    /// When another process holds the folder, or it cannot be made.
    pub fn take(dir: &Path) -> Result<Self, OpenError> {
        let trouble = |path: &Path, source| OpenError::Io {
            path: path.to_owned(),
            source,
        };
        if !dir.is_dir() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)
                .map_err(|e| trouble(dir, e))?;
            // Else a power cut could take the folder and what is in it.
            if let Some(parent) = dir.parent().filter(|p| !p.as_os_str().is_empty()) {
                sync(parent).map_err(|e| trouble(parent, e))?;
            }
        }
        let lock_path = dir.join("nebula.lock");
        let mut lock = private_file(&lock_path).map_err(|e| trouble(&lock_path, e))?;
        match patiently(|| flock(&lock, FlockOperation::NonBlockingLockExclusive)) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut text = String::new();
                // Only for the message; a pid that cannot be read is unknown.
                let pid = lock
                    .read_to_string(&mut text)
                    .ok()
                    .and_then(|_| text.trim().parse().ok());
                return Err(OpenError::InUse {
                    dir: dir.to_owned(),
                    pid,
                });
            }
            Err(e) => return Err(trouble(&lock_path, e.into())),
        }
        note_pid(&mut lock).map_err(|e| trouble(&lock_path, e))?;
        Ok(Self {
            dir: dir.to_owned(),
            _lock: lock,
        })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir
    }
}

/// Tries to lock for a moment: a process that was just forked holds its parent's
/// files until it runs its own program.
fn patiently(lock: impl Fn() -> Result<(), Errno>) -> Result<(), Errno> {
    let end = Instant::now() + PATIENCE;
    loop {
        match lock() {
            Err(Errno::WOULDBLOCK) if Instant::now() < end => {
                std::thread::sleep(PATIENCE / 20);
            }
            other => return other,
        }
    }
}

/// The process that holds a folder, for people.
pub(crate) struct Holder(pub(crate) Option<u32>);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "process {pid}"),
            None => f.write_str("another process"),
        }
    }
}

/// Opens or makes a file that only this user may read or write.
pub(crate) fn private_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// Puts what was made in a folder on disk.
pub(crate) fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn note_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}
