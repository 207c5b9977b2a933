//! Which keys may sign which packages, read from `trust.toml`.

use std::collections::{BTreeMap, BTreeSet};

use nebula_flow::Timestamp;
use serde::{Deserialize, Deserializer, de};
use toml_edit::Datetime;

use super::{Scope, TrustError};
use crate::key::{KeyId, PublicKey, is_name};
use crate::package::PackageName;
use crate::verify::Refusal;

/// The namespaces of Nebula's own packages: no key is pinned for them.
const OWN: [&str; 1] = ["nebula"];

/// What `trust.toml` says. Without a file: nobody is trusted yet, and the first
/// key that is met for a namespace is asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// What happens when a namespace is met for the first time.
    pub first_use: FirstUse,
    /// The keys, by the names that the operator gave them.
    pub keys: BTreeMap<String, TrustedKey>,
}

/// What happens when a package is met for whose name no key is trusted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirstUse {
    /// A person is asked whether to trust the key from now on.
    #[default]
    Ask,
    /// It is refused.
    Refuse,
}

/// A key, and what it is trusted with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedKey {
    /// The key, in PEM.
    #[serde(deserialize_with = "pem")]
    pub key: PublicKey,
    /// What it may sign.
    #[serde(default)]
    pub namespaces: BTreeSet<Scope>,
    /// Where it may sign the index document: `registry/path` as installs name it.
    #[serde(default)]
    pub indexes: BTreeSet<String>,
    /// From when on nothing that it signed counts.
    #[serde(default, deserialize_with = "date_time")]
    pub not_after: Option<Timestamp>,
    /// Why nothing that it ever signed counts.
    #[serde(default)]
    pub revoked: Option<String>,
    /// Its statements with a lower serial do not count.
    #[serde(default)]
    pub minimum_serial: u64,
    /// Whether a plain cosign signature of it is enough, which says neither name
    /// nor version nor what a component may reach.
    #[serde(default)]
    pub cosign_only: bool,
}

/// What a policy says of a key that signed for a package.
#[derive(Debug)]
pub(crate) enum Judgement<'a> {
    /// It may, under this name.
    Trusted(&'a str),
    /// Nobody may yet, so that it could be the first.
    First,
    /// It may not.
    Refused(Refusal),
}

