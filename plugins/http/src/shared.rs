//! What both actions have in common.

use nebula_sdk::prelude::*;

/// How requests carry the credential `auth`: as its kind says, if nothing is given here.
#[data]
#[derive(Debug)]
pub struct Auth {
    /// A header to put it in; `authorization` if only the prefix is given.
    #[serde(default)]
    pub header: Option<String>,
    /// Before the credential; `Bearer ` in `authorization` if it is not given.
    #[serde(default)]
    pub prefix: Option<String>,
}

impl Auth {
    /// The header and its value, if it is not the credential's kind that says them.
    ///
    /// # Errors
    /// When there is no such credential.
    pub(crate) async fn header(&self, ctx: &ActionContext) -> Result<Option<(String, String)>> {
        if self.header.is_none() && self.prefix.is_none() {
            return Ok(None);
        }
        let name = self.header.as_deref().unwrap_or("authorization");
        let prefix = match &self.prefix {
            Some(prefix) => prefix,
            None if name.eq_ignore_ascii_case("authorization") => "Bearer ",
            None => "",
        };
        let credential = ctx.get_credential("auth").await?;
        Ok(Some((name.to_owned(), [prefix, &credential].concat())))
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
