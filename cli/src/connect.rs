//! The way to a node: TCP, and TLS if its address says so.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::error::{Error, Result};

/// Where a node is: `host:port`, and how it is spoken to.
#[derive(Clone)]
pub(crate) struct Way {
    /// `host:port`.
    pub(crate) authority: String,
    tls: Option<Arc<ClientConfig>>,
}

/// A connection, whatever it goes over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Way {
    /// From `http://host:port` or `https://host[:port]`. The certificate must
    /// lead to a root of the system, or to one of this file.
    pub(crate) fn new(address: &str, roots: Option<&Path>) -> Result<Self> {
        let (rest, secure) = match address.strip_prefix("https://") {
            Some(rest) => (rest, true),
            None => (address.strip_prefix("http://").unwrap_or(address), false),
        };
        let rest = rest.trim_end_matches('/');
        let authority: http::uri::Authority = rest
            .parse()
            .ok()
            .filter(|_| !rest.contains('@'))
            .ok_or_else(|| {
                Error::refused(format!("`{address}` is not a node's address"))
                    .hint("write it like http://127.0.0.1:7300 or https://nebula.example")
            })?;
        let port = authority
            .port_u16()
            .unwrap_or(if secure { 443 } else { 80 });
        Ok(Self {
            authority: format!("{}:{port}", authority.host()),
            tls: secure.then(|| config(roots)).transpose()?,
        })
    }

    /// Whether what is sent can be read on the way: not over TLS, and not on
    /// this machine's loopback.
    pub(crate) fn is_open(&self) -> bool {
        let host = self.host();
        let is_loopback = host.eq_ignore_ascii_case("localhost")
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|ip| ip.is_loopback());
        self.tls.is_none() && !is_loopback
    }

    /// A connection to the node.
    pub(crate) async fn connect(&self) -> Result<Box<dyn Stream>> {
        let failed = |e: std::io::Error| {
            Error::node(format!("no node answers at {}: {e}", self.authority))
                .hint("start one with `nebula dev`")
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the operator names the node on the command line"
        )]
        let stream = TcpStream::connect(&self.authority).await.map_err(failed)?;
        let _ = stream.set_nodelay(true);
        let Some(config) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let host = self.host().to_owned();
        let name = ServerName::try_from(host.clone()).map_err(|_| {
            Error::refused(format!("`{host}` is not a name that a certificate has"))
        })?;
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream);
        let stream = stream.await.map_err(|e| {
            Error::node(format!("no TLS connection to {}: {e}", self.authority)).hint(
                "if the node's certificate is of an authority of your own, name its file with --ca-file",
            )
        })?;
        Ok(Box::new(stream))
    }

    fn host(&self) -> &str {
        let host = self.authority.rsplit_once(':').map_or("", |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }
}

fn config(roots: Option<&Path>) -> Result<Arc<ClientConfig>> {
    let mut store = RootCertStore::empty();
    match roots {
        Some(file) => {
            let refuse = |e: &dyn std::fmt::Display| {
                Error::refused(format!("{} has no certificates: {e}", file.display()))
            };
            let certificates = CertificateDer::pem_file_iter(file)
                .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
                .map_err(|e| refuse(&e))?;
            for certificate in certificates {
                store.add(certificate).map_err(|e| refuse(&e))?;
            }
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::node(format!("TLS cannot be set up: {e}")))?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_where_and_how() {
        let way = |address| Way::new(address, None).map(|w| (w.authority.clone(), w.is_open()));
        let is = |authority: &str, open| Some((authority.to_owned(), open));
        assert_eq!(
            way("http://127.0.0.1:7300").ok(),
            is("127.0.0.1:7300", false)
        );
        assert_eq!(way("localhost:7300/").ok(), is("localhost:7300", false));
        assert_eq!(way("http://[::1]:7300").ok(), is("[::1]:7300", false));
        assert_eq!(
            way("http://nebula.example").ok(),
            is("nebula.example:80", true)
        );
        assert_eq!(
            way("https://nebula.example").ok(),
            is("nebula.example:443", false)
        );
        for wrong in ["", "http://", "http://u@h:1", "http://h:1/path", "https://"] {
            assert!(way(wrong).is_err(), "{wrong}");
        }
    }
}
