//! Keys of the API: made, listed, revoked; and who it is that sends one.
//!
//! A key reads `nebula.<tenant>.<id>.<secret>`. By tenant and id its record is
//! found; the record has a SHA-256 of the whole key and nothing from which the
//! secret could be had. A slow hash is for passwords, which people choose; this
//! secret is 256 random bits, which nobody tries one by one. The hashes are
//! compared in constant time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nebula_api::Page;
use nebula_api::access::PageQuery;
use nebula_api::key::{CreateKey, CreatedKey, Key, Role};
use nebula_flow::ports::{Expect, Kind, LogError, Record};
use nebula_flow::time::Span;
use nebula_flow::{Digest, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::values::time;
use super::{Error, Result, paging};
use crate::app::{App, Shared};

/// What every key begins with, so that a stray one is recognised.
const PREFIX: &str = "nebula";
/// Random bytes of an id.
const ID: usize = 8;
/// Random bytes of a secret.
const SECRET: usize = 32;
/// Characters of a name.
const MAX_NAME: usize = 128;
/// How exact the last use is: one write a minute for each key that is used.
const TOUCH: Duration = Duration::from_secs(60);

/// A key as it is kept.
#[derive(Serialize, Deserialize)]
struct Stored {
    name: String,
    role: Role,
    /// SHA-256 of the whole key, hexadecimal.
    hash: String,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
}

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Nobody that is known.
    Anonymous,
    /// The bearer of a key; or whoever reaches a node that needs none.
    Known {
        /// On whose account.
        tenant: TenantId,
        /// What it may do.
        role: Role,
        /// The key's id; absent where none is needed.
        key: Option<String>,
    },
}

/// Why a key is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyRefused {
    /// It has no key's shape, is not known, or was revoked.
    #[error("the key is not known here: it was revoked, or is of another node")]
    Unknown,
    /// Its time is over.
    #[error("key {id} is no longer good: it was made to expire")]
    Expired {
        /// Its id.
        id: String,
    },
    /// It cannot be looked up now.
    #[error(transparent)]
    Trouble(#[from] Error),
}

/// When each key was last seen to be used, so that not every use is written.
#[derive(Default)]
pub(crate) struct Touched(Mutex<HashMap<(TenantId, String), Timestamp>>);

impl Touched {
    /// Whether this use is to be written.
    fn is_due(&self, tenant: &TenantId, id: &str, now: Timestamp) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = seen.entry((tenant.clone(), id.to_owned())).or_default();
        let due = now.since(*last) >= TOUCH;
        if due {
            *last = now;
        }
        due
    }

    fn forget(&self, tenant: &TenantId, id: &str) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.remove(&(tenant.clone(), id.to_owned()));
    }
}

/// Makes a key. What is returned is the only copy of its secret.
pub(crate) async fn create(app: &App, request: CreateKey) -> Result<CreatedKey> {
    let now = app.clock.now();
    let lifetime = check(&request)?;
    let id = hex(&*random::<ID>()?);
    let secret = Zeroizing::new(hex(&*random::<SECRET>()?));
    let whole = Zeroizing::new(format!("{PREFIX}.{}.{id}.{}", app.tenant, *secret));
    let stored = Stored {
        name: request.name,
        role: request.role,
        hash: Digest::of(whole.as_bytes()).hex(),
        created_at: now,
        expires_at: lifetime.map(|lifetime| now.plus(lifetime)),
        last_used_at: None,
    };
    let value = write(&stored)?;
    app.records
        .put(Kind::ApiKey, &app.tenant, &id, value, Expect::Absent)
        .await?;
    tracing::info!(key = id, role = stored.role.name(), "a key was made");
    Ok(CreatedKey {
        key: public(id, stored),
        secret: whole.to_string(),
    })
}

/// A page of keys by id, without their secrets.
pub(crate) async fn list(app: &App, query: PageQuery) -> Result<Page<Key>> {
    let limit = paging::limit(query.limit)?;
    let after = query.cursor.as_deref();
    let found = app
        .records
        .list(Kind::ApiKey, &app.tenant, "", after, limit + 1)
        .await?;
    let items = found
        .into_iter()
        .map(|(id, record)| Ok(public(id.clone(), read(&id, &record)?)))
        .collect::<Result<_>>()?;
    Ok(paging::page(items, limit, |key: &Key| key.id.clone()))
}

/// Revokes a key: from the moment this returns it is refused.
pub(crate) async fn revoke(app: &App, id: &str) -> Result<()> {
    let known = is_hex(id, ID) && app.records.remove(Kind::ApiKey, &app.tenant, id).await?;
    if !known {
        return Err(Error::KeyNotFound(id.chars().take(40).collect()));
    }
    app.touched.forget(&app.tenant, id);
    tracing::info!(key = id, "a key was revoked");
    Ok(())
}

