//! What a path asks for. Names of repositories have slashes in them, so a path
//! is read from its end.

use http::Uri;
use percent_encoding::percent_decode_str;

use super::super::content::ContentDigest;
use super::super::name::{Reference, RepositoryName};
use super::refusal::Refusal;

/// An endpoint of the specification.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    Base,
    Catalog,
    Tags(RepositoryName),
    Referrers(RepositoryName, ContentDigest),
    Blob(RepositoryName, ContentDigest),
    Uploads(RepositoryName),
    Upload(RepositoryName, String),
    Manifest(RepositoryName, Reference),
}

/// Reads the path of a request below `/v2`.
pub(super) fn route(uri: &Uri) -> Result<Route, Refusal> {
    let unknown = || {
        Refusal::not_found(
            "UNSUPPORTED",
            "no such endpoint: what there is, the OCI distribution specification says",
        )
    };
    let below = uri.path().strip_prefix("/v2").ok_or_else(unknown)?;
    let decoded: Result<Vec<_>, _> = below
        .trim_start_matches('/')
        .split('/')
        .map(|segment| percent_decode_str(segment).decode_utf8())
        .collect();
    let segments = decoded.map_err(|_| unknown())?;
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    Ok(match segments.as_slice() {
        [""] => Route::Base,
        ["_catalog"] => Route::Catalog,
        [name @ .., "tags", "list"] => Route::Tags(repository(name)?),
        [name @ .., "blobs", "uploads"] | [name @ .., "blobs", "uploads", ""] => {
            Route::Uploads(repository(name)?)
        }
        [name @ .., "blobs", "uploads", session] => {
            Route::Upload(repository(name)?, (*session).into())
        }
        [name @ .., "blobs", digest] => Route::Blob(repository(name)?, digest.parse()?),
        [name @ .., "referrers", digest] => Route::Referrers(repository(name)?, digest.parse()?),
        [name @ .., "manifests", reference] => {
            Route::Manifest(repository(name)?, read_reference(reference)?)
        }
        _ => return Err(unknown()),
    })
}

fn repository(segments: &[&str]) -> Result<RepositoryName, Refusal> {
    Ok(segments.join("/").parse()?)
}

/// What has a colon was meant as a digest.
fn read_reference(text: &str) -> Result<Reference, Refusal> {
    if text.contains(':') {
        return Ok(Reference::Digest(text.parse()?));
    }
    Ok(text.parse()?)
}

impl Route {
    /// The methods that it takes.
    pub(super) const fn methods(&self) -> &'static str {
        match self {
            Self::Base | Self::Catalog | Self::Tags(_) | Self::Referrers(..) => "GET, HEAD",
            Self::Blob(..) => "GET, HEAD, DELETE",
            Self::Uploads(_) => "POST",
            Self::Upload(..) => "GET, PATCH, PUT, DELETE",
            Self::Manifest(..) => "GET, HEAD, PUT, DELETE",
        }
    }

    /// The repository that it is about.
    pub(super) const fn repository(&self) -> Option<&RepositoryName> {
        match self {
            Self::Base | Self::Catalog => None,
            Self::Tags(name)
            | Self::Referrers(name, _)
            | Self::Blob(name, _)
            | Self::Uploads(name)
            | Self::Upload(name, _)
            | Self::Manifest(name, _) => Some(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(path: &str) -> Option<Route> {
        route(&path.parse().expect("a path")).ok()
    }

    #[test]
    fn paths_are_read_from_their_end() {
        let name = |text: &str| text.parse().expect("a name");
        let sha = format!("sha256:{}", "0".repeat(64));
        let digest = || sha.parse().expect("a digest");
        assert_eq!(of("/v2/"), Some(Route::Base));
        assert_eq!(of("/v2"), Some(Route::Base));
        assert_eq!(of("/v2/_catalog"), Some(Route::Catalog));
        assert_eq!(of("/v2/a/b/tags/list"), Some(Route::Tags(name("a/b"))));
        assert_eq!(
            of("/v2/tags/list/tags/list"),
            Some(Route::Tags(name("tags/list")))
        );
        assert_eq!(of("/v2/a/blobs/uploads"), Some(Route::Uploads(name("a"))));
        assert_eq!(of("/v2/a/blobs/uploads/"), Some(Route::Uploads(name("a"))));
        assert_eq!(
            of("/v2/a/blobs/uploads/x"),
            Some(Route::Upload(name("a"), "x".into()))
        );
        for path in [
            format!("/v2/a/blobs/{sha}"),
            format!("/v2/a/blobs/{}", sha.replace(':', "%3A")),
        ] {
            assert_eq!(of(&path), Some(Route::Blob(name("a"), digest())));
        }
        assert_eq!(
            of(&format!("/v2/blobs/manifests/manifests/{sha}")),
            Some(Route::Manifest(
                name("blobs/manifests"),
                Reference::Digest(digest())
            ))
        );
        let tag = Reference::Tag("latest".parse().expect("a tag"));
        assert_eq!(
            of("/v2/a/manifests/latest"),
            Some(Route::Manifest(name("a"), tag))
        );
    }

    #[test]
    fn what_is_no_endpoint_is_none() {
        for path in [
            "/v3/",
            "/v2/a",
            "/v2//tags/list",
            "/v2/tags/list",
            "/v2/A/tags/list",
            "/v2/a/blobs/sha256:00",
            "/v2/a/manifests/",
            "/v2/a/manifests/sha256:xyz",
            "/v2/../a/tags/list",
            "/v2/%2e%2e/a/tags/list",
            "/v2/a/manifests/%2e%2e",
            "/v2/a/manifests/..%2f..%2fetc",
            "/v2/a%00/tags/list",
            "/v2/%ff/tags/list",
        ] {
            assert_eq!(of(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_is_a_panic(path in r"/v2(/(a|_|blobs|uploads|tags|list|manifests|%2e|%2f|\.\.|sha256:0|[a-z%]{0,4})){0,8}") {
            if let Ok(uri) = path.parse::<Uri>() {
                let _ = route(&uri);
            }
        }
    }
}
