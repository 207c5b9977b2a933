//! `nebula serve`: a node for others, by a configuration file. `nebula dev`
//! runs the same way, with other defaults.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nebula_server::{Config, Layers, Running, Settings};

use super::Context;
use crate::error::{Error, Result};
use crate::{logs, output};

/// Run a node for others, by a configuration file; every request needs a key
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    settings: SettingsArgs,
}

/// Where settings come from, and the few that are also options.
#[derive(Debug, clap::Args)]
pub(crate) struct SettingsArgs {
    /// The configuration file (TOML); docs/server.md has every setting
    #[arg(long, env = "NEBULA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address to listen on, e.g. 127.0.0.1:7300
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// A proxy in front of the node ends TLS
    #[arg(long)]
    behind_proxy: bool,
    /// Shape of the log on standard error: text or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

impl SettingsArgs {
    /// Every layer, the options on top.
    pub(crate) fn layers(self, context: &Context) -> Result<Layers> {
        Ok(layers(context, self.config.as_deref())?
            .with_option("listen", "--listen", self.listen)
            .with_option(
                "behind_proxy",
                "--behind-proxy",
                self.behind_proxy.then(|| "true".into()),
            )
            .with_option("log_format", "--log-format", self.log_format))
    }

    /// Reads every layer.
    pub(crate) fn read(self, context: &Context) -> Result<Settings> {
        let layers = self.layers(context)?;
        let defaults = Config::serve(context.node.folder()?);
        defaults
            .read(layers)
            .map_err(|mistakes| Error::refused(mistakes.to_string()))
    }
}

/// The file and the environment, and the data folder if it was an option.
pub(crate) fn layers(context: &Context, file: Option<&Path>) -> Result<Layers> {
    let folder = context.node.data.as_ref();
    let by_option = folder.filter(|folder| {
        std::env::var_os("NEBULA_DATA").is_none_or(|variable| variable != folder.as_os_str())
    });
    Ok(environment(file)?.with_option(
        "data",
        "--data",
        by_option.map(|folder| folder.display().to_string()),
    ))
}

fn environment(file: Option<&Path>) -> Result<Layers> {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let layers = Layers::default().with_environment(variables);
    match file {
        Some(file) => layers
            .with_file(file)
            .map_err(|mistakes| Error::refused(mistakes.to_string())),
        None => Ok(layers),
    }
}

/// A node on this folder for one command: open to nobody but this process, and
/// with the store that the environment or its configuration file names, so that
/// it is the store of the node that is served here at other times.
pub(crate) fn own(folder: &Path) -> Result<Config> {
    let own = Config::dev(folder).with_port(0).without_hub();
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let file = set("NEBULA_CONFIG").map(PathBuf::from);
    if file.is_none() && set("NEBULA_STORE").is_none() {
        return Ok(own);
    }
    let settings = Config::serve(folder)
        .read(environment(file.as_deref())?)
        .map_err(|mistakes| Error::refused(mistakes.to_string()))?;
    let mut own = own.with_store(settings.config.store);
    own.packages = settings.config.packages;
    Ok(own)
}

pub(crate) async fn run(context: &Context, serve: Serve) -> Result<ExitCode> {
    run_node(serve.settings.read(context)?).await
}

/// Runs a node until it is told to stop.
pub(crate) async fn run_node(settings: Settings) -> Result<ExitCode> {
    logs::init(&settings.log)?;
    let folder = settings.config.data_dir.clone();
    let store = settings.config.store.clone();
    let serves_hub = settings.config.hub.serve;
    let server = nebula_server::build(settings.config.with_compiler(super::compiler()))
        .await
        .map_err(|e| Error::node(format!("the node cannot start: {e}")))?;
    let mut signals = Signals::listen()?;
    let running = server.spawn();
    output::line(&format!("nebula listens on {}", running.url()))?;
    output::line(&format!("data folder: {}", folder.display()))?;
    if let Some(store) = store {
        output::line(&format!("store: {store}"))?;
    }
    if serves_hub {
        let hub = nebula_server::hub::reference(running.url());
        output::line(&format!("hub: {hub}"))?;
    }
    tokio::select! {
        () = signals.next() => {}
        () = running.lost() => {
            return Err(Error::node("the store's writer failed, and the node can do nothing more")
                .hint("the log says why; the next start goes on with all that was accepted"));
        }
    }
    output::line("stopping: steps in flight may end; a second signal ends the node at once")?;
    stop(running, signals).await
}

/// Drains the node, unless a second signal comes first.
async fn stop(running: Running, mut signals: Signals) -> Result<ExitCode> {
    tokio::select! {
        () = running.drain() => Ok(ExitCode::SUCCESS),
        () = signals.next() => Err(Error::node("the node was ended before it had drained")
            .hint("nothing that was accepted is lost: the next start goes on from the log")),
    }
}

/// SIGINT and SIGTERM. Beside them SIGXFSZ is listened to and not heeded: it would
/// end the process where a file may not grow, and so it is an error of the write,
/// like a full disk.
pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    _too_large: tokio::signal::unix::Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| {
            signal(kind).map_err(|e| Error::node(format!("signals cannot be listened to: {e}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            _too_large: listen(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
