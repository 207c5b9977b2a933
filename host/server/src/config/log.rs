//! How the process logs.

use super::layers::Layers;
use super::setting::{Setting, one_of};

/// How the process logs, to standard error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Which lines: a level, or levels by module, e.g. `info,nebula_engine=debug`.
    pub filter: String,
    /// In which shape.
    pub format: LogFormat,
}

/// The shape of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            filter: "info".into(),
            format: LogFormat::Text,
        }
    }
}

impl LogConfig {
    /// These as defaults, below what the layers say.
    pub(super) fn read(self, from: &mut Layers) -> Self {
        Self {
            filter: from.get("log", self.filter),
            format: from.get("log_format", self.format),
        }
    }
}

impl Setting for LogFormat {
    fn read(text: &str) -> Result<Self, String> {
        one_of(text, &[("text", Self::Text), ("json", Self::Json)])
    }

    fn show(&self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::Json => "json".into(),
        }
    }
}
