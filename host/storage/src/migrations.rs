//! How an older store becomes a newer one: migrations in order, of which a
//! store has run the first so many. A store that has run more than this
//! program knows is refused.

use std::fmt::Display;

use crate::open::OpenError;

/// Every migration of a kind of store, in order. One that was ever released is
/// never changed.
pub(crate) struct Migrations(pub(crate) &'static [&'static str]);

impl Migrations {
    /// The newest schema that this program knows.
    pub(crate) const fn newest(&self) -> u32 {
        self.0.len() as u32
    }

    /// Refuses a store that a newer program wrote.
    pub(crate) fn check(&self, store: impl Display, found: u32) -> Result<(), OpenError> {
        let known = self.newest();
        if found <= known {
            return Ok(());
        }
        Err(OpenError::Newer {
            store: store.to_string(),
            found,
            known,
        })
    }

    /// What a store of this schema lacks, each with the number it then has.
    pub(crate) fn after(&self, version: u32) -> impl Iterator<Item = (u32, &'static str)> {
        (1..)
            .zip(self.0.iter().copied())
            .skip_while(move |(number, _)| *number <= version)
    }
}
