//! `nebula hub trust …`: what stands in the `trust.toml` of a node's data folder.

use std::process::ExitCode;

use clap::Subcommand;
use nebula_hub::key::PublicKey;
use nebula_hub::trust::{Policy, Scope, TrustError, TrustFile, TrustedKey, edit};
use nebula_sandbox::nebula_flow::Timestamp;
use serde_json::{Value, json};

use crate::commands::{Context, credential, read};
use crate::error::{Error, Result};
use crate::output::{self, Column, Show};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Trust {
    /// Let a key sign the packages of a namespace, or one package
    Add(Add),
    /// List the trusted keys, and what each may sign
    List,
    /// Take nothing any more that a key has ever signed
    Revoke {
        /// The key: its name or its id
        key: String,
        /// Why; whoever meets such a package reads it
        #[arg(long)]
        reason: String,
    },
    /// Let a new key sign what an old one may
    Rotate {
        /// The old key: its name or its id
        key: String,
        /// File with the new public key (`-` for standard input)
        file: String,
        /// What to call the new one [default: the old one's name with a number]
        #[arg(long)]
        name: Option<String>,
        /// From when on nothing that the old one signed counts, e.g. 2027-01-01T00:00:00Z
        #[arg(long, value_name = "TIME")]
        until: Option<Timestamp>,
    },
}

/// What a key is trusted with.
#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    /// A namespace (`acme`), or one package (`acme/weather`)
    scope: Scope,
    /// File with the public key (`-` for standard input)
    file: String,
    /// What to call the key [default: the namespace]
    #[arg(long)]
    name: Option<String>,
    /// From when on nothing that it signed counts, e.g. 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Do not take its statements with a lower serial
    #[arg(long, value_name = "N", default_value_t = 0)]
    minimum_serial: u64,
    /// Take a plain cosign signature of it too, which states neither name nor version
    #[arg(long)]
    cosign_only: bool,
    /// Take the index of this hub (`registry/path`) from it (repeatable)
    #[arg(long = "index", value_name = "HUB")]
    indexes: Vec<String>,
}

impl Add {
    /// Whether it says more than what a key may sign, and whose indexes.
    const fn says_more(&self) -> bool {
        self.name.is_some() || self.until.is_some() || self.minimum_serial > 0 || self.cosign_only
    }
}

/// Columns of a list.
const COLUMNS: &[Column] = &[
    ("NAME", "/name", Show::Key),
    ("MAY SIGN", "/namespaces", Show::Text),
    ("UNTIL", "/not_after", Show::Text),
    ("REVOKED", "/revoked", Show::Text),
    ("KEY", "/key", Show::Key),
    ("INDEXES", "/indexes", Show::Wide(&Show::Text)),
    ("SERIAL", "/minimum_serial", Show::Wide(&Show::Count)),
    ("COSIGN ONLY", "/cosign_only", Show::Wide(&Show::Text)),
];

pub(super) fn run(context: &Context, verb: Trust) -> Result<ExitCode> {
    let file = TrustFile::of_node(&context.node.folder()?);
    match verb {
        Trust::Add(add) => add_key(context, &file, add),
        Trust::List => {
            let policy = file.policy().map_err(refused)?;
            let rows: Vec<_> = policy
                .keys
                .iter()
                .map(|(name, key)| row(name, key))
                .collect();
            let all = Value::Array(rows.clone());
            output::rows(context.format, &all, &rows, COLUMNS)?;
            Ok(ExitCode::SUCCESS)
        }
        Trust::Revoke { key, reason } => {
            let policy = file.policy().map_err(refused)?;
            let name = edit::label_of(&policy, &key).map_err(refused)?;
            let changed = file.change(|text, file| edit::revoke(text, file, &name, &reason));
            let said = format!("nothing that {name} has signed is taken any more");
            report(context, changed, &name, &said)
        }
        Trust::Rotate {
            key,
            file: path,
            name,
            until,
        } => {
            let policy = file.policy().map_err(refused)?;
            let old = edit::label_of(&policy, &key).map_err(refused)?;
            let new = name.unwrap_or_else(|| edit::free(&policy, &old));
            let key = public_key(&path)?;
            let said = format!("{new} ({}) may sign what {old} may", key.id());
            let names = (&old[..], &new[..]);
            let changed = file.change(|text, file| edit::rotate(text, file, names, key, until));
            report(context, changed, &new, &said)
        }
    }
}

/// Adds a key; to one that is there already, what it may sign and whose indexes.
fn add_key(context: &Context, file: &TrustFile, add: Add) -> Result<ExitCode> {
    let policy = file.policy().map_err(refused)?;
    let key = public_key(&add.file)?;
    let said = |name: &str| format!("{name} ({}) may sign for {}", key.id(), add.scope);
    let indexes = add.indexes.iter().cloned().collect();
    if let (Some((name, _)), false) = (policy.find(key.id()), add.says_more()) {
        let changed = file.change(|text, file| edit::pin(text, file, &add.scope, &indexes, &key));
        return report(context, changed, name, &said(name));
    }
    let trusted = TrustedKey {
        not_after: add.until,
        minimum_serial: add.minimum_serial,
        cosign_only: add.cosign_only,
        indexes,
        ..TrustedKey::new(key.clone(), add.scope.clone())
    };
    let free = || edit::free(&policy, add.scope.namespace());
    let name = add.name.clone().unwrap_or_else(free);
    let changed = file.change(|text, file| edit::add(text, file, &name, &trusted));
    report(context, changed, &name, &said(&name))
}

fn public_key(file: &str) -> Result<PublicKey> {
    let text = String::from_utf8(read(file)?)
        .map_err(|_| Error::refused(format!("`{file}` is not UTF-8 text")))?;
    PublicKey::from_pem(&text).map_err(|error| Error::refused(format!("`{file}`: {error}")))
}

fn row(name: &str, trusted: &TrustedKey) -> Value {
    let scopes: Vec<_> = trusted.namespaces.iter().map(ToString::to_string).collect();
    json!({
        "name": name,
        "key": trusted.key.id(),
        "algorithm": trusted.key.algorithm(),
        "namespaces": scopes,
        "indexes": trusted.indexes,
        "not_after": trusted.not_after.map(|time| time.to_string()),
        "revoked": trusted.revoked,
        "minimum_serial": trusted.minimum_serial,
        "cosign_only": trusted.cosign_only,
    })
}

fn report(
    context: &Context,
    changed: std::result::Result<Policy, TrustError>,
    name: &str,
    said: &str,
) -> Result<ExitCode> {
    let policy = changed.map_err(refused)?;
    let entry = policy.keys.get(name).map(|key| row(name, key));
    credential::report(context, &entry.unwrap_or_default(), said)
}

fn refused(error: TrustError) -> Error {
    Error::refused(error.to_string())
}
