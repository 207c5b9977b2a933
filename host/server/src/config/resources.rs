//! What a node holds for actions: `[resources.NAME]`.

use std::path::PathBuf;
use std::time::Duration;

use nebula_flow::deploy::Resources;
use nebula_resources::{DatabaseUrl, ResourceConfig, SqlConfig};

use super::layers::Layers;
use super::setting::{Bytes, Setting, one_of};

/// What a node holds for actions.
#[derive(Debug, Clone, Default)]
pub struct ResourcesConfig {
    /// Below which the files of SQLite are; `resources` in the data folder if absent.
    pub folder: Option<PathBuf>,
    /// Each with a name of its own.
    pub held: Vec<ResourceConfig>,
}

/// What a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sql,
}

/// Who may use a resource where nobody says.
const TENANTS: [&str; 1] = ["default"];

impl ResourcesConfig {
    /// What each is, by name.
    pub(crate) fn kinds(&self) -> Resources {
        let kind = |resource: &ResourceConfig| (resource.name.clone(), Kind::Sql.show());
        self.held.iter().map(kind).collect()
    }

    /// These as defaults, below what the layers say. The file says which there are.
    pub(super) fn read(self, from: &mut Layers) -> Self {
        let folder = from.get("resources.folder", self.folder);
        let mut held = self.held;
        for name in from.sections("resources") {
            held.retain(|resource| resource.name != name);
            held.extend(resource(name, from));
        }
        Self { folder, held }
    }
}

fn resource(name: String, from: &mut Layers) -> Option<ResourceConfig> {
    let section = format!("resources.{name}");
    if !is_name(&name) {
        let message = format!("`{section}`: a resource's name is `[a-z][a-z0-9_]*`");
        from.refuse(
            &section,
            &message,
            "name it for example `[resources.orders]`",
        );
    }
    let at = |setting: &str| format!("{section}.{setting}");
    let kind = from.get(&at("kind"), None::<Kind>);
    let url = from.get(&at("url"), None::<DatabaseUrl>);
    let default = SqlConfig::new(url.clone().unwrap_or(DatabaseUrl::Sqlite(PathBuf::new())));
    let sql = SqlConfig {
        read_only: from.get(&at("read_only"), default.read_only),
        max_rows: from.get_in(&at("max_rows"), default.max_rows, 1..=10_000_000),
        max_bytes: from
            .get_in(
                &at("max_bytes"),
                Bytes(default.max_bytes),
                Bytes(1 << 10)..=Bytes(1 << 30),
            )
            .0,
        timeout: from.get_in(
            &at("timeout"),
            default.timeout,
            Duration::from_millis(1)..=Duration::from_secs(3_600),
        ),
        max_connections: from.get_in(&at("max_connections"), default.max_connections, 1..=100),
        url: default.url,
    };
    let config = ResourceConfig {
        tenants: from.get(&at("tenants"), TENANTS.map(str::to_owned).to_vec()),
        actions: from.get(&at("actions"), Vec::new()),
        name,
        sql,
    };
    if kind.is_none() || url.is_none() {
        let message = format!("`{section}` needs a `kind` and a `url`");
        let hint = "write `kind = \"sql\"` and for example `url = \"sqlite:orders.db\"`";
        from.refuse(&section, &message, hint);
        return None;
    }
    Some(config)
}

fn is_name(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

impl Setting for Kind {
    fn read(text: &str) -> Result<Self, String> {
        one_of(text, &[("sql", Self::Sql)])
    }

    fn show(&self) -> String {
        match self {
            Self::Sql => "sql".into(),
        }
    }
}

impl Setting for DatabaseUrl {
    fn read(text: &str) -> Result<Self, String> {
        text.parse::<Self>().map_err(|error| error.to_string())
    }

    /// Without its password.
    fn show(&self) -> String {
        self.to_string()
    }
}
