//! What a call may reach. An action asks, by its metadata; an operator grants,
//! per host; a node binds the credentials' names to stored credentials. Plain text
//! of one takes two words of an operator besides, in the credential and by a grant.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::component::ActionMetadata;
use crate::id::{ActionId, TenantId};
use crate::ports::{Expect, Kind, Record, RecordError, Records};

mod credential;
mod reveal;

pub use credential::{
    BoundCredential, ClientAuth, Credential, CredentialKind, Learned, OAuth2, Secret,
};
pub use reveal::{NotRevealable, Reveal, list_reveals, put_reveal, remove_reveal};

/// An operator's word that an action may reach a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Who may.
    pub action: ActionId,
    /// `host` (then port 443 for https, 80 for http) or `host:port`, lower case.
    pub host: String,
    /// `https`, `http` or both; empty for https, and for http too where `at`
    /// begins with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemes: Vec<String>,
    /// Where the host really is, if elsewhere: `http://127.0.0.1:8080`. Only an
    /// operator's word makes a loopback or private address reachable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// HTTP methods, upper case; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
}

/// What one call may reach: the sandbox enforces exactly this.
#[derive(Debug, Clone, Default)]
pub struct Capabilities {
    /// Granted hosts.
    pub hosts: Vec<Grant>,
    /// By the name that the action's code uses.
    pub credentials: BTreeMap<String, BoundCredential>,
    /// The name that the action's code uses → the resource that the node binds.
    pub resources: BTreeMap<String, String>,
    /// Secrets that come up while it runs.
    pub learned: Learned,
}

