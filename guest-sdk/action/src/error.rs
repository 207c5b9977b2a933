//! Why an action fails. The kind decides what the engine does next.

use alloc::string::{String, ToString};
use core::fmt;
use core::time::Duration;

use crate::http::HttpError;
use crate::resource::ResourceError;

/// What an action gives back.
pub type Result<T, E = ActionError> = core::result::Result<T, E>;

/// Why an action failed. `?` makes one of any standard error: an [`HttpError`] or
/// [`ResourceError`] that may pass is retryable, everything else is permanent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionError {
    /// The input is not what the action takes. Never tried again.
    InvalidInput(String),
    /// Trying again will not help.
    Permanent(String),
    /// Trying again may help.
    Retryable {
        /// For people; no secrets.
        message: String,
        /// Wait at least this long before the next attempt.
        delay: Option<Duration>,
    },
    /// The action noticed that it was cancelled and stopped.
    Cancelled,
}

impl ActionError {
    /// The input is not what the action takes.
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self::InvalidInput(message.into())
    }

    /// Trying again will not help.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::Permanent(message.into())
    }

    /// Trying again may help, after the delay of the node's retry policy.
    pub fn retryable(message: impl Into<String>) -> Self {
        Self::Retryable {
            message: message.into(),
            delay: None,
        }
    }

    /// Trying again may help, but not before `delay` has passed.
    pub fn retryable_after(message: impl Into<String>, delay: Duration) -> Self {
        Self::Retryable {
            message: message.into(),
            delay: Some(delay),
        }
    }

    /// Whether the engine may try again.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Retryable { .. })
    }
}

impl fmt::Display for ActionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidInput(message)
            | Self::Permanent(message)
            | Self::Retryable { message, .. } => f.write_str(message),
            Self::Cancelled => f.write_str("the action was cancelled"),
        }
    }
}

// `ActionError` is no `core::error::Error` itself: that would collide with this.
impl<E: core::error::Error + 'static> From<E> for ActionError {
    fn from(error: E) -> Self {
        let any: &(dyn core::error::Error + 'static) = &error;
        if let Some(http) = any.downcast_ref::<HttpError>() {
            return http.to_action_error();
        }
        let message = error.to_string();
        match any.downcast_ref::<ResourceError>() {
            Some(ResourceError::Unavailable(_)) => Self::retryable(message),
            _ => Self::Permanent(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standard_error_is_permanent() {
        fn parse() -> Result<i32> {
            Ok("many".parse::<i32>()?)
        }
        assert_eq!(
            parse(),
            Err(ActionError::permanent("invalid digit found in string"))
        );
    }

    #[test]
    fn a_lost_connection_is_retryable() {
        fn fetch() -> Result<()> {
            Err(HttpError::Connection("connection refused".into()))?
        }
        assert!(fetch().is_err_and(|e| e.is_retryable()));
    }

    #[test]
    fn a_database_in_trouble_is_retryable_and_one_that_refuses_is_not() {
        fn ask(error: ResourceError) -> Result<()> {
            Err(error)?
        }
        let busy = ResourceError::Unavailable("busy".into());
        assert!(ask(busy).is_err_and(|e| e.is_retryable()));
        let wrong = ResourceError::Refused("no such table: x".into());
        assert_eq!(ask(wrong), Err(ActionError::permanent("no such table: x")));
    }
}
