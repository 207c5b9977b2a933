use std::sync::atomic::Ordering;

use super::house::House;

#[tokio::test]
async fn actions_are_listed_searched_and_looked_at() {
    let house = House::new().await;
    let page = house.get("/actions?limit=2").await.expect(200);
    assert_eq!(page["items"].as_array().map(Vec::len), Some(2));
    let rest = house.get("/actions?cursor=test.echo").await.expect(200);
    assert_eq!(rest["items"][0]["id"], "test.fail");
    let found = house.get("/actions/search?q=ECHO%20does").await.expect(200);
    assert_eq!(found["items"][0]["id"], "test.echo");
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1));
    let mut ids = Vec::new();
    let mut path = "/actions/search?q=test&limit=2".to_owned();
    loop {
        let page = house.get(&path).await.expect(200);
        let items = page["items"].as_array().expect("items");
        ids.extend(
            items
                .iter()
                .map(|a| a["id"].as_str().expect("an id").to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/actions/search?q=test&limit=2&cursor={cursor}");
    }
    assert_eq!(ids, ["test.block", "test.echo", "test.fail"]);
    let none = house.get("/actions/search?q=zebra").await.expect(200);
    assert_eq!(none["items"].as_array().map(Vec::len), Some(0));
    assert_eq!(
        house.get("/actions/search").await.problem(400),
        "invalid_query"
    );
    let action = house.get("/actions/test.echo").await.expect(200);
    assert_eq!(
        (action["effect"].as_str(), action["origin"].as_str()),
        (Some("pure"), Some("embedded"))
    );
    assert_eq!(
        house.get("/actions/test.gone").await.problem(404),
        "action_not_found"
    );
    assert_eq!(house.get("/actions/one").await.problem(400), "invalid_id");
}

#[tokio::test]
async fn a_panic_is_a_problem_and_the_node_goes_on() {
    let house = House::new().await;
    house.panics.store(true, Ordering::Relaxed);
    assert_eq!(house.get("/actions").await.problem(500), "internal");
    house.panics.store(false, Ordering::Relaxed);
    house.get("/actions").await.expect(200);
}

#[tokio::test]
async fn health_and_readiness_are_told() {
    let house = House::new().await;
    assert_eq!(house.get("/health").await.expect(200)["status"], "ok");
    assert_eq!(house.get("/ready").await.expect(200)["actions"], 3);
}
