//! Components that mean harm, one behaviour each, beside eight that do not. An
//! offender gets a typed outcome that names the limit it met; its neighbours are
//! served meanwhile; nothing stays behind.
//!
//! Each attack runs three times, with `NEBULA_LONG` a hundred times; then the
//! figures are checked as well, and written as a table into the Markdown document
//! that `NEBULA_FIGURES` names.
//!
//! - `attacks`: the components in `components/`, and how each must end.
//! - `bombs`: files that are dear to compile, or no components at all.
//! - `generated`: components that nobody wrote.
//! - `cancel`: calls that are dropped at every await.
//! - `traces`: what one call leaves for the next, and whether pure calls repeat.
//! - `arena`: offender and neighbours, and what is measured.
//! - `machine`: memory, threads and descriptors of this process.
//! - `guest`: how the components are built.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests vouch for the components that they wrote themselves"
)]

mod arena;
mod attacks;
mod bombs;
mod cancel;
mod generated;
#[path = "../../host/sandbox/src/tests/guest.rs"]
mod guest;
mod machine;
mod traces;

use std::path::Path;

/// Whether counts may be too large for every change.
fn long() -> bool {
    std::env::var_os("NEBULA_LONG").is_some_and(|value| value == "1")
}

/// The checkout.
fn root() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests stand below the root")
}
