use std::time::Duration;

use http::Method;
use nebula_flow::{Value, json};

use super::house::House;

fn document(name: &str, triggers: &Value) -> Value {
    json!({
        "apiVersion": "nebula/v1", "kind": "Workflow", "name": name,
        "triggers": triggers,
        "nodes": {"only": {"action": "test.echo"}},
        "output": "${ $nodes.only.result }",
    })
}

async fn with_triggers() -> House {
    let house = House::new().await;
    let report = document(
        "report",
        &json!({
            "nightly": {
                "cron": {"schedule": "0 2 * * *", "timezone": "Europe/Berlin"},
                "input": {"of": "${ $trigger.slot }"},
            },
            "yearly": {"cron": {"schedule": "@yearly"}},
        }),
    );
    house.post("/workflows", &report).await.expect(201);
    let other = document(
        "another",
        &json!({"daily": {"cron": {"schedule": "@daily"}}}),
    );
    house.post("/workflows", &other).await.expect(201);
    house
}

#[tokio::test]
async fn triggers_are_listed_and_shown_with_their_next_time() {
    let house = with_triggers().await;
    let listed = house.get("/triggers").await.expect(200);
    let ids = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().expect("items");
        items
            .iter()
            .map(|t| t["id"].as_str().expect("an id").to_owned())
            .collect()
    };
    assert_eq!(
        ids(&listed),
        ["another/daily", "report/nightly", "report/yearly"]
    );
    let first = house.get("/triggers?limit=1").await.expect(200);
    assert_eq!(ids(&first), ["another/daily"]);
    let cursor = first["next_cursor"].as_str().expect("more");
    let path = format!(
        "/triggers?workflow=report&limit=1&cursor={}",
        cursor.replace('/', "%2F")
    );
    assert_eq!(ids(&house.get(&path).await.expect(200)), ["report/nightly"]);

    let nightly = house.get("/triggers/report/nightly").await.expect(200);
    assert_eq!(nightly["kind"], "cron");
    assert_eq!(nightly["enabled"], true);
    assert_eq!(nightly["schedule"], "0 2 * * *");
    assert_eq!(nightly["timezone"], "Europe/Berlin");
    let next = nightly["next_at"].as_str().expect("a time");
    assert!(
        next.ends_with("0:00:00.000Z") || next.ends_with("1:00:00.000Z"),
        "{next}"
    );
    assert!(nightly["last_event"].is_null(), "{nightly}");

    // Only the newest version's are live.
    let silent = document(
        "report",
        &json!({"yearly": {"cron": {"schedule": "@yearly"}}}),
    );
    house.post("/workflows", &silent).await.expect(201);
    let listed = house.get("/triggers?workflow=report").await.expect(200);
    assert_eq!(ids(&listed), ["report/yearly"]);
    let gone = house.get("/triggers/report/nightly").await;
    assert_eq!(gone.problem(404), "trigger_not_found");
    assert_eq!(gone.json()["hint"], "its newest version has `yearly`");
    let nobody = house.get("/triggers/nobody/nightly").await;
    assert_eq!(nobody.problem(404), "workflow_not_found");
    assert_eq!(
        house.get("/triggers/report/a%20b").await.problem(400),
        "invalid_id"
    );
}

