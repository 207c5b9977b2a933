//! Blobs: read, in part too, and deleted.

use axum::body::Body;
use http::StatusCode;
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH,
    IF_RANGE, RANGE,
};

use super::super::content::ContentDigest;
use super::super::name::RepositoryName;
use super::super::store::blobs::Deleted;
use super::range::{self, Asked as Wanted};
use super::refusal::{Answer, Refusal};
use super::{Asked, CONTENT_DIGEST, Reply, body, empty};

impl Asked<'_> {
    pub(super) async fn get_blob(self, name: RepositoryName, digest: ContentDigest) -> Answer {
        let found = {
            let (name, digest) = (name.clone(), digest.clone());
            self.on_disk(move |hub| hub.store.blob(&name, &digest))
                .await?
        };
        let blob = found.ok_or_else(|| unknown(&name, &digest))?;
        let tag = etag(&digest);
        if self.has(IF_NONE_MATCH.as_str(), &tag) {
            return empty(StatusCode::NOT_MODIFIED).header(ETAG, tag).done();
        }
        // A part of another version is of no use; by digest there is no other.
        let same = self.header(&IF_RANGE).is_none_or(|version| version == tag);
        let range = self.header(&RANGE).filter(|_| same && !self.is_head());
        let wanted = range.map_or(Wanted::Whole, |range| range::asked(range, blob.size));
        let (status, start, length) = match wanted {
            Wanted::Whole => (StatusCode::OK, 0, blob.size),
            Wanted::Part(first, last) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
            Wanted::Nothing => return Err(unsatisfiable(blob.size)),
        };
        let mut reply = Reply {
            body: if self.is_head() {
                Body::empty()
            } else {
                body::of_file(blob.file, start, length)
            },
            ..empty(status)
        };
        reply
            .headers
            .insert(CONTENT_LENGTH, HeaderValue::from(length));
        if let Wanted::Part(first, last) = wanted {
            let range = format!("bytes {first}-{last}/{}", blob.size);
            reply = reply.header(CONTENT_RANGE, range);
        }
        reply
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(ACCEPT_RANGES, "bytes")
            .header(CONTENT_DIGEST, digest.to_string())
            .header(ETAG, tag)
            .done()
    }

    pub(super) async fn delete_blob(self, name: RepositoryName, digest: ContentDigest) -> Answer {
        let deleted = {
            let (name, digest) = (name.clone(), digest.clone());
            self.on_disk(move |hub| hub.store.delete_blob(&name, &digest))
                .await?
        };
        match deleted {
            Deleted::Done => {
                tracing::info!(repository = %name, %digest, by = self.caller.id(), "a blob was deleted");
                empty(StatusCode::ACCEPTED).done()
            }
            Deleted::Absent => Err(unknown(&name, &digest)),
            refused => Err(kept(&refused)),
        }
    }

    /// Whether a header lists this version.
    pub(super) fn has(&self, header: &str, etag: &str) -> bool {
        let values = self.parts.headers.get_all(header).iter();
        values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|version| matches!(version.trim(), v if v == etag || v == "*"))
    }
}

/// The version of content is its digest.
pub(super) fn etag(digest: &ContentDigest) -> String {
    format!("\"{digest}\"")
}

fn unknown(name: &RepositoryName, digest: &ContentDigest) -> Refusal {
    Refusal::not_found("BLOB_UNKNOWN", format!("{name} has no blob {digest}"))
}

fn unsatisfiable(size: u64) -> Refusal {
    let text = format!("the blob has {size} bytes, and none of those that were asked for");
    let refusal = Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "SIZE_INVALID", text);
    match HeaderValue::try_from(format!("bytes */{size}")) {
        Ok(range) => refusal.header(CONTENT_RANGE, range),
        Err(_) => refusal,
    }
}

/// Why something was not deleted.
pub(super) fn kept(refused: &Deleted) -> Refusal {
    let text = match refused {
        Deleted::Needed(by) => {
            format!("manifest {by} needs it: delete that first")
        }
        Deleted::Fixed(tag) => format!(
            "tag {tag} is a version, and versions stay on this hub: whoever runs it can serve it without immutable tags to remove one"
        ),
        Deleted::Done | Deleted::Absent => "nothing was deleted".into(),
    };
    Refusal::unsupported(text, "GET, HEAD")
}
