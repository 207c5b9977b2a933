//! One request, and its answer: cut off at a cap, whatever its length.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use oci_distribution::secrets::RegistryAuth;
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use serde::Deserialize;

use super::error::RegistryError;
use super::remote::Remote;
use crate::package::PackageName;

/// Bytes of a list of tags, names or referrers, and of what is said of an error.
pub(super) const MAX_LIST: u64 = 1 << 20;
pub(super) const ACCEPT_JSON: &str = "application/json";

/// An answer: its type, its bytes, where its next page is.
pub(super) struct Answer {
    pub(super) media_type: String,
    pub(super) bytes: Bytes,
    pub(super) next: Option<String>,
}

/// What is asked.
pub(super) struct Question {
    pub(super) method: Method,
    /// After the registry's origin.
    pub(super) path: String,
    /// For the token, in the words of the registries' tokens; none where any will
    /// do.
    pub(super) scope: Option<String>,
    pub(super) accept: &'static str,
    /// From which byte on.
    pub(super) offset: u64,
    /// For messages.
    pub(super) what: String,
    pub(super) limit: u64,
}

impl Question {
    /// Reads something under the cap of lists.
    pub(super) fn get(
        path: String,
        scope: Option<String>,
        accept: &'static str,
        what: &str,
    ) -> Self {
        Self {
            method: Method::GET,
            path,
            scope,
            accept,
            offset: 0,
            what: what.to_owned(),
            limit: MAX_LIST,
        }
    }
}

impl Remote {
    /// The scope in which a package is pulled.
    pub(super) fn to_pull(&self, name: &PackageName) -> Option<String> {
        Some(self.scope(name, "pull"))
    }

    /// A scope, as registries' tokens have it.
    pub(super) fn scope(&self, name: &PackageName, actions: &str) -> String {
        format!("repository:{}:{actions}", self.registry.repository(name))
    }

    /// Asks once; none for a 404.
    pub(super) async fn ask(&self, question: &Question) -> Result<Option<Answer>, RegistryError> {
        let asking = async {
            let response = self.send(question).await?;
            if response.status() == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            let status = response.status();
            let answer = self.read(response, &question.what, question.limit).await?;
            if !status.is_success() {
                let text = String::from_utf8_lossy(&answer.bytes);
                return Err(RegistryError::of_status(
                    self.registry.host(),
                    status.as_u16(),
                    &text,
                ));
            }
            Ok(Some(answer))
        };
        self.within(self.patience.silence, asking).await
    }

    /// Sends it, with what the registry wants to see.
    pub(super) async fn send(&self, question: &Question) -> Result<Response, RegistryError> {
        let lost = |error| RegistryError::of_request(self.registry.host(), &error);
        let shown = self.shown(question.scope.as_deref());
        let response = self.request(question, &shown).send().await.map_err(lost)?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        // The registry names where tokens are had.
        match self.token(question.scope.as_deref(), &response).await? {
            Some(token) => {
                let again = self.request(question, &token);
                again.send().await.map_err(lost)
            }
            None => Ok(response),
        }
    }

    fn request(&self, question: &Question, shown: &RegistryAuth) -> RequestBuilder {
        let url = format!("{}{}", self.registry.origin(), question.path);
        let mut request = self
            .http
            .request(question.method.clone(), url)
            .header(header::ACCEPT, question.accept);
        if question.offset > 0 {
            request = request.header(header::RANGE, format!("bytes={}-", question.offset));
        }
        show(request, shown)
    }

    /// Reads an answer, as far as its cap.
    pub(super) async fn read(
        &self,
        response: Response,
        what: &str,
        limit: u64,
    ) -> Result<Answer, RegistryError> {
        let registry = self.registry.host();
        let header = |name| {
            let value = response.headers().get(name);
            value.and_then(|value| value.to_str().ok())
        };
        let media_type = header(header::CONTENT_TYPE).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        let media_type = media_type.to_owned();
        let next = header(header::LINK).and_then(next_page);
        let mut bytes = BytesMut::new();
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| RegistryError::of_request(registry, &error))?;
            if (bytes.len() + chunk.len()) as u64 > limit {
                return Err(self.too_large(what.to_owned(), limit));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Answer {
            media_type,
            bytes: bytes.freeze(),
            next,
        })
    }

    pub(super) fn parse<T: for<'de> Deserialize<'de>>(
        &self,
        what: &str,
        bytes: &[u8],
    ) -> Result<T, RegistryError> {
        serde_json::from_slice(bytes).map_err(|error| RegistryError::Nonsense {
            registry: self.registry.host().to_owned(),
            reason: format!("its {what} does not read: {error}"),
        })
    }

    pub(super) fn too_large(&self, what: String, limit: u64) -> RegistryError {
        RegistryError::TooLarge {
            registry: self.registry.host().to_owned(),
            what,
            limit,
        }
    }

    pub(super) fn missing(&self, what: String) -> RegistryError {
        RegistryError::Missing {
            registry: self.registry.host().to_owned(),
            what,
        }
    }
}

/// Shows who asks.
pub(super) fn show(request: RequestBuilder, shown: &RegistryAuth) -> RequestBuilder {
    match shown {
        RegistryAuth::Bearer(token) => request.bearer_auth(token),
        RegistryAuth::Basic(user, password) => request.basic_auth(user, Some(password)),
        RegistryAuth::Anonymous => request,
    }
}

/// The path of `<…>; rel="next"`, within the same registry.
fn next_page(link: &str) -> Option<String> {
    let (url, rest) = link.strip_prefix('<')?.split_once('>')?;
    if !rest.contains("next") {
        return None;
    }
    let path = match url.split_once("://") {
        Some((_, rest)) => &rest[rest.find('/')?..],
        None => url,
    };
    path.starts_with("/v2/").then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_in_the_same_registry() {
        for (link, path) in [
            (
                "</v2/a/tags/list?n=1&last=x>; rel=\"next\"",
                Some("/v2/a/tags/list?n=1&last=x"),
            ),
            (
                "<http://other.example/v2/_catalog?n=1>; rel=\"next\"",
                Some("/v2/_catalog?n=1"),
            ),
            ("</v2/a>; rel=\"prev\"", None),
            ("</elsewhere>; rel=\"next\"", None),
            ("<http://x>; rel=\"next\"", None),
            ("nonsense", None),
        ] {
            assert_eq!(next_page(link).as_deref(), path, "{link}");
        }
    }
}
