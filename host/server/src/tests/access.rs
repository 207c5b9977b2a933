use std::path::Path;

use nebula_flow::json;

use super::house::House;

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
        json!([{"name": "prod", "hosts": ["api.example.com"], "reveal": false, "version": 1}])
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
