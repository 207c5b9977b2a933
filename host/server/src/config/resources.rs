//! What a node holds for actions: `[resources.NAME]`.

use std::path::PathBuf;
use std::time::Duration;

use nebula_flow::deploy::Resources;
use nebula_resources::{
    DatabaseUrl, KvConfig, KvUrl, Party, ResourceConfig, ResourceKind, SmtpConfig, SmtpUrl,
    SqlConfig,
};

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
    Smtp,
    Kv,
}

const KINDS: [(&str, Kind); 3] = [("sql", Kind::Sql), ("smtp", Kind::Smtp), ("kv", Kind::Kv)];

/// Who may use a resource where nobody says.
const TENANTS: [&str; 1] = ["default"];

impl ResourcesConfig {
    /// What each is, by name.
    pub(crate) fn kinds(&self) -> Resources {
        let kind = |resource: &ResourceConfig| {
            let kind = resource.kind.name().to_owned();
            (resource.name.clone(), kind)
        };
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
    let mut section = Section { section, from };
    let kind = section.get("kind", None::<Kind>);
    let kind = match kind {
        Some(Kind::Smtp) => section.smtp().map(ResourceKind::Smtp),
        Some(Kind::Kv) => section.kv().map(ResourceKind::Kv),
        // Without a kind all that it may say is read as a database's.
        None | Some(Kind::Sql) => {
            let sql = section.sql().map(ResourceKind::Sql);
            sql.filter(|_| kind.is_some())
        }
    };
    let tenants = section.get("tenants", TENANTS.map(str::to_owned).to_vec());
    let actions = section.get("actions", Vec::new());
    let Some(kind) = kind else {
        section.needs_kind_and_url();
        return None;
    };
    Some(ResourceConfig {
        name,
        tenants,
        actions,
        kind,
    })
}

/// The settings of one resource.
struct Section<'a> {
    section: String,
    from: &'a mut Layers,
}

impl Section<'_> {
    fn get<T: Setting>(&mut self, setting: &str, default: T) -> T {
        let at = format!("{}.{setting}", self.section);
        self.from.get(&at, default)
    }

    fn number<T: Setting + PartialOrd + Clone>(
        &mut self,
        setting: &str,
        default: T,
        least: T,
        most: T,
    ) -> T {
        let at = format!("{}.{setting}", self.section);
        self.from.get_in(&at, default, least..=most)
    }

    fn bytes(&mut self, setting: &str, default: u64, least: u64, most: u64) -> u64 {
        let (least, most) = (Bytes(least), Bytes(most));
        self.number(setting, Bytes(default), least, most).0
    }

    fn timeout(&mut self, default: Duration) -> Duration {
        let (least, most) = (Duration::from_millis(1), Duration::from_secs(3_600));
        self.number("timeout", default, least, most)
    }

    fn max_connections(&mut self, default: u32) -> u32 {
        self.number("max_connections", default, 1, 100)
    }

    fn sql(&mut self) -> Option<SqlConfig> {
        let url = self.get("url", None::<DatabaseUrl>);
        let default = SqlConfig::new(url.clone().unwrap_or(DatabaseUrl::Sqlite(PathBuf::new())));
        let config = SqlConfig {
            read_only: self.get("read_only", default.read_only),
            max_rows: self.number("max_rows", default.max_rows, 1, 10_000_000),
            max_bytes: self.bytes("max_bytes", default.max_bytes, 1 << 10, 1 << 30),
            timeout: self.timeout(default.timeout),
            max_connections: self.max_connections(default.max_connections),
            url: default.url,
        };
        url.map(|_| config)
    }

    fn kv(&mut self) -> Option<KvConfig> {
        let url = self.get("url", None::<KvUrl>);
        let read = |text: &str| text.parse().ok();
        let default = KvConfig::new(url.clone().or_else(|| read("sqlite:none.db"))?);
        let config = KvConfig {
            read_only: self.get("read_only", default.read_only),
            max_value_bytes: self.bytes("max_value_bytes", default.max_value_bytes, 1, 1 << 20),
            max_keys: self.number("max_keys", default.max_keys, 1, 10_000_000),
            timeout: self.timeout(default.timeout),
            max_connections: self.max_connections(default.max_connections),
            url: default.url,
        };
        url.map(|_| config)
    }

    fn smtp(&mut self) -> Option<SmtpConfig> {
        let url = self.get("url", None::<SmtpUrl>);
        let read = |text: &str| text.parse().ok();
        let default = SmtpConfig::new(url.clone().or_else(|| read("smtps://none"))?);
        let config = SmtpConfig {
            from: self.get("from", default.from),
            to: self.get("to", default.to),
            max_recipients: self.number("max_recipients", default.max_recipients, 1, 1_000),
            max_bytes: self.bytes("max_bytes", default.max_bytes, 1 << 10, 64 << 20),
            timeout: self.timeout(default.timeout),
            max_connections: self.max_connections(default.max_connections),
            url: default.url,
        };
        if url.is_some() && config.from.is_empty() {
            let section = &self.section;
            let message = format!("`{section}` says not from whom its messages are");
            let hint = "write for example `from = [\"Shop <shop@example.com>\"]`";
            self.from.refuse(section, &message, hint);
        }
        url.map(|_| config)
    }

    fn needs_kind_and_url(&mut self) {
        let section = &self.section;
        let message = format!("`{section}` needs a `kind` and a `url`");
        let hint = "write `kind = \"sql\"` and for example `url = \"sqlite:orders.db\"`";
        self.from.refuse(section, &message, hint);
    }
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
        one_of(text, &KINDS)
    }

    fn show(&self) -> String {
        let name = KINDS.iter().find(|(_, kind)| kind == self);
        name.map(|(name, _)| (*name).to_owned()).unwrap_or_default()
    }
}

/// What is read from its text, and shown without its password.
macro_rules! parsed {
    ($($type:ty),*) => {$(
        impl Setting for $type {
            fn read(text: &str) -> Result<Self, String> {
                text.parse::<Self>().map_err(|error| error.to_string())
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

parsed!(DatabaseUrl, KvUrl, SmtpUrl, Party);
