//! What the host holds for guests and shares between calls, as a call sees it.
//! `nebula-resources` holds it; the sandbox asks for it by the name that the
//! operator gave it, after it has seen that the action asks for it and that the
//! node binds it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nebula_flow::{ActionId, TenantId};
use tokio::sync::mpsc::Receiver;

mod kv;
mod smtp;

pub use kv::{Entry, Keys, Kv, SetValue};
pub(crate) use smtp::Piece;
pub use smtp::{Attachment, Mail, Smtp};

/// Holds resources. Where it holds none of a name, nobody has it.
pub trait Resources: Send + Sync {
    /// The database of this name.
    ///
    /// # Errors
    /// [`ResourceError::Unbound`], when there is none of this name, it is something
    /// else, or it is not for this user.
    fn sql(&self, user: User<'_>, name: &str) -> Result<Arc<dyn Sql>, ResourceError>;

    /// The mail server of this name.
    ///
    /// # Errors
    /// As [`sql`](Self::sql).
    fn smtp(&self, user: User<'_>, name: &str) -> Result<Arc<dyn Smtp>, ResourceError>;

    /// The values of this name, of the user's tenant.
    ///
    /// # Errors
    /// As [`sql`](Self::sql).
    fn kv(&self, user: User<'_>, name: &str) -> Result<Arc<dyn Kv>, ResourceError>;
}

/// On whose behalf a resource is used.
#[derive(Debug, Clone, Copy)]
pub struct User<'a> {
    /// Whose call it is.
    pub tenant: &'a TenantId,
    /// The action that runs.
    pub action: &'a ActionId,
}

/// A database, whoever uses it.
#[async_trait]
pub trait Sql: Send + Sync {
    /// Which SQL it speaks.
    fn dialect(&self) -> Dialect;

    /// Begins a statement that gives rows.
    ///
    /// # Errors
    /// When it cannot be begun. What goes wrong later comes with the rows.
    async fn query(&self, statement: Statement) -> Result<Rows, ResourceError>;

    /// Runs a statement; how many rows it changed. Dropped before its end, it is
    /// undone.
    ///
    /// # Errors
    /// When it has changed nothing.
    async fn execute(&self, statement: Statement) -> Result<u64, ResourceError>;
}

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

/// One statement of a guest.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Its text.
    pub text: String,
    /// The values of its parameters: a list in MessagePack.
    pub parameters: Vec<u8>,
    /// When its call ends: it may take no longer.
    pub within: Duration,
}

/// Rows as they come: each part is a list of maps from column to value, in
/// MessagePack. Dropping it ends the statement, which gives its connection back.
#[derive(Debug)]
pub struct Rows {
    parts: Receiver<Part>,
    are_over: bool,
}

/// Some rows; none once the statement has ended well.
pub type Part = Result<Option<Vec<u8>>, ResourceError>;

impl Rows {
    /// What a statement sends: parts, and then none or an error.
    #[must_use]
    pub const fn new(parts: Receiver<Part>) -> Self {
        Self {
            parts,
            are_over: false,
        }
    }

    /// The next part; none at the end.
    ///
    /// # Errors
    /// What went wrong meanwhile.
    pub async fn next(&mut self) -> Part {
        if self.are_over {
            return Ok(None);
        }
        let part = self.parts.recv().await.unwrap_or_else(|| {
            let message = "the time of the statement was over before all its rows were read";
            Err(ResourceError::Limit(message.into()))
        });
        self.are_over = !matches!(part, Ok(Some(_)));
        part
    }
}

/// Why a resource cannot be used; no secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    /// The action does not ask for this name.
    #[error("the action does not ask for resource `{0}`")]
    Undeclared(String),
    /// Nothing that this action may use is bound, and how to bind it.
    #[error("{0}")]
    Unbound(String),
    /// What was asked is wrong, or not allowed.
    #[error("{0}")]
    Refused(String),
    /// A constraint would be broken.
    #[error("{0}")]
    Constraint(String),
    /// More than the operator allows.
    #[error("{0}")]
    Limit(String),
    /// Trying again may help.
    #[error("{0}")]
    Unavailable(String),
}

/// The resources that one call may open.
pub(crate) struct Bound {
    held: Option<Arc<dyn Resources>>,
    tenant: TenantId,
    /// The name that the action's code uses → the operator's.
    bindings: BTreeMap<String, String>,
    /// Rows that the call reads just now.
    pub(crate) reading: u32,
}

impl Bound {
    pub(crate) const fn new(
        held: Option<Arc<dyn Resources>>,
        tenant: TenantId,
        bindings: BTreeMap<String, String>,
    ) -> Self {
        Self {
            held,
            tenant,
            bindings,
            reading: 0,
        }
    }

    /// What the node binds to this name, as `open` gets it of those that are held.
    pub(crate) fn open<T>(
        &self,
        action: &ActionId,
        name: &str,
        open: fn(&dyn Resources, User<'_>, &str) -> Result<T, ResourceError>,
    ) -> Result<T, ResourceError> {
        let Some(bound) = self.bindings.get(name) else {
            return Err(ResourceError::Unbound(format!(
                "the node binds no resource to `{name}`: add `resources: {{ {name}: NAME }}` to it"
            )));
        };
        let Some(held) = &self.held else {
            return Err(ResourceError::Unbound(format!(
                "this host has no resources, and so no `{bound}`"
            )));
        };
        let tenant = &self.tenant;
        open(&**held, User { tenant, action }, bound)
    }
}
