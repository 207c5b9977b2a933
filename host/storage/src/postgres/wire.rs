//! News as nodes tell them each other: the text of a notification, at most so
//! many bytes. It says what is new, not what it is: that is in the tables.

use nebula_flow::id::{ExecutionId, TenantId};
use nebula_flow::ports::Status;

use crate::cells;

/// The server takes less than 8,000 bytes.
const MOST: usize = 7_900;

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Note {
    /// A message is in an inbox.
    Arrived(ExecutionId, u64),
    /// An append is committed.
    Appended {
        tenant: TenantId,
        execution: ExecutionId,
        version: u64,
        status: Status,
    },
    /// Something was not told: look at the log.
    Lagged,
    /// A node is here, and asks who else is.
    Hello,
    /// The answer.
    Here,
}

/// Notes as texts of notifications, each with the name of its sender in front.
pub(super) fn pack(sender: &str, notes: impl IntoIterator<Item = Note>) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for note in notes {
        let note = note.text();
        match texts.last_mut() {
            Some(text) if text.len() + 1 + note.len() <= MOST => {
                text.push(';');
                text.push_str(&note);
            }
            _ => texts.push(format!("{sender};{note}")),
        }
    }
    texts
}

/// The sender and the notes of a notification; what cannot be read, because a
/// newer node wrote it, is something that was not told.
pub(super) fn unpack(text: &str) -> (&str, Vec<Note>) {
    let mut parts = text.split(';');
    let sender = parts.next().unwrap_or_default();
    let notes = parts.map(|part| Note::read(part).unwrap_or(Note::Lagged));
    (sender, notes.collect())
}

impl Note {
    fn text(&self) -> String {
        match self {
            Self::Arrived(id, seq) => format!("a.{:x}.{seq}", id.as_u128()),
            Self::Appended {
                tenant,
                execution,
                version,
                status,
            } => {
                let (id, status) = (execution.as_u128(), cells::status_number(*status));
                format!("c.{id:x}.{version}.{status}.{tenant}")
            }
            Self::Lagged => "l".into(),
            Self::Hello => "h".into(),
            Self::Here => "r".into(),
        }
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let kind = parts.next()?;
        let mut id = || {
            let number = u128::from_str_radix(parts.next()?, 16).ok()?;
            Some(ExecutionId::from_u128(number))
        };
        let note = match kind {
            "a" => Self::Arrived(id()?, parts.next()?.parse().ok()?),
            "c" => Self::Appended {
                execution: id()?,
                version: parts.next()?.parse().ok()?,
                status: cells::status(parts.next()?.parse().ok()?).ok()?,
                tenant: parts.next()?.parse().ok()?,
            },
            "l" => Self::Lagged,
            "h" => Self::Hello,
            "r" => Self::Here,
            _ => return None,
        };
        parts.next().is_none().then_some(note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appended(version: u64) -> Note {
        Note::Appended {
            tenant: TenantId::default_tenant(),
            execution: ExecutionId::from_u128(u128::MAX - 1),
            version,
            status: Status::Cancelled,
        }
    }

    #[test]
    fn notes_read_back_from_their_notifications() {
        let mut notes = vec![Note::Hello, Note::Here, Note::Lagged];
        notes.extend((0..300).map(|n| Note::Arrived(ExecutionId::from_u128(n << 80), u64::MAX)));
        notes.extend((0..300).map(appended));
        let texts = pack("me", notes.clone());
        assert!(texts.len() > 1 && texts.iter().all(|text| text.len() <= MOST));
        let read: Vec<_> = texts.iter().flat_map(|text| unpack(text).1).collect();
        assert_eq!(read, notes);
        assert!(texts.iter().all(|text| unpack(text).0 == "me"));
    }

    #[test]
    fn what_cannot_be_read_was_not_told() {
        for text in [
            "x;?",
            "x;",
            "x;a.1",
            "x;a.g.1",
            "x;a.1.1.1",
            "x;c.1.1.9.default",
            "x;c.1.1.1.;",
        ] {
            let (sender, notes) = unpack(text);
            assert_eq!(sender, "x");
            assert!(
                notes.iter().all(|note| *note == Note::Lagged),
                "{text}: {notes:?}"
            );
        }
        assert_eq!(unpack(""), ("", Vec::new()));
    }
}
