//! What an operator says of a mail server.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use lettre::Address;
use lettre::message::Mailbox;
use url::{Host, Url};

use crate::config::{InvalidUrl, PASSWORD_FILE, secret, shown};

/// A mail server, and what an action may do with it.
#[derive(Debug, Clone)]
pub struct SmtpConfig {
    /// Where it is.
    pub url: SmtpUrl,
    /// From whom messages may be; the first is the sender of those that name none.
    pub from: Vec<Party>,
    /// To whom they may go; to everybody if empty.
    pub to: Vec<Party>,
    /// Recipients of one message.
    pub max_recipients: u32,
    /// Bytes of one message as it is sent, with its files.
    pub max_bytes: u64,
    /// Of one message, from its turn to the server's last word.
    pub timeout: Duration,
    /// Connections at once, for each tenant.
    pub max_connections: u32,
}

impl SmtpConfig {
    /// Of a server: 50 recipients, 8 MiB, 30 s and 4 connections. Messages are from the
    /// user of the URL, if that is an address.
    #[must_use]
    pub fn new(url: SmtpUrl) -> Self {
        let from = url.user.as_ref().and_then(|user| user.parse().ok());
        Self {
            url,
            from: from.into_iter().collect(),
            to: Vec::new(),
            max_recipients: 50,
            max_bytes: 8 << 20,
            timeout: Duration::from_secs(30),
            max_connections: 4,
        }
    }
}

/// Who may send or receive: `Shop <shop@example.com>`, `shop@example.com`, or everybody
/// of a domain, `example.com` (of its subdomains not).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Party {
    /// One address.
    One(Mailbox),
    /// All of a domain.
    Domain(String),
}

impl Party {
    /// Whether it is one of them; upper and lower case are the same.
    pub(super) fn has(&self, address: &Address) -> bool {
        match self {
            Self::One(one) => one.email.to_string().eq_ignore_ascii_case(address.as_ref()),
            Self::Domain(domain) => domain.eq_ignore_ascii_case(address.domain()),
        }
    }
}

impl FromStr for Party {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.contains('@') {
            let one = text.parse().map(Self::One);
            return one.map_err(|error| format!("it is no address: {error}"));
        }
        match Address::new("x", text) {
            Ok(address) if text.contains('.') => Ok(Self::Domain(address.domain().to_owned())),
            _ => Err(
                "it is neither an address, `shop@example.com`, nor a domain, `example.com`".into(),
            ),
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(one) => one.fmt(f),
            Self::Domain(domain) => f.write_str(domain),
        }
    }
}

/// How the way to a server is kept from strangers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tls {
    /// From the first byte on: `smtps://`.
    Implicit,
    /// By `STARTTLS`, or not at all.
    Required,
    /// Not: `?tls=none`.
    None,
}

/// How to reach a mail server: `smtps://USER@HOST`, or `smtp://USER@HOST` with
/// `STARTTLS`. It is shown without its password.
#[derive(Clone)]
pub struct SmtpUrl {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) user: Option<String>,
    password: Option<String>,
    password_file: Option<PathBuf>,
    /// Certificates of authorities that are trusted in place of the system's, as PEM.
    pub(super) ca_file: Option<PathBuf>,
    shown: String,
}

/// For submission with TLS from the first byte on, and without (RFC 8314, 6409).
const PORTS: (u16, u16) = (465, 587);

impl FromStr for SmtpUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        const EXPECTED: &str =
            "a mail server is `smtps://USER@HOST`, or `smtp://USER@HOST` for STARTTLS";
        const ENCODED: &str = "`#`, `/`, `?`, `@` and `:` in a user or password are written %23, %2F, %3F, %40 and %3A";
        let wrong = |why: &str| InvalidUrl(why.to_owned());
        let url =
            Url::parse(text).map_err(|e| InvalidUrl(format!("it is not a URL: {e}; {ENCODED}")))?;
        let implicit = match url.scheme() {
            "smtps" => true,
            "smtp" => false,
            _ => return Err(wrong(EXPECTED)),
        };
        // What stands there is the rest of a password that is not encoded.
        if url.fragment().is_some() || !matches!(url.path(), "" | "/") {
            return Err(wrong(ENCODED));
        }
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => name.to_ascii_lowercase(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err(wrong(EXPECTED)),
        };
        let (mut tls, mut password_file, mut ca_file) = (None, None, None);
        for (name, value) in url.query_pairs() {
            match (&*name, &*value) {
                ("tls", "required") if !implicit => tls = Some(Tls::Required),
                ("tls", "none") if !implicit => tls = Some(Tls::None),
                ("tls", _) => {
                    return Err(wrong(
                        "`tls` is `required` or `none`, and only for `smtp://`: `smtps://` is TLS",
                    ));
                }
                (PASSWORD_FILE, file) => password_file = Some(file.into()),
                ("ca_file", file) => ca_file = Some(file.into()),
                // Not repeated: it may be the rest of a password.
                _ => {
                    return Err(wrong(
                        "it has a parameter that is not one of tls, password_file, ca_file",
                    ));
                }
            }
        }
        let decoded = |part: &str| {
            let bytes = percent_encoding::percent_decode_str(part).decode_utf8();
            bytes.map(String::from).map_err(|_| wrong(ENCODED))
        };
        let user = match url.username() {
            "" => None,
            user => Some(decoded(user)?),
        };
        let password = url.password().map(decoded).transpose()?;
        match (&user, password.is_some() || password_file.is_some()) {
            (Some(_), false) => {
                return Err(wrong("its user has no password: add `?password_file=FILE`"));
            }
            (None, true) => {
                return Err(wrong(
                    "it has a password and no user: write `smtps://USER@HOST`",
                ));
            }
            _ => {}
        }
        let port = if implicit { PORTS.0 } else { PORTS.1 };
        Ok(Self {
            host,
            port: url.port().unwrap_or(port),
            tls: if implicit {
                Tls::Implicit
            } else {
                tls.unwrap_or(Tls::Required)
            },
            user,
            password,
            password_file,
            ca_file,
            shown: shown(url),
        })
    }
}

