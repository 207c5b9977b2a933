//! Credentials of every kind: what is told of them, and what is refused.

use serde_json::{Value, json};

use super::house::House;

const CERTIFICATE: &str = include_str!("tls/certificate.pem");
const KEY: &str = include_str!("tls/key.pem");

#[tokio::test]
async fn every_kind_is_told_with_what_is_no_secret_of_it() {
    let house = House::new().await;
    let oauth2 = json!({
        "kind": "oauth2", "token_url": "https://login.example/token", "client_id": "me",
        "scopes": ["read", "write"], "audience": "api", "client_auth": "body",
    });
    for parts in [
        json!({ "kind": "text" }),
        json!({ "kind": "bearer" }),
        json!({ "kind": "api-key", "header": "x-api-key" }),
        json!({ "kind": "basic", "user": "ada" }),
        oauth2,
        json!({
            "kind": "oauth2", "token_url": "http://login.example", "client_id": "me",
            "token_at": "http://127.0.0.1:9", "client_auth": "basic",
        }),
    ] {
        let mut sent = parts.clone();
        sent["secret"] = json!("canary-7731");
        sent["hosts"] = json!(["API.example"]);
        let told = house.put("/credentials/c", &sent).await.expect(200);
        let got = house.get("/credentials/c").await.expect(200);
        assert_eq!(told, got);
        let listed = house.get("/credentials").await.expect(200);
        assert_eq!(listed["items"][0], got);
        let mut wanted = parts;
        for (name, value) in [
            ("name", json!("c")),
            ("hosts", json!(["api.example"])),
            ("reveal", json!(false)),
            ("version", got["version"].clone()),
        ] {
            wanted[name] = value;
        }
        assert_eq!(got, wanted);
    }
    // One of before there were kinds.
    let plain = json!({ "secret": "canary-7731" });
    let told = house.put("/credentials/plain", &plain).await.expect(200);
    assert_eq!(told["kind"], "text");

    let certificate = json!({ "kind": "certificate", "certificate": CERTIFICATE, "secret": KEY });
    let told = house
        .put("/credentials/cert", &certificate)
        .await
        .expect(200);
    assert_eq!(told["kind"], "certificate");
    assert!(!told.to_string().contains("BEGIN"), "{told}");
}

#[tokio::test]
async fn what_a_kind_lacks_or_does_not_have_is_refused_with_a_pointer() {
    let house = House::new().await;
    let oauth2 = |more: Value| {
        let mut body = json!({
            "kind": "oauth2", "token_url": "https://login.example/", "client_id": "me",
        });
        for (name, value) in more.as_object().expect("an object") {
            body[name] = value.clone();
        }
        body
    };
    for (body, pointer) in [
        (json!({ "kind": "basic" }), "/user"),
        (json!({ "kind": "basic", "user": "a:b" }), "/user"),
        (json!({ "kind": "basic", "user": "a\nb" }), "/user"),
        (json!({ "kind": "bearer", "user": "a" }), "/user"),
        (json!({ "user": "a" }), "/user"),
        (json!({ "kind": "api-key" }), "/header"),
        (
            json!({ "kind": "api-key", "header": "x\r\ny: z" }),
            "/header",
        ),
        (json!({ "kind": "api-key", "header": "Host" }), "/header"),
        (
            json!({ "kind": "api-key", "header": "nebula-redirects" }),
            "/header",
        ),
        (json!({ "kind": "text", "header": "x-key" }), "/header"),
        (json!({ "kind": "oauth2", "client_id": "me" }), "/token_url"),
        (
            json!({ "kind": "oauth2", "token_url": "https://a.example" }),
            "/client_id",
        ),
        (
            oauth2(json!({ "token_url": "http://login.example" })),
            "/token_url",
        ),
        (
            oauth2(json!({ "token_url": "https://me:pw@login.example" })),
            "/token_url",
        ),
        (
            oauth2(json!({ "token_url": "https://127.0.0.1/token" })),
            "/token_at",
        ),
        (
            oauth2(json!({ "token_url": "https://localhost/token" })),
            "/token_at",
        ),
        (oauth2(json!({ "token_at": "nonsense" })), "/token_at"),
        (oauth2(json!({ "scopes": ["read write"] })), "/scopes/0"),
        (oauth2(json!({ "audience": "" })), "/audience"),
        (oauth2(json!({ "secret": "a\nb" })), "/secret"),
        (json!({ "kind": "certificate" }), "/certificate"),
        (
            json!({ "kind": "certificate", "certificate": "no" }),
            "/certificate",
        ),
        (
            json!({ "kind": "certificate", "certificate": CERTIFICATE }),
            "/secret",
        ),
    ] {
        let mut body = body;
        if body.get("secret").is_none() {
            body["secret"] = json!("canary-7731");
        }
        let answer = house.put("/credentials/c", &body).await;
        assert_eq!(answer.problem(400), "invalid_body", "{body}");
        assert_eq!(
            answer.json()["pointer"],
            pointer,
            "{body}: {}",
            answer.json()
        );
        let said = answer.json().to_string();
        assert!(
            !said.contains("canary") && !said.contains("me:pw"),
            "{said}"
        );
    }
    let unknown = json!({ "kind": "canary-7731", "secret": "x" });
    let answer = house.put("/credentials/c", &unknown).await;
    assert_eq!(answer.problem(400), "invalid_body");
    assert_eq!(
        house.get("/credentials/c").await.problem(404),
        "credential_not_found"
    );
}
