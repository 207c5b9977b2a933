//! The `nebula` command.
//!
//! - `commands`: one file per group of verbs: arguments, help and function together.
//! - `node`: finds the node to talk to, or opens the data folder itself.
//! - `client`, `connect`, `key`: the node's API over HTTP, TCP or TLS, and the key
//!   that is sent to it.
//! - `logs`: log lines, on standard error.
//! - `output`: tables for people; JSON, YAML and names for programs.
//! - `error`: what went wrong, whose problem it is, and the exit code.

mod client;
mod commands;
mod connect;
mod error;
mod key;
mod logs;
mod node;
mod output;

use std::process::ExitCode;

use clap::Parser;

use crate::commands::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.command.is_compiler() {
        // Nothing but the compiler: no runtime, no logs.
        return nebula_sandbox::compile_child();
    }
    if !cli.command.is_node() {
        logs::init_quiet();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(e) => return error::Error::node(format!("the runtime cannot start: {e}")).report(),
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(code) => code,
        Err(error) => error.report(),
    }
}
