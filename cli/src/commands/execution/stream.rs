//! A stream of an execution, taken up by `Last-Event-ID` where it was cut: by
//! the network, or because the node stopped and another process took its place.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::path;
use crate::client::{Client, Events};
use crate::error::{Error, Result};
use crate::node::{Node, PATIENCE, Target};

/// Between two looks for it, at first and at last.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// What is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What happens to the execution.
    Events,
    /// What its actions log.
    Logs,
}

/// The stream, wherever its node is now.
pub(super) struct Stream<'a> {
    target: Target,
    client: Client,
    execution: &'a str,
    kind: Kind,
    /// A node of our own cannot go away without us.
    own: bool,
    events: Option<Events>,
    last: Option<String>,
    over: bool,
    away: Away,
}

/// Since when the node has been away, for whoever draws meanwhile.
#[derive(Debug, Clone, Default)]
pub(super) struct Away(Rc<Cell<Option<Instant>>>);

impl Away {
    /// Whether the node is away.
    pub(super) fn is_away(&self) -> bool {
        self.0.get().is_some()
    }
}

impl<'a> Stream<'a> {
    /// From the beginning.
    pub(super) fn new(node: &Node, execution: &'a str, kind: Kind) -> Self {
        Self {
            target: node.target.clone(),
            client: node.client.clone(),
            execution,
            kind,
            own: node.is_own(),
            events: None,
            last: None,
            over: false,
            away: Away::default(),
        }
    }

    /// Tells whether the node is away.
    pub(super) fn away(&self) -> Away {
        self.away.clone()
    }

    /// The node, where it is now.
    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// The next event; `None` after the last one of the execution.
    pub(super) async fn next(&mut self) -> Result<Option<Value>> {
        let mut pause = PAUSE.0;
        loop {
            if self.over {
                return Ok(None);
            }
            match self.read().await {
                Ok(Some(event)) => {
                    self.away.0.set(None);
                    self.over = self.kind == Kind::Events && is_last(&event);
                    return Ok(Some(event));
                }
                Ok(None) => return Ok(None),
                Err(e) if e.is_nodes() && !self.own => {
                    self.events = None;
                    let since = self.away.0.get().unwrap_or_else(Instant::now);
                    self.away.0.set(Some(since));
                    if since.elapsed() > PATIENCE {
                        return Err(gone(&e, self.execution));
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE.1);
                    // Another process may serve the folder now, at another port.
                    if let Ok(Some(client)) = self.target.running().await {
                        self.client = client;
                    }
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// One event of this connection, or the end of the execution. That the
    /// connection ends is an error of the node.
    async fn read(&mut self) -> Result<Option<Value>> {
        let events = match &mut self.events {
            Some(events) => events,
            none => {
                let rest = match self.kind {
                    Kind::Events => "/events",
                    Kind::Logs => "/logs",
                };
                let path = path(self.execution, rest);
                let events = self
                    .client
                    .events_after(&path, self.last.as_deref())
                    .await?;
                self.away.0.set(None);
                none.insert(events)
            }
        };
        if let Some(event) = events.next().await? {
            self.last = event.id.or_else(|| self.last.take());
            return Ok(Some(event.data));
        }
        // A node that stops ends its streams as well.
        self.events = None;
        let execution = self.client.get(&path(self.execution, "")).await?;
        if is_over(&execution) {
            Ok(None)
        } else {
            Err(Error::node("the node ended the stream"))
        }
    }
}

/// Whether an execution has ended.
pub(super) fn is_over(execution: &Value) -> bool {
    let status = execution.get("status").and_then(Value::as_str);
    status.is_some_and(is_end)
}

fn is_last(event: &Value) -> bool {
    let kind = event.get("type").and_then(Value::as_str);
    kind.is_some_and(is_end)
}

/// Whether an execution ends with this status, or this event.
pub(super) fn is_end(word: &str) -> bool {
    matches!(word, "succeeded" | "failed" | "cancelled" | "terminated")
}

fn gone(error: &Error, execution: &str) -> Error {
    Error::node(format!(
        "the node has been away for {} s: {error}",
        PATIENCE.as_secs()
    ))
    .hint(format!(
        "the execution is on disk; when a node runs again: nebula execution watch {execution}"
    ))
}
