//! TLS: the server must be who was asked for, wherever an operator says it is.

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{Kind, Roots};

const ROOT: &[u8] = include_bytes!("tls/ca.der");
pub(super) const CERTIFICATE: &[u8] = include_bytes!("tls/leaf.der");
pub(super) const KEY: &[u8] = include_bytes!("tls/leaf.key.der");

/// A server that proves to be `api.example`; keeps the names that it was asked for.
async fn secure_station() -> (SocketAddr, Arc<Mutex<Vec<String>>>, Arc<Mutex<Vec<String>>>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CERTIFICATE.into()],
            PrivateKeyDer::try_from(KEY).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (names, requests) = (
        Arc::<Mutex<Vec<String>>>::default(),
        Arc::<Mutex<Vec<String>>>::default(),
    );
    let (seen, read) = (names.clone(), requests.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else {
                continue;
            };
            let connection = stream.get_ref().1;
            assert_eq!(connection.alpn_protocol(), Some(&b"http/1.1"[..]));
            seen.lock()
                .unwrap()
                .push(connection.server_name().unwrap_or_default().to_owned());
            tokio::spawn(serve(
                stream,
                Behaviour::Answer(OK),
                read.clone(),
                Arc::default(),
            ));
        }
    });
    (address, names, requests)
}

pub(super) fn trusting(roots: Vec<CertificateDer<'static>>) -> Egress {
    Egress::new(EgressConfig {
        roots: Roots::Only(roots),
        ..EgressConfig::default()
    })
}

pub(super) fn granted(host: &str, address: SocketAddr) -> Policy {
    allow([HostRule::new(host, &both(), &[], Some(&format!("https://{address}"))).unwrap()])
}

#[tokio::test]
async fn the_certificate_and_the_host_header_are_those_of_the_asked_name() {
    let (address, names, requests) = secure_station().await;
    let egress = trusting(vec![ROOT.into()]);
    let mut policy = granted("api.example", address);
    policy.secrets = vec![secret(&["api.example"])];
    // The scheme of the operator's address decides about TLS, also for http.
    for url in ["https://api.example/", "http://api.example/"] {
        let request = Request::get(url)
            .header("x-key", "nebula-secret-7f3a")
            .body(Empty::new())
            .unwrap();
        assert_eq!(
            text(send(&egress, &policy, request).await.unwrap())
                .await
                .unwrap(),
            "ok"
        );
    }
    assert_eq!(*names.lock().unwrap(), ["api.example", "api.example"]);
    for request in &*requests.lock().unwrap() {
        assert!(request.contains("\r\nhost: api.example\r\n"), "{request}");
        assert!(request.contains("\r\nx-key: hunter2\r\n"), "{request}");
    }
}

#[tokio::test]
async fn a_server_with_another_name_or_from_nobody_trusted_gets_no_request() {
    let (address, _, requests) = secure_station().await;
    let trusted = trusting(vec![ROOT.into()]);
    let distrusted = trusting(vec![CERTIFICATE.into()]);
    let nobody = trusting(vec![]);
    for (egress, host) in [
        (&trusted, "other.example"),
        (&distrusted, "api.example"),
        (&nobody, "api.example"),
    ] {
        let error = send(
            egress,
            &granted(host, address),
            get(&format!("https://{host}/")),
        )
        .await
        .unwrap_err();
        assert_eq!(error.kind(), Kind::Tls, "{error}");
        assert!(error.to_string().contains(host));
    }
    assert!(requests.lock().unwrap().is_empty());
}
