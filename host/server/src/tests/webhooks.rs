use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use nebula_flow::{Value, json};
use sha2::Sha256;

use super::house::{Answer, House};
use crate::config::Config;

const SECRET: &str = "canary-s3cret";

fn document(webhook: &Value, action: &str) -> Value {
    json!({
        "apiVersion": "nebula/v1", "kind": "Workflow", "name": "orders",
        "triggers": {"shop": {"webhook": webhook}},
        "nodes": {"only": {"action": action}},
        "output": "${ $nodes.only.result }",
    })
}

async fn with_hook(webhook: &Value, action: &str) -> House {
    let house = House::new().await;
    let secret = json!({"secret": SECRET, "hosts": []});
    house
        .put("/credentials/shop-hook", &secret)
        .await
        .expect(200);
    house
        .post("/workflows", &document(webhook, action))
        .await
        .expect(201);
    house
}

fn hmac(more: &Value) -> Value {
    let mut webhook = json!({"auth": "hmac", "secret": "shop-hook"});
    for (key, value) in more.as_object().expect("an object") {
        webhook[key] = value.clone();
    }
    webhook
}

fn now() -> u64 {
    use nebula_flow::ports::Clock;
    nebula_engine::SystemClock.now().as_millis() / 1_000
}

fn sign(signed: &str) -> String {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(SECRET.as_bytes()).expect("a key");
    mac.update(signed.as_bytes());
    let sum = mac.finalize().into_bytes();
    format!("sha256={}", data_encoding::HEXLOWER.encode(&sum))
}

