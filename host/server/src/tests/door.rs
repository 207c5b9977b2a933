use http::{Method, Request};
use nebula_flow::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::house::{House, workflow};
use crate::config::Config;

#[tokio::test]
async fn a_foreign_host_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = Config::dev(folder.path()).with_port(0);
    config.hosts = vec!["nebula.internal".into()];
    let house = House::with(config, folder).await;
    let ask = |host: &'static str| {
        let request = Request::builder()
            .uri("/api/v1/health")
            .header("host", host);
        house.send(request, "")
    };
    for host in [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1:80",
        "127.8.9.1",
        "[::1]:7300",
        "nebula.internal:99",
    ] {
        ask(host).await.expect(200);
    }
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "[::2]",
        "u@localhost",
    ] {
        assert_eq!(ask(host).await.problem(403), "host_refused", "{host}");
    }
    let none = house
        .send(Request::builder().uri("/api/v1/health"), "")
        .await;
    assert_eq!(none.problem(403), "host_refused");
    let two = Request::builder()
        .uri("/api/v1/health")
        .header("host", "localhost")
        .header("host", "evil.example");
    assert_eq!(house.send(two, "").await.problem(403), "host_refused");
    let absolute = Request::builder()
        .uri("http://evil.example/api/v1/health")
        .header("host", "localhost");
    assert_eq!(house.send(absolute, "").await.problem(403), "host_refused");
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused() {
    let house = House::new().await;
    let own = format!("http://{}", house.running.address());
    house
        .send(
            house.request(Method::GET, "/health").header("origin", &own),
            "",
        )
        .await
        .expect(200);
    for origin in [
        "http://evil.example",
        "null",
        "http://localhost:1",
        "file://",
        "http://127.0.0.1:1@evil.example",
        "",
    ] {
        let answer = house
            .send(
                house
                    .request(Method::GET, "/health")
                    .header("origin", origin),
                "",
            )
            .await;
        assert_eq!(answer.problem(403), "origin_refused", "{origin}");
    }
    let answer = house
        .send(
            house
                .request(Method::GET, "/health")
                .header("sec-fetch-site", "cross-site"),
            "",
        )
        .await;
    assert_eq!(answer.problem(403), "origin_refused");
}

#[tokio::test]
async fn a_write_needs_a_content_type_that_no_form_can_send() {
    let house = House::new().await;
    let body = workflow("w", "test.echo").to_string();
    let write = |path: &'static str, content_type: Option<&'static str>| {
        let request = house.request(Method::POST, path);
        let request = match content_type {
            Some(content_type) => request.header("content-type", content_type),
            None => request,
        };
        house.send(request, body.clone())
    };
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data"),
        Some("text/plain; application/json"),
    ] {
        assert_eq!(
            write("/workflows", content_type).await.problem(415),
            "unsupported_media_type"
        );
    }
    assert_eq!(
        write("/workflows/w/execute", Some("application/yaml"))
            .await
            .problem(415),
        "unsupported_media_type"
    );
    write("/workflows", Some("Application/JSON; charset=utf-8"))
        .await
        .expect(201);
    let encoded = house
        .request(Method::POST, "/workflows")
        .header("content-type", "application/json")
        .header("content-encoding", "gzip");
    assert_eq!(
        house.send(encoded, body.clone()).await.problem(415),
        "unsupported_media_type"
    );
}

#[tokio::test]
async fn unknown_routes_and_methods_are_problems() {
    let house = House::new().await;
    for path in [
        "/api/v1/nothing",
        "/api",
        "/api/v2/workflows",
        "/api/v1/workflows/",
        "/api/v1/actions/a/b",
    ] {
        assert_eq!(
            house.get(path).await.problem(404),
            "route_not_found",
            "{path}"
        );
    }
    let root = Request::builder().uri("/").header("host", "localhost");
    assert_eq!(house.send(root, "").await.problem(404), "route_not_found");
    let bare = house.request(Method::PUT, "/health");
    assert_eq!(
        house.send(bare, "").await.problem(405),
        "method_not_allowed"
    );
    let answer = house.delete("/health").await;
    assert_eq!(answer.problem(405), "method_not_allowed");
    assert_eq!(answer.header("allow"), "GET,HEAD");
}

#[tokio::test]
async fn every_answer_carries_a_request_id_and_is_not_sniffed() {
    let house = House::new().await;
    let own = house
        .send(
            house
                .request(Method::GET, "/health")
                .header("x-request-id", "mine-1"),
            "",
        )
        .await;
    assert_eq!(own.header("x-request-id"), "mine-1");
    let odd = house
        .send(
            house
                .request(Method::GET, "/health")
                .header("x-request-id", "a b<script>"),
            "",
        )
        .await;
    assert!(odd.header("x-request-id").starts_with("req-"));
    assert_eq!(odd.header("x-content-type-options"), "nosniff");
    assert_eq!(odd.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_body_over_the_cap_is_refused_however_it_arrives() {
    let house = House::new().await;
    let big = json!({"secret": "x".repeat(1 << 20)});
    assert_eq!(
        house.put("/credentials/c", &big).await.problem(413),
        "payload_too_large"
    );
    // Without a length announced.
    let mut stream = house.connect().await;
    let head = "POST /api/v1/grants HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("writes");
    let (mut reader, mut writer) = stream.into_split();
    let flood = tokio::spawn(async move {
        let chunk = format!("{:x}\r\n{}\r\n", 65_536, " ".repeat(65_536));
        while writer.write_all(chunk.as_bytes()).await.is_ok() {}
    });
    let mut answer = Vec::new();
    let _ = reader.read_to_end(&mut answer).await;
    flood.abort();
    assert!(
        String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 413"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

#[tokio::test]
async fn who_is_slow_with_a_head_or_a_body_is_let_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = Config::dev(folder.path()).with_port(0);
    config.http.head_timeout = std::time::Duration::from_millis(100);
    config.http.body_timeout = std::time::Duration::from_millis(100);
    let house = House::with(config, folder).await;
    for beginning in ["", "GET /api/v1/health HTTP/1.1\r\nhost: lo"] {
        let mut stream = house.connect().await;
        stream
            .write_all(beginning.as_bytes())
            .await
            .expect("writes");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 2"));
    }
    let mut stream = house.connect().await;
    let head = "POST /api/v1/grants HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                content-length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.expect("writes");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(
        String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 408"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}
