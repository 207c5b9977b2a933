//! Files that are whole or absent: written beside their place, made durable,
//! then renamed into it.

use std::fs::{self, DirBuilder, File, FileTimes, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nebula_flow::Timestamp;

/// Random bytes of a temporary name.
const CHANCE: usize = 16;

/// A name that nothing else has.
pub(in crate::serve) fn fresh_name() -> io::Result<String> {
    let mut chance = [0; CHANCE];
    getrandom::fill(&mut chance).map_err(|e| io::Error::other(e.to_string()))?;
    Ok(data_encoding::HEXLOWER.encode(&chance))
}

/// A new file that only its owner may read, open for writing.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Puts a whole file at a path, in place of what is there. Durable once this
/// returns; after a crash there is the old file or the new one.
pub(in crate::serve) fn write(temp: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = temp.join(fresh_name()?);
    let mut file = create(&fresh)?;
    let placed = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| place(&fresh, path));
    if placed.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    placed
}

/// Renames a durable file into its place, durably.
pub(super) fn place(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(folder) = to.parent() {
        make_folder(folder)?;
    }
    fs::rename(from, to)?;
    sync_parent(to)
}

/// Removes a file durably; whether it was there.
pub(super) fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => sync_parent(path).map(|()| true),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes a folder and those above it durably; others cannot enter them.
pub(in crate::serve) fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        make_folder(above)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Whether nothing is at the path; a file where a folder is expected means the
/// same.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// The file's bytes, if it is there.
pub(in crate::serve) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    found(fs::read(path))
}

/// What was found, or nothing.
pub(super) fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The names in a folder that can be read as text, in no order; none if it is
/// absent.
pub(in crate::serve) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let Some(entries) = found(fs::read_dir(folder))? else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string().ok());
    }
    Ok(names)
}

/// The folders directly below one.
pub(super) fn folders(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let Some(entries) = found(fs::read_dir(folder))? else {
        return Ok(Vec::new());
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            folders.push((name, entry.path()));
        }
    }
    Ok(folders)
}

/// Notes that a file was needed now. Whether it is there.
pub(super) fn touch(path: &Path, now: Timestamp) -> io::Result<bool> {
    let Some(file) = found(OpenOptions::new().append(true).open(path))? else {
        return Ok(false);
    };
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(now.as_millis());
    file.set_times(FileTimes::new().set_modified(at))?;
    Ok(true)
}

/// When a file was needed last, or nothing if it is gone.
pub(super) fn needed_at(path: &Path) -> io::Result<Option<Timestamp>> {
    let Some(metadata) = found(fs::metadata(path))? else {
        return Ok(None);
    };
    let since = metadata.modified()?.duration_since(SystemTime::UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    let millis = u64::try_from(millis).unwrap_or(u64::MAX);
    Ok(Some(Timestamp::from_millis(millis)))
}