async fn send(house: &House, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = house.request(Method::POST, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    house.send(request, body.to_owned()).await
}

/// Sends a body signed at this time.
async fn signed(house: &House, at: u64, body: &str) -> Answer {
    let (at, signature) = (at.to_string(), sign(&format!("{at}.{body}")));
    let headers = [
        ("webhook-timestamp", at.as_str()),
        ("webhook-signature", &signature),
        ("content-type", "application/json"),
        ("x-shop-event", "paid"),
        ("cookie", "session=1"),
        ("user-agent", "shop/1"),
    ];
    send(house, "/hooks/orders/shop?a=1&b=x%20y", &headers, body).await
}

async fn trigger(house: &House) -> Value {
    house.get("/triggers/orders/shop").await.expect(200)
}

async fn executions(house: &House) -> usize {
    let listed = house.get("/executions").await.expect(200);
    listed["items"].as_array().expect("items").len()
}

async fn ended(house: &House, id: &str) -> Value {
    for _ in 0..2_000 {
        let execution = house.get(&format!("/executions/{id}")).await.expect(200);
        if execution["status"] == "succeeded" {
            return execution;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{id} has not ended")
}

#[tokio::test]
async fn a_signed_request_starts_an_execution_with_what_it_says() {
    let house = with_hook(&hmac(&json!({"headers": ["x-shop-event"]})), "test.echo").await;
    let taken = signed(&house, now(), r#"{"order":17}"#).await.expect(202);
    assert!(taken["output"].is_null(), "{taken}");
    let id = taken["id"].as_str().expect("an id");
    let execution = ended(&house, id).await;
    assert_eq!(
        execution["output"],
        json!({
            "headers": {"content-type": "application/json", "user-agent": "shop/1", "x-shop-event": "paid"},
            "query": {"a": "1", "b": "x y"},
            "body": {"order": 17},
        })
    );
    let shown = trigger(&house).await;
    assert_eq!(
        (&shown["kind"], &shown["auth"]),
        (&json!("webhook"), &json!("hmac"))
    );
    assert_eq!(shown["path"], "/hooks/orders/shop");
    assert_eq!(shown["last_event"]["execution"], id);
    assert_eq!(shown["errors"], 0);
}

#[tokio::test]
async fn a_bad_an_old_and_an_unsigned_request_are_refused_and_counted() {
    let house = with_hook(&hmac(&json!({})), "test.echo").await;
    let (at, body) = (now(), r#"{"order":17}"#);
    let refused = |answer: Answer, words: &str| {
        assert_eq!(answer.problem(401), "webhook_refused");
        let said = String::from_utf8_lossy(&answer.bytes).into_owned();
        assert!(said.contains(words), "{words}: {said}");
        assert!(!said.contains(SECRET), "{said}");
    };
    let time = at.to_string();
    let wrong = format!("sha256={}", "0".repeat(64));
    let headers = [
        ("webhook-timestamp", time.as_str()),
        ("webhook-signature", &wrong),
    ];
    refused(
        send(&house, "/hooks/orders/shop", &headers, body).await,
        "not the one that the secret gives",
    );
    refused(
        signed(&house, at - 400, body).await,
        "s ago, and at most 5m are allowed",
    );
    refused(
        signed(&house, at + 400, body).await,
        "s ahead, and at most 5m are allowed",
    );
    refused(
        send(&house, "/hooks/orders/shop", &[], body).await,
        "`webhook-timestamp` is missing",
    );
    // Another body under a good signature.
    let good = sign(&format!("{at}.{body}"));
    let headers = [
        ("webhook-timestamp", time.as_str()),
        ("webhook-signature", &good),
    ];
    refused(
        send(&house, "/hooks/orders/shop", &headers, "{}").await,
        "not the one",
    );
    // A key of the API is of no use, nor is its absence.
    let headers = [("authorization", "Bearer nebula.default.x.y")];
    refused(
        send(&house, "/hooks/orders/shop", &headers, body).await,
        "is missing",
    );
    assert_eq!(executions(&house).await, 0);
    let shown = trigger(&house).await;
    assert_eq!(shown["errors"], 6, "{shown}");
    let last = shown["last_error"]["message"].as_str().expect("a message");
    assert!(last.contains("`webhook-timestamp` is missing"), "{last}");
    for path in [
        "/hooks/orders/nothing",
        "/hooks/nothing/shop",
        "/hooks/orders/a%20b",
    ] {
        let nobody = send(&house, path, &[], body).await;
        assert_eq!(nobody.problem(404), "trigger_not_found", "{path}");
    }
}

#[tokio::test]
async fn a_repeated_delivery_starts_one_execution() {
    let house = with_hook(&hmac(&json!({})), "test.echo").await;
    let at = now();
    let first = signed(&house, at, r#"{"order":1}"#).await.expect(202);
    let again = signed(&house, at, r#"{"order":1}"#).await.expect(202);
    assert_eq!(first["id"], again["id"]);
    assert!(
        again["output"].is_null() && again["finished_at"].is_null(),
        "{again}"
    );
    // Another signature is another delivery.
    let other = signed(&house, at - 1, r#"{"order":1}"#).await.expect(202);
    assert_ne!(first["id"], other["id"]);
    // By its id, whenever it is signed; the id is signed too.
    let mut ids = Vec::new();
    for at in [at - 2, at - 1, at] {
        let (time, signature) = (at.to_string(), sign(&format!("msg_7.{at}.{{}}")));
        let headers = [
            ("webhook-id", "msg_7"),
            ("webhook-timestamp", time.as_str()),
            ("webhook-signature", &signature),
        ];
        let taken = send(&house, "/hooks/orders/shop", &headers, "{}")
            .await
            .expect(202);
        ids.push(taken["id"].clone());
        let other = [("webhook-id", "msg_8"), headers[1], headers[2]];
        let other = send(&house, "/hooks/orders/shop", &other, "{}").await;
        assert_eq!(other.problem(401), "webhook_refused");
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(executions(&house).await, 3);
    let number = [("webhook-id", "17")];
    let number = send(&house, "/hooks/orders/shop", &number, "{}").await;
    assert_eq!(number.problem(400), "invalid_header");
}

#[tokio::test]
async fn an_answer_may_have_the_result_or_give_up_waiting() {
    let reply = hmac(&json!({"reply": "result", "timeout": "20s"}));
    let house = with_hook(&reply, "test.echo").await;
    let done = signed(&house, now(), "7").await.expect(200);
    assert_eq!(
        (&done["status"], &done["output"]["body"]),
        (&json!("succeeded"), &json!(7))
    );
    let reply = hmac(&json!({"reply": "result", "timeout": "50ms"}));
    let house = with_hook(&reply, "test.block").await;
    let pending = signed(&house, now(), "7").await.expect(202);
    assert!(
        pending["id"].is_string() && pending["output"].is_null(),
        "{pending}"
    );
}

#[tokio::test]
async fn tokens_and_passwords_are_taken_where_the_trigger_says_so() {
    let webhook = json!({"auth": "bearer", "secret": "shop-hook"});
    let house = with_hook(&webhook, "test.echo").await;
    let token = format!("Bearer {SECRET}");
    let path = "/hooks/orders/shop";
    send(&house, path, &[("authorization", &token)], "as it is")
        .await
        .expect(202);
    let wrong = send(&house, path, &[("authorization", "Bearer no")], "").await;
    assert_eq!(wrong.problem(401), "webhook_refused");
    let secret = json!({"secret": "ada:lovelace", "hosts": []});
    house
        .put("/credentials/shop-hook", &secret)
        .await
        .expect(200);
    let basic = json!({"auth": "basic", "secret": "shop-hook"});
    house
        .post("/workflows", &document(&basic, "test.echo"))
        .await
        .expect(201);
    send(
        &house,
        path,
        &[("authorization", "Basic YWRhOmxvdmVsYWNl")],
        "",
    )
    .await
    .expect(202);
    let old = send(&house, path, &[("authorization", &token)], "").await;
    assert_eq!(old.problem(401), "webhook_refused");
}

#[tokio::test]
async fn a_webhook_that_is_off_or_whose_secret_is_gone_starts_nothing() {
    let house = with_hook(&hmac(&json!({})), "test.echo").await;
    house
        .post("/triggers/orders/shop/disable", &json!({}))
        .await
        .expect(200);
    assert_eq!(
        signed(&house, now(), "1").await.problem(409),
        "trigger_disabled"
    );
    house
        .post("/triggers/orders/shop/enable", &json!({}))
        .await
        .expect(200);
    house.delete("/credentials/shop-hook").await.expect(204);
    assert_eq!(signed(&house, now(), "1").await.problem(503), "unavailable");
    let shown = trigger(&house).await;
    let last = shown["last_error"]["message"].as_str().expect("a message");
    assert!(last.contains("`shop-hook`, is not stored"), "{last}");
    assert_eq!(executions(&house).await, 0);
    // Nor is one deployed whose secret is not there.
    let renamed = document(&json!({"auth": "hmac", "secret": "nothing"}), "test.echo");
    let refused = house.post("/workflows", &renamed).await;
    assert_eq!(refused.problem(422), "invalid_workflow");
    let error = &refused.json()["errors"][0];
    assert_eq!(error["code"], "missing_credential");
    assert_eq!(error["pointer"], "/triggers/shop/webhook/secret");
    assert_eq!(
        error["hint"],
        "store it with `nebula credential set nothing`"
    );
}

#[tokio::test]
async fn the_door_looks_at_host_origin_and_size_but_not_at_the_type() {
    let house = with_hook(&hmac(&json!({})), "test.echo").await;
    let path = "/hooks/orders/shop";
    let foreign = send(&house, path, &[("origin", "https://evil.example")], "").await;
    assert_eq!(foreign.problem(403), "origin_refused");
    let large = "x".repeat((1 << 20) + 1);
    assert_eq!(
        send(&house, path, &[], &large).await.problem(413),
        "payload_too_large"
    );
    let at = now().to_string();
    let signature = sign(&format!("{at}.a=1"));
    let form = [
        ("webhook-timestamp", at.as_str()),
        ("webhook-signature", &signature),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    send(&house, path, &form, "a=1").await.expect(202);
    let signature = sign(&format!("{at}.{{"));
    let broken = [
        ("webhook-timestamp", at.as_str()),
        ("webhook-signature", &signature),
        ("content-type", "application/json"),
    ];
    assert_eq!(
        send(&house, path, &broken, "{").await.problem(400),
        "invalid_body"
    );
}

#[tokio::test]
async fn a_webhook_needs_no_key_where_the_api_does() {
    let open = with_hook(&hmac(&json!({})), "test.echo").await;
    let folder = open.folder;
    open.running.drain().await;
    for _ in 0..500 {
        if nebula_storage::Sqlite::open(folder.path()).is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let config = Config::serve(folder.path()).with_port(0);
    let house = House::with(config, folder).await;
    assert_eq!(house.get("/triggers").await.problem(401), "unauthenticated");
    signed(&house, now(), "1").await.expect(202);
}