impl SmtpUrl {
    /// User and password, if there are any; the file is read anew each time, since it
    /// may change.
    pub(super) fn credentials(&self) -> std::io::Result<Option<(String, String)>> {
        let Some(user) = &self.user else {
            return Ok(None);
        };
        let password = match &self.password_file {
            None => self.password.clone().unwrap_or_default(),
            Some(file) => {
                let text = secret(file).map_err(|e| {
                    std::io::Error::new(e.kind(), format!("{}: {e}", file.display()))
                })?;
                text.trim_end_matches(['\r', '\n']).to_owned()
            }
        };
        Ok(Some((user.clone(), password)))
    }
}

impl fmt::Display for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_required_unless_the_operator_says_otherwise_by_name() {
        for (url, tls, port) in [
            ("smtps://mail.example", Tls::Implicit, 465),
            ("smtp://mail.example", Tls::Required, 587),
            ("smtp://mail.example:25?tls=required", Tls::Required, 25),
            ("smtp://127.0.0.1:25?tls=none", Tls::None, 25),
        ] {
            let read: SmtpUrl = url.parse().expect(url);
            assert_eq!((read.tls, read.port), (tls, port), "{url}");
        }
        let read: SmtpUrl = "smtp://[::1]:25?tls=none".parse().expect("an address");
        assert_eq!(read.host, "::1");
    }

    #[test]
    fn a_url_is_shown_without_its_password() {
        let url: SmtpUrl = "smtps://me%40shop.example:hunter%2F2@mail.example"
            .parse()
            .expect("a URL");
        let credentials = url.credentials().expect("there are some");
        assert_eq!(
            credentials,
            Some(("me@shop.example".into(), "hunter/2".into()))
        );
        assert_eq!(
            url.to_string(),
            "smtps://me%40shop.example:***@mail.example"
        );
        let config = SmtpConfig::new(url);
        assert!(!format!("{config:?}").contains("hunter"), "{config:?}");
        assert_eq!(config.from[0].to_string(), "me@shop.example");
    }

    #[test]
    fn a_url_that_is_none_is_refused_without_being_repeated() {
        for (url, wanted) in [
            ("http://me:hunter2@mail.example", "a mail server is"),
            ("smtps://", "a mail server is"),
            ("smtps://me:hunter2/@mail.example", "%2F"),
            ("smtps://me:hunter#2@mail.example", "%23"),
            ("smtps://me@mail.example", "password_file"),
            ("smtps://:hunter2@mail.example", "no user"),
            (
                "smtps://me:hunter2@mail.example?tls=none",
                "`smtps://` is TLS",
            ),
            ("smtp://me:hunter2@mail.example?tls=maybe", "`tls` is"),
            ("smtp://me:x@mail.example?hunter2=1", "it has a parameter"),
        ] {
            let error = url.parse::<SmtpUrl>().expect_err(url).to_string();
            assert!(error.contains(wanted), "{url}: {error}");
            assert!(!error.contains("hunter"), "{error}");
        }
    }

    #[test]
    fn a_party_is_an_address_or_a_domain() {
        let has = |party: &str, address: &str| {
            let address: Address = address.parse().expect(address);
            party.parse::<Party>().expect(party).has(&address)
        };
        assert!(has("Shop <shop@example.com>", "Shop@Example.com"));
        assert!(has("example.com", "anyone@EXAMPLE.com"));
        assert!(!has("example.com", "a@sub.example.com"));
        assert!(!has("example.com", "a@notexample.com"));
        assert!(!has("shop@example.com", "shop@example.org"));
        for text in [
            "",
            "shop",
            "@example.com",
            "a@",
            "exa mple.com",
            "*",
            "a@b.c\r\nd",
        ] {
            assert!(text.parse::<Party>().is_err(), "{text}");
        }
    }
}
