use ::csv::ReaderBuilder;
use proptest::prelude::*;

use super::*;

fn run(input: &Value) -> Result<String> {
    match ActionContext::for_test().run::<Render>(input)? {
        ProcessResult::Success(output) => Ok(output["text"].as_str().expect("a text").to_owned()),
        other => panic!("{other:?}"),
    }
}

fn rows() -> Value {
    json!([
        { "city": "Cairo, \"old\"", "temp": 28.5, "tags": ["hot", 1] },
        { "city": "=1+1", "ok": true },
        { "city": "two\nlines | <b>", "temp": -3, "ok": null },
    ])
}

#[test]
fn rows_are_written_as_csv() {
    assert_eq!(
        run(&json!({ "rows": rows() })).expect("renders"),
        "city,temp,tags,ok\n\"Cairo, \"\"old\"\"\",28.5,\"[\"\"hot\"\",1]\",\n=1+1,,,true\n\"two\nlines | <b>\",-3,,\n"
    );
    let input = json!({
        "rows": rows(), "columns": ["temp", "city", "none"], "delimiter": "\t", "headers": false, "guard_formulas": true,
    });
    assert_eq!(
        run(&input).expect("renders"),
        "28.5\t\"Cairo, \"\"old\"\"\"\t\n\t'=1+1\t\n-3\t\"two\nlines | <b>\"\t\n"
    );
    assert_eq!(run(&json!({ "rows": [] })).expect("renders"), "");
}

#[test]
fn rows_are_written_as_markdown() {
    let input = json!({ "rows": rows(), "columns": ["city", "temp"], "format": "markdown" });
    assert_eq!(
        run(&input).expect("renders"),
        "| city | temp |\n| --- | ---: |\n| Cairo, \"old\" | 28.5 |\n| =1+1 |  |\n| two<br>lines \\| &lt;b> | -3 |\n"
    );
}

#[test]
fn what_cannot_be_written_is_refused() {
    for (input, part) in [
        (json!({ "rows": [], "delimiter": "é" }), "delimiter: "),
        (json!({ "rows": [], "delimiter": "\"" }), "delimiter: "),
        (json!({ "rows": [[1, 2]] }), "rows"),
        (json!({ "rows": [], "format": "xlsx" }), "xlsx"),
    ] {
        let error = run(&input).expect_err("refused");
        assert!(
            matches!(&error, ActionError::InvalidInput(why) if why.contains(part)),
            "{error}"
        );
    }
}

proptest! {
    #[test]
    fn what_was_written_as_csv_is_read_again(
        fields in proptest::collection::vec(proptest::collection::vec("(\\PC|[\\n\\r\",;']){0,6}", 3), 0..5),
        delimiter in "[,;\\t|]",
    ) {
        let rows: Vec<Value> = fields.iter().map(|row| json!({ "a": row[0], "b": row[1], "c": row[2] })).collect();
        let text = run(&json!({ "rows": rows, "columns": ["a", "b", "c"], "delimiter": delimiter })).expect("renders");
        let mut reader = ReaderBuilder::new().delimiter(delimiter.as_bytes()[0]).from_reader(text.as_bytes());
        prop_assert_eq!(reader.headers().expect("reads"), vec!["a", "b", "c"]);
        let read: Vec<Vec<String>> = reader.records().map(|row| row.expect("reads").iter().map(str::to_owned).collect()).collect();
        prop_assert_eq!(read, fields);
    }

    #[test]
    fn a_cell_is_one_cell_of_one_line(text in "(\\PC|[\\n\\r|\\\\`]){0,20}") {
        let rows = json!([{ "a": text, "b": "end" }]);
        let written = run(&json!({ "rows": rows, "format": "markdown" })).expect("renders");
        let lines: Vec<&str> = written.split_terminator('\n').collect();
        prop_assert_eq!(lines.len(), 3);
        let mut bars = 0;
        let mut escaped = false;
        for c in lines[2].chars() {
            bars += usize::from(c == '|' && !escaped);
            escaped = c == '\\' && !escaped;
        }
        prop_assert_eq!(bars, 3);
    }
}
