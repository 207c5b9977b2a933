//! A request's way out: read where it wants to go, find the rule that lets it,
//! clean its headers, put the secrets in their place, resolve once and filter,
//! connect, send, and hand back the response under its caps.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};

use crate::address;
use crate::body::{Cap, Connection, Fault, RequestBody, ResponseBody};
use crate::config::{Clock, EgressConfig, Roots, Timeouts};
use crate::connect::{self, Stream};
use crate::credential::Identity;
use crate::error::EgressError;
use crate::header;
use crate::host::Host;
use crate::ledger::Ledger;
use crate::policy::Policy;
use crate::route::Route;
use crate::token::Tokens;

/// How many addresses of a name are looked at; more are refused, so that none
/// goes unfiltered.
const MAX_ADDRESSES: usize = 64;

/// A request whose headers are checked.
pub(crate) struct Whole<B> {
    pub(crate) head: Parts,
    pub(crate) body: B,
    /// The length that its sender declared.
    pub(crate) declared: Option<u64>,
}

impl<B> Whole<B> {
    /// Checks and cleans the headers of a request on this route.
    pub(crate) fn checked(request: Request<B>, route: &Route<'_>) -> Result<Self, EgressError> {
        let (mut head, body) = request.into_parts();
        let declared = header::check(&mut head.headers, route)?;
        Ok(Self {
            head,
            body,
            declared,
        })
    }
}

/// The one way out for connections whose address a guest chooses.
#[derive(Debug)]
pub struct Egress {
    config: EgressConfig,
    roots: OnceCell<Arc<RootCertStore>>,
    tls: OnceCell<Arc<ClientConfig>>,
    ledger: Arc<Ledger>,
    pub(crate) tokens: Tokens,
}

impl Default for Egress {
    fn default() -> Self {
        Self::new(EgressConfig::default())
    }
}

impl Egress {
    /// An egress with these limits. Opens nothing yet.
    #[must_use]
    pub fn new(config: EgressConfig) -> Self {
        Self {
            config,
            roots: OnceCell::new(),
            tls: OnceCell::new(),
            ledger: Arc::default(),
            tokens: Tokens::default(),
        }
    }

    /// What was reached and refused since it was last taken.
    #[must_use]
    pub const fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    pub(crate) const fn config(&self) -> &EgressConfig {
        &self.config
    }

