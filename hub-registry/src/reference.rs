//! Where packages are: registries, and packages within them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use nebula_flow::Digest;
use oci_distribution::Reference;
use semver::{Version, VersionReq};

use crate::package::PackageName;

/// A registry, and the path below which packages are in it: `registry.example`,
/// `127.0.0.1:5000/team`, `http://registry.lan`. Plain HTTP is spoken with
/// loopback, and with what is written with `http://`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Registry {
    host: String,
    prefix: String,
    plain: bool,
}

/// A package within a range, as people write it: `acme/weather@^1.2`. Without a
/// range any version will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Which package.
    pub name: PackageName,
    /// In which versions.
    pub range: VersionReq,
}

/// A text that names no registry, or no package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` {reason}")]
pub struct InvalidReference {
    /// The beginning of the text.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl InvalidReference {
    fn new(text: &str, reason: impl Into<String>) -> Self {
        Self {
            text: text.chars().take(120).collect(),
            reason: reason.into(),
        }
    }
}

impl Registry {
    /// Its host, with its port.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether requests to it travel in the clear.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.plain
    }

    /// `scheme://host`, without a path.
    #[must_use]
    pub fn origin(&self) -> String {
        let scheme = if self.plain { "http" } else { "https" };
        format!("{scheme}://{}", self.host)
    }

    /// The repository of a package.
    #[must_use]
    pub fn repository(&self, name: &PackageName) -> String {
        match self.prefix.as_str() {
            "" => name.to_string(),
            prefix => format!("{prefix}/{name}"),
        }
    }

    /// The package whose repository this is, if it is one of this registry's.
    #[must_use]
    pub fn package(&self, repository: &str) -> Option<PackageName> {
        let rest = match self.prefix.as_str() {
            "" => repository,
            prefix => repository.strip_prefix(prefix)?.strip_prefix('/')?,
        };
        rest.parse().ok()
    }

    /// A package's tag.
    #[must_use]
    pub fn tagged(&self, name: &PackageName, tag: &str) -> Reference {
        Reference::with_tag(self.host.clone(), self.repository(name), tag.to_owned())
    }

    /// A package's manifest or blob of this digest.
    #[must_use]
    pub fn pinned(&self, name: &PackageName, digest: Digest) -> Reference {
        Reference::with_digest(self.host.clone(), self.repository(name), digest.to_string())
    }
}

impl FromStr for Registry {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let (asked, rest) = match text.split_once("://") {
            Some(("http", rest)) => (Some(true), rest),
            Some(("https", rest)) => (Some(false), rest),
            Some(_) => {
                return Err(InvalidReference::new(
                    text,
                    "is no registry: only http:// and https:// are spoken",
                ));
            }
            None => (None, text),
        };
        let rest = rest.trim_end_matches('/');
        let (host, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let shape = |reason| InvalidReference::new(text, reason);
        // The grammar of references is the library's.
        let probe = format!("{host}/{}x/x:1", with_slash(prefix));
        let parsed: Reference = probe
            .parse()
            .map_err(|_| shape("is no registry; write `host:port` or `host:port/path`"))?;
        if host.is_empty() || parsed.registry() != host {
            return Err(shape(
                "is no registry: its host needs a dot, a port, or to be `localhost`",
            ));
        }
        Ok(Self {
            plain: asked.unwrap_or_else(|| is_loopback(host)),
            host: host.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

fn with_slash(prefix: &str) -> String {
    match prefix {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    }
}

/// Whether a host, with or without its port, is this machine.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let name = host.split(':').next().unwrap_or_default();
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.plain != is_loopback(&self.host) {
            f.write_str(if self.plain { "http://" } else { "https://" })?;
        }
        f.write_str(&self.host)?;
        if self.prefix.is_empty() {
            return Ok(());
        }
        write!(f, "/{}", self.prefix)
    }
}

impl Wanted {
    /// Reads `name[@range]`; a bare name is in the namespace `default`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn read(text: &str, default: &str) -> Result<Self, InvalidReference> {
        let (name, range) = match text.split_once('@') {
            Some((name, range)) => (name, Some(range)),
            None => (text, None),
        };
        let name = PackageName::within(default, name)
            .map_err(|error| InvalidReference::new(text, format!("names no package: {error}")))?;
        let range = match range {
            None => VersionReq::STAR,
            Some(range) => read_range(range).map_err(|error| {
                InvalidReference::new(
                    text,
                    format!("has a range that does not read ({error}); write e.g. {name}@^1.2"),
                )
            })?,
        };
        Ok(Self { name, range })
    }
}

/// A version alone means exactly that version, with a leading `v` too.
fn read_range(text: &str) -> Result<VersionReq, semver::Error> {
    match Version::parse(text.strip_prefix('v').unwrap_or(text)) {
        Ok(version) => VersionReq::parse(&format!("={version}")),
        Err(_) => VersionReq::parse(text),
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.range == VersionReq::STAR {
            return write!(f, "{}", self.name);
        }
        write!(f, "{}@{}", self.name, self.range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_plain_on_loopback_or_when_asked_and_nowhere_else() {
        for (text, host, plain, repository) in [
            ("127.0.0.1:5000", "127.0.0.1:5000", true, "a/b"),
            ("localhost:5000/team", "localhost:5000", true, "team/a/b"),
            ("registry.example", "registry.example", false, "a/b"),
            (
                "registry.example/x/y/",
                "registry.example",
                false,
                "x/y/a/b",
            ),
            ("http://registry.lan", "registry.lan", true, "a/b"),
            ("https://127.0.0.1:5000", "127.0.0.1:5000", false, "a/b"),
        ] {
            let registry: Registry = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(
                (registry.host(), registry.is_plain()),
                (host, plain),
                "{text}"
            );
            let name = "a/b".parse().unwrap();
            assert_eq!(registry.repository(&name), repository);
            assert_eq!(registry.package(repository), Some(name));
            let again: Registry = registry.to_string().parse().unwrap();
            assert_eq!(again, registry, "{text}");
        }
        for text in [
            "",
            "/",
            "registry",
            "ftp://x.y",
            "x.y/Z",
            "x.y/a b",
            "x.y/../z",
            "x.y:port",
            "http://",
            "[::1]:5000",
        ] {
            assert!(text.parse::<Registry>().is_err(), "{text}");
        }
        for host in ["localhost.example:80", "127.0.0.1.example", "10.0.0.1:5000"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn a_version_alone_is_exact_and_a_bare_name_is_in_the_default_namespace() {
        for (text, shown) in [
            ("weather", "me/weather"),
            ("acme/weather@^1.2", "acme/weather@^1.2"),
            ("acme/weather@1.2.3", "acme/weather@=1.2.3"),
            ("weather@v1.2.3", "me/weather@=1.2.3"),
            ("weather@1", "me/weather@^1"),
        ] {
            assert_eq!(Wanted::read(text, "me").unwrap().to_string(), shown);
        }
        for text in ["", "@1", "a@", "a@one", "A/b", "a/b/c@1"] {
            assert!(Wanted::read(text, "me").is_err(), "{text}");
        }
    }
}
