//! What one call may reach, and which secrets it may carry where.

use std::fmt;

use http::Method;

use crate::address;
use crate::credential::{Cover, Learned, SecretRule};
use crate::host::{Authority, Host};

/// What one call may reach. Empty: nothing.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// On whose behalf.
    pub caller: Caller,
    /// Hosts that requests may go to.
    pub rules: Vec<HostRule>,
    /// Secrets that requests may carry, where the guest puts their placeholders.
    pub secrets: Vec<SecretRule>,
    /// Credentials that the host adds to the request.
    pub added: Vec<SecretRule>,
    /// Told the tokens that the host gets for either.
    pub learned: Learned,
    /// Covers secrets that the caller holds in plain text.
    pub cover: Cover,
}

/// Who asks: for messages and the [`Ledger`](crate::Ledger). It opens nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// On whose account.
    pub tenant: String,
    /// The action, as an operator names it in a grant.
    pub action: String,
    /// Hosts that its package asks for: `host`, `host:port`, or `*` for any.
    pub asks: Vec<String>,
}

/// A host that requests may go to: an operator's words, read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRule {
    pub(crate) authority: Authority,
    pub(crate) schemes: Schemes,
    /// Empty: all but those that are never allowed (CONNECT, TRACE).
    pub(crate) methods: Vec<Method>,
    /// Where the host really is. An operator's word, and the only way to a
    /// loopback or private address: the address is not filtered, its scheme
    /// decides about TLS, `Host` and the certificate keep the asked name.
    pub(crate) at: Option<Target>,
}

/// The schemes that URLs may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Schemes {
    http: bool,
    https: bool,
}

/// Where a host really is: `http://127.0.0.1:8080`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub(crate) tls: bool,
    pub(crate) host: Host,
    pub(crate) port: u16,
}

/// A rule that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}: {reason}")]
pub struct InvalidRule {
    field: &'static str,
    text: String,
    expected: &'static str,
    reason: &'static str,
}

impl InvalidRule {
    /// What cannot be read: `host`, `schemes`, `methods` or `at`.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }
}

impl HostRule {
    /// Reads a rule from an operator's words:
    ///
    /// - `host` or `host:port`; without a port the scheme's own, 443 or 80;
    /// - schemes; none for https, and for http too where `at` begins with it;
    /// - methods; none for all;
    /// - where the host really is, e.g. `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn new(
        host: &str,
        schemes: &[String],
        methods: &[String],
        at: Option<&str>,
    ) -> Result<Self, InvalidRule> {
        let authority = Authority::parse(host).map_err(|reason| InvalidRule {
            field: "host",
            text: host.chars().take(80).collect(),
            expected: "a host or `host:port`",
            reason,
        })?;
        let methods = methods
            .iter()
            .map(|text| parse_method(text))
            .collect::<Result<_, _>>()?;
        let at: Option<Target> = at.map(str::parse).transpose()?;
        Ok(Self {
            authority,
            schemes: Schemes::parse(schemes, at.as_ref())?,
            methods,
            at,
        })
    }

    /// The host in its one spelling, with its port if it has one.
    #[must_use]
    pub fn host(&self) -> String {
        self.authority.to_string()
    }

    /// The schemes, `http` before `https`.
    #[must_use]
    pub fn schemes(&self) -> Vec<String> {
        let both = [("http", self.schemes.http), ("https", self.schemes.https)];
        let granted = both.into_iter().filter(|(_, granted)| *granted);
        granted.map(|(name, _)| name.to_owned()).collect()
    }

    /// The methods, upper case; empty for all.
    #[must_use]
    pub fn methods(&self) -> Vec<String> {
        self.methods.iter().map(ToString::to_string).collect()
    }

    /// What the host is if it is written as an address that is not on the
    /// public internet, or is `localhost`, and no operator said where it is:
    /// nothing can be reached by such a rule.
    #[must_use]
    pub fn internal(&self) -> Option<&'static str> {
        if self.at.is_some() {
            return None;
        }
        match &self.authority.host {
            Host::V4(v4) => address::internal((*v4).into()),
            Host::V6(v6) => address::internal((*v6).into()),
            Host::Name(name) => {
                let last = name.rsplit('.').next();
                (last == Some("localhost")).then_some("loopback")
            }
        }
    }

    pub(crate) fn covers(&self, destination: &Destination) -> bool {
        covers(&self.authority, destination)
    }

    pub(crate) fn permits(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }
}

