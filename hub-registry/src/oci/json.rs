//! Small documents: manifests, tags, referrers. The library reads such bodies
//! whole, whatever their length; here they are cut off at a cap, and the library
//! is asked for tokens only.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use oci_distribution::secrets::RegistryAuth;
use oci_distribution::{Reference, RegistryOperation};
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};

use super::error::RegistryError;
use super::remote::{READ_TIMEOUT, Remote};

/// An answer: its type, its bytes, where its next page is.
pub(super) struct Answer {
    pub(super) media_type: String,
    pub(super) bytes: Bytes,
    pub(super) next: Option<String>,
}

/// What is asked, of which repository.
pub(super) struct Question<'a> {
    pub(super) method: Method,
    /// For the token: repository and operation.
    pub(super) reference: &'a Reference,
    /// After the registry's origin.
    pub(super) path: String,
    pub(super) accept: &'static str,
    /// For messages.
    pub(super) what: String,
    pub(super) limit: u64,
}

impl Remote {
    /// Asks once; none for a 404.
    pub(super) async fn ask(
        &self,
        question: &Question<'_>,
    ) -> Result<Option<Answer>, RegistryError> {
        let asking = async {
            let response = self.send(question).await?;
            let status = response.status();
            if status == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            let answer = self.read(question, response).await?;
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
        self.in_time(asking).await
    }

    async fn send(&self, question: &Question<'_>) -> Result<Response, RegistryError> {
        let host = self.registry.host();
        let url = format!("{}{}", self.registry.origin(), question.path);
        let request = |token: Option<&str>| -> RequestBuilder {
            let request = self
                .http
                .request(question.method.clone(), &url)
                .header(header::ACCEPT, question.accept);
            match (token, &self.auth) {
                (Some(token), _) => request.bearer_auth(token),
                (None, RegistryAuth::Bearer(token)) => request.bearer_auth(token),
                (None, RegistryAuth::Basic(user, password)) => {
                    request.basic_auth(user, Some(password))
                }
                (None, RegistryAuth::Anonymous) => request,
            }
        };
        let lost = |error| RegistryError::of_request(host, &error);
        let response = request(None).send().await.map_err(lost)?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        // The registry names where tokens are had.
        let operation = match question.method {
            Method::GET | Method::HEAD => RegistryOperation::Pull,
            _ => RegistryOperation::Push,
        };
        let token = self
            .client
            .auth(question.reference, &self.auth, operation)
            .await
            .map_err(|error| RegistryError::of_library(host, &error))?;
        match token {
            Some(token) => request(Some(&token)).send().await.map_err(lost),
            None => Ok(response),
        }
    }

    async fn read(
        &self,
        question: &Question<'_>,
        response: Response,
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
            if (bytes.len() + chunk.len()) as u64 > question.limit {
                return Err(RegistryError::TooLarge {
                    registry: registry.to_owned(),
                    what: question.what.clone(),
                    limit: question.limit,
                });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Answer {
            media_type,
            bytes: bytes.freeze(),
            next,
        })
    }

    /// With the time-out of a small document.
    pub(super) async fn in_time<T>(
        &self,
        asking: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        let after = READ_TIMEOUT;
        match tokio::time::timeout(after, asking).await {
            Ok(answer) => answer,
            Err(_) => Err(RegistryError::TimedOut {
                registry: self.registry.host().to_owned(),
                after,
            }),
        }
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
