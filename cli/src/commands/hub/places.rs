//! Where packages are: registries and the default namespace, from options or
//! the variables that a node reads too.

use nebula_hub::fetch::Hub;
use nebula_hub::oci::remote::basic;
use nebula_hub::oci::{Credentials, Patience, Remote};
use nebula_hub::reference::{Registry, Wanted};
use nebula_hub::trust::{Policy, TrustFile};

use super::{cache, now, trouble};
use crate::commands::Context;
use crate::error::{Error, Result};
use crate::node;

/// Which registries, in what namespace.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Places {
    /// A registry, `host[:port][/path]` (repeatable: they are asked in order)
    #[arg(
        long = "registry",
        env = "NEBULA_PACKAGES_REGISTRIES",
        value_name = "REGISTRY",
        value_delimiter = ','
    )]
    pub(super) registries: Vec<String>,
    /// The namespace of a bare name
    #[arg(
        long,
        env = "NEBULA_PACKAGES_NAMESPACE",
        value_name = "NAME",
        default_value = "local"
    )]
    pub(in crate::commands) namespace: String,
}

impl Places {
    /// The registries: those that are named, else the hub of the node that runs
    /// on the data folder.
    pub(in crate::commands) fn registries(&self, context: &Context) -> Result<Vec<Registry>> {
        let parse = |text: &String| {
            let parsed = text.parse::<Registry>();
            parsed.map_err(|error| Error::refused(error.to_string()))
        };
        let named = self.named();
        let mut registries: Vec<_> = named.iter().map(parse).collect::<Result<_>>()?;
        if registries.is_empty() {
            registries.extend(own(context)?);
        }
        if registries.is_empty() {
            return Err(Error::refused("no registry is named").hint(
                "add --registry host:port, or set NEBULA_PACKAGES_REGISTRIES; `nebula dev` and `nebula hub serve` have one",
            ));
        }
        Ok(registries)
    }

    /// Those that are named. An empty variable counts as not set.
    pub(super) fn named(&self) -> Vec<String> {
        let named = self.registries.iter().filter(|text| !text.is_empty());
        named.cloned().collect()
    }

    /// A connection to the first registry.
    pub(super) async fn first(&self, context: &Context) -> Result<Remote> {
        let mut registries = self.registries(context)?;
        remote(context, registries.swap_remove(0)).await
    }

    /// Connections to all of them.
    pub(super) async fn remotes(&self, context: &Context) -> Result<Vec<Remote>> {
        let mut remotes = Vec::new();
        for registry in self.registries(context)? {
            remotes.push(remote(context, registry).await?);
        }
        Ok(remotes)
    }

    /// What all of them have, with the node's cache; by their signed indexes where
    /// somebody is trusted to sign one.
    pub(super) async fn hub(&self, context: &Context) -> Result<Hub> {
        hub(context, self.remotes(context).await?).await
    }

    /// A package within a range.
    pub(super) fn wanted(&self, text: &str) -> Result<Wanted> {
        let wanted = Wanted::read(text, &self.namespace);
        wanted.map_err(|error| Error::refused(error.to_string()))
    }
}

/// What these registries have, with the node's cache.
pub(super) async fn hub(context: &Context, remotes: Vec<Remote>) -> Result<Hub> {
    Hub::new(cache::open(context)?, remotes)
        .consulting(&policy(context)?, now())
        .await
        .map_err(|error| trouble::fetch(&error))
}

/// Whom the node of the data folder trusts.
pub(super) fn policy(context: &Context) -> Result<Policy> {
    let file = TrustFile::of_node(&context.node.folder()?);
    let policy = file.policy();
    policy.map_err(|error| Error::refused(error.to_string()))
}

/// The hub of the node that runs on the data folder.
fn own(context: &Context) -> Result<Option<Registry>> {
    let address = node::running(&context.node.folder()?);
    Ok(address.and_then(|address| address.parse().ok()))
}

/// A registry, and who asks it: of one's own hub its owner, whose token is
/// beside it.
pub(super) async fn remote(context: &Context, registry: Registry) -> Result<Remote> {
    let token = match own(context)? {
        Some(own) if own == registry => {
            let file = context.node.folder()?.join("hub/local.token");
            std::fs::read_to_string(file).ok()
        }
        _ => None,
    };
    let remote = match token {
        Some(token) => Remote::with(registry, basic("local", token.trim()), Patience::default()),
        None => Remote::new(registry, &Credentials::new(std::env::vars())).await,
    };
    remote.map_err(|error| trouble::registry(&error))
}
