//! Who has a place among the connections. One that has no whole request (it
//! sent nothing yet, is still sending, or was answered) may have to give its
//! place to a new one; one whose request is being answered never has to. So
//! whoever only holds connections open cannot keep others out.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::Notify;
use tower::ServiceExt;

/// All places.
#[derive(Default)]
pub(crate) struct Seats {
    resting: Mutex<Resting>,
    rested: Notify,
}

/// Connections without a whole request, by when that began.
#[derive(Default)]
struct Resting {
    next: u64,
    since: BTreeMap<u64, Arc<Notify>>,
}

/// The place of one connection; free again when dropped.
pub(crate) struct Seat {
    seats: Arc<Seats>,
    give_up: Arc<Notify>,
    resting_since: Mutex<Option<u64>>,
    /// An answer was handed over, and may not be on the wire yet.
    answered: AtomicBool,
}

/// The place was given up while the request came in.
#[derive(Debug, thiserror::Error)]
#[error("the connection gave up its place")]
pub(crate) struct GivenUp;

impl Seats {
    /// Asks the connection that has rested for longest to give up its place;
    /// whether there is one.
    pub(crate) fn free_one(&self) -> bool {
        let longest = lock(&self.resting).since.pop_first();
        if let Some((_, give_up)) = &longest {
            give_up.notify_one();
        }
        longest.is_some()
    }

    /// Returns once another connection rests.
    pub(crate) async fn rested(&self) {
        self.rested.notified().await;
    }
}

impl Seat {
    /// A place for a new connection, which rests.
    pub(crate) fn take(seats: &Arc<Seats>) -> Self {
        let seat = Self {
            seats: Arc::clone(seats),
            give_up: Arc::default(),
            resting_since: Mutex::default(),
            answered: AtomicBool::new(false),
        };
        seat.rest();
        seat
    }

    /// Returns once the place must be given up.
    pub(crate) async fn given_up(&self) {
        self.give_up.notified().await;
    }

    /// All that was handed over is on the wire.
    pub(crate) fn flushed(&self) {
        if self.answered.swap(false, Ordering::AcqRel) {
            self.rest();
        }
    }

    fn rest(&self) {
        let mut since = lock(&self.resting_since);
        if since.is_some() {
            return;
        }
        let mut resting = lock(&self.seats.resting);
        let now = resting.next;
        resting.next += 1;
        resting.since.insert(now, Arc::clone(&self.give_up));
        *since = Some(now);
        drop(resting);
        self.seats.rested.notify_one();
    }

    /// A whole request is here. Whether the place is still this connection's.
    fn work(&self) -> bool {
        match lock(&self.resting_since).take() {
            Some(since) => lock(&self.seats.resting).since.remove(&since).is_some(),
            None => true,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.work();
    }
}

/// The service of one connection: it tells the seat what the connection does.
pub(crate) struct Seated {
    router: Router,
    seat: Arc<Seat>,
}

impl Seated {
    pub(crate) const fn new(router: Router, seat: Arc<Seat>) -> Self {
        Self { router, seat }
    }
}

impl hyper::service::Service<Request<Incoming>> for Seated {
    type Response = Response<Answer>;
    type Error = GivenUp;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, GivenUp>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let seat = Arc::clone(&self.seat);
        let is_whole = http_body::Body::is_end_stream(request.body());
        if is_whole && !seat.work() {
            return Box::pin(std::future::ready(Err(GivenUp)));
        }
        let arriving = Arc::clone(&seat);
        let request = request.map(|body| {
            Body::new(Arriving {
                body,
                seat: arriving,
            })
        });
        let answer = self.router.clone().oneshot(request);
        Box::pin(async move {
            let response = answer
                .await
                .unwrap_or_else(|never: Infallible| match never {});
            Ok(response.map(|body| Answer { body, seat }))
        })
    }
}

/// A request's body, on its way in. Once it is there, or nobody waits for it
/// any more, the connection works.
struct Arriving {
    body: Incoming,
    seat: Arc<Seat>,
}

impl http_body::Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.seat.work();
    }
}

/// An answer's body, on its way out.
pub(crate) struct Answer {
    body: Body,
    seat: Arc<Seat>,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.seat.answered.store(true, Ordering::Release);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held, and each state is a good one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_rests_longest_gives_up_and_who_works_never() {
        let seats = Arc::new(Seats::default());
        let [first, second, third] = [(); 3].map(|()| Seat::take(&seats));
        assert!(first.work(), "its request is here");
        assert!(seats.free_one());
        second.given_up().await;
        assert!(!second.work(), "too late");
        drop(third);
        assert!(!seats.free_one(), "only one is left, and it works");
        first.answered.store(true, Ordering::Release);
        first.flushed();
        assert!(seats.free_one(), "it was answered");
    }
}
