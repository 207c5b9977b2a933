//! `zip.list` and `zip.read`: what is in an archive, by the crates rawzip and
//! miniz_oxide.
//!
//! ```yaml
//! download: { action: http.request, input: { url: "https://files.example/report.zip", encoding: base64 } }
//! list: { action: zip.list, input: { archive: "${ $nodes.download.result.body }" } }
//! table: { action: zip.read, input: { archive: "${ $nodes.download.result.body }", path: report.csv } }
//! ```
//!
//! An archive is base64, so it has 3 MB at most. What its directory says is checked
//! against what is there: sizes, checksums, the number of entries. Nothing is
//! unpacked but the one file that is asked for, within bounds.
//!
//! - `archive`: an archive and its entries.
//! - `list`: the entries.
//! - `read`: one file.

#![no_std]

mod archive;
mod list;
mod read;

pub use list::List;
pub use read::Read;

nebula_sdk::export!(List, Read);

#[cfg(test)]
mod tests;
