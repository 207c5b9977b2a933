//! Finds the node to talk to. In this order: `--server`, the node that runs on
//! the data folder, or the folder itself, opened under its lock for this one
//! command.

use std::path::{Path, PathBuf};

use nebula_server::{Config, Running};
use serde_json::Value;

use crate::client::Client;
use crate::error::{Error, Result};

/// Which node; the same options on every verb.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct NodeArgs {
    /// Address of a node, e.g. http://127.0.0.1:7300
    #[arg(long, global = true, env = "NEBULA_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// The node's data folder [default: ~/.local/share/nebula]
    #[arg(long, global = true, env = "NEBULA_DATA", value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// A file of mode 0600 with the key to send; NEBULA_API_KEY may have the key itself
    #[arg(long, global = true, env = "NEBULA_API_KEY_FILE", value_name = "FILE")]
    pub(crate) api_key_file: Option<PathBuf>,
    /// Certificates (PEM) that the node's own may lead to, instead of the system's
    #[arg(long, global = true, env = "NEBULA_CA_FILE", value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

/// A node that answers, for as long as this lives.
pub(crate) struct Node {
    /// Its API.
    pub(crate) client: Client,
    own: Option<Running>,
}

impl NodeArgs {
    /// The data folder.
    pub(crate) fn folder(&self) -> Result<PathBuf> {
        if let Some(folder) = &self.data {
            return Ok(folder.clone());
        }
        let base = std::env::var_os("XDG_DATA_HOME")
            .map(PathBuf::from)
            .or_else(|| {
                std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"))
            })
            .ok_or_else(|| {
                Error::refused("no data folder: HOME is not set").hint("give one with --data")
            })?;
        Ok(base.join("nebula"))
    }

    /// The key to send. A folder that this command opens itself needs none.
    fn key(&self) -> Result<Option<String>> {
        crate::key::read(self.api_key_file.as_deref())
    }

    /// The node that runs: the one that is named, or that of the data folder
    /// if it answers.
    pub(crate) async fn running(&self) -> Result<Option<Client>> {
        let client = |address: &str| Client::new(address, self.ca_file.as_deref());
        if let Some(address) = &self.server {
            return client(address)?.with_key(self.key()?).map(Some);
        }
        let Some(address) = running(&self.folder()?) else {
            return Ok(None);
        };
        let client = client(&address)?;
        if client.get("/api/v1/health").await.is_err() {
            return Ok(None);
        }
        client.with_key(self.key()?).map(Some)
    }

    /// The node to talk to.
    pub(crate) async fn connect(&self) -> Result<Node> {
        if let Some(client) = self.running().await? {
            return Ok(Node { client, own: None });
        }
        let folder = self.folder()?;
        let config = Config::dev(&folder)
            .with_port(0)
            .with_compiler(crate::commands::compiler());
        let server = nebula_server::build(config).await.map_err(|e| {
            Error::node(format!(
                "no node runs on {}, and the folder cannot be opened: {e}",
                folder.display()
            ))
            .hint("start a node with `nebula dev`, or name one with --server")
        })?;
        let own = server.spawn();
        Ok(Node {
            client: Client::new(own.url(), None)?,
            own: Some(own),
        })
    }
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
fn running(folder: &Path) -> Option<String> {
    let text = std::fs::read_to_string(folder.join("node.json")).ok()?;
    let node: Value = serde_json::from_str(&text).ok()?;
    node.get("address")?.as_str().map(str::to_owned)
}
