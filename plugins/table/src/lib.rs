//! `table.join` and `table.render`: rows joined by their keys, and rows as text.
//!
//! ```yaml
//! merged:
//!   action: table.join
//!   input:
//!     left: "${ $nodes.orders.result.rows }"
//!     right: "${ $nodes.customers.result.rows }"
//!     on: [customer_id]
//!     right_on: [id]
//! report: { action: table.render, input: { rows: "${ $nodes.merged.result.rows }" } }
//! ```
//!
//! A table is a list of objects, such as `transform.csv` gives. Which columns it
//! has is what its rows have, in the order in which they are met.
//!
//! - `columns`: the columns of rows.
//! - `join`: two tables by their keys.
//! - `key`: what a row is found by.
//! - `render`: CSV and Markdown.

mod columns;
mod join;
mod key;
mod render;

pub use join::Join;
pub use render::Render;

nebula_sdk::export!(Join, Render);
