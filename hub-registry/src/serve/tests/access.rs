//! Who may do what.

use super::*;

/// Every kind of request, with what it needs.
const REQUESTS: &[(&str, &str, Allowed)] = &[
    ("GET", "/v2/acme/weather/manifests/latest", Allowed::Pull),
    ("HEAD", "/v2/acme/weather/manifests/latest", Allowed::Pull),
    ("GET", "/v2/acme/weather/tags/list", Allowed::Pull),
    ("GET", "/v2/acme/weather/referrers/DIGEST", Allowed::Pull),
    ("GET", "/v2/acme/weather/blobs/DIGEST", Allowed::Pull),
    ("POST", "/v2/acme/weather/blobs/uploads/", Allowed::Push),
    ("GET", "/v2/acme/weather/blobs/uploads/x", Allowed::Push),
    ("PATCH", "/v2/acme/weather/blobs/uploads/x", Allowed::Push),
    (
        "PUT",
        "/v2/acme/weather/blobs/uploads/x?digest=DIGEST",
        Allowed::Push,
    ),
    ("DELETE", "/v2/acme/weather/blobs/uploads/x", Allowed::Push),
    ("PUT", "/v2/acme/weather/manifests/new", Allowed::Push),
    (
        "DELETE",
        "/v2/acme/weather/manifests/absent",
        Allowed::Delete,
    ),
    ("DELETE", "/v2/acme/weather/blobs/DIGEST", Allowed::Delete),
];

async fn ask(hub: &Hub, method: &str, path: &str, authorization: Option<&str>) -> Reply {
    let path = path.replace("DIGEST", &sha256(b"absent").to_string());
    let headers: Vec<_> = authorization
        .iter()
        .map(|value| ("authorization", *value))
        .collect();
    hub.call(method, &path, &headers, "").await
}

#[tokio::test]
async fn each_request_needs_a_token_that_allows_it() {
    let mut hub = Hub::start().await;
    hub.push_image(REPO, "latest", b"wasm").await;
    hub.token.clear();
    for allowed in [Allowed::Pull, Allowed::Push, Allowed::Delete] {
        let everywhere = format!("Bearer {}", hub.token(allowed, &[]));
        let here = format!("Bearer {}", hub.token(allowed, &["acme"]));
        let elsewhere = format!("Bearer {}", hub.token(allowed, &["acme/other", "ac"]));
        for (method, path, needed) in REQUESTS {
            let anonymous = ask(&hub, method, path, None).await.is(401);
            assert!(
                anonymous
                    .header("www-authenticate")
                    .starts_with("Basic realm=")
            );
            if *method != "HEAD" {
                assert_eq!(anonymous.code(), "UNAUTHORIZED");
            }
            for good in [&everywhere, &here] {
                let status = ask(&hub, method, path, Some(good)).await.status;
                let refused = status == 401 || status == 403;
                assert_eq!(refused, allowed < *needed, "{method} {path} {status}");
            }
            ask(&hub, method, path, Some(&elsewhere)).await.is(403);
        }
    }
}

