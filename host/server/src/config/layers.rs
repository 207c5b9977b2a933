//! Settings in layers: defaults, then a file, then the environment, then the
//! command line; the last that says something wins, and it is known which it
//! was. What no setting takes is a mistake.
//!
//! The name of a variable follows from the setting's: `http.max_body` is
//! `NEBULA_HTTP_MAX_BODY`.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::file::{File, Raw};
use super::setting::Setting;

/// What variables of the environment begin with.
const PREFIX: &str = "NEBULA_";
/// Variables that read as settings of a section, and are of the command that
/// signs packages.
const OF_SIGNERS: [&str; 2] = ["NEBULA_HUB_KEY", "NEBULA_HUB_PASSPHRASE"];

/// Where settings come from.
#[derive(Debug, Default)]
pub struct Layers {
    file: Option<File>,
    environment: BTreeMap<String, String>,
    line: BTreeMap<&'static str, (&'static str, Raw)>,
    shown: Vec<Shown>,
    mistakes: Vec<Mistake>,
}

/// A setting, its value and where that came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The setting's name, e.g. `http.max_body`.
    pub setting: String,
    /// Its value; empty if it is not set.
    pub value: String,
    /// Where it came from.
    #[serde(serialize_with = "as_text")]
    pub source: Source,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nobody said otherwise.
    Default,
    /// This line of the file.
    File(PathBuf, usize),
    /// This variable.
    Environment(String),
    /// This option.
    CommandLine(&'static str),
}

/// A mistake in the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands.
    pub source: Source,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
}

