use http::Method;
use nebula_flow::{Value, json};

use super::house::{Answer, House};

/// Deploys a workflow that waits for `approval`, and starts it.
async fn waiting(house: &House) -> String {
    let document = json!({
        "apiVersion": "nebula/v1", "kind": "Workflow", "name": "asks",
        "nodes": {"approve": {"wait": {
            "signal": "approval", "timeout": "24h",
            "schema": {"type": "object", "required": ["by"], "properties": {"by": {"type": "string"}}},
        }}},
        "output": "${ $nodes.approve.result.by }",
    });
    house.post("/workflows", &document).await;
    let started = house.post("/workflows/asks/execute", &json!(null)).await;
    let id = started.expect(202)["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    house.until(&id, "waiting").await;
    id
}

async fn signal(house: &House, id: &str, name: &str, says: &Value) -> Answer {
    let path = format!("/executions/{id}/signals/{name}");
    house.post(&path, says).await
}

#[tokio::test]
async fn a_waiting_execution_says_what_for_and_its_signal_is_the_answer() {
    let house = House::new().await;
    let id = waiting(&house).await;
    let execution = house.get(&format!("/executions/{id}")).await.expect(200);
    for waits in [&execution["nodes"][0], &execution["steps"][0]] {
        assert_eq!(waits["status"], "waiting", "{execution}");
        assert_eq!(waits["waits_for"]["signal"], "approval", "{execution}");
        assert_eq!(
            waits["waits_for"]["until"], execution["wake_at"],
            "{execution}"
        );
    }
    let taken = signal(&house, &id, "approval", &json!({"by": "Ada"})).await;
    assert_eq!(taken.expect(202), json!({"id": id, "signal": "approval"}));
    let ended = house.until(&id, "succeeded").await;
    assert_eq!(ended["output"], "Ada");
    assert!(ended["steps"][0]["waits_for"].is_null(), "{ended}");

    let events = house
        .get(&format!("/executions/{id}/events"))
        .await
        .expect(200);
    let of = |kind: &str| {
        let events = events["items"].as_array().expect("events");
        events
            .iter()
            .find(|e| e["type"] == kind)
            .expect("the event")
            .clone()
    };
    assert_eq!(of("wait_started")["signal"], "approval");
    let received = of("signal_received");
    assert_eq!(received["payload"], json!({"by": "Ada"}));
    assert!(received["received_at"].is_string(), "{received}");
}

#[tokio::test]
async fn a_signal_that_nothing_takes_is_refused_with_a_code_of_its_own() {
    let house = House::new().await;
    let id = waiting(&house).await;
    let says = json!({"by": "Ada"});
    let unknown = signal(&house, &id, "approvel", &says).await;
    assert_eq!(unknown.problem(409), "signal_not_awaited");
    let hint = unknown.json()["hint"].as_str().expect("a hint").to_owned();
    assert!(hint.contains("`approval`"), "{hint}");
    let wrong = signal(&house, &id, "approval", &json!({"by": 7})).await;
    assert_eq!(wrong.problem(422), "invalid_signal");
    assert_eq!(wrong.json()["pointer"], "/by");
    let name = signal(&house, &id, "no%20spaces", &says).await;
    assert_eq!(name.expect(400)["code"], "invalid_id");
    let nobody = signal(&house, "exec-01jd0000000000000000000000", "approval", &says).await;
    assert_eq!(nobody.problem(404), "execution_not_found");
    let events = format!("/executions/{id}/events");
    let before = house.get(&events).await.expect(200);
    assert_eq!(
        before["items"].as_array().map(Vec::len),
        Some(2),
        "{before}"
    );

    signal(&house, &id, "approval", &says).await.expect(202);
    let second = signal(&house, &id, "approval", &says).await;
    let code = second.expect(409)["code"].clone();
    // It may have ended by then.
    assert!(
        code == "signal_answered" || code == "execution_finished",
        "{code}"
    );
    house.until(&id, "succeeded").await;
    let late = signal(&house, &id, "approval", &says).await;
    assert_eq!(late.problem(409), "execution_finished");
}

#[tokio::test]
async fn a_repeated_signal_is_answered_as_the_first() {
    let house = House::new().await;
    let id = waiting(&house).await;
    let send = |body: &'static str| {
        let path = format!("/executions/{id}/signals/approval");
        let request = house
            .request(Method::POST, &path)
            .header("content-type", "application/json")
            .header("idempotency-key", "order-17");
        house.send(request, body)
    };
    let first = send(r#"{"by":"Ada"}"#).await;
    house.until(&id, "succeeded").await;
    let again = send(r#"{"by":"Ada"}"#).await;
    assert_eq!(first.expect(202), again.expect(202));
    assert_eq!(
        (
            first.header("idempotency-replayed"),
            again.header("idempotency-replayed")
        ),
        ("", "true")
    );
    let other = send(r#"{"by":"Eve"}"#).await;
    assert_eq!(other.problem(422), "idempotency_key_reused");
}
