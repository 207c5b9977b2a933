//! Connections: admitted up to a bound, each with a time-out for whatever it
//! may keep the node waiting for, all of them ended when the node is told to
//! stop.
//!
//! - [`serve`]: accepts, admits, drains.
//! - [`seat`]: who has a place, and who gives it up when there are too few.
//! - [`patience`]: bytes in and out, with time-outs.
//! - [`tls`]: the node's certificate.

mod patience;
mod seat;
pub(crate) mod tls;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use self::patience::Patient;
use self::seat::{Seat, Seated, Seats};
use crate::config::HttpConfig;
use crate::metrics::Counted;

/// Between two tries to accept, when the system refuses (no descriptors left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Bytes of a request's head.
const MAX_HEAD: usize = 64 * 1024;
/// Descriptors that are left for all that is not a connection.
const RESERVED: u64 = 256;

/// Where connections come in, and what serves them.
pub(crate) struct Entrance {
    /// Bound already.
    pub(crate) listener: TcpListener,
    /// If the node ends TLS itself.
    pub(crate) tls: Option<TlsAcceptor>,
    /// Answers requests.
    pub(crate) router: Router,
    /// Counts the connections that are open.
    pub(crate) connections: Gauge,
    /// Bounds.
    pub(crate) http: HttpConfig,
}

/// Serves until told to stop, then lets requests end.
pub(crate) async fn serve(entrance: Entrance, mut stopping: watch::Receiver<bool>) {
    let Entrance {
        listener,
        tls,
        router,
        connections: open,
        http,
    } = entrance;
    let permits = Arc::new(Semaphore::new(affordable(http.max_connections)));
    let seats = Arc::new(Seats::default());
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let builder = builder(&http);
    loop {
        let admitted = async {
            let stream = accept(&listener).await;
            let permit = admit(&permits, &seats).await?;
            Some((permit, stream))
        };
        let (permit, stream) = tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => break,
            Some(admitted) = admitted => admitted,
            else => break,
        };
        let connection = Connection {
            seat: Arc::new(Seat::take(&seats)),
            builder: builder.clone(),
            router: router.clone(),
            tls: tls.clone(),
            handshake: http.first_byte_timeout,
        };
        let stream = Patient::new(stream, &http, Arc::clone(&connection.seat));
        let watcher = graceful.watcher();
        let counted = Counted::in_gauge(&open);
        connections.spawn(async move {
            let _held = (permit, counted);
            connection.run(stream, watcher).await;
        });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    // Who has no request in hand has nothing to wait for.
    if tokio::time::timeout(http.drain_timeout, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests were cut off: they did not end in time");
    }
    connections.shutdown().await;
}

fn builder(http: &HttpConfig) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(http.head_timeout)
        .max_buf_size(MAX_HEAD);
    builder
}

/// A place for one more connection. If there is none, the connection that has
/// been without a request for longest gives up its own; if each has a request,
/// the new one waits until one is done.
async fn admit(permits: &Arc<Semaphore>, seats: &Seats) -> Option<OwnedSemaphorePermit> {
    if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
        return Some(permit);
    }
    let free = Arc::clone(permits).acquire_owned();
    tokio::pin!(free);
    let mut freed = seats.free_one();
    loop {
        tokio::select! {
            permit = &mut free => return permit.ok(),
            () = seats.rested(), if !freed => freed = seats.free_one(),
        }
    }
}

/// One connection.
struct Connection {
    seat: Arc<Seat>,
    builder: http1::Builder,
    router: Router,
    tls: Option<TlsAcceptor>,
    handshake: Duration,
}

impl Connection {
    async fn run(self, stream: Patient<TcpStream>, watcher: hyper_util::server::graceful::Watcher) {
        let seat = Arc::clone(&self.seat);
        let served = async {
            match &self.tls {
                None => self.http(stream, watcher).await,
                Some(tls) => match tokio::time::timeout(self.handshake, tls.accept(stream)).await {
                    Ok(Ok(stream)) => self.http(stream, watcher).await,
                    Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                    Err(_) => tracing::debug!("a TLS handshake took too long"),
                },
            }
        };
        tokio::select! {
            biased;
            () = seat.given_up() => tracing::debug!("an idle connection gave up its place"),
            () = served => {}
        }
    }

    async fn http<S>(&self, stream: S, watcher: hyper_util::server::graceful::Watcher)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
    {
        let service = Seated::new(self.router.clone(), Arc::clone(&self.seat));
        let connection = self.builder.serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection ended early");
        }
    }
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

/// How many connections this process can have descriptors for, at most as many
/// as are wanted. The soft limit is raised to the hard one first.
fn affordable(wanted: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let Some(current) = current else {
        return wanted;
    };
    let most = usize::try_from(current.saturating_sub(RESERVED)).unwrap_or(usize::MAX);
    if wanted > most {
        tracing::warn!(
            wanted,
            most,
            "fewer connections than configured: raise the limit of open files (ulimit -n)"
        );
    }
    wanted.min(most).max(1)
}
