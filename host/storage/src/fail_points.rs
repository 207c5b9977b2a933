//! Places where a test ends the process, to see what the next one makes of it.
//!
//! With the feature `fail-points`, which only the whole-house tests ask for,
//! `NEBULA_ABORT_AT=committed.append:7` aborts the process when the seventh batch
//! with an append in it is on disk and nobody was told; with `panic@` before the
//! place the writer panics there. Without it nothing of this is compiled.

#[cfg(not(feature = "fail-points"))]
use crate::request::Request;

/// Where in the life of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Its transaction has not begun.
    Begun,
    /// What to write is decided, and nothing of it is on disk.
    Decided,
    /// It is on disk, and nobody was told.
    Committed,
    /// Everyone was told.
    Told,
}

#[cfg(not(feature = "fail-points"))]
pub(crate) struct FailPoints;

#[cfg(not(feature = "fail-points"))]
impl FailPoints {
    pub(crate) const fn of(_: &[Request]) -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "as with the feature")]
    pub(crate) const fn pass(&self, _: Place) {}
}

#[cfg(feature = "fail-points")]
pub(crate) use armed::FailPoints;

#[cfg(feature = "fail-points")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use nebula_flow::ports::Message;

    use super::Place;
    use crate::request::Request;

    /// The order to abort, and how many more batches may pass.
    struct Order {
        panics: bool,
        place: String,
        kind: String,
        left: AtomicU32,
    }

    /// The kinds of request of a batch.
    pub(crate) struct FailPoints(Vec<&'static str>);

    impl FailPoints {
        pub(crate) fn of(requests: &[Request]) -> Self {
            match order() {
                None => Self(Vec::new()),
                Some(_) => Self(requests.iter().map(kind).collect()),
            }
        }

        /// Ends the process, if this is where it is to end.
        pub(crate) fn pass(&self, place: Place) {
            let Some(order) = order() else {
                return;
            };
            let here = order.place == name(place) && self.0.contains(&order.kind.as_str());
            if here && order.left.fetch_sub(1, Ordering::SeqCst) == 1 {
                assert!(!order.panics, "told to panic");
                std::process::abort();
            }
        }
    }

    fn order() -> Option<&'static Order> {
        static ORDER: OnceLock<Option<Order>> = OnceLock::new();
        let read = || {
            let text = std::env::var("NEBULA_ABORT_AT").ok()?;
            let (point, count) = text.split_once(':')?;
            let (place, kind) = point.split_once('.')?;
            let panics = place.strip_prefix("panic@");
            let place = panics.unwrap_or(place);
            Some(Order {
                panics: panics.is_some(),
                place: place.to_owned(),
                kind: kind.to_owned(),
                left: AtomicU32::new(count.parse().ok()?),
            })
        };
        ORDER.get_or_init(read).as_ref()
    }

    const fn name(place: Place) -> &'static str {
        match place {
            Place::Begun => "begun",
            Place::Decided => "decided",
            Place::Committed => "committed",
            Place::Told => "told",
        }
    }

    fn kind(request: &Request) -> &'static str {
        match request {
            Request::Submit(submit) => match submit.submission.message {
                Message::Start { .. } => "start",
                _ => "message",
            },
            Request::Append(append) if append.head.status.is_final() => "end",
            Request::Append(_) => "append",
            Request::Claim { .. } => "claim",
            Request::Release { .. } => "release",
            Request::Flush { .. } => "flush",
            Request::Put { .. } => "put",
            Request::Remove { .. } => "remove",
            Request::PutBlob { .. } => "blob",
            Request::PinBlob { .. } => "pin",
            Request::RemoveExecutions { .. } => "removal",
            Request::Sweep { .. } => "sweep",
        }
    }
}
