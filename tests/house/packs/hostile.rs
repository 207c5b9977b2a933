//! Expressions that mean harm, in the sandbox as the engine runs them: fuel and
//! memory hold inside jq's own functions too.

use std::time::Duration;

use nebula_flow::expression::Expression;

use super::*;

/// What an expression gets; the same as in `host/engine/src/task/evaluator.rs`.
const LIMITS: Limits = Limits {
    fuel: 100_000_000,
    memory_bytes: 64 << 20,
    timeout: Duration::from_secs(5),
};

/// Runs an expression that a deploy accepts, in one sandbox for all.
async fn evaluate(sandbox: &Sandbox, source: &str, input: &Value) -> Report {
    let expression = Expression::parse(source).expect(source);
    assert!(expression.direct().is_none(), "{source} is direct");
    let input = json!({
        "filter": expression.source(), "input": null, "variables": { "input": input, "nodes": {} },
    });
    report_within(
        sandbox,
        "transform.jq",
        input,
        Capabilities::default(),
        LIMITS,
    )
    .await
}

/// Which limit each must run into: whoever takes memory may use up its fuel first.
const FUEL: &[FailureKind] = &[FailureKind::FuelExhausted];
const STACK: &[FailureKind] = &[FailureKind::Trapped];
const MEMORY: &[FailureKind] = &[FailureKind::MemoryLimit, FailureKind::FuelExhausted];

#[tokio::test]
async fn every_function_of_jq_is_held_by_fuel_and_memory() {
    let sandbox = sandbox();
    let list: Value = (0..100_000).collect();
    let text = json!("a,".repeat(1_000_000));
    for (source, input, limits) in [
        ("last(range(1000000000))", &Value::Null, FUEL),
        ("reduce range(1000000000) as $x (0; .)", &Value::Null, FUEL),
        (
            "$input | [limit(99; repeat(.))] | map(sort_by(-.))",
            &list,
            MEMORY,
        ),
        (
            "$input | [limit(99; repeat(.))] | map(group_by(. % 7))",
            &list,
            MEMORY,
        ),
        (
            "$input | [limit(99; repeat(.))] | map(unique_by(-.))",
            &list,
            MEMORY,
        ),
        (
            "$input | [limit(99; repeat(.))] | map(map(tostring))",
            &list,
            MEMORY,
        ),
        (
            "$input | [limit(999; repeat(.))] | map(map(select(. < 0)))",
            &list,
            FUEL,
        ),
        (
            "$input | [limit(999; repeat(.))] | map(max_by(-.))",
            &list,
            FUEL,
        ),
        (
            "$input | [limit(99; repeat(.))] | map(join(\",\"))",
            &list,
            MEMORY,
        ),
        (
            "$input | [limit(99; repeat(.))] | map([paths])",
            &list,
            MEMORY,
        ),
        (
            "[limit(0; range(1e18))] | last(range(1e18))",
            &Value::Null,
            FUEL,
        ),
        ("last(range(0; infinite))", &Value::Null, FUEL),
        ("first(range(1e18) | select(. < 0))", &Value::Null, FUEL),
        (
            "last(range(1e5) as $a | range(1e5) as $b | empty)",
            &Value::Null,
            FUEL,
        ),
        ("isempty(range(1e18) | empty)", &Value::Null, FUEL),
        ("last(1 | repeat(.))", &Value::Null, FUEL),
        ("1 | last(recurse(.))", &Value::Null, FUEL),
        ("1 | until(false; .)", &Value::Null, FUEL),
        ("last(1 | while(true; .))", &Value::Null, FUEL),
        ("def f: f; f", &Value::Null, FUEL),
        ("def f: def g: f; g; f", &Value::Null, FUEL),
        ("def f: 1 + f; f", &Value::Null, STACK),
        ("[range(1000000000)]", &Value::Null, MEMORY),
        ("[1 | repeat(.)]", &Value::Null, MEMORY),
        (
            "[range(1000000000)] | map(. + 1) | add",
            &Value::Null,
            MEMORY,
        ),
        (
            "reduce range(64) as $x (\"ab\"; . + .)",
            &Value::Null,
            MEMORY,
        ),
        ("reduce range(64) as $x ([1]; . + .)", &Value::Null, MEMORY),
        (
            "reduce range(64) as $x ([1]; [., .])  | tojson",
            &Value::Null,
            MEMORY,
        ),
        (
            "reduce range(40) as $x (\"\\\"\"; tojson)",
            &Value::Null,
            MEMORY,
        ),
        (
            "reduce range(40) as $x (\"<\"; @html \"\\(.)\\(.)\")",
            &Value::Null,
            MEMORY,
        ),
        (
            "reduce range(100) as $x (\"aaa\"; @base64)",
            &Value::Null,
            MEMORY,
        ),
        ("reduce range(40) as $x (\"'\"; @sh)", &Value::Null, MEMORY),
        (
            "reduce range(40) as $x (\"a\"; \"\\(.)\\(.)\")",
            &Value::Null,
            MEMORY,
        ),
        ("[range(16)] | [combinations(9)]", &Value::Null, MEMORY),
        (
            "[[range(99)], [range(99)], [range(99)], [range(99)]] | [combinations]",
            &Value::Null,
            MEMORY,
        ),
        ("$input | split(\"\") | map(. * 50)", &text, MEMORY),
        ("$input | explode | map([.])", &text, MEMORY),
        (
            "[$input, $input, $input] | transpose | transpose | map(map([.]))",
            &list,
            MEMORY,
        ),
        (
            "[range(200)] | map([range(20000)]) | flatten",
            &Value::Null,
            MEMORY,
        ),
        (
            "[range(100)] | [path(..)] | [., .] | [limit(9e9; repeat(.))]",
            &Value::Null,
            MEMORY,
        ),
        ("$input | with_entries(.value = $input)", &list, MEMORY),
        ("$input | walk([., .])", &list, MEMORY),
        ("$input | indices([1, 2]) | [range(1e9)]", &list, MEMORY),
        ("[limit(1000000000; repeat(1))]", &Value::Null, MEMORY),
        ("pow(2; 1e9) | [range(.)]", &Value::Null, MEMORY),
        ("1e1000 | last(range(.))", &Value::Null, FUEL),
    ] {
        let ended = evaluate(&sandbox, source, input).await;
        let Err(failure) = ended.result else {
            panic!("{source} passes no limit: {:?}", ended.usage)
        };
        assert!(limits.contains(&failure.kind), "{source}: {failure:?}");
        let limit = match failure.kind {
            FailureKind::FuelExhausted => "100,000,000",
            FailureKind::Trapped => "call stack exhausted",
            _ => "64 MiB",
        };
        assert!(failure.message.contains(limit), "{source}: {failure}");
        assert!(
            ended.usage.fuel <= LIMITS.fuel,
            "{source}: {:?}",
            ended.usage
        );
        assert!(
            ended.usage.memory_bytes <= LIMITS.memory_bytes,
            "{source}: {:?}",
            ended.usage
        );
    }
}
