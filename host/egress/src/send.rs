//! A request's way out: read where it wants to go, find the rule that lets it,
//! clean its headers, resolve once and filter, connect, put the secrets in
//! their place, send, and hand back the response under its caps.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};

use crate::address;
use crate::body::{Cap, Connection, Fault, Pace, RequestBody, ResponseBody};
use crate::connect::{self, Stream};
use crate::error::EgressError;
use crate::header::{self, Secrets};
use crate::host::Host;
use crate::policy::{Destination, HostRule, Policy};
use crate::resolve::Resolver;

/// How many addresses of a name are looked at; more are refused, so that none
/// goes unfiltered.
const MAX_ADDRESSES: usize = 64;

/// No deadline is later than this.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// What every request is held to.
#[derive(Debug, Clone)]
pub struct EgressConfig {
    /// To resolve, connect and agree on TLS, unless the request asks for less.
    pub connect_timeout: Duration,
    /// Of a request's body.
    pub max_request_bytes: u64,
    /// Of a response's body.
    pub max_response_bytes: u64,
    /// How many pieces a body may come in, either way.
    pub max_chunks: u64,
    /// Gives the addresses of a name.
    pub resolver: Resolver,
    /// Who vouches for servers.
    pub roots: Roots,
}

/// Who vouches for servers.
#[derive(Debug, Clone, Default)]
pub enum Roots {
    /// Whoever this machine trusts; read at the first https request.
    #[default]
    System,
    /// These and no others.
    Only(Vec<CertificateDer<'static>>),
}

/// How long a request may take. Each is held to between 1 ms and the deadline.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// To resolve, connect and agree on TLS.
    pub connect: Option<Duration>,
    /// From then to the response's head.
    pub first_byte: Option<Duration>,
    /// For each piece of the response's body.
    pub between_bytes: Option<Duration>,
    /// For everything, the response's body included; from the call of
    /// [`Egress::send`] on.
    pub deadline: Duration,
}

impl Timeouts {
    /// A deadline for everything and no other wish.
    #[must_use]
    pub const fn within(deadline: Duration) -> Self {
        Self {
            connect: None,
            first_byte: None,
            between_bytes: None,
            deadline,
        }
    }
}

/// The one way out for connections whose address a guest chooses.
#[derive(Debug)]
pub struct Egress {
    config: EgressConfig,
    tls: OnceCell<Arc<ClientConfig>>,
}

/// A request that a rule lets pass, and what it still needs.
pub(crate) struct Route<'a> {
    destination: Destination,
    rule: &'a HostRule,
    /// The destination as messages and the `Host` header say it.
    shown: String,
}

/// When each phase of one request is over.
struct Clock {
    connect: Instant,
    connect_limit: Duration,
    first_byte_limit: Duration,
    pace: Pace,
}

