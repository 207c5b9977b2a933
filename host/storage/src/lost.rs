//! Word of a store whose writer has ended although nobody closed it.

use tokio::sync::watch;

/// Whether a store is lost: its writer panicked, so that nothing can be written until
/// the store is opened again.
#[derive(Debug, Clone)]
pub struct Lost(watch::Receiver<bool>);

impl Lost {
    /// Of a store that has no writer.
    pub(crate) fn never() -> Self {
        Self(watch::channel(false).1)
    }

    /// Waits until the store is lost; for ever, if it is closed instead.
    pub async fn wait(mut self) {
        if self.0.wait_for(|lost| *lost).await.is_err() {
            std::future::pending().await
        }
    }
}

/// Where the writer's end tells of it.
#[derive(Debug, Default)]
pub(crate) struct Bell(watch::Sender<bool>);

impl Bell {
    pub(crate) fn lost(&self) -> Lost {
        Lost(self.0.subscribe())
    }

    pub(crate) fn ring(&self) {
        self.0.send_replace(true);
    }
}
