//! The checkout whose SDK a new crate leans on. No registry has the SDK, so it
//! is a path.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The checkout that this binary was built from, if it is still there.
const OWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// What this binary and its actions have agreed on.
const CONTRACT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit/action.wit"));
/// Where the SDK stands in a checkout.
const PLACE: &str = "guest-sdk/sdk";

/// A checkout with the SDK.
pub(super) struct Sdk {
    checkout: PathBuf,
    /// The SDK's own folder, absolute.
    folder: String,
}

impl Sdk {
    /// The one that is named, else the one that this binary was built from, as
    /// long as its actions would run in this binary.
    pub(super) fn find(named: Option<&Path>) -> Result<Self> {
        if let Some(named) = named {
            return Self::at(named).ok_or_else(|| {
                Error::refused(format!("`{}` is no checkout of Nebula", named.display())).hint(
                    format!("--sdk takes the folder that has {PLACE}/Cargo.toml in it"),
                )
            });
        }
        let missing = |why: &str| {
            Error::refused(format!("there is no SDK for the crate: {why}"))
                .hint("name a checkout of Nebula with --sdk FOLDER")
        };
        let sdk = Self::at(Path::new(OWN))
            .ok_or_else(|| missing("the checkout that this binary was built from is gone"))?;
        match std::fs::read_to_string(sdk.checkout.join("wit/action.wit")) {
            Ok(contract) if contract == CONTRACT => Ok(sdk),
            _ => Err(missing(
                "the checkout that this binary was built from has another contract (wit/action.wit) by now",
            )),
        }
    }

    /// The SDK in this checkout, or in this folder itself.
    fn at(folder: &Path) -> Option<Self> {
        let folder = folder.canonicalize().ok()?;
        let checkout = folder
            .ancestors()
            .take(PLACE.split('/').count() + 1)
            .find(|folder| folder.join(PLACE).join("Cargo.toml").is_file())?;
        let sdk = checkout.join(PLACE);
        Some(Self {
            checkout: checkout.to_owned(),
            folder: sdk.to_str()?.to_owned(),
        })
    }

    /// The SDK's folder, as the crate names it.
    pub(super) fn folder(&self) -> &str {
        &self.folder
    }

    /// The versions of all other crates that the checkout was tested with.
    pub(super) fn lock(&self) -> Option<String> {
        std::fs::read_to_string(self.checkout.join("Cargo.lock")).ok()
    }

    /// The compiler that the checkout was tested with.
    pub(super) fn toolchain(&self) -> Option<String> {
        std::fs::read_to_string(self.checkout.join("rust-toolchain.toml")).ok()
    }
}
