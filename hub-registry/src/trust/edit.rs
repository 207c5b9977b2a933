//! The text of `trust.toml` with a key added, revoked, replaced. What a person
//! wrote beside it, comments too, stays as it is.

use std::collections::BTreeSet;

use nebula_flow::Timestamp;
use toml_edit::{Array, DocumentMut, Item, Table, value};

use super::policy::line;
use super::{Policy, Scope, TrustError, TrustedKey};
use crate::key::{KeyId, PublicKey, is_name};

/// Characters of a name that leave room for a number behind it.
const MAX_LABEL: usize = 50;

/// What is written into a new file.
const HEAD: &str = "\
# Whom this node trusts to sign which packages: docs/hub.md, \"Trust\".
# `nebula hub trust` changes this file; it may be edited by hand too.

";

/// The text with one more key.
///
/// # Errors
/// When the text is no policy, or the name or the key is there already.
pub fn add(text: &str, file: &str, label: &str, key: &TrustedKey) -> Result<String, TrustError> {
    let policy = Policy::parse(text, file)?;
    if !is_name(label) {
        return Err(TrustError::Name(label.chars().take(63).collect()));
    }
    if policy.keys.contains_key(label) {
        return Err(TrustError::Taken(label.to_owned()));
    }
    if let Some((label, _)) = policy.find(key.key.id()) {
        return Err(TrustError::Known(label.to_owned()));
    }
    let mut document = document(text, file)?;
    keys(&mut document, file)?.insert(label, Item::Table(entry(key)));
    let head = if text.is_empty() { HEAD } else { "" };
    checked(format!("{head}{document}"), file)
}

/// The text with a key that may sign for one thing more, and the indexes of these hubs:
/// the key is added, under the name of the namespace or one like it, if it is not
/// there yet.
///
/// # Errors
/// When the text is no policy.
pub fn pin(
    text: &str,
    file: &str,
    scope: &Scope,
    indexes: &BTreeSet<String>,
    key: &PublicKey,
) -> Result<String, TrustError> {
    let policy = Policy::parse(text, file)?;
    let Some((label, trusted)) = policy.find(key.id()) else {
        let label = free(&policy, scope.namespace());
        let trusted = TrustedKey {
            indexes: indexes.clone(),
            ..TrustedKey::new(key.clone(), scope.clone())
        };
        return add(text, file, &label, &trusted);
    };
    let mut scopes = trusted.namespaces.clone();
    scopes.insert(scope.clone());
    let indexes: BTreeSet<_> = trusted.indexes.union(indexes).cloned().collect();
    change(text, file, label, |entry| {
        entry.insert("namespaces", list(scopes.iter().map(ToString::to_string)));
        if !indexes.is_empty() {
            entry.insert("indexes", list(indexes.into_iter()));
        }
    })
}

/// A name for a key that no other has: this one, or with a number behind it.
#[must_use]
pub fn free(policy: &Policy, name: &str) -> String {
    let name: String = name.chars().take(MAX_LABEL).collect();
    let numbered = (2..).map(|n| format!("{}-{n}", name.trim_end_matches('-')));
    let mut names = std::iter::once(name.clone()).chain(numbered);
    let free = names.find(|name| is_name(name) && !policy.keys.contains_key(name));
    free.unwrap_or(name)
}

/// The text with a key revoked, for a reason.
///
/// # Errors
/// When the text is no policy, or has no such key.
pub fn revoke(text: &str, file: &str, label: &str, reason: &str) -> Result<String, TrustError> {
    change(text, file, label, |entry| {
        entry.insert("revoked", value(reason));
    })
}

