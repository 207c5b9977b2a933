//! Real components in this process: the packs, as they are shipped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nebula_pack_rss::NewItems;
use nebula_pack_transform::ApplyFilter;
use nebula_pack_weather::{Units, WeatherAction, WeatherInput};
use nebula_sdk::prelude::*;
use nebula_sdk::testing::{
    ActionTestHarness, FailureKind, HttpMock, Limits, Response, TestError, WorkflowTestHarness,
};

/// The component of a pack.
pub(crate) fn pack(name: &str) -> &'static [u8] {
    let mut packs = nebula_server::PACKS.iter();
    packs.find(|(pack, _)| *pack == name).unwrap().1
}

fn harness() -> WorkflowTestHarness {
    WorkflowTestHarness::new().with_component(pack("transform"))
}

fn filter(filter: &str, input: Value) -> NodeBuilder {
    NodeBuilder::action("transform.jq").input(json!({ "filter": filter, "input": input }))
}

fn one(node: NodeBuilder) -> WorkflowDefinition {
    WorkflowBuilder::new("w").add_node("a", node).build()
}

// ------------------------------------------------------------------ workflows --

#[tokio::test]
async fn a_component_and_an_expression_run_beside_a_mock_in_virtual_time() {
    let workflow = WorkflowBuilder::new("w")
        .add_node("fetch", "weather.fetch")
        .add_node("week", NodeBuilder::wait_for("7d"))
        .add_node(
            "sum",
            filter("add", json!("${ $nodes.fetch.result.temps }")),
        )
        .connect("fetch", "week")
        .connect("week", "sum")
        .output("${ $nodes.fetch.result.temps | sort | first }")
        .build();
    let harness = harness().with_mock_action("weather.fetch", |_| json!({ "temps": [36, 40, 31] }));
    let result = harness
        .execute(workflow.clone(), json!(null))
        .await
        .expect_success();
    assert_eq!(result.output, 31);
    assert_eq!(result.node_outputs["sum"], 107);
    assert_eq!(result.metrics.calls["transform.jq"], 1);
    let week = Duration::from_secs(7 * 24 * 60 * 60);
    assert_eq!(result.metrics.elapsed, week);

    let away = harness.failing("sum", 1, ActionError::retryable("it is away"));
    let result = away.execute(workflow, json!(null)).await;
    assert_eq!(result.expect_failure().message, "it is away");
}

#[tokio::test]
async fn a_mock_stands_in_for_one_action_of_a_component() {
    let workflow = WorkflowBuilder::new("w")
        .add_node("real", filter(". + 1", json!("${ $input }")))
        .add_node(
            "mock",
            NodeBuilder::action("transform.csv").input("${ $input }"),
        )
        .build();
    let harness = harness().with_mock_action("transform.csv", |input| json!({ "of": input }));
    let result = harness.execute(workflow, json!(1)).await.expect_success();
    assert_eq!(result.output, json!({ "real": 2, "mock": { "of": 1 } }));
}

#[tokio::test]
async fn a_component_is_a_file_too_and_the_same_one_twice_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("transform.wasm");
    std::fs::write(&file, pack("transform")).unwrap();
    let harness = harness().with_component(&file);
    let result = harness.execute(one(filter("7", json!(null))), json!(null));
    assert_eq!(result.await.expect_success().node_outputs["a"], 7);
}

#[tokio::test]
async fn what_is_no_component_is_a_typed_error_that_names_it() {
    let broken: [(WorkflowTestHarness, &str); 2] = [
        (
            WorkflowTestHarness::new().with_component("none/such.wasm"),
            "none/such.wasm cannot be read",
        ),
        (
            harness().with_component(b"\0asm"),
            "the component of 4 bytes",
        ),
    ];
    for (harness, wanted) in broken {
        let result = harness.execute(one(filter("7", json!(null))), json!(null));
        let error = result.await.error.unwrap();
        assert!(matches!(error, TestError::Component(_)), "{error:?}");
        assert!(error.to_string().contains(wanted), "{error}");
    }
}

#[tokio::test]
async fn limits_are_real_and_a_failure_names_the_one_that_was_met() {
    let within = |limits: Limits, node: NodeBuilder| async move {
        let harness = harness().with_limits(limits);
        let result = harness.execute(one(node), json!(null)).await;
        let failure = result.expect_failure().clone();
        (failure.kind, failure.message)
    };
    let endless = || filter("def f: f; f", json!(null));

    let fuel = Limits {
        fuel: 5_000_000,
        ..Limits::default()
    };
    let (kind, message) = within(fuel, endless()).await;
    assert_eq!(
        (kind, message.as_str()),
        (FailureKind::FuelExhausted, "fuel exhausted after 5,000,000")
    );

    let memory = Limits {
        memory_bytes: 4 << 20,
        ..Limits::default()
    };
    let (kind, message) = within(memory, filter("[range(1000000)]", json!(null))).await;
    assert_eq!(kind, FailureKind::MemoryLimit, "{message}");

    let node = endless().timeout(Duration::from_millis(20));
    let (kind, message) = within(Limits::default(), node).await;
    assert_eq!(kind, FailureKind::TimedOut, "{message}");
}

#[tokio::test]
async fn an_expression_has_limits_of_its_own_and_is_no_call() {
    let endless = "${ $input | map(def f: f; f) }";
    let node = NodeBuilder::action("transform.jq").input(json!({ "filter": endless }));
    let result = harness().execute(one(node), json!([1])).await;
    let failure = result.expect_failure();
    assert_eq!(failure.kind, FailureKind::Expression);
    assert!(failure.message.contains("fuel exhausted"), "{failure}");
    assert_eq!(result.calls, []);
}

