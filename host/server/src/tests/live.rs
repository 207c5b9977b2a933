use http::Method;
use http_body_util::BodyExt;
use nebula_flow::{Value, json};

use super::house::House;

/// The events in a stream's text: id, type, data.
pub(super) fn parse(text: &str) -> Vec<(u64, String, Value)> {
    text.split("\n\n")
        .filter(|block| block.starts_with("id:"))
        .map(|block| {
            let field = |name: &str| {
                block
                    .lines()
                    .find_map(|l| l.strip_prefix(name))
                    .expect("the field")
                    .trim()
                    .to_owned()
            };
            let data = serde_json::from_str(&field("data:")).expect("JSON");
            (
                field("id:").parse().expect("a number"),
                field("event:"),
                data,
            )
        })
        .collect()
}

async fn execute(house: &House, workflow: &str, wait: bool) -> String {
    let path = format!("/workflows/{workflow}/execute?wait={wait}");
    let answer = house.post(&path, &json!(1)).await;
    assert!(answer.status.is_success());
    answer.json()["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_finished_execution_streams_all_events_and_ends() {
    let house = House::new().await;
    house.deploy("w", "test.echo").await;
    let id = execute(&house, "w", true).await;
    let all = house.get(&format!("/executions/{id}/events/stream")).await;
    assert_eq!(all.header("content-type"), "text/event-stream");
    let all = parse(std::str::from_utf8(&all.bytes).expect("text"));
    assert!(
        all.iter()
            .enumerate()
            .all(|(i, (id, ..))| *id == i as u64 + 1),
        "{all:?}"
    );
    assert_eq!(all[0].1, "started");
    assert_eq!(
        all.last()
            .map(|(_, kind, data)| (kind.as_str(), &data["output"])),
        Some(("succeeded", &json!(1)))
    );

    let request = house
        .request(Method::GET, &format!("/executions/{id}/events"))
        .header("accept", "text/event-stream")
        .header("last-event-id", "2");
    let rest = house.send(request, "").await;
    assert_eq!(
        parse(std::str::from_utf8(&rest.bytes).expect("text")),
        all[2..]
    );
    let request = house
        .request(Method::GET, &format!("/executions/{id}/events/stream"))
        .header("last-event-id", all.len().to_string());
    assert_eq!(house.send(request, "").await.status, 204);
    let request = house
        .request(Method::GET, &format!("/executions/{id}/events/stream"))
        .header("last-event-id", "what");
    assert_eq!(house.send(request, "").await.problem(400), "invalid_header");
}

#[tokio::test]
async fn pages_of_events_lead_on_to_the_end() {
    let house = House::new().await;
    house.deploy("w", "test.echo").await;
    let id = execute(&house, "w", true).await;
    let mut kinds = Vec::new();
    let mut path = format!("/executions/{id}/events?limit=2");
    loop {
        let page = house.get(&path).await.expect(200);
        let items = page["items"].as_array().expect("items");
        assert!(items.len() <= 2);
        kinds.extend(
            items
                .iter()
                .map(|e| e["type"].as_str().expect("a type").to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/executions/{id}/events?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(kinds.first().map(String::as_str), Some("started"));
    assert_eq!(kinds.last().map(String::as_str), Some("succeeded"));
    assert!(kinds.iter().any(|k| k == "step_succeeded"));
}

#[tokio::test]
async fn a_cancel_is_seen_live_and_ends_the_stream() {
    let house = House::new().await;
    house.deploy("w", "test.block").await;
    let id = execute(&house, "w", false).await;
    let stream = house
        .open(
            house.request(Method::GET, &format!("/executions/{id}/events/stream")),
            "",
        )
        .await;
    let mut body = stream.into_body();
    let mut text = String::new();
    let mut cancelled = false;
    while let Some(frame) = body.frame().await {
        let data = frame.expect("a frame").into_data().expect("data");
        text.push_str(std::str::from_utf8(&data).expect("text"));
        if !cancelled && text.contains("event: attempt_started") {
            cancelled = true;
            let answer = house
                .post(
                    &format!("/executions/{id}/cancel"),
                    &json!({"reason": "enough"}),
                )
                .await;
            answer.expect(202);
        }
    }
    let last = parse(&text).pop().expect("events");
    assert_eq!(
        (last.1.as_str(), &last.2["reason"]),
        ("cancelled", &json!("enough"))
    );

    let execution = house.get(&format!("/executions/{id}")).await.expect(200);
    assert_eq!(
        (&execution["status"], &execution["nodes"][0]["status"]),
        (&json!("cancelled"), &json!("cancelled"))
    );
    house
        .post(&format!("/executions/{id}/cancel"), &json!({}))
        .await
        .expect(202);
}

#[tokio::test]
async fn what_has_ended_cannot_be_cancelled() {
    let house = House::new().await;
    house.deploy("w", "test.echo").await;
    let id = execute(&house, "w", true).await;
    let answer = house
        .post(&format!("/executions/{id}/cancel"), &json!({}))
        .await;
    assert_eq!(answer.problem(409), "execution_finished");
    let request = house
        .request(Method::POST, &format!("/executions/{id}/cancel"))
        .header("content-type", "application/json");
    assert_eq!(
        house.send(request, "").await.problem(409),
        "execution_finished"
    );
}

#[tokio::test]
async fn log_lines_come_as_pages_and_as_a_stream() {
    let house = House::new().await;
    house.deploy("w", "test.echo").await;
    let id = execute(&house, "w", true).await;
    let page = house
        .get(&format!("/executions/{id}/logs"))
        .await
        .expect(200);
    let line = &page["items"][0];
    assert_eq!(
        (&line["message"], &line["level"], &line["step"]),
        (&json!("hello"), &json!("info"), &json!("only"))
    );
    let stream = house.get(&format!("/executions/{id}/logs/stream")).await;
    let lines = parse(std::str::from_utf8(&stream.bytes).expect("text"));
    assert_eq!(lines.len(), 1);
    assert_eq!(&lines[0].2, line);
}

#[tokio::test]
async fn an_unknown_execution_has_no_events() {
    let house = House::new().await;
    let id = "exec-01jd0000000000000000000000";
    for path in ["", "/events", "/events/stream", "/logs", "/logs/stream"] {
        let answer = house.get(&format!("/executions/{id}{path}")).await;
        assert_eq!(answer.problem(404), "execution_not_found", "{path}");
    }
    assert_eq!(
        house.get("/executions/seven").await.problem(400),
        "invalid_id"
    );
}
