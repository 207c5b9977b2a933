//! One registry, and what is asked of it.

use std::sync::Once;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use nebula_flow::Digest;
use oci_distribution::Reference;
use oci_distribution::client::{BlobResponse, Client, ClientConfig, ClientProtocol};
use oci_distribution::errors::OciDistributionError;
use oci_distribution::secrets::RegistryAuth;
use reqwest::Method;
use serde::Deserialize;

use super::credentials::Credentials;
use super::error::RegistryError;
use super::json::Question;
use crate::artifact::{Descriptor, ImageIndex, MAX_MANIFEST};
use crate::package::PackageName;
use crate::reference::Registry;

/// How long nothing may come.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The least that a registry must move in a second, once it has begun.
const SLOWEST: u64 = 16 << 10;
/// How often something that may pass is tried.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(200);
/// Bytes of a list of tags, names or referrers.
const MAX_LIST: u64 = 1 << 20;
/// Pages of such a list.
const MAX_PAGES: usize = 100;
const ACCEPT_MANIFEST: &str =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
const ACCEPT_JSON: &str = "application/json";
const ACCEPT_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// One registry.
pub struct Remote {
    pub(super) registry: Registry,
    pub(super) client: Client,
    pub(super) http: reqwest::Client,
    pub(super) auth: RegistryAuth,
}

/// A manifest as the registry has it; its digest is of these bytes.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// As the registry says.
    pub media_type: String,
    /// Of its bytes.
    pub digest: Digest,
    /// Its bytes.
    pub bytes: Bytes,
}

/// Where a blob goes, chunk by chunk. It checks length and digest at its end.
pub trait Sink: Send {
    /// Bytes that it has.
    fn len(&self) -> u64;

    /// Whether it has none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// When they cannot be kept.
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()>;

