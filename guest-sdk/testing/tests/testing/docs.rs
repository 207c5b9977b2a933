//! The listings of `docs/testing.md`, as they stand there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use nebula_pack_transform::ApplyFilter;
use nebula_sdk::prelude::*;
use nebula_sdk::testing::suite::Suite;
use nebula_sdk::testing::{
    ActionTestHarness, FailureKind, HttpMock, Limits, Response, WorkflowTestHarness,
};

use crate::embedded::pack;
use crate::seed::{WeatherAction, WeatherInput};

fn registration() -> WorkflowDefinition {
    workflow!("registration" => {
        validate: "validation.user" => create_user
        create_user: "database.insert"
    })
}

#[tokio::test]
async fn a_user_is_registered() {
    let harness = WorkflowTestHarness::new()
        .with_mock_action(
            "validation.user",
            |input| json!({ "validated": true, "data": input }),
        )
        .with_mock_action("database.insert", |_| json!({ "id": 123, "created": true }));

    let result = harness
        .execute(registration(), json!({ "email": "user@example.com" }))
        .await
        .expect_success();

    assert_eq!(result.node_outputs["create_user"]["id"], 123);
    assert_eq!(
        result.inputs_of("database.insert")[0]["data"]["email"],
        "user@example.com"
    );
}

#[tokio::test]
async fn a_registration_is_as_it_was() {
    let harness = WorkflowTestHarness::new()
        .with_mock_action("validation.user", |input| json!({ "data": input }))
        .with_mock_action("database.insert", |_| json!({ "id": 123 }));

    let result = harness
        .execute(registration(), json!({ "email": "user@example.com" }))
        .await;

    insta::assert_json_snapshot!(result.node_outputs, @r#"
    {
      "create_user": {
        "status": "succeeded",
        "result": {
          "id": 123
        }
      },
      "validate": {
        "status": "succeeded",
        "result": {
          "data": {
            "email": "user@example.com"
          }
        }
      }
    }
    "#);
}

#[tokio::test]
async fn somebody_is_reminded_after_a_week() {
    let reminder = WorkflowBuilder::new("reminder")
        .add_node("week", NodeBuilder::wait_for("7d"))
        .add_node("remind", "email.send")
        .connect("week", "remind")
        .build();
    let harness = WorkflowTestHarness::new().with_mock_action("email.send", |input| input);

    let result = harness
        .execute(reminder, json!({ "to": "Ada" }))
        .await
        .expect_success();

    assert_eq!(
        result.metrics.elapsed,
        Duration::from_secs(7 * 24 * 60 * 60)
    );
}

#[tokio::test]
async fn a_crash_inserts_a_second_time() {
    let inserted = Arc::new(AtomicU32::new(0));
    let count = inserted.clone();
    let harness = WorkflowTestHarness::new()
        .with_mock_action("validation.user", |input| input)
        .with_mock_action(
            "database.insert",
            move |_| json!({ "id": count.fetch_add(1, SeqCst) }),
        )
        .crashing("create_user");

    let result = harness
        .execute(registration(), json!({}))
        .await
        .expect_success();

    assert_eq!((result.metrics.crashes, inserted.load(SeqCst)), (1, 2));
}

/// Where the page has a file.
fn transform() -> &'static [u8] {
    pack("transform")
}

#[tokio::test]
async fn the_mean_of_a_week_is_told() {
    let mean = json!({ "filter": "add / length", "input": "${ $nodes.fetch.result }" });
    let workflow = WorkflowBuilder::new("mean")
        .add_node("fetch", "weather.fetch")
        .add_node("week", NodeBuilder::wait_for("7d"))
        .add_node("mean", NodeBuilder::action("transform.jq").input(mean))
        .connect("fetch", "week")
        .connect("week", "mean")
        .output("${ [$nodes.fetch.result[] | select(. > $nodes.mean.result)] }")
        .build();
    let harness = WorkflowTestHarness::new()
        .with_component(transform())
        .with_mock_action("weather.fetch", |_| json!([31, 36, 41]));

    let result = harness
        .execute(workflow, json!(null))
        .await
        .expect_success();

    assert_eq!(result.node_outputs["mean"], 36.0);
    assert_eq!(result.output, json!([41]));
}

#[tokio::test]
async fn a_filter_without_an_end_meets_a_limit() {
    let harness = ActionTestHarness::new()
        .with_component(transform())
        .with_limits(Limits {
            fuel: 5_000_000,
            ..Limits::default()
        });

    let result = harness
        .execute_json::<ApplyFilter>(&json!({ "filter": "def f: f; f" }))
        .await;

    assert_eq!(result.failure.unwrap().kind, FailureKind::FuelExhausted);
}

#[tokio::test]
async fn the_weather_is_fetched() {
    let weather = HttpMock::new().route("GET", "https://api.weather.example/v1/now", |request| {
        assert!(request.url.ends_with("?city=Cairo"));
        Ok(Response::new(200).with_body(r#"{"temp": 36.5}"#))
    });
    let harness = ActionTestHarness::new()
        .with_credential("weather_api", "the-key")
        .with_http(weather);

    let result = harness
        .execute::<WeatherAction>(WeatherInput {
            city: "Cairo".into(),
        })
        .await;

    assert!(result.is_success());
    assert_eq!(result.output.temp, 36.5);
    assert_eq!(result.requests.len(), 1);
}

#[test]
#[rustfmt::skip]
fn a_cassette_that_is_not_there_says_how_it_is_made() {
    let made = std::panic::catch_unwind(|| {
        let http = HttpMock::new().recorded("tests/weather.yaml");
        http.unexpected()
    });
    assert!(made.is_err(), "nothing was recorded");
}

fn page() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/testing.md");
    std::fs::read_to_string(file).unwrap()
}

pub(crate) fn listings(page: &str, language: &str) -> Vec<String> {
    let blocks = page.split("```").skip(1).step_by(2);
    let of_language = blocks.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'));
    of_language.map(str::to_owned).collect()
}

#[test]
fn the_listings_of_the_page_are_the_tests_here() {
    let listings = listings(&page(), "rust");
    assert_eq!(listings.len(), 8);
    let here = squeezed(include_str!("docs.rs"));
    for listing in listings {
        assert!(here.contains(&squeezed(&listing)), "not here:\n{listing}");
    }
}

/// Without what rustfmt may change.
pub(crate) fn squeezed(code: &str) -> String {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    code.replace(",)", ")")
        .replace(",}", "}")
        .replace(",]", "]")
}

#[tokio::test]
async fn the_tests_beside_a_workflow_pass() {
    let folder = tempfile::tempdir().unwrap();
    let listings = listings(&page(), "yaml");
    let [workflow, tests] = listings.as_slice() else {
        panic!("{listings:?}");
    };
    std::fs::write(folder.path().join("registration.yaml"), workflow).unwrap();
    let file = folder.path().join("registration.test.yaml");
    std::fs::write(&file, tests).unwrap();
    let suite = Suite::read(&file).unwrap();
    assert_eq!(suite.names().count(), 3);
    for name in suite.names() {
        let report = suite.run(name, &WorkflowTestHarness::new()).await.unwrap();
        assert!(report.passed(), "{report:?}");
    }
}
