//! The PostgreSQL server of this test process, and an empty store for each test.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use nebula_storage::{Postgres, PostgresUrl};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions};

use crate::server::Server;

/// One server for all tests; it ends with the process.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&[]))
}

/// A schema that no other test has.
pub(crate) fn schema() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The URL of this schema.
pub(crate) fn url(schema: &str) -> PostgresUrl {
    url_of(server(), schema, "")
}

pub(crate) fn url_of(server: &Server, schema: &str, parameters: &str) -> PostgresUrl {
    let url = server.url("postgres", &format!("schema={schema}&{parameters}"));
    url.trim_end_matches('&').parse().unwrap()
}

/// An empty store.
pub(crate) async fn fresh() -> Postgres {
    Postgres::open(&url(&schema())).await.unwrap()
}

/// A session of the tests' own.
pub(crate) async fn session() -> PgConnection {
    session_of(server()).await
}

pub(crate) async fn session_of(server: &Server) -> PgConnection {
    let options: PgConnectOptions = server.url("postgres", "").parse().unwrap();
    options.connect().await.unwrap()
}

/// Asks the server itself, as an operator could.
pub(crate) async fn ask(server: &Server, sql: String) -> Vec<PgRow> {
    let mut session = session_of(server).await;
    sqlx::raw_sql(AssertSqlSafe(sql))
        .fetch_all(&mut session)
        .await
        .unwrap()
}
