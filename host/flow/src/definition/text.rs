//! The text forms of what documents write in one word: action references and
//! what a connection waits for.

use std::fmt;
use std::str::FromStr;

use semver::VersionReq;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{ActionRef, On};
use crate::id::ActionId;

/// A text that is not an action reference or not an `on`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidText(String);

impl From<ActionId> for ActionRef {
    fn from(id: ActionId) -> Self {
        Self { id, range: None }
    }
}

impl fmt::Display for ActionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.range {
            None => write!(f, "{}", self.id),
            Some(range) => write!(f, "{}@{range}", self.id),
        }
    }
}

impl FromStr for ActionRef {
    type Err = InvalidText;
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let (id, range) = match text.split_once('@') {
            None => (text, None),
            Some((id, range)) => (id, Some(range)),
        };
        let id = ActionId::new(id).map_err(|e| InvalidText(e.to_string()))?;
        let range = range.map(|r| version_range(text, r)).transpose()?;
        Ok(Self { id, range })
    }
}

fn version_range(text: &str, range: &str) -> Result<VersionReq, InvalidText> {
    let invalid = |why: &dyn fmt::Display| {
        let text: String = text.chars().take(160).collect();
        InvalidText(format!(
            "`{text}` has no valid version range behind `@`: {why} (write for example `@^1` or `@1.2.3`)"
        ))
    };
    if range.trim().is_empty() {
        return Err(invalid(&"it is empty"));
    }
    VersionReq::parse(range).map_err(|e| invalid(&e))
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success => f.write_str("success"),
            Self::Failure => f.write_str("failure"),
            Self::Skip => f.write_str("skip"),
            Self::Port(port) => write!(f, "port:{port}"),
        }
    }
}

impl FromStr for On {
    type Err = InvalidText;
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        match text {
            "success" => Ok(Self::Success),
            "failure" => Ok(Self::Failure),
            "skip" => Ok(Self::Skip),
            _ => match text.strip_prefix("port:") {
                Some(port) if is_port(port) => Ok(Self::Port(port.to_owned())),
                Some(_) => Err(InvalidText(
                    "a port's name is 1 to 64 of a-z, A-Z, 0-9, `-`, `_` and `.`".to_owned(),
                )),
                None => {
                    let text: String = text.chars().take(80).collect();
                    Err(InvalidText(format!(
                        "`{text}` is not what a connection can wait for: write success, failure, skip or port:<name>"
                    )))
                }
            },
        }
    }
}

fn is_port(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

macro_rules! as_text {
    ($name:ty) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

as_text!(ActionRef);
as_text!(On);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_reference_reads_back_from_its_text() {
        for text in [
            "weather.fetch",
            "weather.fetch@^1",
            "a.b.c@=1.2.3",
            "a.b@>=1.2, <2",
        ] {
            let parsed: ActionRef = text.parse().expect(text);
            assert_eq!(parsed.to_string(), text);
        }
        for text in ["weather", "weather.fetch@", "weather.fetch@soon", "@1", ""] {
            assert!(text.parse::<ActionRef>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_on_reads_back_from_its_text() {
        for text in ["success", "failure", "skip", "port:high"] {
            assert_eq!(text.parse::<On>().expect(text).to_string(), text);
        }
        for text in ["", "done", "port:", "port:a b"] {
            assert!(text.parse::<On>().is_err(), "{text}");
        }
    }
}
