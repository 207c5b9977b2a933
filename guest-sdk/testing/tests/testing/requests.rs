//! Requests: credentials of every kind, bodies, parts, and tries.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use nebula_sdk::action::http::Multipart;
use nebula_sdk::prelude::*;
use nebula_sdk::testing::{
    ActionTestHarness, Credential, HttpError, HttpMock, Request, Response, WorkflowTestHarness,
};

#[data]
pub struct Ask {
    how: String,
}

/// Asks a server in one of the ways there are.
#[derive(Action)]
#[action(id = "shop.ask", credentials("shop"), hosts("shop.example"))]
pub struct AskAction;

const URL: &str = "https://shop.example/";

impl SimpleAction for AskAction {
    type Input = Ask;
    type Output = String;

    async fn execute_simple(&self, input: Ask, ctx: &ActionContext) -> Result<String> {
        let http = ctx.http();
        let answer = match input.how.as_str() {
            "named" => http.get(URL).credential("shop").send().await?,
            "named twice" => {
                let request = http.get(URL).header("Authorization", "mine");
                request.credential("shop").send().await?
            }
            "another" => http.get(URL).credential("bank").send().await?,
            "held" => {
                let value = ctx.get_credential("shop").await?;
                http.get(URL).header("authorization", value).send().await?
            }
            "form" => {
                let fields = [("city", "São Paulo"), ("a&b", "c=d")];
                http.post(URL).form(fields).send().await?
            }
            "multipart" => {
                let form = Multipart::new().text("a", "b");
                http.post(URL).multipart(form).send().await?
            }
            "upload" => {
                let mut upload = http.post(URL).body("one ").upload().await?;
                upload.write(b"two ").await?;
                upload.write(b"three").await?;
                upload.finish().await?
            }
            "stream" => {
                let mut parts = Vec::new();
                let mut answer = http.get(URL).max_body(150_000).stream().await?;
                while let Some(part) = answer.chunk().await? {
                    parts.push(part.len().to_string());
                }
                return Ok(format!("{}: {}", answer.status(), parts.join(" ")));
            }
            "get again" => http.get(URL).retries(2).send().await?,
            "post again" => http.post(URL).retries(2).send().await?,
            _ => {
                let request = http.post(URL).idempotent("order");
                request.retries(2).send().await?
            }
        };
        Ok(answer.error_for_status()?.text()?.to_owned())
    }
}

fn ask(how: &str) -> Ask {
    Ask { how: how.into() }
}

/// Says the headers that may be credentials, and the body.
fn echo(request: &Request) -> Result<Response, HttpError> {
    let mut said = Vec::new();
    for (name, value) in &request.headers {
        if !matches!(name.as_str(), "idempotency-key") {
            said.push(format!("{name}: {value}"));
        }
    }
    said.push(String::from_utf8_lossy(&request.body).into_owned());
    Ok(Response::new(200).with_body(said.join("\n")))
}

fn harness() -> ActionTestHarness {
    let http = HttpMock::new()
        .route("GET", URL, echo)
        .route("POST", URL, echo);
    ActionTestHarness::new().with_http(http)
}

#[tokio::test]
async fn a_credential_is_sent_as_its_kind_says() {
    let basic = "Basic bWU6cHc=";
    for (credential, named, held) in [
        ("key".into(), "authorization: Bearer key", "key"),
        (
            Credential::bearer("key"),
            "authorization: Bearer key",
            "key",
        ),
        (Credential::api_key("X-Key", "key"), "x-key: key", "key"),
        (
            Credential::basic("me", "pw"),
            "authorization: Basic bWU6cHc=",
            basic,
        ),
        (Credential::certificate(), "", "certificate"),
    ] {
        let harness = harness().with_credential("shop", &credential);
        let result = harness.execute::<AskAction>(ask("named")).await;
        assert_eq!(result.output.trim_end(), named, "{credential:?}");
        assert_eq!(result.requests[0].credentials, ["shop"]);
        let result = harness.execute::<AskAction>(ask("held")).await;
        assert_eq!(*result.output, format!("authorization: {held}\n"));

        // The same through the engine.
        let node = NodeBuilder::action("shop.ask").input(json!({ "how": "named" }));
        let workflow = WorkflowBuilder::new("asks").add_node("a", node).build();
        let run = WorkflowTestHarness::new()
            .with_action::<AskAction>()
            .with_http(HttpMock::new().route("GET", URL, echo))
            .with_credential("shop", credential);
        let result = run.execute(workflow, json!({})).await.expect_success();
        let said = result.node_outputs.get("a").unwrap();
        assert_eq!(said.as_str().unwrap().trim_end(), named);
    }
}

