//! `/executions/{id}/events` and `/logs`: pages, or server-sent events that
//! go on to the end of the execution and resume by `Last-Event-ID`.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use nebula_api::execution::{Event, HistoryQuery, LogLine};
use nebula_api::{Code, Page, Problem, problem};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use super::extract::Query;
use super::reply::{self, Refusal, Reply};
use crate::app::App;
use crate::metrics::Counted;
use crate::service::history::{Follow, From};
use crate::service::{Error, executions, history};

/// Comments keep a quiet stream from being taken for a dead one.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
pub(super) const EVENT_STREAM: &str = "text/event-stream";
/// Such a comment.
pub(super) const QUIET: &[u8] = b": keep-alive\n\n";

/// List an execution's events
///
/// With `Accept: text/event-stream` the answer is the live stream.
#[utoipa::path(
    get, path = "/api/v1/executions/{execution}/events", tag = "executions", operation_id = "list_events",
    params(("execution" = String, Path, description = "Its id", pattern = "^exec-[0-7][0-9a-hjkmnp-tv-z]{25}$"), HistoryQuery),
    responses((status = 200, body = Page<Event>), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn events(
    app: App,
    Path(execution): Path<String>,
    Query(query): Query<HistoryQuery>,
    headers: HeaderMap,
) -> Reply {
    if wants_stream(&headers) {
        return follow(app, &execution, &query, &headers, Kind::Events).await;
    }
    let from = From::parse(query.cursor.as_deref(), query.limit)?;
    reply::ok(&history::events(&app, executions::parse_id(&execution)?, from).await?)
}

/// Follow an execution's events
///
/// Server-sent events: `id` is the event's version, `event` its type, `data`
/// the event in JSON. Ends after the last one.
#[utoipa::path(
    get, path = "/api/v1/executions/{execution}/events/stream", tag = "executions", operation_id = "follow_events",
    params(
        ("execution" = String, Path, description = "Its id", pattern = "^exec-[0-7][0-9a-hjkmnp-tv-z]{25}$"),
        ("last-event-id" = Option<String>, Header, description = "Begin behind this event"),
        HistoryQuery
    ),
    responses(
        (status = 200, body = Event, content_type = "text/event-stream"),
        (status = 204, description = "Nothing follows `Last-Event-ID`: the execution has ended"),
        (status = "default", body = Problem, content_type = problem::MEDIA_TYPE)
    )
)]
pub(crate) async fn events_stream(
    app: App,
    Path(execution): Path<String>,
    Query(query): Query<HistoryQuery>,
    headers: HeaderMap,
) -> Reply {
    follow(app, &execution, &query, &headers, Kind::Events).await
}

/// List what an execution's actions logged
///
/// With `Accept: text/event-stream` the answer is the live stream.
#[utoipa::path(
    get, path = "/api/v1/executions/{execution}/logs", tag = "executions", operation_id = "list_logs",
    params(("execution" = String, Path, description = "Its id", pattern = "^exec-[0-7][0-9a-hjkmnp-tv-z]{25}$"), HistoryQuery),
    responses((status = 200, body = Page<LogLine>), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn logs(
    app: App,
    Path(execution): Path<String>,
    Query(query): Query<HistoryQuery>,
    headers: HeaderMap,
) -> Reply {
    if wants_stream(&headers) {
        return follow(app, &execution, &query, &headers, Kind::Lines).await;
    }
    let from = From::parse(query.cursor.as_deref(), query.limit)?;
    reply::ok(&history::lines(&app, executions::parse_id(&execution)?, from).await?)
}

/// Follow what an execution's actions log
#[utoipa::path(
    get, path = "/api/v1/executions/{execution}/logs/stream", tag = "executions", operation_id = "follow_logs",
    params(
        ("execution" = String, Path, description = "Its id", pattern = "^exec-[0-7][0-9a-hjkmnp-tv-z]{25}$"),
        ("last-event-id" = Option<String>, Header, description = "Begin behind this line"),
        HistoryQuery
    ),
    responses(
        (status = 200, body = LogLine, content_type = "text/event-stream"),
        (status = "default", body = Problem, content_type = problem::MEDIA_TYPE)
    )
)]
pub(crate) async fn logs_stream(
    app: App,
    Path(execution): Path<String>,
    Query(query): Query<HistoryQuery>,
    headers: HeaderMap,
) -> Reply {
    follow(app, &execution, &query, &headers, Kind::Lines).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Events,
    Lines,
}

