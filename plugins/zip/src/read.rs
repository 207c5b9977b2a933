//! One file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use miniz_oxide::inflate::decompress_to_vec_with_limit;
use nebula_sdk::prelude::*;
use rawzip::{CompressionMethod, ZipVerification};

use crate::archive::{Archive, path, refused};
use crate::list::method;

/// The most bytes of a file: as base64 they still fit into an output.
const MAX_SIZE: u64 = 3_000_000;

/// What `zip.read` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// The archive as base64.
    pub archive: String,
    /// Which file, as `zip.list` names it.
    pub path: String,
    /// How its bytes are given.
    #[serde(default)]
    pub encoding: Encoding,
}

/// How the bytes of a file are given.
#[data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As text; a file that is not UTF-8 is refused.
    #[default]
    Text,
    /// As base64, padded.
    Base64,
}

/// What `zip.read` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// The file.
    pub content: String,
    /// In bytes.
    pub size: usize,
}

/// Reads one file of a ZIP archive.
#[derive(Action)]
#[action(id = "zip.read", name = "Read a file of an archive")]
pub struct Read;

impl SimpleAction for Read {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Input, _: &ActionContext) -> Result<Output> {
        let bytes = read(&Archive::decode(&input.archive)?, &input.path)?;
        let size = bytes.len();
        let content = match input.encoding {
            Encoding::Base64 => STANDARD.encode(bytes),
            Encoding::Text => String::from_utf8(bytes).map_err(|error| {
                ActionError::invalid_input(format!(
                    "path: `{}` is no text: {}; ask for it with `encoding: base64`",
                    input.path,
                    error.utf8_error()
                ))
            })?,
        };
        Ok(Output { content, size })
    }
}

fn read(archive: &Archive, wanted: &str) -> Result<Vec<u8>> {
    let refuse = |why: String| ActionError::invalid_input(format!("path: `{wanted}` {why}"));
    let entries = archive.entries()?;
    let mut found = entries.iter().filter(|entry| path(entry) == wanted);
    let entry = found
        .next()
        .ok_or_else(|| refuse("is not in the archive".into()))?;
    if found.next().is_some() {
        // Programs differ in which one they take.
        return Err(refuse("is there more than once".into()));
    }
    if entry.is_dir() {
        return Err(refuse("is a folder".into()));
    }
    if entry.flags().is_encrypted() {
        return Err(refuse("needs a password".into()));
    }
    let stated = entry.uncompressed_size_hint();
    if stated > MAX_SIZE {
        return Err(refuse(format!(
            "has {stated} bytes; at most {MAX_SIZE} are read"
        )));
    }
    let slice = archive
        .slice()
        .get_entry(entry.wayfinder())
        .map_err(|error| refused(format!("`{wanted}`: {error}")))?;
    let bytes = match entry.compression_method() {
        CompressionMethod::STORE => slice.data().to_vec(),
        CompressionMethod::DEFLATE => {
            // One more than stated: a file that goes on is noticed, and not unpacked.
            let limit = usize::try_from(stated)
                .unwrap_or(usize::MAX)
                .saturating_add(1);
            decompress_to_vec_with_limit(slice.data(), limit)
                .map_err(|error| refused(format!("`{wanted}`: {error}")))?
        }
        other => {
            return Err(refuse(format!(
                "is compressed by `{}`; only store and deflate are known",
                method(other)
            )));
        }
    };
    let is = ZipVerification {
        crc: rawzip::crc32(&bytes),
        uncompressed_size: bytes.len() as u64,
    };
    slice
        .claim_verifier()
        .valid(is)
        .map_err(|error| refused(format!("`{wanted}`: {error}")))?;
    Ok(bytes)
}
