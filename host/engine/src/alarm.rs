//! One alarm that is set anew only when its time changes.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use nebula_flow::Timestamp;
use nebula_flow::ports::Clock;

pub(crate) struct Alarm {
    clock: Arc<dyn Clock>,
    set: Option<(Timestamp, BoxFuture<'static, ()>)>,
}

impl Alarm {
    pub(crate) const fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, set: None }
    }

    /// Sets it to an instant, or off.
    pub(crate) fn set(&mut self, at: Option<Timestamp>) {
        if self.set.as_ref().map(|(at, _)| *at) == at {
            return;
        }
        self.set = at.map(|at| {
            let clock = self.clock.clone();
            let ring: BoxFuture<'static, ()> = Box::pin(async move { clock.until(at).await });
            (at, ring)
        });
    }

    /// Returns when it rings, and is off then; never while it is off.
    pub(crate) async fn ring(&mut self) {
        match &mut self.set {
            Some((_, ring)) => ring.await,
            None => std::future::pending().await,
        }
        self.set = None;
    }
}
