//! Blobs on their way in: at once, in chunks, from another repository.

use std::sync::Arc;

use axum::body::Body;
use http::StatusCode;
use http::header::{CONTENT_RANGE, HeaderName, HeaderValue, LOCATION, RANGE};

use super::super::content::{Algorithm, ContentDigest, InvalidDigest};
use super::super::name::RepositoryName;
use super::super::store::uploads::{Finished, Held};
use super::super::tokens::Allowed;
use super::refusal::{Answer, Refusal};
use super::{Asked, CONTENT_DIGEST, Reply, body, empty, range};

const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");

impl Asked<'_> {
    /// Mounts a blob, takes one at once, or begins an upload.
    pub(super) async fn begin_upload(self, name: RepositoryName, body: Body) -> Answer {
        if let Some(digest) = self.query("mount")
            && let Some(answer) = self.mount(&name, digest.parse()?).await?
        {
            return Ok(answer);
        }
        let digest = self.query("digest");
        let digest: Option<ContentDigest> = digest.map(|text| text.parse()).transpose()?;
        let named = self.query("digest-algorithm");
        let named = named.map(|name| Algorithm::named(&name).ok_or(InvalidDigest));
        let algorithm = named.transpose()?;
        body::check_size(self.hub, self.length().unwrap_or_default())?;
        if self.hub.store.uploads_in_progress() >= self.hub.config.max_uploads {
            return Err(Refusal::busy("too many uploads are in progress; try again"));
        }
        let (session, mut held) = {
            let name = name.clone();
            self.on_disk(move |hub| hub.store.begin_upload(&name))
                .await?
        };
        let Some(digest) = digest else {
            if let Some(algorithm) = algorithm {
                held.expect(algorithm);
            }
            return state(StatusCode::ACCEPTED, &name, &session, &held).done();
        };
        held.expect(digest.algorithm());
        match body::receive(self.hub, held, body).await {
            Ok(held) => self.complete(name, held, digest).await,
            Err(refusal) => {
                // Nobody knows of the session, so nobody goes on with it.
                let held = self.take(&name, &session).await?;
                self.on_disk(move |hub| hub.store.give_up(held)).await?;
                Err(refusal)
            }
        }
    }

    /// The answer if the repository has the blob now.
    async fn mount(
        &self,
        name: &RepositoryName,
        digest: ContentDigest,
    ) -> Result<Option<axum::response::Response>, Refusal> {
        let from: Option<RepositoryName> = self.query("from").map(|n| n.parse()).transpose()?;
        // Who may not read it there cannot have it here.
        if self
            .caller
            .may(self.hub, Allowed::Pull, from.as_ref())
            .is_err()
        {
            return Ok(None);
        }
        let (into, wanted) = (name.clone(), digest.clone());
        let mounted = self
            .on_disk(move |hub| hub.store.mount(&into, &wanted, from.as_ref()))
            .await?;
        if !mounted {
            return Ok(None);
        }
        created(name, &digest).done().map(Some)
    }

    pub(super) async fn upload_state(self, name: RepositoryName, session: String) -> Answer {
        let held = self.take(&name, &session).await?;
        let mut reply = state(StatusCode::NO_CONTENT, &name, &session, &held);
        reply.headers.remove(http::header::CONTENT_LENGTH);
        reply.done()
    }

    /// Takes the next chunk, or a stream without an end that is known.
    pub(super) async fn patch(self, name: RepositoryName, session: String, body: Body) -> Answer {
        let held = self.take(&name, &session).await?;
        self.check_chunk(&name, &session, &held)?;
        let held = body::receive(self.hub, held, body).await?;
        state(StatusCode::ACCEPTED, &name, &session, &held).done()
    }

    /// Takes the last chunk, if there is one, and ends the upload.
    pub(super) async fn finish(self, name: RepositoryName, session: String, body: Body) -> Answer {
        let digest = self.query("digest").ok_or_else(|| {
            Refusal::invalid("DIGEST_INVALID", "the query parameter `digest` is missing")
        })?;
        let digest: ContentDigest = digest.parse()?;
        let mut held = self.take(&name, &session).await?;
        self.check_chunk(&name, &session, &held)?;
        held.expect(digest.algorithm());
        let held = body::receive(self.hub, held, body).await?;
        self.complete(name, held, digest).await
    }

    pub(super) async fn cancel(self, name: RepositoryName, session: String) -> Answer {
        let held = self.take(&name, &session).await?;
        self.on_disk(move |hub| hub.store.give_up(held)).await?;
        let mut reply = empty(StatusCode::NO_CONTENT);
        reply.headers.remove(http::header::CONTENT_LENGTH);
        reply.done()
    }

    async fn complete(self, name: RepositoryName, held: Held, digest: ContentDigest) -> Answer {
        let finished = {
            let (name, digest) = (name.clone(), digest.clone());
            self.on_disk(move |hub| hub.store.finish_upload(&name, held, &digest))
                .await?
        };
        match finished {
            Finished::Done => {
                tracing::debug!(repository = %name, %digest, by = self.caller.id(), "a blob was pushed");
                created(&name, &digest).done()
            }
            Finished::Differs(actual) => Err(Refusal::invalid(
                "DIGEST_INVALID",
                format!(
                    "the bytes that came have the digest {actual}, not {digest}; push them again"
                ),
            )),
        }
    }

    /// The upload of a session, alone. A request that lost its connection may
    /// still be writing what came.
    async fn take(&self, name: &RepositoryName, session: &str) -> Result<Held, Refusal> {
        let unknown = || {
            let text = "no such upload is in progress: it is over, was given up, or is of another repository; begin another";
            Refusal::not_found("BLOB_UPLOAD_UNKNOWN", text)
        };
        let upload = {
            let (name, session) = (name.clone(), session.to_owned());
            self.on_disk(move |hub| hub.store.upload(&name, &session))
                .await?
        };
        let upload = upload.ok_or_else(unknown)?;
        let alone = Arc::clone(&upload).lock_owned();
        let held = tokio::time::timeout(self.hub.config.body_timeout, alone)
            .await
            .map_err(|_| Refusal::busy("another request writes to this upload; try again"))?;
        if held.is_over() {
            return Err(unknown());
        }
        Ok(held)
    }

    /// Whether the chunk goes on where the upload is.
    fn check_chunk(
        &self,
        name: &RepositoryName,
        session: &str,
        held: &Held,
    ) -> Result<(), Refusal> {
        let length = self.length();
        body::check_size(
            self.hub,
            held.offset().saturating_add(length.unwrap_or_default()),
        )?;
        let Some(text) = self.header(&CONTENT_RANGE) else {
            return Ok(());
        };
        let (first, last) = range::chunk(text).ok_or_else(|| {
            Refusal::invalid(
                "BLOB_UPLOAD_INVALID",
                "`Content-Range` is not the first and the last byte of the chunk, such as `0-1023`",
            )
        })?;
        if length.is_some_and(|length| length != last - first + 1) {
            return Err(Refusal::invalid(
                "SIZE_INVALID",
                "`Content-Range` and `Content-Length` name different lengths",
            ));
        }
        if first == held.offset() {
            return Ok(());
        }
        let text = format!(
            "the next chunk begins at byte {}, not {first}",
            held.offset()
        );
        let status = StatusCode::RANGE_NOT_SATISFIABLE;
        let refusal = Refusal::new(status, "BLOB_UPLOAD_INVALID", text);
        let refusal = refusal.at(&location(name, session));
        Err(match HeaderValue::try_from(came(held)) {
            Ok(range) => refusal.header(RANGE, range),
            Err(_) => refusal,
        })
    }
}

fn location(name: &RepositoryName, session: &str) -> String {
    format!("/v2/{name}/blobs/uploads/{session}")
}

/// First and last byte that came. Of an upload without any, the specification
/// does not say what to answer; the reference implementation says this.
fn came(held: &Held) -> String {
    format!("0-{}", held.offset().saturating_sub(1))
}

fn state(status: StatusCode, name: &RepositoryName, session: &str, held: &Held) -> Reply {
    empty(status)
        .header(LOCATION, location(name, session))
        .header(RANGE, came(held))
        .header(UPLOAD_ID, session)
}

fn created(name: &RepositoryName, digest: &ContentDigest) -> Reply {
    empty(StatusCode::CREATED)
        .header(LOCATION, format!("/v2/{name}/blobs/{digest}"))
        .header(CONTENT_DIGEST, digest.to_string())
}
