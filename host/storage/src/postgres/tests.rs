#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::OnceLock;

use sqlx::{AssertSqlSafe, Row};

use super::*;

#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with the whole-house tests"
)]
#[path = "../../../../tests/src/postgres.rs"]
mod server;

/// One server for these tests; it ends with the process.
fn database(schema: &str) -> PostgresUrl {
    static SERVER: OnceLock<server::Server> = OnceLock::new();
    let server = SERVER.get_or_init(|| server::Server::start(&[]));
    let url = server.url("postgres", &format!("schema={schema}"));
    url.parse().unwrap()
}

#[tokio::test]
async fn every_page_is_read_from_an_index_in_its_order() {
    let url = database("plans");
    drop(Postgres::open(&url).await.unwrap());
    let mut session = session::open(&url).await.unwrap();
    for (sql, values) in [
        (read::EXECUTION, "'\\x01'"),
        (read::UNFINISHED, "1, '\\x01', 10"),
        (read::PAGE, "'t', '\\x01', 10"),
        (read::PAGE_OF_WORKFLOW, "'t', '\\x01', 10, '\\x02'"),
        (read::PAGE_BY_STATUS, "'t', '\\x01', 10, 3"),
        (
            read::PAGE_OF_WORKFLOW_BY_STATUS,
            "'t', '\\x01', 10, '\\x02', 3",
        ),
        (over::ENDED, "'t', '\\x02', 9, 1, '\\x01', 5, 10"),
        (read::LIST, "'k', 't', '\\x01', '\\x02', '\\xff', 10"),
    ] {
        // The generic plan, as it is used from the sixth time on.
        let explain = format!(
            "DEALLOCATE ALL; SET plan_cache_mode = force_generic_plan; PREPARE it AS {sql}; \
             EXPLAIN (COSTS OFF) EXECUTE it ({values})"
        );
        let rows = sqlx::raw_sql(AssertSqlSafe(explain))
            .fetch_all(&mut session)
            .await
            .unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let plan = plan.join("\n");
        assert!(
            plan.contains("Index Scan") && !plan.contains("Sort"),
            "{sql}: {plan}"
        );
        assert!(!plan.contains("Seq Scan"), "{sql}: {plan}");
    }
}

#[tokio::test]
async fn a_session_answers_a_commit_once_it_is_on_disk() {
    let url = database("durable");
    let mut session = session::open(&url).await.unwrap();
    let make = "DROP DATABASE IF EXISTS lax; CREATE DATABASE lax";
    for sql in make.split("; ") {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut session)
            .await
            .unwrap();
    }
    for (default, wanted) in [
        ("off", "on"),
        ("local", "on"),
        ("on", "on"),
        ("remote_apply", "remote_apply"),
    ] {
        let sql = format!("ALTER DATABASE lax SET synchronous_commit = {default}");
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut session)
            .await
            .unwrap();
        let text = url.to_string().replace("/postgres?", "/lax?");
        let lax = format!("{text}&allow_unsafe=synchronous_commit")
            .parse()
            .unwrap();
        let mut session = session::open(&lax).await.unwrap();
        let row = sqlx::raw_sql("SHOW synchronous_commit")
            .fetch_one(&mut session)
            .await
            .unwrap();
        assert_eq!(row.get::<String, _>(0), wanted, "{default}");
    }
}

#[test]
fn a_key_behind_all_with_a_prefix_is_behind_each_of_them() {
    for prefix in ["a", "a/", "é", "\u{7f}", "\u{10ffff}", "\0"] {
        let behind = read::behind(prefix);
        for rest in ["", "a", "\u{10ffff}\u{10ffff}", "\0"] {
            assert!(
                format!("{prefix}{rest}").as_bytes() < behind.as_slice(),
                "{prefix:?}"
            );
        }
        assert!(!behind.starts_with(prefix.as_bytes()));
    }
    assert!("\u{10ffff}".as_bytes() < read::behind("").as_slice());
}
