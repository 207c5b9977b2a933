//! `nebula hub key …`

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use nebula_hub::key::{Algorithm, KeptKey, SigningKey};
use serde_json::{Value, json};

use super::signer;
use crate::commands::{Context, credential, read};
use crate::error::{Error, Result};
use crate::output::{self, Column, Show};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a key pair; its private half is encrypted with a passphrase
    Generate {
        /// What to call it: words of a-z and 0-9, joined by `-`
        name: String,
        /// How it signs
        #[arg(long, value_enum, default_value = "ecdsa-p256")]
        algorithm: Kind,
    },
    /// List the key pairs
    List,
    /// Print the public half of a key, for those who are to trust it
    Export {
        /// Its name [default: the key that would sign]
        name: Option<String>,
        /// Print the private half instead, encrypted as it is kept
        #[arg(long, requires = "name")]
        private: bool,
    },
    /// Keep a private key that was made elsewhere: PKCS#8 in PEM, as openssl writes it
    Import {
        /// What to call it
        name: String,
        /// The file (`-` for standard input)
        file: String,
    },
}

/// How a key signs.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    /// ECDSA on P-256 with SHA-256, which every cosign reads
    EcdsaP256,
    /// Ed25519
    Ed25519,
}

impl From<Kind> for Algorithm {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::EcdsaP256 => Self::EcdsaP256,
            Kind::Ed25519 => Self::Ed25519,
        }
    }
}

/// Columns of a list.
const COLUMNS: &[Column] = &[
    ("NAME", "/name", Show::Key),
    ("ALGORITHM", "/algorithm", Show::Text),
    ("KEY", "/key", Show::Key),
];

pub(super) fn run(context: &Context, verb: Key) -> Result<ExitCode> {
    let store = signer::store()?;
    match verb {
        Key::Generate { name, algorithm } => {
            store.free(&name).map_err(signer::refused)?;
            let passphrase = signer::new_passphrase(&name)?;
            let key = SigningKey::generate(algorithm.into());
            let key = key.map_err(|error| Error::refused(error.to_string()))?;
            let kept = store.keep(&name, &key, &passphrase);
            report(context, &kept.map_err(signer::refused)?)
        }
        Key::Import { name, file } => {
            store.free(&name).map_err(signer::refused)?;
            let pem = String::from_utf8(read(&file)?)
                .map_err(|_| Error::refused(format!("`{file}` is not UTF-8 text")))?;
            let key = signer::opened(&pem, &file)?;
            let passphrase = signer::new_passphrase(&name)?;
            let kept = store.keep(&name, &key, &passphrase);
            report(context, &kept.map_err(signer::refused)?)
        }
        Key::List => {
            let keys = store.list().map_err(signer::refused)?;
            let rows: Vec<_> = keys.iter().map(row).collect();
            let all = Value::Array(rows.clone());
            output::rows(context.format, &all, &rows, COLUMNS)?;
            Ok(ExitCode::SUCCESS)
        }
        Key::Export { name, private } => {
            let pem = match name {
                Some(name) if private => store.encrypted(&name).map_err(signer::refused)?,
                Some(name) => store.kept(&name).map_err(signer::refused)?.public.to_pem(),
                None => signer::signer(None)?.public().to_pem(),
            };
            output::line(pem.trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn row(kept: &KeptKey) -> Value {
    let KeptKey { name, public } = kept;
    json!({ "name": name, "algorithm": public.algorithm(), "key": public.id() })
}

fn report(context: &Context, kept: &KeptKey) -> Result<ExitCode> {
    let KeptKey { name, public } = kept;
    let text = format!("key {name} ({}) is {}", public.algorithm(), public.id());
    credential::report(context, &row(kept), &text)?;
    if context.format.is_for_people() {
        output::note(&format!(
            "give the output of `nebula hub key export {name}` to those who are to trust it, and let them compare the id with you"
        ));
    }
    Ok(ExitCode::SUCCESS)
}
