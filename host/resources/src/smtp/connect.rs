//! The way to a mail server: a connection, TLS on it, and what is said before the first
//! message. What a server says is bounded, and nothing that came before TLS counts after.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::extension::ClientId;
use nebula_sandbox::resources::ResourceError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::config::{SmtpUrl, Tls};
use super::telling::Telling;

/// Bytes that a server may say on one connection.
const MAX_SAID: usize = 256 << 10;
/// Bytes of one reply before TLS.
const MAX_REPLY: usize = 16 << 10;
/// Stands in for the greeting, which a server gives before TLS and not again after it.
const GREETED: &[u8] = b"220 TLS\r\n";

/// A connection on which messages can be sent.
pub(super) async fn connect(
    url: &SmtpUrl,
    tls: &Roots,
    telling: Telling<'_>,
) -> Result<AsyncSmtpConnection, ResourceError> {
    let away = |error: io::Error| telling.unreachable(&error);
    let credentials = url.credentials().map_err(away)?;
    #[expect(
        clippy::disallowed_methods,
        reason = "the operator's address, which no guest has a say in"
    )]
    let stream = TcpStream::connect((url.host.as_str(), url.port)).await;
    let mut stream = stream.map_err(away)?;
    let me = match stream.local_addr().map_err(away)? {
        SocketAddr::V4(address) => ClientId::Ipv4(*address.ip()),
        SocketAddr::V6(address) => ClientId::Ipv6(*address.ip()),
    };
    let line = match url.tls {
        Tls::None => Line::new(Box::new(stream), b""),
        Tls::Implicit => Line::new(encrypted(url, tls, stream).await.map_err(away)?, b""),
        Tls::Required => {
            start_tls(&mut stream, &me, telling).await?;
            Line::new(encrypted(url, tls, stream).await.map_err(away)?, GREETED)
        }
    };
    let connection = AsyncSmtpConnection::connect_with_transport(Box::new(line), &me).await;
    let mut connection = connection.map_err(|error| telling.failed(&error))?;
    if let Some((user, password)) = credentials {
        let credentials = Credentials::new(user, password);
        let known = connection.auth(DEFAULT_MECHANISMS, &credentials).await;
        known.map_err(|error| telling.unknown(&error))?;
    }
    Ok(connection)
}

// --------------------------------------------------------------- STARTTLS --

/// Says all that is said before TLS, and not a byte more is read.
async fn start_tls(
    stream: &mut TcpStream,
    me: &ClientId,
    telling: Telling<'_>,
) -> Result<(), ResourceError> {
    let lost = |error: io::Error| telling.unreachable(&error);
    telling.expect(220, &reply(stream).await.map_err(lost)?)?;
    let hello = format!("EHLO {me}\r\n");
    stream.write_all(hello.as_bytes()).await.map_err(lost)?;
    let offers = reply(stream).await.map_err(lost)?;
    telling.expect(250, &offers)?;
    let is_offered = |line: &String| line.trim().eq_ignore_ascii_case("STARTTLS");
    if !offers.lines.iter().any(is_offered) {
        return Err(telling.plain());
    }
    stream.write_all(b"STARTTLS\r\n").await.map_err(lost)?;
    telling.expect(220, &reply(stream).await.map_err(lost)?)
}

/// What a server answers.
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) lines: Vec<String>,
}

/// Reads one reply, byte by byte: what comes behind it belongs to TLS.
async fn reply(stream: &mut TcpStream) -> io::Result<Reply> {
    let odd = || io::Error::other("the server does not speak SMTP");
    let mut lines = Vec::new();
    let (mut line, mut read) = (Vec::new(), 0);
    loop {
        let byte = stream.read_u8().await?;
        read += 1;
        if read > MAX_REPLY {
            return Err(odd());
        }
        if byte != b'\n' {
            line.push(byte);
            continue;
        }
        let text = String::from_utf8_lossy(&line).into_owned();
        let (code, rest) = text.split_at_checked(3).ok_or_else(odd)?;
        let code = code.parse().map_err(|_| odd())?;
        lines.push(rest.get(1..).unwrap_or_default().trim_end().to_owned());
        if !rest.starts_with('-') {
            return Ok(Reply { code, lines });
        }
        line.clear();
    }
}

// -------------------------------------------------------------------- TLS --

/// Whom a server may be vouched for by; read once, when it is first needed.
#[derive(Debug, Default)]
pub(super) struct Roots(tokio::sync::OnceCell<Arc<ClientConfig>>);

/// Speaks TLS as a client of the URL's host.
async fn encrypted(url: &SmtpUrl, roots: &Roots, stream: TcpStream) -> io::Result<Wire> {
    let file = url.ca_file.clone();
    let config = roots.0.get_or_try_init(|| async move {
        let read = tokio::task::spawn_blocking(move || client(file.as_deref())).await;
        read.map_err(io::Error::other)?.map(Arc::new)
    });
    let config = Arc::clone(config.await?);
    let name = ServerName::try_from(url.host.clone()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(config).connect(name, stream).await?;
    Ok(Box::new(stream))
}

fn client(file: Option<&Path>) -> io::Result<ClientConfig> {
    let mut store = RootCertStore::empty();
    match file {
        None => {
            let found = rustls_native_certs::load_native_certs();
            store.add_parsable_certificates(found.certs);
        }
        Some(file) => {
            let told =
                |e: &dyn std::fmt::Display| io::Error::other(format!("{}: {e}", file.display()));
            for certificate in CertificateDer::pem_file_iter(file).map_err(|e| told(&e))? {
                let certificate = certificate.map_err(|e| told(&e))?;
                store.add(certificate).map_err(|e| told(&e))?;
            }
        }
    }
    if store.is_empty() {
        return Err(io::Error::other(
            "there are no trusted root certificates: install the package `ca-certificates`, or name a \
             file with `ca_file`",
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(config.with_root_certificates(store).with_no_client_auth())
}

// ------------------------------------------------------------------- line --

/// Bytes both ways, with TLS or without.
trait Bytes: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug> Bytes for T {}

type Wire = Box<dyn Bytes>;

/// A connection on which a server may not say what it likes.
#[derive(Debug)]
struct Line {
    wire: Wire,
    /// Read before what the server says.
    before: &'static [u8],
    left: usize,
}

impl Line {
    fn new(wire: Wire, before: &'static [u8]) -> Self {
        let left = MAX_SAID;
        Self { wire, before, left }
    }
}

impl AsyncTokioStream for Line {
    /// Nobody asks: it is for who connects by the library.
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { wire, before, left } = self.get_mut();
        if !before.is_empty() {
            let (now, later) = before.split_at(before.len().min(buf.remaining()));
            buf.put_slice(now);
            *before = later;
            return Poll::Ready(Ok(()));
        }
        if *left == 0 {
            let error = io::Error::other("the server says too much");
            return Poll::Ready(Err(error));
        }
        let filled = buf.filled().len();
        ready!(Pin::new(wire).poll_read(cx, buf))?;
        let read = buf.filled().len() - filled;
        *left = left.saturating_sub(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().wire).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().wire).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().wire).poll_shutdown(cx)
    }
}
