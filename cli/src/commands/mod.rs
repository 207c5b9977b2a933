//! The tree of commands.

mod action;
mod config;
mod confirm;
mod context;
mod credential;
mod dev;
mod execution;
mod grant;
mod help;
mod hub;
mod input;
mod key;
mod list;
#[cfg(test)]
mod reference;
pub(crate) mod serve;
mod trigger;
mod workflow;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use nebula_sandbox::Compiler;

use crate::error::Result;
use crate::node::NodeArgs;
use crate::output::Format;

/// Runs workflows whose every action is a sandboxed WebAssembly component.
#[derive(Debug, Parser)]
#[command(name = "nebula", version, arg_required_else_help = true)]
#[command(disable_help_subcommand = true)]
#[command(
    after_help = "Exit codes: 0 done · 1 the execution or action failed · 2 wrong usage · 3 refused · \
4 the node cannot be reached or is in trouble · 5 the execution was cancelled or terminated · 6 to 10 a package was refused · 130 left with Ctrl-C\n\
More: nebula help exit-codes, nebula help environment"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) node: NodeArgs,
    /// How results are printed
    #[arg(short, long, global = true, value_enum, default_value = "table")]
    pub(crate) output: Format,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The verb of the process that compiles.
const COMPILE: &str = "compile-component";

impl Cli {
    /// Reads the command line; a wrong one ends the process.
    pub(crate) fn read() -> Self {
        let matches = Self::command().get_matches();
        let mut cli = Self::from_arg_matches(&matches).unwrap_or_else(|e| e.exit());
        cli.node.note_typed(&matches);
        cli
    }
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Verb(Box<Verb>),
    /// Turn the component on standard input into machine code; a node starts it
    #[command(hide = true, name = COMPILE)]
    CompileComponent,
}

/// What people do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run a node with everything embedded
    Dev(dev::Dev),
    /// Run a node for others, by a configuration file; every request needs a key
    Serve(serve::Serve),
    /// Check and show the settings of a node
    #[command(subcommand)]
    Config(config::Config),
    /// Deploy, validate, test, execute and list workflows
    #[command(subcommand)]
    Workflow(workflow::Workflow),
    /// List, inspect, watch, signal, pause and end executions
    #[command(subcommand)]
    Execution(execution::Execution),
    /// List, switch and try what starts workflows by itself
    #[command(subcommand)]
    Trigger(trigger::Trigger),
    /// Create, inspect, test and publish actions; list those that are installed
    #[command(subcommand)]
    Action(action::Action),
    /// Store the secrets that actions use, encrypted
    #[command(subcommand)]
    Credential(credential::Credential),
    /// Let actions reach hosts
    Grant(grant::GrantArgs),
    /// Make, list and revoke keys of the API
    #[command(subcommand)]
    Key(key::Key),
    /// Sign packages, say whose packages a node takes, and serve a hub of your own
    #[command(subcommand)]
    Hub(hub::Hub),
    /// Keep nodes by name, and choose one
    #[command(subcommand)]
    Context(context::Verb),
    Help(help::Help),
    Completions(help::Completions),
    Man(help::Man),
}

impl Verb {
    /// Whether it serves, and logs as its settings say.
    pub(crate) const fn serves(&self) -> bool {
        match self {
            Self::Dev(_) | Self::Serve(_) => true,
            Self::Hub(verb) => verb.serves(),
            _ => false,
        }
    }
}

/// This program as the one that compiles, in a process of its own.
pub(crate) fn compiler() -> Compiler {
    Compiler::this_program(COMPILE)
}

/// What every command gets.
pub(crate) struct Context {
    pub(crate) node: NodeArgs,
    pub(crate) format: Format,
}

/// Runs a command.
pub(crate) async fn run(context: &Context, verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Dev(command) => dev::run(context, command).await,
        Verb::Serve(command) => serve::run(context, command).await,
        Verb::Config(command) => config::run(context, command),
        Verb::Workflow(command) => workflow::run(context, command).await,
        Verb::Execution(command) => execution::run(context, command).await,
        Verb::Trigger(command) => trigger::run(context, command).await,
        Verb::Action(command) => action::run(context, command).await,
        Verb::Credential(command) => credential::run(context, command).await,
        Verb::Grant(command) => grant::run(context, command).await,
        Verb::Key(command) => key::run(context, command).await,
        Verb::Hub(command) => hub::run(context, command).await,
        Verb::Context(command) => context::run(context, command),
        Verb::Help(command) => help::help(&command),
        Verb::Completions(command) => help::completions(&command),
        Verb::Man(command) => help::man(&command),
    }
}

/// Makes a text safe as one segment of a path.
pub(crate) fn segment(text: &str) -> String {
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut out, b| {
            if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~') {
                out.push(char::from(b));
            } else {
                out.push_str(&format!("%{b:02X}"));
            }
            out
        })
}

/// Reads a file, or standard input for `-`.
pub(crate) fn read(path: &str) -> Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let read = if path == "-" {
        std::io::stdin().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    match read {
        Ok(_) => Ok(bytes),
        Err(e) => Err(crate::error::Error::refused(format!(
            "`{path}` cannot be read: {e}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_tree_of_commands_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_name_cannot_leave_its_segment() {
        assert_eq!(segment("../x y"), "..%2Fx%20y");
        assert_eq!(segment("weather.fetch"), "weather.fetch");
    }
}
