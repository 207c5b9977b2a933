//! `POST /packages` as it goes: server-sent events that say how far each component
//! has come, and at the end what was installed, or the problem.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_TYPE, HeaderValue};
use nebula_api::package::{InstallPackages, InstallProgress, InstalledPackages};
use nebula_hub::install::{Progress, Stage, Watcher};
use tokio::sync::mpsc;

use super::live::{self, EVENT_STREAM, KEEP_ALIVE, frame};
use super::reply::{Refusal, Reply};
use crate::app::App;
use crate::service::{Result, install_packages};

/// So many pieces of progress wait for a reader; those beyond are left out.
const WAITING: usize = 64;

/// A component whose bytes come is told of this often at most.
const SELDOM: Duration = Duration::from_millis(100);

type Installing = Pin<Box<dyn Future<Output = Result<InstalledPackages>> + Send>>;

/// An install that is under way, and what it tells.
struct Stream {
    installing: Installing,
    progress: mpsc::Receiver<InstallProgress>,
}

/// Installs, and tells of it.
pub(super) fn stream(app: App, body: InstallPackages) -> Reply {
    let place = live::place(&app)?;
    let (tell, progress) = mpsc::channel(WAITING);
    let watcher = watcher(tell);
    let installing = Box::pin(async move { install_packages::install(&app, body, watcher).await });
    let stream = Stream {
        installing,
        progress,
    };
    // The install is part of the answer: who goes away ends it.
    let body = stream::unfold(Some((stream, place)), |state| async {
        let (mut stream, place) = state?;
        let (piece, ends) = stream.next().await;
        Some((
            Ok::<_, Infallible>(piece),
            (!ends).then_some((stream, place)),
        ))
    });
    let mut response = Response::new(Body::from_stream(body));
    let kind = HeaderValue::from_static(EVENT_STREAM);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

impl Stream {
    /// The next piece, and whether it is the last.
    async fn next(&mut self) -> (Bytes, bool) {
        tokio::select! {
            biased;
            Some(progress) = self.progress.recv() => (frame("progress", &progress).into(), false),
            result = &mut self.installing => match result {
                Ok(installed) => (frame("installed", &installed).into(), true),
                Err(error) => (frame("problem", &Refusal::from(error).0).into(), true),
            },
            () = tokio::time::sleep(KEEP_ALIVE) => (Bytes::from_static(live::QUIET), false),
        }
    }
}

fn watcher(tell: mpsc::Sender<InstallProgress>) -> Watcher {
    let last = std::sync::Mutex::new(None::<std::time::Instant>);
    Watcher::new(move |progress| {
        let now = std::time::Instant::now();
        let whole = progress.bytes == progress.size;
        let mut last = last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if !whole && last.is_some_and(|last| now < last + SELDOM) {
            return;
        }
        *last = Some(now);
        // A reader that is slow misses some.
        let _ = tell.try_send(wire(progress));
    })
}

fn wire(progress: Progress) -> InstallProgress {
    InstallProgress {
        package: progress.package.to_string(),
        version: progress.version.to_string(),
        component: progress.component,
        stage: match progress.stage {
            Stage::Pulling => "pulling".into(),
            Stage::Compiling => "compiling".into(),
            Stage::Ready => "ready".into(),
        },
        bytes: progress.bytes,
        size: progress.size,
    }
}
