//! Where a user's files are, after the XDG base directory specification.

use std::path::PathBuf;

/// The folder that a variable names, else this one below the user's home; none
/// if that is not known.
pub(crate) fn of_user(variable: &str, below_home: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(below_home));
    named.filter(|folder| folder.is_absolute()).or_else(home)
}
