//! Connections: admitted up to a bound, each with a time-out for its request
//! heads, all of them ended when the node is told to stop.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::config::DoorConfig;

/// Between two tries to accept, when the system refuses (no descriptors left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Bytes of a request's head.
const MAX_HEAD: usize = 64 * 1024;

/// Serves until told to stop, then lets requests end.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    door: DoorConfig,
    mut stopping: watch::Receiver<bool>,
) {
    let permits = Arc::new(Semaphore::new(door.max_connections.max(1)));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(door.head_timeout)
        .max_buf_size(MAX_HEAD);
    loop {
        let admitted = async {
            // The permit comes first: who is not admitted waits in the system's queue.
            let permit = Arc::clone(&permits).acquire_owned().await.ok()?;
            Some((permit, accept(&listener).await))
        };
        let (permit, stream) = tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => break,
            Some(admitted) = admitted => admitted,
            else => break,
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        connections.spawn(async move {
            let _permit = permit;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    if tokio::time::timeout(door.drain_timeout, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests were cut off: they did not end in time");
    }
    connections.shutdown().await;
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Small answers must not wait for acknowledgements.
                let _ = stream.set_nodelay(true);
                return stream;
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