impl Policy {
    /// Reads the text of `trust.toml`; `file` is for messages.
    ///
    /// # Errors
    /// When it is not TOML, has something that no policy has, or has one key
    /// under two names.
    pub fn parse(text: &str, file: &str) -> Result<Self, TrustError> {
        let wrong = |line, message: String| TrustError::Content {
            file: file.to_owned(),
            line,
            message,
        };
        let policy: Self = toml_edit::de::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| line(text, span.start));
            wrong(line, error.message().to_owned())
        })?;
        let mut seen = BTreeMap::new();
        for (label, trusted) in &policy.keys {
            if !is_name(label) {
                return Err(wrong(0, TrustError::Name(label.clone()).to_string()));
            }
            if let Some(other) = seen.insert(trusted.key.id(), label) {
                let message = format!("`keys.{other}` and `keys.{label}` are the same key");
                return Err(wrong(0, message));
            }
        }
        Ok(policy)
    }

    /// A key and the name under which it is trusted.
    #[must_use]
    pub fn find(&self, id: KeyId) -> Option<(&str, &TrustedKey)> {
        let mut keys = self.keys.iter();
        keys.find(|(_, trusted)| trusted.key.id() == id)
            .map(|(label, trusted)| (label.as_str(), trusted))
    }

    /// Whether a key is named that signs the index of this hub. Whether it still
    /// may, the index's own check says.
    #[must_use]
    pub fn signs_index(&self, source: &str) -> bool {
        let mut keys = self.keys.values();
        keys.any(|trusted| trusted.indexes.contains(source))
    }

    /// The keys that may sign for a package, or once might.
    pub fn speaking_for(&self, name: &PackageName) -> impl Iterator<Item = (&str, &TrustedKey)> {
        let keys = self.keys.iter();
        keys.filter(|(_, trusted)| trusted.namespaces.iter().any(|scope| scope.covers(name)))
            .map(|(label, trusted)| (label.as_str(), trusted))
    }

    /// What it says of a key that signed for a package.
    pub(crate) fn judge(&self, name: &PackageName, id: KeyId, now: Timestamp) -> Judgement<'_> {
        let Some((label, trusted)) = self.find(id) else {
            return self.stranger(name, id);
        };
        if let Err(refusal) = trusted.usable(label, now) {
            return Judgement::Refused(refusal);
        }
        if trusted.namespaces.iter().any(|scope| scope.covers(name)) {
            return Judgement::Trusted(label);
        }
        if self.owners(name.namespace()).next().is_some() {
            return Judgement::Refused(Refusal::KeyNotAllowed {
                label: label.to_owned(),
                name: name.clone(),
            });
        }
        // A second namespace of a publisher is met for the first time, too.
        self.stranger(name, id)
    }

    /// The names of the keys that may sign for something in a namespace. Also a
    /// key for one package only, or a revoked one: the namespace has an owner, and
    /// another key is a change that a person makes.
    fn owners(&self, namespace: &str) -> impl Iterator<Item = &String> {
        let of_it = move |scope: &Scope| scope.namespace() == namespace;
        let keys = self.keys.iter();
        keys.filter(move |(_, trusted)| trusted.namespaces.iter().any(of_it))
            .map(|(label, _)| label)
    }

    fn stranger(&self, name: &PackageName, id: KeyId) -> Judgement<'_> {
        let namespace = name.namespace();
        let scopes = || self.keys.values().flat_map(|trusted| &trusted.namespaces);
        let owners: Vec<_> = self.owners(namespace).cloned().collect();
        if !owners.is_empty() {
            return Judgement::Refused(Refusal::OtherKey {
                namespace: namespace.to_owned(),
                key: id,
                trusted: owners,
            });
        }
        let known = scopes().map(Scope::namespace).chain(OWN);
        let like = |known: &&str| {
            let known = PackageName::new(known, name.name());
            known.is_ok_and(|known| known.looks_like(name))
        };
        if let Some(known) = known.clone().find(like) {
            return Judgement::Refused(Refusal::LooksLike {
                namespace: namespace.to_owned(),
                known: known.to_owned(),
            });
        }
        if self.first_use == FirstUse::Refuse || OWN.contains(&namespace) {
            return Judgement::Refused(Refusal::UnknownKey {
                namespace: namespace.to_owned(),
                key: id,
            });
        }
        Judgement::First
    }
}

impl TrustedKey {
    /// A key that may sign for this scope.
    #[must_use]
    pub fn new(key: PublicKey, scope: Scope) -> Self {
        Self {
            key,
            namespaces: BTreeSet::from([scope]),
            indexes: BTreeSet::new(),
            not_after: None,
            revoked: None,
            minimum_serial: 0,
            cosign_only: false,
        }
    }

    /// Whether what it signed counts at all at this time.
    pub(crate) fn usable(&self, label: &str, now: Timestamp) -> Result<(), Refusal> {
        let label = label.to_owned();
        if let Some(reason) = &self.revoked {
            let reason = reason.clone();
            return Err(Refusal::Revoked { label, reason });
        }
        match self.not_after {
            Some(not_after) if now > not_after => Err(Refusal::Expired { label, not_after }),
            _ => Ok(()),
        }
    }
}

pub(super) fn line(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count()
}

fn pem<'de, D: Deserializer<'de>>(d: D) -> Result<PublicKey, D::Error> {
    let text = String::deserialize(d)?;
    PublicKey::from_pem(&text).map_err(de::Error::custom)
}

fn date_time<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Timestamp>, D::Error> {
    let time = Datetime::deserialize(d)?.to_string();
    time.parse().map(Some).map_err(de::Error::custom)
}