#[tokio::test]
async fn a_try_says_the_next_times_and_starts_only_with_fire() {
    let house = with_triggers().await;
    let tried = house
        .post("/triggers/report/nightly/test", &json!({}))
        .await;
    let tried = tried.expect(200);
    let next = tried["next"].as_array().expect("times");
    assert_eq!(next.len(), 5);
    assert_eq!(tried["input"], json!({"of": next[0]}));
    assert!(tried["execution"].is_null(), "{tried}");
    let none = house.get("/executions").await.expect(200);
    assert_eq!(none["items"], json!([]));

    // Also while it is off.
    house
        .post("/triggers/report/nightly/disable", &json!({}))
        .await
        .expect(200);
    let fire = json!({"fire": true, "event": {"slot": "by hand"}});
    let fired = house
        .post("/triggers/report/nightly/test", &fire)
        .await
        .expect(200);
    let id = fired["execution"].as_str().expect("an id");
    assert_eq!(fired["input"], json!({"of": "by hand"}));
    let trigger = house.get("/triggers/report/nightly").await.expect(200);
    assert_eq!(trigger["last_event"]["outcome"], "tested");
    assert_eq!(trigger["last_event"]["execution"], id);
    let execution = house.get(&format!("/executions/{id}")).await.expect(200);
    assert_eq!(execution["workflow"], "report");

    let wrong = house
        .post("/triggers/report/nightly/test", &json!({"fyre": true}))
        .await;
    assert_eq!(wrong.problem(400), "invalid_body");
    let typed = document(
        "typed",
        &json!({"daily": {"cron": {"schedule": "@daily"}, "input": "${ $trigger.slot - 1 }"}}),
    );
    house.post("/workflows", &typed).await.expect(201);
    let errs = house.post("/triggers/typed/daily/test", &json!({})).await;
    assert_eq!(errs.problem(422), "invalid_input");
}

#[tokio::test]
async fn a_trigger_is_switched_off_and_on_through_all_versions() {
    let house = with_triggers().await;
    let off = house
        .post("/triggers/another/daily/disable", &json!({}))
        .await
        .expect(200);
    assert_eq!(
        (&off["enabled"], &off["next_at"]),
        (&json!(false), &Value::Null)
    );
    let next = document(
        "another",
        &json!({"daily": {"cron": {"schedule": "@weekly"}}}),
    );
    house.post("/workflows", &next).await.expect(201);
    let still = house.get("/triggers/another/daily").await.expect(200);
    assert_eq!(
        (&still["enabled"], &still["workflow_version"]),
        (&json!(false), &json!(2))
    );
    let on = house
        .post("/triggers/another/daily/enable", &json!({}))
        .await
        .expect(200);
    assert_eq!(on["enabled"], true);
    assert!(on["next_at"].is_string(), "{on}");
}

#[tokio::test]
async fn a_node_starts_what_is_due_and_says_so() {
    let house = House::new().await;
    let ticks = document(
        "ticks",
        &json!({"second": {"cron": {"schedule": "* * * * * *"}}}),
    );
    house.post("/workflows", &ticks).await.expect(201);
    for _ in 0..1_000 {
        let trigger = house.get("/triggers/ticks/second").await.expect(200);
        if trigger["last_event"]["outcome"] == "started" {
            let event = &trigger["last_event"];
            assert!(event["slot"].is_string(), "{trigger}");
            let id = event["execution"].as_str().expect("an id");
            let execution = house.get(&format!("/executions/{id}")).await.expect(200);
            assert_eq!(execution["workflow"], "ticks");
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", house.get("/triggers/ticks/second").await)
}

#[tokio::test]
async fn a_schedule_that_never_fires_is_refused_at_deploy_with_its_place() {
    let house = House::new().await;
    let text = "apiVersion: nebula/v1\nkind: Workflow\nname: never\ntriggers:\n  odd:\n    cron:\n      schedule: \"0 0 30 2 *\"\nnodes:\n  only: { action: test.echo }\n";
    let request = house
        .request(Method::POST, "/workflows")
        .header("content-type", "application/yaml");
    let refused = house.send(request, text).await;
    assert_eq!(refused.problem(422), "invalid_workflow");
    let problem = refused.json();
    assert_eq!(problem["errors"][0]["code"], "never_fires");
    assert_eq!(problem["pointer"], "/triggers/odd/cron/schedule");
    assert_eq!(problem["position"], json!({"line": 7, "column": 17}));
    assert_eq!(house.get("/triggers").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn the_keys_of_slots_are_the_hosts_own() {
    let house = with_triggers().await;
    let request = house
        .request(Method::POST, "/workflows/report/execute")
        .header("content-type", "application/json")
        .header("idempotency-key", "nebula:cron/x");
    assert_eq!(
        house.send(request, "{}").await.problem(400),
        "invalid_header"
    );
}
