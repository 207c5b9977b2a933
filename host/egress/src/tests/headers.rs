//! Headers that a guest may not set.

use super::*;
use crate::Kind;

#[tokio::test]
async fn headers_that_belong_to_the_connection_are_refused() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    let policy = allow([station.grant("api.example")]);
    for (name, value) in [
        ("connection", "close"),
        ("Connection", "x-secret-header"),
        ("keep-alive", "timeout=5"),
        ("proxy-authenticate", "Basic"),
        ("proxy-authorization", "Basic eDp5"),
        ("proxy-connection", "keep-alive"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("transfer-encoding", "chunked"),
        ("Transfer-Encoding", "identity"),
        ("upgrade", "websocket"),
        ("http2-settings", "AAMAAABkAAQAAP__"),
        ("host", "evil.example"),
        ("host", "api.example:81"),
        ("host", "api.example, evil.example"),
        ("host", "u@api.example"),
        ("content-length", "+0"),
        ("content-length", "0x0"),
        ("content-length", "0, 0"),
        ("content-length", ""),
        ("content-length", "99999999999999999999"),
    ] {
        let request = Request::get("http://api.example/")
            .header(name, value)
            .body(Empty::new())
            .unwrap();
        let error = send(&egress(), &policy, request).await.expect_err(name);
        assert!(
            matches!(error, EgressError::Header { .. }),
            "{name}: {value}: {error}"
        );
        assert!(
            error.to_string().contains(&name.to_ascii_lowercase()),
            "{error}"
        );
    }
    assert_eq!(station.accepts(), 0);
}

#[tokio::test]
async fn two_lengths_or_two_hosts_are_refused() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    let policy = allow([station.grant("api.example")]);
    for (name, value) in [("content-length", "0"), ("host", "api.example")] {
        let request = Request::get("http://api.example/")
            .header(name, value)
            .header(name, value)
            .body(Empty::new())
            .unwrap();
        let error = send(&egress(), &policy, request).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{error}");
    }
    assert_eq!(station.accepts(), 0);
}

#[tokio::test]
async fn too_many_or_too_large_headers_are_refused() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    let policy = allow([station.grant("api.example")]);
    let mut many = get("http://api.example/");
    for _ in 0..101 {
        many.headers_mut().append("x", "y".parse().unwrap());
    }
    let mut large = get("http://api.example/");
    large
        .headers_mut()
        .append("x", "y".repeat(65_536).parse().unwrap());
    for request in [many, large] {
        assert!(matches!(
            send(&egress(), &policy, request).await,
            Err(EgressError::Header { .. })
        ));
    }
    assert_eq!(station.accepts(), 0);
}

#[tokio::test]
async fn other_headers_arrive_and_the_urls_own_host_is_harmless() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    let policy = allow([station.grant("api.example")]);
    let request = Request::get("http://api.example/")
        .header("host", "API.example:80")
        .header("x-request-id", "17")
        .body(Empty::new())
        .unwrap();
    send(&egress(), &policy, request).await.unwrap();
    let request = station.request();
    assert!(request.contains("\r\nx-request-id: 17\r\n"), "{request}");
    assert!(request.contains("\r\nhost: api.example\r\n"), "{request}");
    assert!(request.contains("\r\nconnection: close\r\n"), "{request}");
    assert!(!request.contains("transfer-encoding"), "{request}");
}

#[tokio::test]
async fn a_response_comes_without_the_headers_of_its_connection() {
    let station = Station::start(Behaviour::Answer(
        "HTTP/1.1 200 OK\r\nconnection: close\r\nkeep-alive: timeout=5\r\ntransfer-encoding: chunked\r\n\
         content-type: text/plain\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ))
    .await;
    let policy = allow([station.grant("api.example")]);
    let response = send(&egress(), &policy, get("http://api.example/"))
        .await
        .unwrap();
    let names: Vec<_> = response
        .headers()
        .keys()
        .map(http::HeaderName::as_str)
        .collect();
    assert_eq!(names, ["content-type"]);
    assert_eq!(text(response).await.unwrap(), "ok");
}

#[tokio::test]
async fn what_is_not_http_is_an_error() {
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        "nonsense\r\n\r\n",
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxy",
    ] {
        let station = Station::start(Behaviour::Answer(answer)).await;
        let policy = allow([station.grant("api.example")]);
        let error = send(&egress(), &policy, get("http://api.example/"))
            .await
            .expect_err(answer);
        assert_eq!(error.kind(), Kind::Protocol, "{answer:?}: {error}");
    }
}
