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
        // Headers that some servers read as those above.
        ("transfer_encoding", "chunked"),
        ("Transfer_Encoding", "chunked"),
        ("content_length", "5"),
        ("content_length", "0"),
        ("proxy_authorization", "Basic eDp5"),
        ("proxy-x", "1"),
        ("keep_alive", "1"),
        ("upgrade", "h2c"),
        ("transfer-encoding", "chunked, identity"),
        ("transfer-encoding", "\tchunked"),
        ("transfer-encoding", "xchunked"),
        // Whom it claims to come from.
        ("forwarded", "for=127.0.0.1"),
        ("via", "1.1 proxy"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x_forwarded_for", "127.0.0.1"),
        ("X-Forwarded-Host", "evil.example"),
        ("x-forwarded-anything", "1"),
        ("x-real-ip", "127.0.0.1"),
        ("host", "evil.example"),
        ("host", "api.example:81"),
        ("host", "api.example, evil.example"),
        ("host", "u@api.example"),
        ("host", ""),
        ("host", " api.example"),
        ("host", "api.example:"),
        ("host", "api.example:80:80"),
        ("host", "api.example/"),
        ("host", "api.example#"),
        ("host", "http://api.example/"),
        ("host", "api%2eexample"),
        ("host", "[api.example]"),
        ("host", "127.0.0.1"),
        ("host", "sub.api.example"),
        ("host", "api.example.evil.test"),
        ("content-length", "+0"),
        ("content-length", "0x0"),
        ("content-length", "0, 0"),
        ("content-length", ""),
        ("content-length", "99999999999999999999"),
        ("content-length", "-1"),
        ("content-length", " 0"),
        ("content-length", "0 0"),
        ("content-length", "0;0"),
        ("content-length", "1e1"),
        ("content-length", "0_0"),
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
async fn a_length_beside_a_coding_and_two_of_either_never_leave() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    let policy = allow([station.grant("api.example")]);
    for headers in [
        &[("content-length", "3"), ("transfer-encoding", "chunked")][..],
        &[("transfer-encoding", "chunked"), ("content-length", "3")],
        &[("transfer-encoding", "identity"), ("content-length", "3")],
        &[("transfer-encoding", "chunked"), ("transfer-encoding", "x")],
        &[("content-length", "3"), ("content-length", "3")],
        &[("content-length", "3"), ("content-length", "4")],
        &[("content-length", "3"), ("content_length", "4")],
        &[("content-length", "3, 3")],
        &[("host", "api.example"), ("host", "evil.example")],
        &[("connection", "content-length"), ("content-length", "3")],
        &[("te", "trailers"), ("trailer", "content-length")],
    ] {
        let mut request = Request::post("http://api.example/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Pieces::new(["abc"])).unwrap();
        let timeouts = Timeouts::within(PATIENCE);
        let error = egress().send(&policy, request, timeouts).await.unwrap_err();
        assert!(
            matches!(error, EgressError::Header { .. }),
            "{headers:?}: {error}"
        );
    }
    assert_eq!(station.accepts(), 0);
}

#[tokio::test]
async fn what_is_smuggled_in_a_path_or_a_body_is_no_second_request() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    let policy = allow([station.grant("api.example")]);
    // What ends a line cannot be in a URL or in a header at all.
    for url in [
        "http://api.example/ HTTP/1.1\r\nhost: evil.example\r\n\r\n",
        "http://api.example/\nx",
        "http://api.example/\0",
    ] {
        assert!(Request::get(url).body(()).is_err(), "{url:?}");
    }
    for value in ["a\r\nx: y", "a\nx: y", "a\0", "a\rb"] {
        let request = Request::get("http://api.example/").header("x", value);
        assert!(request.body(()).is_err(), "{value:?}");
    }
    // A target in another form is sent as a path.
    for (url, line) in [
        (
            "http://api.example//evil.example/x",
            "GET //evil.example/x ",
        ),
        (
            "http://api.example/http://evil.example",
            "GET /http://evil.example ",
        ),
        ("http://api.example?x", "GET /?x "),
        ("http://api.example/../../x", "GET /../../x "),
    ] {
        send(&egress(), &policy, get(url)).await.unwrap();
        let request = station.requests.lock().unwrap().pop().unwrap();
        assert!(request.starts_with(line), "{url}: {request}");
        assert!(request.contains("\r\nhost: api.example\r\n"), "{request}");
    }
    // A second request in the body stays in the body.
    let smuggled = "0\r\n\r\nGET /admin HTTP/1.1\r\nhost: evil.example\r\n\r\n";
    let request = Request::post("http://api.example/").body(Pieces::new([smuggled]));
    let timeouts = Timeouts::within(PATIENCE);
    egress()
        .send(&policy, request.unwrap(), timeouts)
        .await
        .unwrap();
    let request = station.requests.lock().unwrap().pop().unwrap();
    let chunk = format!("\r\n\r\n{:X}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
    assert!(request.ends_with(&chunk), "{request:?}");
}

#[tokio::test]
async fn where_only_some_methods_are_granted_no_header_names_another() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    let all = allow([station.grant("api.example")]);
    let mut rule = station.grant("api.example");
    rule.methods = vec![http::Method::GET];
    let some = allow([rule]);
    for name in [
        "x-http-method-override",
        "X_HTTP_Method",
        "x-method-override",
    ] {
        let request = || {
            let request = Request::get("http://api.example/").header(name, "DELETE");
            request.body(Empty::new()).unwrap()
        };
        let error = send(&egress(), &some, request()).await.unwrap_err();
        assert!(matches!(error, EgressError::Header { .. }), "{error}");
        send(&egress(), &all, request()).await.unwrap();
    }
    assert_eq!(station.accepts(), 3);
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
        "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nxy",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, gzip\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\nok",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ] {
        let station = Station::start(Behaviour::Answer(answer)).await;
        let policy = allow([station.grant("api.example")]);
        let error = send(&egress(), &policy, get("http://api.example/"))
            .await
            .expect_err(answer);
        assert_eq!(error.kind(), Kind::Protocol, "{answer:?}: {error}");
    }
}

#[tokio::test]
async fn heads_without_an_end_and_hints_without_an_answer_end_at_their_limits() {
    let large: &'static str =
        format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(200_000)).leak();
    let many: &'static str = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(500)).leak();
    for answer in [large, many] {
        let station = Station::start(Behaviour::Answer(answer)).await;
        let policy = allow([station.grant("api.example")]);
        let error = send(&egress(), &policy, get("http://api.example/"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Protocol, "{error}");
    }
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(1_000);
    let station = Station::start(Behaviour::Stall(hints.leak())).await;
    let policy = allow([station.grant("api.example")]);
    let timeouts = Timeouts::within(Duration::from_millis(300));
    let error = egress()
        .send(&policy, get("http://api.example/"), timeouts)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout, "{error}");
}
