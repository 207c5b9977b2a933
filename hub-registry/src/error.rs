//! Why a component, or a set of them, was refused.

use std::io;

use nebula_flow::event::Failure;
use nebula_flow::{ActionId, Digest};

use crate::package::PackageName;
use crate::statement::Unstated;

/// Why a component, or a set of them, was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The file cannot be read.
    #[error("{name} cannot be read: {error}")]
    Read {
        /// The file's path.
        name: String,
        /// In the system's words.
        error: io::Error,
    },
    /// What the bytes are is not a component of ours.
    #[error("{name} {fault}")]
    Structure {
        /// Which component: a path, a pack's name or a digest.
        name: String,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The bytes are not those that were asked for.
    #[error(
        "the bytes of component {expected} are not what they were: their digest is {actual}; restore the data folder from a backup"
    )]
    Digest {
        /// By which it was asked for.
        expected: Digest,
        /// Of the bytes.
        actual: Digest,
    },
    /// A component that is not the package's.
    #[error("component {digest} is not one of those that {package} has")]
    Foreign {
        /// Name and version.
        package: String,
        /// Of the bytes.
        digest: Digest,
    },
    /// It may reach something that was not stated.
    #[error("{package}: {unstated}")]
    Unstated {
        /// The package.
        package: PackageName,
        /// What it is.
        unstated: Unstated,
    },
    /// The sandbox did not compile it, or it did not describe itself.
    #[error("{name} cannot be used: {failure}")]
    Prepare {
        /// Which component.
        name: String,
        /// In the sandbox's words.
        failure: Failure,
    },
    /// It describes no action.
    #[error("{name} describes no action; list at least one in `nebula_sdk::export!`")]
    NoActions {
        /// Which component.
        name: String,
    },
    /// Two components have the same action.
    #[error("{first} and {second} both have the action `{action}`; rename it in one of them")]
    Duplicate {
        /// The action.
        action: ActionId,
        /// The component that has it.
        first: String,
        /// The other one.
        second: String,
    },
    /// The first segment of the name belongs to the actions that Nebula ships.
    #[error(
        "{name} has the action `{action}`, but names that begin with `{prefix}.` belong to the actions that Nebula \
         ships; choose another first segment"
    )]
    Reserved {
        /// Which component.
        name: String,
        /// The action.
        action: ActionId,
        /// Its first segment.
        prefix: String,
    },
}

/// Why some bytes are not a component of ours. Reads on after its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Over the cap.
    #[error("has {size} bytes; a component has at most {limit}")]
    TooLarge {
        /// Bytes that it has, or as many as were read.
        size: u64,
        /// Bytes that are allowed.
        limit: u64,
    },
    /// More parts than any honest compiler makes.
    #[error("has {found} {what}; a component has at most {limit}")]
    TooMany {
        /// Of which part.
        what: &'static str,
        /// How many there are, or as many as were counted.
        found: u64,
        /// How many are allowed.
        limit: u64,
    },
    /// Not a component at all.
    #[error(
        "is {0}, not a WebAssembly component; build it with `cargo build --target wasm32-wasip2`"
    )]
    NotAComponent(&'static str),
    /// A component that is broken.
    #[error("is damaged or truncated at byte {offset}: {message}")]
    Malformed {
        /// Where.
        offset: usize,
        /// In the parser's words.
        message: String,
    },
    /// It asks for something that no action may have.
    #[error(
        "imports `{import}`, which no action may have; what it may import: nebula:action, and of WASI 0.2 only io, clocks, random, cli's standard streams and http's outgoing-handler"
    )]
    Import {
        /// As it stands in the component.
        import: String,
    },
    /// It exports no actions, or those of another contract.
    #[error(
        "exports no `nebula:action/actions@0.1`{}; list its actions in `nebula_sdk::export!`",
        instead(found)
    )]
    NoActions {
        /// The version it exports instead.
        found: Option<String>,
    },
}

fn instead(found: &Option<String>) -> String {
    found
        .as_ref()
        .map_or_else(String::new, |found| format!(" but `{found}`"))
}
