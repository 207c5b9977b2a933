//! Tokens: OAuth 2.0, client credentials (RFC 6749, section 4.4). A token is got
//! when a request first needs it, kept until shortly before it ends, and got once
//! for all requests that wait for it. Guests see none of this: what they hold is a
//! placeholder.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use tokio::time::{Instant, timeout_at};

use crate::config::{Clock, Timeouts};
use crate::error::EgressError;
use crate::policy::{Caller, Policy};
use crate::send::Egress;

mod source;

pub use source::{InvalidEndpoint, TokenSource};

/// How long a token endpoint may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of its answer.
const MAX_ANSWER: usize = 64 << 10;

/// How many tokens are kept.
const MAX_TOKENS: usize = 1_024;

/// A token, for as long as it holds.
#[derive(Clone)]
pub(crate) struct Token {
    text: Arc<str>,
    until: Instant,
    /// Whether it was got for this very request.
    fresh: bool,
}

impl Token {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) const fn is_fresh(&self) -> bool {
        self.fresh
    }
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NoToken {
    reason: String,
    /// Whether there may be one later.
    passing: bool,
}

/// The tokens of a node.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<TokenSource, Arc<Slot>>>);

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(…)")
    }
}

/// One token. Whoever holds its lock gets it for all who wait.
#[derive(Default)]
struct Slot {
    /// How often somebody has tried to get it, and was told.
    tried: AtomicU64,
    held: tokio::sync::Mutex<Held>,
}

#[derive(Default)]
struct Held {
    token: Option<Token>,
    /// How the last try failed.
    failed: Option<NoToken>,
}

impl Tokens {
    fn slot(&self, source: &TokenSource) -> Arc<Slot> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(source) {
            return Arc::clone(slot);
        }
        if slots.len() >= MAX_TOKENS {
            // What nobody waits for is got again when it is needed.
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry(source.clone()).or_default())
    }

    /// A server did not take this token: nobody gets it again.
    pub(crate) fn forget(&self, source: &TokenSource, token: &Token) {
        let slot = self.slot(source);
        // Whoever holds the lock is getting another one.
        if let Ok(mut held) = slot.held.try_lock()
            && held.token.as_ref().is_some_and(|t| t.text == token.text)
        {
            held.token = None;
        }
    }
}

impl Egress {
    /// The present token of a source.
    pub(crate) async fn token(
        &self,
        source: &TokenSource,
        host: &str,
        clock: &Clock,
    ) -> Result<Token, EgressError> {
        let failed = |no: NoToken| EgressError::Token {
            host: host.to_owned(),
            reason: no.reason,
            passing: no.passing,
        };
        // Whoever gives up here leaves it to the next in the line to ask.
        match timeout_at(clock.pace.deadline, self.present_token(source)).await {
            Ok(token) => token.map_err(failed),
            Err(_) => Err(failed(source.no_token("did not answer in time", true))),
        }
    }

    async fn present_token(&self, source: &TokenSource) -> Result<Token, NoToken> {
        let slot = self.tokens.slot(source);
        let tried = slot.tried.load(Ordering::Acquire);
        let mut held = slot.held.lock().await;
        if let Some(token) = &held.token
            && token.until > Instant::now()
        {
            return Ok(token.clone());
        }
        // It failed for whoever was first, while this one waited in the line.
        if let Some(no) = &held.failed
            && slot.tried.load(Ordering::Acquire) > tried
        {
            return Err(no.clone());
        }
        held.token = None;
        let answer = self.new_token(source).await;
        slot.tried.fetch_add(1, Ordering::Release);
        match answer {
            Ok(token) => {
                held.failed = None;
                held.token = Some(Token {
                    fresh: false,
                    ..token.clone()
                });
                Ok(token)
            }
            Err(no) => {
                held.failed = Some(no.clone());
                Err(no)
            }
        }
    }

    /// Asks for a token.
    async fn new_token(&self, source: &TokenSource) -> Result<Token, NoToken> {
        let endpoint = source.endpoint();
        let (uri, rule) = endpoint.map_err(|error| NoToken {
            reason: format!(
                "the token endpoint of credential `{}` cannot be used: {error}",
                source.name
            ),
            passing: false,
        })?;
        let policy = Policy {
            // No action asks here: what is reached stands in no action's list.
            caller: Caller {
                tenant: source.tenant.clone(),
                ..Caller::default()
            },
            rules: vec![rule],
            ..Policy::default()
        };
        let clock = Clock::start(Timeouts::within(PATIENCE), self.config().connect_timeout);
        let asked = Instant::now();
        let sent = self.bare(&policy, source.request(uri), &clock).await;
        let response = sent.map_err(|error| source.unreached(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        let body = body.map_err(|error| match error.downcast::<EgressError>() {
            Ok(error) => source.unreached(&error),
            Err(_) => source.no_token(
                &format!("answered with more than {MAX_ANSWER} bytes"),
                false,
            ),
        })?;
        source.read(head.status, &body.to_bytes(), asked)
    }
}