/// The text with a key replaced by another: the new one is trusted with the same,
/// the old one until `until`, if that is given.
///
/// # Errors
/// When the text is no policy, has no such key, or has the new one already.
pub fn rotate(
    text: &str,
    file: &str,
    (old, new): (&str, &str),
    key: PublicKey,
    until: Option<Timestamp>,
) -> Result<String, TrustError> {
    let policy = Policy::parse(text, file)?;
    let trusted = policy.keys.get(old);
    let trusted = trusted.ok_or_else(|| TrustError::Unknown(old.to_owned()))?;
    // Its serials count from wherever the new key begins.
    let successor = TrustedKey {
        key,
        not_after: None,
        revoked: None,
        minimum_serial: 0,
        ..trusted.clone()
    };
    let text = add(text, file, new, &successor)?;
    let Some(until) = until else {
        return Ok(text);
    };
    change(&text, file, old, |entry| {
        entry.insert("not_after", date_time(until));
    })
}

/// The name of a key, which is given by its name or its id.
///
/// # Errors
/// When there is no such key.
pub fn label_of(policy: &Policy, name: &str) -> Result<String, TrustError> {
    if policy.keys.contains_key(name) {
        return Ok(name.to_owned());
    }
    let found = name.parse::<KeyId>().ok().and_then(|id| policy.find(id));
    let label = found.map(|(label, _)| label.to_owned());
    label.ok_or_else(|| TrustError::Unknown(name.chars().take(80).collect()))
}

fn change(
    text: &str,
    file: &str,
    label: &str,
    change: impl FnOnce(&mut dyn toml_edit::TableLike),
) -> Result<String, TrustError> {
    Policy::parse(text, file)?;
    let mut document = document(text, file)?;
    let entry = keys(&mut document, file)?.get_mut(label);
    let entry = entry.and_then(Item::as_table_like_mut);
    change(entry.ok_or_else(|| TrustError::Unknown(label.to_owned()))?);
    checked(document.to_string(), file)
}

fn document(text: &str, file: &str) -> Result<DocumentMut, TrustError> {
    text.parse().map_err(|error: toml_edit::TomlError| {
        let line = error.span().map_or(0, |span| line(text, span.start));
        TrustError::Content {
            file: file.to_owned(),
            line,
            message: error.message().to_owned(),
        }
    })
}

/// The table of keys, which is made if there is none.
fn keys<'a>(
    document: &'a mut DocumentMut,
    file: &str,
) -> Result<&'a mut dyn toml_edit::TableLike, TrustError> {
    let keys = document.entry("keys").or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    keys.as_table_like_mut().ok_or_else(|| TrustError::Content {
        file: file.to_owned(),
        line: 0,
        message: "`keys` is not a table".to_owned(),
    })
}

fn entry(key: &TrustedKey) -> Table {
    let mut entry = Table::new();
    let scopes = key.namespaces.iter().map(ToString::to_string);
    entry.insert("namespaces", list(scopes));
    if !key.indexes.is_empty() {
        entry.insert("indexes", list(key.indexes.iter().cloned()));
    }
    if let Some(not_after) = key.not_after {
        entry.insert("not_after", date_time(not_after));
    }
    if let Some(reason) = &key.revoked {
        entry.insert("revoked", value(reason));
    }
    if key.minimum_serial > 0 {
        // TOML's integers have a sign.
        let serial = i64::try_from(key.minimum_serial).unwrap_or(i64::MAX);
        entry.insert("minimum_serial", value(serial));
    }
    if key.cosign_only {
        entry.insert("cosign_only", value(true));
    }
    entry.insert("key", value(key.key.to_pem()));
    entry
}

fn list(items: impl Iterator<Item = String>) -> Item {
    value(items.collect::<Array>())
}

fn date_time(time: Timestamp) -> Item {
    let text = time.to_string();
    // An instant in RFC 3339 is a date-time of TOML.
    text.parse::<toml_edit::Datetime>()
        .map_or_else(|_| value(text), value)
}

/// What was written must read as a policy again.
fn checked(text: String, file: &str) -> Result<String, TrustError> {
    Policy::parse(&text, file).map(|_| text)
}
