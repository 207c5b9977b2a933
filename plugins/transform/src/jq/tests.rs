use super::*;

fn run(filter: &str, input: Value) -> Result<ProcessResult<Value>> {
    let variables = json!({ "limit": 30, "who": "Ada" });
    let input = json!({ "filter": filter, "input": input, "variables": variables });
    ActionContext::for_test().run::<ApplyFilter>(&input)
}

fn gives(filter: &str, input: Value, output: Value) {
    assert_eq!(
        run(filter, input),
        Ok(ProcessResult::Success(output)),
        "{filter}"
    );
}

#[test]
fn filters_reshape_values() {
    let rows = json!([
        { "city": "A", "temp": 31.26, "hot": true },
        { "city": "B", "temp": 9, "hot": false },
        { "city": "A", "temp": 33, "hot": true },
    ]);
    gives(
        "map(select(.temp > $limit)) | length",
        rows.clone(),
        json!(2),
    );
    gives(
        "group_by(.city) | map({city: .[0].city, hot: (map(select(.hot)) | length), mean: ((map(.temp) | add) / length * 10 | round / 10)}) | sort_by(-.hot)",
        rows.clone(),
        json!([{ "city": "A", "hot": 2, "mean": 32.1 }, { "city": "B", "hot": 0, "mean": 9.0 }]),
    );
    gives("max_by(.temp).city", rows, json!("A"));
    gives("\"Hello, \\($who)!\"", Value::Null, json!("Hello, Ada!"));
    gives(
        "to_entries | map(.key)",
        json!({ "b": 1, "a": 2 }),
        json!(["b", "a"]),
    );
    gives(
        "split(\", \") | map(ascii_upcase) | join(\"-\")",
        json!("a, b"),
        json!("A-B"),
    );
    gives("@uri", json!("São Paulo"), json!("S%C3%A3o%20Paulo"));
    gives("pow(2; 10), sqrt", json!(9), json!(1024.0));
    gives("[exp2, exp10]", json!(3), json!([8.0, 1000.0]));
    gives("first(range(10; 20)), 5", Value::Null, json!(10));
    gives(
        ".[0] + 1",
        json!([9_007_199_254_740_993_i64]),
        json!(9_007_199_254_740_994_i64),
    );
    gives(
        "[.[] | tostring]",
        json!([1, 2.5, null, "a"]),
        json!(["1", "2.5", "null", "a"]),
    );
}

#[test]
fn a_result_that_is_no_finite_number_is_an_error_and_not_a_silent_null() {
    for filter in ["nan, 1", "1 / 0", "[0 % 0.0]", "{a: infinite}", "1e1000"] {
        let error = run(filter, Value::Null).expect_err(filter);
        assert!(
            error.to_string().contains("not a finite number"),
            "{filter}: {error}"
        );
    }
    gives("[1 / 0 | isinfinite]", Value::Null, json!([true]));
}

#[test]
fn formats_write_texts_as_jqs_manual_has_them() {
    gives(
        "@html",
        json!("<a b=\"'&'\">"),
        json!("&lt;a b=&quot;&#39;&amp;&#39;&quot;&gt;"),
    );
    gives("@html \"<b>\\(.)</b>\"", json!("<"), json!("<b>&lt;</b>"));
    gives(
        "@sh \"echo \\(.)\"",
        json!(["O'Hara", 1]),
        json!("echo 'O'\\''Hara' 1"),
    );
    gives("@uri, @urid", json!("São"), json!("S%C3%A3o"));
    gives("@urid", json!("S%C3%A3o%2f%zz%4"), json!("São/%zz%4"));
    for (plain, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("é", "w6k=")] {
        gives("@base64", json!(plain), json!(encoded));
        gives("@base64d", json!(encoded), json!(plain));
        gives(
            "@base64d",
            json!(encoded.trim_end_matches('=')),
            json!(plain),
        );
    }
    let error = run("@base64d", json!("Zg!=")).expect_err("no base64");
    assert!(error.to_string().contains("is not base64"), "{error}");
}

