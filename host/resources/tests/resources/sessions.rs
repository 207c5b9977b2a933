//! Sessions with PostgreSQL: nobody finds what another left, lost ones are begun anew,
//! and no error says more than a guest may know.

use std::os::unix::fs::PermissionsExt;

use nebula_sandbox::resources::ResourceError;
use serde_json::json;

use crate::kit;
use crate::server::Server;

#[tokio::test]
async fn a_session_is_cleared_between_two_statements() {
    let db = kit::postgres().await.open();
    db.fill(1).await;
    // A table of the session's own would hide the real one from whoever comes next.
    let hide = "SELECT 99 AS id INTO TEMP orders";
    db.execute(hide, json!([])).await.unwrap();
    for setting in ["search_path", "statement_timeout", "role"] {
        let value = if setting == "statement_timeout" {
            "1"
        } else {
            "none"
        };
        let set = format!("SELECT set_config('{setting}', '{value}', false) AS v");
        db.query(&set, json!([])).await.unwrap();
    }
    let lock = "SELECT pg_advisory_lock(7)::text AS v";
    db.query(lock, json!([])).await.unwrap();
    let rows = db.query("SELECT id FROM orders", json!([])).await;
    assert_eq!(rows, Ok(vec![json!({ "id": 1 })]));
    let locks = "SELECT count(*) AS c FROM pg_locks WHERE locktype = 'advisory' \
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(db.query(locks, json!([])).await.unwrap()[0]["c"], 0);
}

#[tokio::test]
async fn a_session_that_was_lost_while_it_was_idle_is_begun_anew() {
    let server = Server::start(&[]);
    let database = kit::sqlite().await;
    let db = database.open_with(|config| config.url = server.url("postgres", "").parse().unwrap());
    let one = || db.query("SELECT 1 AS v", json!([]));
    assert!(one().await.is_ok());
    // It is idle as soon as it is cleared.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(server.end_sessions() > 0);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(one().await, Ok(vec![json!({ "v": 1 })]));
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_not_described() {
    let folder = tempfile::tempdir().unwrap();
    let (open, private) = (folder.path().join("open"), folder.path().join("private"));
    for (file, mode) in [(&open, 0o644), (&private, 0o600)] {
        std::fs::write(file, "hunter2\n").unwrap();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let database = kit::sqlite().await;
    let at = |file: &std::path::Path| {
        format!(
            "postgres://me@127.0.0.1:1/shop?password_file={}",
            file.display()
        )
    };
    for url in [
        "postgres://me:hunter2@127.0.0.1:1/shop",
        &at(&open),
        &at(&private),
    ] {
        let db = database.open_with(|config| config.url = url.parse().unwrap());
        let error = db
            .query("SELECT 1", json!([]))
            .await
            .expect_err("nobody is there");
        let wanted = "the database `orders` cannot be reached";
        assert_eq!(error, ResourceError::Unavailable(wanted.into()));
    }
}
