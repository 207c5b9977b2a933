//! Certificates: a server that asks who we are is told, for the requests that say
//! so, and nobody else goes on with what it was told.

use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::tls::{CERTIFICATE, KEY, granted, trusting};
use super::*;
use crate::{Credential, Identity, Kind};

const ROOT: &[u8] = include_bytes!("tls/ca.der");
const CLIENTS: &[u8] = include_bytes!("tls/clients.der");
const ALICE: (&str, &str) = (
    include_str!("tls/alice.pem"),
    include_str!("tls/alice.key.pem"),
);
const BOB: (&str, &str) = (include_str!("tls/bob.pem"), include_str!("tls/bob.key.pem"));

/// A server that is told who comes, or that lets in nobody else; it keeps the names,
/// and whether the session of an earlier connection was gone on with.
async fn asking(
    needed: bool,
    answer: &'static str,
) -> (SocketAddr, Arc<Mutex<Vec<(String, bool)>>>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CLIENTS.into()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let verifier = if needed {
        verifier
    } else {
        verifier.allow_unauthenticated()
    };
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![CERTIFICATE.into()],
            PrivateKeyDer::try_from(KEY).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::<Mutex<Vec<(String, bool)>>>::default();
    let names = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else {
                continue;
            };
            let connection = stream.get_ref().1;
            let resumed = connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
            names
                .lock()
                .unwrap()
                .push((name(connection.peer_certificates()), resumed));
            let answer = Behaviour::Answer(answer);
            tokio::spawn(serve(stream, answer, Arc::default(), Arc::default()));
        }
    });
    (address, seen)
}

/// Whose certificate it is: the name stands in it as text.
fn name(certificates: Option<&[rustls::pki_types::CertificateDer<'_>]>) -> String {
    let has = |name: &str| {
        certificates.is_some_and(|all| all[0].windows(name.len()).any(|w| w == name.as_bytes()))
    };
    let names = ["alice.example", "bob.example"];
    let found = names.into_iter().find(|name| has(name));
    found.unwrap_or("nobody").to_owned()
}

fn proving(address: SocketAddr, who: Option<(&str, &str)>) -> Policy {
    let added = who.map(|(chain, key)| SecretRule {
        placeholder: String::new(),
        credential: Credential::Certificate {
            chain: chain.into(),
            key: key.into(),
        },
        hosts: vec!["api.example".into()],
    });
    Policy {
        added: added.into_iter().collect(),
        ..granted("api.example", address)
    }
}

const URL: &str = "https://api.example/";

#[tokio::test]
async fn a_server_is_told_who_we_are_by_the_requests_that_say_so_only() {
    let (address, seen) = asking(false, OK).await;
    let egress = trusting(vec![ROOT.into()]);
    for who in [
        Some(ALICE),
        None,
        Some(BOB),
        Some(ALICE),
        Some(ALICE),
        None,
        None,
    ] {
        let policy = proving(address, who);
        let response = send(&egress, &policy, get(URL)).await.unwrap();
        assert_eq!(text(response).await.unwrap(), "ok");
    }
    let seen = seen.lock().unwrap();
    let names: Vec<&str> = seen.iter().map(|(name, _)| &**name).collect();
    let (alice, bob) = ("alice.example", "bob.example");
    assert_eq!(
        names,
        [alice, "nobody", bob, alice, alice, "nobody", "nobody"]
    );
    // Nobody goes on with the session of one who has a name.
    assert!(
        seen.iter()
            .all(|(name, resumed)| name == "nobody" || !resumed),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_server_that_lets_nobody_else_in_answers_the_one_with_the_certificate() {
    let (address, seen) = asking(true, OK).await;
    let egress = trusting(vec![ROOT.into()]);
    let policy = proving(address, Some(BOB));
    let response = send(&egress, &policy, get(URL)).await.unwrap();
    assert_eq!(text(response).await.unwrap(), "ok");
    let error = send(&egress, &proving(address, None), get(URL))
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind(), Kind::Tls | Kind::Protocol),
        "{error}"
    );
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_certificate_needs_tls_its_hosts_and_its_key() {
    let (address, seen) = asking(false, OK).await;
    let egress = trusting(vec![ROOT.into()]);
    let refused = async |policy: Policy, url: &str, said: &str| {
        let error = send(&egress, &policy, get(url)).await.expect_err(said);
        assert_eq!(error.kind(), Kind::Denied, "{error}");
        assert!(error.to_string().contains(said), "{error}");
        assert!(!format!("{error:?}").contains("BEGIN"), "{error:?}");
    };
    let mut elsewhere = proving(address, Some(ALICE));
    elsewhere.rules = granted("other.example", address).rules;
    refused(elsewhere, "https://other.example/", "api.example only").await;
    let station = Station::start(Behaviour::Answer(OK)).await;
    let mut clear = proving(address, Some(ALICE));
    clear.rules = vec![station.grant("api.example")];
    refused(clear, URL, "needs TLS").await;
    assert_eq!(station.accepts(), 0);
    refused(
        proving(address, Some((ALICE.0, BOB.1))),
        URL,
        "cannot be used together",
    )
    .await;
    refused(
        proving(address, Some(("", ALICE.1))),
        URL,
        "not PEM with a certificate",
    )
    .await;
    refused(proving(address, Some((ALICE.0, "key"))), URL, "private key").await;
    let mut two = proving(address, Some(ALICE));
    two.added.extend(proving(address, Some(BOB)).added);
    refused(two, URL, "another certificate").await;
    // It stands in no header, whoever holds a placeholder for it.
    let mut held = proving(address, Some(ALICE));
    held.secrets = std::mem::take(&mut held.added);
    held.secrets[0].placeholder = "nebula-secret-7f3a".into();
    let request = Request::get(URL).header("x-key", "nebula-secret-7f3a");
    let request = request.body(Empty::new()).unwrap();
    let error = send(&egress, &held, request).await.unwrap_err();
    assert!(error.to_string().contains("it is a certificate"), "{error}");
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_redirect_to_another_server_is_not_told_who_we_are() {
    let moved =
        "HTTP/1.1 302 R\r\nlocation: https://api.example:8443/\r\ncontent-length: 0\r\n\r\n";
    let (first, told) = asking(false, moved).await;
    let (second, asked) = asking(false, OK).await;
    let mut policy = proving(first, Some(ALICE));
    policy
        .rules
        .extend(granted("api.example:8443", second).rules);
    // Though it is one of its hosts.
    policy.added[0].hosts.push("api.example:8443".into());
    let egress = trusting(vec![ROOT.into()]);
    let timeouts = Timeouts::within(PATIENCE);
    let response = egress.follow(&policy, get(URL), timeouts).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(*told.lock().unwrap(), [("alice.example".to_owned(), false)]);
    assert_eq!(*asked.lock().unwrap(), [("nobody".to_owned(), false)]);
}

#[test]
fn a_file_may_have_both_the_certificate_and_its_key() {
    let both = [ALICE.1, ALICE.0].concat();
    let identity = Identity::from_pem(&both, &both).unwrap();
    assert_eq!(format!("{identity:?}"), "Identity(…)");
}
