//! One source of tokens: how it is asked, and what its answers mean.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Full;
use serde_json::Value;
use tokio::time::Instant;

use super::{NoToken, Token};
use crate::Kind;
use crate::credential::Credential;
use crate::error::EgressError;
use crate::policy::{HostRule, InvalidRule};

/// Bytes of a token: as many as all headers of a request may have, with room for others.
const MAX_TOKEN: usize = 16 << 10;

/// How long a token holds whose endpoint does not say so.
const UNSAID: Duration = Duration::from_secs(300);

/// No token is kept for longer.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// So long before its end, or a quarter of its time if that is less, a token is
/// taken for ended.
const MARGIN: Duration = Duration::from_secs(60);

/// Where a token is got, by whom, and for what. Whoever asks by other words, or with
/// another secret, gets another token.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TokenSource {
    /// On whose account.
    pub tenant: String,
    /// What the credential is called; for messages.
    pub name: String,
    /// The token endpoint.
    pub url: String,
    /// Where its host really is: an operator's word, and the only way to a loopback
    /// or private address.
    pub at: Option<String>,
    /// Who asks.
    pub client_id: String,
    /// The proof.
    pub client_secret: String,
    /// For what; all that the client may if there is none.
    pub scopes: Vec<String>,
    /// For whom.
    pub audience: Option<String>,
    /// Whether the proof stands in the form instead of a header.
    pub in_body: bool,
}

/// Why a token endpoint cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEndpoint {
    /// It is no URL of a host that may be asked.
    #[error("it is not the URL of a token endpoint: {0}")]
    Url(&'static str),
    /// It is one for a machine of our own, and no operator said where.
    #[error("its host is {0}; say where it really is, by the address of its server")]
    Internal(&'static str),
    /// Where it really is cannot be read.
    #[error(transparent)]
    At(#[from] InvalidRule),
}

impl InvalidEndpoint {
    /// Whether it is wrong, or not said, where the server really is.
    #[must_use]
    pub fn is_of_the_address(&self) -> bool {
        match self {
            Self::Url(_) => false,
            Self::Internal(_) => true,
            Self::At(rule) => rule.field() == "at",
        }
    }
}

impl TokenSource {
    /// Where to ask, and the rule that lets it: `https`, and `http` too where its
    /// address begins with that.
    ///
    /// # Errors
    /// When it is no such URL.
    pub fn endpoint(&self) -> Result<(Uri, HostRule), InvalidEndpoint> {
        let uri: Uri = self
            .url
            .parse()
            .map_err(|_| InvalidEndpoint::Url("write it like `https://login.example/token`"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(InvalidEndpoint::Url("it has no scheme or no host"));
        };
        if authority.as_str().contains('@') {
            return Err(InvalidEndpoint::Url("no name and no password belong there"));
        }
        let post = ["POST".to_owned()];
        let rule = HostRule::new(authority.as_str(), &[], &post, self.at.as_deref())?;
        if !rule.schemes().iter().any(|granted| granted == scheme) {
            return Err(InvalidEndpoint::Url(
                "use https, or say that the server is at an address of http",
            ));
        }
        match rule.internal() {
            Some(what) => Err(InvalidEndpoint::Internal(what)),
            None => Ok((uri, rule)),
        }
    }

    pub(super) fn request(&self, uri: Uri) -> Request<Full<Bytes>> {
        let mut form = String::from("grant_type=client_credentials");
        let mut field = |name: &str, value: &str| {
            form.push('&');
            form.push_str(name);
            form.push('=');
            form.push_str(&encoded(value));
        };
        if !self.scopes.is_empty() {
            field("scope", &self.scopes.join(" "));
        }
        if let Some(audience) = &self.audience {
            field("audience", audience);
        }
        if self.in_body {
            field("client_id", &self.client_id);
            field("client_secret", &self.client_secret);
        }
        let mut request = Request::new(Full::from(form));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if !self.in_body {
            // RFC 6749, section 2.3.1: both encoded like a form first.
            let proof = Credential::basic(&encoded(&self.client_id), &encoded(&self.client_secret));
            // Base64 is fit for a header.
            if let Ok(mut proof) = HeaderValue::try_from(proof) {
                proof.set_sensitive(true);
                headers.insert(AUTHORIZATION, proof);
            }
        }
        request
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenSource({:?} at {:?})", self.name, self.url)
    }
}

impl TokenSource {
    pub(super) fn no_token(&self, what: &str, passing: bool) -> NoToken {
        NoToken {
            reason: format!("the token endpoint of credential `{}` {what}", self.name),
            passing,
        }
    }

    pub(super) fn unreached(&self, error: &EgressError) -> NoToken {
        let passing = matches!(
            error.kind(),
            Kind::Resolve | Kind::Connect | Kind::Timeout | Kind::Protocol
        );
        match error {
            EgressError::Internal { host, what, .. } => self.no_token(
                &format!("is at {host}, whose address is {what}; only an operator can open it, by naming the address with the credential: `--token-at URL`"),
                false,
            ),
            error => self.no_token(&format!("cannot be asked: {error}"), passing),
        }
    }

    pub(super) fn read(
        &self,
        status: StatusCode,
        body: &[u8],
        asked: Instant,
    ) -> Result<Token, NoToken> {
        let answer: Option<Value> = serde_json::from_slice(body).ok();
        if status != StatusCode::OK {
            let passing = status.is_server_error()
                || matches!(
                    status,
                    StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
                );
            let code = answer.as_ref().and_then(|answer| self.code(answer));
            let code = code.map_or_else(String::new, |code| format!(" {code}"));
            return Err(self.no_token(&format!("answered {}{code}", status.as_u16()), passing));
        }
        let unfit = |why: &str| self.no_token(&format!("answered with no token: {why}"), false);
        let answer = answer.ok_or_else(|| unfit("it is not JSON"))?;
        let kind = answer["token_type"].as_str();
        if !kind.is_none_or(|kind| kind.eq_ignore_ascii_case("bearer")) {
            return Err(unfit("its `token_type` is not `Bearer`"));
        }
        let token = answer["access_token"].as_str();
        let token = token.ok_or_else(|| unfit("it has no `access_token`"))?;
        // Nothing that could end a header: RFC 6750 allows less still.
        let visible = token.bytes().all(|byte| byte.is_ascii_graphic());
        if token.is_empty() || token.len() > MAX_TOKEN || !visible {
            return Err(unfit("its `access_token` is none that a header may have"));
        }
        let seconds = match &answer["expires_in"] {
            Value::Number(number) => number.as_u64().or_else(|| number.as_f64().map(whole)),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let time = seconds.map_or(UNSAID, Duration::from_secs).min(LONGEST);
        Ok(Token {
            text: token.into(),
            until: asked + time.saturating_sub(MARGIN.min(time / 4)),
            fresh: true,
        })
    }

    /// What the endpoint calls its error, if that is a word (RFC 6749, section 5.2)
    /// and tells nothing of the secret.
    fn code(&self, answer: &Value) -> Option<String> {
        let code = answer["error"].as_str()?;
        let word = (1..=40).contains(&code.len())
            && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            && !code.contains(&self.client_secret);
        word.then(|| code.to_owned())
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds; what is too large or too small for it is cut"
)]
const fn whole(seconds: f64) -> u64 {
    seconds as u64
}

/// As in a form: all but the unreserved characters of RFC 3986 as `%XX`.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            use fmt::Write as _;
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
