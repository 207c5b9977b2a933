//! The `nebula` command.
//!
//! - `commands`: one file per group of verbs: arguments, help and function together.
//! - `node`: finds the node to talk to, or opens the data folder itself.
//! - `contexts`, `folders`: nodes by name, kept in the user's configuration folder.
//! - `client`, `connect`, `key`: the node's API over HTTP, TCP or TLS, and the key
//!   that is sent to it.
//! - `logs`: log lines, on standard error.
//! - `output`: tables for people; JSON, YAML and names for programs.
//! - `error`: what went wrong, whose problem it is, and the exit code.

mod client;
mod commands;
mod connect;
mod contexts;
mod error;
mod folders;
mod key;
mod logs;
mod node;
mod output;

use std::process::ExitCode;

use crate::commands::{Cli, Command, Context};

fn main() -> ExitCode {
    let cli = Cli::read();
    let verb = match cli.command {
        // Nothing but the compiler: no runtime, no logs.
        Command::CompileComponent => return nebula_sandbox::compile_child(),
        Command::Verb(verb) => *verb,
    };
    if !verb.serves() {
        logs::init_quiet();
    }
    let context = Context {
        node: cli.node,
        format: cli.output,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(e) => return error::Error::node(format!("the runtime cannot start: {e}")).report(),
    };
    match runtime.block_on(commands::run(&context, verb)) {
        Ok(code) => code,
        Err(error) => error.report(),
    }
}
