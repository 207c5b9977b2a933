//! The first-party packs as they are shipped: components, in the sandbox.

use std::collections::BTreeMap;
use std::sync::Arc;

use nebula_flow::component::Effect;
use nebula_flow::event::{Failure, FailureKind};
use nebula_flow::grant::{BoundCredential, Capabilities, CredentialKind, Grant, Secret};
use nebula_flow::id::{ActionId, ExecutionId, NodeId, StepKey, TenantId, WorkflowName};
use nebula_flow::ports::{Call, Identity, Limits, Outcome, Report, Runner};
use nebula_flow::{Timestamp, Value, json, payload};
use nebula_sandbox::resources::Resources;
use nebula_sandbox::{Sandbox, SandboxConfig};

mod agreement;
mod examples;
mod hostile;
mod pure;

/// One sandbox, whose compiled components are kept between tests.
pub(crate) fn sandbox() -> Sandbox {
    sandbox_with(None)
}

/// The same with resources.
fn sandbox_with(resources: Option<Arc<dyn Resources>>) -> Sandbox {
    let egress = Arc::new(nebula_egress::Egress::new(
        nebula_egress::EgressConfig::default(),
    ));
    Sandbox::new(
        SandboxConfig {
            cache_dir: Some(crate::cache()),
            resources,
            ..SandboxConfig::default()
        },
        egress,
    )
    .expect("the sandbox starts")
}

async fn report(
    sandbox: &Sandbox,
    action: &str,
    input: Value,
    capabilities: Capabilities,
) -> Report {
    report_within(sandbox, action, input, capabilities, Limits::default()).await
}

async fn report_within(
    sandbox: &Sandbox,
    action: &str,
    input: Value,
    capabilities: Capabilities,
    limits: Limits,
) -> Report {
    let action = ActionId::new(action).expect("an id");
    let pack = action.as_str().split('.').next().expect("a segment");
    let bytes = nebula_server::PACKS
        .iter()
        .find(|(name, _)| *name == pack)
        .expect("a pack")
        .1;
    let call = Call {
        tenant: TenantId::default_tenant(),
        component: nebula_hub::embedded(bytes).expect("a component of ours"),
        action,
        input: payload::encode(&input).expect("encodes"),
        identity: Identity {
            workflow: WorkflowName::new("packs").expect("a name"),
            execution: ExecutionId::mint(Timestamp::from_millis(1), 1),
            step: StepKey::root(NodeId::new("step").expect("an id")),
            attempt: 1,
            restarts: 0,
        },
        ready_at: Timestamp::from_millis(1_700_000_000_000),
        resumption: None,
        limits,
        capabilities: Arc::new(capabilities),
        pulse: Arc::default(),
    };
    sandbox.run(call).await
}

async fn run(action: &str, input: Value) -> Result<Value, Failure> {
    let sandbox = sandbox();
    match report(&sandbox, action, input, Capabilities::default())
        .await
        .result?
    {
        Outcome::Success(bytes) | Outcome::Branch(_, bytes) => {
            Ok(payload::decode(&bytes).expect("a value"))
        }
        Outcome::Skip(reason) => Ok(json!({ "skipped": reason })),
        again @ (Outcome::Wait(..) | Outcome::Continue(_)) => {
            panic!("it wants another call: {again:?}")
        }
    }
}

/// A station, and the grants and the credential that lead to it.
async fn station(actions: &[(&str, &str)]) -> Capabilities {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let at = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(nebula_tests::station::serve(listener, "the-key".into()));
    let hosts = actions
        .iter()
        .map(|(action, host)| Grant {
            action: ActionId::new(action).expect("an id"),
            host: (*host).to_owned(),
            schemes: Vec::new(),
            at: Some(at.clone()),
            methods: Vec::new(),
        })
        .collect();
    let credential = BoundCredential {
        stored_as: "weather-prod".into(),
        secret: Secret::new("the-key"),
        kind: CredentialKind::Text,
        hosts: vec!["api.weather.example".into()],
        reveal: false,
    };
    Capabilities {
        hosts,
        credentials: BTreeMap::from([("weather_api".to_owned(), credential)]),
        ..Capabilities::default()
    }
}

#[tokio::test]
async fn every_pack_describes_itself_and_only_those_that_reach_out_have_effects() {
    let sandbox = sandbox();
    for (name, bytes) in nebula_server::PACKS {
        let component = nebula_hub::embedded(bytes).expect("a component of ours");
        let prepared = sandbox.prepare(&component).await.expect("prepares");
        let effectful = matches!(
            *name,
            "database" | "http" | "kv" | "notification" | "rss" | "weather"
        );
        assert_eq!(
            prepared.effect == Effect::Effectful,
            effectful,
            "{name}: {:?}",
            prepared.imports
        );
        assert!(!prepared.actions.is_empty(), "{name}");
        for action in &prepared.actions {
            assert!(
                action.id.as_str().starts_with(&format!("{name}.")),
                "{}",
                action.id
            );
            assert!(
                !action.description.is_empty(),
                "{} says what it does",
                action.id
            );
        }
    }
}

#[tokio::test]
async fn condition_check_passes_its_input_on() {
    let input = json!({ "temp": 31.5, "tags": ["a", null, true], "n": 12_345_678_901_i64 });
    assert_eq!(
        run("condition.check", input.clone())
            .await
            .expect("succeeds"),
        input
    );
}

