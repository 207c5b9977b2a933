//! `nebula context …`: nodes by name. They are kept as the options that each
//! command takes: `--server`, `--api-key-file`, `--ca-file`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Context, credential, read};
use crate::client::Client;
use crate::contexts::{self, Contexts, Kept};
use crate::error::{Error, Result};
use crate::key::Key;
use crate::output::{self, Column, Format, Show};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Keep the node that --server names, with --api-key-file and --ca-file, under a name
    Add {
        /// The name
        name: String,
        /// Keep a key, too: asked for on a terminal, else read from standard input
        #[arg(long)]
        with_key: bool,
        /// In place of what has that name
        #[arg(long)]
        replace: bool,
    },
    /// List the contexts; keys are never shown
    List,
    /// Go to a context from now on, if a command says nothing else
    Use {
        /// Its name
        #[arg(required_unless_present = "none")]
        name: Option<String>,
        /// None: to the node of the data folder
        #[arg(long, conflicts_with = "name")]
        none: bool,
    },
    /// Forget a context
    Remove {
        /// Its name
        name: String,
    },
    /// Show a context: the one in use if no name is given
    Show {
        /// Its name
        name: Option<String>,
    },
}

/// Columns of a list.
const COLUMNS: &[Column] = &[
    ("NAME", "/name", Show::Key),
    ("SERVER", "/server", Show::Key),
    ("KEY", "/key", Show::Key),
    ("IN USE", "/in_use", Show::Key),
    ("KEY FILE", "/api_key_file", Show::Wide(&Show::Key)),
    ("CA FILE", "/ca_file", Show::Wide(&Show::Key)),
];

pub(crate) fn run(context: &Context, verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Add {
            name,
            with_key,
            replace,
        } => {
            contexts::check_name(&name)?;
            let kept = kept(context, &name, with_key)?;
            let row = row(&name, &kept, None);
            let text = format!("context {name}: {}, {}", kept.server, key(&kept));
            Contexts::change(|all| add(all, &name, kept, replace))?;
            credential::report(context, &row, &text)?;
            if context.format.is_for_people() {
                output::note(&format!(
                    "go there with: nebula --context {name} …, or from now on: nebula context use {name}"
                ));
            }
            Ok(ExitCode::SUCCESS)
        }
        Verb::List => list(context),
        Verb::Use { name, none: _ } => go_to(context, name),
        Verb::Remove { name } => {
            let was_current = Contexts::change(|all| {
                all.get(&name)?;
                all.contexts.remove(&name);
                let was_current = all.current.as_ref() == Some(&name);
                all.current = all.current.take().filter(|current| *current != name);
                Ok(was_current)
            })?;
            let more = if was_current {
                "; no context is in use now"
            } else {
                ""
            };
            let answer = json!({ "name": name });
            credential::report(context, &answer, &format!("removed {name}{more}"))
        }
        Verb::Show { name } => show(context, name),
    }
}

/// What the options say, checked as far as it can be without the node.
fn kept(context: &Context, name: &str, with_key: bool) -> Result<Kept> {
    let node = &context.node;
    let server = node.server().ok_or_else(|| {
        Error::refused(format!("no address for `{name}`")).hint("name the node with --server URL")
    })?;
    let absolute = |file: &Path| std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let api_key_file = node.api_key_file.as_deref().map(absolute);
    let ca_file: Option<PathBuf> = node.ca_file.as_deref().map(absolute);
    let key = match (with_key, &api_key_file) {
        (true, Some(_)) => {
            return Err(Error::refused("two keys are given")
                .hint("take one away: --with-key, or --api-key-file (NEBULA_API_KEY_FILE)"));
        }
        (true, None) => Some(Key::Text(ask(name)?)),
        (false, file) => file.clone().map(Key::File),
    };
    let text = key.as_ref().map(Key::read).transpose()?;
    Client::new(server, ca_file.as_deref())?.with_key(text.clone())?;
    Ok(Kept {
        server: server.to_owned(),
        api_key: text.filter(|_| with_key),
        api_key_file,
        ca_file,
    })
}

fn ask(name: &str) -> Result<String> {
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password(format!("Key for {name}: "))
            .map_err(|e| Error::refused(format!("the key cannot be read: {e}")));
    }
    String::from_utf8(read("-")?).map_err(|_| Error::refused("the key is not text"))
}

fn add(all: &mut Contexts, name: &str, kept: Kept, replace: bool) -> Result<()> {
    if all.contexts.contains_key(name) && !replace {
        return Err(
            Error::refused(format!("there is a context `{name}` already"))
                .hint("with --replace it is kept in place of that one"),
        );
    }
    all.contexts.insert(name.to_owned(), kept);
    Ok(())
}

fn list(context: &Context) -> Result<ExitCode> {
    let all = Contexts::read()?;
    let in_use = context.node.context(&all)?;
    let rows: Vec<Value> = all
        .contexts
        .iter()
        .map(|(name, kept)| row(name, kept, in_use.as_deref()))
        .collect();
    output::rows(context.format, &json!({ "items": rows }), &rows, COLUMNS)?;
    Ok(ExitCode::SUCCESS)
}

fn go_to(context: &Context, name: Option<String>) -> Result<ExitCode> {
    Contexts::change(|all| {
        if let Some(name) = &name {
            all.get(name)?;
        }
        all.current.clone_from(&name);
        Ok(())
    })?;
    let text = match &name {
        Some(name) => format!("commands go to {name} from now on"),
        None => "commands go to the node of the data folder from now on".to_owned(),
    };
    credential::report(context, &json!({ "name": name }), &text)?;
    for variable in ["NEBULA_SERVER", "NEBULA_CONTEXT", "NEBULA_DATA"] {
        if std::env::var_os(variable).is_some_and(|value| !value.is_empty()) {
            output::note(&format!("{variable} is set, and goes above that"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(context: &Context, name: Option<String>) -> Result<ExitCode> {
    let all = Contexts::read()?;
    let in_use = context.node.context(&all)?;
    let name = name.or_else(|| in_use.clone()).ok_or_else(|| {
        Error::refused("no context is in use").hint("give a name; `nebula context list` shows them")
    })?;
    let row = row(&name, all.get(&name)?, in_use.as_deref());
    let format = match context.format {
        Format::Table => Format::Wide,
        format => format,
    };
    output::rows(format, &row, std::slice::from_ref(&row), COLUMNS)?;
    Ok(ExitCode::SUCCESS)
}

/// A context as it is shown: of its key, where it is.
fn row(name: &str, kept: &Kept, in_use: Option<&str>) -> Value {
    json!({
        "name": name,
        "server": kept.server,
        "key": if kept.api_key.is_some() { Some("kept") } else { kept.api_key_file.as_ref().map(|_| "file") },
        "api_key_file": kept.api_key_file,
        "ca_file": kept.ca_file,
        "in_use": in_use == Some(name),
    })
}

fn key(kept: &Kept) -> String {
    match &kept.api_key_file {
        Some(file) => format!("with the key in {}", file.display()),
        None if kept.api_key.is_some() => "with a key".to_owned(),
        None => "without a key".to_owned(),
    }
}
