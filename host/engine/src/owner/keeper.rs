//! Two helpers of the owner that wait for the log, so that the owner need not:
//! one holds the shards, one looks for what is unfinished.

use std::sync::Arc;
use std::time::Duration;

use nebula_flow::Shard;
use nebula_flow::ports::{Fence, Unfinished};
use tokio::sync::{Notify, mpsc};

use crate::chance::Backoff;
use crate::config::Core;

/// How often held shards are renewed.
const RENEWAL: Duration = Duration::from_secs(2);

/// How many unfinished executions are read at once.
const PAGE: usize = 256;

/// Claims and renews shards until the owner is gone; a kick claims at once.
pub(super) async fn hold(core: Arc<Core>, held: mpsc::Sender<Vec<Fence>>, kick: Arc<Notify>) {
    let mut backoff = Backoff::new();
    loop {
        match core.log.claim(&core.owner).await {
            Ok(fences) => {
                backoff = Backoff::new();
                if held.send(fences).await.is_err() {
                    return;
                }
                tokio::select! {
                    () = core.clock.until(core.clock.now().plus(RENEWAL)) => {}
                    () = kick.notified() => {}
                }
            }
            Err(error) => {
                tracing::warn!(%error, "shards cannot be claimed; trying again");
                backoff.pause(&*core.clock).await;
            }
        }
    }
}

/// What a look at the log finds.
pub(super) enum Found {
    /// Some that are not finished.
    Page(Vec<Unfinished>),
    /// All shards of one request are read.
    Done,
}

/// Reads what is unfinished in the requested shards, page by page, as fast as
/// the owner takes the pages.
pub(super) async fn scan(
    core: Arc<Core>,
    mut requests: mpsc::Receiver<Vec<Shard>>,
    found: mpsc::Sender<Found>,
) {
    while let Some(shards) = requests.recv().await {
        for shard in shards {
            if scan_shard(&core, shard, &found).await.is_err() {
                return;
            }
        }
        if found.send(Found::Done).await.is_err() {
            return;
        }
    }
}

async fn scan_shard(
    core: &Core,
    shard: Shard,
    found: &mpsc::Sender<Found>,
) -> Result<(), mpsc::error::SendError<Found>> {
    let mut after = None;
    let mut backoff = Backoff::new();
    loop {
        match core.log.unfinished(shard, after, PAGE).await {
            Ok(page) => {
                let full = page.len() >= PAGE;
                after = page.last().map(|u| u.execution);
                if !page.is_empty() {
                    found.send(Found::Page(page)).await?;
                }
                if !full {
                    return Ok(());
                }
            }
            Err(error) => {
                tracing::warn!(shard = shard.0, %error, "unfinished executions cannot be read; trying again");
                backoff.pause(&*core.clock).await;
            }
        }
    }
}
