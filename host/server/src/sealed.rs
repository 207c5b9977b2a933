//! Credentials at rest: a decorator that encrypts the values of
//! [`Kind::Credential`] on their way into any store. Other kinds pass as they
//! are.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use nebula_flow::ports::{Expect, Kind, Record, RecordError, Records};
use nebula_flow::{Digest, TenantId};

/// The first byte of a sealed value; another scheme gets another number.
const SCHEME: u8 = 1;
/// Bytes of an XChaCha20 nonce: long enough to be random for any number of writes.
const NONCE: usize = 24;

/// [`Records`] whose credentials are encrypted at rest.
///
/// A sealed value is the scheme's number, a random nonce and the ciphertext
/// with its tag (XChaCha20-Poly1305). Tenant and name are authenticated with
/// it: a value that was moved to another name or tenant does not open.
pub struct SealedRecords {
    inner: Arc<dyn Records>,
    cipher: XChaCha20Poly1305,
}

impl SealedRecords {
    /// Seals with this key.
    #[must_use]
    pub fn new(inner: Arc<dyn Records>, key: &[u8; 32]) -> Self {
        Self {
            inner,
            cipher: XChaCha20Poly1305::new(&Key::from(*key)),
        }
    }

    fn seal(&self, tenant: &TenantId, key: &str, plain: &[u8]) -> Result<Bytes, RecordError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|e| {
            RecordError::Unavailable(format!("the system gives no randomness: {e}"))
        })?;
        let aad = aad(tenant, key);
        let sealed = self
            .cipher
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: plain,
                    aad: &aad,
                },
            )
            .map_err(|_| {
                RecordError::Unavailable(format!("credential `{key}` cannot be encrypted"))
            })?;
        let mut out = Vec::with_capacity(1 + NONCE + sealed.len());
        out.push(SCHEME);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(out.into())
    }

    fn open(&self, tenant: &TenantId, key: &str, record: Record) -> Result<Record, RecordError> {
        let damaged = || {
            RecordError::Damaged(format!(
                "credential `{key}` does not open with this node's key: put the key file back, or set the credential again"
            ))
        };
        let (&scheme, rest) = record.value.split_first().ok_or_else(damaged)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE).ok_or_else(damaged)?;
        let nonce = <[u8; NONCE]>::try_from(nonce).map_err(|_| damaged())?;
        if scheme != SCHEME {
            return Err(damaged());
        }
        let aad = aad(tenant, key);
        let plain = self
            .cipher
            .decrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: sealed,
                    aad: &aad,
                },
            )
            .map_err(|_| damaged())?;
        Ok(Record {
            version: record.version,
            value: plain.into(),
        })
    }
}

// A name never holds a NUL, so that the two cannot run into each other.
fn aad(tenant: &TenantId, key: &str) -> Vec<u8> {
    format!("nebula/credential\0{tenant}\0{key}").into_bytes()
}

#[async_trait]
impl Records for SealedRecords {
    async fn get(
        &self,
        kind: Kind,
        tenant: &TenantId,
        key: &str,
    ) -> Result<Option<Record>, RecordError> {
        match (kind, self.inner.get(kind, tenant, key).await?) {
            (Kind::Credential, Some(record)) => self.open(tenant, key, record).map(Some),
            (_, record) => Ok(record),
        }
    }

    async fn put(
        &self,
        kind: Kind,
        tenant: &TenantId,
        key: &str,
        value: Bytes,
        expect: Expect,
    ) -> Result<u64, RecordError> {
        let value = match kind {
            Kind::Credential => self.seal(tenant, key, &value)?,
            _ => value,
        };
        self.inner.put(kind, tenant, key, value, expect).await
    }

    async fn remove(&self, kind: Kind, tenant: &TenantId, key: &str) -> Result<bool, RecordError> {
        self.inner.remove(kind, tenant, key).await
    }

