use http::Method;
use nebula_flow::json;

use super::house::House;
use crate::{Config, build};

/// The value of a figure, by its line's beginning.
fn figure(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}

async fn text(house: &House) -> String {
    let answer = house.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    String::from_utf8(answer.bytes.to_vec()).expect("text")
}

#[tokio::test]
async fn executions_calls_and_requests_are_counted() {
    let house = House::new().await;
    house.deploy("good", "test.echo").await;
    house.deploy("bad", "test.fail").await;
    house.deploy("slow", "test.block").await;
    for _ in 0..3 {
        house
            .post("/workflows/good/execute?wait=true", &json!(1))
            .await
            .expect(200);
    }
    house
        .post("/workflows/bad/execute?wait=true", &json!(1))
        .await
        .expect(200);
    let slow = house
        .post("/workflows/slow/execute", &json!(1))
        .await
        .expect(202);
    house.get("/nothing/here").await;
    let path = format!(
        "/executions/{}/events/stream",
        slow["id"].as_str().expect("an id")
    );
    let stream = house.open(house.request(Method::GET, &path), "").await;
    let mut all = text(&house).await;
    for _ in 0..500 {
        if figure(&all, "nebula_sandbox_calls{state=\"running\"}") == Some(1.0) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        all = text(&house).await;
    }
    for (name, value) in [
        ("nebula_executions_started_total", 5.0),
        ("nebula_executions_ended_total{status=\"succeeded\"}", 3.0),
        ("nebula_executions_ended_total{status=\"failed\"}", 1.0),
        (
            "nebula_execution_duration_seconds_count{status=\"succeeded\"}",
            3.0,
        ),
        ("nebula_steps_ended_total{status=\"succeeded\"}", 3.0),
        ("nebula_steps_ended_total{status=\"failed\"}", 1.0),
        ("nebula_calls_total{result=\"success\"}", 3.0),
        ("nebula_calls_total{result=\"permanent\"}", 1.0),
        ("nebula_call_fuel_total", 28.0),
        ("nebula_call_duration_seconds_count", 4.0),
        ("nebula_sandbox_calls{state=\"running\"}", 1.0),
        ("nebula_sandbox_calls{state=\"waiting\"}", 0.0),
        ("nebula_http_streams", 1.0),
        (
            "nebula_http_requests_total{method=\"POST\",route=\"/api/v1/workflows/{workflow}/execute\",status=\"200\"}",
            4.0,
        ),
        (
            "nebula_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"}",
            1.0,
        ),
    ] {
        assert_eq!(figure(&all, name), Some(value), "{name}\n{all}");
    }
    assert!(figure(&all, "nebula_http_connections").is_some_and(|n| n >= 1.0));
    assert!(all.contains("nebula_build_info{version="));
    assert!(!all.contains("nothing/here"), "a path that a caller chose");
    drop(stream);
}

/// The figures of the store are those of the store that the node opened.
#[tokio::test]
async fn commits_of_the_log_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = build(Config::dev(folder.path()).with_port(0))
        .await
        .expect("is put together")
        .spawn();
    let house = House {
        running,
        folder,
        panics: std::sync::Arc::default(),
        ledger: std::sync::Arc::default(),
    };
    let grant = json!({"action": "weather.fetch", "host": "a.example"});
    house.post("/grants", &grant).await.expect(201);
    let all = text(&house).await;
    let of = |name| figure(&all, name).unwrap_or_default();
    assert!(of("nebula_log_commits_total") >= 1.0, "{all}");
    assert!(
        of("nebula_log_requests_total") >= of("nebula_log_commits_total"),
        "{all}"
    );
    assert!(figure(&all, "nebula_log_waiting").is_some(), "{all}");
    house.running.drain().await;
}

#[tokio::test]
async fn what_actions_measure_is_added_up_by_action_and_name() {
    let house = House::new().await;
    house.deploy("good", "test.echo").await;
    for rows in [17.0, 0.5] {
        let path = "/workflows/good/execute?wait=true";
        house.post(path, &json!({ "rows": rows })).await.expect(200);
    }
    let all = text(&house).await;
    let labels = "{action=\"test.echo\",name=\"rows\"}";
    let of = |name: &str| figure(&all, &format!("{name}{labels}"));
    assert_eq!(of("nebula_action_metric_values_total"), Some(2.0), "{all}");
    assert_eq!(of("nebula_action_metric_sum"), Some(17.5), "{all}");
}