#[tokio::test]
async fn a_token_is_a_password_of_any_user_or_a_bearer() {
    let mut hub = Hub::start().await;
    let token = std::mem::take(&mut hub.token);
    let basic = |pair: String| format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes()));
    for good in [
        format!("Bearer {token}"),
        format!("bearer  {token}"),
        basic(format!("anyone:{token}")),
        basic(format!(":{token}")),
    ] {
        ask(&hub, "GET", "/v2/", Some(&good)).await.is(200);
    }
    for wrong in [
        "Bearer".into(),
        "Bearer x".into(),
        "Basic !".into(),
        format!("Digest {token}"),
        format!("Bearer {token}x"),
        basic(token.clone()),
        basic(format!("{token}:anyone")),
        basic("anyone:nebula.hub.x.y".into()),
    ] {
        let reply = ask(&hub, "GET", "/v2/", Some(&wrong)).await.is(401);
        assert!(!String::from_utf8_lossy(&reply.body).contains(&token));
        assert_eq!(reply.code(), "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn a_token_that_is_revoked_or_expired_counts_no_more() {
    let mut hub = Hub::start().await;
    let token = std::mem::take(&mut hub.token);
    let tokens = hub.tokens();
    let brief = NewToken {
        name: "brief".into(),
        allowed: Allowed::Pull,
        namespaces: Vec::new(),
        lifetime: Some(Duration::from_secs(60)),
    };
    let (_, brief) = tokens.create(brief).expect("made");
    let brief = format!("Bearer {}", *brief);
    ask(&hub, "GET", "/v2/", Some(&brief)).await.is(200);
    hub.clock.forward(Duration::from_secs(61));
    ask(&hub, "GET", "/v2/", Some(&brief)).await.is(401);
    let good = format!("Bearer {token}");
    ask(&hub, "GET", "/v2/", Some(&good)).await.is(200);
    let id = tokens.list().expect("read")[0].id.clone();
    tokens.revoke(&id).expect("revoked");
    ask(&hub, "GET", "/v2/", Some(&good)).await.is(401);
}

#[tokio::test]
async fn anyone_may_pull_where_that_is_configured_and_only_pull() {
    let mut hub = Hub::with(|config| config.anonymous_pull = true).await;
    hub.push_image(REPO, "latest", b"wasm").await;
    let narrow = format!("Bearer {}", hub.token(Allowed::Push, &["other"]));
    hub.token.clear();
    for (method, path, needed) in REQUESTS {
        let status = ask(&hub, method, path, None).await.status;
        assert_eq!(
            status == 401,
            *needed > Allowed::Pull,
            "{method} {path} {status}"
        );
    }
    hub.get("/v2/_catalog").await.is(200);
    // Clients that ask here learn that there are tokens.
    hub.get("/v2/").await.is(401);
    // Whoever has a token may read what anyone may, but a bad token is refused.
    ask(&hub, "GET", REQUESTS[0].1, Some(&narrow)).await.is(200);
    ask(&hub, "GET", REQUESTS[0].1, Some("Bearer x"))
        .await
        .is(401);
}

#[tokio::test]
async fn a_narrow_token_sees_and_mounts_only_what_it_may_read() {
    let mut hub = Hub::start().await;
    let secret = hub.push_blob("secret/plans", b"plans").await;
    hub.push_image(REPO, "latest", b"wasm").await;
    hub.token = hub.token(Allowed::Push, &["acme"]);
    assert_eq!(
        hub.get("/v2/_catalog").await.is(200).json()["repositories"],
        json!([REPO])
    );
    for from in ["&from=secret/plans", ""] {
        let path = format!("/v2/{REPO}/blobs/uploads/?mount={secret}{from}");
        hub.call("POST", &path, &[], "").await.is(202);
        hub.get(&format!("/v2/{REPO}/blobs/{secret}")).await.is(404);
    }
    let path = format!(
        "/v2/acme/other/blobs/uploads/?mount={}&from={REPO}",
        sha256(b"wasm")
    );
    hub.call("POST", &path, &[], "").await.is(201);
}

#[tokio::test]
async fn a_read_only_hub_takes_and_deletes_nothing() {
    let hub = Hub::start().await;
    hub.push_image(REPO, "latest", b"wasm").await;
    let open = |config: &mut RegistryConfig| {
        config.read_only = true;
        config.anonymous_pull = true;
    };
    let mut hub = hub.restart(open).await;
    let token = format!("Bearer {}", std::mem::take(&mut hub.token));
    for (method, path, needed) in REQUESTS {
        let reply = ask(&hub, method, path, None).await;
        if *needed > Allowed::Pull {
            reply.is(401);
            let reply = ask(&hub, method, path, Some(&token)).await;
            assert!(
                matches!(reply.status.as_u16(), 400 | 405),
                "{method} {path}"
            );
        } else {
            assert!(
                matches!(reply.status.as_u16(), 200 | 404),
                "{method} {path}"
            );
        }
    }
    let path = format!("/v2/{REPO}/manifests/new");
    let reply = ask(&hub, "PUT", &path, Some(&token)).await.is(405);
    assert_eq!(
        (reply.header("allow"), reply.code().as_str()),
        ("GET, HEAD", "UNSUPPORTED")
    );
    hub.get("/v2/").await.is(200);
}

#[tokio::test]
async fn a_version_stays_where_it_points_to_on_a_hub_with_immutable_tags() {
    let hub = Hub::with(|config| config.immutable_tags = true).await;
    let first = hub.push_image(REPO, "1.0.0", b"first").await;
    hub.push_image(REPO, "latest", b"first").await;
    hub.push_blob(REPO, b"second").await;
    let second = image(b"second");
    for tag in ["1.0.0", "1.0.0?"] {
        let reply = hub.put_manifest(REPO, tag, &second).await.is(409);
        assert_eq!(reply.code(), "DENIED");
    }
    let digest = sha256(second.to_string().as_bytes());
    let at = format!("{digest}?tag=2.0.0&tag=1.0.0");
    hub.put_manifest(REPO, &at, &second).await.is(409);
    hub.get(&format!("/v2/{REPO}/manifests/2.0.0"))
        .await
        .is(404);
    // The same again is no change, and what is no version moves.
    hub.put_manifest(REPO, "1.0.0", &image(b"first"))
        .await
        .is(201);
    hub.put_manifest(REPO, "latest", &second).await.is(201);
    for at in ["1.0.0".to_owned(), first.to_string()] {
        let path = format!("/v2/{REPO}/manifests/{at}");
        let reply = hub.call("DELETE", &path, &[], "").await.is(405);
        assert_eq!(reply.code(), "UNSUPPORTED");
        let reply = hub.get(&path).await.is(200);
        assert_eq!(reply.header("docker-content-digest"), first.to_string());
    }
    let path = format!("/v2/{REPO}/manifests/latest");
    hub.call("DELETE", &path, &[], "").await.is(202);
}

#[tokio::test]
async fn one_process_has_the_folder() {
    let hub = Hub::start().await;
    let config = RegistryConfig::new(hub.folder.path());
    let clock = Arc::new(TestClock::default());
    let second = Registry::open(config, clock);
    assert!(matches!(second, Err(super::super::OpenError::Held { .. })));
}
