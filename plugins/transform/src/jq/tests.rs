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
    gives("nan, 1", Value::Null, Value::Null);
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
