//! `nebula hub serve`: a hub without a node.

use std::path::PathBuf;
use std::process::ExitCode;

use nebula_server::{Config, hub};

use super::super::Context;
use super::super::serve::{SettingsArgs, Signals};
use crate::error::{Error, Result};
use crate::{logs, output};

/// Serve a hub without a node: a registry that any client of registries can use
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Where the hub keeps everything [default: `hub` in the data folder]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Let anyone pull; pushes need a token in any case
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    anonymous_pull: Option<bool>,
    /// Take and delete nothing
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    read_only: Option<bool>,
    /// Keep tags that are versions, such as 1.2.3, where they point to [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    immutable_tags: Option<bool>,
    /// Bytes of a blob, e.g. 2GiB [default: 1GiB]
    #[arg(long, value_name = "BYTES")]
    max_blob: Option<String>,
}

pub(crate) async fn run(context: &Context, serve: Serve) -> Result<ExitCode> {
    let defaults = Config::hub(context.node.folder()?);
    let flag = |value: Option<bool>| value.map(|value| value.to_string());
    let folder = serve.folder.map(|folder| folder.display().to_string());
    let layers = serve
        .settings
        .layers(context)?
        .with_option("hub.folder", "--folder", folder)
        .with_option(
            "hub.anonymous_pull",
            "--anonymous-pull",
            flag(serve.anonymous_pull),
        )
        .with_option("hub.read_only", "--read-only", flag(serve.read_only))
        .with_option(
            "hub.immutable_tags",
            "--immutable-tags",
            flag(serve.immutable_tags),
        )
        .with_option("hub.max_blob", "--max-blob", serve.max_blob);
    let settings = defaults
        .read(layers)
        .map_err(|mistakes| Error::refused(mistakes.to_string()))?;
    logs::init(&settings.log)?;
    let folder = hub::folder(&settings.config);
    let hub = hub::build(settings.config)
        .await
        .map_err(|e| Error::node(format!("the hub cannot start: {e}")))?;
    let mut signals = Signals::listen()?;
    let running = hub.spawn();
    output::line(&format!("the hub listens on {}", running.url()))?;
    output::line(&format!("hub folder: {}", folder.display()))?;
    signals.next().await;
    output::line("stopping: requests in flight may end; a second signal ends the hub at once")?;
    tokio::select! {
        () = running.drain() => Ok(ExitCode::SUCCESS),
        () = signals.next() => Err(Error::node("the hub was ended before it had drained")
            .hint("nothing that was accepted is lost")),
    }
}
