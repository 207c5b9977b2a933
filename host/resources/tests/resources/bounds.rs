//! A statement has no more than it may, and its connection is given back in any case.

use std::time::{Duration, Instant};

use nebula_sandbox::resources::{Dialect, ResourceError};
use serde_json::json;

use crate::kit::{Database, ENDLESS};

on_every_database! {
    rows_and_bytes_are_bounded,
    a_statement_that_takes_too_long_is_stopped,
    rows_that_are_dropped_undo_their_statement,
    a_statement_that_nobody_waits_for_is_stopped,
    more_statements_than_connections_take_turns,
    a_guest_that_reads_nothing_holds_its_connection_no_longer_than_it_may,
}

fn is_limit<T: std::fmt::Debug>(found: Result<T, ResourceError>, wanted: &str) {
    match found {
        Err(ResourceError::Limit(why)) => assert!(why.contains(wanted), "{why}"),
        other => panic!("{wanted}: {other:?}"),
    }
}

async fn rows_and_bytes_are_bounded(database: Database) {
    let db = database.open_with(|config| {
        config.max_rows = 10;
        config.max_bytes = 1_000;
    });
    db.fill(11).await;
    let all = "SELECT id FROM orders";
    is_limit(db.query(all, json!([])).await, "more than 10 rows");
    let ten = "SELECT id FROM orders LIMIT 10";
    assert_eq!(db.query(ten, json!([])).await.unwrap().len(), 10);
    let long = "x".repeat(1_000);
    let large = match db.dialect() {
        Dialect::PostgreSql => "SELECT $1::text AS v",
        _ => "SELECT $1 AS v",
    };
    is_limit(db.query(large, json!([long])).await, "more than 1000 bytes");
    // A change whose rows are too many is none.
    let text = "DELETE FROM orders RETURNING id";
    is_limit(db.query(text, json!([])).await, "more than 10 rows");
    assert_eq!(db.count().await, 11);
}

async fn a_statement_that_takes_too_long_is_stopped(database: Database) {
    let db = database.open_with(|config| config.timeout = Duration::from_millis(300));
    let began = Instant::now();
    is_limit(db.query(ENDLESS, json!([])).await, "longer than 300 ms");
    is_limit(db.execute(ENDLESS, json!([])).await, "longer than 300 ms");
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(db.count().await, 0, "the one connection is there again");
}

async fn rows_that_are_dropped_undo_their_statement(database: Database) {
    let db = database.open();
    db.fill(20_000).await;
    let text = "DELETE FROM orders RETURNING id, 'a city with a long name' AS city, total, seen";
    let mut rows = db.begin(text).await;
    assert!(rows.next().await.unwrap().is_some());
    drop(rows);
    assert_eq!(db.count().await, 20_000);
}

async fn a_statement_that_nobody_waits_for_is_stopped(database: Database) {
    let db = database.open();
    let waiting = db.clone();
    for _ in 0..3 {
        let given_up = tokio::time::timeout(
            Duration::from_millis(100),
            waiting.execute(ENDLESS, json!([])),
        );
        assert!(given_up.await.is_err(), "it is endless");
    }
    // Its time would not be over for ten seconds.
    let next = tokio::time::timeout(Duration::from_secs(5), db.count());
    assert_eq!(next.await.expect("a connection is free"), 0);
}

async fn more_statements_than_connections_take_turns(database: Database) {
    let db = database.open_with(|config| config.max_connections = 2);
    db.fill(100).await;
    let calls = (0..40).map(|n| {
        let db = db.clone();
        tokio::spawn(async move {
            let text = "SELECT city FROM orders WHERE id = $1";
            db.query(text, json!([n + 1])).await.unwrap().len()
        })
    });
    let calls: Vec<_> = calls.collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), 1);
    }
}

async fn a_guest_that_reads_nothing_holds_its_connection_no_longer_than_it_may(database: Database) {
    let db = database.open();
    db.fill(50_000).await;
    let db = database.open_with(|config| {
        config.timeout = Duration::from_millis(400);
        config.max_rows = 60_000;
    });
    let mut rows = db.begin("SELECT id, city, total FROM orders").await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(db.count().await, 50_000, "its connection is free");
    // Some rows were on their way; that the others are missing is told.
    let mut told = Ok(());
    while told.is_ok() {
        told = match rows.next().await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => panic!("rows are missing, and nobody says so"),
            Err(error) => Err(error),
        };
    }
    assert!(matches!(told, Err(ResourceError::Limit(_))), "{told:?}");
}
