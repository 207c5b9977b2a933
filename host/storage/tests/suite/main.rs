//! What every store must do, run on each back end; what only the one on disk
//! can be asked, and what only the one that nodes share.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::too_many_lines, reason = "a case tells one whole story")]

/// Runs each case of a module on every back end.
macro_rules! on_every_store {
    ($($case:ident,)+) => {
        mod memory {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case(std::sync::Arc::new(nebula_storage::Memory::new())).await;
                }
            )+
        }
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let dir = tempfile::tempdir().unwrap();
                    super::$case(std::sync::Arc::new(nebula_storage::Sqlite::open(dir.path()).unwrap())).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$case(std::sync::Arc::new(crate::database::fresh().await)).await;
                }
            )+
        }
    };
}

mod appends;
mod database;
mod differential;
mod disk;
mod feeds;
mod fitness;
mod kit;
mod migrations;
mod nodes;
mod outage;
mod over;
mod reads;
mod records;
mod slots;
mod submissions;

#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with the whole-house tests"
)]
#[path = "../../../../tests/src/postgres.rs"]
mod server;
