//! The node's certificate: read once, at the start.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsConfig;

/// Why the node has no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is not PEM of its kind.
    #[error("{setting}: {} is not a PEM file with {what}: {error}", path.display())]
    File {
        /// Which setting names it.
        setting: &'static str,
        /// What it should have.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: pem::Error,
    },
    /// Everyone may read the key.
    #[error("tls.key: {} may be read by everyone (mode {mode:o}): run chmod 600 on it, and have a new certificate made", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The two do not belong together, or are of a kind that is not known.
    #[error("tls.certificate and tls.key cannot be used: {0}")]
    Pair(rustls::Error),
}

/// Reads the files.
pub(crate) fn acceptor(files: &TlsConfig) -> Result<TlsAcceptor, TlsError> {
    let failed = |setting, what, path: &Path| {
        let path = path.to_path_buf();
        move |error| TlsError::File {
            setting,
            what,
            path,
            error,
        }
    };
    let certificates = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(failed(
            "tls.certificate",
            "certificates",
            &files.certificate,
        ))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(failed(
        "tls.key",
        "a private key",
        &files.key,
    ))?;
    check_mode(&files.key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|config| {
            config
                .with_no_client_auth()
                .with_single_cert(certificates, key)
        })
        .map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn check_mode(path: &Path) -> Result<(), TlsError> {
    let mode = std::fs::metadata(path).map_or(0, |m| m.permissions().mode() & 0o777);
    // A group may read it: that is how secrets are mounted for a container.
    if mode & 0o007 == 0 {
        return Ok(());
    }
    Err(TlsError::Open {
        path: path.to_path_buf(),
        mode,
    })
}
