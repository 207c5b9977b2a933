//! What there is, and for whom.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use nebula_sandbox::nebula_flow::TenantId;
use nebula_sandbox::resources::{ResourceError, Resources, Sql, User};

use crate::config::{DatabaseUrl, ResourceConfig};
use crate::sql::{Database, Sqlite};

/// The resources of a node. Connections are made when they are needed, and shared by
/// the calls of one tenant.
pub struct Held {
    /// SQLite's files are below it.
    folder: PathBuf,
    resources: BTreeMap<String, Resource>,
}

/// One resource, with what each tenant has of it.
struct Resource {
    config: ResourceConfig,
    open: Mutex<HashMap<TenantId, Arc<dyn Sql>>>,
}

impl Held {
    /// These, of which SQLite's files are below `folder`. Nothing is opened.
    #[must_use]
    pub fn new(folder: PathBuf, resources: Vec<ResourceConfig>) -> Self {
        let resource = |config: ResourceConfig| {
            let open = Mutex::default();
            (config.name.clone(), Resource { config, open })
        };
        Self {
            folder,
            resources: resources.into_iter().map(resource).collect(),
        }
    }

    fn missing(&self, name: &str) -> ResourceError {
        let names: Vec<&str> = self.resources.keys().map(String::as_str).take(20).collect();
        let there_is = match names.as_slice() {
            [] => String::new(),
            names => format!(" (there is {})", names.join(", ")),
        };
        ResourceError::Unbound(format!(
            "the node binds resource `{name}`, which is not configured{there_is}: the operator adds \
             `[resources.{name}]` to the node's settings"
        ))
    }
}

impl Resources for Held {
    fn sql(&self, user: User<'_>, name: &str) -> Result<Arc<dyn Sql>, ResourceError> {
        let Some(Resource { config, open }) = self.resources.get(name) else {
            return Err(self.missing(name));
        };
        let action = user.action.as_str();
        if !config.actions.is_empty() && !config.actions.iter().any(|a| a == action) {
            return Err(ResourceError::Unbound(format!(
                "resource `{name}` is not for action `{action}`: the operator adds it to \
                 `resources.{name}.actions`"
            )));
        }
        if !config.tenants.iter().any(|t| t == user.tenant.as_str()) {
            return Err(self.missing(name));
        }
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        let database = open.entry(user.tenant.clone()).or_insert_with(|| {
            let name = name.to_owned();
            let database: Arc<dyn Sql> = match &config.sql.url {
                DatabaseUrl::Sqlite(file) => {
                    Arc::new(Sqlite::new(name, &self.folder, file, &config.sql))
                }
                DatabaseUrl::Postgres(url) => {
                    Arc::new(Database::new(name, url.clone(), &config.sql))
                }
                DatabaseUrl::Mysql(url) => Arc::new(Database::new(name, url.clone(), &config.sql)),
            };
            database
        });
        Ok(Arc::clone(database))
    }
}