/// Who the bearer of this key is. The record is read each time, so that a
/// revoked key is refused at once, whoever revoked it.
pub(crate) async fn bearer(
    shared: &Arc<Shared>,
    presented: &str,
) -> std::result::Result<Caller, KeyRefused> {
    let (tenant, id) = parse(presented).ok_or(KeyRefused::Unknown)?;
    let found = shared.records.get(Kind::ApiKey, &tenant, id).await;
    let record = found.map_err(Error::from)?.ok_or(KeyRefused::Unknown)?;
    let stored = read(id, &record)?;
    let hash = Digest::of(presented.as_bytes()).hex();
    if !bool::from(hash.as_bytes().ct_eq(stored.hash.as_bytes())) {
        return Err(KeyRefused::Unknown);
    }
    let now = shared.clock.now();
    if stored.expires_at.is_some_and(|end| now >= end) {
        return Err(KeyRefused::Expired { id: id.into() });
    }
    let role = stored.role;
    if shared.touched.is_due(&tenant, id, now) {
        tokio::spawn(touch(
            Arc::clone(shared),
            tenant.clone(),
            id.to_owned(),
            stored,
            record.version,
        ));
    }
    Ok(Caller::Known {
        tenant,
        role,
        key: Some(id.to_owned()),
    })
}

/// Writes the last use. It expects the version that was read: a key that was
/// revoked in the meantime does not come back.
async fn touch(
    shared: Arc<Shared>,
    tenant: TenantId,
    id: String,
    mut stored: Stored,
    version: u64,
) {
    stored.last_used_at = Some(shared.clock.now());
    let Ok(value) = write(&stored) else { return };
    let expect = Expect::Version(version);
    let put = shared
        .records
        .put(Kind::ApiKey, &tenant, &id, value, expect)
        .await;
    if let Err(error) = put {
        tracing::debug!(%error, key = id, "the last use of a key is not written");
    }
}

/// Tenant and id of what has a key's shape.
fn parse(text: &str) -> Option<(TenantId, &str)> {
    let mut parts = text.split('.');
    let (prefix, tenant, id, secret) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let valid =
        parts.next().is_none() && prefix == PREFIX && is_hex(id, ID) && is_hex(secret, SECRET);
    Some((TenantId::new(tenant).ok().filter(|_| valid)?, id))
}

fn check(request: &CreateKey) -> Result<Option<Duration>> {
    let refuse = |pointer: &str, message: String| Error::InvalidBody {
        pointer: pointer.into(),
        message,
    };
    let characters = request.name.chars().count();
    if !(1..=MAX_NAME).contains(&characters) || request.name.contains(char::is_control) {
        let message = format!("a key's name has 1 to {MAX_NAME} characters, none of them control");
        return Err(refuse("/name", message));
    }
    let Some(text) = &request.expires_in else {
        return Ok(None);
    };
    match text.parse::<Span>() {
        Ok(Span(lifetime)) if !lifetime.is_zero() => Ok(Some(lifetime)),
        Ok(_) => Err(refuse("/expires_in", "a key is good for some time".into())),
        Err(error) => Err(refuse("/expires_in", error.to_string())),
    }
}

fn public(id: String, stored: Stored) -> Key {
    Key {
        id,
        name: stored.name,
        role: stored.role,
        created_at: time(stored.created_at),
        expires_at: stored.expires_at.map(time),
        last_used_at: stored.last_used_at.map(time),
    }
}

fn read(id: &str, record: &Record) -> Result<Stored> {
    serde_json::from_slice(&record.value)
        .map_err(|_| Error::Damaged(format!("key {id} is not one")))
}

fn write(stored: &Stored) -> Result<bytes::Bytes> {
    serde_json::to_vec(stored)
        .map(Into::into)
        .map_err(|e| Error::Damaged(e.to_string()))
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(&mut *bytes)
        .map_err(|e| LogError::Unavailable(format!("the system gives no randomness: {e}")))?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn is_hex(text: &str, bytes: usize) -> bool {
    text.len() == 2 * bytes
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_a_keys_shape_is_looked_up() {
        let secret = "ab".repeat(SECRET);
        let good = format!("nebula.default.0123456789abcdef.{secret}");
        let (tenant, id) = parse(&good).expect("a key");
        assert_eq!((tenant.as_str(), id), ("default", "0123456789abcdef"));
        for wrong in [
            String::new(),
            "nebula".into(),
            "nebula.default.0123456789abcdef".into(),
            format!("nebula.default.0123456789abcdef.{secret}."),
            format!("nebula.default.0123456789abcdef.{secret}0"),
            format!("nebula.default.0123456789ABCDEF.{secret}"),
            format!("nebula.Not A Tenant.0123456789abcdef.{secret}"),
            format!("nebula..0123456789abcdef.{secret}"),
            format!("other.default.0123456789abcdef.{secret}"),
            good.to_uppercase(),
        ] {
            assert!(parse(&wrong).is_none(), "{wrong}");
        }
    }
}
