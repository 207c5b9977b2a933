//! `nebula help`: of a command or of a topic; completions and man pages come
//! from the same words.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, ValueEnum};

use super::Cli;
use crate::error::{Error, Result};
use crate::output;

/// What the exit code of every command means.
const EXIT_CODES: &str = "\
0    done; of a followed execution: it succeeded
1    the execution or the action failed
2    the command line is wrong
3    what was given was refused: bad input, an unknown name, a missing confirmation
4    the node cannot be reached or is in trouble
5    the execution was cancelled or terminated
6    there is no such package, or no version of it that fits
7    a package is not signed by whom it should be, or was not agreed to
8    a package is not what its publisher published
9    a registry cannot be reached, or has no room
10   a version is published already, or a name belongs to somebody else
130  left with Ctrl-C while following; what was followed goes on";

/// What the commands read from the environment.
const ENVIRONMENT: &str = "\
NEBULA_SERVER          address of the node, as --server
NEBULA_CONTEXT         a node by its name, as --context
NEBULA_DATA            the node's data folder, as --data
NEBULA_API_KEY         the key to send
NEBULA_API_KEY_FILE    a file of mode 0600 with it, as --api-key-file
NEBULA_CA_FILE         certificates that the node's own may lead to, as --ca-file
NEBULA_CONFIG          the configuration file of a node, as --config
NEBULA_STORE           where a node keeps its executions, as `store` in that file
NEBULA_HUB_KEY         a private key to sign packages with, in PEM
NEBULA_HUB_PASSPHRASE  the passphrase that opens it, or a kept one
NEBULA_LOG             what is logged to stderr: warn, info, nebula_engine=debug
NO_COLOR               set to anything: no colours
XDG_CONFIG_HOME        where the contexts and the signing keys are, if not ~/.config
XDG_DATA_HOME          where the data folder is, if not ~/.local/share";

/// Print help: of a command, or of a topic: exit-codes, environment
#[derive(Debug, clap::Args)]
pub(crate) struct Help {
    /// A command, such as `workflow execute`, or a topic
    #[arg(value_name = "COMMAND|TOPIC")]
    words: Vec<String>,
}

/// Shells that completions are made for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Shell {
    /// GNU Bash.
    Bash,
    /// Zsh.
    Zsh,
    /// fish.
    Fish,
}

/// Print the completions of a shell: `source <(nebula completions bash)`
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// Which shell
    shell: Shell,
}

/// Write a man page for each command into a folder
#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// The folder; made if it is not there
    folder: PathBuf,
}

pub(super) fn help(help: &Help) -> Result<ExitCode> {
    let words: Vec<&str> = help.words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["exit-codes"] => output::line(EXIT_CODES)?,
        ["environment"] => output::line(ENVIRONMENT)?,
        words => {
            let mut command = Cli::command();
            command.build();
            let mut found = &mut command;
            for word in words {
                found = found.find_subcommand_mut(word).ok_or_else(|| {
                    Error::refused(format!(
                        "there is no command and no topic `{}`",
                        help.words.join(" ")
                    ))
                    .hint("`nebula help` lists the commands; topics: exit-codes, environment")
                })?;
            }
            output::line(found.render_long_help().to_string().trim_end())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn completions(completions: &Completions) -> Result<ExitCode> {
    let shell = match completions.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "nebula", &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn man(man: &Man) -> Result<ExitCode> {
    let cannot = |e: std::io::Error| {
        Error::refused(format!(
            "the man pages cannot be written to {}: {e}",
            man.folder.display()
        ))
    };
    std::fs::create_dir_all(&man.folder).map_err(cannot)?;
    clap_mangen::generate_to(Cli::command(), &man.folder).map_err(cannot)?;
    output::line(&format!(
        "the man pages are in {0}; read one with: man -l {0}/nebula.1",
        man.folder.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}
