//! Finds the node to talk to. What is typed goes above the environment, and
//! that above what is kept:
//!
//! 1. `--server` or `--context`, typed;
//! 2. `NEBULA_SERVER`, then `NEBULA_CONTEXT`;
//! 3. the data folder that `--data` or `NEBULA_DATA` names;
//! 4. the context in use;
//! 5. the user's data folder.
//!
//! Of a data folder it is the node that runs on it, or the folder itself,
//! opened under its lock for this one command.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ArgMatches;
use clap::parser::ValueSource;
use nebula_server::Running;
use serde_json::Value;

use crate::client::Client;
use crate::commands;
use crate::contexts::Contexts;
use crate::error::{Error, Result};
use crate::folders;
use crate::key::Key;

/// How long a command that follows something waits for a node that went away.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// What it says meanwhile.
pub(crate) const AWAY: &str = "the node does not answer; waiting for it to come back";
/// What it says then.
pub(crate) const BACK: &str = "the node is back";

/// Which node; the same options on every verb.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct NodeArgs {
    /// Address of a node, e.g. http://127.0.0.1:7300
    #[arg(long, global = true, env = "NEBULA_SERVER", value_name = "URL")]
    server: Option<String>,
    /// A node by the name that `nebula context add` gave it
    #[arg(long, global = true, env = "NEBULA_CONTEXT", value_name = "NAME")]
    context: Option<String>,
    /// The node's data folder [default: ~/.local/share/nebula]
    #[arg(long, global = true, env = "NEBULA_DATA", value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// A file of mode 0600 with the key to send; NEBULA_API_KEY may have the key itself
    #[arg(long, global = true, env = "NEBULA_API_KEY_FILE", value_name = "FILE")]
    pub(crate) api_key_file: Option<PathBuf>,
    /// Certificates (PEM) that the node's own may lead to, instead of the system's
    #[arg(long, global = true, env = "NEBULA_CA_FILE", value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    #[arg(skip)]
    typed: Typed,
}

/// Which of the options stood on the command line, not in the environment.
#[derive(Debug, Clone, Copy, Default)]
struct Typed {
    server: bool,
    context: bool,
    api_key_file: bool,
    ca_file: bool,
}

/// Where to go.
#[derive(Debug, PartialEq, Eq)]
enum Choice {
    Server(String),
    /// A context of this name, typed or not.
    Context(String, bool),
    Folder,
}

/// A node, found or yet to be found; the same for as long as a command takes,
/// whatever is changed in the contexts meanwhile.
#[derive(Clone)]
pub(crate) struct Target {
    place: Place,
    roots: Option<PathBuf>,
    key: Option<Key>,
}

#[derive(Clone)]
enum Place {
    Server(String),
    Folder(PathBuf),
}

/// A node that answers, for as long as this lives.
pub(crate) struct Node {
    /// Its API.
    pub(crate) client: Client,
    /// How it was found.
    pub(crate) target: Target,
    own: Option<Running>,
}

impl NodeArgs {
    /// Notes which options were typed.
    pub(crate) fn note_typed(&mut self, matches: &ArgMatches) {
        let typed = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
        self.typed = Typed {
            server: typed("server"),
            context: typed("context"),
            api_key_file: typed("api_key_file"),
            ca_file: typed("ca_file"),
        };
    }

    /// The data folder.
    pub(crate) fn folder(&self) -> Result<PathBuf> {
        if let Some(folder) = &self.data {
            return Ok(folder.clone());
        }
        folders::of_user("XDG_DATA_HOME", ".local/share")
            .map(|folder| folder.join("nebula"))
            .ok_or_else(|| {
                Error::refused("no data folder: HOME is not set").hint("give one with --data")
            })
    }

    /// The address that is given. An empty variable counts as not set.
    pub(crate) fn server(&self) -> Option<&str> {
        self.server.as_deref().filter(|server| !server.is_empty())
    }

    /// The context that commands go to, if they go to one.
    pub(crate) fn context(&self, all: &Contexts) -> Result<Option<String>> {
        match self.choose(|| Ok(all.current.clone()))? {
            Choice::Context(name, _) => Ok(Some(name)),
            Choice::Server(_) | Choice::Folder => Ok(None),
        }
    }

    /// The node to talk to.
    pub(crate) async fn connect(&self) -> Result<Node> {
        self.target()?.connect().await
    }

    fn choose(&self, current: impl FnOnce() -> Result<Option<String>>) -> Result<Choice> {
        let server = self.server();
        let context = self.context.as_deref().filter(|name| !name.is_empty());
        if self.typed.server && self.typed.context {
            return Err(Error::refused("--server and --context both name a node")
                .hint("take one of them away"));
        }
        let typed = self.typed.context;
        let choice = match (server, context) {
            (_, Some(name)) if typed => Choice::Context(name.to_owned(), true),
            (Some(address), _) => Choice::Server(address.to_owned()),
            (None, Some(name)) => Choice::Context(name.to_owned(), false),
            (None, None) if self.data.is_some() => Choice::Folder,
            (None, None) => match current()? {
                Some(name) => Choice::Context(name, false),
                None => Choice::Folder,
            },
        };
        Ok(choice)
    }

