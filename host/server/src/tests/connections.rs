//! Who holds connections and gives nothing; who takes nothing; TLS; SIGTERM's
//! drain is in `node`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use nebula_flow::json;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::house::House;
use crate::config::{Config, TlsConfig};
use crate::{BuildError, TlsError, build, check};

async fn house(set: impl FnOnce(&mut Config)) -> House {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = Config::dev(folder.path()).with_port(0);
    set(&mut config);
    House::with(config, folder).await
}

/// How many connections: many, or with `NEBULA_LONG` as many as the promise has.
fn many() -> usize {
    if std::env::var_os("NEBULA_LONG").is_some() {
        // Each has two ends in this process.
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let most = limit
            .maximum
            .map_or(10_000, |most| (most as usize - 1_000) / 2);
        most.min(10_000)
    } else {
        2_000
    }
}

#[tokio::test]
async fn idle_connections_beyond_the_bound_make_room_for_requests() {
    let house = house(|config| config.http.max_connections = 256).await;
    let mut held = Vec::new();
    for n in 0..many() {
        let mut stream = house.connect().await;
        match n % 3 {
            0 => {}
            1 => stream.write_all(b"GET /api/v1/hea").await.expect("writes"),
            _ => {
                let body = "POST /api/v1/grants HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
                stream.write_all(body.as_bytes()).await.expect("writes");
            }
        }
        held.push(stream);
        if n % 250 == 0 {
            let answer = tokio::time::timeout(Duration::from_secs(10), house.get("/health"));
            answer.await.expect("answers in time").expect(200);
        }
    }
    // The first came longest ago and are closed; the newest still have a place.
    let mut closed = 0;
    for stream in &mut held[..many() - 300] {
        let mut byte = [0];
        let end = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut byte));
        if matches!(end.await, Ok(Ok(0) | Err(_))) {
            closed += 1;
        }
    }
    assert_eq!(closed, many() - 300);
    house.get("/health").await.expect(200);
}

#[tokio::test]
async fn a_request_that_is_being_answered_keeps_its_place() {
    let house = house(|config| config.http.max_connections = 2).await;
    house.deploy("w", "test.block").await;
    let waits = house
        .request(Method::POST, "/workflows/w/execute?wait=2s")
        .header("content-type", "application/json");
    let waiting = house.send(waits, "1");
    let others = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        for _ in 0..20 {
            let _idle = house.connect().await;
            house.get("/health").await.expect(200);
        }
    };
    let (answer, ()) = tokio::join!(waiting, others);
    answer.expect(202);
}

#[tokio::test]
async fn a_first_byte_that_does_not_come_ends_a_connection() {
    let house = house(|config| {
        config.http.first_byte_timeout = Duration::from_millis(100);
        config.http.head_timeout = Duration::from_secs(600);
    })
    .await;
    let mut stream = house.connect().await;
    let mut byte = [0];
    let end = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut byte));
    assert!(matches!(end.await, Ok(Ok(0) | Err(_))));
}

/// A workflow whose history has far more bytes than sockets buffer.
async fn long_history(house: &House) -> String {
    let map = json!({
        "map": "${ $input.list }",
        "each": {"action": "test.echo", "input": "${ $input.big }"},
    });
    let workflow = json!({
        "apiVersion": "nebula/v1", "kind": "Workflow", "name": "long",
        "nodes": {"a": map, "b": map, "c": map},
        "output": "done",
    });
    house.post("/workflows", &workflow).await.expect(201);
    let list: Vec<u32> = (0..70).collect();
    let input = json!({"list": list, "big": "x".repeat(50_000)});
    let ended = house.post("/workflows/long/execute?wait=60s", &input).await;
    let ended = ended.expect(200);
    assert_eq!(ended["status"], "succeeded", "{ended}");
    ended["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_watcher_that_takes_nothing_is_closed_and_resumes_where_it_was() {
    let house = house(|config| config.http.write_timeout = Duration::from_millis(300)).await;
    let id = long_history(&house).await;
    let path = format!("/executions/{id}/events/stream");
    let stream = house.open(house.request(Method::GET, &path), "").await;
    // It takes nothing until the node has given it up.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut text = Vec::new();
    let mut body = stream.into_body();
    let mut broke_off = false;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => text.extend_from_slice(&frame.into_data().expect("data")),
            Err(_) => broke_off = true,
        }
        if broke_off {
            break;
        }
    }
    assert!(broke_off, "the node waited for ever");
    let whole = text
        .windows(2)
        .rposition(|w| w == b"\n\n")
        .expect("an event");
    let seen = super::live::parse(std::str::from_utf8(&text[..whole + 2]).expect("text"));
    let last = seen.last().expect("an event").0;

    let request = house
        .request(Method::GET, &path)
        .header("last-event-id", last.to_string());
    let rest = house.send(request, "").await;
    let rest = super::live::parse(std::str::from_utf8(&rest.bytes).expect("text"));
    let versions: Vec<u64> = seen.iter().chain(&rest).map(|(id, ..)| *id).collect();
    assert!(versions.iter().enumerate().all(|(i, v)| *v == i as u64 + 1));
    assert_eq!(
        rest.last().map(|(_, kind, _)| kind.as_str()),
        Some("succeeded")
    );
    assert!(rest.len() > 10, "the node kept back what was not taken");
}

