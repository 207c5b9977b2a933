//! What every request is held to, and how long one may take.

use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::time::Instant;

use crate::body::Pace;
use crate::resolve::Resolver;

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
    /// [`Egress::send`](crate::Egress::send) on.
    pub deadline: Duration,
}

/// How long each phase of one request may take.
pub(crate) struct Clock {
    pub(crate) connect_limit: Duration,
    pub(crate) first_byte_limit: Duration,
    pub(crate) pace: Pace,
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

    /// What is left of the deadline after this time.
    pub(crate) const fn after(self, elapsed: Duration) -> Self {
        Self {
            deadline: self.deadline.saturating_sub(elapsed),
            ..self
        }
    }
}

impl Clock {
    pub(crate) fn start(timeouts: Timeouts, connect: Duration) -> Self {
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
            connect_limit,
            first_byte_limit: clamp(timeouts.first_byte),
            pace,
        }
    }

    /// When there must be a connection that is begun now.
    pub(crate) fn connect(&self) -> Instant {
        (Instant::now() + self.connect_limit).min(self.pace.deadline)
    }
}
