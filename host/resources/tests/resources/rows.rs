//! Values go in and rows come out; what is wrong is refused with its reason.

use nebula_sandbox::resources::{Dialect, ResourceError};
use serde_json::{Value, json};

use crate::kit::{self, Database};

on_every_database! {
    values_are_bound_and_rows_come_back,
    many_rows_come_in_parts,
    only_one_statement_for_rows_is_taken,
    what_is_wrong_is_refused_and_the_next_statement_runs,
    a_read_only_database_refuses_every_change,
}

async fn values_are_bound_and_rows_come_back(database: Database) {
    let db = database.open();
    let city = "Rome'); DROP TABLE orders; --";
    let insert = "INSERT INTO orders (id, city, total, seen) VALUES ($1, $2, $3, $1)";
    assert_eq!(db.execute(insert, json!([7, city, 0.5])).await, Ok(1));
    assert_eq!(db.execute(insert, json!([8, null, null])).await, Ok(1));
    let text = "SELECT total, id, city, seen FROM orders WHERE id >= $1 ORDER BY id";
    let rows = db.query(text, json!([7])).await.unwrap();
    let wanted = [
        json!({ "total": 0.5, "id": 7, "city": city, "seen": 7 }),
        json!({ "total": null, "id": 8, "city": null, "seen": 8 }),
    ];
    assert_eq!(rows, wanted);
    let columns: Vec<_> = rows[0].as_object().unwrap().keys().collect();
    assert_eq!(
        columns,
        ["total", "id", "city", "seen"],
        "as the statement says"
    );
    let update = "UPDATE orders SET seen = 0 WHERE id > $1";
    assert_eq!(db.execute(update, json!([0])).await, Ok(2));
    let text = "DELETE FROM orders WHERE city = $1 RETURNING id";
    assert_eq!(
        db.query(text, json!([city])).await,
        Ok(vec![json!({ "id": 7 })])
    );
    assert_eq!(db.execute("SELECT id FROM orders", json!([])).await, Ok(0));
    assert_eq!(db.count().await, 1);
}

async fn many_rows_come_in_parts(database: Database) {
    let db = database.open_with(|config| config.max_rows = 60_000);
    db.fill(50_000).await;
    let mut rows = db.begin("SELECT id, city FROM orders ORDER BY id").await;
    let (mut next, mut parts) = (1, 0);
    while let Some(part) = rows.next().await.unwrap() {
        assert!(part.len() < 300 << 10, "{}", part.len());
        let part: Vec<Value> = rmp_serde::from_slice(&part).unwrap();
        for row in part {
            assert_eq!(row, json!({ "id": next, "city": "Rome" }));
            next += 1;
        }
        parts += 1;
    }
    assert!(parts > 2 && next == 50_001, "{parts} parts, {next}");
    assert_eq!(rows.next().await, Ok(None), "and nothing after the end");
}

async fn only_one_statement_for_rows_is_taken(database: Database) {
    let db = database.open();
    db.fill(3).await;
    for text in [
        "SELECT 1; DELETE FROM orders",
        "DELETE FROM orders WHERE id = 1; DELETE FROM orders",
        "DROP TABLE orders",
        "CREATE TABLE x (a INTEGER)",
        "BEGIN",
        "COMMIT",
        "PRAGMA writable_schema = 1",
        "ATTACH DATABASE 'x.db' AS x",
        "VACUUM INTO 'x.db'",
        "SET search_path = x",
        "COPY orders TO '/tmp/x'",
        "-- SELECT\nDELETE FROM orders",
    ] {
        for error in [
            db.query(text, json!([])).await.expect_err(text),
            db.execute(text, json!([])).await.expect_err(text),
        ] {
            assert!(
                matches!(error, ResourceError::Refused(_)),
                "{text}: {error:?}"
            );
        }
    }
    assert_eq!(db.count().await, 3);
}

async fn what_is_wrong_is_refused_and_the_next_statement_runs(database: Database) {
    let db = database.open();
    db.fill(1).await;
    let refused = |found: Result<Vec<Value>, ResourceError>, wanted: &str| match found {
        Err(ResourceError::Refused(why)) => assert!(why.contains(wanted), "{why}"),
        other => panic!("{wanted}: {other:?}"),
    };
    refused(
        db.query("SELECT * FROM nothing", json!([])).await,
        "nothing",
    );
    let mistake = match db.dialect() {
        Dialect::MySql => "an error in your SQL syntax",
        _ => "syntax error",
    };
    refused(db.query("SELECT FROM WHERE", json!([])).await, mistake);
    let text = "SELECT id FROM orders WHERE id = $1";
    refused(
        db.query(text, json!([])).await,
        "1 parameters, and 0 values",
    );
    refused(
        db.query(text, json!([1, 2])).await,
        "1 parameters, and 2 values",
    );
    refused(db.query(text, json!({ "a": 1 })).await, "no list of values");
    let twice = "SELECT id, total AS id FROM orders";
    refused(
        db.query(twice, json!([])).await,
        "two columns are called `id`",
    );
    let taken = db
        .execute("INSERT INTO orders (id) VALUES ($1)", json!([1]))
        .await;
    assert!(
        matches!(taken, Err(ResourceError::Constraint(_))),
        "{taken:?}"
    );
    assert_eq!(db.count().await, 1);
}

