//! Bodies in both directions, never more than a piece of them in memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::stream::try_unfold;
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::task::spawn_blocking;

use super::super::Hub;
use super::super::store::uploads::Held;
use super::refusal::Refusal;

/// Bytes that are read from a blob at a time.
const PIECE: u64 = 128 * 1024;
/// Bytes of an upload that are written at a time, while as many more come in.
const BATCH: usize = 1 << 20;

/// A part of a file as a body.
pub(super) fn of_file(file: File, start: u64, length: u64) -> Body {
    let end = start + length;
    let state = (Arc::new(file), start);
    Body::from_stream(try_unfold(state, move |(file, at)| async move {
        if at == end {
            return Ok::<_, io::Error>(None);
        }
        let length = PIECE.min(end - at);
        let reader = Arc::clone(&file);
        let read = move || {
            let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
            reader.read_exact_at(&mut piece, at)?;
            Ok::<_, io::Error>(Bytes::from(piece))
        };
        let piece = spawn_blocking(read).await??;
        Ok(Some((piece, (file, at + length))))
    }))
}

/// A body, which may not keep the hub waiting between two of its pieces.
struct Incoming {
    body: Body,
    patience: Duration,
}

/// Why a body did not come.
enum Broken {
    Late,
    Lost(String),
}

impl Incoming {
    /// The next piece, or nothing at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        loop {
            let next = tokio::time::timeout(self.patience, self.body.frame());
            match next.await {
                Err(_) => return Err(Broken::Late),
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => return Err(Broken::Lost(error.to_string())),
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// Pieces to write together, and whether more may come.
    async fn batch(&mut self) -> (Vec<Bytes>, Result<bool, Broken>) {
        let (mut parts, mut length) = (Vec::new(), 0);
        while length < BATCH {
            match self.next().await {
                Ok(Some(part)) => {
                    length += part.len();
                    parts.push(part);
                }
                Ok(None) => return (parts, Ok(false)),
                Err(broken) => return (parts, Err(broken)),
            }
        }
        (parts, Ok(true))
    }
}

impl From<Broken> for Refusal {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Late => Self::new(
                StatusCode::REQUEST_TIMEOUT,
                "BLOB_UPLOAD_INVALID",
                "the body did not go on in time; of an upload, what came is kept: ask for its state and go on from there",
            ),
            Broken::Lost(why) => Self::invalid(
                "BLOB_UPLOAD_INVALID",
                format!(
                    "the body broke off ({why}); of an upload, what came is kept: ask for its state and go on from there"
                ),
            ),
        }
    }
}

/// Writes a body to an upload while it comes. What has come stays when the rest
/// does not.
pub(super) async fn receive(hub: &Arc<Hub>, held: Held, body: Body) -> Result<Held, Refusal> {
    let mut body = Incoming {
        body,
        patience: hub.config.body_timeout,
    };
    // The upload goes along with what writes to it, so that no other request has
    // it meanwhile, even if this one is given up.
    let mut writing = spawn_blocking(move || Ok::<_, io::Error>(held));
    loop {
        let (parts, rest) = body.batch().await;
        let mut held = writing.await??;
        let length: u64 = parts.iter().map(|part| part.len() as u64).sum();
        check_size(hub, held.offset() + length)?;
        writing = spawn_blocking(move || held.append(&parts).map(|()| held));
        match rest {
            Ok(true) => {}
            Ok(false) => return Ok(writing.await??),
            Err(broken) => {
                writing.await??;
                return Err(broken.into());
            }
        }
    }
}

/// Whether a blob may have so many bytes.
pub(super) fn check_size(hub: &Hub, size: u64) -> Result<(), Refusal> {
    let most = hub.config.max_blob;
    if size <= most {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "SIZE_INVALID",
        format!("a blob has at most {most} bytes on this hub"),
    ))
}

/// A body of at most so many bytes, whole.
pub(super) async fn whole(hub: &Hub, body: Body, most: usize) -> Result<Bytes, Refusal> {
    let mut body = Incoming {
        body,
        patience: hub.config.body_timeout,
    };
    let all = async {
        let mut bytes = BytesMut::new();
        while let Some(part) = body.next().await? {
            if bytes.len() + part.len() > most {
                return Err(Refusal::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "MANIFEST_INVALID",
                    format!("a manifest has at most {most} bytes"),
                ));
            }
            bytes.extend_from_slice(&part);
        }
        Ok(bytes.freeze())
    };
    match tokio::time::timeout(hub.config.body_timeout, all).await {
        Ok(result) => result,
        Err(_) => Err(Broken::Late.into()),
    }
}
