//! What the hub refused, as the command's error and exit code.

use nebula_hub::fetch::FetchError;
use nebula_hub::oci::RegistryError;
use nebula_hub::publish::PublishError;

use crate::error::{Error, Exit};

pub(super) fn registry(error: &RegistryError) -> Error {
    let exit = match error {
        RegistryError::Missing { .. } => Exit::NotFound,
        RegistryError::Altered { .. } | RegistryError::TooLarge { .. } => Exit::Altered,
        _ => Exit::Registry,
    };
    Error::refused(error.to_string()).with_exit(exit)
}

pub(super) fn publish(error: &PublishError) -> Error {
    match error {
        PublishError::Registry(error) => registry(error),
        PublishError::Taken { .. } | PublishError::Busy { .. } => {
            Error::refused(error.to_string()).with_exit(Exit::Taken)
        }
        PublishError::Slow { .. } => Error::refused(error.to_string()).with_exit(Exit::Registry),
        _ => Error::refused(error.to_string()),
    }
}

pub(super) fn fetch(error: &FetchError) -> Error {
    match error {
        FetchError::Registry(error) => registry(error),
        FetchError::UnknownPackage { .. } | FetchError::UnknownVersion { .. } => {
            Error::refused(error.to_string()).with_exit(Exit::NotFound)
        }
        FetchError::Index { .. } => Error::refused(error.to_string()).with_exit(Exit::Untrusted),
        FetchError::NoRegistry | FetchError::Cache(_) => Error::refused(error.to_string()),
        _ => Error::refused(error.to_string()).with_exit(Exit::Altered),
    }
}