    /// Weighs options, environment and contexts. A context's key goes to that
    /// context's address and to no other.
    fn target(&self) -> Result<Target> {
        let roots = self.ca_file.clone();
        let file = self.api_key_file.clone().map(Key::File);
        let key = file.or_else(Key::from_variable);
        let place = match self.choose(|| Ok(Contexts::read()?.current))? {
            Choice::Server(address) => Place::Server(address),
            Choice::Folder => Place::Folder(self.folder()?),
            Choice::Context(name, by_name) => {
                let kept = Contexts::read()?.get(&name)?.clone();
                let file = kept.api_key_file.map(Key::File);
                let kept_key = file.or(kept.api_key.map(Key::Text));
                return Ok(Target {
                    place: Place::Server(kept.server),
                    roots: weigh(roots, self.typed.ca_file, kept.ca_file, by_name),
                    key: weigh(key, self.typed.api_key_file, kept_key, by_name),
                });
            }
        };
        Ok(Target { place, roots, key })
    }
}

/// What was said by option or variable, or what is kept in a context: that of a
/// context that was typed goes above a variable.
fn weigh<T>(said: Option<T>, typed: bool, kept: Option<T>, by_name: bool) -> Option<T> {
    if by_name && !typed {
        kept.or(said)
    } else {
        said.or(kept)
    }
}

impl Target {
    /// The node that runs: the one that is named, or that of the data folder
    /// if it answers.
    pub(crate) async fn running(&self) -> Result<Option<Client>> {
        match &self.place {
            Place::Server(address) => self.client(address).map(Some),
            Place::Folder(folder) => self.running_on(folder).await,
        }
    }

    async fn running_on(&self, folder: &Path) -> Result<Option<Client>> {
        let Some(address) = running(folder) else {
            return Ok(None);
        };
        let client = Client::new(&address, self.roots.as_deref())?;
        if client.get("/api/v1/health").await.is_err() {
            return Ok(None);
        }
        self.client(&address).map(Some)
    }

    fn client(&self, address: &str) -> Result<Client> {
        let key = self.key.as_ref().map(Key::read).transpose()?;
        Client::new(address, self.roots.as_deref())?.with_key(key)
    }

    /// That node, or the data folder, which needs no key if it is opened here.
    async fn connect(self) -> Result<Node> {
        let (client, own) = match &self.place {
            Place::Server(address) => (self.client(address)?, None),
            Place::Folder(folder) => match self.running_on(folder).await? {
                Some(client) => (client, None),
                None => {
                    let own = open(folder).await?;
                    (Client::new(own.url(), None)?, Some(own))
                }
            },
        };
        Ok(Node {
            client,
            target: self,
            own,
        })
    }
}

/// A node in this process, on a free port.
async fn open(folder: &Path) -> Result<Running> {
    let config = commands::serve::own(folder)?.with_compiler(commands::compiler());
    let server = nebula_server::build(config).await.map_err(|e| {
        Error::node(format!(
            "no node runs on {}, and the folder cannot be opened: {e}",
            folder.display()
        ))
        .hint("start a node with `nebula dev`, or name one with --server")
    })?;
    Ok(server.spawn())
}

impl Node {
    /// Whether it lives only as long as this command.
    pub(crate) const fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Closes what this command opened.
    pub(crate) async fn close(self) {
        if let Some(own) = self.own {
            own.drain().await;
        }
    }
}

/// The address that a node left in its data folder.
pub(crate) fn running(folder: &Path) -> Option<String> {
    let text = std::fs::read_to_string(folder.join("node.json")).ok()?;
    let node: Value = serde_json::from_str(&text).ok()?;
    node.get("address")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is chosen when these are said; a `!` begins what was typed.
    fn choose(server: &str, context: &str, data: &str, current: Option<&str>) -> Result<Choice> {
        let given = |text: &str| Some(text.trim_start_matches('!').to_owned());
        let args = NodeArgs {
            server: given(server),
            context: given(context),
            data: given(data)
                .filter(|data| !data.is_empty())
                .map(PathBuf::from),
            typed: Typed {
                server: server.starts_with('!'),
                context: context.starts_with('!'),
                ..Typed::default()
            },
            ..NodeArgs::default()
        };
        args.choose(|| Ok(current.map(str::to_owned)))
    }

    #[test]
    fn what_is_typed_goes_above_the_environment_and_that_above_what_is_kept() {
        let server = |address: &str| Choice::Server(address.to_owned());
        let context = |name: &str, typed| Choice::Context(name.to_owned(), typed);
        for (said, wanted) in [
            (("!s", "c", "d", Some("k")), server("s")),
            (("s", "!c", "d", Some("k")), context("c", true)),
            (("s", "c", "d", Some("k")), server("s")),
            (("", "c", "d", Some("k")), context("c", false)),
            (("", "", "d", Some("k")), Choice::Folder),
            (("", "", "", Some("k")), context("k", false)),
            (("", "", "", None), Choice::Folder),
        ] {
            let (server, context, data, current) = said;
            let choice = choose(server, context, data, current);
            assert_eq!(choice.ok().as_ref(), Some(&wanted), "{said:?}");
        }
        assert!(choose("!s", "!c", "", None).is_err(), "two nodes");
    }

    #[test]
    fn a_variable_gives_its_key_to_no_context_that_was_typed_and_has_one() {
        assert_eq!(
            weigh(Some("variable"), false, Some("kept"), true),
            Some("kept")
        );
        assert_eq!(
            weigh(Some("typed"), true, Some("kept"), true),
            Some("typed")
        );
        assert_eq!(
            weigh(Some("variable"), false, Some("kept"), false),
            Some("variable")
        );
        assert_eq!(weigh(Some("variable"), false, None, true), Some("variable"));
        assert_eq!(weigh(None, false, Some("kept"), false), Some("kept"));
    }
}
