//! Credentials: set, listed, removed. What is given back never has a secret.

use nebula_api::Page;
use nebula_api::access::{Credential, PageQuery, SetCredential};
use nebula_flow::grant::{self, Secret};
use nebula_flow::ports::{Kind, Record};

use super::grants::one_spelling;
use super::{Error, Result, paging};
use crate::app::App;

/// Bytes of a secret.
const MAX_SECRET: usize = 64 * 1024;
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
        .map(|(name, record)| public(name, &record))
        .collect::<Result<_>>()?;
    Ok(paging::page(items, limit, |c: &Credential| c.name.clone()))
}

/// One credential.
pub(crate) async fn get(app: &App, name: &str) -> Result<Credential> {
    check_name(name)?;
    let record = app.records.get(Kind::Credential, &app.tenant, name).await?;
    let record = record.ok_or_else(|| Error::CredentialNotFound(name.into()))?;
    public(name.into(), &record)
}

/// Sets a credential, in place of the one of that name if there is one.
pub(crate) async fn set(app: &App, name: &str, request: SetCredential) -> Result<Credential> {
    check_name(name)?;
    let hosts = check(&request)?;
    let credential = grant::Credential {
        secret: Secret::new(request.secret),
        hosts,
        reveal: request.reveal,
    };
    let version = grant::put_credential(&*app.records, &app.tenant, name, &credential).await?;
    Ok(Credential {
        name: name.into(),
        hosts: credential.hosts,
        reveal: credential.reveal,
        version,
    })
}

/// Removes a credential.
pub(crate) async fn remove(app: &App, name: &str) -> Result<()> {
    check_name(name)?;
    if app
        .records
        .remove(Kind::Credential, &app.tenant, name)
        .await?
    {
        Ok(())
    } else {
        Err(Error::CredentialNotFound(name.into()))
    }
}

fn public(name: String, record: &Record) -> Result<Credential> {
    let stored: grant::Credential = serde_json::from_slice(&record.value)
        .map_err(|_| Error::Damaged(format!("credential `{name}` is not one")))?;
    Ok(Credential {
        name,
        hosts: stored.hosts,
        reveal: stored.reveal,
        version: record.version,
    })
}

fn check_name(name: &str) -> Result<()> {
    let valid = (1..=128).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if valid {
        return Ok(());
    }
    Err(nebula_flow::id::InvalidId {
        kind: "credential name",
        text: name.chars().take(80).collect(),
        expected: "1 to 128 of a-z, A-Z, 0-9, `-`, `_` and `.`, beginning with a letter or a digit",
    }
    .into())
}

/// Checks a credential; returns its hosts in their one spelling.
fn check(request: &SetCredential) -> Result<Vec<String>> {
    let refuse = |pointer: &str, message: String| {
        Err(Error::InvalidBody {
            pointer: pointer.into(),
            message,
        })
    };
    if request.secret.is_empty() || request.secret.len() > MAX_SECRET {
        return refuse("/secret", format!("a secret has 1 to {MAX_SECRET} bytes"));
    }
    // It goes into request headers, where a line end would begin another header.
    if request.secret.contains(|c: char| c.is_control()) {
        return refuse(
            "/secret",
            "a secret has no line ends and no other control characters".into(),
        );
    }
    if request.hosts.len() > MAX_HOSTS {
        return refuse(
            "/hosts",
            format!("a credential has at most {MAX_HOSTS} hosts"),
        );
    }
    let hosts = request.hosts.iter().enumerate();
    hosts
        .map(|(i, host)| one_spelling(host, &format!("/hosts/{i}")))
        .collect()
}
