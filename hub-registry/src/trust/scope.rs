//! What a key may sign: a namespace, or one package in it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use crate::package::PackageName;
use crate::package::name::is_part;

/// A namespace (`acme`), or one package in it (`acme/weather`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// All packages of a namespace.
    Namespace(String),
    /// One package.
    Package(PackageName),
}

/// A text that is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a namespace, such as `acme`, nor a package, such as `acme/weather`")]
pub struct InvalidScope(String);

impl Scope {
    /// Whether it has this package.
    #[must_use]
    pub fn covers(&self, name: &PackageName) -> bool {
        match self {
            Self::Namespace(namespace) => namespace == name.namespace(),
            Self::Package(package) => package == name,
        }
    }

    /// The namespace, of which it may be a part.
    #[must_use]
    pub fn namespace(&self) -> &str {
        match self {
            Self::Namespace(namespace) => namespace,
            Self::Package(package) => package.namespace(),
        }
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        if is_part(text) {
            return Ok(Self::Namespace(text.to_owned()));
        }
        let package = text.parse().map(Self::Package);
        package.map_err(|_| InvalidScope(text.chars().take(128).collect()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace(namespace) => f.write_str(namespace),
            Self::Package(package) => f.write_str(package.as_str()),
        }
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(de::Error::custom)
    }
}
