//! How long a registry is waited for, and how often.

use std::time::Duration;

use super::error::RegistryError;
use super::remote::Remote;

/// How long a registry is waited for, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Until there is a connection.
    pub connect: Duration,
    /// While nothing comes; and for the whole of a small document.
    pub silence: Duration,
    /// Bytes that must move in a second once it has begun, on the average.
    pub slowest: u64,
    /// How often something that may pass is tried.
    pub tries: u32,
    /// Before the second try; it grows with the square of the tries.
    pub pause: Duration,
}

impl Default for Patience {
    /// That of a person who waits.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            silence: Duration::from_secs(15),
            slowest: 16 << 10,
            tries: 4,
            pause: Duration::from_millis(200),
        }
    }
}

impl Patience {
    /// How long moving so many bytes may take.
    pub(super) fn moving(&self, size: u64) -> Duration {
        self.silence + Duration::from_secs(size / self.slowest.max(1))
    }
}

impl Remote {
    /// Gives up after a time.
    pub(super) async fn within<T>(
        &self,
        after: Duration,
        doing: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        match tokio::time::timeout(after, doing).await {
            Ok(done) => done,
            Err(_) => Err(RegistryError::TimedOut {
                registry: self.registry.host().to_owned(),
                after,
            }),
        }
    }

    /// Tries what may pass again, after a pause that grows.
    pub(super) async fn retry<T, F: Future<Output = Result<T, RegistryError>>>(
        &self,
        mut ask: impl FnMut() -> F,
    ) -> Result<T, RegistryError> {
        let mut tries = 1;
        loop {
            match ask().await {
                Err(error) if error.is_passing() && tries < self.patience.tries => {
                    self.pause(tries).await;
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    /// Between two tries.
    pub(super) async fn pause(&self, tries: u32) {
        tokio::time::sleep(self.patience.pause * tries * tries).await;
    }
}
