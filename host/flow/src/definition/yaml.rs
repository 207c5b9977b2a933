//! YAML to a JSON value with the place of every part. Plain scalars follow the
//! core schema of YAML 1.2, so that `no` is a text.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::{Map, Value};

use super::diagnostic::{Code, Diagnostic, Position, child};
use super::scalar::plain;

/// How deep a document may nest.
const MAX_DEPTH: usize = 64;
/// The most values of a document, those behind aliases counted each time.
const MAX_VALUES: usize = 100_000;
/// The most bytes of text that aliases may repeat.
const MAX_REPEATED: usize = 4 << 20;

/// Where a value stands, and its parts.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    /// Of the value.
    pub(super) at: Position,
    /// Of the key before it.
    pub(super) key: Option<Position>,
    /// By key, or in order.
    pub(super) parts: Vec<(String, Spot)>,
}

/// Reads one document. Duplicate keys are reported beside the value; anything
/// else that is wrong ends the reading.
pub(super) fn read(text: &str) -> Result<(Value, Spot, Vec<Diagnostic>), Diagnostic> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        values: 0,
        repeated: 0,
        duplicates: Vec::new(),
    };
    let (value, spot) = reader.document()?;
    Ok((value, spot, reader.duplicates))
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    anchors: HashMap<usize, Anchor>,
    values: usize,
    repeated: usize,
    duplicates: Vec<Diagnostic>,
}

#[derive(Clone)]
struct Anchor {
    value: Value,
    depth: usize,
    values: usize,
    bytes: usize,
}

struct Parsed {
    value: Value,
    spot: Spot,
    depth: usize,
}

fn position(span: Span) -> Position {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Position {
        line: number(span.start.line()),
        column: number(span.start.col()).saturating_add(1),
    }
}

pub(super) fn wrong(code: Code, at: Position, message: impl Into<String>) -> Diagnostic {
    Diagnostic {
        position: Some(at),
        ..Diagnostic::new(code, "", message)
    }
}

