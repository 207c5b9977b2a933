//! The `nebula` command.
//!
//! - `commands`: one file per group of verbs: arguments, help and function together.
//! - `node`: finds the node to talk to, or opens the data folder itself.
//! - `client`: the node's API over HTTP.
//! - `output`: tables for people; JSON, YAML and names for programs.
//! - `error`: what went wrong, whose problem it is, and the exit code.

mod client;
mod commands;
mod error;
mod node;
mod output;

use std::process::ExitCode;

use clap::Parser;

use crate::commands::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    init_logs(cli.command.is_node());
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

/// A node logs what it does; other verbs only what they warn of. To stderr, as
/// `NEBULA_LOG` says.
fn init_logs(node: bool) {
    use tracing_subscriber::EnvFilter;
    let default = if node { "info" } else { "warn" };
    let filter = EnvFilter::try_from_env("NEBULA_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(output::Style::stderr() == output::Style::Colour)
        .with_target(false)
        .try_init();
}
