//! What the host holds for actions and shares between calls: databases, mail servers, and
//! small values by key. An action asks for it in its metadata
//! (`#[action(resources(db = "sql"))]`), the operator configures it, and a node of the
//! workflow binds the one to the other.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backend::{Cursor, Database};
use crate::context::ActionContext;
use crate::wire;

mod kv;
mod smtp;

pub use kv::{Entry, Keys, Kv};
pub use smtp::{Attachment, Message, Smtp};

/// A kind of resource: `ctx.resource::<Sql>("db").await?`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no kind of resource",
    label = "this is no kind of resource",
    note = "the kinds are `Sql`, `Smtp` and `Kv`"
)]
pub trait Resource: Sized {
    /// Its name in an action's metadata.
    const KIND: &'static str;

    #[doc(hidden)]
    fn open(ctx: &ActionContext, name: &str) -> Result<Self, ResourceError>;
}

/// A resource of an author's, under one name: `#[derive(Resource)]`.
///
/// ```ignore
/// #[derive(Resource)]
/// #[resource(name = "orders")]
/// struct Orders(Sql);
///
/// // An action that has `#[action(id = "shop.open_orders", resources(Orders))]`:
/// let orders = Orders::open(ctx).await?;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no resource with a name",
    label = "this is no resource with a name",
    note = "it is a struct around one, with `#[derive(Resource)]` and `#[resource(name = \"orders\")]`: \
            `struct Orders(Sql);`; or write `orders = \"sql\"`"
)]
pub trait NamedResource: Sized {
    /// What it is.
    type Kind: Resource;

    /// By which name the action asks for it.
    const NAME: &'static str;
}

/// Name and kind of a resource that an action asks for by its type.
#[doc(hidden)]
#[must_use]
pub const fn asked<R: NamedResource>() -> (&'static str, &'static str) {
    (R::NAME, R::Kind::KIND)
}

/// What is behind a resource of an author's.
#[doc(hidden)]
pub async fn open_named<R: NamedResource>(ctx: &ActionContext) -> Result<R::Kind, ResourceError> {
    ctx.resource(R::NAME).await
}

/// Fails where a resource says that it is of another kind than it is.
///
/// # Panics
/// When it does.
#[doc(hidden)]
pub const fn check_kind(is: &str, said: &str) {
    assert!(
        is_equal(is.as_bytes(), said.as_bytes()),
        "the resource is of another kind than its attribute says"
    );
}

/// Fails where two of an action's resources have the same name: it is called when the
/// action is compiled.
///
/// # Panics
/// When two have.
#[doc(hidden)]
pub const fn check_names(resources: &[(&str, &str)]) {
    let mut one = 0;
    while one < resources.len() {
        let mut other = 0;
        while other < one {
            assert!(
                !is_equal(resources[one].0.as_bytes(), resources[other].0.as_bytes()),
                "two resources of this action have the same name"
            );
            other += 1;
        }
        one += 1;
    }
}

const fn is_equal(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// A database. Each statement is a transaction of its own, and reads or changes rows.
/// Values are never part of its text: `$1` is the first of its parameters.
///
/// ```
/// # use nebula_action::resource::{ResourceError, Sql};
/// # async fn orders(db: &Sql) -> Result<(), ResourceError> {
/// let open: Vec<(u64, String)> = db
///     .query("SELECT id, city FROM orders WHERE total > $1", &(100,))
///     .await?
///     .all::<Order>()
///     .await?
///     .into_iter()
///     .map(|order| (order.id, order.city))
///     .collect();
/// # Ok(())
/// # }
/// # #[derive(serde::Deserialize)]
/// # struct Order { id: u64, city: String }
/// ```
#[derive(Debug)]
pub struct Sql(Database);

/// Which SQL a database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    PostgreSql,
    /// MySQL or MariaDB.
    MySql,
}

/// The rows of a statement, as they come. What the statement changed takes effect when
/// all were read, and is undone if they are dropped before.
#[derive(Debug)]
pub struct Rows(Cursor);

/// Why a resource cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceError {
    /// The action does not ask for this name in its metadata.
    Undeclared(String),
    /// The node binds nothing to the name, or something that is not there, of another
    /// kind or not for this action: why, and how to bind it.
    Unbound(String),
    /// What was asked is wrong, or not allowed.
    Refused(String),
    /// A constraint of the database would be broken, e.g. a key is taken.
    Constraint(String),
    /// More rows, bytes, recipients, keys or time than the operator allows.
    Limit(String),
    /// The resource is in trouble; trying again may help.
    Unavailable(String),
}

impl Resource for Sql {
    const KIND: &'static str = "sql";

    fn open(ctx: &ActionContext, name: &str) -> Result<Self, ResourceError> {
        ctx.backend.database(name).map(Self)
    }
}

impl Sql {
    /// Which SQL it speaks.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.0.dialect()
    }

    /// Begins a statement that gives rows; at most two at once. The parameters are a
    /// tuple or a list, `&()` for none.
    ///
    /// # Errors
    /// When it cannot be begun. What goes wrong later comes with the rows.
    pub async fn query(
        &self,
        statement: &str,
        parameters: &(impl Serialize + ?Sized),
    ) -> Result<Rows, ResourceError> {
        self.0.query(statement, list(parameters)?).map(Rows)
    }

    /// Runs a statement; how many rows it changed.
    ///
    /// # Errors
    /// When it has changed nothing.
    pub async fn execute(
        &self,
        statement: &str,
        parameters: &(impl Serialize + ?Sized),
    ) -> Result<u64, ResourceError> {
        self.0.execute(statement, list(parameters)?)
    }
}

/// Parameters as the host takes them: a list.
fn list(parameters: &(impl Serialize + ?Sized)) -> Result<Vec<u8>, ResourceError> {
    const NIL: u8 = 0xc0;
    const NOTHING: u8 = 0x90;
    let mut list = wire::encode(parameters)
        .map_err(|e| ResourceError::Refused(format!("the parameters: {e}")))?;
    if list == [NIL] {
        list[0] = NOTHING;
    }
    Ok(list)
}

impl Rows {
    /// The next rows; none at the end. A row is a map from column to value.
    ///
    /// # Errors
    /// When a row is not of this type, or what went wrong meanwhile.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<Vec<T>>, ResourceError> {
        let Some(part) = self.0.next()? else {
            return Ok(None);
        };
        let rows = wire::decode(&part)
            .map_err(|e| ResourceError::Refused(format!("the rows are of another type: {e}")))?;
        Ok(Some(rows))
    }

    /// All rows.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn all<T: DeserializeOwned>(mut self) -> Result<Vec<T>, ResourceError> {
        let mut all = Vec::new();
        while let Some(mut part) = self.next().await? {
            all.append(&mut part);
        }
        Ok(all)
    }

    /// The first row, if there is one; the others are read and dropped.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn first<T: DeserializeOwned>(mut self) -> Result<Option<T>, ResourceError> {
        let mut first = None;
        while let Some(part) = self.next().await? {
            first = first.or_else(|| part.into_iter().next());
        }
        Ok(first)
    }
}

impl fmt::Display for ResourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undeclared(name) => write!(
                f,
                "the action does not ask for resource `{name}`; add it to `#[action(resources(…))]`"
            ),
            Self::Unbound(why)
            | Self::Refused(why)
            | Self::Constraint(why)
            | Self::Limit(why)
            | Self::Unavailable(why) => f.write_str(why),
        }
    }
}

impl core::error::Error for ResourceError {}
