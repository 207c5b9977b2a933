//! A call of the built component in place of the native action.

use std::time::Duration;

#[cfg(feature = "embedded")]
use nebula_action::ActionContext;
use nebula_action::{Action, ActionError, ProcessAction, wire};
use nebula_flow::event::{Failure, FailureKind};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::result::{Ended, Seen};
use super::{ActionTestHarness, ActionTestResult};
#[cfg(feature = "embedded")]
use crate::embedded::{self, Given};
#[cfg(feature = "embedded")]
use crate::registry::World;
#[cfg(not(feature = "embedded"))]
use crate::result::TestError;

impl ActionTestHarness {
    pub(super) async fn call_component<A, I>(&self, input: &I) -> ActionTestResult<A::Output>
    where
        A: ProcessAction<Output: DeserializeOwned>,
        I: Serialize,
    {
        let (ended, seen) = self.run_component::<A, I, A::Output>(input).await;
        self.result(ended, seen)
    }

    pub(super) async fn run_component<A, I, T>(&self, input: &I) -> Ended<T>
    where
        A: Action,
        I: Serialize,
        T: DeserializeOwned,
    {
        match wire::encode(input) {
            Ok(input) => {
                let id = A::instance().metadata().id;
                self.in_sandbox(id.as_str(), input).await
            }
            Err(error) => {
                let why = ActionError::InvalidInput(error.to_string());
                (Err(why), Seen::default())
            }
        }
    }

    #[cfg(feature = "embedded")]
    async fn in_sandbox<T: DeserializeOwned>(&self, action: &str, input: Vec<u8>) -> Ended<T> {
        let http = self.http.fresh();
        let world = World {
            http: http.clone(),
            resources: self.resources.clone(),
            ..World::default()
        };
        let native = || ActionContext::for_test().identity();
        let called = embedded::call(Given {
            built: &self.built,
            world: &world,
            action,
            input,
            identity: self.identity.clone().unwrap_or_else(native),
            resumed: self.resumed.as_ref(),
            credentials: &self.credentials,
            limits: self.limits,
            cancelled: self.cancelled,
        });
        match called.await {
            Ok(called) => {
                http.keep(self.secrets());
                super::answered::ended(called, http.unexpected())
            }
            Err(failure) => failed(failure, Seen::default()),
        }
    }

    #[cfg(not(feature = "embedded"))]
    async fn in_sandbox<T>(&self, _: &str, _: Vec<u8>) -> Ended<T> {
        let why = TestError::NeedsFeature.to_string();
        failed(Failure::new(FailureKind::Component, why), Seen::default())
    }
}

/// A call that the host failed, or an action by way of the host.
pub(super) fn failed<T>(failure: Failure, seen: Seen) -> Ended<T> {
    let error = error(&failure);
    let failure = Some(failure);
    (Err(error), Seen { failure, ..seen })
}

/// The same in an action's words. Those have none for a limit.
fn error(failure: &Failure) -> ActionError {
    let message = failure.message.clone();
    match failure.kind {
        FailureKind::InvalidInput => ActionError::InvalidInput(message),
        FailureKind::Retryable => ActionError::Retryable {
            message,
            delay: failure.retry_after_ms.map(Duration::from_millis),
        },
        FailureKind::Cancelled => ActionError::Cancelled,
        _ => ActionError::Permanent(message),
    }
}
