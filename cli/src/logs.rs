//! Where log lines go: to standard error, in the shape that was asked for.

use nebula_server::{LogConfig, LogFormat};
use tracing_subscriber::EnvFilter;

use crate::error::{Error, Result};
use crate::output::Style;

/// Of a node: as its settings say.
pub(crate) fn init(config: &LogConfig) -> Result<()> {
    let filter = EnvFilter::try_new(&config.filter)
        .map_err(|e| Error::refused(format!("`log`: `{}` is not a filter: {e}", config.filter)))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(Style::stderr() == Style::Colour)
        .with_writer(std::io::stderr)
        // It would say so on standard error, and panic where that is a file on a full
        // disk: a line that cannot be written is lost, and nothing else.
        .log_internal_errors(false);
    let _ = match config.format {
        LogFormat::Text => lines.with_target(false).try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    Ok(())
}

/// Of any other verb: only what it warns of, or as `NEBULA_LOG` says.
pub(crate) fn init_quiet() {
    let filter = EnvFilter::try_from_env("NEBULA_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(Style::stderr() == Style::Colour)
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .with_target(false)
        .try_init();
}
