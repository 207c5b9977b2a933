//! What an action keeps from one execution of its workflow to the next. What is set
//! takes effect when the call ends well, and once, however often the step is tried.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::ActionContext;
use crate::error::{ActionError, Result};
use crate::wire;

/// A value that is kept, at most 64 KiB: of the workflow's node, or of a key.
#[derive(Debug, Clone, Copy)]
pub struct State<'a> {
    ctx: &'a ActionContext,
    key: Option<&'a str>,
}

/// A value and how often it was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    /// None before the first change.
    pub value: Option<T>,
    /// 0 before the first change.
    pub version: u64,
}

impl<'a> State<'a> {
    pub(crate) const fn new(ctx: &'a ActionContext, key: Option<&'a str>) -> Self {
        Self { ctx, key }
    }

    /// The value; none before the first change.
    ///
    /// # Errors
    /// Permanent, when it is not of this type; retryable, when the store is in trouble.
    pub async fn get<T: DeserializeOwned>(self) -> Result<Option<T>> {
        Ok(self.versioned().await?.value)
    }

    /// The value and its version.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn versioned<T: DeserializeOwned>(self) -> Result<Versioned<T>> {
        let (value, version) = self.ctx.backend.state_of(self.key)?;
        let value = match version {
            0 => None,
            _ => Some(wire::decode(&value)?),
        };
        Ok(Versioned { value, version })
    }

    /// Changes the value, whatever it is; gives its new version.
    ///
    /// # Errors
    /// Permanent, when it is too large; retryable, when the store is in trouble.
    pub async fn set(self, value: &impl Serialize) -> Result<u64> {
        let (_, version) = self.ctx.backend.state_of(self.key)?;
        self.set_if(version, value).await
    }

    /// Changes the value if it has this version; gives the new one.
    ///
    /// # Errors
    /// As [`set`](Self::set); retryable, when it has another version.
    pub async fn set_if(self, version: u64, value: &impl Serialize) -> Result<u64> {
        let value = wire::encode(value)
            .map_err(|e| ActionError::Permanent(alloc::format!("the state: {e}")))?;
        self.ctx.backend.set_state(self.key, value, version)
    }

    /// Makes the next value of the present one, and gives it.
    ///
    /// # Errors
    /// As [`get`](Self::get) and [`set`](Self::set).
    pub async fn update<T: DeserializeOwned + Serialize>(
        self,
        next: impl FnOnce(Option<T>) -> T,
    ) -> Result<T> {
        let Versioned { value, version } = self.versioned().await?;
        let value = next(value);
        self.set_if(version, &value).await?;
        Ok(value)
    }
}
