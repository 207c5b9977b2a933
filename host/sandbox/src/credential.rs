//! From a credential that is bound to a call to what the egress carries of it.

use data_encoding::BASE64;
use nebula_egress::{Credential, TokenSource};
use nebula_flow::grant::{BoundCredential, ClientAuth, CredentialKind};

/// As the egress carries it.
pub(crate) fn carried(tenant: &str, bound: &BoundCredential) -> Credential {
    let secret = bound.secret.expose().to_owned();
    match &bound.kind {
        CredentialKind::Text => Credential::Text(secret),
        CredentialKind::ApiKey { header } => Credential::ApiKey {
            header: header.clone(),
            key: secret,
        },
        CredentialKind::Bearer => Credential::Bearer(secret),
        CredentialKind::Basic { user } => Credential::Basic {
            user: user.clone(),
            password: secret,
        },
        CredentialKind::OAuth2(client) => Credential::OAuth2(TokenSource {
            tenant: tenant.to_owned(),
            name: bound.stored_as.clone(),
            url: client.token_url.clone(),
            at: client.token_at.clone(),
            client_id: client.client_id.clone(),
            client_secret: secret,
            scopes: client.scopes.clone(),
            audience: client.audience.clone(),
            in_body: client.client_auth == ClientAuth::Body,
        }),
        CredentialKind::Certificate { chain } => Credential::Certificate {
            chain: chain.clone(),
            key: secret,
        },
    }
}

/// The plain text, where an operator granted it and an action could use it.
pub(crate) fn revealed(bound: &BoundCredential) -> Option<String> {
    let secret = bound.secret.expose();
    match &bound.kind {
        kind if !bound.reveal || !kind.may_be_revealed() => None,
        CredentialKind::Basic { user } => Some(basic(user, secret)),
        _ => Some(secret.to_owned()),
    }
}

fn basic(user: &str, password: &str) -> String {
    format!(
        "Basic {}",
        BASE64.encode(format!("{user}:{password}").as_bytes())
    )
}
