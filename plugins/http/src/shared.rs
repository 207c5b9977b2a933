//! What both actions have in common.

use nebula_sdk::prelude::*;

/// The header that carries the credential `auth`.
#[data]
#[derive(Debug)]
pub struct Auth {
    /// `authorization` if not given.
    #[serde(default = "authorization")]
    pub header: String,
    /// Before the credential; `Bearer ` if neither it nor the header is given.
    #[serde(default)]
    pub prefix: Option<String>,
}

fn authorization() -> String {
    "authorization".into()
}

impl Auth {
    /// What stands before the credential.
    pub(crate) fn prefix(&self) -> &str {
        match &self.prefix {
            Some(prefix) => prefix,
            None if self.header.eq_ignore_ascii_case("authorization") => "Bearer ",
            None => "",
        }
    }
}

/// A parameter of an address, as text.
///
/// # Errors
/// [`ActionError::InvalidInput`], when it is a list, an object or null.
pub(crate) fn parameter(name: &str, value: &Value) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        _ => Err(ActionError::invalid_input(format!(
            "query.{name}: a text, a number or a bool is needed"
        ))),
    }
}
