//! Who may read which credential in plain text: two words of an operator.

use nebula_flow::{Value, json};

use super::house::House;

const CANARY: &str = "canary-7f3a-secret";

fn of(action: &str, credential: &str) -> Value {
    json!({ "action": action, "credential": credential })
}

async fn set(house: &House, name: &str, reveal: bool) {
    let body = json!({ "secret": CANARY, "hosts": ["a.example"], "reveal": reveal });
    let path = format!("/credentials/{name}");
    let told = house.put(&path, &body).await.expect(200);
    assert_eq!(told["reveal"], reveal);
}

/// What an action may read, as the list of what it may reach has it.
async fn reveals(house: &House, action: &str) -> Value {
    let reach = house.get(&format!("/reach?action={action}")).await;
    reach.expect(200)["items"][0]["reveals"].clone()
}

#[tokio::test]
async fn plain_text_is_granted_listed_by_pages_and_taken_back() {
    let house = House::new().await;
    for name in ["one", "two"] {
        set(&house, name, true).await;
    }
    let one = of("test.echo", "one");
    assert_eq!(house.post("/reveals", &one).await.expect(201), one);
    assert_eq!(house.post("/reveals", &one).await.expect(200), one);
    for (action, name) in [("test.echo", "two"), ("gone.away", "one")] {
        house.post("/reveals", &of(action, name)).await.expect(201);
    }
    let first = house.get("/reveals?limit=2").await.expect(200);
    assert_eq!(first["items"], json!([of("gone.away", "one"), one]));
    let next = first["next_cursor"].as_str().expect("more");
    let second = house.get(&format!("/reveals?limit=2&cursor={next}")).await;
    let second = second.expect(200);
    assert_eq!(second, json!({ "items": [of("test.echo", "two")] }));
    let only = house.get("/reveals?action=gone.away").await.expect(200);
    assert_eq!(only["items"], json!([of("gone.away", "one")]));

    let path = "/reveals?action=test.echo&credential=one";
    house.delete(path).await.expect(204);
    assert_eq!(house.delete(path).await.problem(404), "reveal_not_found");
    // Granted anew, it is new.
    house.post("/reveals", &one).await.expect(201);

    // What is gone nobody may read, nor what is stored under its name later.
    house.delete("/credentials/one").await.expect(204);
    set(&house, "one", true).await;
    let left = house.get("/reveals").await.expect(200);
    assert_eq!(left["items"], json!([of("test.echo", "two")]));
}

#[tokio::test]
async fn what_is_missing_for_plain_text_is_refused_and_named() {
    let house = House::new().await;
    set(&house, "quiet", false).await;
    let oauth2 = json!({
        "kind": "oauth2", "secret": CANARY, "client_id": "me",
        "token_url": "https://login.example/token",
    });
    house.put("/credentials/crm", &oauth2).await.expect(200);
    for (name, status, code, said) in [
        ("nobody", 404, "credential_not_found", "`nobody`"),
        ("quiet", 409, "not_revealable", "does not say"),
        ("crm", 409, "not_revealable", "never revealed"),
    ] {
        let answer = house.post("/reveals", &of("test.echo", name)).await;
        assert_eq!(answer.problem(status), code, "{name}");
        let problem = answer.json().to_string();
        assert!(problem.contains(said), "{problem}");
        assert!(!problem.contains(CANARY), "{problem}");
    }
    for (wrong, pointer) in [
        (of("nodots", "quiet"), Some("/action")),
        (of("test.echo", "no/name"), Some("/credential")),
        (of("test.echo", ""), Some("/credential")),
        (json!({ "action": "test.echo" }), None),
        (
            json!({ "action": "test.echo", "credential": "quiet", "tenant": "x" }),
            None,
        ),
    ] {
        let answer = house.post("/reveals", &wrong).await;
        assert_eq!(answer.problem(400), "invalid_body", "{wrong}");
        if let Some(pointer) = pointer {
            assert_eq!(answer.json()["pointer"], pointer, "{wrong}");
        }
    }
    for wrong in [
        "action=nodots&credential=a",
        "action=test.echo&credential=no%2Fname",
    ] {
        let answer = house.delete(&format!("/reveals?{wrong}")).await;
        assert_eq!(answer.problem(400), "invalid_id", "{wrong}");
    }
    let answer = house.get("/reveals?action=nodots").await;
    assert_eq!(answer.problem(400), "invalid_id");
    let none = house.get("/reveals").await.expect(200);
    assert_eq!(none["items"], json!([]));

    // Nor does a credential say of itself what can never be.
    let mut oauth2 = oauth2;
    oauth2["reveal"] = true.into();
    let answer = house.put("/credentials/crm", &oauth2).await;
    assert_eq!(answer.problem(400), "invalid_body");
    assert_eq!(answer.json()["pointer"], "/reveal");
    let short = json!({ "secret": "canar", "reveal": true });
    let answer = house.put("/credentials/short", &short).await;
    assert_eq!(answer.problem(400), "invalid_body");
    assert_eq!(answer.json()["pointer"], "/reveal");
    assert!(!answer.json().to_string().contains("canar"));
}

#[tokio::test]
async fn one_look_shows_what_an_action_may_read_and_what_of_it_is_withheld() {
    let house = House::new().await;
    set(&house, "prod", true).await;
    assert_eq!(reveals(&house, "test.echo").await, Value::Null);
    let prod = of("test.echo", "prod");
    house.post("/reveals", &prod).await.expect(201);
    assert_eq!(
        reveals(&house, "test.echo").await,
        json!([{ "credential": "prod" }])
    );
    set(&house, "prod", false).await;
    let withheld = reveals(&house, "test.echo").await;
    let why = withheld[0]["withheld"].as_str().expect("why");
    assert!(why.contains("does not say"), "{why}");
    // It is the credential's own word that is missing: the grant is there.
    set(&house, "prod", true).await;
    assert_eq!(
        reveals(&house, "test.echo").await,
        json!([{ "credential": "prod" }])
    );
}
