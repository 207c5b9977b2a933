//! Pushing, through `oci-client`, and deleting.

use bytes::Bytes;
use nebula_flow::Digest;
use oci_distribution::errors::OciDistributionError;
use reqwest::Method;

use super::ask::{ACCEPT_JSON, Question};
use super::error::RegistryError;
use super::remote::Remote;
use crate::package::PackageName;

impl Remote {
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
        let reference = self.registry.pinned(name, digest);
        let text = digest.to_string();
        let push = || async {
            let client = self.pusher(name).await?;
            let pushing = async {
                if client.blob_exists(&reference, &text).await? {
                    return Ok(());
                }
                let pushed = client.push_blob(&reference, bytes.clone(), &text);
                pushed.await.map(drop)
            };
            self.pushed(bytes, pushing).await
        };
        self.retry(push).await.map_err(|error| match error {
            RegistryError::Missing { .. } => {
                self.missing(format!("room for {}", self.registry.repository(name)))
            }
            error => error,
        })?;
        tracing::debug!(registry = self.registry.host(), %digest, "a blob is pushed");
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
            let client = self.pusher(name).await?;
            let media_type = media_type.parse().map_err(|_| RegistryError::Nonsense {
                registry: self.registry.host().to_owned(),
                reason: "a media type has odd characters".into(),
            })?;
            let pushing = client.push_manifest_raw(&reference, bytes.clone(), media_type);
            self.pushed(bytes, pushing).await.map(drop)
        };
        self.retry(push).await
    }

    async fn pushed<T>(
        &self,
        bytes: &Bytes,
        pushing: impl Future<Output = Result<T, OciDistributionError>>,
    ) -> Result<T, RegistryError> {
        let after = self.patience.moving(bytes.len() as u64);
        let said = |error| RegistryError::of_library(self.registry.host(), &error);
        self.within(after, async { pushing.await.map_err(said) })
            .await
    }

    /// Deletes a manifest; whether the registry did.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn delete(&self, name: &PackageName, digest: Digest) -> Result<bool, RegistryError> {
        let path = format!("/v2/{}/manifests/{digest}", self.registry.repository(name));
        let scope = Some(self.scope(name, "pull,push,delete"));
        let question = Question {
            method: Method::DELETE,
            ..Question::get(path, scope, ACCEPT_JSON, "manifest")
        };
        match self.ask(&question).await {
            Ok(answer) => Ok(answer.is_some()),
            // It does not delete, or does not let us.
            Err(RegistryError::Refused { .. } | RegistryError::Unauthorized { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