#[tokio::test]
async fn a_credential_that_is_not_there_or_that_meets_another_is_refused() {
    let result = harness().execute::<AskAction>(ask("named")).await;
    let said = result.expect_error().to_string();
    assert!(said.contains("`shop`"), "{said}");
    let shop = harness().with_credential("shop", Credential::bearer("key"));
    let result = shop.execute::<AskAction>(ask("another")).await;
    assert!(result.expect_error().to_string().contains("`bank`"));
    let result = shop.execute::<AskAction>(ask("named twice")).await;
    let said = result.expect_error().to_string();
    assert!(said.contains("leave one out"), "{said}");
    assert!(result.requests.is_empty());
}

#[tokio::test]
async fn forms_files_and_parts_are_whole_when_they_arrive() {
    let said = async |how| {
        let result = harness().execute::<AskAction>(ask(how)).await;
        result.output.into_result().unwrap()
    };
    assert_eq!(
        said("form").await,
        "content-type: application/x-www-form-urlencoded\ncity=S%C3%A3o%20Paulo&a%26b=c%3Dd"
    );
    let form = said("multipart").await;
    assert!(
        form.starts_with("content-type: multipart/form-data; boundary=nebula-boundary-"),
        "{form}"
    );
    assert!(
        form.contains("name=\"a\"\r\n\r\nb\r\n--nebula-boundary-"),
        "{form}"
    );
    assert_eq!(said("upload").await, "one two three");
}

#[tokio::test]
async fn a_body_is_read_in_parts_up_to_what_it_may_have() {
    for (bytes, said) in [
        (140_000, Ok("200: 65536 65536 8928")),
        (0, Ok("200: ")),
        (150_001, Err("more than 150000 bytes")),
    ] {
        let answer = move |_: &Request| Ok(Response::new(200).with_body(vec![b'x'; bytes]));
        let http = HttpMock::new().route("GET", URL, answer);
        let harness = ActionTestHarness::new().with_http(http);
        let result = harness.execute::<AskAction>(ask("stream")).await;
        match said {
            Ok(said) => assert_eq!(*result.output, said),
            Err(why) => assert!(result.expect_error().to_string().contains(why)),
        }
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_again_if_it_does_no_harm_twice() {
    let busy = |status: u16| {
        move |n: u32| {
            Ok::<_, HttpError>(Response::new(if n < 2 { status } else { 200 }).with_body("there"))
        }
    };
    let asked =
        async |how: &str, answer: Box<dyn Fn(u32) -> Result<Response, HttpError> + Send + Sync>| {
            let count = Arc::new(AtomicU32::new(0));
            let seen = count.clone();
            let answer = Arc::new(answer);
            let reply = move |_: &Request| answer(seen.fetch_add(1, Ordering::SeqCst));
            let again = reply.clone();
            let http = HttpMock::new()
                .route("GET", URL, reply)
                .route("POST", URL, again);
            let harness = ActionTestHarness::new().with_http(http);
            let result = harness.execute::<AskAction>(ask(how)).await;
            (result.is_success(), count.load(Ordering::SeqCst))
        };
    for status in [429, 502, 503, 504] {
        assert_eq!(asked("get again", Box::new(busy(status))).await, (true, 3));
        assert_eq!(asked("once", Box::new(busy(status))).await, (true, 3));
        assert_eq!(
            asked("post again", Box::new(busy(status))).await,
            (false, 1)
        );
    }
    assert_eq!(asked("get again", Box::new(busy(500))).await, (false, 1));
    assert_eq!(asked("get again", Box::new(busy(404))).await, (false, 1));
    let gone = |_: u32| Err::<Response, _>(HttpError::Connection("it broke".into()));
    assert_eq!(asked("get again", Box::new(gone)).await, (false, 3));
    // A server that wants more time is the node's business.
    let later = |_: u32| Ok::<_, HttpError>(Response::new(503).with_header("retry-after", "60"));
    assert_eq!(asked("get again", Box::new(later)).await, (false, 1));
    let soon = |n: u32| {
        Ok::<_, HttpError>(
            Response::new(if n < 1 { 503 } else { 200 }).with_header("retry-after", "2"),
        )
    };
    assert_eq!(asked("get again", Box::new(soon)).await, (true, 2));
}
