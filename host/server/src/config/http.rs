//! Bounds of the API's connections and requests.

use std::time::Duration;

use super::layers::Layers;
use super::setting::Bytes;

/// Bounds of the API's connections and requests.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Connections at once. When they are all taken, a new one takes the place
    /// of the one that has been without a request for longest.
    pub max_connections: usize,
    /// Live streams at once.
    pub max_streams: usize,
    /// For a new connection's first byte, and for its TLS handshake.
    pub first_byte_timeout: Duration,
    /// For a request's head, and for a connection between two requests.
    pub head_timeout: Duration,
    /// For a request's body.
    pub body_timeout: Duration,
    /// How long a client may take no byte of an answer that is ready.
    pub write_timeout: Duration,
    /// How long requests may go on once the node is told to stop.
    pub drain_timeout: Duration,
    /// Bytes of a body of JSON or YAML.
    pub max_body: usize,
    /// Bytes of the body that is a workflow's input; as JSON a value has about
    /// twice the bytes that it has as a payload.
    pub max_input_body: usize,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            max_connections: 1_024,
            max_streams: 512,
            first_byte_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            max_body: 1 << 20,
            max_input_body: 2 * nebula_flow::payload::MAX_PAYLOAD,
        }
    }
}

/// No wait of the door is shorter or longer.
const WAIT: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_secs(3_600);

impl HttpConfig {
    /// These as defaults, below what the layers say.
    pub(super) fn read(self, from: &mut Layers) -> Self {
        let mut bytes = |path, default: usize| {
            let default = Bytes(default as u64);
            let read = from.get_in(path, default, Bytes(1 << 10)..=Bytes(64 << 20));
            usize::try_from(read.0).unwrap_or(usize::MAX)
        };
        let max_body = bytes("http.max_body", self.max_body);
        let max_input_body = bytes("http.max_input_body", self.max_input_body);
        Self {
            max_connections: from.get_in(
                "http.max_connections",
                self.max_connections,
                1..=1_000_000,
            ),
            max_streams: from.get_in("http.max_streams", self.max_streams, 1..=1_000_000),
            first_byte_timeout: from.get_in(
                "http.first_byte_timeout",
                self.first_byte_timeout,
                WAIT,
            ),
            head_timeout: from.get_in("http.head_timeout", self.head_timeout, WAIT),
            body_timeout: from.get_in("http.body_timeout", self.body_timeout, WAIT),
            write_timeout: from.get_in("http.write_timeout", self.write_timeout, WAIT),
            drain_timeout: from.get_in("http.drain_timeout", self.drain_timeout, WAIT),
            max_body,
            max_input_body,
        }
    }
}
