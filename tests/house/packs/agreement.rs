//! What the engine evaluates itself and what it has evaluated in the sandbox give
//! the same values: two implementations of jq, of which one is a component.

use nebula_flow::expression::{Expression, Root, Scope};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;

struct Input(Value);

impl Scope for Input {
    fn lookup(&self, root: &Root) -> Option<&Value> {
        (*root == Root::Input).then_some(&self.0)
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|n| json!(n)),
        (-8i32..9).prop_map(|n| json!(f64::from(n) / 4.0)),
        "[ab]{0,3}".prop_map(Value::String),
        "\\PC{0,3}".prop_map(Value::String),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec(("[abc]", inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Mostly of the subset that the engine evaluates itself. Without `*`: jq repeats
/// texts with it, and the sandbox has less memory for that.
fn source() -> impl Strategy<Value = String> {
    let step = prop_oneof![4 => "\\.[abc]", 2 => "\\[-?[0-3]\\]", 1 => "\\.[ab]\\?"];
    let path = prop::collection::vec(step, 0..3).prop_map(|steps| steps.concat());
    let leaf = prop_oneof![
        6 => path.clone().prop_map(|path| format!("$input{path}")),
        1 => "(null|true|false|\\[\\]|\\{\\})",
        2 => "[0-9]{1,2}",
        1 => "[0-9]\\.[0-9]{1,2}(e[0-9])?",
        1 => "(9223372036854775807|9223372036854775808|18446744073709551616)",
        1 => "\"[ab]{0,2}\"",
    ];
    leaf.prop_recursive(4, 24, 2, move |inner| {
        let operator = "(==|!=|<|<=|>|>=|\\+|-|/|%|and|or|//)";
        prop_oneof![
            6 => (inner.clone(), operator, inner.clone())
                .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
            1 => inner.clone().prop_map(|e| format!("({e} | not)")),
            1 => inner.clone().prop_map(|e| format!("-({e})")),
            1 => (inner, path.clone()).prop_map(|(e, path)| format!("({e}){path}")),
        ]
    })
}

async fn in_the_sandbox(sandbox: &Sandbox, source: &str, input: &Value) -> Result<Value, Failure> {
    let input = json!({
        "filter": source, "input": null, "variables": { "input": input, "nodes": {} },
    });
    let capabilities = Capabilities::default();
    match report(sandbox, "transform.jq", input, capabilities)
        .await
        .result?
    {
        Outcome::Success(bytes) => Ok(payload::decode(&bytes).expect("a value")),
        other => panic!("{source}: {other:?}"),
    }
}

#[tokio::test]
async fn the_engine_and_the_component_evaluate_alike() {
    let long = std::env::var_os("NEBULA_LONG").is_some();
    let count = if long { 20_000 } else { 1_000 };
    let sandbox = sandbox();
    let mut runner = TestRunner::default();
    let (mut values, mut errors) = (0, 0);
    for _ in 0..count {
        let mut draw = || (source(), value()).new_tree(&mut runner).expect("a case");
        let (source, input) = draw().current();
        let expression = Expression::parse(&source).expect("it parses");
        let Some(direct) = expression.direct() else {
            continue;
        };
        let ours = direct.evaluate(&Input(input.clone()));
        let theirs = in_the_sandbox(&sandbox, &source, &input).await;
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => {
                assert_eq!(ours, theirs, "{source} of {input}");
                values += 1;
            }
            (Err(_), Err(theirs)) => {
                let kind = theirs.kind;
                assert_eq!(kind, FailureKind::Permanent, "{source}: {theirs}");
                errors += 1;
            }
            (ours, theirs) => panic!("{source} of {input}: {ours:?} and {theirs:?}"),
        }
    }
    assert!(
        values > count / 10 && errors > count / 10,
        "{values} {errors}"
    );
}
