//! Cassettes that native tests record: requests go out once, and the file answers from
//! then on.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nebula_sdk::prelude::*;
use nebula_sdk::testing::{ActionTestHarness, HttpMock, WorkflowTestHarness};

/// Which page.
#[data]
pub struct Page {
    number: u32,
}

/// Asks a service for a page, with a credential.
#[derive(Action)]
#[action(id = "sample.page", hosts("api.example"), credentials("key"))]
pub struct PageAction;

impl SimpleAction for PageAction {
    type Input = Page;
    type Output = Value;

    async fn execute_simple(&self, input: Page, ctx: &ActionContext) -> Result<Value> {
        let key = ctx.get_credential("key").await?;
        let url = format!("https://api.example/pages/{}", input.number);
        let answer = ctx
            .http()
            .post(url)
            .bearer(key)
            .json(&json!({ "n": 1 }))
            .send();
        Ok(answer.await?.error_for_status()?.json()?)
    }
}

const SECRET: &str = "s3cret-t0ken";

/// A service on loopback that repeats what it was sent; how often it was asked.
fn service() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut request, mut part) = (Vec::new(), [0; 4096]);
            while !request.ends_with(b"}") {
                match stream.read(&mut part).unwrap() {
                    0 => break,
                    n => request.extend(&part[..n]),
                }
            }
            let times = count.fetch_add(1, Ordering::SeqCst) + 1;
            let request = String::from_utf8_lossy(&request).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            let sent = request
                .lines()
                .find(|line| line.to_lowercase().starts_with("authorization"));
            let body = match path.as_str() {
                "/pages/404" => String::from_utf8_lossy(b"no").into_owned(),
                _ => json!({ "path": path, "times": times, "sent": sent }).to_string(),
            };
            let status = if path == "/pages/404" {
                "404 Not Found"
            } else {
                "200 OK"
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nset-cookie: s3ss10n\r\ncontent-length: {}\r\n\
                 connection: close\r\n\r\n",
                body.len()
            );
            stream.write_all((head + &body).as_bytes()).unwrap();
        }
    });
    (url, asked)
}

fn harness(http: HttpMock) -> ActionTestHarness {
    ActionTestHarness::new()
        .with_credential("key", SECRET)
        .with_http(http)
}

async fn page(harness: &ActionTestHarness, number: u32) -> Value {
    let result = harness.execute::<PageAction>(Page { number }).await;
    result.output.into_result().unwrap_or_else(Value::from)
}

#[tokio::test]
async fn what_a_server_answered_once_is_answered_by_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pages.yaml");
    let (url, asked) = service();
    let recording = harness(
        HttpMock::new()
            .record(&file)
            .recorded_at("api.example", url),
    );
    let numbers = [1, 2, 1, 404];
    let mut first = Vec::new();
    for number in numbers {
        first.push(page(&recording, number).await);
    }
    assert_eq!(first[0]["sent"], format!("authorization: Bearer {SECRET}"));
    assert_eq!(
        (&first[0]["times"], &first[2]["times"]),
        (&json!(1), &json!(3))
    );
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.contains("https://api.example/pages/2"), "{written}");
    for secret in ["s3cret", "s3ss10n"] {
        assert!(!written.contains(secret), "{secret}: {written}");
    }

    let played = harness(HttpMock::new().recorded(&file));
    for (number, first) in numbers.into_iter().zip(first) {
        let mut wanted = first;
        if wanted.is_object() {
            wanted["sent"] = json!(format!(
                "authorization: Bearer {}",
                "*".repeat(SECRET.len())
            ));
        }
        assert_eq!(page(&played, number).await, wanted);
    }
    assert_eq!(
        asked.load(Ordering::SeqCst),
        4,
        "the service was asked once for each"
    );
    let other = played.execute::<PageAction>(Page { number: 7 }).await;
    assert_eq!(other.unexpected, ["POST https://api.example/pages/7"]);
}

#[tokio::test]
async fn a_workflow_records_what_its_native_actions_ask() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("workflow.yaml");
    let (url, asked) = service();
    let workflow = || {
        WorkflowBuilder::new("pages")
            .add_node(
                "one",
                NodeBuilder::action("sample.page").input(json!({ "number": 1 })),
            )
            .build()
    };
    let run = async |http: HttpMock| {
        let harness = WorkflowTestHarness::new()
            .with_action::<PageAction>()
            .with_credential("key", SECRET)
            .with_http(http);
        harness
            .execute(workflow(), json!({}))
            .await
            .expect_success()
    };
    let http = HttpMock::new()
        .record(&file)
        .recorded_at("api.example", url);
    let first = run(http).await;
    assert_eq!(first.node_outputs["one"]["times"], 1);
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(!written.contains(SECRET), "{written}");
    let again = run(HttpMock::new().recorded(&file)).await;
    assert_eq!(again.node_outputs["one"]["times"], 1);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lost.yaml");
    let http = HttpMock::new()
        .record(&file)
        .recorded_at("api.example", "http://127.0.0.1:1");
    let lost = tokio::spawn(async move { page(&harness(http), 1).await });
    let panic = lost.await.unwrap_err().into_panic();
    let why = panic.downcast_ref::<String>().unwrap();
    assert!(
        why.contains("lost.yaml was not recorded: POST https://api.example/pages/1"),
        "{why}"
    );
    assert!(!file.exists());
}

/// A part of the test below, which runs it with another environment.
#[tokio::test]
async fn a_recorded_page() {
    let told = |name: &str| std::env::var(name);
    let (Ok(cassette), Ok(service)) = (told("CASSETTE"), told("SERVICE")) else {
        return;
    };
    let http = HttpMock::new()
        .recorded(cassette)
        .recorded_at("api.example", service);
    assert_eq!(page(&harness(http), 1).await["times"], 1);
}

#[test]
fn the_environment_says_whether_it_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.yaml");
    let (url, asked) = service();
    let run = |record: Option<&str>| {
        let mut test = Command::new(std::env::current_exe().unwrap());
        test.args(["--exact", "recorded::a_recorded_page"])
            .env("CASSETTE", &file)
            .env("SERVICE", &url)
            .env_remove("NEBULA_RECORD");
        test.envs(record.map(|told| ("NEBULA_RECORD", told)));
        let ended = test.output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert!(said.contains("running 1 test"), "{said}");
        (ended.status.success(), said)
    };
    let (passed, said) = run(None);
    assert!(!passed && said.contains("NEBULA_RECORD=1"), "{said}");
    assert!(!Path::new(&file).exists());
    for record in [Some("1"), None, Some("0")] {
        let (passed, said) = run(record);
        assert!(passed, "{said}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}