async fn a_read_only_database_refuses_every_change(database: Database) {
    database.open().fill(2).await;
    let db = database.open_with(|config| config.read_only = true);
    let mut changes = vec![
        "INSERT INTO orders (id) VALUES (9)",
        "UPDATE orders SET seen = 1",
        "DELETE FROM orders",
        "DELETE FROM orders RETURNING id",
    ];
    if db.dialect() == Dialect::PostgreSql {
        changes.extend([
            "WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone",
            "SELECT id INTO other FROM orders",
            // What a statement sets for its session counts for nothing in the next one.
            "SELECT set_config('transaction_read_only', 'off', true)",
        ]);
        let off = "SELECT set_config('default_transaction_read_only', 'off', false) AS v";
        db.query(off, json!([])).await.unwrap();
    }
    for text in changes {
        let error = db.query(text, json!([])).await.expect_err(text);
        assert!(
            matches!(error, ResourceError::Refused(_)),
            "{text}: {error:?}"
        );
        if !text.contains("SELECT") {
            assert!(error.to_string().contains("read"), "{error}");
        }
    }
    assert_eq!(db.count().await, 2);
}

#[tokio::test]
async fn every_type_of_postgresql_that_is_handed_over_comes_back_as_it_went() {
    let database = kit::postgres().await;
    let db = database.open();
    let kept = [
        ("boolean", json!(true)),
        ("smallint", json!(-32_768)),
        ("integer", json!(2_147_483_647)),
        ("bigint", json!(9_007_199_254_740_993_i64)),
        ("double precision", json!(0.1)),
        ("real", json!(0.5)),
        ("numeric", json!("-12345678901234567890.0125")),
        ("numeric(10, 2)", json!("0.50")),
        ("text", json!("žluťoučký\n'\"")),
        ("varchar(9)", json!("x")),
        ("json", json!({ "a": [1, null, "x"] })),
        ("jsonb", json!([{ "a": 0.5 }])),
        ("jsonb", json!("a text is a text")),
        ("uuid", json!("0190a6b2-0000-7000-8000-00000000002a")),
        ("timestamptz", json!("2026-02-03T04:05:06.123456Z")),
        ("timestamp", json!("1969-12-31T23:59:59.5")),
        ("date", json!("1999-12-31")),
        ("date", json!("0044-03-15")),
    ];
    for (ty, value) in kept {
        let text = format!("SELECT $1::{ty} AS v");
        let rows = db.query(&text, json!([value])).await;
        assert_eq!(rows, Ok(vec![json!({ "v": value })]), "{ty}");
        let rows = db.query(&text, json!([null])).await;
        assert_eq!(rows, Ok(vec![json!({ "v": null })]), "{ty}");
    }
    for (ty, value, wanted) in [
        ("smallint", json!(32_768), "does not fit into INT2"),
        ("integer", json!("7"), "it is a text, and INT4 is asked for"),
        (
            "text",
            json!(7),
            "it is a whole number, and TEXT is asked for",
        ),
        ("numeric", json!("many"), "no decimal number"),
        ("uuid", json!("many"), "no UUID"),
        ("date", json!("2026-02-30"), "no DATE"),
        ("inet", json!("127.0.0.1"), "$n::text::inet"),
        ("integer[]", json!([1]), "a list or a map"),
    ] {
        let error = db
            .query(&format!("SELECT $1::{ty} AS v"), json!([value]))
            .await;
        let error = error.expect_err(ty).to_string();
        assert!(error.contains(wanted), "{ty}: {error}");
    }
    let text = "SELECT $1::text::inet::text AS v";
    let rows = db.query(text, json!(["127.0.0.1"])).await;
    assert_eq!(rows, Ok(vec![json!({ "v": "127.0.0.1/32" })]));
    let error = db.query("SELECT '1 day'::interval AS v", json!([])).await;
    let error = error.expect_err("not handed over").to_string();
    assert!(error.contains("column `v`: INTERVAL"), "{error}");
}

#[tokio::test]
async fn an_enumeration_and_a_domain_are_texts() {
    let database = kit::postgres().await;
    let name = database.config.url.to_string();
    let name = name
        .split('/')
        .nth(3)
        .unwrap()
        .split('?')
        .next()
        .unwrap()
        .to_owned();
    let types = "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN short AS text";
    kit::operate(&name, types).await;
    let db = database.open();
    for ty in ["mood", "short"] {
        let rows = db
            .query(&format!("SELECT $1::{ty} AS v"), json!(["glad"]))
            .await;
        assert_eq!(rows, Ok(vec![json!({ "v": "glad" })]), "{ty}");
    }
}
