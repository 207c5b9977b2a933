//! The key that signs: from `NEBULA_HUB_KEY`, or one of those that are kept; and
//! the passphrase that opens it, from `NEBULA_HUB_PASSPHRASE` or a prompt. Neither
//! is ever an argument, which every process sees.

use std::io::IsTerminal;

use nebula_hub::key::{KeyError, KeyStore, SigningKey, StoreError};

use crate::error::{Error, Result};
use crate::folders;

/// The variable that has a private key, in PEM.
const KEY: &str = "NEBULA_HUB_KEY";
/// The variable that has a passphrase.
const PASSPHRASE: &str = "NEBULA_HUB_PASSPHRASE";

/// The keys of this user.
pub(super) fn store() -> Result<KeyStore> {
    folders::of_user("XDG_CONFIG_HOME", ".config")
        .map(|folder| KeyStore::at(folder.join("nebula/keys")))
        .ok_or_else(|| Error::refused("no place for keys: HOME is not set"))
}

/// The key that signs: the one of this name; else that of the variable; else the
/// only one that is kept.
pub(super) fn signer(name: Option<&str>) -> Result<SigningKey> {
    if let Some(name) = name {
        return kept(name);
    }
    if let Some(pem) = variable(KEY) {
        return opened(&pem, KEY);
    }
    let store = store()?;
    let keys = store.list().map_err(refused)?;
    match &keys[..] {
        [only] => kept(&only.name),
        [] => Err(Error::refused("there is no key to sign with").hint(format!(
            "make one with `nebula hub key generate NAME`, or give one in {KEY}"
        ))),
        several => {
            let names: Vec<_> = several.iter().map(|key| key.name.as_str()).collect();
            Err(Error::refused(format!(
                "there are {} keys: {}",
                names.len(),
                names.join(", ")
            ))
            .hint("say which one signs"))
        }
    }
}

fn kept(name: &str) -> Result<SigningKey> {
    let pem = store()?.encrypted(name).map_err(refused)?;
    opened(&pem, name)
}

/// The key in a PEM text, which is asked about by `name` if it is encrypted.
pub(super) fn opened(pem: &str, name: &str) -> Result<SigningKey> {
    let said = |error: KeyError| Error::refused(format!("key {name}: {error}"));
    match SigningKey::from_pem(pem, None) {
        Err(KeyError::NoPassphrase) => {
            let passphrase = passphrase(name)?;
            SigningKey::from_pem(pem, Some(&passphrase)).map_err(said)
        }
        key => key.map_err(said),
    }
}

/// The passphrase that opens a key.
pub(super) fn passphrase(name: &str) -> Result<String> {
    variable(PASSPHRASE).map_or_else(|| ask(&format!("Passphrase of key {name}: ")), Ok)
}

/// A passphrase for a key that is to be kept; asked for twice.
pub(super) fn new_passphrase(name: &str) -> Result<String> {
    if let Some(passphrase) = variable(PASSPHRASE) {
        return Ok(passphrase);
    }
    let passphrase = ask(&format!("New passphrase for key {name}: "))?;
    if passphrase.is_empty() {
        return Err(Error::refused(KeyError::EmptyPassphrase.to_string()));
    }
    if ask("The same again: ")? != passphrase {
        return Err(Error::refused(
            "the two passphrases differ; no key was kept",
        ));
    }
    Ok(passphrase)
}

/// A variable that is set to something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn ask(prompt: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::refused("no passphrase given")
            .hint(format!("set {PASSPHRASE}, or run it on a terminal")));
    }
    rpassword::prompt_password(prompt)
        .map_err(|error| Error::refused(format!("the passphrase cannot be read: {error}")))
}

pub(super) fn refused(error: StoreError) -> Error {
    Error::refused(error.to_string())
}
