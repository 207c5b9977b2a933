//! The hub beside the API, behind the same door.

use http::Request;
use nebula_flow::Digest;

use super::house::House;
use crate::config::Config;

const PUSH: &str = "/v2/acme/weather/blobs/uploads/?digest=";

/// The token of whoever owns the node's folder.
fn token(house: &House) -> String {
    let path = house.folder.path().join("hub/local.token");
    std::fs::read_to_string(path).expect("a token")
}

fn to(house: &House, method: &str, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", house.running.address().to_string())
}

#[tokio::test]
async fn a_node_of_ones_own_has_a_hub_to_which_only_a_token_pushes() {
    let house = House::new().await;
    let path = format!("{PUSH}{}", Digest::of(b"wasm"));
    let refused = house.send(to(&house, "POST", &path), "wasm").await;
    assert_eq!(refused.expect(401)["errors"][0]["code"], "UNAUTHORIZED");
    assert!(refused.header("www-authenticate").starts_with("Basic"));
    let bearer = format!("Bearer {}", token(&house));
    let pushed = to(&house, "POST", &path).header("authorization", &bearer);
    let pushed = house.send(pushed, "wasm").await;
    assert_eq!(pushed.status, 201);
    // Whoever is here may pull, from an URL or by a scanner of packages.
    let pulled = house
        .send(to(&house, "GET", pushed.header("location")), "")
        .await;
    assert_eq!(
        (pulled.status.as_u16(), &pulled.bytes[..]),
        (200, &b"wasm"[..])
    );
    let wkg = house
        .send(to(&house, "GET", "/.well-known/wasm-pkg/registry.json"), "")
        .await;
    let address = house.running.address().to_string();
    assert_eq!(wkg.expect(200)["oci"]["registry"], address);
    // A token of the hub is no key of the API, and the API is where it was.
    let asked = to(&house, "GET", "/api/v1/actions").header("authorization", &bearer);
    assert_eq!(house.send(asked, "").await.status, 401);
    house.get("/health").await.expect(200);
    assert_eq!(house.get("/nowhere").await.problem(404), "route_not_found");
}

#[tokio::test]
async fn a_foreign_host_or_origin_is_refused_as_the_specification_shapes_it() {
    let house = House::new().await;
    let bearer = format!("Bearer {}", token(&house));
    let path = format!("{PUSH}{}", Digest::of(b"wasm"));
    for (name, value) in [
        ("host", "evil.example"),
        ("origin", "http://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        for (method, path) in [
            ("POST", path.as_str()),
            ("GET", "/v2/"),
            ("GET", "/.well-known/wasm-pkg/registry.json"),
        ] {
            let mut request = Request::builder()
                .method(method)
                .uri(path)
                .header("authorization", &bearer);
            if name != "host" {
                request = request.header("host", house.running.address().to_string());
            }
            let refused = house.send(request.header(name, value), "wasm").await;
            assert_eq!(
                refused.expect(403)["errors"][0]["code"],
                "DENIED",
                "{name} {path}"
            );
        }
    }
    let there = to(&house, "GET", "/v2/acme/weather/tags/list");
    let there = house.send(there.header("authorization", &bearer), "").await;
    assert_eq!(there.status, 404, "nothing was pushed");
}

#[tokio::test]
async fn a_node_for_others_has_a_hub_only_if_it_is_told_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = Config::serve(folder.path()).with_port(0);
    let house = House::with(config, folder).await;
    let asked = house.send(to(&house, "GET", "/v2/"), "").await;
    assert_ne!(
        asked.header("docker-distribution-api-version"),
        "registry/2.0"
    );
    assert!(!house.folder.path().join("hub").exists());

    let folder = tempfile::tempdir().expect("a folder");
    let mut config = Config::serve(folder.path()).with_port(0);
    config.hub.serve = true;
    config.hub.folder = Some(folder.path().join("elsewhere"));
    let house = House::with(config, folder).await;
    let asked = house
        .send(to(&house, "GET", "/v2/acme/weather/tags/list"), "")
        .await;
    assert_eq!(
        asked.expect(401)["errors"][0]["code"],
        "UNAUTHORIZED",
        "pulls need a token too"
    );
    assert!(house.folder.path().join("elsewhere/local.token").exists());
}

#[tokio::test]
async fn a_hub_alone_drains_and_gives_its_folder_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = || Config::hub(folder.path()).with_port(0);
    let running = crate::hub::build(config()).await.expect("starts").spawn();
    assert!(running.url().starts_with("http://127.0.0.1:"));
    assert_eq!(crate::hub::reference(running.url()), &running.url()[7..]);
    let second = crate::hub::build(config()).await;
    let refused = second.err().expect("it has one process").to_string();
    assert!(
        refused.contains("another process serves the hub"),
        "{refused}"
    );
    running.drain().await;
    crate::hub::build(config()).await.expect("it is free");
}
