use std::path::Path;

use nebula_egress::Caller;
use nebula_flow::json;

use super::house::House;
use crate::config::Config;

const CANARY: &str = "canary-7f3a-secret";

#[tokio::test]
async fn a_credential_is_stored_and_its_secret_never_comes_back() {
    let house = House::new().await;
    let body = json!({"secret": CANARY, "hosts": ["API.example.com"]});
    let set = house.put("/credentials/prod", &body).await;
    set.expect(200);
    let list = house.get("/credentials").await;
    assert_eq!(
        list.expect(200)["items"],
        json!([{
            "name": "prod", "kind": "text", "hosts": ["api.example.com"], "reveal": false, "version": 1,
        }])
    );
    let one = house.get("/credentials/prod").await;
    one.expect(200);
    for answer in [set, list, one] {
        assert!(!contains(&answer.bytes, CANARY));
    }
    assert_eq!(
        house.put("/credentials/prod", &body).await.expect(200)["version"],
        2
    );
    house.delete("/credentials/prod").await.expect(204);
    assert_eq!(
        house.get("/credentials/prod").await.problem(404),
        "credential_not_found"
    );
    assert_eq!(
        house.delete("/credentials/prod").await.problem(404),
        "credential_not_found"
    );
}

#[tokio::test]
async fn no_file_of_the_data_folder_has_a_secret_in_plain_text() {
    let house = House::new().await;
    house
        .put(
            "/credentials/prod",
            &json!({"secret": CANARY, "hosts": ["a.example"]}),
        )
        .await
        .expect(200);
    house
        .put(
            "/grants",
            &json!({"action": "test.echo", "host": "plain.example"}),
        )
        .await
        .expect(201);
    let folder = house.folder.path().to_owned();
    house.running.drain().await;
    assert!(
        in_files(&folder, "plain.example"),
        "the search finds what is stored plainly"
    );
    assert!(!in_files(&folder, CANARY));
}

#[tokio::test]
async fn a_wrong_credential_is_refused_with_a_pointer() {
    let house = House::new().await;
    for (body, pointer) in [
        (json!({"secret": ""}), "/secret"),
        (json!({"secret": "a\r\nx-evil: 1"}), "/secret"),
        (
            json!({"secret": "x", "hosts": ["ok.example", "http://no"]}),
            "/hosts/1",
        ),
    ] {
        let answer = house.put("/credentials/c", &body).await;
        assert_eq!(answer.problem(400), "invalid_body");
        assert_eq!(answer.json()["pointer"], pointer);
    }
    assert_eq!(
        house
            .put("/credentials/..%2fetc", &json!({"secret": "x"}))
            .await
            .problem(400),
        "invalid_id"
    );
}