    /// Forgets what it has: it begins anew.
    ///
    /// # Errors
    /// When it cannot.
    fn restart(&mut self) -> std::io::Result<()>;
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
        Self::with_auth(registry, auth).await
    }

    /// A registry, and what it is told of who asks.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub async fn with_auth(registry: Registry, auth: RegistryAuth) -> Result<Self, RegistryError> {
        install_provider();
        let protocol = if registry.is_plain() {
            ClientProtocol::Http
        } else {
            ClientProtocol::Https
        };
        let client = Client::new(ClientConfig {
            protocol,
            // An index is for us to read, not to choose a platform from.
            platform_resolver: None,
            use_monolithic_push: true,
            read_timeout: Some(READ_TIMEOUT),
            connect_timeout: Some(CONNECT_TIMEOUT),
            user_agent: concat!("nebula/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        });
        client.store_auth_if_needed(registry.host(), &auth).await;
        let http = reqwest::Client::builder()
            .read_timeout(READ_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("nebula/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| RegistryError::of_request(registry.host(), &error))?;
        Ok(Self {
            registry,
            client,
            http,
            auth,
        })
    }

    /// Which registry it is.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Whether it answers, and takes the credentials.
    ///
    /// # Errors
    /// When it does not.
    pub async fn greet(&self) -> Result<(), RegistryError> {
        let reference = Reference::with_tag(self.registry.host().into(), "a/b".into(), "x".into());
        let question = self.get(&reference, "/v2/".into(), ACCEPT_JSON, "greeting");
        match self.ask(&question).await? {
            Some(_) => Ok(()),
            None => Err(RegistryError::Nonsense {
                registry: self.registry.host().to_owned(),
                reason: "it has no /v2/".into(),
            }),
        }
    }

    /// The manifest of a tag, if there is one.
    ///
    /// # Errors
    /// When the registry does not answer, or sends too much.
    pub async fn tag(
        &self,
        name: &PackageName,
        tag: &str,
    ) -> Result<Option<Manifest>, RegistryError> {
        self.manifest(&self.registry.tagged(name, tag), tag).await
    }

    /// The manifest of a digest, if there is one.
    ///
    /// # Errors
    /// When the registry does not answer, or sends other bytes.
    pub async fn pinned(
        &self,
        name: &PackageName,
        digest: Digest,
    ) -> Result<Option<Manifest>, RegistryError> {
        let reference = self.registry.pinned(name, digest);
        let found = self.manifest(&reference, &digest.to_string()).await?;
        match found {
            Some(manifest) if manifest.digest != digest => Err(RegistryError::Altered {
                registry: self.registry.host().to_owned(),
                expected: digest,
                actual: manifest.digest,
            }),
            found => Ok(found),
        }
    }

    async fn manifest(
        &self,
        reference: &Reference,
        of: &str,
    ) -> Result<Option<Manifest>, RegistryError> {
        let repository = reference.repository();
        let path = format!("/v2/{repository}/manifests/{of}");
        let mut question = self.get(reference, path, ACCEPT_MANIFEST, "manifest");
        question.limit = MAX_MANIFEST;
        let answer = self.retry(|| self.ask(&question)).await?;
        Ok(answer.map(|answer| Manifest {
            media_type: answer.media_type,
            digest: Digest::of(&answer.bytes),
            bytes: answer.bytes,
        }))
    }

    /// The tags of a package; none if the registry does not have it.
    ///
    /// # Errors
    /// When the registry does not answer, or sends too much.
    pub async fn tags(&self, name: &PackageName) -> Result<Vec<String>, RegistryError> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let reference = self.registry.tagged(name, "x");
        let path = format!("/v2/{}/tags/list?n=1000", self.registry.repository(name));
        let pages = self.pages::<Page>(&reference, path, "list of tags").await?;
        Ok(pages
            .into_iter()
            .filter_map(|page| page.tags)
            .flatten()
            .collect())
    }

    /// The packages that the registry says it has.
    ///
    /// # Errors
    /// When the registry does not answer, or lists nothing to anyone.
    pub async fn catalog(&self) -> Result<Vec<PackageName>, RegistryError> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            repositories: Option<Vec<String>>,
        }
        let reference = Reference::with_tag(self.registry.host().into(), "a/b".into(), "x".into());
        let path = "/v2/_catalog?n=1000".to_owned();
        let pages = self
            .pages::<Page>(&reference, path, "list of packages")
            .await?;
        let all = pages
            .into_iter()
            .filter_map(|page| page.repositories)
            .flatten();
        Ok(all
            .filter_map(|repository| self.registry.package(&repository))
            .collect())
    }

    async fn pages<T: for<'de> Deserialize<'de>>(
        &self,
        reference: &Reference,
        path: String,
        what: &str,
    ) -> Result<Vec<T>, RegistryError> {
        let mut pages = Vec::new();
        let mut next = Some(path);
        while let Some(path) = next.take() {
            let question = self.get(reference, path, ACCEPT_JSON, what);
            let Some(answer) = self.retry(|| self.ask(&question)).await? else {
                break;
            };
            pages.push(self.parse(what, &answer.bytes)?);
            next = answer.next.filter(|_| pages.len() < MAX_PAGES);
        }
        Ok(pages)
    }

    /// What refers to a manifest: by the referrers API, or where a registry has
    /// none by the tag that the specification has instead. Whether the API is
    /// there is told too.
    ///
    /// # Errors
    /// When the registry does not answer, or sends too much.
    pub async fn referrers(
        &self,
        name: &PackageName,
        digest: Digest,
    ) -> Result<(Vec<Descriptor>, bool), RegistryError> {
        let reference = self.registry.pinned(name, digest);
        let path = format!("/v2/{}/referrers/{digest}", self.registry.repository(name));
        let question = self.get(&reference, path, ACCEPT_INDEX, "list of referrers");
        let answer = self.retry(|| self.ask(&question)).await?;
        if let Some(answer) = answer {
            let index: ImageIndex = self.parse("list of referrers", &answer.bytes)?;
            return Ok((index.manifests, true));
        }
        let Some(manifest) = self.tag(name, &fallback_tag(digest)).await? else {
            return Ok((Vec::new(), false));
        };
        let index: ImageIndex = self.parse("list of referrers", &manifest.bytes)?;
        Ok((index.manifests, false))
    }

    /// Pulls a blob. What came before a connection was lost is kept, and the
    /// rest asked for.
    ///
    /// # Errors
    /// When the registry has it not, sends more than it said, or goes away.
    pub async fn blob(
        &self,
        name: &PackageName,
        wanted: &Descriptor,
        sink: &mut dyn Sink,
    ) -> Result<(), RegistryError> {
        let after = patience(wanted.size);
        let mut tries = 1;
        loop {
            let pulling = self.blob_once(name, wanted, sink);
            let error = match tokio::time::timeout(after, pulling).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error,
                Err(_) => RegistryError::TimedOut {
                    registry: self.registry.host().to_owned(),
                    after,
                },
            };
            if tries == TRIES || !error.is_passing() {
                return Err(error);
            }
            tokio::time::sleep(PAUSE * tries * tries).await;
            tries += 1;
        }
    }

    async fn blob_once(
        &self,
        name: &PackageName,
        wanted: &Descriptor,
        sink: &mut dyn Sink,
    ) -> Result<(), RegistryError> {
        let host = self.registry.host();
        let reference = self.registry.pinned(name, wanted.digest);
        let digest = wanted.digest.to_string();
        let disk = |error: std::io::Error| RegistryError::Nonsense {
            registry: host.to_owned(),
            reason: format!("what it sends cannot be kept: {error}"),
        };
        let offset = sink.len();
        let answer = self
            .client
            .pull_blob_stream_partial(&reference, &*digest, offset, None)
            .await;
        let mut stream = match answer {
            Ok(BlobResponse::Partial(stream)) => stream,
            Ok(BlobResponse::Full(stream)) => {
                sink.restart().map_err(disk)?;
                stream
            }
            Err(OciDistributionError::ServerError { code: 404, .. }) => {
                return Err(self.missing(format!("blob {digest} of {name}")));
            }
            Err(error) => return Err(RegistryError::of_library(host, &error)),
        };
        while let Some(chunk) = stream.stream.next().await {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                // The stream says at its end whether the digest is right; so does
                // the sink, for what came in parts too.
                Err(_) if sink.len() == wanted.size => break,
                Err(error) => {
                    return Err(RegistryError::Unreachable {
                        registry: host.to_owned(),
                        reason: error.to_string(),
                    });
                }
            };
            if sink.len() + chunk.len() as u64 > wanted.size {
                return Err(RegistryError::TooLarge {
                    registry: host.to_owned(),
                    what: digest,
                    limit: wanted.size,
                });
            }
            sink.write(&chunk).map_err(disk)?;
        }
        if sink.len() < wanted.size {
            return Err(RegistryError::Unreachable {
                registry: host.to_owned(),
                reason: format!("it ended after {} of {} bytes", sink.len(), wanted.size),
            });
        }
        Ok(())
    }

    /// Pushes a blob, unless it is there.
    ///
    /// # Errors
    /// When the registry refuses, has no space or goes away.
    pub async fn push_blob(
        &self,
        name: &PackageName,
        digest: Digest,
        bytes: &Bytes,
    ) -> Result<(), RegistryError> {
        let host = self.registry.host();
        let reference = self.registry.pinned(name, digest);
        let text = digest.to_string();
        let push = || async {
            let pushing = async {
                if self.client.blob_exists(&reference, &text).await? {
                    return Ok(());
                }
                self.client
                    .push_blob(&reference, bytes.clone(), &text)
                    .await
                    .map(drop)
            };
            self.within(patience(bytes.len() as u64), pushing).await
        };
        self.retry(push).await.map_err(|error| match error {
            RegistryError::Missing { .. } => {
                self.missing(format!("room for {}", self.registry.repository(name)))
            }
            error => error,
        })?;
        tracing::debug!(registry = host, %digest, "a blob is pushed");
        Ok(())
    }

    /// Pushes a manifest under a tag, or under its digest.
    ///
    /// # Errors
    /// When the registry refuses, has no space or goes away.
    pub async fn push_manifest(
        &self,
        name: &PackageName,
        tag: Option<&str>,
        media_type: &str,
        bytes: &Bytes,
    ) -> Result<(), RegistryError> {
        let reference = match tag {
            Some(tag) => self.registry.tagged(name, tag),
            None => self.registry.pinned(name, Digest::of(bytes)),
        };
        let push = || async {
            let media_type = media_type.parse().map_err(|_| RegistryError::Nonsense {
                registry: self.registry.host().to_owned(),
                reason: "a media type has odd characters".into(),
            })?;
            let pushing = self
                .client
                .push_manifest_raw(&reference, bytes.clone(), media_type);
            self.within(patience(bytes.len() as u64), pushing)
                .await
                .map(drop)
        };
        self.retry(push).await
    }

    /// Deletes a manifest; whether the registry did.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn delete(&self, name: &PackageName, digest: Digest) -> Result<bool, RegistryError> {
        let reference = self.registry.pinned(name, digest);
        let path = format!("/v2/{}/manifests/{digest}", self.registry.repository(name));
        let mut question = self.get(&reference, path, ACCEPT_JSON, "manifest");
        question.method = Method::DELETE;
        match self.ask(&question).await {
            Ok(answer) => Ok(answer.is_some()),
            // It does not delete, or does not let us.
            Err(RegistryError::Refused { .. } | RegistryError::Unauthorized { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn get<'a>(
        &self,
        reference: &'a Reference,
        path: String,
        accept: &'static str,
        what: &str,
    ) -> Question<'a> {
        Question {
            method: Method::GET,
            reference,
            path,
            accept,
            what: what.to_owned(),
            limit: MAX_LIST,
        }
    }

    fn parse<T: for<'de> Deserialize<'de>>(
        &self,
        what: &str,
        bytes: &[u8],
    ) -> Result<T, RegistryError> {
        serde_json::from_slice(bytes).map_err(|error| RegistryError::Nonsense {
            registry: self.registry.host().to_owned(),
            reason: format!("its {what} does not read: {error}"),
        })
    }

    fn missing(&self, what: String) -> RegistryError {
        RegistryError::Missing {
            registry: self.registry.host().to_owned(),
            what,
        }
    }

    async fn within<T>(
        &self,
        after: Duration,
        doing: impl Future<Output = Result<T, OciDistributionError>>,
    ) -> Result<T, RegistryError> {
        let registry = self.registry.host();
        match tokio::time::timeout(after, doing).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(RegistryError::of_library(registry, &error)),
            Err(_) => Err(RegistryError::TimedOut {
                registry: registry.to_owned(),
                after,
            }),
        }
    }

    /// Tries what may pass again, after a pause that grows.
    async fn retry<T, F: Future<Output = Result<T, RegistryError>>>(
        &self,
        mut ask: impl FnMut() -> F,
    ) -> Result<T, RegistryError> {
        let mut tries = 1;
        loop {
            match ask().await {
                Err(error) if error.is_passing() && tries < TRIES => {
                    tokio::time::sleep(PAUSE * tries * tries).await;
                    tries += 1;
                }
                result => return result,
            }
        }
    }
}

/// How long moving so many bytes may take.
fn patience(size: u64) -> Duration {
    READ_TIMEOUT + Duration::from_secs(size / SLOWEST)
}

/// What a registry is told by a user with a password.
#[must_use]
pub fn basic(user: &str, password: &str) -> RegistryAuth {
    RegistryAuth::Basic(user.to_owned(), password.to_owned())
}

/// The tag at which a registry without the referrers API lists what refers to a
/// manifest.
#[must_use]
pub fn fallback_tag(digest: Digest) -> String {
    format!("sha256-{}", digest.hex())
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Remote({})", self.registry)
    }
}
