use http::Method;
use nebula_flow::json;

use super::house::{House, workflow};

#[tokio::test]
async fn a_workflow_is_deployed_once_and_versions_follow() {
    let house = House::new().await;
    let first = house
        .post("/workflows", &workflow("w", "test.echo"))
        .await
        .expect(201);
    assert_eq!(
        (&first["version"], &first["created"]),
        (&json!(1), &json!(true))
    );
    let again = house
        .post("/workflows", &workflow("w", "test.echo"))
        .await
        .expect(200);
    assert_eq!(
        (&again["id"], &again["version"], &again["created"]),
        (&first["id"], &json!(1), &json!(false))
    );
    let changed = house
        .post("/workflows", &workflow("w", "test.fail"))
        .await
        .expect(201);
    assert_eq!(
        (&changed["id"], &changed["version"]),
        (&first["id"], &json!(2))
    );

    let id = first["id"].as_str().expect("an id");
    for path in ["/workflows/w".to_owned(), format!("/workflows/{id}")] {
        let found = house.get(&path).await.expect(200);
        assert_eq!((&found["id"], &found["version"]), (&first["id"], &json!(2)));
        assert_eq!(found["definition"]["nodes"]["only"]["action"], "test.fail");
        assert_eq!(found["actions"]["test.fail"]["version"], "1.2.3");
    }
    let old = house.get("/workflows/w?version=1").await.expect(200);
    assert_eq!(
        (&old["version"], &old["latest_version"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(
        house.get("/workflows/w?version=3").await.problem(404),
        "workflow_not_found"
    );
    assert_eq!(
        house.get("/workflows/nobody").await.problem(404),
        "workflow_not_found"
    );
}

#[tokio::test]
async fn workflows_are_listed_in_pages_and_filtered() {
    let house = House::new().await;
    for name in ["alpha", "beta", "gamma"] {
        house.deploy(name, "test.echo").await;
    }
    let mut names = Vec::new();
    let mut path = "/workflows?limit=2&filter=status%3Dactive".to_owned();
    loop {
        let page = house.get(&path).await.expect(200);
        names.extend(
            page["items"]
                .as_array()
                .expect("items")
                .iter()
                .map(|w| w["name"].clone()),
        );
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/workflows?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(names, ["alpha", "beta", "gamma"]);
    let found = house.get("/workflows?filter=name%3Dbet*").await.expect(200);
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        house
            .get("/workflows?filter=status%3Dgone")
            .await
            .problem(400),
        "invalid_query"
    );
    assert_eq!(
        house.get("/workflows?limit=0").await.problem(400),
        "invalid_query"
    );
    assert_eq!(
        house.get("/workflows?nonsense=1").await.problem(400),
        "invalid_query"
    );
}

#[tokio::test]
async fn a_wrong_document_is_refused_with_every_mistake() {
    let house = House::new().await;
    let mut document = workflow("w", "test.ehco");
    document["connections"] = json!([{"from": "only", "to": "nowhere"}]);
    let answer = house.post("/workflows", &document).await;
    assert_eq!(answer.problem(422), "invalid_workflow");
    let problem = answer.json();
    let codes: Vec<_> = problem["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|e| &e["code"])
        .collect();
    assert!(codes.contains(&&json!("unknown_action")), "{problem}");
    assert!(problem["hint"].is_string(), "{problem}");

    let validation = house
        .post("/workflows/validate", &document)
        .await
        .expect(200);
    assert_eq!(validation["valid"], false);
    let validation = house
        .post("/workflows/validate", &workflow("w", "test.echo"))
        .await
        .expect(200);
    assert_eq!(validation, json!({"valid": true, "errors": []}));
    assert_eq!(
        house.get("/workflows/w").await.problem(404),
        "workflow_not_found"
    );
}

#[tokio::test]
async fn a_yaml_document_is_deployed_and_its_mistakes_have_places() {
    let house = House::new().await;
    let yaml =
        "apiVersion: nebula/v1\nkind: Workflow\nname: y\nnodes:\n  only: { action: test.echo }\n";
    let request = || {
        house
            .request(Method::POST, "/workflows")
            .header("content-type", "application/yaml")
    };
    house.send(request(), yaml).await.expect(201);
    let answer = house
        .send(request(), yaml.replace("test.echo", "test.nothing"))
        .await;
    assert_eq!(answer.problem(422), "invalid_workflow");
    let position = &answer.json()["position"];
    assert_eq!(position["line"], 5, "{}", answer.json());
    let answer = house.send(request(), "a: [").await;
    assert_eq!(answer.problem(422), "invalid_workflow");
}

#[tokio::test]
async fn an_execution_is_awaited_and_its_result_is_the_answer() {
    let house = House::new().await;
    house.deploy("w", "test.echo").await;
    let answer = house
        .post("/workflows/w/execute?wait=30s", &json!({"a": [1, "é"]}))
        .await;
    let result = answer.expect(200);
    assert_eq!(result["status"], "succeeded", "{result}");
    assert_eq!(result["output"], json!({"a": [1, "é"]}));
    let id = result["id"].as_str().expect("an id");
    assert_eq!(
        answer.header("location"),
        format!("/api/v1/executions/{id}")
    );

    let execution = house.get(&format!("/executions/{id}")).await.expect(200);
    assert_eq!(execution["input"], json!({"a": [1, "é"]}));
    assert_eq!(execution["output"], json!({"a": [1, "é"]}));
    assert_eq!(execution["nodes"][0]["status"], "succeeded");
    let step = &execution["steps"][0];
    assert_eq!(
        (&step["step"], &step["usage"]["fuel"]),
        (&json!("only"), &json!(7))
    );
    assert_eq!(step["attempts"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_failed_execution_names_its_node() {
    let house = House::new().await;
    house.deploy("w", "test.fail").await;
    let result = house
        .post("/workflows/w/execute?wait=true", &json!(null))
        .await
        .expect(200);
    assert_eq!(
        (&result["status"], &result["error"]["node"]),
        (&json!("failed"), &json!("only"))
    );
    assert_eq!(result["error"]["kind"], "permanent");
    let id = result["id"].as_str().expect("an id");
    let execution = house.get(&format!("/executions/{id}")).await.expect(200);
    assert_eq!(execution["error"]["node"], "only");
    assert_eq!(
        execution["steps"][0]["error"]["message"],
        "it cannot be done"
    );
}

#[tokio::test]
async fn an_input_that_breaks_the_schema_is_refused_with_pointers() {
    let house = House::new().await;
    let mut document = workflow("w", "test.echo");
    document["input"] =
        json!({"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}});
    house.post("/workflows", &document).await.expect(201);
    let answer = house
        .post("/workflows/w/execute", &json!({"city": 7}))
        .await;
    assert_eq!(answer.problem(422), "invalid_input");
    assert_eq!(answer.json()["pointer"], "/city");
}

#[tokio::test]
async fn a_large_value_travels_whole_and_one_over_the_cap_is_refused() {
    let house = House::new().await;
    house.deploy("w", "test.echo").await;
    let large = json!("x".repeat(300_000));
    let result = house
        .post("/workflows/w/execute?wait=true", &large)
        .await
        .expect(200);
    assert_eq!(result["output"], large);
    let over = json!("x".repeat(4 * 1024 * 1024 + 1));
    assert_eq!(
        house.post("/workflows/w/execute", &over).await.problem(413),
        "payload_too_large"
    );
    let over = json!("x".repeat(9 * 1024 * 1024));
    assert_eq!(
        house.post("/workflows/w/execute", &over).await.problem(413),
        "payload_too_large"
    );
}

#[tokio::test]
async fn a_repeated_key_gives_the_first_execution() {
    let house = House::new().await;
    house.deploy("w", "test.echo").await;
    let execute = |body: &'static str| {
        let request = house
            .request(Method::POST, "/workflows/w/execute?wait=true")
            .header("content-type", "application/json")
            .header("idempotency-key", "order-17");
        house.send(request, body)
    };
    let first = execute("1").await;
    let again = execute("1").await;
    assert_eq!(first.expect(200), again.expect(200));
    assert_eq!(
        (
            first.header("idempotency-replayed"),
            again.header("idempotency-replayed")
        ),
        ("", "true")
    );
    assert_eq!(execute("2").await.problem(422), "idempotency_key_reused");
    let list = house.get("/executions").await.expect(200);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn executions_are_listed_newest_first_by_workflow_and_status() {
    let house = House::new().await;
    house.deploy("good", "test.echo").await;
    house.deploy("bad", "test.fail").await;
    let mut ids = Vec::new();
    for workflow in ["good", "bad", "good"] {
        let path = format!("/workflows/{workflow}/execute?wait=true");
        let result = house.post(&path, &json!(1)).await.expect(200);
        ids.insert(0, result["id"].clone());
    }
    let page = house.get("/executions?limit=2").await.expect(200);
    let cursor = page["next_cursor"].as_str().expect("more");
    let rest = house
        .get(&format!("/executions?limit=2&cursor={cursor}"))
        .await
        .expect(200);
    let listed: Vec<_> = [&page, &rest]
        .iter()
        .flat_map(|p| p["items"].as_array().expect("items"))
        .map(|e| e["id"].clone())
        .collect();
    assert_eq!(listed, ids);
    assert!(rest["next_cursor"].is_null());
    let failed = house.get("/executions?status=failed").await.expect(200);
    assert_eq!(failed["items"][0]["workflow"], "bad");
    let good = house.get("/executions?workflow=good").await.expect(200);
    assert_eq!(good["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        house.get("/executions?workflow=ugly").await.problem(404),
        "workflow_not_found"
    );
    assert_eq!(
        house.get("/executions?status=odd").await.problem(400),
        "invalid_query"
    );
}

#[tokio::test]
async fn a_wait_that_is_over_leaves_the_execution_running() {
    let house = House::new().await;
    house.deploy("w", "test.block").await;
    let result = house
        .post("/workflows/w/execute?wait=1ms", &json!(1))
        .await
        .expect(202);
    let id = result["id"].as_str().expect("an id");
    let execution = house.get(&format!("/executions/{id}")).await.expect(200);
    assert!(execution["finished_at"].is_null(), "{execution}");
    for wait in ["soon", "11m", "-1s"] {
        let path = format!("/workflows/w/execute?wait={wait}");
        assert_eq!(
            house.post(&path, &json!(1)).await.problem(400),
            "invalid_query"
        );
    }
}

#[tokio::test]
async fn versions_are_listed_newest_first_in_pages_and_each_can_be_read() {
    let house = House::new().await;
    for action in ["test.echo", "test.fail", "test.block"] {
        house.deploy("w", action).await;
    }
    let first = house.get("/workflows/w/versions?limit=2").await.expect(200);
    let versions = |page: &nebula_flow::Value| {
        let items = page["items"].as_array().expect("items");
        items
            .iter()
            .map(|v| v["version"].as_u64().expect("a number"))
            .collect::<Vec<_>>()
    };
    assert_eq!(versions(&first), [3, 2]);
    assert!(first["items"][0]["actions"]["test.block"]["digest"].is_string());
    let cursor = first["next_cursor"].as_str().expect("more");
    let rest = house
        .get(&format!("/workflows/w/versions?limit=2&cursor={cursor}"))
        .await;
    let rest = rest.expect(200);
    assert_eq!(versions(&rest), [1]);
    assert!(rest["next_cursor"].is_null());
    let old = house.get("/workflows/w?version=1").await.expect(200);
    assert_eq!(old["definition"]["nodes"]["only"]["action"], "test.echo");
    let wrong = house.get("/workflows/w/versions?cursor=x").await;
    assert_eq!(wrong.problem(400), "invalid_query");
    let none = house.get("/workflows/nothing/versions").await;
    assert_eq!(none.problem(404), "workflow_not_found");
}
