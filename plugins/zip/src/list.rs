//! The entries.

use nebula_sdk::prelude::*;
use rawzip::{CompressionMethod, ZipFileHeaderRecord};

use crate::archive::{Archive, path};

/// What `zip.list` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// The archive as base64.
    pub archive: String,
}

/// What `zip.list` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// In the order of the archive's directory.
    pub entries: Vec<Entry>,
    /// How many there are.
    pub count: usize,
    /// Of all entries unpacked, in bytes.
    pub size: u64,
}

/// A file or a folder in an archive.
#[data]
#[derive(Debug)]
pub struct Entry {
    /// As it is written; what is not UTF-8 became `U+FFFD`.
    pub path: String,
    /// Whether it is a folder: its path ends with `/`.
    pub directory: bool,
    /// Unpacked, in bytes, as the directory says.
    pub size: u64,
    /// In the archive, in bytes.
    pub compressed_size: u64,
    /// `store`, `deflate` or another one's name; `zip.read` knows these two.
    pub method: String,
    /// `2026-02-03T04:05:06`, with `Z` where the archive says that it is UTC.
    pub modified: String,
    /// Whether it needs a password.
    pub encrypted: bool,
    /// Whether the path stays below the folder that it is unpacked in: it is not
    /// absolute and has no `..`, no `\` and no drive.
    pub safe: bool,
}

/// Lists what is in a ZIP archive.
#[derive(Action)]
#[action(id = "zip.list", name = "List an archive")]
pub struct List;

impl SimpleAction for List {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Input, _: &ActionContext) -> Result<Output> {
        let archive = Archive::decode(&input.archive)?;
        let entries: Vec<Entry> = archive.entries()?.iter().map(entry).collect();
        Ok(Output {
            count: entries.len(),
            // Sizes are what the archive claims, and may be anything.
            size: entries
                .iter()
                .fold(0, |all: u64, entry| all.saturating_add(entry.size)),
            entries,
        })
    }
}

fn entry(entry: &ZipFileHeaderRecord<'_>) -> Entry {
    let path = path(entry);
    Entry {
        directory: entry.is_dir(),
        size: entry.uncompressed_size_hint(),
        compressed_size: entry.compressed_size_hint(),
        method: method(entry.compression_method()),
        modified: entry.last_modified().to_string(),
        encrypted: entry.flags().is_encrypted(),
        safe: is_safe(&path),
        path,
    }
}

/// The name of a method, else its number.
pub(crate) fn method(method: CompressionMethod) -> String {
    match method.name() {
        Some(name) => name.to_ascii_lowercase(),
        None => method.as_u16().to_string(),
    }
}

fn is_safe(path: &str) -> bool {
    !path.is_empty()
        && !path.starts_with('/')
        && !path.contains(['\\', ':', '\0', char::REPLACEMENT_CHARACTER])
        && path.split('/').all(|part| part != "..")
}
