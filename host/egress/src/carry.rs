//! What a request carries besides what its sender wrote: secrets, tokens, and who
//! we are. One whose token is not taken is sent again, if that can be done.

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Empty;

use crate::body::ResponseBody;
use crate::config::Clock;
use crate::credential::{Credential, Identity};
use crate::error::EgressError;
use crate::policy::Policy;
use crate::route::Route;
use crate::secret::Secrets;
use crate::send::{Egress, Whole};
use crate::token::{Token, TokenSource};

/// What a request carries.
struct Carried<'p> {
    identity: Option<Identity>,
    tokens: Vec<(&'p TokenSource, Token)>,
}

impl<B: Body> Whole<B> {
    /// Whether it has no body, so that it can be sent again. A GET or HEAD whose length
    /// nobody knows is sent without one.
    fn is_bare(&self) -> bool {
        let safe = matches!(self.head.method, Method::GET | Method::HEAD);
        let none = self.body.size_hint().upper().is_none_or(|bytes| bytes == 0);
        self.declared.unwrap_or(0) == 0 && (self.body.is_end_stream() || (safe && none))
    }
}

impl Egress {
    /// Sends a request with what it carries.
    pub(crate) async fn attempt<B>(
        &self,
        policy: &Policy,
        request: Request<B>,
        clock: &Clock,
    ) -> Result<Response<ResponseBody>, EgressError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let route = Route::find(policy, &request)?;
        let mut whole = Whole::checked(request, &route)?;
        let again = whole.is_bare().then(|| whole.head.clone());
        let carried = self.carry(policy, &route, &mut whole.head, clock).await?;
        let response = self.deliver(&route, whole, carried.identity, clock).await?;
        if response.status() != StatusCode::UNAUTHORIZED || carried.tokens.is_empty() {
            return Ok(response);
        }
        for (source, token) in &carried.tokens {
            self.tokens.forget(source, token);
        }
        let Some(mut head) = again.filter(|_| carried.tokens.iter().any(|(_, t)| !t.is_fresh()))
        else {
            return Ok(response);
        };
        // Without a new one the answer to the old one is what there is.
        let Ok(carried) = self.carry(policy, &route, &mut head, clock).await else {
            return Ok(response);
        };
        drop(response);
        let whole = Whole {
            head,
            body: Empty::<Bytes>::new(),
            declared: None,
        };
        self.deliver(&route, whole, carried.identity, clock).await
    }

    /// Puts the secrets in their place; says what the request carries.
    async fn carry<'p>(
        &self,
        policy: &'p Policy,
        route: &'p Route<'_>,
        head: &mut Parts,
        clock: &Clock,
    ) -> Result<Carried<'p>, EgressError> {
        let mut secrets = Secrets {
            rules: &policy.secrets,
            added: &policy.added,
            to: &route.destination,
            private: route.rule.at.is_some() || route.tls(),
            tokens: Vec::new(),
        };
        for source in secrets.wanted(&head.headers) {
            let token = self.token(source, &route.shown, clock).await?;
            policy.learned.tell(token.text());
            secrets.tokens.push((source, token));
        }
        secrets.place(&head.uri, &mut head.headers)?;
        let identity = match secrets.add(&mut head.headers)? {
            Some(Credential::Certificate { chain, key }) if route.tls() => {
                let identity = Identity::from_pem(chain, key);
                Some(identity.map_err(|e| secrets.refuse_certificate(&format!("is unfit: {e}")))?)
            }
            Some(_) => return Err(secrets.refuse_certificate("needs TLS; use https")),
            None => None,
        };
        Ok(Carried {
            identity,
            tokens: secrets.tokens,
        })
    }
}
