//! Expressions that mean harm: each ends in an error that names its limit, and
//! whatever is written or read, nothing panics. What runs in the sandbox is
//! attacked in `tests/house/packs/hostile.rs`.

use serde_json::Map;

use super::*;
use crate::expression::budget::{Budget, MAX_BUILT, MAX_STEPS};
use crate::payload::MAX_PAYLOAD;

/// Cases of a property.
fn cases() -> u32 {
    if std::env::var_os("NEBULA_LONG").is_some() {
        100_000
    } else {
        2_000
    }
}

/// The error of an expression that must be refused while it is evaluated.
fn passes(source: &str, input: &Value) -> String {
    let Err(error) = direct(source, input.clone(), Value::Null) else {
        panic!("{source} passes no limit")
    };
    assert!(error.hint.is_some(), "{source}: {error}");
    error.to_string()
}

/// `count` values of one byte each.
fn many(count: usize) -> Value {
    Value::Array(vec![Value::Null; count])
}

/// As many short keys as a payload holds.
fn wide() -> Value {
    let keys = (0..200_000).map(|n| (format!("{n:x}"), Value::Null));
    Value::Object(keys.collect::<Map<_, _>>())
}

// --------------------------------------------------------------- limits --

#[test]
fn what_an_expression_builds_is_bounded_inside_every_operator() {
    let text = json!("a,".repeat(MAX_PAYLOAD / 2));
    let numbers: Value = (0..600_000).collect();
    for (source, input) in [
        ("\"aaaaaaaaaa\" * 1000000000", &Value::Null),
        ("1000000000 * \"aaaaaaaaaa\"", &Value::Null),
        ("\"a\" * 9223372036854775807", &Value::Null),
        (
            "\"a\" * 170141183460469231731687303715884105727",
            &Value::Null,
        ),
        ("$input * 100", &text),
        ("($input * 8) * 8", &text),
        ("$input / \"\"", &text),
        ("$input / \",\"", &text),
        ("($input / \",\") == ($input / \",\")", &text),
        ("$input + $input", &numbers),
        ("$input - $input", &numbers),
        ("($input * $input) * $input", &wide()),
        (
            "(($input + $input) + ($input + $input)) + ($input * 20)",
            &text,
        ),
    ] {
        let why = passes(source, input);
        assert!(
            why.contains(&format!("builds more than {MAX_BUILT} bytes")),
            "{source}: {why}"
        );
    }
}

#[test]
fn what_an_expression_compares_is_bounded_inside_every_operator() {
    let list = many(MAX_PAYLOAD - 16);
    let wide = wide();
    let nested = Value::Array(vec![json!([[[[[[[[]]]]]]]]); 150_000]);
    let thrice = |op: &str| {
        format!("($input {op} $input) == (($input {op} $input) == ($input {op} $input))")
    };
    for op in ["==", "!=", "<", "<=", ">", ">="] {
        let sources = [thrice(op)];
        for (source, input) in sources.iter().flat_map(|s| [(s, &list), (s, &wide)]) {
            let why = passes(source, input);
            assert!(
                why.contains(&format!("more than {MAX_STEPS} steps")),
                "{source}: {why}"
            );
        }
    }
    let texts = Value::Array(vec![json!("x".repeat(200)); 20_000]);
    for (source, input) in [
        (
            "$input - $input",
            &Value::Array(vec![json!([1, 2]); 200_000]),
        ),
        ("$input - $input", &texts),
        (
            "(($input == $input) and ($input == $input) and ($input == $input) and ($input == $input)) and (($input == $input) and ($input == $input) and ($input == $input) and ($input == $input))",
            &nested,
        ),
    ] {
        let why = passes(source, input);
        assert!(why.contains("the expression "), "{source}: {why}");
    }
}

#[test]
fn a_limit_is_not_an_error_that_an_expression_can_catch() {
    let text = json!("a".repeat(MAX_PAYLOAD - 16));
    for source in [
        "($input * 100)? // 1",
        "[] == ($input * 100)?",
        "($input * 100) + ($input.a?)",
        "(($input * 100)?) // (($input * 100)?) // 1",
        "(($input * 100) == 1)? or true",
        "($input / \"\")? | not",
    ] {
        let why = passes(source, &text);
        assert!(why.contains("builds more than"), "{source}: {why}");
    }
}

