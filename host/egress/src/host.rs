//! The one spelling of a host. Whatever a URL parser, a resolver and a server
//! could read differently is refused rather than interpreted.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A host in its one spelling: lower case, without a trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name for the resolver.
    Name(String),
    /// An address, written as four decimal numbers.
    V4(Ipv4Addr),
    /// An address, written in brackets.
    V6(Ipv6Addr),
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Authority {
    /// The host.
    pub host: Host,
    /// The port, where one is written.
    pub port: Option<u16>,
}

impl Host {
    /// Reads a host; a v6 address may stand with or without brackets.
    ///
    /// # Errors
    /// A reason, as half a sentence, when the spelling is not the usual one.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let bracketed = text
            .strip_prefix('[')
            .map(|rest| rest.strip_suffix(']').ok_or("its bracket does not close"));
        if let Some(inner) = bracketed.transpose()? {
            return parse_v6(inner);
        }
        if text.contains(':') {
            return parse_v6(text);
        }
        if !text.is_ascii() {
            return Err("it has letters outside ASCII; write the `xn--` form");
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if name.is_empty() || name.len() > 253 {
            return Err("a host has 1 to 253 characters");
        }
        if !name.split('.').all(is_label) {
            return Err("a host is labels of a-z, 0-9, `-` and `_` joined by single dots");
        }
        if looks_like_v4(&name) {
            return name
                .parse()
                .map(Self::V4)
                .map_err(|_| "it is a number that is not an address of four decimal parts");
        }
        Ok(Self::Name(name))
    }

    /// Whether it is an address rather than a name.
    #[must_use]
    pub const fn is_address(&self) -> bool {
        !matches!(self, Self::Name(_))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

impl Authority {
    /// Reads `host`, `host:port`, `[v6]` or `[v6]:port`.
    ///
    /// # Errors
    /// A reason, as half a sentence, when it is anything else.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.contains('@') {
            return Err(
                "it carries a user name or password; send an `authorization` header instead",
            );
        }
        let split = match text.rfind(']') {
            Some(end) => text[end..].find(':').map(|i| end + i),
            // Two colons without brackets can only be a v6 address.
            None if text.matches(':').count() > 1 => None,
            None => text.find(':'),
        };
        let (host, port) = match split {
            Some(at) => (&text[..at], Some(parse_port(&text[at + 1..])?)),
            None => (text, None),
        };
        Ok(Self {
            host: Host::parse(host)?,
            port,
        })
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => self.host.fmt(f),
        }
    }
}

fn parse_port(text: &str) -> Result<u16, &'static str> {
    let digits = !text.is_empty() && text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit());
    let port = if digits { text.parse().ok() } else { None };
    port.filter(|port| *port != 0)
        .ok_or("its port is not a number from 1 to 65535")
}

fn parse_v6(text: &str) -> Result<Host, &'static str> {
    text.parse()
        .map(Host::V6)
        .map_err(|_| "it is not an IPv6 address (zones are not allowed)")
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= 63
        && label
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

/// Whether some parser would take it for an IPv4 address: its last label is a
/// number (<https://url.spec.whatwg.org/#ends-in-a-number-checker>).
fn looks_like_v4(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let hex = last
        .strip_prefix("0x")
        .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    hex || last.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_spelling() {
        for text in ["API.Example", "api.example.", "api.example"] {
            assert_eq!(Host::parse(text), Ok(Host::Name("api.example".into())));
        }
        for text in [
            "",
            ".",
            "a..b",
            "api.example..",
            "a b",
            "a%2eb",
            "exämple.com",
            "。",
            "a/b",
            "a\\b",
            "a?b",
        ] {
            assert!(Host::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn odd_spellings_of_an_ipv4_address_are_refused() {
        let odd = [
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "127.0.0.01",
            "127.0.0.0x1",
            "0x7f.0x0.0x0.0x1",
            "00.0.0.0",
            "0",
            "1.2.3.4.5",
            "256.0.0.1",
            "127.0.0.1.1",
            "0x",
            "a.1",
        ];
        for text in odd {
            assert!(Host::parse(text).is_err(), "{text}");
        }
        assert_eq!(
            Host::parse("127.0.0.1."),
            Ok(Host::V4(Ipv4Addr::LOCALHOST)),
            "filtered as what it is"
        );
    }

    #[test]
    fn an_authority_is_host_and_port_and_nothing_else() {
        let with_port = |text: &str| Authority::parse(text).map(|a| (a.host.to_string(), a.port));
        assert_eq!(
            with_port("api.example:8443"),
            Ok(("api.example".into(), Some(8443)))
        );
        assert_eq!(with_port("[::1]:80"), Ok(("[::1]".into(), Some(80))));
        assert_eq!(with_port("::1"), Ok(("[::1]".into(), None)));
        for text in [
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a:1:2",
            "u@a",
            "u:p@a",
            "[::1",
            "[::1]x",
            "[fe80::1%eth0]",
            "[::1]]:1",
            ":80",
        ] {
            assert!(Authority::parse(text).is_err(), "{text}");
        }
    }
}
