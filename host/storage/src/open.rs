//! Opens the store that a URL names, or says why it cannot be.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use nebula_flow::ports::{EventLog, Records};

use crate::figures::Figures;
use crate::folder::Holder;
use crate::lost::Lost;
use crate::memory::Memory;
use crate::postgres::Postgres;
use crate::sqlite::Sqlite;
use crate::url::StoreUrl;

/// A store that was opened: both ports of one back end.
#[derive(Clone)]
pub struct Opened {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// The records.
    pub records: Arc<dyn Records>,
    /// What its writer does, in numbers; a store in memory has none.
    pub figures: Option<Arc<Figures>>,
    /// Says when it can no longer be written and must be opened again.
    pub lost: Lost,
}

/// Opens the store of this URL, making it if there is none.
///
/// # Errors
/// See [`OpenError`].
pub async fn open(url: &StoreUrl) -> Result<Opened, OpenError> {
    Ok(match url {
        StoreUrl::Memory => both(Memory::new(), None, Lost::never()),
        StoreUrl::Sqlite(dir) => {
            let store = Sqlite::open(dir)?;
            let (figures, lost) = (store.figures(), store.lost());
            both(store, Some(figures), lost)
        }
        StoreUrl::Postgres(url) => {
            let store = Postgres::open(url).await?;
            let (figures, lost) = (store.figures(), store.lost());
            both(store, Some(figures), lost)
        }
    })
}

fn both(
    store: impl EventLog + Records + Clone,
    figures: Option<Arc<Figures>>,
    lost: Lost,
) -> Opened {
    Opened {
        log: Arc::new(store.clone()),
        records: Arc::new(store),
        figures,
        lost,
    }
}

/// Why a store could not be opened. What names a store never has its password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another store, of this process or another, holds the folder.
    #[error("the folder {} is in use by {}: stop it, or use another folder", dir.display(), Holder(*pid))]
    InUse {
        /// Which folder.
        dir: PathBuf,
        /// By which process; unknown for the moment in which it starts.
        pid: Option<u32>,
    },
    /// A newer Nebula wrote the store; it is left as it is.
    #[error(
        "{store} has schema {found}, and this program knows schemas up to {known}: use a newer program"
    )]
    Newer {
        /// Which file or database.
        store: String,
        /// The schema of the store.
        found: u32,
        /// The newest schema that this program knows.
        known: u32,
    },
    /// The file or schema has something else in it.
    #[error("{store} is not a store of Nebula: use another {instead}")]
    Foreign {
        /// Which file, or database and schema.
        store: String,
        /// What to choose anew.
        instead: &'static str,
    },
    /// A file or folder could not be made, opened or locked.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database could not be opened or prepared.
    #[error("cannot open {store}: {reason}")]
    Database {
        /// Which file or database.
        store: String,
        /// As the database tells it.
        reason: String,
    },
    /// The server answers, and must not be used as it is.
    #[error("{store} cannot be used: {reason}")]
    Unfit {
        /// Which database.
        store: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
}
