//! Credentials: set, listed, removed. What is given back never has a secret.

use nebula_api::Page;
use nebula_api::access::{ClientAuth, Credential, CredentialKind, PageQuery, SetCredential};
use nebula_flow::grant::{self, Secret};
use nebula_flow::id::InvalidId;
use nebula_flow::ports::{Kind, Record};

use super::grants::one_spelling;
use super::{Error, Result, credential_kind, paging};
use crate::app::App;

/// Hosts of a credential.
const MAX_HOSTS: usize = 64;

/// A page of credentials by name.
pub(crate) async fn list(app: &App, query: PageQuery) -> Result<Page<Credential>> {
    let limit = paging::limit(query.limit)?;
    let after = query.cursor.as_deref();
    let found = app
        .records
        .list(Kind::Credential, &app.tenant, "", after, limit + 1)
        .await?;
    let items = found
        .into_iter()
        .map(|(name, record)| read(name, &record))
        .collect::<Result<_>>()?;
    Ok(paging::page(items, limit, |c: &Credential| c.name.clone()))
}

/// One credential.
pub(crate) async fn get(app: &App, name: &str) -> Result<Credential> {
    check_name(name)?;
    let record = app.records.get(Kind::Credential, &app.tenant, name).await?;
    let record = record.ok_or_else(|| Error::CredentialNotFound(name.into()))?;
    read(name.into(), &record)
}

/// Sets a credential, in place of the one of that name if there is one.
pub(crate) async fn set(app: &App, name: &str, request: SetCredential) -> Result<Credential> {
    check_name(name)?;
    let kind = credential_kind::check(&request)?;
    let hosts = hosts(&request)?;
    let credential = grant::Credential {
        secret: Secret::new(request.secret),
        kind,
        hosts,
        reveal: request.reveal,
    };
    credential_kind::revealable(&credential)?;
    let version = grant::put_credential(&*app.records, &app.tenant, name, &credential).await?;
    Ok(public(name.into(), credential, version))
}

/// Removes a credential, and with it what lets actions read it in plain text.
pub(crate) async fn remove(app: &App, name: &str) -> Result<()> {
    check_name(name)?;
    if grant::remove_credential(&*app.records, &app.tenant, name).await? {
        Ok(())
    } else {
        Err(Error::CredentialNotFound(name.into()))
    }
}

fn read(name: String, record: &Record) -> Result<Credential> {
    let stored: grant::Credential = serde_json::from_slice(&record.value)
        .map_err(|_| Error::Damaged(format!("credential `{name}` is not one")))?;
    Ok(public(name, stored, record.version))
}

/// What is told of a credential.
fn public(name: String, stored: grant::Credential, version: u64) -> Credential {
    let mut told = Credential {
        name,
        kind: CredentialKind::Text,
        header: None,
        user: None,
        token_url: None,
        token_at: None,
        client_id: None,
        scopes: Vec::new(),
        audience: None,
        client_auth: None,
        hosts: stored.hosts,
        reveal: stored.reveal,
        version,
    };
    match stored.kind {
        grant::CredentialKind::Text => {}
        grant::CredentialKind::ApiKey { header } => {
            told.kind = CredentialKind::ApiKey;
            told.header = Some(header);
        }
        grant::CredentialKind::Bearer => told.kind = CredentialKind::Bearer,
        grant::CredentialKind::Basic { user } => {
            told.kind = CredentialKind::Basic;
            told.user = Some(user);
        }
        grant::CredentialKind::OAuth2(client) => {
            told.kind = CredentialKind::OAuth2;
            told.token_url = Some(client.token_url);
            told.token_at = client.token_at;
            told.client_id = Some(client.client_id);
            told.scopes = client.scopes;
            told.audience = client.audience;
            told.client_auth = Some(match client.client_auth {
                grant::ClientAuth::Basic => ClientAuth::Basic,
                grant::ClientAuth::Body => ClientAuth::Body,
            });
        }
        grant::CredentialKind::Certificate { .. } => told.kind = CredentialKind::Certificate,
    }
    told
}

/// Refuses what is no name of a credential.
pub(super) fn check_name(name: &str) -> std::result::Result<(), InvalidId> {
    let valid = (1..=128).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if valid {
        return Ok(());
    }
    Err(InvalidId {
        kind: "credential name",
        text: name.chars().take(80).collect(),
        expected: "1 to 128 of a-z, A-Z, 0-9, `-`, `_` and `.`, beginning with a letter or a digit",
    })
}

/// The hosts of a credential in their one spelling.
fn hosts(request: &SetCredential) -> Result<Vec<String>> {
    if request.hosts.len() > MAX_HOSTS {
        return Err(Error::InvalidBody {
            pointer: "/hosts".into(),
            message: format!("a credential has at most {MAX_HOSTS} hosts"),
        });
    }
    let hosts = request.hosts.iter().enumerate();
    hosts
        .map(|(i, host)| one_spelling(host, &format!("/hosts/{i}")))
        .collect()
}
