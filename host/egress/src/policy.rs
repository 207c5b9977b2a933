//! What one call may reach, and which secrets it may carry where.

use std::fmt;

use http::Method;

use crate::host::{Authority, Host};

/// What one call may reach. Empty: nothing.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Hosts that requests may go to.
    pub rules: Vec<HostRule>,
    /// Secrets that requests may carry.
    pub secrets: Vec<SecretRule>,
}

/// A host that requests may go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRule {
    /// A name or an address, as [`Host`] reads it.
    pub host: String,
    /// The port; absent: 443 for https, 80 for http.
    pub port: Option<u16>,
    /// HTTP methods; empty: all but those that are never allowed (CONNECT, TRACE).
    pub methods: Vec<Method>,
    /// Where the host really is. An operator's word, and the only way to a
    /// loopback or private address: the address is not filtered, its scheme
    /// decides about TLS, `Host` and the certificate keep the asked name.
    pub at: Option<Target>,
}

/// Where a host really is: `http://127.0.0.1:8080`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub(crate) tls: bool,
    pub(crate) host: Host,
    pub(crate) port: u16,
}

/// A secret and where it may go. Whoever asked holds the placeholder only.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretRule {
    /// What stands in the guest's headers: long and unguessable.
    pub placeholder: String,
    /// What takes its place.
    pub secret: String,
    /// Hosts whose requests may carry it: `host` (then port 443 for https, 80
    /// for http) or `host:port`.
    pub hosts: Vec<String>,
}

/// A rule that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}: {reason}")]
pub struct InvalidRule {
    text: String,
    expected: &'static str,
    reason: &'static str,
}

impl HostRule {
    /// Reads a rule from an operator's words: `host` or `host:port`, methods
    /// (empty for all), and where the host really is (`http://127.0.0.1:8080`).
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn new(host: &str, methods: &[String], at: Option<&str>) -> Result<Self, InvalidRule> {
        let invalid = |reason| InvalidRule {
            text: host.to_owned(),
            expected: "a host or `host:port`",
            reason,
        };
        let authority = Authority::parse(host).map_err(invalid)?;
        let methods = methods
            .iter()
            .map(|text| parse_method(text))
            .collect::<Result<_, _>>()?;
        let at = at.map(str::parse).transpose()?;
        Ok(Self {
            host: authority.host.to_string(),
            port: authority.port,
            methods,
            at,
        })
    }

    pub(crate) fn covers(&self, destination: &Destination) -> bool {
        let port = self.port.unwrap_or(destination.default_port());
        port == destination.port && Host::parse(&self.host).as_ref() == Ok(&destination.host)
    }

    pub(crate) fn permits(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }
}

impl SecretRule {
    pub(crate) fn may_go_to(&self, destination: &Destination) -> bool {
        self.hosts
            .iter()
            .filter_map(|text| Authority::parse(text).ok())
            .any(|authority| {
                authority.host == destination.host
                    && authority.port.unwrap_or(destination.default_port()) == destination.port
            })
    }
}

impl fmt::Debug for SecretRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretRule(… for {:?})", self.hosts)
    }
}

impl std::str::FromStr for Target {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, InvalidRule> {
        let invalid = |reason| InvalidRule {
            text: text.to_owned(),
            expected: "an address such as `http://127.0.0.1:8080`",
            reason,
        };
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| invalid("it has no scheme"))?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(invalid("its scheme is neither http nor https")),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(invalid("only scheme, host and port belong there, no path"));
        }
        let authority = Authority::parse(authority).map_err(invalid)?;
        let port = authority.port.unwrap_or(if tls { 443 } else { 80 });
        Ok(Self {
            tls,
            host: authority.host,
            port,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

fn parse_method(text: &str) -> Result<Method, InvalidRule> {
    let invalid = || InvalidRule {
        text: text.to_owned(),
        expected: "an HTTP method",
        reason: "write it like `GET`",
    };
    Method::from_bytes(text.to_ascii_uppercase().as_bytes()).map_err(|_| invalid())
}

// ------------------------------------------------------------ where it goes --

/// Where a request asks to go: read from its URL, before any rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) tls: bool,
    pub(crate) host: Host,
    pub(crate) port: u16,
}

impl Destination {
    pub(crate) fn of(uri: &http::Uri) -> Result<Self, &'static str> {
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) => return Err("its scheme is neither http nor https"),
            None => return Err("it has no scheme; write the whole URL"),
        };
        let authority = uri
            .authority()
            .ok_or("it has no host; write the whole URL")?;
        let Authority { host, port } = Authority::parse(authority.as_str())?;
        Ok(Self {
            tls,
            host,
            port: port.unwrap_or(if tls { 443 } else { 80 }),
        })
    }

    const fn default_port(&self) -> u16 {
        if self.tls { 443 } else { 80 }
    }
}

impl fmt::Display for Destination {
    /// As the `Host` header says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)?;
        if self.port == self.default_port() {
            Ok(())
        } else {
            write!(f, ":{}", self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(url: &str) -> Destination {
        Destination::of(&url.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_rule_without_a_port_covers_the_default_ports_only() {
        let rule = HostRule::new("API.example", &[], None).unwrap();
        assert!(rule.covers(&destination("https://api.example/x")));
        assert!(rule.covers(&destination("http://api.example.:80")));
        assert!(!rule.covers(&destination("https://api.example:80")));
        assert!(!rule.covers(&destination("https://evil.api.example")));
        assert!(!rule.covers(&destination("https://api.example.evil")));
        let rule = HostRule::new("api.example:8443", &[], None).unwrap();
        assert!(rule.covers(&destination("https://api.example:8443")));
        assert!(!rule.covers(&destination("https://api.example")));
    }

    #[test]
    fn an_operators_address_is_scheme_host_and_port() {
        assert_eq!(
            "http://127.0.0.1:8080/"
                .parse::<Target>()
                .unwrap()
                .to_string(),
            "http://127.0.0.1:8080"
        );
        assert_eq!(
            "https://[::1]".parse::<Target>().unwrap().to_string(),
            "https://[::1]:443"
        );
        for text in [
            "127.0.0.1:8080",
            "ftp://a",
            "http://",
            "http://a/b",
            "http://u@a",
            "http://a?b",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_does_not_show_in_a_debug_print() {
        let rule = SecretRule {
            placeholder: "ph".into(),
            secret: "hunter2".into(),
            hosts: vec!["a.b".into()],
        };
        let policy = Policy {
            rules: vec![],
            secrets: vec![rule],
        };
        assert!(!format!("{policy:?}").contains("hunter2"));
    }
}
