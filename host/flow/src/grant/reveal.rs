//! Plain text of a credential. It takes two words of an operator: the credential
//! says `reveal`, and the action is granted exactly this stored credential. Both are
//! looked at before each call, so that taking one back holds from the next call on.

use serde::{Deserialize, Serialize};

use super::{Credential, read, write};
use crate::id::{ActionId, TenantId};
use crate::ports::{Expect, Kind, RecordError, Records};
use crate::redact::LEAST;

/// Records that are read at once.
const CHUNK: usize = 1_000;

/// An operator's word that an action may read a credential in plain text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reveal {
    /// Who may.
    pub action: ActionId,
    /// The name that the credential is stored under.
    pub credential: String,
}

/// Why nobody reads a stored credential in plain text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRevealable {
    /// It does not say `reveal`.
    #[error("it does not say that it may be revealed")]
    NotSaid,
    /// Only the host can use what it is.
    #[error("what it is only the host can use, and it is never revealed")]
    Never,
    /// Where the action repeats it, nothing would cover it.
    #[error(
        "it has fewer than {} bytes, which nothing covers where an action repeats them",
        LEAST
    )]
    TooShort,
}

impl Credential {
    /// Whether an action may be granted its plain text.
    ///
    /// # Errors
    /// Why it may not.
    pub fn revealable(&self) -> Result<(), NotRevealable> {
        if !self.kind.may_be_revealed() {
            Err(NotRevealable::Never)
        } else if !self.reveal {
            Err(NotRevealable::NotSaid)
        } else if self.secret.expose().len() < LEAST {
            Err(NotRevealable::TooShort)
        } else {
            Ok(())
        }
    }
}

fn key(action: &ActionId, credential: &str) -> String {
    format!("{action}/{credential}")
}

/// Whether both words are there, for a credential that is stored under this name.
pub(super) async fn is_granted(
    records: &dyn Records,
    tenant: &TenantId,
    action: &ActionId,
    stored_as: &str,
    credential: &Credential,
) -> Result<bool, RecordError> {
    if credential.revealable().is_err() {
        return Ok(false);
    }
    let key = key(action, stored_as);
    let found = records.get(Kind::Reveal, tenant, &key).await?;
    Ok(found.is_some())
}

/// Grants an action the plain text of a credential. Returns how often it was set.
///
/// # Errors
/// When the records are not available.
pub async fn put_reveal(
    records: &dyn Records,
    tenant: &TenantId,
    reveal: &Reveal,
) -> Result<u64, RecordError> {
    let key = key(&reveal.action, &reveal.credential);
    records
        .put(Kind::Reveal, tenant, &key, write(reveal)?, Expect::Any)
        .await
}

/// Takes the plain text of a credential back from an action; whether it had it.
///
/// # Errors
/// Trouble of the records.
pub async fn remove_reveal(
    records: &dyn Records,
    tenant: &TenantId,
    reveal: &Reveal,
) -> Result<bool, RecordError> {
    let key = key(&reveal.action, &reveal.credential);
    records.remove(Kind::Reveal, tenant, &key).await
}

/// Who may read what in plain text, by action and credential, of one action or of
/// all, after the last one of the page before.
///
/// # Errors
/// Trouble of the records.
pub async fn list_reveals(
    records: &dyn Records,
    tenant: &TenantId,
    action: Option<&ActionId>,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(String, Reveal)>, RecordError> {
    let prefix = action
        .map(|action| format!("{action}/"))
        .unwrap_or_default();
    let found = records
        .list(Kind::Reveal, tenant, &prefix, after, limit)
        .await?;
    let keyed = found
        .into_iter()
        .map(|(key, record)| Ok((key, read(&record)?)));
    keyed.collect()
}

/// Takes a credential back from everyone who may read it.
pub(super) async fn remove_all_of(
    records: &dyn Records,
    tenant: &TenantId,
    credential: &str,
) -> Result<(), RecordError> {
    let mut after = None;
    loop {
        let found = list_reveals(records, tenant, None, after.as_deref(), CHUNK).await?;
        for (_, reveal) in &found {
            if reveal.credential == credential {
                remove_reveal(records, tenant, reveal).await?;
            }
        }
        if found.len() < CHUNK {
            return Ok(());
        }
        after = found.into_iter().next_back().map(|(key, _)| key);
    }
}
