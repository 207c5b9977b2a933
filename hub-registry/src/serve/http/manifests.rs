//! Manifests and tags: read, pushed, deleted.

use axum::body::Body;
use http::StatusCode;
use http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, LOCATION,
};
use serde_json::json;

use super::super::content::{Algorithm, ContentDigest};
use super::super::manifest::{self, InvalidManifest};
use super::super::name::{Reference, RepositoryName, Tag};
use super::super::store::blobs::Deleted;
use super::super::store::manifests::{Condition, Push, Pushed};
use super::blobs::{etag, kept};
use super::refusal::{Answer, Refusal};
use super::{Asked, CONTENT_DIGEST, body, empty};

/// Bytes of a manifest: what the specification expects to be taken at least.
const MAX_MANIFEST: usize = 4 << 20;
/// Tags that one push may name; the specification expects ten at least.
const MAX_TAGS: usize = 64;

const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");

impl Asked<'_> {
    pub(super) async fn get_manifest(self, name: RepositoryName, at: Reference) -> Answer {
        let found = {
            let (name, at) = (name.clone(), at.clone());
            self.on_disk(move |hub| hub.store.manifest(&name, &at))
                .await?
        };
        let manifest = found.ok_or_else(|| unknown(&name, &at))?;
        let descriptor = manifest.entry.descriptor;
        let tag = etag(&descriptor.digest);
        if self.has(IF_NONE_MATCH.as_str(), &tag) {
            return empty(StatusCode::NOT_MODIFIED).header(ETAG, tag).done();
        }
        let mut reply = empty(StatusCode::OK);
        let length = HeaderValue::from(manifest.bytes.len());
        reply.headers.insert(CONTENT_LENGTH, length);
        if !self.is_head() {
            reply.body = Body::from(manifest.bytes);
        }
        reply
            .header(CONTENT_TYPE, descriptor.media_type)
            .header(CONTENT_DIGEST, descriptor.digest.to_string())
            .header(ETAG, tag)
            .done()
    }

    pub(super) async fn put_manifest(
        self,
        name: RepositoryName,
        at: Reference,
        body: Body,
    ) -> Answer {
        let tags = self.tags_of(&at)?;
        let condition = self.condition();
        if self
            .length()
            .is_some_and(|length| length > MAX_MANIFEST as u64)
        {
            return Err(too_large());
        }
        // A few at a time, since they are in memory.
        let turn = self.hub.manifests.acquire().await;
        let bytes = body::whole(self.hub, body, MAX_MANIFEST).await?;
        let algorithm = match &at {
            Reference::Digest(digest) => digest.algorithm(),
            Reference::Tag(_) => Algorithm::Sha256,
        };
        let digest = ContentDigest::of(algorithm, &bytes);
        if let Reference::Digest(named) = &at
            && *named != digest
        {
            let text = format!("the bytes that came have the digest {digest}, not {named}");
            return Err(Refusal::invalid("DIGEST_INVALID", text));
        }
        let media_type = self.media_type();
        let entry = manifest::read(&bytes, digest.clone(), media_type)?;
        let subject = entry.subject.clone();
        let push = Push {
            name: name.clone(),
            bytes,
            entry,
            tags: tags.clone(),
            condition,
            versions_are_fixed: self.hub.config.immutable_tags,
        };
        let pushed = self
            .on_disk(move |hub| hub.store.put_manifest(&push))
            .await?;
        drop(turn);
        refused(&name, pushed)?;
        tracing::info!(repository = %name, reference = %at, %digest, by = self.caller.id(), "a manifest was pushed");
        let mut reply = empty(StatusCode::CREATED)
            .header(LOCATION, format!("/v2/{name}/manifests/{digest}"))
            .header(CONTENT_DIGEST, digest.to_string())
            .header(ETAG, etag(&digest));
        if let Some(subject) = subject {
            reply = reply.header(OCI_SUBJECT, subject.to_string());
        }
        if matches!(at, Reference::Digest(_)) {
            for tag in tags {
                reply = reply.header(OCI_TAG, tag.as_str());
            }
        }
        reply.done()
    }

    /// The tags that are to point to the manifest.
    fn tags_of(&self, at: &Reference) -> Result<Vec<Tag>, Refusal> {
        let named = self.queries("tag");
        match at {
            Reference::Tag(tag) if named.is_empty() => Ok(vec![tag.clone()]),
            Reference::Tag(_) => Err(Refusal::invalid(
                "MANIFEST_INVALID",
                "the query parameter `tag` goes with a push by digest",
            )),
            Reference::Digest(_) if named.len() > MAX_TAGS => Err(Refusal::new(
                StatusCode::URI_TOO_LONG,
                "MANIFEST_INVALID",
                format!("one push names at most {MAX_TAGS} tags"),
            )),
            Reference::Digest(_) => named.iter().map(|tag| Ok(tag.parse()?)).collect(),
        }
    }

    /// What the tags must be now (RFC 9110, section 13.1).
    fn condition(&self) -> Condition {
        let listed = |name: HeaderName| -> Vec<String> {
            let values = self.parts.headers.get_all(name).iter();
            values
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(','))
                .map(|version| version.trim().trim_matches('"').to_owned())
                .collect()
        };
        if listed(IF_NONE_MATCH).iter().any(|version| version == "*") {
            return Condition::Absent;
        }
        match listed(IF_MATCH) {
            versions if versions.is_empty() => Condition::None,
            versions => Condition::At(versions),
        }
    }

    /// The type of the body, without parameters.
    fn media_type(&self) -> Option<&str> {
        let value = self.header(&CONTENT_TYPE)?;
        let bare = value.split(';').next().unwrap_or(value).trim();
        (!bare.is_empty()).then_some(bare)
    }

    pub(super) async fn delete_manifest(self, name: RepositoryName, at: Reference) -> Answer {
        let deleted = {
            let (name, at) = (name.clone(), at.clone());
            self.on_disk(move |hub| {
                let fixed = hub.config.immutable_tags;
                match &at {
                    Reference::Tag(tag) => hub.store.delete_tag(&name, tag, fixed),
                    Reference::Digest(digest) => hub.store.delete_manifest(&name, digest, fixed),
                }
            })
            .await?
        };
        match deleted {
            Deleted::Done => {
                tracing::info!(repository = %name, reference = %at, by = self.caller.id(), "a manifest or tag was deleted");
                empty(StatusCode::ACCEPTED).done()
            }
            Deleted::Absent => Err(unknown(&name, &at)),
            refused => Err(kept(&refused)),
        }
    }
}

