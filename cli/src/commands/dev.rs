//! `nebula dev`: one process with everything embedded, on loopback.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use nebula_server::Config;

use super::Context;
use crate::error::{Error, Result};
use crate::output;

/// The port people find a node on.
const PORT: u16 = 7300;

/// Run a node with everything embedded
#[derive(Debug, clap::Args)]
pub(crate) struct Dev {
    /// Port to listen on; 0 takes a free one
    #[arg(long, default_value_t = PORT)]
    port: u16,
    /// Address to listen on; loopback only, while a node has no authentication
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// A component of your own to offer besides the packs (repeatable)
    #[arg(long, value_name = "FILE")]
    component: Vec<PathBuf>,
}

pub(crate) async fn run(context: &Context, dev: Dev) -> Result<ExitCode> {
    let folder = context.node.folder()?;
    let config = Config::dev(&folder)
        .with_listen(SocketAddr::new(dev.listen, dev.port))
        .with_components(dev.component)
        .with_compiler(super::compiler());
    let server = nebula_server::build(config)
        .await
        .map_err(|e| Error::node(format!("the node cannot start: {e}")))?;
    let running = server.spawn();
    output::line(&format!("nebula listens on http://{}", running.address()))?;
    output::line(&format!("data folder: {}", folder.display()))?;
    stop_signal().await;
    output::line("stopping: steps in flight may end")?;
    running.drain().await;
    Ok(ExitCode::SUCCESS)
}

/// Ctrl-C or SIGTERM.
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => {
            let _ = interrupt.await;
        }
    }
}
