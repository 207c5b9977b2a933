//! Resources as guests use them, through the door that the sandbox has: databases in a file
//! of SQLite and on servers of PostgreSQL and MariaDB, values by key, and mail over a
//! server that speaks SMTP.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::print_stderr, reason = "a test says that it did not run")]

/// Runs each case of a module on the databases that keep values.
macro_rules! on_sqlite_and_postgres {
    ($($case:ident,)+) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case(crate::kit::sqlite().await).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case(crate::kit::postgres().await).await;
                }
            )+
        }
    };
}

/// Runs each case of a module on every database.
macro_rules! on_every_database {
    ($($case:ident,)+) => {
        on_sqlite_and_postgres! { $($case,)+ }
        mod mariadb {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    if let Some(database) = crate::kit::mariadb(stringify!($case)).await {
                        super::$case(database).await;
                    }
                }
            )+
        }
    };
}

mod bounds;
mod files;
mod kit;
mod mail;
mod mail_faults;
mod mysql;
mod rows;
mod sessions;
mod values;

#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with the whole-house tests"
)]
#[path = "../../../../tests/src/postgres.rs"]
mod server;

#[allow(unreachable_pub, reason = "shared with the whole-house tests")]
#[path = "../../../../tests/src/mariadb.rs"]
mod maria;

#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with the whole-house tests"
)]
#[path = "../../../../tests/src/smtp.rs"]
mod mail_server;