#[test]
fn what_fits_a_payload_is_still_compared() {
    let list = many(MAX_PAYLOAD - 16);
    for source in ["$input == $input", "$input <= $input", "$input != []"] {
        assert_eq!(
            direct(source, list.clone(), Value::Null),
            Ok(json!(true)),
            "{source}"
        );
    }
    let numbers: Value = (0..50_000).collect();
    assert_eq!(
        direct("$input - $input", numbers, Value::Null),
        Ok(json!([]))
    );
}

#[test]
fn lists_of_numbers_that_no_order_sorts_are_subtracted() {
    // Two different integers, each of which is equal to the float between them.
    let (a, b, float) = (
        json!(9_007_199_254_740_992_i64),
        json!(9_007_199_254_740_993_i64),
        json!(9_007_199_254_740_992.0),
    );
    let mut dice = 1_u64;
    let mixed: Vec<Value> = (0..5_000)
        .map(|_| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            [&a, &b, &float][(dice >> 33) as usize % 3].clone()
        })
        .collect();
    let gone = direct(
        "$input - $nodes.fetch.result",
        json!([a, b, float]),
        json!(mixed),
    );
    assert_eq!(gone, Ok(json!([])));
    let left = direct(
        "$input - $nodes.fetch.result",
        json!([a, b, float, 1]),
        json!([a]),
    );
    assert_eq!(left, Ok(json!([b, 1])));
}

// ---------------------------------------------------------------- depth --

/// What opens something, what stands in it, and what closes it.
const NESTS: [(&str, &str, &str); 26] = [
    ("(1 | 1 | ", "1", ")"),
    ("$input[if 1 | 1 then ", "1", " | 1 end]"),
    ("(", "1", ")"),
    ("[", "1", "]"),
    ("{a:", "1", "}"),
    ("{(", "\"a\"", "):1}"),
    ("\"\\(", "1", ")\""),
    ("-", "1", ""),
    ("- ", "1", ""),
    ("if ", "1", " then 1 end"),
    ("if 1 then ", "1", " end"),
    ("if 1 then 1 else ", "1", " end"),
    ("if 1 then 1 ", "", ""),
    ("try ", "1", ""),
    ("try 1 catch ", "1", ""),
    ("reduce ", "1", " as $x (0; .)"),
    ("foreach 1 as $x (0; ", "1", ")"),
    ("label $x | ", "1", ""),
    ("def f: ", "1", "; f"),
    ("def f: 1; ", "1", ""),
    ("1 as $x | ", "1", ""),
    ("1 as [", "$x", "] | 1"),
    ("1 as {a: ", "$x", "} | 1"),
    ("$input[", "0", "]"),
    ("map(", ".", ")"),
    ("..", "", ""),
];

/// What is repeated after a term.
const CHAINS: [&str; 26] = [
    " | 1",
    ", 1",
    " // 1",
    " or 1",
    " and 1",
    " + 1",
    " - 1",
    " * 1",
    " / 1",
    " % 1",
    " == 1",
    " < 1",
    " = 1",
    " |= 1",
    " += 1",
    " //= 1",
    "?",
    ".a",
    ".a?",
    "[0]",
    "[]",
    "[1:]",
    ".[0]",
    " as $x | 1",
    " -1",
    " | not",
];

/// How often something is nested: far too often, and as often as the caps allow.
const DEPTHS: [usize; 10] = [100_000, 4_000, 999, 499, 332, 256, 249, 128, 127, 64];

/// Runs on a stack that is half of what a thread of a node has.
fn on_a_small_stack(attack: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(1 << 20);
    let ended = thread.spawn(attack).expect("a thread").join();
    ended.expect("no panic");
}

fn nested() -> impl Iterator<Item = (usize, String)> {
    DEPTHS.into_iter().flat_map(|n| {
        let nests = NESTS.into_iter().flat_map(move |(open, middle, close)| {
            let whole = format!("{}{middle}{}", open.repeat(n), close.repeat(n));
            [whole, open.repeat(n)]
        });
        let chains = CHAINS
            .into_iter()
            .flat_map(move |link| [format!("$input{}", link.repeat(n)), link.repeat(n)]);
        nests.chain(chains).map(move |source| (n, source))
    })
}

#[test]
fn no_nesting_overflows_the_stack() {
    on_a_small_stack(|| {
        let scope = scope(json!({"a": [1]}), Value::Null);
        for (n, source) in nested() {
            let parsed = Expression::parse(&source);
            let start: String = source.chars().take(20).collect();
            if n >= 4_000 {
                let error = parsed.expect_err(&start);
                assert!(
                    !error.message.is_empty() && error.message.len() < 1_000,
                    "{start}"
                );
                continue;
            }
            let Ok(expression) = parsed else { continue };
            let _ = expression.variables(&scope);
            let _ = expression.clone();
            if let Some(direct) = expression.direct() {
                let _ = direct.evaluate(&scope);
            }
        }
    });
}

