//! `transform.jq` and `transform.csv`: reshape values.
//!
//! ```yaml
//! parse: { action: transform.csv, input: { text: "${ $nodes.download.result.body }" } }
//! hot:
//!   action: transform.jq
//!   input: { filter: "map(select(.temp > 30)) | length", input: "${ $nodes.parse.result.rows }" }
//! ```
//!
//! - `jq`: filters, by the crate jaq.
//! - `csv`: tables.

mod csv;
mod jq;

pub use csv::ParseCsv;
pub use jq::ApplyFilter;

nebula_sdk::export!(ApplyFilter, ParseCsv);