impl From<InvalidManifest> for Refusal {
    fn from(error: InvalidManifest) -> Self {
        Self::invalid("MANIFEST_INVALID", error.to_string())
    }
}

fn too_large() -> Refusal {
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "MANIFEST_INVALID",
        format!("a manifest has at most {MAX_MANIFEST} bytes"),
    )
}

fn unknown(name: &RepositoryName, at: &Reference) -> Refusal {
    Refusal::not_found("MANIFEST_UNKNOWN", format!("{name} has no manifest {at}"))
}

fn refused(name: &RepositoryName, pushed: Pushed) -> Result<(), Refusal> {
    match pushed {
        Pushed::Done => Ok(()),
        Pushed::Unknown(digests) => {
            let text = format!("{name} lacks what the manifest refers to; push that first");
            let details = digests.iter().map(|digest| json!({ "digest": digest }));
            Err(Refusal::invalid("MANIFEST_BLOB_UNKNOWN", text).details(details.collect()))
        }
        Pushed::Size(digest) => {
            let text = format!("the manifest names another length of {digest} than it has");
            Err(Refusal::invalid("MANIFEST_INVALID", text))
        }
        Pushed::Fixed { tag, at } => Err(Refusal::new(
            StatusCode::CONFLICT,
            "DENIED",
            format!(
                "{name}:{tag} is published already, as {at}, and versions are never overwritten on this hub; publish under another version"
            ),
        )),
        Pushed::Changed(tag) => Err(Refusal::new(
            StatusCode::PRECONDITION_FAILED,
            "DENIED",
            format!("{name}:{tag} is not what the request expects it to be"),
        )),
    }
}
