//! Credentials: what the host puts in the place of what a guest holds, or adds to
//! a request that names one.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderName};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::header;
use crate::host::Authority;
use crate::policy::{Destination, covers};
use crate::token::TokenSource;

/// A credential and where it may go. Whoever asked holds the placeholder only.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretRule {
    /// What stands in the guest's headers: long and unguessable. Empty where the
    /// guest holds nothing, and the host adds the credential.
    pub placeholder: String,
    /// What takes its place.
    pub credential: Credential,
    /// Hosts whose requests may carry it: `host` (then port 443 for https, 80
    /// for http) or `host:port`.
    pub hosts: Vec<String>,
}

/// A secret and how requests carry it.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// Where the guest puts it. Added by the host it is a bearer token.
    Text(String),
    /// In a header.
    ApiKey {
        /// Its name.
        header: String,
        /// Its value.
        key: String,
    },
    /// As a bearer token.
    Bearer(String),
    /// By name and password.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// As a bearer token, which the host gets when it is first needed.
    OAuth2(TokenSource),
    /// Not in the request: by it the host proves who it is to a server that asks.
    Certificate {
        /// The certificate, and those between it and a root; PEM.
        chain: String,
        /// Its private key; PEM.
        key: String,
    },
}

impl Credential {
    /// The value of `authorization` for a user.
    pub(crate) fn basic(user: &str, password: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
    }

    /// What stands where a guest put the placeholder; nothing of a certificate.
    pub(crate) fn in_place(&self, token: Option<&str>) -> Option<String> {
        match self {
            Self::Text(text) | Self::Bearer(text) | Self::ApiKey { key: text, .. } => {
                Some(text.clone())
            }
            Self::Basic { user, password } => Some(Self::basic(user, password)),
            Self::OAuth2(_) => token.map(ToOwned::to_owned),
            Self::Certificate { .. } => None,
        }
    }

    /// The same within the `user:password` that a guest makes itself.
    pub(crate) fn in_basic(&self, token: Option<&str>) -> Option<String> {
        match self {
            Self::Basic { password, .. } => Some(password.clone()),
            _ => self.in_place(token),
        }
    }

    /// The header that the host adds, if it is by a header.
    pub(crate) fn added(
        &self,
        token: Option<&str>,
    ) -> Result<Option<(HeaderName, String)>, &'static str> {
        Ok(match self {
            Self::Text(token) | Self::Bearer(token) => {
                Some((AUTHORIZATION, format!("Bearer {token}")))
            }
            Self::ApiKey { header, key } => Some((header_name(header)?, key.clone())),
            Self::Basic { user, password } => Some((AUTHORIZATION, Self::basic(user, password))),
            Self::OAuth2(_) => token.map(|token| (AUTHORIZATION, format!("Bearer {token}"))),
            Self::Certificate { .. } => None,
        })
    }
}

impl From<&str> for Credential {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl SecretRule {
    pub(crate) fn may_go_to(&self, destination: &Destination) -> bool {
        self.hosts
            .iter()
            .filter_map(|text| Authority::parse(text).ok())
            .any(|authority| covers(&authority, destination))
    }
}

impl fmt::Debug for SecretRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretRule(… for {:?})", self.hosts)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}

/// The name of a header that may carry a key.
///
/// # Errors
/// When it is no name, or one that belongs to the host.
pub fn header_name(text: &str) -> Result<HeaderName, &'static str> {
    let name = HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| "it is no name of a header: letters, digits and `-`")?;
    if name.as_str().starts_with("nebula-") {
        return Err("what begins with `nebula-` is for the host");
    }
    match header::of_the_host(&name) {
        Some(_) => Err("the host writes it itself, or no request may have it"),
        None => Ok(name),
    }
}

/// Who tells those that keep secrets out of sight of one that came up: a token.
#[derive(Clone, Default)]
pub struct Learned(Option<Arc<Tell>>);

type Tell = dyn Fn(&str) + Send + Sync;

impl Learned {
    /// Calls this with each, before it leaves this machine.
    pub fn new(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    pub(crate) fn tell(&self, secret: &str) {
        if let Some(tell) = &self.0 {
            tell(secret);
        }
    }
}

impl fmt::Debug for Learned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Learned(…)")
    }
}

/// Who covers secrets in what is noted of a request that was refused: its caller may
/// hold one in plain text, and have put it where the host's name should be.
#[derive(Clone, Default)]
pub struct Cover(Option<Arc<Hide>>);

type Hide = dyn Fn(String) -> String + Send + Sync;

impl Cover {
    /// Takes from this what may be noted of a text.
    pub fn new(hide: impl Fn(String) -> String + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hide)))
    }

    pub(crate) fn text(&self, text: String) -> String {
        match &self.0 {
            Some(hide) => hide(text),
            None => text,
        }
    }
}

impl fmt::Debug for Cover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cover(…)")
    }
}

// ----------------------------------------------------------- certificates --

/// A certificate and its key, by which the host proves who it is.
#[derive(Clone)]
pub struct Identity(pub(crate) Arc<CertifiedKey>);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidIdentity {
    /// The text is not PEM with a certificate in it.
    #[error("it is not PEM with a certificate{}", named(.0.as_ref()))]
    Chain(Option<pem::Error>),
    /// The text is not PEM with a private key in it.
    #[error("it is not PEM with a private key that is not encrypted: {0}")]
    Key(pem::Error),
    /// The two are not of one another, or of a kind that is not known.
    #[error("certificate and key cannot be used together: {0}")]
    Pair(rustls::Error),
}

fn named(error: Option<&pem::Error>) -> String {
    error.map_or_else(String::new, |error| format!(": {error}"))
}

impl InvalidIdentity {
    /// Whether it is the certificate alone that is wrong.
    #[must_use]
    pub const fn is_of_the_chain(&self) -> bool {
        matches!(self, Self::Chain(_))
    }
}

impl Identity {
    /// Reads a certificate with those between it and a root, and its key.
    ///
    /// # Errors
    /// When one is not PEM, or they are not of one another.
    pub fn from_pem(chain: &str, key: &str) -> Result<Self, InvalidIdentity> {
        let chain = CertificateDer::pem_slice_iter(chain.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| InvalidIdentity::Chain(Some(error)))?;
        if chain.is_empty() {
            return Err(InvalidIdentity::Chain(None));
        }
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(InvalidIdentity::Key)?;
        let pair = CertifiedKey::from_der(chain, key, &default_provider());
        Ok(Self(Arc::new(pair.map_err(InvalidIdentity::Pair)?)))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}
