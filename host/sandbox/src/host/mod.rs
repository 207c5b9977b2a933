//! The imports. Exactly these are linked: Nebula's own, outgoing HTTP, and of
//! WASI what a Rust standard library imports, with time and chance of our own.
//! Each charges the guest for the call (`charge`).

pub(crate) mod blobs;
pub(crate) mod cli;
pub(crate) mod clocks;
pub(crate) mod nebula;
pub(crate) mod random;
pub(crate) mod resources;
mod state;

use wasmtime::Engine;
use wasmtime::component::{HasData, HasSelf, Linker, ResourceTable};
use wasmtime_wasi::p2::bindings as wasi;

use crate::bindings::nebula::action;
use crate::state::State;

/// The one linker of an engine.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    let l = &mut linker;
    action::context::add_to_linker::<_, HasSelf<_>>(l, State::called)?;
    action::log::add_to_linker::<_, HasSelf<_>>(l, State::called)?;
    action::credentials::add_to_linker::<_, HasSelf<_>>(l, State::called)?;
    action::blobs::add_to_linker::<_, HasSelf<_>>(l, State::called)?;
    action::state::add_to_linker::<_, HasSelf<_>>(l, State::called)?;
    action::resources::add_to_linker::<_, HasSelf<_>>(l, State::called)?;

    wasi::io::error::add_to_linker::<_, Table>(l, |s: &mut State| &mut s.called().table)?;
    wasi::io::streams::add_to_linker::<_, Table>(l, |s: &mut State| &mut s.called().table)?;
    wasi::io::poll::add_to_linker::<_, HasSelf<_>>(l, State::called)?;
    wasi::clocks::monotonic_clock::add_to_linker::<_, HasSelf<_>>(l, State::called)?;
    wasi::clocks::wall_clock::add_to_linker::<_, HasSelf<_>>(l, State::called)?;
    wasi::random::random::add_to_linker::<_, HasSelf<_>>(l, State::called)?;
    wasi::random::insecure::add_to_linker::<_, HasSelf<_>>(l, State::called)?;
    wasi::random::insecure_seed::add_to_linker::<_, HasSelf<_>>(l, State::called)?;
    wasi::cli::environment::add_to_linker::<_, HasSelf<_>>(l, State::called)?;
    wasi::cli::exit::add_to_linker::<_, HasSelf<_>>(l, State::called)?;
    wasi::cli::stdin::add_to_linker::<_, HasSelf<_>>(l, State::called)?;
    wasi::cli::stdout::add_to_linker::<_, HasSelf<_>>(l, State::called)?;
    wasi::cli::stderr::add_to_linker::<_, HasSelf<_>>(l, State::called)?;
    wasi::cli::terminal_input::add_to_linker::<_, HasSelf<_>>(l, State::called)?;
    wasi::cli::terminal_output::add_to_linker::<_, HasSelf<_>>(l, State::called)?;
    wasi::cli::terminal_stdin::add_to_linker::<_, HasSelf<_>>(l, State::called)?;
    wasi::cli::terminal_stdout::add_to_linker::<_, HasSelf<_>>(l, State::called)?;
    wasi::cli::terminal_stderr::add_to_linker::<_, HasSelf<_>>(l, State::called)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(l)?;
    Ok(linker)
}

/// The imports that need nothing but the table of resources.
struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}