#[test]
fn no_nesting_of_a_template_overflows_the_stack() {
    on_a_small_stack(|| {
        for (_, source) in nested() {
            for text in [format!("${{ {source} }}"), format!("a ${{{source}"), source] {
                let _ = Template::parse(&json!(text));
                let _ = Expression::parse_bare_or_wrapped(&text);
                let _ = Template::parse_list(&json!(text));
            }
        }
        for text in ["${", "${ ", "$${", "${\"", "${\"\\(", "${{", "${#"] {
            let _ = Template::parse(&json!(text.repeat(100_000)));
        }
    });
}

#[test]
fn the_caps_of_an_expression_are_named() {
    let of = |source: String| {
        Expression::parse(&source)
            .expect_err("is over a cap")
            .to_string()
    };
    assert!(of("1".repeat(16 * 1024 + 1)).contains("at most 16384"));
    assert!(of("(".repeat(129)).contains("more than 128 brackets"));
    assert!(of("1 ".repeat(1_001)).contains("more than 1000 parts"));
    assert!(of(format!("{}1", "-".repeat(129))).contains("nests too deep"));
    assert!(of(format!("1{}", " | 1".repeat(257))).contains("more than 256 operators"));
    assert!(Expression::parse(&format!("[1{}]", ", 1".repeat(255))).is_ok());
    let template = json!("${1}".repeat(1_001));
    let error = Template::parse(&template).expect_err("is over a cap");
    assert!(
        error.message.contains("more than 1000 expressions"),
        "{error}"
    );
}

// --------------------------------------------------------------- escape --

#[test]
fn data_is_never_evaluated() {
    for text in [
        "${ 1 + 1 }",
        "$${ 1 }",
        "$input",
        "${ $vars.secret }",
        "\\(1 + 1)",
        "{{ 7 * 7 }}",
        "%s%n%x",
        "#{1}",
        "@json",
        "\"\\(env)\"",
        "$ENV.PATH",
    ] {
        let scope = scope(json!({"x": text, "list": [text]}), json!(text));
        let rendered = |template: Value| {
            let template = Template::parse(&template).unwrap();
            template.render(&mut |e| e.direct().unwrap().evaluate(&scope))
        };
        assert_eq!(rendered(json!("${ $input.x }")), Ok(json!(text)));
        assert_eq!(
            rendered(json!("a ${ $input.x } b ${ $nodes.fetch.result }")),
            Ok(json!(format!("a {text} b {text}")))
        );
        assert_eq!(
            rendered(json!({"k": ["${ $input.list }", "${ $input.x + $input.x }"]})),
            Ok(json!({"k": [[text], format!("{text}{text}")]}))
        );
    }
}

#[test]
fn names_of_other_languages_are_only_names() {
    for key in [
        "__proto__",
        "constructor",
        "prototype",
        "toString",
        "__class__",
        "this",
    ] {
        let source = format!("$input.{key}");
        assert_eq!(direct(&source, json!({}), Value::Null), Ok(Value::Null));
        let own = json!({key: {"polluted": 1}});
        let merged = direct("$input * $input", own.clone(), Value::Null);
        assert_eq!(merged, Ok(own.clone()));
        assert_eq!(
            direct(&source, own, Value::Null),
            Ok(json!({"polluted": 1}))
        );
        assert!(direct(&source, json!("text"), Value::Null).is_err());
    }
}

#[test]
fn only_listed_functions_exist() {
    for source in [
        "$ENV",
        "$ENV.PATH",
        "env.PATH",
        "env",
        "$__prog_args",
        "$__loc__",
        "$ARGS",
        "input",
        "inputs",
        "input_filename",
        "input_line_number",
        "debug",
        "stderr",
        "halt",
        "halt_error",
        "now",
        "localtime",
        "modulemeta",
        "get_search_list",
        "builtins",
        "getpath",
        "limit(1)",
        "splits(\"a\")",
        "ltrimstr",
        "@csv",
        "@eval",
        "@sh2 \"x\"",
        "eval(\"1\")",
        "system(\"id\")",
        "require(\"fs\")",
        "import \"a\" as a; a::f",
        "include \"a\"; f",
        "a::f",
        "$a::b",
        "a::b(1)",
        "$nodes",
        "$nodes[]",
        "$nodes | keys",
        "$self",
        "$this",
        "$credentials",
        "$secrets",
    ] {
        let error = Expression::parse(source).expect_err(source);
        assert!(!error.message.is_empty(), "{source}");
    }
}