pub(super) fn wants_stream(headers: &HeaderMap) -> bool {
    headers
        .get(ACCEPT)
        .and_then(|a| a.to_str().ok())
        .is_some_and(|accept| accept.contains(EVENT_STREAM))
}

async fn follow(
    app: App,
    execution: &str,
    query: &HistoryQuery,
    headers: &HeaderMap,
    kind: Kind,
) -> Reply {
    let execution = executions::parse_id(execution)?;
    let from = From::parse(query.cursor.as_deref(), query.limit)?;
    let last = headers.get(LAST_EVENT_ID).map(last_event_id).transpose()?;
    let follow = Follow::new(app.clone(), execution, last.unwrap_or(from.after)).await?;
    // Tells an EventSource that reconnects after the last event to stop.
    if kind == Kind::Events && last.is_some() && follow.is_exhausted().await? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let place = place(&app)?;
    // A piece is read when the one before it is on its way: who takes nothing
    // costs one piece, and the connection's own time-out lets it go.
    let body = stream::unfold(Some((app, follow, place)), move |state| async move {
        let (app, mut follow, place) = state?;
        let (piece, ends) = next(&app, &mut follow, kind).await?;
        let rest = (!ends).then_some((app, follow, place));
        Some((Ok::<_, Infallible>(piece), rest))
    });
    let mut response = Response::new(Body::from_stream(body));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    Ok(response)
}

/// A place among the streams; free again when dropped.
pub(super) fn place(app: &App) -> Result<(OwnedSemaphorePermit, Counted), Refusal> {
    let permit: Result<_, Refusal> = Arc::clone(&app.streams).try_acquire_owned().map_err(|_| {
        let most = app.http.max_streams;
        Problem::new(
            Code::TooManyStreams,
            format!("the node gives {most} streams at once, and all are taken"),
        )
        .hint("read the pages at `…/events` or `…/logs`, or come back later; `http.max_streams` is the bound")
        .into()
    });
    Ok((permit?, Counted::in_gauge(&app.metrics.streams)))
}

/// The next piece of the stream, and whether it is the last.
async fn next(app: &App, follow: &mut Follow, kind: Kind) -> Option<(Bytes, bool)> {
    let entries = async {
        match kind {
            Kind::Events => follow
                .events()
                .await
                .map(|events| frames(&events, |e| (e.version, e.kind.as_str()))),
            Kind::Lines => follow
                .lines()
                .await
                .map(|lines| frames(&lines, |l| (l.seq, "log"))),
        }
    };
    tokio::select! {
        entries = entries => match entries {
            Ok(frames) if frames.is_empty() => None,
            Ok(frames) => Some((frames, false)),
            Err(error) => {
                tracing::warn!(%error, "a stream breaks off");
                None
            }
        },
        () = tokio::time::sleep(KEEP_ALIVE) => Some((Bytes::from_static(QUIET), false)),
        () = app.stopped() => Some((Bytes::from_static(b": the node is stopping\n\n"), true)),
    }
}

fn frames<T: Serialize>(entries: &[T], head: impl Fn(&T) -> (u64, &str)) -> Bytes {
    let mut out = String::new();
    for entry in entries {
        let (id, kind) = head(entry);
        let _ = writeln!(out, "id: {id}");
        out.push_str(&frame(kind, entry));
    }
    out.into()
}

/// One server-sent event.
pub(super) fn frame(kind: &str, data: &impl Serialize) -> String {
    // JSON text has no line ends, so that one `data:` line holds it.
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {kind}\ndata: {data}\n\n")
}

fn last_event_id(value: &HeaderValue) -> Result<u64, Error> {
    value
        .to_str()
        .ok()
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| Error::InvalidHeader {
            message: "`Last-Event-ID` is not the id of an event of this stream".into(),
        })
}
