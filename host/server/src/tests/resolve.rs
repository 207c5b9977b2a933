use nebula_flow::{Value, json};

use super::house::{Answer, House};

/// Starts a workflow whose action does not answer in time, and whose outcome is
/// unknown then.
async fn unknown(house: &House) -> String {
    let document = json!({
        "apiVersion": "nebula/v1", "kind": "Workflow", "name": "pays",
        "nodes": {"pay": {"action": "test.block", "timeout": "20ms", "delivery": "at-most-once"}},
        "output": "${ $nodes.pay.result }",
    });
    house.post("/workflows", &document).await.expect(201);
    let started = house.post("/workflows/pays/execute", &json!(null)).await;
    let id = started.expect(202)["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    house.until(&id, "waiting").await;
    id
}

async fn resolve(house: &House, id: &str, body: &Value) -> Answer {
    house.post(&format!("/executions/{id}/resolve"), body).await
}

#[tokio::test]
async fn a_step_whose_outcome_is_unknown_says_so_and_is_resolved() {
    let house = House::new().await;
    let id = unknown(&house).await;
    let seen = house.until(&id, "waiting").await;
    for place in [&seen["nodes"][0], &seen["steps"][0]] {
        assert_eq!(place["status"], "unknown", "{seen}");
        assert_eq!(place["waits_for"]["attempt"], 1, "{seen}");
        assert_eq!(place["waits_for"]["unknown"]["kind"], "timed_out", "{seen}");
    }
    let said = json!({"step": "pay", "as": "succeeded", "output": {"receipt": 7}});
    let answer = resolve(&house, &id, &said).await;
    assert_eq!(
        answer.expect(202),
        json!({"id": id, "step": "pay", "attempt": 1})
    );
    let ended = house.until(&id, "succeeded").await;
    assert_eq!(ended["output"], json!({"receipt": 7}));
    let again = resolve(&house, &id, &said).await;
    assert_eq!(again.problem(409), "execution_finished");
}

#[tokio::test]
async fn a_word_that_makes_no_sense_is_refused() {
    let house = House::new().await;
    let id = unknown(&house).await;
    for (body, status, code) in [
        (json!({"step": "play", "as": "retry"}), 409, "outcome_known"),
        (json!({"step": "pay[1", "as": "retry"}), 400, "invalid_id"),
        (json!({"step": "pay", "as": "maybe"}), 400, "invalid_body"),
        (json!({"step": "pay"}), 400, "invalid_body"),
        (json!({"step": "pay", "as": "failed"}), 400, "invalid_body"),
        (
            json!({"step": "pay", "as": "retry", "output": 1}),
            400,
            "invalid_body",
        ),
    ] {
        let answer = resolve(&house, &id, &body).await;
        assert_eq!(answer.problem(status), code, "{body}");
    }
    let nobody = "exec-01jd0000000000000000000000";
    let said = json!({"step": "pay", "as": "failed", "reason": "the bank has nothing"});
    assert_eq!(
        resolve(&house, nobody, &said).await.problem(404),
        "execution_not_found"
    );
    resolve(&house, &id, &said).await.expect(202);
    let ended = house.until(&id, "failed").await;
    assert_eq!(ended["error"]["message"], "the bank has nothing", "{ended}");
}
