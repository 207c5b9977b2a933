//! MySQL's own: how its values are handed over, what its statements may not, and that
//! nothing of a statement is left. The server is MariaDB.

use std::time::{Duration, Instant};

use nebula_sandbox::resources::ResourceError;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use sqlx::Row;

use crate::kit::{self, Database};

async fn mariadb(test: &str) -> Option<Database> {
    kit::mariadb(test).await
}

/// The name of a database.
fn name(database: &Database) -> String {
    let url = database.config.url.to_string();
    let path = url.split('/').nth(3).unwrap();
    path.split('?').next().unwrap().to_owned()
}

#[tokio::test]
async fn every_type_that_is_handed_over_comes_back_as_it_went() {
    let Some(database) = mariadb("types").await else {
        return;
    };
    let name = name(&database);
    let db = database.open();
    let kept = [
        ("BOOLEAN", json!(true)),
        ("TINYINT(1)", json!(false)),
        ("TINYINT(1)", json!(-7)),
        ("TINYINT(1) UNSIGNED", json!(200)),
        ("TINYINT", json!(-128)),
        ("SMALLINT UNSIGNED", json!(65_535)),
        ("MEDIUMINT", json!(-8_388_608)),
        ("INT UNSIGNED", json!(4_294_967_295_u32)),
        ("BIGINT", json!(i64::MIN)),
        ("BIGINT UNSIGNED", json!(u64::MAX)),
        ("YEAR", json!(2026)),
        ("BIT(1)", json!(1)),
        ("BIT(16)", json!(513)),
        ("DOUBLE", json!(0.1)),
        ("FLOAT", json!(0.5)),
        ("DECIMAL(30, 4)", json!("-12345678901234567890.0125")),
        ("VARCHAR(20)", json!("žluť\n'\"\\🦀")),
        ("TEXT COLLATE utf8mb4_bin", json!("x")),
        ("LONGTEXT", json!("")),
        ("ENUM('sad', 'glad')", json!("glad")),
        ("SET('a', 'b')", json!("a,b")),
        ("DATE", json!("1999-12-31")),
        ("DATETIME(6)", json!("2026-02-03T04:05:06.123456")),
        ("TIMESTAMP(3) NULL", json!("2026-02-03T04:05:06.5")),
        ("TIME(6)", json!("-838:59:59.000001")),
        ("UUID", json!("0190a6b2-0000-7000-8000-00000000002a")),
    ];
    for (index, (ty, value)) in kept.iter().enumerate() {
        let table = format!("t{index}");
        kit::maria_operate(&name, &format!("CREATE TABLE {table} (v {ty} NULL)")).await;
        let insert = format!("INSERT INTO {table} (v) VALUES ($1), (NULL)");
        assert_eq!(db.execute(&insert, json!([value])).await, Ok(2), "{ty}");
        let rows = db.query(&format!("SELECT v FROM {table}"), json!([])).await;
        assert_eq!(
            rows,
            Ok(vec![json!({ "v": value }), json!({ "v": null })]),
            "{ty}"
        );
    }
    let json = json!({ "a": [1, null, "x"] });
    kit::maria_operate(&name, "CREATE TABLE j (v JSON, b BLOB)").await;
    let insert = "INSERT INTO j VALUES ($1, x'ff00')";
    assert_eq!(db.execute(insert, json!([json])).await, Ok(1));
    // To MariaDB it is a text.
    let rows = db
        .query("SELECT v, JSON_VALUE(v, '$.a[2]') AS x FROM j", json!([]))
        .await;
    let wanted = json!({ "v": r#"{"a":[1,null,"x"]}"#, "x": "x" });
    assert_eq!(rows, Ok(vec![wanted]));
    let mut bytes = db.begin("SELECT b FROM j").await;
    let part = bytes.next().await.unwrap().unwrap();
    assert!(part.ends_with(&[0xc4, 2, 0xff, 0]), "{part:?}");
    let error = db.query("SELECT POINT(1, 2) AS v", json!([])).await;
    let error = error.expect_err("not handed over").to_string();
    assert!(error.contains("column `v`: GEOMETRY"), "{error}");
    for (ty, value) in [
        ("TINYINT", json!(128)),
        ("VARCHAR(2)", json!("abc")),
        ("DATE", json!("2026-02-30")),
        ("DATETIME", json!("2026-02-03T04:05:06Z")),
        ("INT", json!("seven")),
        ("DECIMAL(4, 2)", json!("123.4")),
    ] {
        kit::maria_operate(&name, &format!("CREATE OR REPLACE TABLE n (v {ty})")).await;
        let error = db
            .execute("INSERT INTO n VALUES ($1)", json!([value]))
            .await;
        assert!(
            matches!(error, Err(ResourceError::Refused(_))),
            "{ty}: {error:?}"
        );
    }
}

#[tokio::test]
async fn parameters_are_where_the_server_sees_none_of_its_own() {
    let Some(database) = mariadb("parameters").await else {
        return;
    };
    let db = database.open();
    let mut runner = TestRunner::deterministic();
    let texts = prop::collection::vec("[^\0]{0,10}|[$1?'\"`\\\\/*#\n -]{0,10}", 1..6);
    for _ in 0..40 {
        let texts = texts.new_tree(&mut runner).unwrap().current();
        let mut columns = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let literal = text.replace('\\', r"\\").replace('\'', "''");
            let comment = text.replace('*', "");
            let number = index + 1;
            // Spaces at the end of a text count for the comparison as well.
            columns.push(format!(
                "BINARY '{literal}' = BINARY ${number} /* {comment} */ AS `${index}`"
            ));
        }
        let sql = format!("SELECT {}", columns.join(", "));
        let rows = db.query(&sql, json!(texts)).await;
        let wanted = texts.iter().enumerate();
        let wanted: Value = wanted.map(|(i, _)| (format!("${i}"), json!(1))).collect();
        assert_eq!(rows, Ok(vec![wanted]), "{sql}");
    }
}

#[tokio::test]
async fn a_statement_of_mysql_reaches_nothing_but_rows() {
    let Some(database) = mariadb("beyond rows").await else {
        return;
    };
    let db = database.open();
    db.fill(1).await;
    for text in [
        "SELECT LOAD_FILE('/etc/hostname')",
        "SELECT `load_file`('/etc/hostname')",
        "SELECT * FROM orders INTO OUTFILE '/tmp/nebula-outfile'",
        "SELECT id FROM orders INTO DUMPFILE '/tmp/nebula-dumpfile'",
        "SELECT id FROM orders WHERE id = ?",
        "SELECT @x := 1",
        "SELECT @@datadir",
        "SELECT /*!50000 SLEEP(1) */ 1",
        "SELECT /*M!100000 SLEEP(1) */ 1",
        "SET STATEMENT max_statement_time = 0 FOR SELECT 1",
        "SELECT 1; SELECT 2",
        "SELECT 1 AS v; DELETE FROM orders",
        "LOAD DATA INFILE '/etc/passwd' INTO TABLE orders",
        "HANDLER orders OPEN",
        "CALL mysql.AddGeometryColumn()",
        "DO SLEEP(1)",
        "LOCK TABLES orders WRITE",
        "KILL 1",
        "UPDATE orders SET seen = 1 RETURNING id",
    ] {
        let error = db.query(text, json!([])).await.expect_err(text);
        assert!(
            matches!(error, ResourceError::Refused(_)),
            "{text}: {error:?}"
        );
        if text.contains("RETURNING") {
            assert!(
                error.to_string().contains("MySQL has no RETURNING"),
                "{error}"
            );
        }
    }
    assert_eq!(db.count().await, 1);
}

#[tokio::test]
async fn ignore_leaves_out_rows_whose_key_is_taken_and_hides_nothing_else() {
    let Some(database) = mariadb("ignore").await else {
        return;
    };
    let tables = "CREATE TABLE k (id TINYINT PRIMARY KEY, v VARCHAR(2) NOT NULL); \
                  CREATE TABLE f (id TINYINT REFERENCES k(id))";
    kit::maria_operate(&name(&database), tables).await;
    let db = database.open();
    let insert = "INSERT IGNORE INTO k VALUES ($1, $2), ($3, $4)";
    assert_eq!(db.execute(insert, json!([1, "a", 2, "b"])).await, Ok(2));
    assert_eq!(db.execute(insert, json!([1, "x", 3, "c"])).await, Ok(1));
    for (id, v) in [
        (json!(4), json!("long")),
        (json!(999), json!("d")),
        (json!(5), json!(null)),
    ] {
        let found = db.execute(insert, json!([id, v, 6, "f"])).await;
        match found {
            Err(ResourceError::Constraint(why)) => {
                assert!(why.contains("hides nothing else"), "{why}")
            }
            other => panic!("{id} {v}: {other:?}"),
        }
    }
    let rows = db.query("SELECT v FROM k ORDER BY id", json!([])).await;
    assert_eq!(
        rows,
        Ok(vec![
            json!({ "v": "a" }),
            json!({ "v": "b" }),
            json!({ "v": "c" })
        ])
    );
    let returning = "INSERT IGNORE INTO k VALUES ($1, $2), ($3, $4) RETURNING id";
    let rows = db.query(returning, json!([3, "x", 7, "g"])).await;
    assert_eq!(rows, Ok(vec![json!({ "id": 7 })]));
    let broken = db.execute("INSERT INTO f VALUES (99)", json!([])).await;
    assert!(
        matches!(broken, Err(ResourceError::Constraint(_))),
        "{broken:?}"
    );
}

#[tokio::test]
async fn a_session_has_nothing_of_the_statement_before() {
    let Some(database) = mariadb("sessions").await else {
        return;
    };
    let tables = "CREATE TABLE a (id INT AUTO_INCREMENT PRIMARY KEY, v INT)";
    kit::maria_operate(&name(&database), tables).await;
    let db = database.open();
    let lock = "SELECT GET_LOCK('nebula', 0) AS v";
    assert_eq!(db.query(lock, json!([])).await, Ok(vec![json!({ "v": 1 })]));
    let own =
        "SELECT CONNECTION_ID() AS id, IS_USED_LOCK('nebula') AS held, LAST_INSERT_ID() AS last";
    let first = db.query(own, json!([])).await.unwrap()[0].clone();
    assert_eq!(
        db.execute("INSERT INTO a (v) VALUES (1), (2)", json!([]))
            .await,
        Ok(2)
    );
    let second = db.query(own, json!([])).await.unwrap()[0].clone();
    assert_eq!(first, second, "and it is the same session");
    assert_eq!((&first["held"], &first["last"]), (&json!(null), &json!(0)));
}

/// Statements that a user's sessions run in the server just now.
async fn running(text: &str) -> i64 {
    let mut operator = kit::maria_operator("mysql").await;
    let query = sqlx::query(
        "SELECT count(*) AS c FROM information_schema.processlist \
         WHERE info LIKE CONCAT(?, '%') AND id <> CONNECTION_ID()",
    );
    let row = query.bind(text).fetch_one(&mut operator).await.unwrap();
    row.try_get("c").unwrap()
}

#[tokio::test]
async fn the_server_does_not_go_on_with_what_nobody_waits_for() {
    let Some(database) = mariadb("stopping").await else {
        return;
    };
    let db = database.open_with(|config| config.max_connections = 2);
    // It ends as if it were done when the server stops it: by our own clock it is late.
    let text = "SELECT BENCHMARK(1000000000000, MD5('nebula')) AS v";
    let given_up = tokio::time::timeout(Duration::from_millis(300), db.query(text, json!([])));
    assert!(given_up.await.is_err(), "it is endless");
    let hurried = database.open_with(|config| config.timeout = Duration::from_millis(300));
    let late = hurried.query(text, json!([])).await;
    assert!(matches!(late, Err(ResourceError::Limit(_))), "{late:?}");
    let began = Instant::now();
    while running("SELECT BENCHMARK").await > 0 {
        assert!(began.elapsed() < Duration::from_secs(8), "it goes on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_session_that_the_operator_ended_is_begun_anew() {
    let Some(database) = mariadb("lost sessions").await else {
        return;
    };
    let db = database.open();
    let own = || db.query("SELECT CONNECTION_ID() AS id", json!([]));
    let first = own().await.unwrap()[0]["id"].clone();
    // It is idle as soon as it is cleared.
    tokio::time::sleep(Duration::from_millis(300)).await;
    kit::maria_operate("mysql", &format!("KILL {first}")).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_ne!(own().await.unwrap()[0]["id"], first);
}
