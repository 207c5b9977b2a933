//! `--credential NAME=[KIND:]@FILE`: a credential of a call that no node makes. The
//! secret stands in a file, so that it stays out of the command line.

use std::collections::BTreeMap;
use std::path::Path;

use nebula_sandbox::nebula_flow::grant::{BoundCredential, CredentialKind, OAuth2, Secret};
use serde::Deserialize;

use super::super::read;
use crate::error::{Error, Result};

/// What the file of an `oauth2` credential has.
#[derive(Deserialize)]
struct Client {
    client_secret: String,
    #[serde(flatten)]
    client: OAuth2,
}

/// The file that an argument names.
pub(super) fn file(given: &str) -> Option<&Path> {
    let (_, kind) = given.split_once('=')?;
    Some(Path::new(kind.split_once('@')?.1))
}

/// Reads an argument: the name that the action's code uses, and the credential.
pub(super) fn read_one(given: &str) -> Result<(String, BoundCredential)> {
    let form = || {
        Error::refused(
            "a credential is given as NAME=@FILE or NAME=KIND:@FILE, so that it stays out of the command line",
        )
    };
    let (name, rest) = given.split_once('=').ok_or_else(form)?;
    let (kind, file) = rest.split_once('@').ok_or_else(form)?;
    if !kind.is_empty() && !kind.ends_with(':') {
        return Err(form());
    }
    let text = String::from_utf8(read(file)?)
        .map_err(|_| Error::refused(format!("`{file}` is not UTF-8 text")))?;
    let (kind, secret) = parse(kind, file, text.trim_end())?;
    let bound = BoundCredential {
        stored_as: name.to_owned(),
        secret: Secret::new(secret),
        kind,
        hosts: Vec::new(),
        reveal: false,
    };
    Ok((name.to_owned(), bound))
}

/// Gives the action a credential in plain text, as a node does where the credential
/// says `reveal` and the action is granted it.
pub(super) fn reveal(given: &mut BTreeMap<String, BoundCredential>, name: &str) -> Result<()> {
    let Some(bound) = given.get_mut(name) else {
        return Err(Error::refused(format!("no credential `{name}` is given"))
            .hint(format!("add --credential {name}=@FILE")));
    };
    if !bound.kind.may_be_revealed() {
        return Err(Error::refused(format!(
            "credential `{name}` is never read in plain text: only the host can use what it is"
        )));
    }
    bound.reveal = true;
    Ok(())
}

/// What stands in a file of this kind. What is wrong is said without what it says.
fn parse(kind: &str, file: &str, text: &str) -> Result<(CredentialKind, String)> {
    let refuse = |what: &str| Error::refused(format!("`{file}` is not {what}"));
    let pair = |what: &str| {
        let pair = text.split_once(':').ok_or_else(|| refuse(what))?;
        Ok::<_, Error>((pair.0.trim().to_owned(), pair.1.trim().to_owned()))
    };
    Ok(match kind {
        "" | "text:" => (CredentialKind::Text, text.to_owned()),
        "bearer:" => (CredentialKind::Bearer, text.to_owned()),
        "api-key:" => {
            let (header, key) = pair("a header: `Name: key`")?;
            (CredentialKind::ApiKey { header }, key)
        }
        "basic:" => {
            let (user, password) = pair("`user:password`")?;
            (CredentialKind::Basic { user }, password)
        }
        "oauth2:" => {
            let what = "JSON with `token_url`, `client_id` and `client_secret`";
            let read: Client = serde_json::from_str(text).map_err(|_| refuse(what))?;
            (CredentialKind::OAuth2(read.client), read.client_secret)
        }
        // A PEM file may have both, in any order.
        "certificate:" => {
            let chain = text.to_owned();
            (CredentialKind::Certificate { chain }, text.to_owned())
        }
        other => {
            let other = other.trim_end_matches(':');
            return Err(
                Error::refused(format!("there are no credentials of kind `{other}`"))
                    .hint("it is text, api-key, bearer, basic, oauth2 or certificate"),
            );
        }
    })
}