#[tokio::test]
async fn validation_input_names_every_place_that_does_not_fit() {
    let schema = json!({ "type": "object", "required": ["email"], "properties": { "age": { "type": "integer" } } });
    let good = json!({ "schema": schema, "value": { "email": "a@b", "age": 3 } });
    assert_eq!(
        run("validation.input", good).await.expect("fits")["valid"],
        true
    );
    let bad = json!({ "schema": schema, "value": { "age": "three" } });
    let error = run("validation.input", bad)
        .await
        .expect_err("does not fit");
    assert_eq!(error.kind, FailureKind::InvalidInput);
    assert!(
        error.message.contains("/age") && error.message.contains("email"),
        "{error}"
    );
}

#[tokio::test]
async fn transform_jq_filters_with_variables_and_knows_no_environment() {
    let input =
        json!({ "filter": "map(. * $by) | add", "input": [1, 2, 3], "variables": { "by": 10 } });
    assert_eq!(run("transform.jq", input).await.expect("succeeds"), 60);
    for filter in [
        "env",
        "$ENV",
        "now",
        "input",
        "halt",
        "import \"a\" as a; .",
    ] {
        let error = run("transform.jq", json!({ "filter": filter, "input": null }))
            .await
            .expect_err(filter);
        assert_eq!(error.kind, FailureKind::InvalidInput, "{filter}: {error}");
    }
}

#[tokio::test]
async fn a_filter_without_end_ends_in_a_limit_that_is_named() {
    let error = run(
        "transform.jq",
        json!({ "filter": "def f: f; f", "input": null }),
    )
    .await
    .expect_err("never ends");
    assert!(
        matches!(
            error.kind,
            FailureKind::FuelExhausted | FailureKind::MemoryLimit | FailureKind::Trapped
        ),
        "{error}"
    );
    let error = run(
        "transform.jq",
        json!({ "filter": "[limit(1e9; repeat(1))]", "input": null }),
    )
    .await
    .expect_err("huge");
    assert!(
        matches!(
            error.kind,
            FailureKind::FuelExhausted | FailureKind::MemoryLimit
        ),
        "{error}"
    );
}

#[tokio::test]
async fn transform_csv_reads_thousands_of_rows_within_its_limits() {
    let mut text = String::from("city,day,temp\n");
    for day in 0..3_650 {
        text += &format!("Moscow,{day},{}.5\n", day % 40);
    }
    let rows = run("transform.csv", json!({ "text": text }))
        .await
        .expect("succeeds");
    assert_eq!(rows["rows"].as_array().map(Vec::len), Some(3_650));
    assert_eq!(
        rows["rows"][7],
        json!({ "city": "Moscow", "day": 7, "temp": 7.5 })
    );
}

#[tokio::test]
async fn weather_fetch_sends_the_secret_that_it_never_sees() {
    let capabilities = station(&[("weather.fetch", "api.weather.example")]).await;
    let sandbox = sandbox();
    let report = report(
        &sandbox,
        "weather.fetch",
        json!({ "city": "Dubai" }),
        capabilities,
    )
    .await;
    let Ok(Outcome::Success(bytes)) = report.result else {
        panic!("{report:?}")
    };
    assert_eq!(payload::decode(&bytes).expect("a value")["temp"], 36.1);
    assert!(!format!("{:?}", report.lines).contains("the-key"));
}

#[tokio::test]
async fn an_unknown_city_is_the_callers_mistake() {
    let capabilities = station(&[("weather.fetch", "api.weather.example")]).await;
    let sandbox = sandbox();
    let report = report(
        &sandbox,
        "weather.fetch",
        json!({ "city": "Atlantis" }),
        capabilities,
    )
    .await;
    let error = report.result.expect_err("no such city");
    assert_eq!(error.kind, FailureKind::InvalidInput, "{error}");
}

#[tokio::test]
async fn a_host_that_is_not_granted_is_not_reached() {
    let input = json!({ "url": "https://api.example/" });
    let sandbox = sandbox();
    let report = report(&sandbox, "http.request", input, Capabilities::default()).await;
    let error = report.result.expect_err("denied");
    assert!(error.message.contains("not granted"), "{error}");
    let named = report
        .lines
        .iter()
        .any(|(level, line)| level == "warn" && line.contains("api.example"));
    assert!(named, "{:?}", report.lines);
}

#[tokio::test]
async fn a_request_and_a_notification_arrive_at_the_granted_host() {
    let capabilities = station(&[
        ("http.request", "station.example"),
        ("notification.send", "station.example"),
    ])
    .await;
    let sandbox = sandbox();
    let message =
        json!({ "url": "http://station.example/hook", "format": "slack", "text": "hello" });
    report(&sandbox, "notification.send", message, capabilities.clone())
        .await
        .result
        .expect("sent");
    let request = json!({ "url": "http://station.example/received" });
    let answer = report(&sandbox, "http.request", request, capabilities)
        .await
        .result
        .expect("answers");
    let Outcome::Success(bytes) = answer else {
        panic!("{answer:?}")
    };
    let received = payload::decode(&bytes).expect("a value")["json"]["hooks"][0].clone();
    assert_eq!(received["body"]["text"], "hello", "{received}");
    assert_eq!(
        received["idempotency_key"].as_str().map(str::len),
        Some(64),
        "{received}"
    );
}
