//! `nebula config …`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::Context;
use super::serve::SettingsArgs;
use crate::error::{Error, Result};
use crate::output::{self, Show};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Check the settings of `nebula serve`; nothing is started
    Check(SettingsArgs),
    /// Show each setting, its value and where that came from
    Show(SettingsArgs),
}

pub(crate) fn run(context: &Context, verb: Config) -> Result<ExitCode> {
    match verb {
        Config::Check(args) => {
            let settings = args.read(context)?;
            nebula_server::check(&settings.config).map_err(|e| Error::refused(e.to_string()))?;
            for component in &settings.config.components {
                if !component.is_file() {
                    let component = component.display();
                    return Err(Error::refused(format!(
                        "`components`: there is no file {component}"
                    )));
                }
            }
            output::line("the settings are good")?;
        }
        Config::Show(args) => {
            let settings = args.read(context)?;
            let rows: Vec<Value> = settings
                .shown
                .iter()
                .map(|s| json!({ "setting": s.setting, "value": s.value, "source": s.source.to_string() }))
                .collect();
            output::rows(
                context.format,
                &Value::Array(rows.clone()),
                &rows,
                &[
                    ("SETTING", "/setting", Show::Text),
                    ("VALUE", "/value", Show::Text),
                    ("SOURCE", "/source", Show::Text),
                ],
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