impl Schemes {
    fn parse(texts: &[String], at: Option<&Target>) -> Result<Self, InvalidRule> {
        if texts.is_empty() {
            let http = at.is_some_and(|at| !at.tls);
            return Ok(Self { http, https: true });
        }
        let mut schemes = Self {
            http: false,
            https: false,
        };
        for text in texts {
            match text.to_ascii_lowercase().as_str() {
                "http" => schemes.http = true,
                "https" => schemes.https = true,
                _ => {
                    return Err(InvalidRule {
                        field: "schemes",
                        text: text.chars().take(80).collect(),
                        expected: "a scheme",
                        reason: "write `https` or `http`",
                    });
                }
            }
        }
        Ok(schemes)
    }

    pub(crate) const fn has(self, tls: bool) -> bool {
        if tls { self.https } else { self.http }
    }
}

impl Caller {
    /// Whether the package asks for this host.
    pub(crate) fn asks_for(&self, to: &Destination) -> bool {
        let mut asks = self.asks.iter();
        asks.any(|ask| ask == "*" || Authority::parse(ask).is_ok_and(|ask| covers(&ask, to)))
    }
}

pub(crate) fn covers(authority: &Authority, to: &Destination) -> bool {
    authority.host == to.host && authority.port.unwrap_or(to.default_port()) == to.port
}

impl std::str::FromStr for Target {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, InvalidRule> {
        let invalid = |reason| InvalidRule {
            field: "at",
            text: text.chars().take(80).collect(),
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
    let invalid = |reason| InvalidRule {
        field: "methods",
        text: text.chars().take(80).collect(),
        expected: "an HTTP method that can be granted",
        reason,
    };
    let letters = (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphabetic());
    let upper = text.to_ascii_uppercase();
    match Method::from_bytes(upper.as_bytes()) {
        Ok(Method::CONNECT | Method::TRACE) => Err(invalid("no action may use it")),
        Ok(method) if letters => Ok(method),
        _ => Err(invalid("write it like `GET`")),
    }
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

    pub(crate) const fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
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
        let rule = HostRule::new("API.example", &[], &[], None).unwrap();
        assert!(rule.covers(&destination("https://api.example/x")));
        assert!(rule.covers(&destination("http://api.example.:80")));
        assert!(!rule.covers(&destination("https://api.example:80")));
        assert!(!rule.covers(&destination("https://evil.api.example")));
        assert!(!rule.covers(&destination("https://api.example.evil")));
        let rule = HostRule::new("api.example:8443", &[], &[], None).unwrap();
        assert!(rule.covers(&destination("https://api.example:8443")));
        assert!(!rule.covers(&destination("https://api.example")));
    }

    #[test]
    fn a_rule_means_https_unless_an_operator_says_http() {
        let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let schemes = |asked: &[&str], at| {
            HostRule::new("a.example", &texts(asked), &[], at).map(|rule| rule.schemes())
        };
        assert_eq!(schemes(&[], None).unwrap(), ["https"]);
        assert_eq!(schemes(&[], Some("https://10.0.0.1")).unwrap(), ["https"]);
        assert_eq!(
            schemes(&[], Some("http://10.0.0.1")).unwrap(),
            ["http", "https"]
        );
        assert_eq!(
            schemes(&["https"], Some("http://10.0.0.1")).unwrap(),
            ["https"]
        );
        assert_eq!(schemes(&["HTTP"], None).unwrap(), ["http"]);
        let error = schemes(&["https", "ftp"], None).unwrap_err();
        assert_eq!((error.field(), error.text.as_str()), ("schemes", "ftp"));
    }

    #[test]
    fn a_rule_names_methods_that_can_be_granted() {
        let methods = |text: &str| HostRule::new("a.example", &[], &[text.to_owned()], None);
        assert_eq!(methods("get").unwrap().methods(), ["GET"]);
        for text in ["", "G T", "CONNECT", "trace", "GET;POST", "`id`"] {
            assert_eq!(methods(text).unwrap_err().field(), "methods", "{text}");
        }
    }

    #[test]
    fn a_rule_for_an_internal_address_without_the_operators_word_is_known() {
        for (host, what) in [
            ("127.0.0.1:8080", Some("loopback")),
            ("[::1]", Some("loopback")),
            ("10.1.2.3", Some("private")),
            ("localhost", Some("loopback")),
            ("x.LOCALHOST.", Some("loopback")),
            ("localhost.example", None),
            ("93.184.215.14", None),
        ] {
            let rule = |at| HostRule::new(host, &[], &[], at).unwrap().internal();
            assert_eq!(rule(None), what, "{host}");
            assert_eq!(rule(Some("http://127.0.0.1:1")), None);
        }
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
            credential: "hunter2".into(),
            hosts: vec!["a.b".into()],
        };
        let policy = Policy {
            secrets: vec![rule],
            ..Policy::default()
        };
        assert!(!format!("{policy:?}").contains("hunter2"));
    }
}
