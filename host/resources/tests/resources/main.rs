//! Databases as guests use them: through the door that the sandbox has, on a file of
//! SQLite, and on servers of PostgreSQL and MariaDB.

#![allow(clippy::unwrap_used, reason = "tests")]

/// Runs each case of a module on every database.
macro_rules! on_every_database {
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
mod mysql;
mod rows;
mod sessions;

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
