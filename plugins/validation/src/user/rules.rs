//! What a field may be.

use nebula_sdk::prelude::*;

/// What must hold beyond the usual. Each rule narrows; one that would widen
/// what always holds is refused.
#[data]
#[derive(Debug, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Fields that must be there, beside `email`.
    pub require: Vec<String>,
    /// Characters of `name`, within 1 to 200.
    pub name: Bounds,
    /// Characters of `username`, within 1 to 64.
    pub username: Bounds,
    /// Characters of `password`, within 8 to 256.
    pub password: Bounds,
    /// Kinds of characters in `password` of lower case, upper case, digits and
    /// others: 1 to 4, 1 if not given.
    pub password_kinds: Option<u32>,
    /// Years, within 0 to 150.
    pub age: Bounds,
}

/// From `min` to `max`, both included.
#[data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    /// The least.
    pub min: Option<u32>,
    /// The most.
    pub max: Option<u32>,
}

/// The rules with what always holds.
#[derive(Debug)]
pub(super) struct Limits<'a> {
    pub(super) require: &'a [String],
    pub(super) name: Range,
    pub(super) username: Range,
    pub(super) password: Range,
    pub(super) password_kinds: u32,
    pub(super) age: Range,
}

/// From the first to the second, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range(pub(super) u32, pub(super) u32);

/// What always holds. The least length of a password is that of NIST SP
/// 800-63B-4, section 3.1.1.2.
const NAME: Range = Range(1, 200);
const USERNAME: Range = Range(1, 64);
const PASSWORD: Range = Range(8, 256);
const PASSWORD_KINDS: Range = Range(1, 4);
const AGE: Range = Range(0, 150);

impl Rules {
    /// The rules with what always holds.
    ///
    /// # Errors
    /// [`ActionError::InvalidInput`] for a rule that would widen it, or that
    /// nothing fits.
    pub(super) fn limits(&self) -> Result<Limits<'_>> {
        let kinds = Bounds {
            min: self.password_kinds,
            max: None,
        };
        Ok(Limits {
            require: &self.require,
            name: NAME.narrowed("name", self.name)?,
            username: USERNAME.narrowed("username", self.username)?,
            password: PASSWORD.narrowed("password", self.password)?,
            password_kinds: PASSWORD_KINDS.narrowed("password_kinds", kinds)?.0,
            age: AGE.narrowed("age", self.age)?,
        })
    }
}

impl Range {
    pub(super) const fn holds(self, number: u64) -> bool {
        self.0 as u64 <= number && number <= self.1 as u64
    }

    fn narrowed(self, field: &str, to: Bounds) -> Result<Self> {
        let narrow = Self(to.min.unwrap_or(self.0), to.max.unwrap_or(self.1));
        if self.0 <= narrow.0 && narrow.0 <= narrow.1 && narrow.1 <= self.1 {
            return Ok(narrow);
        }
        Err(ActionError::invalid_input(format!(
            "rules.{field}: {} to {} is not within {} to {}; a rule can only narrow",
            narrow.0, narrow.1, self.0, self.1
        )))
    }
}
