//! Time comes through one door.

use async_trait::async_trait;

use crate::time::Timestamp;

/// Time, the only one there is.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// Wall time.
    fn now(&self) -> Timestamp;

    /// Returns at the instant or after it.
    async fn until(&self, at: Timestamp);
}