#[tokio::test]
async fn what_a_component_asks_is_answered_by_the_harness() {
    let node = NodeBuilder::action("weather.fetch")
        .input(json!({ "city": "Cairo" }))
        .credential("weather_api", "weather-prod");
    let harness = WorkflowTestHarness::new()
        .with_component(pack("weather"))
        .with_credential("weather-prod", "the-key");
    let answered = harness.clone().with_http(weather());
    let result = answered.execute(one(node.clone()), json!(null)).await;
    assert_eq!(result.expect_success().node_outputs["a"]["temp"], 36.5);

    let result = harness.execute(one(node), json!(null)).await;
    assert_eq!(result.expect_failure().kind, FailureKind::Retryable);
}

#[tokio::test]
#[should_panic(expected = "no city")]
async fn a_route_that_panics_fails_the_test_of_a_component_too() {
    let node = NodeBuilder::action("weather.fetch").input(json!({ "city": "Cairo" }));
    let http = HttpMock::new().route("GET", NOW, |_| panic!("no city"));
    let harness = WorkflowTestHarness::new()
        .with_component(pack("weather"))
        .with_credential("weather_api", "the-key")
        .with_http(http);
    let _ = harness.execute(one(node), json!(null)).await;
}

// -------------------------------------------------------------------- actions --

const NOW: &str = "https://api.weather.example/v1/current";

fn weather() -> HttpMock {
    HttpMock::new().route("GET", NOW, |request| {
        let key = ("authorization".to_owned(), "Bearer the-key".to_owned());
        assert!(request.headers.contains(&key), "{request:?}");
        Ok(Response::new(200).with_body(r#"{ "city": "Cairo", "temp": 36.5 }"#))
    })
}

#[tokio::test]
async fn an_action_gives_the_same_natively_and_as_its_component() {
    let harness = || {
        ActionTestHarness::new()
            .with_credential("weather_api", "the-key")
            .with_http(weather())
    };
    for harness in [harness(), harness().with_component(pack("weather"))] {
        let input = WeatherInput {
            city: "Cairo".into(),
            units: Units::Metric,
        };
        let result = harness.execute::<WeatherAction>(input).await;
        assert!(result.is_success(), "{result:?}");
        assert_eq!(result.output.temp, 36.5);
        let asked: Vec<_> = result.requests.iter().map(|r| r.url.as_str()).collect();
        assert_eq!(asked, [format!("{NOW}?city=Cairo")]);
        assert_eq!((result.failure, result.heartbeats), (None, 0));

        // An error of the action is the same too, and so is a request too many.
        let result = harness
            .execute_json::<WeatherAction>(&json!({ "city": " " }))
            .await;
        assert_eq!(
            result.expect_error(),
            &ActionError::invalid_input("city: a name is needed")
        );
        assert_eq!(result.failure.unwrap().kind, FailureKind::InvalidInput);
    }
    let silent = ActionTestHarness::new()
        .with_credential("weather_api", "the-key")
        .with_component(pack("weather"));
    let result = silent
        .execute_json::<WeatherAction>(&json!({ "city": "Cairo" }))
        .await;
    assert_eq!(result.unexpected, [format!("GET {NOW}?city=Cairo")]);
}

#[tokio::test]
async fn a_limit_that_a_component_meets_is_a_typed_failure() {
    let limits = Limits {
        fuel: 5_000_000,
        ..Limits::default()
    };
    let harness = ActionTestHarness::new()
        .with_component(pack("transform"))
        .with_limits(limits);
    let endless = json!({ "filter": "def f: f; f" });
    let result = harness.execute_json::<ApplyFilter>(&endless).await;
    assert_eq!(result.failure.unwrap().kind, FailureKind::FuelExhausted);
    let message = "fuel exhausted after 5,000,000";
    assert_eq!(result.outcome, Err(ActionError::permanent(message)));
    assert_eq!(result.usage.unwrap().fuel, 5_000_000);

    let two = json!({ "filter": ". + 1", "input": 1 });
    let result = harness.execute_json::<ApplyFilter>(&two).await;
    assert_eq!(*result.output, 2);
    assert!(result.usage.unwrap().fuel < 5_000_000);
}

#[tokio::test]
async fn a_component_without_the_action_says_what_it_has() {
    let harness = ActionTestHarness::new().with_component(pack("condition"));
    let result = harness
        .execute_json::<ApplyFilter>(&json!({ "filter": "." }))
        .await;
    let failure = result.failure.unwrap();
    assert_eq!(failure.kind, FailureKind::Component);
    assert_eq!(
        failure.message,
        "the component has no action `transform.jq`; it has: condition.check"
    );
}

#[tokio::test]
async fn a_component_is_polled_and_its_cursor_goes_on() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let feed = HttpMock::new().route("GET", "https://news.example/feed.xml", move |_| {
        let entries = 1 + count.fetch_add(1, Ordering::SeqCst);
        let items = (1..=entries)
            .rev()
            .map(|n| format!("<item><title>{n}</title><guid>{n}</guid></item>"))
            .collect::<String>();
        let feed = format!("<rss version=\"2.0\"><channel>{items}</channel></rss>");
        Ok(Response::new(200).with_body(feed))
    });
    let harness = ActionTestHarness::new()
        .with_component(pack("rss"))
        .with_http(feed);
    let mut found = Vec::new();
    for _ in 0..3 {
        let config = json!({ "url": "https://news.example/feed.xml" });
        let config = serde_json::from_value(config).unwrap();
        let result = harness.poll::<NewItems>(config).await;
        assert!(result.is_success(), "{result:?}");
        found.push(result.output.events.len());
    }
    assert_eq!(found, [0, 1, 1]);
}
