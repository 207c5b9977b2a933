//! Where each node of an execution stands: a fold of its events, drawn as a
//! board on a terminal.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::stream::is_end;
use super::waits::waits;
use crate::node::AWAY;
use crate::output::{self, Column, Format, Paint, Show, Style};

/// The fold.
pub(super) struct Board {
    id: String,
    workflow: String,
    status: String,
    began: Option<Timestamp>,
    ended: Option<Timestamp>,
    nodes: Vec<Node>,
    /// Whether what its nodes did is being undone.
    is_undoing: bool,
}

#[derive(Default)]
struct Node {
    name: String,
    action: Option<String>,
    status: String,
    attempts: u64,
    items: Option<u64>,
    done: u64,
    began: Option<Timestamp>,
    ended: Option<Timestamp>,
    note: String,
}

/// Columns of the board.
const COLUMNS: &[Column] = &[
    ("NODE", "/node", Show::Key),
    ("STATUS", "/status", Show::Status),
    ("ATTEMPTS", "/attempts", Show::Count),
    ("TIME", "/time", Show::Micros),
    ("PROGRESS", "/progress", Show::Key),
    ("", "/note", Show::Text),
    ("ACTION", "/action", Show::Wide(&Show::Text)),
];

/// Cells of a progress bar.
const BAR: u64 = 20;

impl Board {
    /// Before the first event, with the nodes of an execution.
    pub(super) fn new(execution: &Value) -> Self {
        let text = |value: &Value, key: &str| {
            let text = value.get(key).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let node = |node: &Value| Node {
            name: text(node, "node"),
            action: node
                .get("action")
                .and_then(Value::as_str)
                .map(str::to_owned),
            status: "pending".into(),
            ..Node::default()
        };
        let nodes = execution.get("nodes").and_then(Value::as_array);
        Self {
            id: text(execution, "id"),
            workflow: text(execution, "workflow"),
            status: "queued".into(),
            began: instant(execution.get("created_at")),
            ended: None,
            is_undoing: false,
            nodes: nodes.into_iter().flatten().map(node).collect(),
        }
    }

    /// Folds one event in.
    pub(super) fn apply(&mut self, event: &Value) {
        let kind = event
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let at = instant(event.get("at"));
        match kind {
            end if is_end(end) => {
                kind.clone_into(&mut self.status);
                self.ended = at;
                self.cut_off(at);
            }
            "cancel_requested" => self.status = "cancelling".into(),
            "undo_started" => self.undo(at),
            "paused" => self.status = "paused".into(),
            "resumed" | "stepped" => self.status = "running".into(),
            _ if self.status == "queued" => self.status = "running".into(),
            _ => {}
        }
        let step = event
            .get("step")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let name = event.get("node").and_then(Value::as_str).unwrap_or(step);
        if kind == "step_ready" && self.is_undoing && !self.nodes.iter().any(|n| n.name == name) {
            self.nodes.push(Node {
                name: name.to_owned(),
                status: "pending".into(),
                ..Node::default()
            });
        }
        if let Some(node) = self.nodes.iter_mut().find(|n| n.name == name) {
            // An action that is called again is one line, whichever iteration it is in.
            let step = step.split('#').next().unwrap_or_default();
            if step == name {
                node.own_event(kind, at, event);
            } else {
                node.item_event(kind, step, event);
            }
        }
    }

    /// What its nodes did is undone: what runs is cut off.
    fn undo(&mut self, at: Option<Timestamp>) {
        self.is_undoing = true;
        self.status = "undoing".into();
        self.cut_off(at);
    }

    fn cut_off(&mut self, at: Option<Timestamp>) {
        for node in &mut self.nodes {
            if matches!(node.status.as_str(), "pending" | "running" | "waiting") {
                node.status = "cancelled".into();
                node.ended = node.began.and(at);
            }
        }
    }

    /// The board as lines that fit the terminal.
    pub(super) fn lines(&self, format: Format, away: bool) -> Vec<String> {
        let style = Style::stdout();
        let now = Timestamp::now();
        let (width, height) = output::terminal().unwrap_or((usize::MAX, usize::MAX));
        let time = self
            .began
            .map_or(0, |began| since(began, self.ended.unwrap_or(now)));
        let mut lines = vec![format!(
            "{} {} {} {}",
            self.id,
            self.workflow,
            style.status(&self.status),
            output::micros(time)
        )];
        let rows: Vec<Value> = self.nodes.iter().map(|n| n.row(now)).collect();
        let mut table = output::table(format, &rows, COLUMNS);
        // Besides the table: the head, perhaps a line on what is left out, the foot, the cursor.
        let room = height.saturating_sub(4).max(2);
        if table.len() > room {
            let hidden = table.len() - room;
            table.truncate(room);
            table.push(format!("… and {}", output::things(hidden, "more node")));
        }
        lines.append(&mut table);
        if self.ended.is_none() {
            let (paint, text) = if away {
                (Paint::Warn, AWAY)
            } else {
                (Paint::Dim, "Ctrl-C stops watching; the execution goes on")
            };
            lines.push(style.paint(paint, &output::shorten(text, width)));
        }
        lines
    }
}

impl Node {
    fn own_event(&mut self, kind: &str, at: Option<Timestamp>, event: &Value) {
        let attempt = event.get("attempt").and_then(Value::as_u64);
        match kind {
            "step_ready" | "map_started" => {
                self.begin(at);
                self.items = event.get("count").and_then(Value::as_u64).or(self.items);
            }
            "wait_started" | "child_started" => {
                self.begin(at);
                self.status = "waiting".into();
                self.note = waits(event);
            }
            "step_continued" if event.get("signal").or(event.get("until")).is_some() => {
                self.status = "waiting".into();
                self.note = waits(event);
            }
            "attempt_started" | "step_continued" | "step_resumed" => {
                self.begin(at);
                self.note.clear();
            }
            "attempt_failed" => {
                self.status = "waiting".into();
                let next = json!({
                    "attempt": attempt.unwrap_or_default() + 1, "until": event.get("retry_at"),
                });
                self.note = match waits(&next) {
                    next if next.is_empty() => format!("will be tried again: {}", message(event)),
                    next => format!("{next}: {}", message(event)),
                };
            }
            "step_unknown" => {
                self.status = "unknown".into();
                self.note = message(event).to_owned();
            }
            "step_kept" => {
                let status = match () {
                    () if event.get("output").is_some() => "succeeded",
                    () if event.get("error").is_some() => "failed",
                    () => "skipped",
                };
                self.end(status, at, "kept");
            }
            "step_succeeded" => self.end("succeeded", at, ""),
            "step_failed" => self.end("failed", at, message(event)),
            "step_skipped" => {
                let reason = event.get("reason").and_then(Value::as_str);
                self.end("skipped", at, reason.unwrap_or_default());
            }
            _ => {}
        }
        if self.items.is_none() {
            self.attempts = self.attempts.max(attempt.unwrap_or_default());
        }
    }

