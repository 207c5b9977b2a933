//! What `nebula action create` makes of each template: built as its author builds it,
//! and called on its own input.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::{Figures, Table};
use crate::client::Error;
use crate::guest;

/// Each template and the options of its call.
const TEMPLATES: [(&str, &[&str]); 4] = [
    ("simple", &[]),
    (
        "http",
        &[
            "--credential",
            "api_token=@token.test",
            "--mock-http",
            "mock.yaml",
        ],
    ),
    ("process", &[]),
    ("stateful", &[]),
];

/// Makes, builds and calls them all with this `nebula`, in a folder. What they depend
/// on is compiled once.
///
/// # Errors
/// When one cannot be made, does not build or fails.
pub fn measure(nebula: &Path, folder: &Path) -> Result<Table, Error> {
    let mut table = Table::new();
    for (template, options) in TEMPLATES {
        let name = format!("measured-{template}");
        let mut create = Command::new(nebula);
        create.args(["action", "create", &name, "--template", template]);
        said(
            &create
                .args(["--sdk"])
                .arg(crate::root())
                .current_dir(folder)
                .output()?,
        )?;
        let crate_folder = folder.join(&name);
        let component = guest::build_into(&crate_folder, &folder.join("target"))?;
        let mut test = Command::new(nebula);
        test.args(["action", "test"]).arg(&component);
        test.args(["--input", "input.json", "-o", "json"])
            .args(options);
        let answer = said(&test.current_dir(&crate_folder).output()?)?;
        let usage = |figure: &str| answer["usage"][figure].as_u64();
        let figures = Figures {
            bytes: Some(std::fs::metadata(&component)?.len()),
            fuel: usage("fuel"),
            memory_bytes: usage("memory_bytes"),
        };
        table.insert(template.to_owned(), figures);
    }
    Ok(table)
}

fn said(output: &Output) -> Result<Value, Error> {
    if !output.status.success() {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        return Err(format!("{}{}", text(&output.stdout), text(&output.stderr)).into());
    }
    Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
}
