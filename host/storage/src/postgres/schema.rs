//! The tables, and how an older schema becomes a newer one. The table
//! `nebula_version` has one row: the number of migrations that were run.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::url::PostgresUrl;
use crate::migrations::Migrations;
use crate::open::OpenError;

const MIGRATIONS: Migrations = Migrations(&[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
]);

/// Runs the migrations that the schema lacks, each in one transaction with its
/// number; one process at a time. A schema that a newer or another program
/// wrote is refused before anything is changed in it.
pub(super) async fn migrate(
    session: &mut PgConnection,
    url: &PostgresUrl,
) -> Result<(), OpenError> {
    while step(session, url).await? {}
    Ok(())
}

/// Runs one migration; whether there was one to run. On an error the session is
/// dropped, and with it the transaction.
async fn step(session: &mut PgConnection, url: &PostgresUrl) -> Result<bool, OpenError> {
    let trouble = |error: sqlx::Error| OpenError::Database {
        store: url.to_string(),
        reason: error.to_string(),
    };
    let begin = "BEGIN; SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0; \
                 SET LOCAL idle_in_transaction_session_timeout = 0";
    sqlx::raw_sql(begin)
        .execute(&mut *session)
        .await
        .map_err(trouble)?;
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('nebula ' || $1, 0))";
    let locking = sqlx::query(lock).bind(url.schema.as_str());
    locking.execute(&mut *session).await.map_err(trouble)?;

    let found = version(session, url).await?;
    MIGRATIONS.check(url, found)?;
    let Some((number, statements)) = MIGRATIONS.after(found).next() else {
        sqlx::raw_sql("ROLLBACK")
            .execute(session)
            .await
            .map_err(trouble)?;
        return Ok(false);
    };
    if found == 0 {
        let schema = &url.schema;
        // Making a schema needs a right that the owner of one need not have.
        let make = match exists(session, schema).await.map_err(trouble)? {
            true => String::new(),
            false => format!("CREATE SCHEMA \"{schema}\"; "),
        };
        // The schema's name has letters, digits and `_` only.
        let making = sqlx::raw_sql(AssertSqlSafe(format!(
            "{make}CREATE TABLE nebula_version (number bigint NOT NULL); \
             INSERT INTO nebula_version VALUES (0)"
        )));
        making.execute(&mut *session).await.map_err(trouble)?;
    }
    sqlx::raw_sql(statements)
        .execute(&mut *session)
        .await
        .map_err(trouble)?;
    let noting = sqlx::query("UPDATE nebula_version SET number = $1").bind(i64::from(number));
    noting.execute(&mut *session).await.map_err(trouble)?;
    sqlx::raw_sql("COMMIT")
        .execute(session)
        .await
        .map_err(trouble)?;
    Ok(true)
}

async fn exists(session: &mut PgConnection, schema: &str) -> Result<bool, sqlx::Error> {
    let sql = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";
    sqlx::query(sql)
        .bind(schema)
        .fetch_one(session)
        .await?
        .try_get(0)
}

/// The number of migrations that the schema has run; 0 if it is empty, or not
/// there.
async fn version(session: &mut PgConnection, url: &PostgresUrl) -> Result<u32, OpenError> {
    let trouble = |error: sqlx::Error| OpenError::Database {
        store: url.to_string(),
        reason: error.to_string(),
    };
    let foreign = || OpenError::Foreign {
        store: format!("the schema `{}` of {url}", url.schema),
        instead: "schema (`schema=` in the URL)",
    };
    let sql = "SELECT count(*), count(*) FILTER (WHERE c.relname = 'nebula_version') \
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1";
    let looking = sqlx::query(sql).bind(url.schema.as_str());
    let row = looking.fetch_one(&mut *session).await.map_err(trouble)?;
    let (all, ours): (i64, i64) = (
        row.try_get(0).map_err(trouble)?,
        row.try_get(1).map_err(trouble)?,
    );
    if all == 0 {
        return Ok(0);
    }
    if ours == 0 {
        return Err(foreign());
    }
    let reading = sqlx::query("SELECT number FROM nebula_version");
    let row = reading.fetch_one(session).await.map_err(|_| foreign())?;
    let number: i64 = row.try_get(0).map_err(|_| foreign())?;
    u32::try_from(number).map_err(|_| foreign())
}