#[test]
fn every_operator_takes_every_pair_of_kinds() {
    let values = [
        "null",
        "true",
        "false",
        "0",
        "-1",
        "1.5",
        "9223372036854775807",
        "1e308",
        "(1/0)",
        "(0/0)",
        "\"\"",
        "\"a\"",
        "[]",
        "{}",
        "$input",
        "$input.list",
        "$input.a?",
        "$nodes.fetch.result",
    ];
    let operators = [
        "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "and", "or", "//",
    ];
    let scope = scope(
        json!({"a": {"b": [1, "x"]}, "list": [1, [2], {"c": null}]}),
        json!("é"),
    );
    let mut evaluated = 0;
    for left in values {
        for operator in operators {
            for right in values {
                let source = format!("({left} {operator} {right}) | not");
                let expression = Expression::parse(&source).expect(&source);
                let direct = expression.direct().expect(&source);
                if let Err(error) = direct.evaluate(&scope) {
                    assert!(!error.message.is_empty(), "{source}");
                }
                evaluated += 1;
            }
        }
    }
    assert_eq!(evaluated, values.len() * values.len() * operators.len());
}

// ----------------------------------------------------------- properties --

/// Every sort of token there is, and some that are none.
const TOKENS: [&str; 74] = [
    "$input",
    "$vars",
    "$nodes",
    "$nodes.fetch.result",
    "$item",
    "$index",
    "$x",
    "$",
    ".",
    "..",
    ".a",
    ".a?",
    ".\"a\"",
    ".[",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "\"",
    "\\(",
    "\"a\"",
    "\"\\u00e9\"",
    "\\",
    "${",
    "}",
    "$${",
    "0",
    "1",
    "1.5",
    "1e9",
    "1e",
    "9223372036854775808",
    "-",
    "+",
    "*",
    "/",
    "%",
    "//",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "=",
    "|=",
    "+=",
    "//=",
    "and",
    "or",
    "not",
    "|",
    ",",
    ";",
    ":",
    "?",
    "?//",
    "if",
    "then",
    "elif",
    "else",
    "end",
    "as",
    "reduce",
    "foreach",
    "def",
    "try",
    "catch",
    "label",
    "break",
    "@json",
    "map",
];

/// Evaluates twice: the same value for the same cost, which is within the limits.
fn holds_still(expression: &Expression, scope: &Variables) -> Result<(), TestCaseError> {
    prop_assert_eq!(expression.variables(scope), expression.variables(scope));
    let Some(direct) = expression.direct() else {
        return Ok(());
    };
    let (mut first, mut second) = (Budget::new(), Budget::new());
    let value = direct.evaluate_within(scope, &mut first);
    prop_assert_eq!(&value, &direct.evaluate_within(scope, &mut second));
    prop_assert_eq!(&first, &second);
    prop_assert!(!first.is_spent() || value.is_err());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn any_text_is_parsed_or_refused(text in any::<String>(), wrapped in any::<bool>()) {
        let text = if wrapped { format!("a${{{text}}}") } else { text };
        let scope = scope(json!({"a": [1]}), Value::Null);
        if let Ok(expression) = Expression::parse(&text) {
            holds_still(&expression, &scope)?;
        }
        let _ = Expression::parse_bare_or_wrapped(&text);
        let _ = Template::parse_list(&json!(text));
        let template = Template::parse(&json!({"a": [text]}));
        prop_assert_eq!(&template, &Template::parse(&json!({"a": [text]})));
    }

    #[test]
    fn any_tokens_are_parsed_or_refused(
        tokens in prop::collection::vec((prop::sample::select(TOKENS.as_slice()), any::<bool>()), 0..60),
        input in value(),
        fetch in value(),
    ) {
        let text: String = tokens
            .iter()
            .flat_map(|(token, space)| [*token, if *space { " " } else { "" }])
            .collect();
        let _ = Template::parse(&json!(text));
        if let Ok(expression) = Expression::parse(&text) {
            holds_still(&expression, &scope(input, fetch))?;
        }
    }

    #[test]
    fn what_is_evaluated_twice_gives_and_costs_the_same(
        source in source(),
        input in value(),
        fetch in value(),
    ) {
        let expression = Expression::parse(&source).unwrap();
        holds_still(&expression, &scope(input, fetch))?;
    }
}