#[tokio::test]
async fn grants_are_added_listed_and_taken_back() {
    let house = House::new().await;
    let grant = json!({"action": "test.echo", "host": "api.example.com", "at": "http://127.0.0.1:9", "methods": ["get"]});
    let added = house.post("/grants", &grant).await.expect(201);
    assert_eq!(added["methods"], json!(["GET"]));
    house.post("/grants", &grant).await.expect(200);
    house
        .put(
            "/grants",
            &json!({"action": "test.fail", "host": "b.example:8443"}),
        )
        .await
        .expect(201);
    let all = house.get("/grants").await.expect(200);
    assert_eq!(all["items"].as_array().map(Vec::len), Some(2));
    let one = house.get("/grants?action=test.fail").await.expect(200);
    assert_eq!(one["items"][0]["host"], "b.example:8443");
    house
        .delete("/grants?action=test.fail&host=b.example%3A8443")
        .await
        .expect(204);
    assert_eq!(
        house
            .delete("/grants?action=test.fail&host=b.example")
            .await
            .problem(404),
        "grant_not_found"
    );
    for wrong in [
        json!({"action": "nodots", "host": "a.example"}),
        json!({"action": "test.echo", "host": "a.example/path"}),
        json!({"action": "test.echo", "host": "a.example", "at": "ftp://x"}),
        json!({"action": "test.echo", "host": "a.example", "methods": ["G T"]}),
        json!({"action": "test.echo", "host": "a.example", "tenant_id": "root"}),
        json!({"action": "test.echo"}),
    ] {
        assert_eq!(
            house.post("/grants", &wrong).await.problem(400),
            "invalid_body",
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn a_grant_is_stored_in_the_spelling_that_the_egress_reads() {
    let house = House::new().await;
    let grant = json!({"action": "test.echo", "host": "API.Example.:443"});
    let added = house.post("/grants", &grant).await.expect(201);
    assert_eq!(added["host"], "api.example:443");
    assert_eq!(added["schemes"], json!(["https"]));
    let at = json!({"action": "test.echo", "host": "b.example", "at": "http://127.0.0.1:9"});
    let added = house.put("/grants", &at).await.expect(201);
    assert_eq!(added["schemes"], json!(["http", "https"]));
    house
        .delete("/grants?action=test.echo&host=API.example.%3A443")
        .await
        .expect(204);
    for (wrong, pointer) in [
        (json!({"host": "a.example", "schemes": ["ftp"]}), "/schemes"),
        (
            json!({"host": "a.example", "methods": ["CONNECT"]}),
            "/methods",
        ),
        (json!({"host": "2130706433"}), "/host"),
        (json!({"host": "*.example"}), "/host"),
        (json!({"host": "127.0.0.1:8080"}), "/at"),
        (json!({"host": "localhost"}), "/at"),
        (json!({"host": "a.example", "at": "http://a/b"}), "/at"),
    ] {
        let mut wrong = wrong;
        wrong["action"] = "test.echo".into();
        let answer = house.post("/grants", &wrong).await;
        assert_eq!(answer.problem(400), "invalid_body", "{wrong}");
        assert_eq!(answer.json()["pointer"], pointer, "{wrong}");
    }
}

fn caller(action: &str) -> Caller {
    Caller {
        tenant: "default".into(),
        action: action.into(),
        asks: Vec::new(),
    }
}

#[tokio::test]
async fn what_actions_may_reach_and_have_reached_is_listed_by_action() {
    let house = House::new().await;
    for (action, host) in [("test.fail", "asked.example"), ("gone.away", "x.example")] {
        let grant = json!({"action": action, "host": host, "methods": ["GET"]});
        house.post("/grants", &grant).await.expect(201);
    }
    for _ in 0..3 {
        house.ledger.reached(&caller("test.fail"), "asked.example");
    }
    house
        .ledger
        .refused(&caller("test.fail"), "evil.example", "not granted");
    let all = house.get("/reach").await.expect(200);
    let actions: Vec<_> = all["items"].as_array().expect("a list").iter().collect();
    assert_eq!(actions.len(), 2, "{all}");
    assert_eq!(actions[0]["action"], "gone.away");
    assert_eq!(actions[0]["installed"], false);
    assert_eq!(actions[0]["hosts"][0]["asked"], false);
    let hosts = &actions[1]["hosts"];
    assert_eq!(hosts[0]["host"], "asked.example");
    assert_eq!(
        (&hosts[0]["asked"], &hosts[0]["requests"]),
        (&json!(true), &json!(3))
    );
    assert_eq!(hosts[0]["grant"]["schemes"], json!(["https"]));
    assert!(hosts[0]["last_at"].is_string(), "{hosts}");
    assert_eq!(hosts[1]["host"], "evil.example");
    assert_eq!(
        (&hosts[1]["asked"], &hosts[1]["refused"]),
        (&json!(false), &json!(1))
    );
    assert_eq!(hosts[1]["last_refusal"]["reason"], "not granted");

    let first = house.get("/reach?limit=1").await.expect(200);
    let next = first["next_cursor"].as_str().expect("more");
    let second = house.get(&format!("/reach?limit=1&cursor={next}")).await;
    assert_eq!(second.expect(200)["items"][0], *actions[1]);
    assert!(second.json()["next_cursor"].is_null());
    let one = house.get("/reach?action=gone.away").await.expect(200);
    assert_eq!(one["items"], json!([actions[0]]));
    assert_eq!(
        house.get("/reach?action=nodots").await.problem(400),
        "invalid_id"
    );
}

#[tokio::test]
async fn what_actions_have_reached_is_kept_every_few_seconds_and_when_the_node_stops() {
    let house = House::new().await;
    house.ledger.reached(&caller("test.echo"), "a.example");
    let patience = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while !house.ledger.is_empty() {
        assert!(tokio::time::Instant::now() < patience, "nobody keeps it");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    house.ledger.reached(&caller("test.echo"), "a.example");
    let House {
        running, folder, ..
    } = house;
    running.drain().await;

    let house = House::with(Config::dev(folder.path()).with_port(0), folder).await;
    let found = house.get("/reach?action=test.echo").await.expect(200);
    assert_eq!(found["items"][0]["hosts"][0]["requests"], 2, "{found}");
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

pub(super) fn in_files(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            in_files(&path, text)
        } else {
            contains(&std::fs::read(&path).expect("reads"), text)
        }
    })
}
