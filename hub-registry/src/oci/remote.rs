//! One registry, and who asks it.

use std::sync::Once;

use oci_distribution::secrets::RegistryAuth;

use super::ask::{ACCEPT_JSON, Question};
use super::credentials::Credentials;
use super::elsewhere::Fence;
use super::error::RegistryError;
use super::patience::Patience;
use super::token::Kept;
use crate::reference::Registry;

/// What registries are told of the program that asks.
pub(super) const AGENT: &str = concat!("nebula/", env!("CARGO_PKG_VERSION"));

/// One registry.
pub struct Remote {
    pub(super) registry: Registry,
    pub(super) http: reqwest::Client,
    pub(super) auth: RegistryAuth,
    pub(super) patience: Patience,
    pub(super) fence: Fence,
    pub(super) kept: Kept,
}

/// rustls asks for one provider per process.
fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error says that somebody has installed one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

impl Remote {
    /// A registry, and who asks it. Nothing is sent yet.
    ///
    /// # Errors
    /// When the credentials for it cannot be read, or TLS cannot be set up.
    pub async fn new(registry: Registry, credentials: &Credentials) -> Result<Self, RegistryError> {
        let auth = credentials.of(registry.host()).await?;
        Self::with(registry, auth, Patience::default())
    }

    /// A registry, what it is told of who asks, and how long it is waited for.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn with(
        registry: Registry,
        auth: RegistryAuth,
        patience: Patience,
    ) -> Result<Self, RegistryError> {
        install_provider();
        let fence = Fence::of(&registry);
        let http = reqwest::Client::builder()
            .read_timeout(patience.silence)
            .connect_timeout(patience.connect)
            .user_agent(AGENT)
            .redirect(fence.policy())
            .dns_resolver(fence.clone())
            .build()
            .map_err(|error| RegistryError::of_request(registry.host(), &error))?;
        Ok(Self {
            registry,
            http,
            auth,
            patience,
            fence,
            kept: Kept::default(),
        })
    }

    /// Which it is.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Whether it answers, and takes the credentials.
    ///
    /// # Errors
    /// When it does not.
    pub async fn greet(&self) -> Result<(), RegistryError> {
        let question = Question::get("/v2/".into(), None, ACCEPT_JSON, "greeting");
        match self.ask(&question).await? {
            Some(_) => Ok(()),
            None => Err(RegistryError::Nonsense {
                registry: self.registry.host().to_owned(),
                reason: "it has no /v2/".into(),
            }),
        }
    }
}

/// What a registry is told by a user with a password.
#[must_use]
pub fn basic(user: &str, password: &str) -> RegistryAuth {
    RegistryAuth::Basic(user.to_owned(), password.to_owned())
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Remote({})", self.registry)
    }
}