    fn item_event(&mut self, kind: &str, step: &str, event: &Value) {
        match kind {
            "step_succeeded" | "step_failed" | "step_skipped" | "step_kept" => {
                self.attempts += event
                    .get("attempt")
                    .and_then(Value::as_u64)
                    .unwrap_or_default();
                // Items of a map inside are part of theirs.
                if step.matches('[').count() == 1 {
                    self.done += 1;
                }
                if kind == "step_failed" {
                    self.note = format!("{step}: {}", message(event));
                }
            }
            _ => {}
        }
    }

    fn begin(&mut self, at: Option<Timestamp>) {
        self.status = "running".into();
        self.began = self.began.or(at);
    }

    fn end(&mut self, status: &str, at: Option<Timestamp>, note: &str) {
        self.status = status.into();
        self.ended = self.began.and(at);
        note.clone_into(&mut self.note);
    }

    fn row(&self, now: Timestamp) -> Value {
        let time = self
            .began
            .map(|began| since(began, self.ended.unwrap_or(now)));
        let progress = self.items.map(|items| progress(self.done, items));
        json!({
            "node": self.name, "status": self.status, "attempts": (self.attempts > 0).then_some(self.attempts),
            "time": time, "progress": progress, "note": if self.note.is_empty() { " " } else { &self.note },
            "action": self.action,
        })
    }
}

/// `██████░░░░░░░░░░░░░░ 1,095/3,650`
fn progress(done: u64, items: u64) -> String {
    let full = (done * BAR)
        .checked_div(items)
        .map_or(BAR, |full| full.min(BAR));
    format!(
        "{}{} {}/{}",
        "█".repeat(usize::try_from(full).unwrap_or_default()),
        "░".repeat(usize::try_from(BAR - full).unwrap_or_default()),
        output::count(done),
        output::count(items)
    )
}

fn message(event: &Value) -> &str {
    let message = event.pointer("/error/message").and_then(Value::as_str);
    message.unwrap_or_default()
}

fn instant(value: Option<&Value>) -> Option<Timestamp> {
    value?.as_str()?.parse().ok()
}

/// Microseconds from one instant to another; clocks of two machines may differ.
fn since(began: Timestamp, ended: Timestamp) -> u64 {
    u64::try_from(ended.duration_since(began).as_micros()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Board {
        Board::new(&json!({
            "id": "exec-1", "workflow": "hot-days", "created_at": "2026-02-03T04:05:06.000Z",
            "nodes": [{ "node": "fetch", "action": "http.request" }, { "node": "classify" }, { "node": "send" }],
        }))
    }

    fn event(kind: &str, step: &str, more: &Value) -> Value {
        let mut event = json!({ "type": kind, "at": "2026-02-03T04:05:07.500Z" });
        if !step.is_empty() {
            event["step"] = step.into();
            event["node"] = step.split('[').next().unwrap_or_default().into();
        }
        for (key, value) in more.as_object().into_iter().flatten() {
            event[key] = value.clone();
        }
        event
    }

    #[test]
    fn a_board_shows_state_attempts_time_and_progress() {
        let mut board = board();
        board.apply(&event("started", "", &json!({})));
        board.apply(&event(
            "step_ready",
            "fetch",
            &json!({ "at": "2026-02-03T04:05:06.000Z" }),
        ));
        board.apply(&event("attempt_started", "fetch", &json!({ "attempt": 1 })));
        let due = "2026-02-03T04:05:09.000Z";
        let refused = json!({ "attempt": 1, "error": { "message": "503" }, "retry_at": due });
        board.apply(&event("attempt_failed", "fetch", &refused));
        let lines = board.lines(Format::Table, false);
        assert!(
            lines[2].contains("waiting") && lines[2].contains("attempt 2 at 2026-02-03T04:05:09"),
            "{lines:?}"
        );
        assert!(lines[2].ends_with(": 503"), "{lines:?}");
        board.apply(&event("attempt_started", "fetch", &json!({ "attempt": 2 })));
        board.apply(&event("step_succeeded", "fetch", &json!({ "attempt": 2 })));
        board.apply(&event("map_started", "classify", &json!({ "count": 4 })));
        for item in 0..3 {
            board.apply(&event(
                "step_succeeded",
                &format!("classify[{item}]"),
                &json!({ "attempt": 1 }),
            ));
        }
        let lines = board.lines(Format::Table, false);
        assert!(lines[0].starts_with("exec-1 hot-days running"), "{lines:?}");
        let words: Vec<_> = lines[2].split_whitespace().collect();
        assert_eq!(words, ["fetch", "succeeded", "2", "1.5", "s", "-"]);
        assert!(lines[3].ends_with("███████████████░░░░░ 3/4"), "{lines:?}");
        assert!(
            lines[4]
                .split_whitespace()
                .eq(["send", "pending", "-", "-", "-"]),
            "{lines:?}"
        );
        assert!(lines[5].contains("Ctrl-C stops watching"), "{lines:?}");
        assert!(board.lines(Format::Table, true)[5].contains("does not answer"));
    }

    #[test]
    fn a_board_says_what_is_waited_for() {
        let mut board = board();
        let wait = json!({ "signal": "approval", "until": "2026-02-04T04:05:07.500Z" });
        board.apply(&event("wait_started", "send", &wait));
        let lines = board.lines(Format::Table, false);
        assert!(
            lines[4].contains("waiting") && lines[4].contains("signal approval until 2026-02-04T"),
            "{lines:?}"
        );
        board.apply(&event(
            "signal_received",
            "",
            &json!({ "signal": "approval" }),
        ));
        board.apply(&event("step_succeeded", "send", &json!({ "attempt": 0 })));
        let lines = board.lines(Format::Table, false);
        assert!(
            lines[4].contains("succeeded") && !lines[4].contains("approval"),
            "{lines:?}"
        );
    }

    #[test]
    fn what_has_no_end_of_its_own_is_cancelled_with_its_execution() {
        let mut board = board();
        board.apply(&event("step_ready", "fetch", &json!({})));
        board.apply(&event("cancel_requested", "", &json!({})));
        assert!(board.lines(Format::Table, false)[0].contains("cancelling"));
        board.apply(&event("paused", "", &json!({})));
        assert!(board.lines(Format::Table, false)[0].contains("paused"));
        board.apply(&event("cancelled", "", &json!({})));
        let lines = board.lines(Format::Table, false);
        assert!(lines[0].contains("cancelled 1.5 s"), "{lines:?}");
        assert!(lines[2].contains("cancelled"), "{lines:?}");
        assert_eq!(
            lines.len(),
            5,
            "an execution that has ended needs no hint: {lines:?}"
        );
    }
}
