//! The statements that the actions write, and what becomes of rows.

extern crate std;

use nebula_sdk::action::native::{SqlAnswer, SqlStatement};
use nebula_sdk::action::resource::Dialect;
use nebula_sdk::prelude::*;
use std::sync::{Arc, Mutex};

use crate::{Insert, Query, Update};

/// Runs an action whose database gives these rows; what it gave, and what it was asked.
fn run<A: ProcessAction>(input: Value, rows: Value) -> (Result<Value>, Vec<SqlStatement>) {
    run_on::<A>(Dialect::Sqlite, input, rows)
}

fn run_on<A: ProcessAction>(
    dialect: Dialect,
    input: Value,
    rows: Value,
) -> (Result<Value>, Vec<SqlStatement>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let Value::Array(rows) = rows else {
        panic!("rows are a list");
    };
    let ctx = ActionContext::for_test().with_sql_of(dialect, "db", move |statement| {
        seen.lock().unwrap().push(statement.clone());
        let changed = rows.len() as u64;
        let rows = rows.clone();
        Ok(SqlAnswer { rows, changed })
    });
    let output = ctx.run::<A>(&input).map(|ended| match ended {
        ProcessResult::Success(output) => output,
        other => panic!("{other:?}"),
    });
    let asked = asked.lock().unwrap().clone();
    (output, asked)
}

fn refusal<A: ProcessAction>(input: Value) -> String {
    let (output, asked) = run::<A>(input, json!([]));
    assert!(asked.is_empty(), "{asked:?}");
    output.expect_err("refused").to_string()
}

#[test]
fn a_query_gives_its_rows_and_no_more_than_it_may() {
    let input = json!({ "sql": "SELECT * FROM t WHERE a = $1", "parameters": ["x' OR 1=1"] });
    let (output, asked) = run::<Query>(input, json!([{ "b": 1, "a": [null, { "c": 0.5 }] }]));
    let wanted = json!({ "rows": [{ "b": 1, "a": [null, { "c": 0.5 }] }], "count": 1 });
    assert_eq!(output, Ok(wanted));
    assert_eq!(asked[0].text, "SELECT * FROM t WHERE a = $1");
    assert_eq!(asked[0].parameters, [json!("x' OR 1=1")]);
    let input = json!({ "sql": "SELECT 1", "max_rows": 1 });
    let (output, _) = run::<Query>(input, json!([{ "a": 1 }, { "a": 2 }]));
    let error = output.expect_err("too many").to_string();
    assert!(error.contains("more than 1 rows"), "{error}");
}

#[test]
fn an_insert_quotes_names_and_binds_values() {
    let input = json!({ "table": "shop.or\"ders", "values": { "id": 7, "the city": "x'); --" } });
    let (output, asked) = run::<Insert>(input, json!([{}]));
    assert_eq!(output, Ok(json!({ "inserted": 1, "rows": [] })));
    assert_eq!(
        asked[0].text,
        r#"INSERT INTO "shop"."or""ders" ("id", "the city") VALUES ($1, $2)"#
    );
    assert_eq!(asked[0].parameters, [json!(7), json!("x'); --")]);
    let input = json!({
        "table": "t", "rows": [{ "a": 1, "b": 2 }, { "b": 4, "a": 3 }],
        "on_conflict": "ignore", "returning": ["a"],
    });
    let (output, asked) = run::<Insert>(input, json!([{ "a": 1 }, { "a": 3 }]));
    assert_eq!(
        output,
        Ok(json!({ "inserted": 2, "rows": [{ "a": 1 }, { "a": 3 }] }))
    );
    assert_eq!(
        asked[0].text,
        r#"INSERT INTO "t" ("a", "b") VALUES ($1, $2), ($3, $4) ON CONFLICT DO NOTHING RETURNING "a""#
    );
    assert_eq!(asked[0].parameters, [1, 2, 3, 4]);
}

#[test]
fn an_update_names_its_rows() {
    let input = json!({
        "table": "orders", "set": { "state": "sent", "note": null },
        "where": { "id": 7, "sent_at": null },
    });
    let (output, asked) = run::<Update>(input, json!([{}]));
    assert_eq!(output, Ok(json!({ "updated": 1, "rows": [] })));
    assert_eq!(
        asked[0].text,
        r#"UPDATE "orders" SET "state" = $1, "note" = $2 WHERE "id" = $3 AND "sent_at" IS NULL"#
    );
    assert_eq!(asked[0].parameters, [json!("sent"), json!(null), json!(7)]);
}

#[test]
fn mysql_quotes_and_leaves_out_in_its_own_way() {
    let on = Dialect::MySql;
    let input = json!({
        "table": "shop.or`\"ders", "rows": [{ "a": 1 }, { "a": 2 }], "on_conflict": "ignore",
    });
    let (output, asked) = run_on::<Insert>(on, input, json!([{}]));
    assert_eq!(output, Ok(json!({ "inserted": 1, "rows": [] })));
    let wanted = "INSERT IGNORE INTO `shop`.`or``\"ders` (`a`) VALUES ($1), ($2)";
    assert_eq!(asked[0].text, wanted);
    let input = json!({ "table": "t", "values": { "a": 1 }, "returning": ["id"] });
    let (_, asked) = run_on::<Insert>(on, input, json!([{ "id": 1 }]));
    let wanted = "INSERT INTO `t` (`a`) VALUES ($1) RETURNING `id`";
    assert_eq!(asked[0].text, wanted);
    let update = json!({ "table": "t", "set": { "a": 1 }, "where": { "b": 2 } });
    let (_, asked) = run_on::<Update>(on, update.clone(), json!([{}]));
    assert_eq!(asked[0].text, "UPDATE `t` SET `a` = $1 WHERE `b` = $2");
    let mut returning = update;
    returning["returning"] = json!(["a"]);
    let (output, asked) = run_on::<Update>(on, returning, json!([]));
    let error = output.expect_err("refused").to_string();
    assert!(error.contains("`returning` of an update"), "{error}");
    assert!(asked.is_empty(), "{asked:?}");
}

#[test]
fn what_makes_no_statement_is_refused_before_the_database_is_asked() {
    let cases = [
        json!({ "table": "t" }),
        json!({ "table": "t", "values": {} }),
        json!({ "table": "t", "values": { "a": 1 }, "rows": [{ "a": 1 }] }),
        json!({ "table": "t", "rows": [{ "a": 1 }, { "b": 1 }] }),
        json!({ "table": "t", "rows": [{ "a": 1 }, { "a": 1, "b": 1 }] }),
        json!({ "table": "", "values": { "a": 1 } }),
        json!({ "table": "a..b", "values": { "a": 1 } }),
        json!({ "table": "t", "values": { "": 1 } }),
    ];
    for input in cases {
        refusal::<Insert>(input);
    }
    let error = refusal::<Update>(json!({ "table": "t", "set": { "a": 1 }, "where": {} }));
    assert!(error.contains("`where` names no column"), "{error}");
    let error = refusal::<Update>(json!({ "table": "t", "set": {}, "where": { "a": 1 } }));
    assert!(error.contains("`set` names no column"), "{error}");
}

#[test]
fn each_asks_for_its_database() {
    for said in [
        nebula_sdk::action::invoke::describe::<Query>(),
        nebula_sdk::action::invoke::describe::<Insert>(),
        nebula_sdk::action::invoke::describe::<Update>(),
    ] {
        let asks = r#""x-resources":{"db":"sql"}}"#;
        assert!(said.input_schema.ends_with(asks), "{}", said.input_schema);
    }
}
