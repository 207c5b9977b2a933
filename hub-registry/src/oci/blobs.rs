//! Blobs, chunk by chunk: no more than was said, and what came before a
//! connection was lost is kept.

use bytes::Bytes;
use futures_util::StreamExt as _;
use nebula_flow::Digest;
use reqwest::StatusCode;

use super::ask::{MAX_LIST, Question};
use super::error::RegistryError;
use super::remote::Remote;
use crate::artifact::Descriptor;
use crate::package::PackageName;

/// Where a blob goes, chunk by chunk. It checks length and digest at its end.
pub trait Sink: Send {
    /// Bytes that it has.
    fn len(&self) -> u64;

    /// Whether it has none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// When they cannot be kept.
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()>;

    /// Forgets what it has: it begins anew.
    ///
    /// # Errors
    /// When it cannot.
    fn restart(&mut self) -> std::io::Result<()>;
}

impl Remote {
    /// Pulls a small blob into memory.
    ///
    /// # Errors
    /// When it has more than `limit` bytes, is another, or does not come.
    pub async fn small(
        &self,
        name: &PackageName,
        wanted: &Descriptor,
        limit: u64,
    ) -> Result<Bytes, RegistryError> {
        if wanted.size > limit {
            return Err(self.too_large(wanted.digest.to_string(), limit));
        }
        let mut bytes = Memory(Vec::new());
        self.blob(name, wanted, &mut bytes).await?;
        let actual = Digest::of(&bytes.0);
        if actual != wanted.digest {
            return Err(RegistryError::Altered {
                registry: self.registry.host().to_owned(),
                expected: wanted.digest,
                actual,
            });
        }
        Ok(bytes.0.into())
    }

    /// Pulls a blob. What came before a connection was lost is kept, and the
    /// rest asked for.
    ///
    /// # Errors
    /// When the registry has it not, sends more than it said, or goes away.
    pub async fn blob(
        &self,
        name: &PackageName,
        wanted: &Descriptor,
        sink: &mut dyn Sink,
    ) -> Result<(), RegistryError> {
        let after = self.patience.moving(wanted.size);
        let mut tries = 1;
        loop {
            let pulling = self.blob_once(name, wanted, sink);
            let error = match self.within(after, pulling).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if tries == self.patience.tries || !error.is_passing() {
                return Err(error);
            }
            self.pause(tries).await;
            tries += 1;
        }
    }

    async fn blob_once(
        &self,
        name: &PackageName,
        wanted: &Descriptor,
        sink: &mut dyn Sink,
    ) -> Result<(), RegistryError> {
        let host = self.registry.host();
        let digest = wanted.digest.to_string();
        let disk = |error: std::io::Error| RegistryError::Nonsense {
            registry: host.to_owned(),
            reason: format!("what it sends cannot be kept: {error}"),
        };
        let path = format!("/v2/{}/blobs/{digest}", self.registry.repository(name));
        let question = Question {
            offset: sink.len(),
            ..Question::get(path, self.to_pull(name), "*/*", &digest)
        };
        let response = self.send(&question).await?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if !sink.is_empty() => {}
            StatusCode::OK => sink.restart().map_err(disk)?,
            StatusCode::NOT_FOUND => {
                return Err(self.missing(format!("blob {digest} of {name}")));
            }
            status => {
                let answer = self.read(response, &digest, MAX_LIST).await?;
                let text = String::from_utf8_lossy(&answer.bytes);
                return Err(RegistryError::of_status(host, status.as_u16(), &text));
            }
        }
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| RegistryError::of_request(host, &error))?;
            if sink.len() + chunk.len() as u64 > wanted.size {
                return Err(self.too_large(digest, wanted.size));
            }
            sink.write(&chunk).map_err(disk)?;
        }
        if sink.len() < wanted.size {
            return Err(RegistryError::Unreachable {
                registry: host.to_owned(),
                reason: format!("it ended after {} of {} bytes", sink.len(), wanted.size),
            });
        }
        Ok(())
    }
}

struct Memory(Vec<u8>);

impl Sink for Memory {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn restart(&mut self) -> std::io::Result<()> {
        self.0.clear();
        Ok(())
    }
}
