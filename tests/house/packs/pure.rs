//! What the pure packs answer from inside the sandbox, and what it costs.

use nebula_flow::expression::FUNCTIONS;

use super::*;

/// The fuel of one call that succeeds.
async fn fuel(action: &str, input: Value) -> u64 {
    let report = report(&sandbox(), action, input, Capabilities::default()).await;
    assert!(report.result.is_ok(), "{action}: {:?}", report.result);
    report.usage.fuel
}

/// The answer and the port that it takes.
async fn branch(action: &str, input: Value) -> (String, Value) {
    let report = report(&sandbox(), action, input, Capabilities::default()).await;
    match report.result {
        Ok(Outcome::Branch(port, bytes)) => (port, payload::decode(&bytes).expect("a value")),
        other => panic!("a branch expected: {other:?}"),
    }
}

/// The evaluator of expressions: the whole library of jq took 5.2 million,
/// whatever the filter. What the input itself costs is kept small here.
#[tokio::test]
async fn a_simple_filter_costs_at_most_350_000_fuel() {
    for filter in [
        ".[0]",
        "map(select(. > 30)) | length",
        "\"It is \\(.[0]) °C\"",
        "first | tostring",
    ] {
        let fuel = fuel(
            "transform.jq",
            json!({ "filter": filter, "input": [31, 9] }),
        )
        .await;
        assert!(fuel <= 350_000, "{filter}: {fuel}");
    }
}

/// What a deploy accepts runs: every function is called, and fails, if at all,
/// on its input.
#[tokio::test]
async fn the_evaluator_has_every_function_that_a_deploy_accepts() {
    let sandbox = sandbox();
    for (name, arity) in FUNCTIONS {
        let arguments = match arity {
            0 => String::new(),
            arity => format!("({})", vec!["true"; *arity].join("; ")),
        };
        let input = json!({ "filter": format!("{name}{arguments}"), "input": null });
        let report = report(&sandbox, "transform.jq", input, Capabilities::default()).await;
        if let Err(failure) = report.result {
            assert_eq!(
                failure.kind,
                FailureKind::Permanent,
                "{name}/{arity}: {failure}"
            );
        }
    }
}

#[tokio::test]
async fn no_filter_ends_the_component() {
    for filter in ["halt(1)", "halt", "1 | halt_error(2)"] {
        let error = run("transform.jq", json!({ "filter": filter }))
            .await
            .expect_err(filter);
        assert_eq!(error.kind, FailureKind::InvalidInput, "{filter}: {error}");
    }
}

#[tokio::test]
async fn template_render_makes_text_within_its_limits() {
    let input = json!({
        "template": "{% for row in rows %}{{ loop.index }}: {{ row.city | upper }} {{ row.temp }}\n{% endfor %}",
        "values": { "rows": [{ "city": "Cairo", "temp": 28.5 }, { "city": "<Oslo>", "temp": 9 }] },
        "escape": "html",
    });
    let text = run("template.render", input).await.expect("renders");
    assert_eq!(text["text"], "1: CAIRO 28.5\n2: &lt;OSLO&gt; 9\n");

    let missing = json!({ "template": "Dear\n{{ name }}" });
    let error = run("template.render", missing).await.expect_err("fails");
    assert_eq!(error.kind, FailureKind::Permanent, "{error}");
    assert!(error.message.contains("line 2: undefined value"), "{error}");
}

#[tokio::test]
async fn a_template_without_end_ends_in_a_limit_or_an_error_that_is_named() {
    let loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    let error = run("template.render", json!({ "template": loops }))
        .await
        .expect_err("burns all fuel");
    assert_eq!(error.kind, FailureKind::FuelExhausted, "{error}");

    let deep = "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}";
    let error = run("template.render", json!({ "template": deep }))
        .await
        .expect_err("too deep");
    assert_eq!(error.kind, FailureKind::Permanent, "{error}");
    assert!(error.message.contains("recursion"), "{error}");

    let nested = format!("{}1{}", "{{ (".repeat(20_000), ") }}".repeat(20_000));
    let error = run("template.render", json!({ "template": nested }))
        .await
        .expect_err("too deep");
    assert_eq!(error.kind, FailureKind::InvalidInput, "{error}");
}

#[tokio::test]
async fn validation_user_takes_the_record_as_it_comes() {
    let record = json!({ "email": "user@example.com" });
    assert_eq!(
        run("validation.user", record.clone()).await.expect("fits"),
        json!({ "validated": true, "data": record })
    );

    let bad = json!({ "email": "nobody", "password": "short", "on_invalid": "branch" });
    let (port, output) = branch("validation.user", bad).await;
    assert_eq!(
        (port.as_str(), &output["validated"]),
        ("invalid", &json!(false))
    );
    assert_eq!(
        output["errors"][0],
        json!({ "field": "email", "rule": "format", "message": "has no `@`" })
    );
    assert_eq!(output["errors"][1]["field"], "password");

    let widened = json!({ "email": "user@example.com", "rules": { "password": { "min": 1 } } });
    let error = run("validation.user", widened).await.expect_err("refused");
    assert_eq!(error.kind, FailureKind::InvalidInput, "{error}");
}

#[tokio::test]
async fn crypto_hash_gives_the_published_digest() {
    let output = run("crypto.hash", json!({ "data": "abc" })).await;
    assert_eq!(
        output.expect("hashes"),
        json!({
            "digest": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "size": 3,
        })
    );
}

#[tokio::test]
async fn crypto_hmac_signs_and_verifies() {
    let mac = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    let mut input = json!({ "key": "Jefe", "data": "what do ya want for nothing?" });
    let signed = run("crypto.hmac", input.clone()).await.expect("signs");
    assert_eq!(signed, json!({ "mac": mac }));

    input["expected"] = json!(mac);
    let verified = run("crypto.hmac", input.clone()).await.expect("verifies");
    assert_eq!(verified, json!({ "valid": true }));

    input["data"] = json!("something else");
    let error = run("crypto.hmac", input.clone()).await.expect_err("forged");
    assert_eq!(error.kind, FailureKind::InvalidInput, "{error}");
    assert!(!error.message.contains("Jefe"), "{error}");

    input["on_invalid"] = json!("branch");
    let (port, output) = branch("crypto.hmac", input).await;
    assert_eq!(
        (port.as_str(), output),
        ("invalid", json!({ "valid": false }))
    );
}
