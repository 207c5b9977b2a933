//! What every store must do, run on each back end, and what only the one on
//! disk can be asked.

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
    };
}

mod appends;
mod differential;
mod disk;
mod feeds;
mod kit;
mod reads;
mod records;
mod submissions;
