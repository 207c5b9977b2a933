//! Manifests, and lists: tags, names, referrers.

use bytes::Bytes;
use nebula_flow::Digest;
use serde::Deserialize;

use super::ask::{ACCEPT_JSON, Question};
use super::error::RegistryError;
use super::remote::Remote;
use crate::artifact::{Descriptor, ImageIndex, MAX_MANIFEST};
use crate::cosign::attach::referrers_tag;
use crate::package::PackageName;

/// Pages of a list.
const MAX_PAGES: usize = 100;
const ACCEPT_MANIFEST: &str =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
const ACCEPT_INDEX: &str = "application/vnd.oci.image.index.v1+json";

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

impl Remote {
    /// The manifest of a tag, if there is one.
    ///
    /// # Errors
    /// When the registry does not answer, or sends too much.
    pub async fn tag(
        &self,
        name: &PackageName,
        tag: &str,
    ) -> Result<Option<Manifest>, RegistryError> {
        self.manifest(name, tag).await
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
        let found = self.manifest(name, &digest.to_string()).await?;
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
        name: &PackageName,
        reference: &str,
    ) -> Result<Option<Manifest>, RegistryError> {
        let repository = self.registry.repository(name);
        let path = format!("/v2/{repository}/manifests/{reference}");
        let question = Question {
            limit: MAX_MANIFEST,
            ..Question::get(path, self.to_pull(name), ACCEPT_MANIFEST, "manifest")
        };
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
        let path = format!("/v2/{}/tags/list?n=1000", self.registry.repository(name));
        let scope = self.to_pull(name);
        let pages = self.pages::<Page>(scope, path, "list of tags").await?;
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
        let path = "/v2/_catalog?n=1000".to_owned();
        let scope = Some("registry:catalog:*".to_owned());
        let pages = self.pages::<Page>(scope, path, "list of packages").await?;
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
        scope: Option<String>,
        path: String,
        what: &str,
    ) -> Result<Vec<T>, RegistryError> {
        let mut pages = Vec::new();
        let mut next = Some(path);
        while let Some(path) = next.take() {
            let question = Question::get(path, scope.clone(), ACCEPT_JSON, what);
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
        let path = format!("/v2/{}/referrers/{digest}", self.registry.repository(name));
        let what = "list of referrers";
        let question = Question::get(path, self.to_pull(name), ACCEPT_INDEX, what);
        let answer = self.retry(|| self.ask(&question)).await?;
        if let Some(answer) = answer {
            let index: ImageIndex = self.parse(what, &answer.bytes)?;
            return Ok((index.manifests, true));
        }
        let Some(manifest) = self.tag(name, &referrers_tag(digest)).await? else {
            return Ok((Vec::new(), false));
        };
        let index: ImageIndex = self.parse(what, &manifest.bytes)?;
        Ok((index.manifests, false))
    }
}