    async fn list(
        &self,
        kind: Kind,
        tenant: &TenantId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, RecordError> {
        let records = self.inner.list(kind, tenant, prefix, after, limit).await?;
        if kind != Kind::Credential {
            return Ok(records);
        }
        records
            .into_iter()
            .map(|(key, record)| self.open(tenant, &key, record).map(|record| (key, record)))
            .collect()
    }

    async fn put_blob(&self, bytes: Bytes) -> Result<Digest, RecordError> {
        self.inner.put_blob(bytes).await
    }

    async fn pin_blob(&self, digest: Digest) -> Result<bool, RecordError> {
        self.inner.pin_blob(digest).await
    }

    async fn blob(&self, digest: Digest) -> Result<Option<Bytes>, RecordError> {
        self.inner.blob(digest).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nebula_storage::Memory;

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[tokio::test]
    async fn a_credential_is_stored_encrypted_and_reads_back() {
        let store: Arc<dyn Records> = Arc::new(Memory::new());
        let sealed = SealedRecords::new(store.clone(), &[1; 32]);
        let tenant = TenantId::default_tenant();
        sealed
            .put(
                Kind::Credential,
                &tenant,
                "prod",
                bytes("canary-5521"),
                Expect::Any,
            )
            .await
            .expect("puts");

        let raw = store
            .get(Kind::Credential, &tenant, "prod")
            .await
            .expect("gets")
            .expect("is there");
        assert!(!raw.value.windows(11).any(|w| w == b"canary-5521"));
        let opened = sealed
            .get(Kind::Credential, &tenant, "prod")
            .await
            .expect("opens")
            .expect("is there");
        assert_eq!(opened.value, bytes("canary-5521"));
        let listed = sealed
            .list(Kind::Credential, &tenant, "", None, 10)
            .await
            .expect("lists");
        assert_eq!(listed[0].1.value, bytes("canary-5521"));
    }

    #[tokio::test]
    async fn a_value_under_another_name_tenant_or_key_does_not_open() {
        let store: Arc<dyn Records> = Arc::new(Memory::new());
        let sealed = SealedRecords::new(store.clone(), &[1; 32]);
        let tenant = TenantId::default_tenant();
        let other = TenantId::new("other").expect("a name");
        sealed
            .put(Kind::Credential, &tenant, "a", bytes("secret"), Expect::Any)
            .await
            .expect("puts");
        let raw = store
            .get(Kind::Credential, &tenant, "a")
            .await
            .expect("gets")
            .expect("is there")
            .value;
        store
            .put(Kind::Credential, &tenant, "b", raw.clone(), Expect::Any)
            .await
            .expect("moves");
        store
            .put(Kind::Credential, &other, "a", raw, Expect::Any)
            .await
            .expect("moves");

        let damaged =
            |r: Result<Option<Record>, RecordError>| matches!(r, Err(RecordError::Damaged(_)));
        assert!(damaged(sealed.get(Kind::Credential, &tenant, "b").await));
        assert!(damaged(sealed.get(Kind::Credential, &other, "a").await));
        let stranger = SealedRecords::new(store.clone(), &[2; 32]);
        assert!(damaged(stranger.get(Kind::Credential, &tenant, "a").await));
        store
            .put(
                Kind::Credential,
                &tenant,
                "c",
                bytes("\u{1}short"),
                Expect::Any,
            )
            .await
            .expect("puts");
        assert!(damaged(sealed.get(Kind::Credential, &tenant, "c").await));
    }

    #[tokio::test]
    async fn other_records_pass_as_they_are() {
        let store: Arc<dyn Records> = Arc::new(Memory::new());
        let sealed = SealedRecords::new(store.clone(), &[1; 32]);
        let tenant = TenantId::default_tenant();
        sealed
            .put(Kind::Grant, &tenant, "a.b/c", bytes("{}"), Expect::Any)
            .await
            .expect("puts");
        let raw = store
            .get(Kind::Grant, &tenant, "a.b/c")
            .await
            .expect("gets")
            .expect("is there");
        assert_eq!(raw.value, bytes("{}"));
    }
}
