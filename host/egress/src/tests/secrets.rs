//! Secrets take the place of their placeholders, for their hosts only.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::Kind;

fn with_secret(station: &Station, hosts: &[&str]) -> Policy {
    let rules = vec![
        station.grant("api.example"),
        station.grant("other.example"),
        station.grant("api.example:8443"),
    ];
    Policy {
        secrets: vec![secret(hosts)],
        ..allow(rules)
    }
}

fn get_with(url: &str, name: &str, value: &str) -> Request<Empty<Bytes>> {
    Request::get(url)
        .header(name, value)
        .body(Empty::new())
        .unwrap()
}

#[tokio::test]
async fn a_placeholder_in_a_header_becomes_the_secret_on_the_way_to_its_host() {
    for (name, given, sent) in [
        (
            "x-api-key",
            "nebula-secret-7f3a".to_owned(),
            "hunter2".to_owned(),
        ),
        (
            "authorization",
            "Bearer nebula-secret-7f3a".into(),
            "Bearer hunter2".into(),
        ),
        (
            "x-twice",
            "a=nebula-secret-7f3a;b=nebula-secret-7f3a".into(),
            "a=hunter2;b=hunter2".into(),
        ),
        (
            "authorization",
            format!("Basic {}", STANDARD.encode("me:nebula-secret-7f3a")),
            format!("Basic {}", STANDARD.encode("me:hunter2")),
        ),
        (
            "authorization",
            format!(
                "basic {}",
                STANDARD
                    .encode("me:nebula-secret-7f3a")
                    .trim_end_matches('=')
            ),
            format!("Basic {}", STANDARD.encode("me:hunter2")),
        ),
        // Nothing to replace: left as it is.
        (
            "authorization",
            format!("Basic {}", STANDARD.encode("me:you")),
            format!("Basic {}", STANDARD.encode("me:you")),
        ),
    ] {
        let station = Station::start(Behaviour::Answer(OK)).await;
        let policy = with_secret(&station, &["api.example"]);
        send(
            &egress(),
            &policy,
            get_with("https://api.example/", name, &given),
        )
        .await
        .unwrap();
        let request = station.request();
        assert!(
            request.contains(&format!("\r\n{name}: {sent}\r\n")),
            "{request}"
        );
    }
}

#[tokio::test]
async fn a_placeholder_on_its_way_to_another_host_stops_the_request() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    let basic = format!("Basic {}", STANDARD.encode("me:nebula-secret-7f3a"));
    for (hosts, url, name, value) in [
        (
            &["api.example"][..],
            "https://other.example/",
            "x-key",
            "nebula-secret-7f3a",
        ),
        (
            &["api.example"],
            "https://other.example/",
            "authorization",
            &*basic,
        ),
        (
            &["api.example"],
            "https://api.example:8443/",
            "x-key",
            "nebula-secret-7f3a",
        ),
        (
            &["api.example:8443"],
            "https://api.example/",
            "x-key",
            "nebula-secret-7f3a",
        ),
        (
            &["sub.api.example", "*"],
            "https://api.example/",
            "x-key",
            "nebula-secret-7f3a",
        ),
        (&[], "https://api.example/", "x-key", "nebula-secret-7f3a"),
    ] {
        let policy = with_secret(&station, hosts);
        let error = send(&egress(), &policy, get_with(url, name, value))
            .await
            .expect_err(url);
        assert!(matches!(error, EgressError::Credential { .. }), "{error}");
        let shown = format!("{error} {error:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("7f3a"),
            "{shown}"
        );
    }
    assert_eq!(station.accepts(), 0);
}

#[tokio::test]
async fn a_placeholder_in_the_url_or_in_a_headers_name_stops_the_request() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    let policy = with_secret(&station, &["api.example"]);
    for request in [
        get("https://api.example/?key=nebula-secret-7f3a"),
        get("https://api.example/nebula-secret-7f3a"),
        get_with("https://api.example/", "x-nebula-secret-7f3a", "1"),
    ] {
        let error = send(&egress(), &policy, request).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Denied, "{error}");
    }
    assert_eq!(station.accepts(), 0);
}

#[tokio::test]
async fn a_secret_does_not_travel_in_the_clear_unless_an_operator_named_the_address() {
    let mut policy = allow([plain_rule("api.example")]);
    policy.secrets = vec![secret(&["api.example"])];
    let request = get_with("http://api.example/", "x-key", "nebula-secret-7f3a");
    let error = send(&egress(), &policy, request).await.unwrap_err();
    assert!(error.to_string().contains("use https"), "{error}");
}

#[tokio::test]
async fn a_secret_that_no_header_can_carry_is_refused_without_showing_it() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    let mut policy = with_secret(&station, &["api.example"]);
    policy.secrets[0].credential = "hunter2\r\nx-injected: 1".into();
    let error = send(
        &egress(),
        &policy,
        get_with("https://api.example/", "x-key", "nebula-secret-7f3a"),
    )
    .await
    .unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
    assert_eq!((error.kind(), station.accepts()), (Kind::Denied, 0));
}

#[tokio::test]
async fn a_secret_that_looks_like_a_placeholder_is_not_replaced_again() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    let mut policy = with_secret(&station, &["api.example"]);
    policy.secrets[0].credential = "<nebula-secret-7f3a>".into();
    send(
        &egress(),
        &policy,
        get_with("https://api.example/", "x-key", "nebula-secret-7f3a"),
    )
    .await
    .unwrap();
    assert!(
        station
            .request()
            .contains("x-key: <nebula-secret-7f3a>\r\n")
    );
}