/// Why it is not known what a call may reach.
#[derive(Debug, thiserror::Error)]
pub enum NoCapabilities {
    /// A credential is bound and not stored.
    #[error("credential `{0}` is not stored: `nebula credential set {0} --host HOST`")]
    NotStored(String),
    /// The records cannot be read.
    #[error(transparent)]
    Records(#[from] RecordError),
}

/// How many grants one action may have.
const MAX_GRANTS: usize = 1_000;

/// What a call of an action may reach: of the hosts that its metadata asks for
/// those that are granted, and of the credentials that it asks for those that
/// are stored, under the name that `bindings` gives or else under its own.
///
/// # Errors
/// When a credential that is bound is not stored, or the records cannot be read.
pub async fn capabilities(
    records: &dyn Records,
    tenant: &TenantId,
    action: &ActionMetadata,
    bindings: &BTreeMap<String, String>,
) -> Result<Capabilities, NoCapabilities> {
    let mut capabilities = Capabilities::default();
    if !action.hosts.is_empty() {
        let prefix = format!("{}/", action.id);
        let found = records
            .list(Kind::Grant, tenant, &prefix, None, MAX_GRANTS)
            .await?;
        for (_, record) in found {
            let grant: Grant = read(&record)?;
            if action.hosts.iter().any(|asked| covers(asked, &grant.host)) {
                capabilities.hosts.push(grant);
            }
        }
    }
    for name in &action.credentials {
        let stored_as = bindings.get(name).unwrap_or(name);
        let record = records.get(Kind::Credential, tenant, stored_as).await?;
        let Some(record) = record else {
            // One that nobody bound may be optional: the action hears of it
            // when it asks for it.
            if !bindings.contains_key(name) {
                continue;
            }
            return Err(NoCapabilities::NotStored(stored_as.clone()));
        };
        let credential: Credential = read(&record)?;
        let reveal = reveal::is_granted(records, tenant, &action.id, stored_as, &credential);
        let reveal = reveal.await?;
        let Credential {
            secret,
            kind,
            hosts,
            ..
        } = credential;
        let bound = BoundCredential {
            stored_as: stored_as.clone(),
            secret,
            kind,
            hosts,
            reveal,
        };
        capabilities.credentials.insert(name.clone(), bound);
    }
    Ok(capabilities)
}

/// Whether a package that asks for `asked` may be granted `host`: for the same
/// host and port, or for any with `*`. A port that https or http has anyway
/// need not be asked for.
#[must_use]
pub fn covers(asked: &str, host: &str) -> bool {
    let asked = asked.to_ascii_lowercase();
    let asked = asked.strip_suffix('.').unwrap_or(&asked);
    let extra = host.strip_prefix(asked);
    asked == "*" || extra.is_some_and(|port| matches!(port, "" | ":443" | ":80"))
}

/// Grants an action a host, in place of the grant for both if there is one.
/// Returns how often it was set.
///
/// # Errors
/// When the records are not available.
pub async fn put_grant(
    records: &dyn Records,
    tenant: &TenantId,
    grant: &Grant,
) -> Result<u64, RecordError> {
    let key = format!("{}/{}", grant.action, grant.host);
    records
        .put(Kind::Grant, tenant, &key, write(grant)?, Expect::Any)
        .await
}

/// Stores a credential, in place of the one of that name if there is one.
/// Returns how often it was set.
///
/// # Errors
/// When the records are not available.
pub async fn put_credential(
    records: &dyn Records,
    tenant: &TenantId,
    name: &str,
    credential: &Credential,
) -> Result<u64, RecordError> {
    records
        .put(
            Kind::Credential,
            tenant,
            name,
            write(credential)?,
            Expect::Any,
        )
        .await
}

/// Removes a grant; whether there was one.
///
/// # Errors
/// Trouble of the records.
pub async fn remove_grant(
    records: &dyn Records,
    tenant: &TenantId,
    action: &ActionId,
    host: &str,
) -> Result<bool, RecordError> {
    records
        .remove(
            Kind::Grant,
            tenant,
            &format!("{action}/{}", host.to_ascii_lowercase()),
        )
        .await
}

/// Grants by action and host, those of one action or of all, after the last
/// one of the page before.
///
/// # Errors
/// Trouble of the records.
pub async fn list_grants(
    records: &dyn Records,
    tenant: &TenantId,
    action: Option<&ActionId>,
    after: Option<&Grant>,
    limit: usize,
) -> Result<Vec<Grant>, RecordError> {
    let prefix = action
        .map(|action| format!("{action}/"))
        .unwrap_or_default();
    let after = after.map(|grant| format!("{}/{}", grant.action, grant.host));
    let found = records
        .list(Kind::Grant, tenant, &prefix, after.as_deref(), limit)
        .await?;
    found.iter().map(|(_, record)| read(record)).collect()
}

/// The credential of this name, if it is stored.
///
/// # Errors
/// Trouble of the records.
pub async fn credential(
    records: &dyn Records,
    tenant: &TenantId,
    name: &str,
) -> Result<Option<Credential>, RecordError> {
    let record = records.get(Kind::Credential, tenant, name).await?;
    record.map(|record| read(&record)).transpose()
}

/// Removes a credential, and first what lets actions read it, so that it does not
/// hold for another one that gets the name; whether there was one.
///
/// # Errors
/// Trouble of the records.
pub async fn remove_credential(
    records: &dyn Records,
    tenant: &TenantId,
    name: &str,
) -> Result<bool, RecordError> {
    reveal::remove_all_of(records, tenant, name).await?;
    records.remove(Kind::Credential, tenant, name).await
}

/// Credentials by name, after the name `after`, at most `limit`.
///
/// # Errors
/// Trouble of the records.
pub async fn list_credentials(
    records: &dyn Records,
    tenant: &TenantId,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(String, Credential)>, RecordError> {
    let found = records
        .list(Kind::Credential, tenant, "", after, limit)
        .await?;
    let named = |(name, record): (String, Record)| {
        let credential = read(&record)?;
        Ok((name, credential))
    };
    found.into_iter().map(named).collect()
}

fn write<T: Serialize>(value: &T) -> Result<bytes::Bytes, RecordError> {
    // The message of serde_json could quote the value, and with it a secret.
    serde_json::to_vec(value)
        .map(Into::into)
        .map_err(|_| RecordError::Damaged("the value cannot be written".into()))
}

fn read<T: for<'de> Deserialize<'de>>(record: &Record) -> Result<T, RecordError> {
    serde_json::from_slice(&record.value)
        .map_err(|_| RecordError::Damaged("a grant or a credential cannot be read".into()))
}

#[cfg(test)]
mod tests;