#[tokio::test]
async fn streams_beyond_the_bound_are_refused_until_one_ends() {
    let house = house(|config| config.http.max_streams = 2).await;
    house.deploy("w", "test.block").await;
    let started = house
        .post("/workflows/w/execute", &json!(1))
        .await
        .expect(202);
    let path = format!(
        "/executions/{}/events/stream",
        started["id"].as_str().expect("an id")
    );
    let open = || house.open(house.request(Method::GET, &path), "");
    let (first, _second) = (open().await, open().await);
    let refused = house.get(&path).await;
    assert_eq!(refused.problem(429), "too_many_streams");
    assert!(refused.json()["hint"].is_string());
    drop(first);
    for _ in 0..500 {
        if open().await.status() == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the place of a watcher that left is still taken");
}

fn tls_files(folder: &Path, key_mode: u32) -> TlsConfig {
    use std::os::unix::fs::PermissionsExt;
    let certificate = folder.join("certificate.pem");
    let key = folder.join("key.pem");
    std::fs::write(&certificate, include_str!("tls/certificate.pem")).expect("writes");
    std::fs::write(&key, include_str!("tls/key.pem")).expect("writes");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(key_mode)).expect("sets");
    TlsConfig { certificate, key }
}

#[tokio::test]
async fn a_node_with_a_certificate_speaks_tls_and_nothing_else() {
    let files = tempfile::tempdir().expect("a folder");
    let house = house(|config| config.tls = Some(tls_files(files.path(), 0o600))).await;
    assert!(house.running.url().starts_with("https://"));
    let mut roots = rustls::RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(include_bytes!("tls/certificate.pem"));
    roots.add(certificate.expect("PEM")).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = tokio_rustls::TlsConnector::from(Arc::new(client))
        .connect(name, house.connect().await)
        .await
        .expect("a handshake");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .expect("shakes hands");
    tokio::spawn(connection);
    for _ in 0..2 {
        let request = Request::builder()
            .uri("/api/v1/health")
            .header("host", "localhost")
            .body(Full::new(bytes::Bytes::new()))
            .expect("a request");
        let answer = sender.send_request(request).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.into_body().collect().await.expect("a body");
    }
    let mut plain: TcpStream = house.connect().await;
    let head = "GET /api/v1/health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    plain.write_all(head.as_bytes()).await.expect("writes");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/"));
}

#[tokio::test]
async fn a_node_that_others_reach_needs_keys_and_a_cover_for_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let anywhere = "0.0.0.0:0".parse().expect("an address");
    let files = tls_files(folder.path(), 0o600);
    let dev = Config::dev(folder.path().join("data")).with_listen(anywhere);
    let serve = Config::serve(folder.path().join("data")).with_listen(anywhere);
    let with_tls = |config: &Config| Config {
        tls: Some(files.clone()),
        ..config.clone()
    };
    let behind = |config: &Config| Config {
        behind_proxy: true,
        ..config.clone()
    };
    assert!(matches!(check(&dev), Err(BuildError::Open(_))));
    assert!(matches!(check(&with_tls(&dev)), Err(BuildError::Open(_))));
    assert!(matches!(check(&behind(&dev)), Err(BuildError::Open(_))));
    let local = Config::dev(folder.path().join("data"));
    assert!(matches!(check(&behind(&local)), Err(BuildError::Open(_))));
    assert!(matches!(check(&serve), Err(BuildError::Clear(_))));
    assert!(check(&with_tls(&serve)).is_ok());
    assert!(check(&behind(&serve)).is_ok());
    assert!(check(&local).is_ok());
    let refused = build(serve).await.err().expect("is refused");
    assert!(matches!(refused, BuildError::Clear(_)), "{refused}");
    assert!(!folder.path().join("data").exists(), "nothing was opened");
}

#[test]
fn a_certificate_that_cannot_be_used_is_named_with_its_setting() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |tls: TlsConfig| {
        let config = Config {
            tls: Some(tls),
            ..Config::serve(folder.path())
        };
        match check(&config) {
            Err(BuildError::Tls(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let open = refused(tls_files(folder.path(), 0o644));
    assert!(matches!(open, TlsError::Open { mode: 0o644, .. }), "{open}");
    let mut files = tls_files(folder.path(), 0o600);
    files.key = files.certificate.clone();
    assert!(refused(files).to_string().contains("tls.key"));
    let mut files = tls_files(folder.path(), 0o600);
    files.certificate = folder.path().join("absent.pem");
    assert!(refused(files).to_string().contains("absent.pem"));
}
