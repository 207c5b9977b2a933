//! What there is, and for whom.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use nebula_sandbox::nebula_flow::TenantId;
use nebula_sandbox::resources::{Kv, ResourceError, Resources, Smtp, Sql, User};

use crate::config::{DatabaseUrl, ResourceConfig, ResourceKind, SqlConfig};
use crate::kv;
use crate::smtp::MailServer;
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
    open: Mutex<HashMap<TenantId, Opened>>,
}

/// A resource as one tenant has it.
#[derive(Clone)]
enum Opened {
    Sql(Arc<dyn Sql>),
    Smtp(Arc<dyn Smtp>),
    Kv(Arc<dyn Kv>),
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

    /// The resource of this name, if this user may have it.
    fn open(&self, user: User<'_>, name: &str) -> Result<Opened, ResourceError> {
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
        let opened = open.entry(user.tenant.clone());
        let opened = opened.or_insert_with(|| self.opened(name, &config.kind, user.tenant));
        Ok(opened.clone())
    }

    fn opened(&self, name: &str, kind: &ResourceKind, tenant: &TenantId) -> Opened {
        match kind {
            ResourceKind::Sql(config) => Opened::Sql(self.database(name, config)),
            ResourceKind::Smtp(config) => Opened::Smtp(Arc::new(MailServer::new(name, config))),
            ResourceKind::Kv(config) => Opened::Kv(kv::open(&self.folder, name, config, tenant)),
        }
    }

    fn database(&self, name: &str, config: &SqlConfig) -> Arc<dyn Sql> {
        let name = name.to_owned();
        match &config.url {
            DatabaseUrl::Sqlite(file) => Arc::new(Sqlite::new(name, &self.folder, file, config)),
            DatabaseUrl::Postgres(url) => Arc::new(Database::new(name, url.clone(), config)),
            DatabaseUrl::Mysql(url) => Arc::new(Database::new(name, url.clone(), config)),
        }
    }

    /// The resource is something else than what is asked for.
    fn other(&self, name: &str, asked: &str) -> ResourceError {
        let is = self.resources.get(name).map(|held| held.config.kind.name());
        let is = is.unwrap_or_default();
        ResourceError::Unbound(format!(
            "resource `{name}` is {is}, and {asked} is asked for: bind one of that kind"
        ))
    }
}

impl Resources for Held {
    fn sql(&self, user: User<'_>, name: &str) -> Result<Arc<dyn Sql>, ResourceError> {
        match self.open(user, name)? {
            Opened::Sql(database) => Ok(database),
            _ => Err(self.other(name, "sql")),
        }
    }

    fn smtp(&self, user: User<'_>, name: &str) -> Result<Arc<dyn Smtp>, ResourceError> {
        match self.open(user, name)? {
            Opened::Smtp(server) => Ok(server),
            _ => Err(self.other(name, "smtp")),
        }
    }

    fn kv(&self, user: User<'_>, name: &str) -> Result<Arc<dyn Kv>, ResourceError> {
        match self.open(user, name)? {
            Opened::Kv(values) => Ok(values),
            _ => Err(self.other(name, "kv")),
        }
    }
}