    /// Sends one request over a connection of its own and returns once the
    /// response's head is there. Must run in a tokio runtime. Follows no
    /// redirect. Tries nothing again, but for a request without a body whose
    /// token is not taken (401): once, with a new one. Dropping the future, or
    /// the body of the response, closes the connection.
    ///
    /// # Errors
    /// When the policy does not let it pass, or anything fails on the way.
    pub async fn send<B>(
        &self,
        policy: &Policy,
        request: Request<B>,
        timeouts: Timeouts,
    ) -> Result<Response<ResponseBody>, EgressError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let clock = Clock::start(timeouts, self.config.connect_timeout);
        let sent = self.attempt(policy, request, &clock).await;
        if let Err(error) = &sent
            && error.is_refusal()
        {
            let host = policy.cover.text(error.host().to_owned());
            let reason = policy.cover.text(error.to_string());
            tracing::debug!(error = %reason, "egress refused");
            self.ledger.refused(&policy.caller, &host, &reason);
        }
        sent
    }

    /// A request that carries no credential of anyone but the caller.
    pub(crate) async fn bare<B>(
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
        let whole = Whole::checked(request, &route)?;
        self.deliver(&route, whole, None, clock).await
    }

    pub(crate) async fn deliver<B>(
        &self,
        route: &Route<'_>,
        whole: Whole<B>,
        identity: Option<Identity>,
        clock: &Clock,
    ) -> Result<Response<ResponseBody>, EgressError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let fault = Fault::default();
        let request = self.outgoing(route, whole, &fault)?;
        let by = clock.connect();
        let stream = match timeout_at(by, self.connect(route, identity, by)).await {
            Ok(stream) => stream?,
            Err(_) => return Err(route.timeout("accept a connection", clock.connect_limit)),
        };
        self.ledger.reached(route.caller, &route.shown);
        self.exchange(route, request, stream, clock, fault).await
    }

    /// The request as it goes out: origin form, our `Host`.
    fn outgoing<B: Body<Data = Bytes>>(
        &self,
        route: &Route<'_>,
        whole: Whole<B>,
        fault: &Fault,
    ) -> Result<Request<RequestBody<B>>, EgressError> {
        let Whole {
            head: mut parts,
            body,
            declared,
        } = whole;
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        let malformed = |reason| EgressError::Url {
            host: route.shown.clone(),
            reason,
        };
        parts.uri = path
            .parse::<Uri>()
            .map_err(|_| malformed("its path is malformed"))?;
        parts.version = Version::HTTP_11;
        let host =
            HeaderValue::from_str(&route.shown).map_err(|_| malformed("its host is malformed"))?;
        parts.headers.insert(HOST, host);
        parts
            .headers
            .insert(CONNECTION, HeaderValue::from_static("close"));

        let cap = Cap {
            bytes: self.config.max_request_bytes,
            chunks: self.config.max_chunks,
        };
        let body = RequestBody::new(body, declared, cap, route.shown.clone(), fault.clone())?;
        Ok(Request::from_parts(parts, body))
    }

    async fn connect(
        &self,
        route: &Route<'_>,
        identity: Option<Identity>,
        by: Instant,
    ) -> Result<Stream, EgressError> {
        let addresses = self.addresses(route).await?;
        let host = || route.shown.clone();
        let stream = connect::tcp(&addresses, by)
            .await
            .map_err(|error| EgressError::Connect {
                host: host(),
                reason: error.to_string(),
            })?;
        if !route.tls() {
            return Ok(Stream::Plain(stream));
        }
        let failed = |error: std::io::Error| EgressError::Tls {
            host: host(),
            reason: error.to_string(),
        };
        let client = match identity {
            None => self.tls_client().await,
            Some(identity) => self.roots().await.and_then(|roots| {
                let client = connect::client(roots, Some(identity))?;
                Ok(Arc::new(client))
            }),
        };
        let client = client.map_err(failed)?;
        connect::tls(client, &route.destination.host, stream)
            .await
            .map_err(failed)
    }

    /// Where to connect: resolved once, and every address vetted unless an
    /// operator named where the host is.
    pub(crate) async fn addresses(
        &self,
        route: &Route<'_>,
    ) -> Result<Vec<SocketAddr>, EgressError> {
        let at = route.rule.at.as_ref();
        let (host, port) = at.map_or((&route.destination.host, route.destination.port), |at| {
            (&at.host, at.port)
        });
        let unresolved = |reason: String| EgressError::Resolve {
            host: route.shown.clone(),
            reason,
        };
        let addresses: Vec<IpAddr> = match host {
            Host::V4(address) => vec![IpAddr::V4(*address)],
            Host::V6(address) => vec![IpAddr::V6(*address)],
            Host::Name(name) => self
                .config
                .resolver
                .lookup(name)
                .await
                .map_err(|error| unresolved(error.to_string()))?,
        };
        if addresses.is_empty() || addresses.len() > MAX_ADDRESSES {
            return Err(unresolved(format!("it has {} addresses", addresses.len())));
        }
        if at.is_none()
            && let Some(what) = addresses
                .iter()
                .find_map(|address| address::internal(*address))
        {
            tracing::warn!(host = %route.shown, ?addresses, "egress refused an internal address");
            return Err(EgressError::Internal {
                action: route.caller.action.clone(),
                host: route.shown.clone(),
                what,
            });
        }
        Ok(addresses
            .into_iter()
            .map(|address| SocketAddr::new(address, port))
            .collect())
    }

    async fn roots(&self) -> std::io::Result<Arc<RootCertStore>> {
        let read = async || {
            let roots = self.config.roots.clone();
            let read = move || match roots {
                Roots::System => connect::store(connect::system_roots()),
                Roots::Only(roots) => connect::store(roots),
            };
            // Reading the machine's roots reads and parses a large file.
            tokio::task::spawn_blocking(read)
                .await
                .map_err(std::io::Error::other)?
        };
        self.roots.get_or_try_init(read).await.cloned()
    }

    /// The client of all who do not say who they are.
    async fn tls_client(&self) -> std::io::Result<Arc<ClientConfig>> {
        let make = async || {
            let client = connect::client(self.roots().await?, None)?;
            std::io::Result::Ok(Arc::new(client))
        };
        self.tls.get_or_try_init(make).await.cloned()
    }

    async fn exchange<B>(
        &self,
        route: &Route<'_>,
        request: Request<RequestBody<B>>,
        stream: Stream,
        clock: &Clock,
        fault: Fault,
    ) -> Result<Response<ResponseBody>, EgressError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let protocol = |reason: String| EgressError::Protocol {
            host: route.shown.clone(),
            reason,
        };
        let limit = clock.first_byte_limit;
        let by = clock.pace.deadline.min(Instant::now() + limit);
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(128 << 10)
            .max_header_size(64 << 10)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| protocol(error.to_string()))?;
        let connection = Connection(tokio::spawn(async move {
            // Its error also reaches whoever waits for the response.
            let _ = connection.await;
        }));
        let response = match timeout_at(by, sender.send_request(request)).await {
            Ok(response) => response
                .map_err(|error| fault.get().unwrap_or_else(|| protocol(error.to_string())))?,
            Err(_) => return Err(route.timeout("answer", limit)),
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(protocol("it wants to switch to another protocol".into()));
        }
        let (mut parts, incoming) = response.into_parts();
        header::check_response(&mut parts.headers).map_err(|reason| protocol(reason.into()))?;
        let cap = Cap {
            bytes: self.config.max_response_bytes,
            chunks: self.config.max_chunks,
        };
        let body = ResponseBody::new(
            incoming,
            cap,
            clock.pace,
            route.shown.clone(),
            fault,
            connection,
        )?;
        Ok(Response::from_parts(parts, body))
    }
}
