//! The programs that the SDK promises, as their authors write them: the full
//! example, the macro workflow and the custom action.

use std::time::Duration;

use nebula_engine::{EngineConfig, ExecutionOptions, WorkflowEngine};
use nebula_flow::grant::{Credential, Grant, Secret};
use nebula_flow::{ActionId, TenantId, grant};
use nebula_sdk::prelude::*;

use crate::cli::Cli;

/// The embedded engine, with a station to ask and what the sample may reach.
async fn engine(folder: &std::path::Path) -> EngineConfig {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let station = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(nebula_tests::station::serve(listener, "the-key".into()));
    let config = nebula_server::embedded(folder)
        .await
        .expect("the folder opens");
    let tenant = TenantId::default_tenant();
    let credential = Credential {
        secret: Secret::new("the-key"),
        kind: grant::CredentialKind::Text,
        hosts: vec!["api.weather.example".into()],
        reveal: false,
    };
    grant::put_credential(&*config.records, &tenant, "weather_api", &credential)
        .await
        .expect("stored");
    let grant = Grant {
        action: ActionId::new("weather.fetch").expect("an id"),
        host: "api.weather.example".into(),
        schemes: Vec::new(),
        at: Some(station),
        methods: Vec::new(),
    };
    grant::put_grant(&*config.records, &tenant, &grant)
        .await
        .expect("granted");
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_full_example_runs_against_the_embedded_engine()
-> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let config = engine(folder.path()).await;

    let weather_workflow = WorkflowBuilder::new("weather-notification")
        .add_node("fetch", "weather.fetch")
        .add_node("check", "condition.check")
        .add_node("notify", "notification.send")
        .connect("fetch", "check")
        .connect_conditional("check", "notify", "$nodes.fetch.result.temp > 30")
        .build();

    let engine = WorkflowEngine::new(config);
    engine.deploy_workflow(weather_workflow).await?;

    let execution = engine
        .execute_workflow(
            "weather-notification",
            json!({ "city": "Moscow" }),
            ExecutionOptions::default(),
        )
        .await?;

    let (tell, told) = tokio::sync::oneshot::channel();
    execution.on_complete(move |result| {
        let _ = tell.send(format!("Workflow completed: {result:?}"));
    });
    let text = tokio::time::timeout(Duration::from_secs(30), told).await??;
    assert!(text.contains("Succeeded"), "{text}");

    // Moscow is not hot: the condition did not hold, nobody was notified.
    let result = execution.wait().await;
    assert_eq!(result.output, Some(json!({ "notify": null })));
    engine.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_macro_workflow_deploys_and_runs() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let engine = WorkflowEngine::new(nebula_server::embedded(folder.path()).await?);

    let definition = workflow!("my-workflow" => {
        input: "condition.check" => process
        process: "condition.check" => output
        output: "condition.check"
    });
    engine.deploy_workflow(definition).await?;

    let execution = engine
        .execute_workflow(
            "my-workflow",
            json!({ "n": 1 }),
            ExecutionOptions::default(),
        )
        .await?;
    assert_eq!(
        execution.wait().await.output,
        Some(json!({ "output": { "n": 1 } }))
    );
    engine.shutdown().await;
    Ok(())
}

#[test]
fn a_custom_action_builds_and_runs_in_the_sandbox_from_its_folder() {
    let cli = Cli::new();
    let crate_folder = crate::root().join("tests/guests/custom-action");
    let path = crate_folder.to_str().expect("a text path");
    let answer = cli.json(&["action", "test", path, "--json", r#"{"name": "Ada"}"#]);
    assert_eq!(answer["output"], json!({ "text": "Hello, Ada!" }));
    assert_eq!(answer["action"], "my.custom_action");
    assert_eq!(answer["effect"], "pure");
    assert_eq!(
        answer["logs"][0],
        json!({ "level": "info", "message": "greeting Ada" })
    );
    assert!(
        answer["usage"]["fuel"].as_u64().is_some_and(|f| f > 0),
        "{answer}"
    );

    let refused = cli.run(&["action", "test", path, "--json", r#"{"nom": "Ada"}"#]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.stdout.contains("invalid_input") && refused.stdout.contains("name"),
        "{refused:?}"
    );

    // What the parameter says, the host checks before the call.
    for (input, said) in [
        (
            r#"{"name": ""}"#,
            r#"name: value is shorter than 1 character; name: value does not match "^\S""#,
        ),
        (r#"{"name": " Ada"}"#, r#"name: value does not match "^\S""#),
    ] {
        let refused = cli.run(&["action", "test", path, "--json", input, "-o", "json"]);
        assert_eq!(refused.code, 1, "{refused:?}");
        let answer: Value = serde_json::from_str(&refused.stdout).expect("JSON");
        assert_eq!(
            answer["error"],
            json!({ "kind": "invalid_input", "message": said })
        );
        assert_eq!(answer["usage"]["fuel"], 0, "it was not called: {answer}");
    }
}
