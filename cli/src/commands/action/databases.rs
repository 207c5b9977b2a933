//! `--resource`: databases for a call that no node makes. One that a script makes is
//! fresh for each run, so that what comes out is the same each time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nebula_sandbox::nebula_flow::{ActionMetadata, TenantId};
use nebula_sandbox::resources::Resources;
use nebula_server::nebula_resources::{
    DatabaseUrl, Held, ResourceConfig, ResourceKind, SqlConfig, make_sqlite,
};
use tempfile::TempDir;

use super::super::read;
use crate::error::{Error, Result};

/// What a resource of an action can be in such a call.
const KIND: &str = "sql";
/// A database is named by its whole path, wherever it is: who calls says which.
const ROOT: &str = "/";

/// The databases of a call.
pub(super) struct Databases {
    held: Arc<Held>,
    names: Vec<String>,
    /// Of the fresh ones.
    _folder: TempDir,
}

impl Databases {
    /// Makes those that are fresh, and finds the others: `NAME=@FILE` or `NAME=URL`.
    /// A statement has as long as its call.
    pub(super) fn open(given: &[String], timeout: Duration) -> Result<Self> {
        let folder = tempfile::tempdir()
            .map_err(|e| Error::node(format!("there is no room for fresh databases: {e}")))?;
        let mut names: Vec<String> = Vec::new();
        let mut configs = Vec::new();
        for given in given {
            let (name, what) = given.split_once('=').ok_or_else(|| {
                Error::refused("a resource is given as NAME=@FILE or NAME=URL").hint(HINT)
            })?;
            if names.iter().any(|other| other == name) {
                return Err(Error::refused(format!(
                    "the resource `{name}` is given twice"
                )));
            }
            let url = match what.strip_prefix('@') {
                Some(script) => fresh(&folder.path().join(format!("{}.db", names.len())), script)?,
                None => found(name, what)?,
            };
            names.push(name.to_owned());
            configs.push(config(name, url, timeout));
        }
        Ok(Self {
            held: Arc::new(Held::new(PathBuf::from(ROOT), configs)),
            names,
            _folder: folder,
        })
    }

    /// Who holds them.
    pub(super) fn held(&self) -> Arc<dyn Resources> {
        Arc::clone(&self.held) as Arc<dyn Resources>
    }

    /// What the action gets: each that it asks for, and no other.
    pub(super) fn bound(&self, action: &ActionMetadata) -> Result<BTreeMap<String, String>> {
        let (id, asked) = (&action.id, action.resources());
        if let Some(other) = self.names.iter().find(|n| !asked.contains_key(n.as_str())) {
            let message = format!("the action `{id}` does not ask for a resource `{other}`");
            let names: Vec<&str> = asked.into_keys().collect();
            return Err(Error::refused(message).hint(match names.as_slice() {
                [] => format!("`#[action(resources({other} = \"sql\"))]` asks for it"),
                names => format!("it asks for {}", names.join(", ")),
            }));
        }
        for (name, kind) in asked {
            if kind != KIND {
                let message =
                    format!("the action `{id}` asks for the resource `{name}`, which is {kind}");
                return Err(Error::refused(message).hint(
                    "a call without a node has databases only; docs/resources.md has the stand-ins of tests",
                ));
            }
            if !self.names.iter().any(|given| given == name) {
                let message = format!(
                    "the action `{id}` asks for the resource `{name}` ({kind}), and got none"
                );
                return Err(Error::refused(message).hint(HINT.replace("NAME", name)));
            }
        }
        let names = self.names.iter();
        Ok(names.map(|name| (name.clone(), name.clone())).collect())
    }
}

/// What to write.
const HINT: &str = "add `--resource NAME=@schema.sql`, a fresh SQLite database that this script makes, or \
                    `--resource NAME=URL` for one that is there: `sqlite:FILE`, `postgres://…`, `mysql://…`";

fn config(name: &str, url: DatabaseUrl, timeout: Duration) -> ResourceConfig {
    ResourceConfig {
        name: name.to_owned(),
        tenants: vec![TenantId::default_tenant().to_string()],
        actions: Vec::new(),
        kind: ResourceKind::Sql(SqlConfig {
            read_only: false,
            timeout,
            ..SqlConfig::new(url)
        }),
    }
}

/// A database that a script makes.
fn fresh(file: &Path, script: &str) -> Result<DatabaseUrl> {
    let text = String::from_utf8(read(script)?)
        .map_err(|_| Error::refused(format!("`{script}` is not UTF-8 text")))?;
    make_sqlite(file, &text).map_err(|e| Error::refused(format!("`{script}`: {e}")))?;
    at(file).map_err(|e| Error::node(format!("a fresh database is gone: {e}")))
}

/// A database that is there.
fn found(name: &str, url: &str) -> Result<DatabaseUrl> {
    match url.strip_prefix("sqlite:") {
        Some(file) => at(Path::new(file)).map_err(|e| {
            let fresh = format!("`--resource {name}=@schema.sql` makes a fresh one for each run");
            Error::refused(format!("the database `{file}`: {e}")).hint(fresh)
        }),
        None => url
            .parse::<DatabaseUrl>()
            .map_err(|e| Error::refused(format!("the resource `{name}`: {e}"))),
    }
}

/// A file, as one below the root.
fn at(file: &Path) -> std::io::Result<DatabaseUrl> {
    let whole = file.canonicalize()?;
    let below = whole.strip_prefix(ROOT).unwrap_or(&whole);
    Ok(DatabaseUrl::Sqlite(below.to_owned()))
}
