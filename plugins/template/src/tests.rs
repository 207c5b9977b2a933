use super::*;

fn run(input: &Value) -> Result<ProcessResult<Value>> {
    ActionContext::for_test().run::<Render>(input)
}

fn gives(template: &str, values: Value, text: &str) {
    let result = run(&json!({ "template": template, "values": values }));
    let expected = ProcessResult::Success(json!({ "text": text }));
    assert_eq!(result, Ok(expected), "{template}");
}

fn refused(template: &str, values: Value) -> ActionError {
    run(&json!({ "template": template, "values": values })).expect_err(template)
}

#[test]
fn loops_conditions_filters_and_macros_render() {
    let order = json!({ "order": [
        { "title": "tea", "price": 3, "gift": true },
        { "title": "pot", "price": 20.5, "gift": false },
    ] });
    gives(
        "{% for item in order -%}\n{{ loop.index }}. {{ item.title | upper }}{% if item.gift %} (a gift){% endif %}\n{% endfor -%}\nIn all: {{ order | map(attribute=\"price\") | sum }}",
        order.clone(),
        "1. TEA (a gift)\n2. POT\nIn all: 23.5",
    );
    gives(
        "{% macro line(item) %}[{{ item.title }}]{% endmacro %}{{ line(order[0]) }}{% set n = order | length %}{{ n + 1 }}",
        order,
        "[tea]3",
    );
    gives(
        "{% for key, value in map | items %}{{ key }}={{ value }};{% endfor %}",
        json!({ "map": { "b": 1, "a": null } }),
        "b=1;a=None;",
    );
    gives("no values at all", json!({}), "no values at all");
}

#[test]
fn numbers_are_written_as_they_are() {
    gives(
        "{{ a }} {{ b }} {{ c }} {{ d }}",
        json!({ "a": 9_007_199_254_740_993_i64, "b": -1, "c": 1.5, "d": u64::MAX }),
        "9007199254740993 -1 1.5 18446744073709551615",
    );
}

#[test]
fn values_are_escaped_as_asked() {
    let values = json!({ "v": "<a href=\"x\">O'Hara & co</a>", "list": [1, null, "é"] });
    for (escape, template, text) in [
        ("none", "{{ v }}", "<a href=\"x\">O'Hara & co</a>"),
        (
            "html",
            "<b>{{ v }}</b>",
            "<b>&lt;a href=&quot;x&quot;&gt;O&#x27;Hara &amp; co&lt;&#x2f;a&gt;</b>",
        ),
        ("html", "{{ v | safe }}", "<a href=\"x\">O'Hara & co</a>"),
        (
            "json",
            "{\"list\": {{ list }}}",
            "{\"list\": [1,null,\"é\"]}",
        ),
    ] {
        let input = json!({ "template": template, "values": values, "escape": escape });
        let expected = ProcessResult::Success(json!({ "text": text }));
        assert_eq!(run(&input), Ok(expected), "{escape} {template}");
    }
    // Whatever a value holds, it is one JSON value.
    let input = json!({ "template": "{{ v }}", "values": values, "escape": "json" });
    let Ok(ProcessResult::Success(output)) = run(&input) else {
        panic!("renders");
    };
    let text = output["text"].as_str().expect("a text");
    let read: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(read, values["v"]);
}

#[test]
fn a_value_is_never_read_as_a_template() {
    let values = json!({ "v": "{{ 1 + 1 }}{% raw %}" });
    gives("{{ v }}", values, "{{ 1 + 1 }}{% raw %}");
}

#[test]
fn what_is_not_there_fails_unless_the_template_or_the_input_allows_it() {
    for template in [
        "a\n{{ missing }}",
        "a\n{% if missing %}b{% endif %}",
        "a\n{{ there.missing.deep }}",
    ] {
        let error = refused(template, json!({ "there": {} }));
        assert!(
            matches!(&error, ActionError::Permanent(why) if why.contains("line 2: undefined value")),
            "{error}"
        );
        let input =
            json!({ "template": template, "values": { "there": {} }, "undefined": "lenient" });
        let expected = ProcessResult::Success(json!({ "text": "a\n" }));
        assert_eq!(run(&input), Ok(expected), "{template}");
    }
    gives(
        "{{ missing | default(\"none\") }}{% if missing is defined %}x{% endif %}",
        json!({}),
        "none",
    );
}

#[test]
fn a_template_that_is_none_names_the_line_and_the_reason() {
    for (template, part) in [
        (
            "a\n{% for x in y %}",
            "template: line 2: syntax error: unexpected end of input",
        ),
        (
            "{{ a +* b }}",
            "template: line 1: syntax error: unexpected `*`",
        ),
        (
            "\n\n{% nope %}",
            "template: line 3: syntax error: unknown statement nope",
        ),
        (
            "{% include \"x\" %}",
            "template: line 1: syntax error: unknown statement include",
        ),
    ] {
        let error = refused(template, json!({}));
        assert!(
            matches!(&error, ActionError::InvalidInput(why) if why.starts_with(part)),
            "{error}"
        );
    }
    for (template, part) in [
        (
            "\n{{ 1 | nope }}",
            "the template failed: line 2: unknown filter: ",
        ),
        (
            "\n{{ nope() }}",
            "the template failed: line 2: unknown function: ",
        ),
        ("\n{{ 1 / 0 }}", "the template failed: line 2: "),
        (
            "\n{{ \"a\" + 1 }}",
            "the template failed: line 2: invalid operation: ",
        ),
        (
            "{% for i in range(1000000000) %}{% endfor %}",
            "range has too many elements",
        ),
    ] {
        let error = refused(template, json!({}));
        assert!(error.to_string().contains(part), "{template}: {error}");
    }
}

#[test]
fn recursion_without_end_is_an_error() {
    let error = refused(
        "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
        json!({}),
    );
    assert!(error.to_string().contains("recursion"), "{error}");
}
