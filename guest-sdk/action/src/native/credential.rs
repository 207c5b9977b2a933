//! What a credential is in a test.

/// A credential of a test: `"a text".into()`, or one of a kind. One of OAuth 2.0 is to
/// an action the same as a bearer token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credential {
    /// A text, which the action puts where it likes.
    Text(String),
    /// The value of a header.
    ApiKey {
        /// Its name.
        header: String,
        /// Its value.
        key: String,
    },
    /// A bearer token.
    Bearer(String),
    /// A user and a password.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A certificate, which stands in no request.
    Certificate,
}

impl Credential {
    /// The value of a header.
    #[must_use]
    pub fn api_key(header: impl Into<String>, key: impl Into<String>) -> Self {
        Self::ApiKey {
            header: header.into(),
            key: key.into(),
        }
    }

    /// A bearer token.
    #[must_use]
    pub fn bearer(token: impl Into<String>) -> Self {
        Self::Bearer(token.into())
    }

    /// A user and a password.
    #[must_use]
    pub fn basic(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self::Basic {
            user: user.into(),
            password: password.into(),
        }
    }

    /// A certificate.
    #[must_use]
    pub const fn certificate() -> Self {
        Self::Certificate
    }

    /// What `get_credential` gives. In the sandbox it would be a placeholder for it.
    #[must_use]
    pub fn value(&self) -> String {
        match self {
            Self::Text(text) | Self::Bearer(text) | Self::ApiKey { key: text, .. } => text.clone(),
            Self::Basic { user, password } => {
                format!("Basic {}", base64(format!("{user}:{password}").as_bytes()))
            }
            Self::Certificate => "certificate".into(),
        }
    }

    /// The texts of it that no recording may have.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        match self {
            Self::Text(text) | Self::Bearer(text) | Self::ApiKey { key: text, .. } => {
                vec![text.clone()]
            }
            Self::Basic { user, password } => {
                let sent = base64(format!("{user}:{password}").as_bytes());
                vec![password.clone(), sent]
            }
            Self::Certificate => Vec::new(),
        }
    }

    /// The header that the host adds.
    pub(super) fn header(&self) -> Option<(String, String)> {
        match self {
            Self::Text(token) | Self::Bearer(token) => {
                Some(("authorization".into(), format!("Bearer {token}")))
            }
            Self::ApiKey { header, key } => Some((header.to_ascii_lowercase(), key.clone())),
            Self::Basic { .. } => Some(("authorization".into(), self.value())),
            Self::Certificate => None,
        }
    }
}

impl From<&str> for Credential {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Credential {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Credential {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<&Self> for Credential {
    fn from(credential: &Self) -> Self {
        credential.clone()
    }
}

/// With padding (RFC 4648, section 4). By hand, since every author's crate would have to
/// lock a library for it.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for letter in 0..4 {
            if letter > group.len() {
                out.push('=');
            } else {
                let index = bits >> (18 - 6 * letter) & 63;
                out.push(char::from(LETTERS[index as usize]));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_as_in_rfc_4648() {
        for (text, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
            ("\u{fb}\u{ff}", "w7vDvw=="),
        ] {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }
}
