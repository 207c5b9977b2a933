//! `nebula dev`: one process with everything embedded, on loopback.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use nebula_server::Config;

use super::{Context, serve};
use crate::error::{Error, Result};

/// Run a node with everything embedded
#[derive(Debug, clap::Args)]
pub(crate) struct Dev {
    /// The configuration file (TOML), as of `nebula serve`
    #[arg(long, env = "NEBULA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Port to listen on; 0 takes a free one [default: 7300]
    #[arg(long)]
    port: Option<u16>,
    /// Address to listen on; loopback only, unless keys are needed [default: 127.0.0.1]
    #[arg(long)]
    listen: Option<IpAddr>,
    /// A component of your own to offer besides the packs (repeatable)
    #[arg(long, value_name = "FILE")]
    component: Vec<PathBuf>,
}

pub(crate) async fn run(context: &Context, dev: Dev) -> Result<ExitCode> {
    let defaults = Config::dev(context.node.folder()?);
    // Two options make one setting; what is not given stays as it is by default.
    let listen = SocketAddr::new(
        dev.listen.unwrap_or_else(|| defaults.listen.ip()),
        dev.port.unwrap_or_else(|| defaults.listen.port()),
    );
    let given = dev.listen.is_some() || dev.port.is_some();
    let components = dev.component.iter().map(|c| c.display().to_string());
    let layers = serve::layers(context, dev.config.as_deref())?
        .with_option("listen", "--listen", given.then(|| listen.to_string()))
        .with_options("components", "--component", components.collect());
    let settings = defaults
        .read(layers)
        .map_err(|mistakes| Error::refused(mistakes.to_string()))?;
    serve::run_node(settings).await
}