impl<'t> Reader<'t> {
    fn document(&mut self) -> Result<(Value, Spot), Diagnostic> {
        let mut root = None;
        loop {
            let (event, at) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
                Event::DocumentStart(_) if root.is_some() => {
                    return Err(wrong(
                        Code::Syntax,
                        at,
                        "the text has more than one document",
                    ));
                }
                Event::DocumentStart(_) => {
                    let (event, at) = self.next()?;
                    root = Some(self.value(event, at, "", 1)?);
                }
                _ => return Err(wrong(Code::Syntax, at, "the text has more than one value")),
            }
        }
        let start = Position { line: 1, column: 1 };
        root.map(|root| (root.value, root.spot))
            .ok_or_else(|| wrong(Code::Syntax, start, "the text is empty"))
    }

    fn next(&mut self) -> Result<(Event<'t>, Position), Diagnostic> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, position(span))),
            Some(Err(error)) => {
                let at = *error.marker();
                let message = format!("not valid YAML: {}", error.info());
                Err(wrong(Code::Syntax, position(Span::empty(at)), message))
            }
            None => Ok((Event::StreamEnd, Position { line: 1, column: 1 })),
        }
    }

    fn value(
        &mut self,
        event: Event<'t>,
        at: Position,
        pointer: &str,
        level: usize,
    ) -> Result<Parsed, Diagnostic> {
        if level > MAX_DEPTH {
            return Err(wrong(
                Code::TooLarge,
                at,
                format!("the document nests deeper than {MAX_DEPTH} levels"),
            ));
        }
        let (before, bytes) = (self.values, self.repeated);
        self.count(1, at)?;
        let (anchor, parsed) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, scalar(text, style, tag.as_deref(), at)?)
            }
            Event::SequenceStart(anchor, tag) => {
                plain_tag(tag.as_deref(), "seq", at)?;
                (anchor, self.sequence(at, pointer, level)?)
            }
            Event::MappingStart(anchor, tag) => {
                plain_tag(tag.as_deref(), "map", at)?;
                (anchor, self.mapping(at, pointer, level)?)
            }
            Event::Alias(id) => (0, self.alias(id, at, level)?),
            _ => return Err(wrong(Code::Syntax, at, "a value is missing here")),
        };
        if anchor != 0 {
            let values = self.values - before;
            let bytes = crate::expression::weight(&parsed.value) + (self.repeated - bytes);
            self.anchors.insert(
                anchor,
                Anchor {
                    value: parsed.value.clone(),
                    depth: parsed.depth,
                    values,
                    bytes,
                },
            );
        }
        Ok(parsed)
    }

    fn count(&mut self, values: usize, at: Position) -> Result<(), Diagnostic> {
        self.values = self.values.saturating_add(values);
        if self.values > MAX_VALUES {
            return Err(wrong(
                Code::TooLarge,
                at,
                format!("the document has more than {MAX_VALUES} values"),
            ));
        }
        Ok(())
    }

    fn alias(&mut self, id: usize, at: Position, level: usize) -> Result<Parsed, Diagnostic> {
        // An anchor is known once its value is complete, so no value contains itself.
        let Some(anchor) = self.anchors.get(&id) else {
            return Err(wrong(
                Code::Syntax,
                at,
                "this alias names no value that stands before it",
            ));
        };
        let (depth, values, bytes) = (anchor.depth, anchor.values, anchor.bytes);
        self.count(values, at)?;
        self.repeated = self.repeated.saturating_add(bytes);
        if self.repeated > MAX_REPEATED || level + depth > MAX_DEPTH {
            return Err(wrong(
                Code::TooLarge,
                at,
                "the aliases of the document repeat too much",
            ));
        }
        let value = self
            .anchors
            .get(&id)
            .map_or(Value::Null, |anchor| anchor.value.clone());
        Ok(Parsed {
            value,
            spot: Spot {
                at,
                key: None,
                parts: Vec::new(),
            },
            depth,
        })
    }

    fn sequence(
        &mut self,
        at: Position,
        pointer: &str,
        level: usize,
    ) -> Result<Parsed, Diagnostic> {
        let (mut items, mut parts, mut depth) = (Vec::new(), Vec::new(), 1);
        loop {
            let (event, place) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            let index = items.len().to_string();
            let item = self.value(event, place, &child(pointer, &index), level + 1)?;
            depth = depth.max(item.depth + 1);
            items.push(item.value);
            parts.push((index, item.spot));
        }
        Ok(Parsed {
            value: Value::Array(items),
            spot: Spot {
                at,
                key: None,
                parts,
            },
            depth,
        })
    }

    fn mapping(&mut self, at: Position, pointer: &str, level: usize) -> Result<Parsed, Diagnostic> {
        let (mut entries, mut parts, mut depth) = (Map::new(), Vec::new(), 1);
        loop {
            let (event, place) = self.next()?;
            let key = match event {
                Event::MappingEnd => break,
                Event::Scalar(key, ..) => key.into_owned(),
                _ => return Err(wrong(Code::Syntax, place, "a key must be a text")),
            };
            let pointer = child(pointer, &key);
            let (event, value_at) = self.next()?;
            let mut item = self.value(event, value_at, &pointer, level + 1)?;
            depth = depth.max(item.depth + 1);
            item.spot.key = Some(place);
            if entries.contains_key(&key) {
                let message = format!(
                    "the key `{}` is given twice",
                    key.chars().take(80).collect::<String>()
                );
                self.duplicates.push(Diagnostic {
                    position: Some(place),
                    ..Diagnostic::new(Code::DuplicateKey, pointer, message)
                });
                continue;
            }
            entries.insert(key.clone(), item.value);
            parts.push((key, item.spot));
        }
        Ok(Parsed {
            value: Value::Object(entries),
            spot: Spot {
                at,
                key: None,
                parts,
            },
            depth,
        })
    }
}

/// Refuses every tag but the one of the core schema that says what is anyway.
fn plain_tag(tag: Option<&Tag>, expected: &str, at: Position) -> Result<(), Diagnostic> {
    match tag {
        None => Ok(()),
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == expected => Ok(()),
        Some(_) => Err(wrong(
            Code::Syntax,
            at,
            "this tag has no meaning here; remove it",
        )),
    }
}

fn scalar(
    text: Cow<'_, str>,
    style: ScalarStyle,
    tag: Option<&Tag>,
    at: Position,
) -> Result<Parsed, Diagnostic> {
    let value = match tag {
        Some(tag) if tag.is_yaml_core_schema() => match tag.suffix.as_str() {
            "str" => Value::String(text.into_owned()),
            "int" | "float" | "bool" | "null" => plain(text, at)?,
            _ => {
                return Err(wrong(
                    Code::Syntax,
                    at,
                    "this tag has no meaning here; remove it",
                ));
            }
        },
        Some(_) => {
            return Err(wrong(
                Code::Syntax,
                at,
                "this tag has no meaning here; remove it",
            ));
        }
        None if style == ScalarStyle::Plain => plain(text, at)?,
        None => Value::String(text.into_owned()),
    };
    Ok(Parsed {
        value,
        spot: Spot {
            at,
            key: None,
            parts: Vec::new(),
        },
        depth: 1,
    })
}
