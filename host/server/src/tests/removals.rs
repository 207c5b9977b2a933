//! Executions that are removed, through the API.

use nebula_flow::json;

use super::house::House;

async fn deploy(house: &House, name: &str, action: &str) {
    let document = json!({
        "apiVersion": "nebula/v1", "kind": "Workflow", "name": name,
        "nodes": {"only": {"action": action}},
    });
    house.post("/workflows", &document).await.expect(201);
}

#[tokio::test]
async fn a_removed_execution_is_not_found_and_its_key_still_answers() {
    let house = House::new().await;
    deploy(&house, "quick", "test.echo").await;
    let execute = || {
        let path = "/workflows/quick/execute?wait=true";
        let request = house.request(http::Method::POST, path);
        let request = request.header("content-type", "application/json");
        request.header("idempotency-key", "once")
    };
    let first = house.send(execute(), "{}").await.expect(200);
    let id = first["id"].as_str().expect("an id").to_owned();
    let path = format!("/executions/{id}");
    let remove = || house.request(http::Method::DELETE, &path);
    house.send(remove(), "").await.expect(204);

    let gone = house.get(&path).await;
    assert_eq!(gone.problem(404), "execution_not_found");
    let text = String::from_utf8_lossy(&gone.bytes);
    assert!(text.contains("may have been removed"), "{text}");
    assert_eq!(
        house.send(remove(), "").await.problem(404),
        "execution_not_found"
    );
    let events = house.get(&format!("{path}/events")).await;
    assert_eq!(events.problem(404), "execution_not_found");
    let list = house.get("/executions").await.expect(200);
    assert_eq!(list["items"], json!([]));

    let again = house.send(execute(), "{}").await.expect(202);
    assert_eq!(
        (&again["id"], &again["status"]),
        (&json!(id), &json!("removed"))
    );
    let other = house.send(execute(), "1").await;
    assert_eq!(other.problem(422), "idempotency_key_reused");
}

#[tokio::test]
async fn what_has_not_ended_is_not_removed() {
    let house = House::new().await;
    deploy(&house, "stuck", "test.block").await;
    let started = house.post("/workflows/stuck/execute", &json!({})).await;
    let id = started.expect(202)["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    house.until(&id, "running").await;
    let path = format!("/executions/{id}");
    let refused = house
        .send(house.request(http::Method::DELETE, &path), "")
        .await;
    assert_eq!(refused.problem(409), "execution_unfinished");
    house
        .post(&format!("{path}/cancel"), &json!({}))
        .await
        .expect(202);
    house.until(&id, "cancelled").await;
    let removed = house
        .send(house.request(http::Method::DELETE, &path), "")
        .await;
    removed.expect(204);
}