/// Every mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl Layers {
    /// The environment, of which only what begins with `NEBULA_` is looked at.
    #[must_use]
    pub fn with_environment(
        mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        // An empty variable counts as one that is not set.
        self.environment = variables
            .into_iter()
            .filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty())
            .filter(|(name, _)| !OF_SIGNERS.contains(&name.as_str()))
            .collect();
        self
    }

    /// An option of the command line, if it was given.
    #[must_use]
    pub fn with_option(
        mut self,
        setting: &'static str,
        option: &'static str,
        value: Option<String>,
    ) -> Self {
        if let Some(value) = value {
            self.line.insert(setting, (option, Raw::One(value)));
        }
        self
    }

    /// An option of the command line that may be repeated.
    #[must_use]
    pub fn with_options(
        mut self,
        setting: &'static str,
        option: &'static str,
        values: Vec<String>,
    ) -> Self {
        if !values.is_empty() {
            self.line.insert(setting, (option, Raw::List(values)));
        }
        self
    }

    /// A TOML file.
    ///
    /// # Errors
    /// When it cannot be read or is not TOML.
    pub fn with_file(mut self, path: &Path) -> Result<Self, Mistakes> {
        self.file = Some(File::read(path)?);
        Ok(self)
    }

    /// The value of a setting.
    pub(super) fn get<T: Setting>(&mut self, setting: &str, default: T) -> T {
        let Some((raw, source)) = self.find(setting) else {
            self.show(setting, &default, Source::Default);
            return default;
        };
        let read = match &raw {
            Raw::One(text) => T::read(text),
            Raw::List(list) => T::read_list(list),
            Raw::Odd(what) => Err(format!("{what} is not a value of any setting")),
        };
        match read {
            Ok(value) => {
                self.show(setting, &value, source);
                value
            }
            Err(message) => {
                self.show(setting, &default, Source::Default);
                self.mistake(source, format!("`{setting}`: {message}"), None);
                default
            }
        }
    }

    /// The value of a setting that has bounds.
    pub(super) fn get_in<T: Setting + PartialOrd + Clone>(
        &mut self,
        setting: &str,
        default: T,
        bounds: RangeInclusive<T>,
    ) -> T {
        let value = self.get(setting, default.clone());
        if bounds.contains(&value) {
            return value;
        }
        let (least, most) = (bounds.start().show(), bounds.end().show());
        let message = format!(
            "`{setting}`: {} is not between {least} and {most}",
            value.show()
        );
        let source = self
            .find(setting)
            .map_or(Source::Default, |(_, source)| source);
        self.mistake(source, message, None);
        default
    }

    /// The names of the file's sections below a section: `orders` for
    /// `[resources.orders]`.
    pub(super) fn sections(&self, of: &str) -> Vec<String> {
        let values = self.file.iter().flat_map(|file| file.values.keys());
        let inner = values.filter_map(|name| name.strip_prefix(of)?.strip_prefix('.'));
        let mut names: Vec<String> = inner
            .filter_map(|rest| Some(rest.split_once('.')?.0.to_owned()))
            .collect();
        names.dedup();
        names
    }

    /// A mistake between several settings of one section.
    pub(super) fn refuse(&mut self, section: &str, message: &str, hint: &str) {
        let source = self
            .shown
            .iter()
            .filter(|s| s.setting.starts_with(section) && s.source != Source::Default)
            .map(|s| s.source.clone())
            .next_back()
            .unwrap_or(Source::Default);
        self.mistake(source, message.to_owned(), Some(hint.to_owned()));
    }

    /// What was read, unless there were mistakes, or something that nothing takes.
    pub(super) fn finish(mut self) -> Result<Vec<Shown>, Mistakes> {
        self.refuse_unknown_values();
        self.refuse_unknown_variables();
        if self.mistakes.is_empty() {
            Ok(self.shown)
        } else {
            Err(Mistakes(self.mistakes))
        }
    }

    fn refuse_unknown_values(&mut self) {
        let Some(file) = self.file.take() else { return };
        for (name, (_, line)) in &file.values {
            if self.shown.iter().any(|s| s.setting == *name) {
                continue;
            }
            let section = format!("{name}.");
            let hint = if self.shown.iter().any(|s| s.setting.starts_with(&section)) {
                Some(format!(
                    "`{name}` is a section: write `[{name}]` above its settings"
                ))
            } else {
                self.nearest(name)
            };
            let source = Source::File(file.path.clone(), *line);
            self.mistake(source, format!("there is no setting `{name}`"), hint);
        }
    }

    /// Variables of the sections are ours alone; others that begin with
    /// `NEBULA_` are of the command line or of someone else.
    fn refuse_unknown_variables(&mut self) {
        let known: Vec<String> = self.shown.iter().map(|s| variable(&s.setting)).collect();
        let sections: Vec<String> = self
            .shown
            .iter()
            .filter_map(|s| s.setting.split_once('.'))
            .map(|(section, _)| format!("{}_", variable(section)))
            .collect();
        for name in std::mem::take(&mut self.environment).into_keys() {
            if known.contains(&name) || !sections.iter().any(|s| name.starts_with(s)) {
                continue;
            }
            let hint = closest(&name, known.iter().map(String::as_str));
            let hint = hint.map(|near| format!("did you mean `{near}`?"));
            self.mistake(
                Source::Environment(name),
                "there is no such setting".into(),
                hint,
            );
        }
    }

    fn nearest(&self, name: &str) -> Option<String> {
        let near = closest(name, self.shown.iter().map(|s| s.setting.as_str()))?;
        Some(format!("did you mean `{near}`?"))
    }

    fn find(&self, setting: &str) -> Option<(Raw, Source)> {
        if let Some((option, raw)) = self.line.get(setting) {
            return Some((raw.clone(), Source::CommandLine(option)));
        }
        let name = variable(setting);
        if let Some(text) = self.environment.get(&name) {
            return Some((Raw::One(text.clone()), Source::Environment(name)));
        }
        let file = self.file.as_ref()?;
        let (raw, line) = file.values.get(setting)?;
        Some((raw.clone(), Source::File(file.path.clone(), *line)))
    }

    fn show<T: Setting>(&mut self, setting: &str, value: &T, source: Source) {
        self.shown.push(Shown {
            setting: setting.into(),
            value: value.show(),
            source,
        });
    }

    fn mistake(&mut self, source: Source, message: String, hint: Option<String>) {
        self.mistakes.push(Mistake {
            source,
            message,
            hint,
        });
    }
}

/// The variable of a setting.
fn variable(setting: &str) -> String {
    format!("{PREFIX}{}", setting.replace('.', "_").to_ascii_uppercase())
}

fn closest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, known)| *distance <= known.len() / 3)
        .min()
        .map(|(_, known)| known)
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, 0) => write!(f, "{}", path.display()),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::CommandLine(option) => f.write_str(option),
        }
    }
}

fn as_text<S: serde::Serializer>(source: &Source, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(source)
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "the configuration has a mistake:")?,
            n => write!(f, "the configuration has {n} mistakes:")?,
        }
        for Mistake {
            source,
            message,
            hint,
        } in &self.0
        {
            write!(f, "\n  {source}: {message}")?;
            if let Some(hint) = hint {
                write!(f, "\n    hint: {hint}")?;
            }
        }
        Ok(())
    }
}
