//! Credentials of every kind: in the place of what a guest holds, and added by the
//! host to a request that names one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::{Credential, Kind};

const PLACEHOLDER: &str = "nebula-secret-7f3a";

fn basic() -> Credential {
    Credential::Basic {
        user: "me".into(),
        password: "hunter2".into(),
    }
}

fn api_key(header: &str) -> Credential {
    Credential::ApiKey {
        header: header.into(),
        key: "hunter2".into(),
    }
}

fn rule(credential: Credential, placeholder: &str) -> SecretRule {
    SecretRule {
        placeholder: placeholder.into(),
        credential,
        hosts: vec!["api.example".into()],
    }
}

/// A policy by which the host adds these.
fn adding(station: &Station, credentials: impl IntoIterator<Item = Credential>) -> Policy {
    Policy {
        added: credentials.into_iter().map(|c| rule(c, "")).collect(),
        ..allow([station.grant("api.example"), station.grant("other.example")])
    }
}

#[tokio::test]
async fn a_credential_that_is_named_stands_in_the_header_of_its_kind() {
    let user = STANDARD.encode("me:hunter2");
    for (credential, line) in [
        ("hunter2".into(), "authorization: Bearer hunter2".to_owned()),
        (
            Credential::Bearer("hunter2".into()),
            "authorization: Bearer hunter2".into(),
        ),
        (basic(), format!("authorization: Basic {user}")),
        (api_key("X-Api-Key"), "x-api-key: hunter2".into()),
        (api_key("authorization"), "authorization: hunter2".into()),
    ] {
        let station = Station::start(Behaviour::Answer(OK)).await;
        let policy = adding(&station, [credential]);
        let url = "https://api.example/";
        send(&egress(), &policy, get(url)).await.unwrap();
        let request = station.request();
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{request}");
    }
}

#[tokio::test]
async fn a_placeholder_stands_for_the_whole_value_and_within_basic_for_the_password() {
    let user = STANDARD.encode("me:hunter2");
    let other = STANDARD.encode("you:hunter2");
    let guest = format!("Basic {}", STANDARD.encode(format!("you:{PLACEHOLDER}")));
    for (credential, value, sent) in [
        (basic(), PLACEHOLDER, format!("Basic {user}")),
        (basic(), &*guest, format!("Basic {other}")),
        (
            Credential::Bearer("hunter2".into()),
            "Bearer nebula-secret-7f3a",
            "Bearer hunter2".into(),
        ),
        (api_key("x-key"), PLACEHOLDER, "hunter2".into()),
    ] {
        let station = Station::start(Behaviour::Answer(OK)).await;
        let mut policy = adding(&station, []);
        policy.secrets = vec![rule(credential, PLACEHOLDER)];
        let request = Request::get("https://api.example/").header("authorization", value);
        let request = request.body(Empty::new()).unwrap();
        send(&egress(), &policy, request).await.unwrap();
        let line = format!("\r\nauthorization: {sent}\r\n");
        assert!(station.request().contains(&line), "{}", station.request());
    }
}

#[tokio::test]
async fn a_credential_goes_to_its_hosts_only_and_never_in_the_clear() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    for credential in [basic(), api_key("x-key"), "hunter2".into()] {
        let policy = adding(&station, [credential.clone()]);
        let elsewhere = get("https://other.example/");
        let error = send(&egress(), &policy, elsewhere).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Denied, "{error}");
        assert!(error.to_string().contains("api.example only"), "{error}");
        let policy = Policy {
            added: vec![rule(credential, "")],
            ..allow([plain_rule("api.example")])
        };
        let clear = get("http://api.example/");
        let error = send(&egress(), &policy, clear).await.unwrap_err();
        assert!(error.to_string().contains("use https"), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
    assert_eq!(station.accepts(), 0);
}

#[tokio::test]
async fn a_redirect_to_another_server_gets_none_though_it_is_one_of_its_hosts() {
    let target = Station::start(Behaviour::Answer(OK)).await;
    let moved = "HTTP/1.1 302 R\r\nlocation: https://other.example/\r\ncontent-length: 0\r\n\r\n";
    let first = Station::start(Behaviour::Answer(moved)).await;
    let mut both = rule(basic(), "");
    both.hosts.push("other.example".into());
    let policy = Policy {
        added: vec![both],
        ..allow([first.grant("api.example"), target.grant("other.example")])
    };
    let timeouts = Timeouts::within(PATIENCE);
    let request = get("https://api.example/");
    let response = egress().follow(&policy, request, timeouts).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(first.request().contains("\r\nauthorization: Basic "));
    let request = target.request();
    assert!(!request.contains("authorization"), "{request}");
}

#[tokio::test]
async fn a_redirect_to_the_same_server_carries_it_again() {
    let moved = "HTTP/1.1 302 R\r\nlocation: /there\r\ncontent-length: 0\r\n\r\n";
    let station = Station::start(Behaviour::Answer(moved)).await;
    let policy = adding(&station, [basic()]);
    let timeouts = Timeouts::within(PATIENCE);
    let request = get("https://api.example/");
    let error = egress().follow(&policy, request, timeouts).await.err();
    assert!(
        matches!(error, Some(EgressError::Redirects { .. })),
        "{error:?}"
    );
    let requests = station.requests.lock().unwrap();
    assert_eq!(requests.len(), 6);
    assert!(requests.iter().all(|r| r.contains("authorization: Basic ")));
}

#[tokio::test]
async fn what_is_set_twice_is_refused() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    let request = || {
        let request = Request::get("https://api.example/").header("x-key", "mine");
        request.body(Empty::new()).unwrap()
    };
    for (credentials, header) in [
        (vec![api_key("x-key")], "`x-key`"),
        (vec![basic(), "token".into()], "`authorization`"),
    ] {
        let policy = adding(&station, credentials);
        let error = send(&egress(), &policy, request()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Denied);
        assert!(error.to_string().contains(header), "{error}");
    }
    assert_eq!(station.accepts(), 0);
    // Two that stand in different headers do not meet.
    let policy = adding(&station, [api_key("x-other"), basic()]);
    send(&egress(), &policy, request()).await.unwrap();
}

#[tokio::test]
async fn no_header_can_be_smuggled_by_the_name_or_the_value_of_a_key() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    for header in [
        "x\r\ny",
        "x: y",
        "",
        "host",
        "content-length",
        "Transfer-Encoding",
        "transfer_encoding",
        "proxy-authorization",
        "x-forwarded-for",
        "connection",
        "nebula-credential",
        "x-http-method-override",
    ] {
        assert!(crate::credential::header_name(header).is_err(), "{header}");
        let policy = adding(&station, [api_key(header)]);
        let request = get("https://api.example/");
        let error = send(&egress(), &policy, request).await.expect_err(header);
        assert_eq!(error.kind(), Kind::Denied, "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    for secret in ["a\r\nx-injected: 1", "a\0b", "a\u{7f}"] {
        let key = Credential::ApiKey {
            header: "x-key".into(),
            key: secret.into(),
        };
        for credential in [key, Credential::Bearer(secret.into())] {
            let policy = adding(&station, [credential]);
            let request = get("https://api.example/");
            let error = send(&egress(), &policy, request).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Denied, "{error}");
            assert!(!error.to_string().contains("injected"), "{error}");
        }
    }
    assert_eq!(station.accepts(), 0);
}