#[test]
fn what_reaches_out_of_the_filter_is_not_there() {
    for filter in [
        "env",
        "$ENV",
        "input",
        "inputs",
        "now",
        "halt",
        "debug",
        "stderr",
        "input_line_number",
        "halt_error",
    ] {
        let error = run(filter, Value::Null).expect_err(filter);
        assert!(
            matches!(&error, ActionError::InvalidInput(message) if message.contains("there is no")),
            "{filter}: {error}"
        );
    }
    assert!(matches!(
        run("import \"a\" as a; a", Value::Null),
        Err(ActionError::InvalidInput(_))
    ));
}

#[test]
fn mistakes_are_named() {
    let message = |filter| {
        run(filter, json!({ "a": "b" }))
            .expect_err(filter)
            .to_string()
    };
    assert_eq!(message("nope(1)"), "filter: there is no function `nope/1`");
    assert_eq!(message("$nope"), "filter: there is no variable `$nope`");
    assert!(
        message(".a |").starts_with("filter: expected "),
        "{}",
        message(".a |")
    );
    assert!(
        message(".a + 1").starts_with("the filter failed: "),
        "{}",
        message(".a + 1")
    );
    assert_eq!(message("empty"), "the filter has no output");
}

/// The list in docs/workflows.md.
#[test]
fn what_differs_from_jqs_manual_is_as_documented() {
    for (filter, output) in [
        ("[1, 2, 3] | del(.[0, 1])", json!([2])),
        ("[1, 2, 3] | .[] |= empty", json!([])),
        ("[null, \"a\"] | join(\"-\")", json!("null-a")),
        ("{} | .a = 1", json!({ "a": 1 })),
        ("[(1, 2) + (10, 20)]", json!([11, 21, 12, 22])),
        (
            "[\"\\(1, 2) \\(3, 4)\"]",
            json!(["1 3", "1 4", "2 3", "2 4"]),
        ),
        ("[reduce (1, 2) as $x (0; ., 10)]", json!([0, 10, 10, 10])),
        ("[limit(-1; 1, 2)]", json!([])),
        ("[\"1 2\" | tonumber]", json!([1, 2])),
        ("9007199254740993 + 1", json!(9_007_199_254_740_994_i64)),
        ("5.5 % 2", json!(1.5)),
        ("\"aéb\" | index(\"b\")", json!(2)),
        ("{a: 1} | .[0]", Value::Null),
    ] {
        gives(filter, Value::Null, output);
    }
    for filter in [
        "{} | .a.b = 1",
        "[] | .[2] = 1",
        "[1, 2] | .[1.5]",
        "1 | ltrimstr(\"a\")",
        "[{name: \"a\", value: 1}] | from_entries",
        "[[1]] | .[] as [$a] ?// $a | $a",
        "$__loc__",
        "empty",
    ] {
        assert!(run(filter, Value::Null).is_err(), "{filter}");
    }
    for filter in [
        "test(\"a\")",
        "match(\"a\")",
        "capture(\"a\")",
        "scan(\"a\")",
        "split(\"a\"; \"g\")",
        "splits(\"a\")",
        "sub(\"a\"; \"b\")",
        "gsub(\"a\"; \"b\")",
        "todate",
        "fromdate",
        "todateiso8601",
        "strftime(\"%Y\")",
        "strptime(\"%Y\")",
        "mktime",
        "gmtime",
        "@csv",
        "@tsv",
        "@base32",
        "tostream",
        "fromstream(.)",
        "IN(1)",
        "INDEX(.)",
        "GROUP_BY(.)",
        "leaf_paths",
        "ascii",
        "builtins",
        "sin",
        "ldexp(1; 2)",
        "significand",
        "getpath(1; 2)",
    ] {
        let error = run(filter, Value::Null).expect_err(filter).to_string();
        assert!(error.contains("there is no function"), "{filter}: {error}");
    }
}
