//! What a credential is: each kind has what it needs, and nothing of another.

use nebula_api::access::{ClientAuth, CredentialKind, SetCredential};
use nebula_egress::{Identity, TokenSource, credential};
use nebula_flow::grant::{self, OAuth2};

use super::{Error, Result};

/// Bytes of a secret, and of a certificate with those above it.
const MAX_SECRET: usize = 64 * 1024;
/// Bytes of each other text.
const MAX_TEXT: usize = 2_048;
/// How many scopes there may be.
const MAX_SCOPES: usize = 64;

fn refuse<T>(pointer: &str, message: impl Into<String>) -> Result<T> {
    Err(Error::InvalidBody {
        pointer: pointer.into(),
        message: message.into(),
    })
}

/// Checks a credential but for its hosts; returns what it is.
pub(super) fn check(request: &SetCredential) -> Result<grant::CredentialKind> {
    secret(request)?;
    foreign(request)?;
    Ok(match request.kind {
        CredentialKind::Text => grant::CredentialKind::Text,
        CredentialKind::Bearer => grant::CredentialKind::Bearer,
        CredentialKind::ApiKey => {
            let header = needed(request.header.as_ref(), "/header", "the name of its header")?;
            let name = credential::header_name(header);
            grant::CredentialKind::ApiKey {
                header: match name {
                    Ok(name) => name.to_string(),
                    Err(why) => {
                        let what = format!("no key may stand in the header `{header}`: {why}");
                        return refuse("/header", what);
                    }
                },
            }
        }
        CredentialKind::Basic => {
            let user = needed(request.user.as_ref(), "/user", "a user")?;
            if user.contains(':') {
                return refuse("/user", "a user's name has no `:`, which ends it");
            }
            grant::CredentialKind::Basic { user: user.into() }
        }
        CredentialKind::OAuth2 => grant::CredentialKind::OAuth2(oauth2(request)?),
        CredentialKind::Certificate => certificate(request)?,
    })
}

/// Refuses `reveal` of what is never revealed.
pub(super) fn revealable(credential: &grant::Credential) -> Result<()> {
    match credential.revealable() {
        Err(why) if credential.reveal => refuse(
            "/reveal",
            format!("it may not be read in plain text: {why}"),
        ),
        _ => Ok(()),
    }
}

fn secret(request: &SetCredential) -> Result<()> {
    let secret = &request.secret;
    if secret.is_empty() || secret.len() > MAX_SECRET {
        return refuse("/secret", format!("a secret has 1 to {MAX_SECRET} bytes"));
    }
    // It goes into request headers, where a line end would begin another header.
    if request.kind != CredentialKind::Certificate && secret.contains(char::is_control) {
        return refuse(
            "/secret",
            "a secret has no line ends and no other control characters",
        );
    }
    Ok(())
}

/// Refuses what belongs to another kind.
fn foreign(request: &SetCredential) -> Result<()> {
    use CredentialKind::{ApiKey, Basic, Certificate, OAuth2};
    let given = [
        ("/header", request.header.is_some(), ApiKey),
        ("/user", request.user.is_some(), Basic),
        ("/token_url", request.token_url.is_some(), OAuth2),
        ("/token_at", request.token_at.is_some(), OAuth2),
        ("/client_id", request.client_id.is_some(), OAuth2),
        ("/scopes", !request.scopes.is_empty(), OAuth2),
        ("/audience", request.audience.is_some(), OAuth2),
        ("/client_auth", request.client_auth.is_some(), OAuth2),
        ("/certificate", request.certificate.is_some(), Certificate),
    ];
    for (pointer, given, of) in given {
        if given && request.kind != of {
            let (own, of) = (name(request.kind), name(of));
            let message =
                format!("only a credential of kind `{of}` has it, and this one is `{own}`");
            return refuse(pointer, message);
        }
    }
    Ok(())
}

/// As the API writes a kind.
const fn name(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Text => "text",
        CredentialKind::ApiKey => "api-key",
        CredentialKind::Bearer => "bearer",
        CredentialKind::Basic => "basic",
        CredentialKind::OAuth2 => "oauth2",
        CredentialKind::Certificate => "certificate",
    }
}

fn needed<'a>(given: Option<&'a String>, pointer: &str, what: &str) -> Result<&'a str> {
    match given {
        Some(text) => fit(text, pointer).map(|()| text.as_str()),
        None => refuse(pointer, format!("a credential of this kind needs {what}")),
    }
}

fn fit(text: &str, pointer: &str) -> Result<()> {
    if text.is_empty() || text.len() > MAX_TEXT || text.contains(char::is_control) {
        return refuse(
            pointer,
            format!("it has 1 to {MAX_TEXT} bytes, without line ends and other control characters"),
        );
    }
    Ok(())
}

fn oauth2(request: &SetCredential) -> Result<OAuth2> {
    let token_url = needed(
        request.token_url.as_ref(),
        "/token_url",
        "the URL where tokens are got",
    )?;
    let client_id = needed(request.client_id.as_ref(), "/client_id", "a client id")?;
    if request.scopes.len() > MAX_SCOPES {
        return refuse("/scopes", format!("there are at most {MAX_SCOPES} scopes"));
    }
    for (i, scope) in request.scopes.iter().enumerate() {
        let pointer = format!("/scopes/{i}");
        fit(scope, &pointer)?;
        if scope.contains(' ') {
            return refuse(&pointer, "a scope has no spaces; give each on its own");
        }
    }
    if let Some(audience) = &request.audience {
        fit(audience, "/audience")?;
    }
    let client = OAuth2 {
        token_url: token_url.into(),
        token_at: request.token_at.clone(),
        client_id: client_id.into(),
        scopes: request.scopes.clone(),
        audience: request.audience.clone(),
        client_auth: match request.client_auth {
            Some(ClientAuth::Body) => grant::ClientAuth::Body,
            Some(ClientAuth::Basic) | None => grant::ClientAuth::Basic,
        },
    };
    let source = TokenSource {
        tenant: String::new(),
        name: String::new(),
        url: client.token_url.clone(),
        at: client.token_at.clone(),
        client_id: String::new(),
        client_secret: String::new(),
        scopes: Vec::new(),
        audience: None,
        in_body: false,
    };
    match source.endpoint() {
        Ok(_) => Ok(client),
        Err(error) => {
            let pointer = if error.is_of_the_address() {
                "/token_at"
            } else {
                "/token_url"
            };
            refuse(pointer, error.to_string())
        }
    }
}

fn certificate(request: &SetCredential) -> Result<grant::CredentialKind> {
    let Some(chain) = &request.certificate else {
        return refuse(
            "/certificate",
            "a credential of this kind needs a certificate",
        );
    };
    if chain.len() > MAX_SECRET {
        return refuse(
            "/certificate",
            format!("a certificate with those above it has at most {MAX_SECRET} bytes"),
        );
    }
    match Identity::from_pem(chain, &request.secret) {
        Ok(_) => Ok(grant::CredentialKind::Certificate {
            chain: chain.clone(),
        }),
        Err(error) if error.is_of_the_chain() => refuse("/certificate", error.to_string()),
        Err(error) => refuse("/secret", error.to_string()),
    }
}
