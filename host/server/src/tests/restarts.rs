//! Executions that are made from others, through the API.

use nebula_flow::{Value, json};

use super::house::House;

/// Runs a workflow whose second node never ends, and cancels it: the execution.
async fn stopped(house: &House) -> String {
    let document = json!({
        "apiVersion": "nebula/v1", "kind": "Workflow", "name": "stuck",
        "input": {"type": "object"},
        "nodes": {"first": {"action": "test.echo"}, "then": {"action": "test.block"}},
        "connections": [{"from": "first", "to": "then"}],
    });
    house.post("/workflows", &document).await.expect(201);
    let started = house
        .post("/workflows/stuck/execute", &json!({"n": 1}))
        .await;
    let id = started.expect(202)["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    house.until(&id, "running").await;
    id
}

async fn cancel(house: &House, id: &str) {
    let cancel = format!("/executions/{id}/cancel");
    house.post(&cancel, &json!({})).await.expect(202);
    house.until(id, "cancelled").await;
}

#[tokio::test]
async fn a_retry_is_a_new_execution_that_says_what_it_keeps() {
    let house = House::new().await;
    let id = stopped(&house).await;
    let retry = format!("/executions/{id}/retry");
    let refused = house.post(&retry, &json!({})).await;
    assert_eq!(refused.problem(409), "not_restartable");
    cancel(&house, &id).await;

    let request = || {
        let request = house.request(http::Method::POST, &retry);
        let request = request.header("content-type", "application/json");
        request.header("idempotency-key", "once")
    };
    let answer = house.send(request(), "{}").await.expect(202);
    let new = answer["id"].as_str().expect("an id").to_owned();
    assert_ne!(new, id);
    let seen = house.until(&new, "running").await;
    assert_eq!(
        seen["origin"],
        json!({"execution": id, "restart": "retry"}),
        "{seen}"
    );
    let step = &seen["steps"][0];
    assert_eq!(
        (
            &step["step"],
            &step["status"],
            &step["kept"],
            &step["output"]
        ),
        (
            &json!("first"),
            &json!("succeeded"),
            &Value::Bool(true),
            &json!({"n": 1})
        ),
        "{seen}"
    );
    let events = house
        .get(&format!("/executions/{new}/events"))
        .await
        .expect(200);
    let kinds: Vec<_> = events["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|e| e["type"].clone())
        .collect();
    assert_eq!(
        kinds[..2],
        [json!("started"), json!("step_kept")],
        "{events}"
    );

    // The same request again is the same execution.
    let again = house.send(request(), "{}").await;
    assert_eq!(again.expect(202)["id"], new);
    cancel(&house, &new).await;
}

#[tokio::test]
async fn a_replay_runs_any_version_that_takes_the_input() {
    let house = House::new().await;
    let id = stopped(&house).await;
    cancel(&house, &id).await;
    let mended = |schema: Value| {
        json!({
            "apiVersion": "nebula/v1", "kind": "Workflow", "name": "stuck", "input": schema,
            "nodes": {"only": {"action": "test.echo"}}, "output": "${ $nodes.only.result }",
        })
    };
    house
        .post("/workflows", &mended(json!({"type": "object"})))
        .await
        .expect(201);
    let replay = format!("/executions/{id}/replay?version=newest");
    let answer = house.post(&replay, &json!({})).await.expect(202);
    assert_eq!(answer["workflow_version"], 2);
    let new = answer["id"].as_str().expect("an id");
    let seen = house.until(new, "succeeded").await;
    assert_eq!(seen["output"], json!({"n": 1}));
    assert_eq!(
        seen["origin"],
        json!({"execution": id, "restart": "replay"})
    );

    // One that succeeded is replayed too, and has nothing to retry.
    let refused = house
        .post(&format!("/executions/{new}/retry"), &json!({}))
        .await;
    assert_eq!(refused.problem(409), "not_restartable");
    let own = house
        .post(&format!("/executions/{new}/replay"), &json!({}))
        .await
        .expect(202);
    assert_eq!(own["workflow_version"], 2);

    house
        .post("/workflows", &mended(json!({"type": "string"})))
        .await
        .expect(201);
    assert_eq!(
        house.post(&replay, &json!({})).await.problem(422),
        "invalid_input"
    );
    for (query, status, code) in [
        ("?version=9", 404, "workflow_not_found"),
        ("?version=best", 400, "invalid_query"),
    ] {
        let path = format!("/executions/{id}/replay{query}");
        assert_eq!(house.post(&path, &json!({})).await.problem(status), code);
    }
    let nobody = "/executions/exec-01m87px098vzc1ex6jz7vw5mx8/replay";
    assert_eq!(
        house.post(nobody, &json!({})).await.problem(404),
        "execution_not_found"
    );
}
