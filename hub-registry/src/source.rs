//! Components embedded in this binary, in a file, in the store, in a package.
//! Each is checked before it is vouched for.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use nebula_flow::component::Origin;
use nebula_flow::{Component, Digest, Verified};

use crate::error::{Fault, HubError};
use crate::package::PackageName;
use crate::statement::StatedComponent;
use crate::structure::{self, MAX_COMPONENT, Shape};

/// A component that is part of this binary.
///
/// # Errors
/// When it is not a component of ours: the binary was built wrongly.
pub fn embedded(bytes: &'static [u8]) -> Result<Verified<Component>, HubError> {
    vouch(
        "an embedded component",
        Component::new(bytes),
        Origin::Embedded,
    )
}

/// A component in a file that a person named on the command line.
///
/// # Errors
/// When the file cannot be read, is too large, or is not a component of ours.
pub fn local(path: impl AsRef<Path>) -> Result<Verified<Component>, HubError> {
    let path = path.as_ref();
    let name = path.display().to_string();
    let unreadable = |error| HubError::Read {
        name: name.clone(),
        error,
    };
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let mut bytes = Vec::new();
    if size <= MAX_COMPONENT {
        // The file may grow meanwhile, or be a pipe without an end.
        file.take(MAX_COMPONENT + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
    }
    let size = size.max(bytes.len() as u64);
    if size > MAX_COMPONENT {
        return Err(HubError::Structure {
            name,
            fault: Fault::TooLarge {
                size,
                limit: MAX_COMPONENT,
            },
        });
    }
    vouch(&name, Component::new(bytes), Origin::Local)
}

/// A component that the caller built and holds, under the name that messages call it by.
///
/// # Errors
/// When it is not a component of ours.
pub fn built(name: &str, bytes: impl Into<bytes::Bytes>) -> Result<Verified<Component>, HubError> {
    vouch(name, Component::new(bytes), Origin::Local)
}

/// A component from the store, which a deployed version pinned by its digest
/// after it was checked as `origin` asks.
///
/// # Errors
/// When the bytes have another digest, or are not a component of ours.
pub fn stored(
    bytes: impl Into<bytes::Bytes>,
    pinned: Digest,
    origin: Origin,
) -> Result<Verified<Component>, HubError> {
    let component = Component::new(bytes);
    let actual = component.digest();
    if actual != pinned {
        return Err(HubError::Digest {
            expected: pinned,
            actual,
        });
    }
    vouch(&format!("component {pinned}"), component, origin)
}

/// A component of a package that was accepted, and what is stated about it.
pub(crate) fn packaged(
    package: &PackageName,
    component: Component,
    stated: Option<&StatedComponent>,
    origin: Origin,
) -> Result<Verified<Component>, HubError> {
    let shape = check(&format!("a component of {package}"), &component)?;
    if let Some(stated) = stated {
        let covered = stated.covers_binary(&shape);
        covered.map_err(|unstated| HubError::Unstated {
            package: package.clone(),
            unstated,
        })?;
    }
    Ok(state(component, origin))
}

fn vouch(
    name: &str,
    component: Component,
    origin: Origin,
) -> Result<Verified<Component>, HubError> {
    check(name, &component)?;
    Ok(state(component, origin))
}

fn check(name: &str, component: &Component) -> Result<Shape, HubError> {
    structure::check(component.bytes()).map_err(|fault| HubError::Structure {
        name: name.to_owned(),
        fault,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that vouches, after the checks"
)]
fn state(component: Component, origin: Origin) -> Verified<Component> {
    Verified::vouch(component, origin)
}
