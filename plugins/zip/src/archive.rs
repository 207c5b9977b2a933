//! An archive and its entries.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use nebula_sdk::prelude::*;
use rawzip::{ZipArchive, ZipFileHeaderRecord, ZipSliceArchive};

/// The most entries that are looked at.
const MAX_ENTRIES: u64 = 10_000;

/// Base64 (RFC 4648 §4), padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// An archive in memory.
pub(crate) struct Archive(ZipSliceArchive<Vec<u8>>);

impl Archive {
    /// Of base64.
    ///
    /// # Errors
    /// [`ActionError::InvalidInput`], when it is no base64 or no archive.
    pub(crate) fn decode(base64: &str) -> Result<Self> {
        let bytes = BASE64
            .decode(base64)
            .map_err(|error| refused(format!("not base64: {error}")))?;
        ZipArchive::from_slice(bytes)
            .map(Self)
            .map_err(|error| refused(format!("not a ZIP archive: {error}")))
    }

    /// The archive itself, to get at an entry's bytes.
    pub(crate) const fn slice(&self) -> &ZipSliceArchive<Vec<u8>> {
        &self.0
    }

    /// All entries, in the order of the directory.
    ///
    /// # Errors
    /// [`ActionError::InvalidInput`], when there are too many, or others than the
    /// archive says.
    pub(crate) fn entries(&self) -> Result<Vec<ZipFileHeaderRecord<'_>>> {
        let stated = self.0.entries_hint();
        if stated > MAX_ENTRIES {
            return Err(refused(format!(
                "it has {stated} entries; at most {MAX_ENTRIES} are read"
            )));
        }
        let mut entries = Vec::new();
        for entry in self.0.entries() {
            let entry = entry.map_err(|error| refused(format!("its directory: {error}")))?;
            if entries.len() as u64 == stated {
                return Err(refused(format!(
                    "its directory has more entries than the {stated} that it states"
                )));
            }
            entries.push(entry);
        }
        if entries.len() as u64 != stated {
            return Err(refused(format!(
                "its directory states {stated} entries and has {}",
                entries.len()
            )));
        }
        Ok(entries)
    }
}

/// The path of an entry as it is written; what is not UTF-8 becomes `U+FFFD`.
pub(crate) fn path(entry: &ZipFileHeaderRecord<'_>) -> String {
    String::from_utf8_lossy(entry.file_path().as_bytes()).into_owned()
}

/// Why an archive is refused.
pub(crate) fn refused(why: impl AsRef<str>) -> ActionError {
    ActionError::invalid_input(["archive: ", why.as_ref()].concat())
}
