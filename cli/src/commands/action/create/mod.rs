//! `nebula action create`: a crate that builds and is tested as it stands.
//!
//! - `name`: the crate's name, and what is named after it.
//! - `sdk`: the checkout that the crate leans on.
//! - `template`: the files.
//! - `repository`: the folder as one of git's.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::super::Context;
use crate::error::{Error, Result};
use crate::output;

mod name;
mod repository;
mod sdk;
mod template;

use name::Name;
use sdk::Sdk;
use template::Template;

/// Make the crate of a new action: code, tests, input, README, CI, a git repository
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// The crate's name and its folder, which is made here
    #[arg(default_value = "my-action")]
    name: String,
    /// What it begins as
    #[arg(long, value_enum, default_value = "simple")]
    template: Template,
    /// A checkout of Nebula with the SDK [default: the one that this binary was built from]
    #[arg(long, value_name = "FOLDER")]
    sdk: Option<PathBuf>,
}

pub(super) fn run(context: &Context, create: &Create) -> Result<ExitCode> {
    let name = Name::new(&create.name)?;
    let sdk = Sdk::find(create.sdk.as_deref())?;
    let files = create.template.files(&name, &sdk);
    let folder = Path::new(name.as_str());
    write(folder, &files)?;
    let repository = repository::begin(folder);
    let paths: Vec<String> = files.iter().map(|(path, _)| (*path).to_owned()).collect();
    let next = create.template.next();
    if context.format.is_for_people() {
        output::line(&format!(
            "made {name}, a crate with the action `{}`: {}",
            name.id(),
            paths.join(", ")
        ))?;
        output::line("next:")?;
        output::line(&format!("  cd {name}"))?;
        for command in next {
            output::line(&format!("  {command}"))?;
        }
    } else {
        let made = json!({
            "name": name.as_str(), "action": name.id(), "sdk": sdk.folder(), "files": paths,
            "repository": repository, "next": next,
        });
        output::value(context.format, &made)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the folder, which must not be there yet, and everything in it. What
/// cannot be written whole is taken away again.
fn write(folder: &Path, files: &[(&str, String)]) -> Result<()> {
    let shown = folder.display();
    std::fs::create_dir(folder).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => Error::refused(format!(
            "`{shown}` is there already, and nothing in it was touched"
        ))
        .hint("take another name, or go to another folder"),
        _ => Error::refused(format!("the folder `{shown}` cannot be made: {e}")),
    })?;
    let written = files.iter().try_for_each(|(path, text)| {
        let path = folder.join(path);
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::write(path, text)
    });
    written.map_err(|e| {
        let _ = std::fs::remove_dir_all(folder);
        Error::refused(format!("`{shown}` cannot be written: {e}"))
    })
}