impl Default for EgressConfig {
    /// 10 s, 16 MiB each way in at most 65,536 pieces, the machine's resolver
    /// and roots.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            max_request_bytes: 16 << 20,
            max_response_bytes: 16 << 20,
            max_chunks: 65_536,
            resolver: Resolver::system(),
            roots: Roots::System,
        }
    }
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
            tls: OnceCell::new(),
        }
    }

    /// Sends one request over a connection of its own and returns once the
    /// response's head is there. Must run in a tokio runtime. Follows no
    /// redirect and tries nothing again. Dropping the future, or the body of
    /// the response, closes the connection.
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
        let route = Route::find(policy, &request)
            .inspect_err(|error| tracing::debug!(%error, "egress refused"))?;
        let fault = Fault::default();
        let request = self
            .outgoing(policy, &route, request, &fault)
            .inspect_err(|error| tracing::debug!(%error, "egress refused"))?;
        let stream = match timeout_at(clock.connect, self.connect(&route, &clock)).await {
            Ok(stream) => stream?,
            Err(_) => return Err(route.timeout("accept a connection", clock.connect_limit)),
        };
        self.exchange(&route, request, stream, &clock, fault).await
    }

    /// The request as it goes out: origin form, our `Host`, secrets in place.
    fn outgoing<B: Body<Data = Bytes>>(
        &self,
        policy: &Policy,
        route: &Route<'_>,
        request: Request<B>,
        fault: &Fault,
    ) -> Result<Request<RequestBody<B>>, EgressError> {
        let (mut parts, body) = request.into_parts();
        let declared = header::check(&mut parts.headers, &route.destination)?;
        let private = route.rule.at.is_some() || route.tls();
        let secrets = Secrets {
            rules: &policy.secrets,
            to: &route.destination,
            private,
        };
        secrets.place(&parts.uri, &mut parts.headers)?;

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

    async fn connect(&self, route: &Route<'_>, clock: &Clock) -> Result<Stream, EgressError> {
        let addresses = self.addresses(route).await?;
        let host = || route.shown.clone();
        let stream = connect::tcp(&addresses, clock.connect)
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
        let client = self.tls_client().await.map_err(failed)?;
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
                host: route.shown.clone(),
                what,
            });
        }
        Ok(addresses
            .into_iter()
            .map(|address| SocketAddr::new(address, port))
            .collect())
    }

    async fn tls_client(&self) -> std::io::Result<Arc<ClientConfig>> {
        let make = async || {
            let roots = self.config.roots.clone();
            let make = move || match roots {
                Roots::System => connect::client(connect::system_roots()),
                Roots::Only(roots) => connect::client(roots),
            };
            // Reading the machine's roots reads and parses a large file.
            let client = tokio::task::spawn_blocking(make)
                .await
                .map_err(std::io::Error::other)??;
            Ok(Arc::new(client))
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
        header::strip_response(&mut parts.headers);
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

impl<'a> Route<'a> {
    pub(crate) fn find<B>(policy: &'a Policy, request: &Request<B>) -> Result<Self, EgressError> {
        let destination = Destination::of(request.uri()).map_err(|reason| {
            let authority = request
                .uri()
                .authority()
                .map_or("", |authority| authority.as_str());
            // Never show a user name or password.
            let host = authority.rsplit('@').next().unwrap_or_default();
            EgressError::Url {
                host: host.chars().take(80).collect(),
                reason,
            }
        })?;
        let shown = destination.to_string();
        let covering: Vec<_> = policy
            .rules
            .iter()
            .filter(|rule| rule.covers(&destination))
            .collect();
        if covering.is_empty() {
            return Err(EgressError::NotGranted { host: shown });
        }
        let method = request.method();
        // A tunnel would get around all checks; an echo would show the secrets.
        let never = [Method::CONNECT, Method::TRACE].contains(method);
        match covering.iter().find(|rule| !never && rule.permits(method)) {
            Some(rule) => Ok(Self {
                destination,
                rule,
                shown,
            }),
            None => {
                let granted: Vec<_> = covering
                    .iter()
                    .flat_map(|rule| &rule.methods)
                    .map(Method::as_str)
                    .collect();
                let granted = if granted.is_empty() {
                    "all but CONNECT and TRACE".into()
                } else {
                    granted.join(", ")
                };
                Err(EgressError::Method {
                    host: shown,
                    method: method.to_string(),
                    granted,
                })
            }
        }
    }

    fn tls(&self) -> bool {
        self.rule
            .at
            .as_ref()
            .map_or(self.destination.tls, |at| at.tls)
    }

    fn timeout(&self, phase: &'static str, limit: Duration) -> EgressError {
        EgressError::Timeout {
            host: self.shown.clone(),
            phase,
            limit,
        }
    }
}

impl Clock {
    fn start(timeouts: Timeouts, connect: Duration) -> Self {
        let now = Instant::now();
        let shortest = Duration::from_millis(1);
        let total = timeouts.deadline.clamp(shortest, LONGEST);
        let clamp = |wish: Option<Duration>| wish.unwrap_or(total).clamp(shortest, total);
        let connect_limit = clamp(timeouts.connect).min(connect).max(shortest);
        let pace = Pace {
            between: clamp(timeouts.between_bytes),
            deadline: now + total,
            total,
        };
        Self {
            connect: now + connect_limit,
            connect_limit,
            first_byte_limit: clamp(timeouts.first_byte),
            pace,
        }
    }
}
