//! What an action says about itself, what the host knows about a component,
//! and the proof that it may run.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{ActionId, Digest};

/// What an action says about itself (`describe` in `nebula:action`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionMetadata {
    /// For example `weather.fetch`.
    pub id: ActionId,
    /// For people, e.g. `Fetch weather`.
    pub name: String,
    /// Of the action, semver.
    pub version: Version,
    /// One or two sentences.
    #[serde(default)]
    pub description: String,
    /// Where a catalog lists it, e.g. `http`.
    #[serde(default)]
    pub category: String,
    /// JSON Schema of the input; `true` accepts anything.
    pub input_schema: Value,
    /// JSON Schema of the output.
    pub output_schema: Value,
    /// Credentials that it asks for, by the name that its code uses.
    #[serde(default)]
    pub credentials: Vec<String>,
    /// Hosts that it asks for; `*` when they come from its input.
    #[serde(default)]
    pub hosts: Vec<String>,
}

/// The keyword of an input schema that says which resources an action asks for: an
/// object of their kinds, by the name that its code uses (`{"db": "sql"}`).
pub const RESOURCES: &str = "x-resources";

/// The keyword of an input schema that says that the action is a trigger (`true`): it
/// takes `{config, cursor}`, and gives `{cursor, events, more}`.
pub const TRIGGER: &str = "x-trigger";

impl ActionMetadata {
    /// Whether it is a trigger, which looks for what is new, and no step.
    #[must_use]
    pub fn is_trigger(&self) -> bool {
        self.input_schema.get(TRIGGER) == Some(&Value::Bool(true))
    }

    /// The name of its kind: `trigger`, or `action`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        if self.is_trigger() {
            "trigger"
        } else {
            "action"
        }
    }

    /// The kinds of the resources that it asks for, by the name that its code uses.
    #[must_use]
    pub fn resources(&self) -> BTreeMap<&str, &str> {
        let asked = self.input_schema.get(RESOURCES).and_then(Value::as_object);
        let kinds = asked.into_iter().flatten();
        kinds
            .filter_map(|(name, kind)| Some((name.as_str(), kind.as_str()?)))
            .collect()
    }
}

/// What an action can do to the world; known from its component's imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Imports no effect: a function of its input, its seed and the virtual time.
    Pure,
    /// Imports http, credentials, blobs, state or resources.
    Effectful,
}

/// The bytes of a WebAssembly component and their digest.
#[derive(Clone)]
pub struct Component {
    digest: Digest,
    bytes: Bytes,
}

impl Component {
    /// Takes the bytes and computes their digest.
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            digest: Digest::of(&bytes),
            bytes,
        }
    }

    /// SHA-256 of the bytes.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The component binary.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Component({}, {} bytes)", self.digest, self.bytes.len())
    }
}

/// Where a component comes from, and so why it may run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A signed statement names it, its version and its publisher.
    Statement,
    /// A cosign signature only.
    CosignOnly,
    /// No signature, where the tenant's policy allows it.
    Unsigned,
    /// Embedded in this binary.
    Embedded,
    /// A file named on the command line, or what a test was given; never through the API.
    Local,
}

/// Something that passed the checks of the hub. Only `nebula-hub` makes one
/// (a lint forbids [`Verified::vouch`] elsewhere), so that nothing unverified
/// can reach [`Runner::run`](crate::ports::Runner::run).
#[derive(Debug, Clone)]
pub struct Verified<T> {
    inner: Arc<T>,
    origin: Origin,
}

impl<T> Verified<T> {
    /// States that every check which `origin` asks for has passed.
    #[must_use]
    pub fn vouch(inner: T, origin: Origin) -> Self {
        Self {
            inner: Arc::new(inner),
            origin,
        }
    }

    /// Why it may run.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl<T> std::ops::Deref for Verified<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.inner
    }
}
