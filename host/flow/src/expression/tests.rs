#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, data, unwrap_valr};
use jaq_json::{Num as JaqNum, Val as JaqVal};
use proptest::prelude::*;
use serde_json::{Number, json};

use super::*;

mod hostile;

#[derive(Default)]
struct Variables(BTreeMap<Root, Value>);

impl Scope for Variables {
    fn lookup(&self, root: &Root) -> Option<&Value> {
        self.0.get(root)
    }
}

fn scope(input: Value, fetch: Value) -> Variables {
    let fetched = Root::Result("fetch".parse().unwrap());
    Variables(BTreeMap::from([(Root::Input, input), (fetched, fetch)]))
}

fn direct(source: &str, input: Value, fetch: Value) -> Result<Value, ExpressionError> {
    let expression = Expression::parse(source).expect(source);
    expression
        .direct()
        .expect(source)
        .evaluate(&scope(input, fetch))
}

// ------------------------------------------- the same answers as jaq --

fn to_jaq(value: &Value) -> JaqVal {
    match value {
        Value::Null => JaqVal::Null,
        Value::Bool(b) => JaqVal::Bool(*b),
        Value::Number(n) => JaqVal::Num(match (n.as_i64(), n.as_u64()) {
            (Some(n), _) => JaqNum::from_integral(n),
            (_, Some(n)) => JaqNum::from_integral(n),
            _ => JaqNum::Float(n.as_f64().unwrap()),
        }),
        Value::String(s) => JaqVal::utf8_str(s.clone()),
        Value::Array(items) => items.iter().map(to_jaq).collect(),
        Value::Object(entries) => JaqVal::obj(
            entries
                .iter()
                .map(|(k, v)| (JaqVal::utf8_str(k.clone()), to_jaq(v)))
                .collect(),
        ),
    }
}

/// None where JSON has no such value.
fn from_jaq(value: &JaqVal) -> Option<Value> {
    let float = |f: f64| Number::from_f64(f).map(Value::Number);
    Some(match value {
        JaqVal::Null => Value::Null,
        JaqVal::Bool(b) => Value::Bool(*b),
        JaqVal::Num(JaqNum::Int(n)) => json!(*n),
        JaqVal::Num(JaqNum::Float(f)) => float(*f)?,
        JaqVal::Num(other) => {
            let text = other.to_string();
            match (text.parse::<i64>(), text.parse::<u64>()) {
                (Ok(n), _) => json!(n),
                (_, Ok(n)) => json!(n),
                _ => float(text.parse().unwrap())?,
            }
        }
        JaqVal::TStr(bytes) | JaqVal::BStr(bytes) => {
            Value::String(String::from_utf8(bytes.to_vec()).unwrap())
        }
        JaqVal::Arr(items) => Value::Array(items.iter().map(from_jaq).collect::<Option<_>>()?),
        JaqVal::Obj(entries) => {
            let key = |k: &JaqVal| from_jaq(k)?.as_str().map(str::to_owned);
            let entries = entries.iter().map(|(k, v)| Some((key(k)?, from_jaq(v)?)));
            Value::Object(entries.collect::<Option<_>>()?)
        }
    })
}

/// What jaq gives: its first output, or none for an error, no output, or a
/// value that JSON does not have.
fn by_jaq(source: &str, input: &Value, fetch: &Value) -> Option<Value> {
    let arena = Arena::default();
    // jaq-std defines it so; nothing else of it is within the subset.
    let null = jaq_core::load::parse("def null: [][0];", |p| p.defs()).unwrap();
    let file = File {
        code: source,
        path: (),
    };
    let loaded = Loader::new(jaq_core::defs().chain(null)).load(&arena, file);
    let Ok(modules) = loaded else {
        panic!("{source} does not load")
    };
    let compiler = Compiler::default()
        .with_funs(jaq_core::funs())
        .with_global_vars(["$input", "$nodes"]);
    let Ok(filter) = compiler.compile(modules) else {
        panic!("{source} does not compile")
    };
    let variables = [to_jaq(input), to_jaq(&json!({"fetch": {"result": fetch}}))];
    let context = Ctx::<data::JustLut<JaqVal>>::new(&filter.lut, Vars::new(variables));
    let first = filter
        .id
        .run((context, JaqVal::Null))
        .map(unwrap_valr)
        .next()?;
    from_jaq(&first.ok()?)
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-3i64..4).prop_map(|n| json!(n)),
        1 => any::<i64>().prop_map(|n| json!(n)),
        1 => any::<u64>().prop_map(|n| json!(n)),
        2 => (-8i32..9).prop_map(|n| json!(f64::from(n) / 4.0)),
        1 => any::<f64>().prop_filter_map("finite", |f| Number::from_f64(f).map(Value::Number)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number(),
        "[ab]{0,3}".prop_map(Value::String),
        "\\PC{0,3}".prop_map(Value::String),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec(("[abc]", inner), 0..4)
                .prop_map(|e| Value::Object(e.into_iter().collect())),
        ]
    })
}

