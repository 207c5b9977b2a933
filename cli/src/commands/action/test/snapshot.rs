//! What is to come out of a call, in a file beside its input: `input.snapshot.json`
//! of `input.json`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::error::{Error, Result};

/// Differences that are told.
const MOST: usize = 20;
/// What of an answer comes out of the action.
const PARTS: [&str; 6] = ["output", "port", "skipped", "waits_for", "state", "error"];

pub(super) struct Snapshot {
    file: PathBuf,
}

impl Snapshot {
    pub(super) fn beside(input: &Path) -> Self {
        let file = input.with_extension("snapshot.json");
        Self { file }
    }

    /// Keeps what came out.
    pub(super) fn write(&self, answer: &Value) -> Result<Value> {
        let text = format!("{:#}\n", came_out(answer));
        std::fs::write(&self.file, text).map_err(|e| self.refused(&format!("be written: {e}")))?;
        Ok(json!({ "file": self.file, "written": true }))
    }

    /// How what came out differs; none without a file.
    pub(super) fn compare(&self, answer: &Value) -> Result<Option<Value>> {
        let text = match std::fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(self.refused(&format!("be read: {e}"))),
        };
        let read = |text: &str| serde_json::from_str::<Value>(text);
        let expected = read(&text).map_err(|e| self.refused(&format!("be read: {e}")))?;
        // Through its text, as the expected one: a number may lose its last bit there.
        let found = came_out(answer).to_string();
        let found = read(&found).map_err(|e| self.refused(&format!("be compared: {e}")))?;
        let mut differences = Vec::new();
        differ("", Some(&expected), Some(&found), &mut differences);
        Ok(Some(json!({
            "file": self.file, "matches": differences.is_empty(), "differences": differences,
        })))
    }

    fn refused(&self, cannot: &str) -> Error {
        let file = self.file.display();
        Error::refused(format!("the snapshot `{file}` cannot {cannot}"))
            .hint("--update writes it anew")
    }
}

fn came_out(answer: &Value) -> Value {
    let parts = PARTS.iter();
    parts
        .filter_map(|part| Some(((*part).to_owned(), answer.get(*part)?.clone())))
        .collect()
}

/// Tells where two values differ, as deep as possible.
fn differ(at: &str, expected: Option<&Value>, found: Option<&Value>, told: &mut Vec<Value>) {
    if expected == found || told.len() >= MOST {
        return;
    }
    let step = |key: &str| format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
    match (expected, found) {
        (Some(Value::Object(expected)), Some(Value::Object(found))) => {
            let more = found.keys().filter(|key| !expected.contains_key(*key));
            for key in expected.keys().chain(more) {
                differ(&step(key), expected.get(key), found.get(key), told);
            }
        }
        (Some(Value::Array(expected)), Some(Value::Array(found))) => {
            for i in 0..expected.len().max(found.len()) {
                differ(&step(&i.to_string()), expected.get(i), found.get(i), told);
            }
        }
        _ => {
            let mut one = json!({ "pointer": at });
            for (name, value) in [("expected", expected), ("found", found)] {
                if let Some(value) = value {
                    one[name] = value.clone();
                }
            }
            told.push(one);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_by_their_place() {
        let expected = json!({ "output": { "a": [1, 2], "b/c": true, "gone": null } });
        let found = json!({ "output": { "a": [1, 3, 4], "b/c": false, "new": 1 } });
        let mut told = Vec::new();
        differ("", Some(&expected), Some(&found), &mut told);
        assert_eq!(
            Value::from(told),
            json!([
                { "pointer": "/output/a/1", "expected": 2, "found": 3 },
                { "pointer": "/output/a/2", "found": 4 },
                { "pointer": "/output/b~1c", "expected": true, "found": false },
                { "pointer": "/output/gone", "expected": null },
                { "pointer": "/output/new", "found": 1 },
            ])
        );
    }

    #[test]
    fn only_what_the_action_gives_is_kept() {
        let answer = json!({ "output": 1, "usage": { "fuel": 7 }, "logs": [] });
        assert_eq!(came_out(&answer), json!({ "output": 1 }));
    }
}