fn source() -> impl Strategy<Value = String> {
    let step = prop_oneof![
        4 => "\\.[abc]",
        1 => "\\.\"[abc]\"",
        1 => "\\[\"[ab]\"\\]",
        2 => "\\[-?[0-3]\\]",
        1 => "\\.\\[[0-3]\\]",
        1 => Just("[1.0]".to_owned()),
    ];
    let step = (step, prop::bool::weighted(0.2))
        .prop_map(|(s, opt)| if opt { format!("{s}?") } else { s });
    let path = prop::collection::vec(step, 0..3).prop_map(|steps| steps.concat());
    let leaf = prop_oneof![
        4 => path.clone().prop_map(|p| format!("$input{p}")),
        3 => path.clone().prop_map(|p| format!("$nodes.fetch.result{p}")),
        1 => "(null|true|false|\\[\\]|\\{\\})",
        2 => "[0-9]{1,2}",
        1 => "[0-9]\\.[0-9]{1,2}(e[0-9])?",
        1 => "(9223372036854775807|9223372036854775808|18446744073709551615|18446744073709551616)",
        1 => "\"[ab]{0,2}\"",
        1 => Just("\"\\u00e9\\n\"".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 2, move |inner| {
        let op = prop_oneof![
            3 => "(==|!=|<|<=|>|>=)",
            3 => "(\\+|-|\\*|/|%)",
            2 => "(and|or|//)",
        ];
        prop_oneof![
            6 => (inner.clone(), op, inner.clone()).prop_map(|(l, op, r)| format!("{l} {op} {r}")),
            2 => inner.clone().prop_map(|e| format!("({e})")),
            1 => inner.clone().prop_map(|e| format!("({e} | not)")),
            1 => inner.clone().prop_map(|e| format!("({e})?")),
            1 => inner.clone().prop_map(|e| format!("-({e})")),
            1 => (inner, path.clone()).prop_map(|(e, p)| format!("({e}){p}")),
        ]
    })
}

/// jaq repeats a string as often as it is told to; a test must not.
fn repeats_for_ever(source: &str) -> bool {
    source.contains('*')
}

fn small(value: &Value) -> bool {
    match value {
        Value::Number(n) => n.as_f64().unwrap().abs() < 100.0,
        Value::Array(items) => items.iter().all(small),
        Value::Object(entries) => entries.values().all(small),
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn direct_evaluation_gives_what_jaq_gives(source in source(), input in value(), fetch in value()) {
        let expression = Expression::parse(&source).unwrap();
        if let Some(direct) = expression.direct() {
            let numbers_are_small = small(&input) && small(&fetch) && !source.contains("922") && !source.contains("184");
            prop_assume!(!repeats_for_ever(&source) || numbers_are_small && source.matches('*').count() < 3);
            prop_assume!(!repeats_for_ever(&source) || !source.contains('e'));
            let ours = direct.evaluate(&scope(input.clone(), fetch.clone())).ok();
            let theirs = by_jaq(&source, &input, &fetch);
            prop_assert_eq!(ours, theirs, "{}", source);
        }
    }

    #[test]
    fn what_is_generated_is_mostly_direct(source in source()) {
        let indirect = source.contains("[1.0]") || source.len() > 150;
        prop_assert!(indirect || Expression::parse(&source).unwrap().direct().is_some(), "{}", source);
    }

    #[test]
    fn parsing_never_panics(text in "\\PC{0,60}") {
        let _ = Expression::parse(&text);
        let _ = Template::parse(&json!(text));
    }

    #[test]
    fn parsing_jq_like_text_never_panics(words in prop::collection::vec(
        "(\\$input|\\$nodes|\\.a|\\[|\\]|\\{|\\}|\\(|\\)|\"|\\\\\\(|\\$\\{|\\$|if|then|else|end|as|reduce|def|f:|;|\\||,|\\+|-|//|=|#| |1|\\?|@json|label|break|try|catch|\\.\\.)",
        0..30,
    )) {
        let text = words.concat();
        let _ = Expression::parse(&text);
        let _ = Template::parse(&json!(text));
        let _ = Expression::parse(&words.join(" "));
    }

    #[test]
    fn text_without_expressions_stays_as_it_is(text in "[a-z{}\"\\\\ ]{0,20}") {
        prop_assert_eq!(Template::parse(&json!(text)).unwrap().constant(), Some(json!(text)));
    }
}

#[test]
fn nested_expressions_do_not_overflow_the_stack() {
    for text in [
        "(".repeat(10_000),
        "-".repeat(10_000),
        format!("{}1", "-".repeat(900)),
        format!("{}1", "if 1 then ".repeat(200)),
        format!("1{}", "+1".repeat(450)),
        format!("1{}", " | 1".repeat(450)),
        format!("1{}", "?".repeat(900)),
        format!("{}1{}", "[".repeat(128), "]".repeat(128)),
        "\"\\(".repeat(2_000),
    ] {
        let _ = Expression::parse(&text);
    }
}

// ---------------------------------------------------------- references --

fn read(source: &str) -> Vec<String> {
    Expression::parse(source)
        .expect(source)
        .references()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn an_expression_says_what_it_reads() {
    assert_eq!(
        read("$nodes.fetch.result.temp > 30"),
        ["$nodes.fetch.result.temp"]
    );
    assert_eq!(
        read("$input.a[0][\"b c\"] + $vars.x"),
        ["$input.a[0][\"b c\"]", "$vars.x"]
    );
    assert_eq!(read("$input.list | map(.a) | add"), ["$input.list"]);
    assert_eq!(read("$input[$index].a"), ["$input", "$index"]);
    assert_eq!(
        read("$nodes[\"fetch\"].status == \"failed\""),
        ["$nodes.fetch.status"]
    );
    assert_eq!(
        read("$nodes.fetch"),
        [
            "$nodes.fetch.result",
            "$nodes.fetch.status",
            "$nodes.fetch.error"
        ]
    );
    assert_eq!(
        read("$input as $item | $item.a"),
        ["$input"],
        "a local name hides the variable"
    );
    assert_eq!(
        read("\"\\($execution.id) \\($workflow.name)\""),
        ["$execution.id", "$workflow.name"]
    );
}

fn refused(source: &str) -> String {
    let error = Expression::parse(source).expect_err(source);
    format!("{error} / {}", error.hint.clone().unwrap_or_default())
}

#[test]
fn regular_expressions_and_dates_are_refused_with_what_to_use_instead() {
    for call in [
        "test(\"a\")",
        "match(\"a\"; \"g\")",
        "capture(\"a\")",
        "scan(\"a\")",
        "sub(\"a\"; \"b\")",
        "gsub(\"a\"; \"b\"; \"g\")",
        "splits(\"a\")",
        "split(\"a\"; \"g\")",
    ] {
        let why = refused(&format!("$input | {call}"));
        assert!(why.contains("is not available / "), "{call}: {why}");
        assert!(why.contains("no regular expressions; `"), "{call}: {why}");
    }
    for call in [
        "todate",
        "todateiso8601",
        "fromdate",
        "fromdateiso8601",
        "strftime(\"%Y\")",
        "strptime(\"%Y\")",
        "mktime",
        "gmtime",
    ] {
        let why = refused(&format!("$input | {call}"));
        assert!(why.contains("no calendar; convert"), "{call}: {why}");
    }
    assert!(Expression::parse("$input | split(\",\")").is_ok());
    assert!(refused("$input | split(1; 2; 3)").contains("takes 1 arguments"));
}

#[test]
fn unknown_names_are_refused_with_a_hint() {
    assert!(refused("$inptu.a").contains("did you mean `$input`?"));
    assert!(refused("$input | lenght").contains("did you mean `length`?"));
    assert!(refused("input.a").contains("`input` is not available"));
    assert!(refused("now").contains("no clock"));
    assert!(refused("env").contains("environment"));
    assert!(refused("$ENV").contains("no variable `$ENV`"));
    assert!(refused("$__loc__").contains("no variable"));
    assert!(refused("halt").contains("cannot stop"));
    assert!(refused("$input | has").contains("takes 1 arguments"));
    assert!(refused("$nodes").contains("without naming a node"));
    assert!(refused("$nodes[$input.x]").contains("without naming a node"));
    assert!(refused("$nodes.fetch.temp").contains("did you mean `$nodes.fetch.result.temp`?"));
    assert!(
        refused("$nodes.fetch-it.result").contains("function `it`")
            || !refused("$nodes.fetch-it.result").is_empty()
    );
    assert!(refused(".result.temp > 30").contains("begin with a variable"));
    assert!(refused("break $x").contains("label"));
    assert!(refused("$input.a = ").contains("was expected"));
    assert!(refused("$input.a == 'x'").contains("double quotes"));
    assert!(refused("").contains("empty"));
}

#[test]
fn local_names_are_known() {
    for source in [
        "def f(g; $x): g + $x; $input | f(.a; 2)",
        "reduce $input[] as {a: $x, b: [$y]} (0; . + $x + $y)",
        "label $out | foreach $input[] as $x (0; . + $x; if . > 3 then ., break $out else . end)",
        "$input.a as $x | $x + 1",
        "[$input[] | {name, n: .count, $index}]",
        "$input | .a |= . + 1 | @base64 \"x\\(.a)\"",
    ] {
        Expression::parse(source).expect(source);
    }
}

// ----------------------------------------------------- direct evaluation --

#[test]
fn the_seeds_condition_is_direct() {
    let hot = |temp: Value| {
        direct(
            "$nodes.fetch.result.temp > 30",
            Value::Null,
            json!({"temp": temp}),
        )
    };
    assert_eq!(hot(json!(31)), Ok(json!(true)));
    assert_eq!(hot(json!(30.0)), Ok(json!(false)));
    assert_eq!(
        hot(json!("hot")),
        Ok(json!(true)),
        "strings come after numbers"
    );
    assert_eq!(
        direct("$nodes.fetch.result.temp > 30", Value::Null, Value::Null),
        Ok(json!(false))
    );
    assert!(direct("$nodes.fetch.result.temp > 30", Value::Null, json!(5)).is_err());
}

#[test]
fn a_number_that_json_does_not_have_is_an_error() {
    assert!(direct("1 / 0", Value::Null, Value::Null).is_err());
    assert_eq!(
        direct("1 / 0 > 5", Value::Null, Value::Null),
        Ok(json!(true))
    );
    assert!(
        direct("$input.a?", json!(3), Value::Null).is_err(),
        "no value at all"
    );
}

#[test]
fn direct_evaluation_builds_no_huge_values() {
    assert!(direct("\"aaaaaaaaaa\" * 100000000000", Value::Null, Value::Null).is_err());
    let long = json!("x".repeat(3 << 20));
    let mut source = "$input".to_owned();
    for _ in 0..6 {
        source = format!("({source} + $input)");
    }
    assert!(direct(&source, long, Value::Null).is_err());
}

#[test]
fn only_the_subset_is_direct() {
    for source in [
        "$input | length",
        "[$input[]]",
        "\"\\($input)\"",
        "if $input then 1 else 2 end",
        "$input[1:]",
    ] {
        assert!(
            Expression::parse(source).expect(source).direct().is_none(),
            "{source}"
        );
    }
}

#[test]
fn variables_hold_what_is_read_and_nothing_else() {
    let scope = scope(
        json!({"city": "Oslo", "big": [1, 2], "deep": {"a": 1, "b": 2}}),
        json!({"temp": 3}),
    );
    let variables = |source: &str| Expression::parse(source).expect(source).variables(&scope);
    assert_eq!(
        variables("$input.city | length"),
        json!({"input": {"city": "Oslo"}})
    );
    assert_eq!(
        variables("$input.deep.b, $input.big[0]"),
        json!({"input": {"big": [1, 2], "deep": {"b": 2}}})
    );
    assert_eq!(
        variables("$input.deep, $input.deep.b"),
        json!({"input": {"deep": {"a": 1, "b": 2}}})
    );
    assert_eq!(
        variables("$input | keys")["input"]
            .as_object()
            .unwrap()
            .len(),
        3
    );
    assert_eq!(
        variables("[$nodes.fetch.result.temp, $nodes.fetch.status]"),
        json!({"nodes": {"fetch": {"result": {"temp": 3}, "status": null}}})
    );
}

// ------------------------------------------------------------- templates --

fn render(template: &Value) -> Value {
    let scope = scope(
        json!({"city": "Oslo", "n": 3, "list": [1, "a"]}),
        json!({"temp": 21.5}),
    );
    let template = Template::parse(template).unwrap();
    template
        .render(&mut |e| e.direct().unwrap().evaluate(&scope))
        .unwrap()
}

#[test]
fn a_whole_expression_keeps_its_type_and_others_become_text() {
    assert_eq!(render(&json!("${ $input.n }")), json!(3));
    assert_eq!(render(&json!(" ${ $input.n }")), json!(" 3"));
    assert_eq!(
        render(
            &json!({"text": "It is ${ $nodes.fetch.result.temp } °C in ${ $input.city }", "keep": [1, null]})
        ),
        json!({"text": "It is 21.5 °C in Oslo", "keep": [1, null]})
    );
    assert_eq!(
        render(&json!(["${$input.list}", "x${$input.list}${null}"])),
        json!([[1, "a"], "x[1,\"a\"]null"])
    );
}

#[test]
fn braces_inside_an_expression_do_not_close_it() {
    assert_eq!(render(&json!("${ \"}\" + \"\\\"}\" }")), json!("}\"}"));
    assert_eq!(render(&json!("${ {} }")), json!({}));
    assert_eq!(render(&json!("${ 1 # } not yet\n }")), json!(1));
    assert!(Template::parse(&json!("${ \"\\( {a: \"}\"} )\" } tail")).is_ok());
}

#[test]
fn the_escape_gives_the_characters_themselves() {
    assert_eq!(
        render(&json!("costs $${ 5 } or $5")),
        json!("costs ${ 5 } or $5")
    );
    assert_eq!(
        render(&json!(["$${", {"a": "$${x}"}])),
        json!(["${", {"a": "${x}"}])
    );
    assert_eq!(
        Template::parse(&json!("$${")).unwrap().constant(),
        Some(json!("${"))
    );
}

#[test]
fn broken_templates_are_refused() {
    let message = |t: Value| Template::parse(&t).expect_err("is broken").to_string();
    assert!(message(json!("${ $input.a")).contains("not closed"));
    assert!(message(json!({"a": ["${ nope }"]})).contains("no function `nope`"));
    assert!(message(json!("${ ( }")).contains("missing"));
    let mut deep = json!("x");
    for _ in 0..100 {
        deep = json!([deep]);
    }
    assert!(message(deep).contains("deeper"));
}

#[test]
fn a_when_and_a_list_may_be_bare_or_wrapped() {
    for text in ["$input.n > 2", "${ $input.n > 2 }", " ${$input.n > 2} "] {
        assert_eq!(
            Expression::parse_bare_or_wrapped(text).unwrap().source(),
            "$input.n > 2"
        );
    }
    assert!(Expression::parse_bare_or_wrapped("${ 1 } and ${ 2 }").is_err());
    assert_eq!(
        Template::parse_list(&json!("$input.list"))
            .unwrap()
            .expressions()
            .count(),
        1
    );
    assert!(Template::parse_list(&json!([1, "${ $input.n }"])).is_ok());
    assert!(Template::parse_list(&json!(3)).is_err());
}

#[test]
fn a_rendered_value_is_capped() {
    let long = json!("x".repeat(3 << 20));
    let template = Template::parse(&json!(["${ $input }", "${ $input }"])).unwrap();
    assert!(template.render(&mut |_| Ok(long.clone())).is_err());
}
