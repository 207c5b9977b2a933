//! A database for each test, and what a guest does with it.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nebula_resources::{Held, KvConfig, ResourceConfig, ResourceKind, SqlConfig};
use nebula_sandbox::nebula_flow::{ActionId, TenantId};
use nebula_sandbox::resources::{
    Dialect, Kv, ResourceError, Resources, Rows, Sql, Statement, User,
};
use serde_json::{Value, json};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions};
use tempfile::TempDir;

use crate::maria;
use crate::server::Server;

/// What every test's database has.
pub(crate) const TABLE: &str =
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, city TEXT, total REAL, seen INTEGER)";

/// An endless statement.
pub(crate) const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS c FROM n";

/// A database of a test's own, and its configuration.
pub(crate) struct Database {
    pub(crate) folder: TempDir,
    pub(crate) config: SqlConfig,
}

/// Writes are allowed, one statement at a time.
fn writable(url: &str) -> SqlConfig {
    SqlConfig {
        read_only: false,
        max_connections: 1,
        ..SqlConfig::new(url.parse().unwrap())
    }
}

pub(crate) async fn sqlite() -> Database {
    let folder = tempfile::tempdir().unwrap();
    make(&folder.path().join("orders.db"));
    let config = writable("sqlite:orders.db");
    Database { folder, config }
}

/// Makes a file with the table.
pub(crate) fn make(file: &Path) {
    let connection = rusqlite::Connection::open(file).unwrap();
    connection.execute_batch(TABLE).unwrap();
}

/// One server for all tests; it ends with the process.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&[]))
}

/// A session of the operator's.
pub(crate) async fn operator(database: &str) -> PgConnection {
    let options: PgConnectOptions = server().url(database, "").parse().unwrap();
    options.connect().await.unwrap()
}

/// Does something as the operator.
pub(crate) async fn operate(database: &str, sql: &str) {
    let mut session = operator(database).await;
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut session);
    done.await.unwrap();
}

pub(crate) async fn postgres() -> Database {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let name = format!("shop_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    operate("postgres", &format!("CREATE DATABASE {name}")).await;
    operate(&name, TABLE).await;
    Database {
        folder: tempfile::tempdir().unwrap(),
        config: writable(&server().url(&name, "")),
    }
}

/// One server for all tests, if this machine has the program.
fn maria() -> Option<&'static maria::Server> {
    static SERVER: OnceLock<Option<maria::Server>> = OnceLock::new();
    SERVER.get_or_init(maria::Server::start).as_ref()
}

/// A session of the operator's with MariaDB.
pub(crate) async fn maria_operator(database: &str) -> MySqlConnection {
    let url = maria().expect("it is there").url(database, "");
    let options: MySqlConnectOptions = url.parse().unwrap();
    options.connect().await.unwrap()
}

/// Does something as the operator of MariaDB.
pub(crate) async fn maria_operate(database: &str, sql: &str) {
    let mut session = maria_operator(database).await;
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut session);
    done.await.unwrap();
}

/// A database of MariaDB; without the program the test says that it did not run.
pub(crate) async fn mariadb(test: &str) -> Option<Database> {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let Some(server) = maria() else {
        eprintln!(
            "\n*** DID NOT RUN: {test} on MariaDB, which is missing; scripts/setup installs it ***\n"
        );
        return None;
    };
    let name = format!("shop_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    maria_operate("mysql", &format!("CREATE DATABASE {name}")).await;
    maria_operate(&name, TABLE).await;
    Some(Database {
        folder: tempfile::tempdir().unwrap(),
        config: writable(&server.url(&name, "")),
    })
}

impl Database {
    /// As a call sees it.
    pub(crate) fn open(&self) -> Opened {
        self.open_with(|_| ())
    }

    /// The same with other settings.
    pub(crate) fn open_with(&self, change: impl FnOnce(&mut SqlConfig)) -> Opened {
        let mut sql = self.config.clone();
        change(&mut sql);
        let config = ResourceConfig {
            name: "orders".into(),
            tenants: vec!["default".into()],
            actions: Vec::new(),
            kind: ResourceKind::Sql(sql),
        };
        let held = Held::new(self.folder.path().to_owned(), vec![config]);
        let (tenant, action) = (TenantId::default_tenant(), ActionId::new("a.b").unwrap());
        let user = User {
            tenant: &tenant,
            action: &action,
        };
        Opened(held.sql(user, "orders").unwrap())
    }
}

impl Database {
    /// Resources that keep values by key in this database, with other settings.
    pub(crate) fn keeping(&self, names: &[&str], change: impl FnOnce(&mut KvConfig)) -> Keeping {
        let url = match self.config.url.to_string() {
            url if url.starts_with("sqlite:") => "sqlite:values.db".to_owned(),
            url => url,
        };
        let mut kv = KvConfig::new(url.parse().unwrap());
        change(&mut kv);
        let resource = |name: &&str| ResourceConfig {
            name: (*name).to_owned(),
            tenants: vec!["default".into(), "other".into()],
            actions: Vec::new(),
            kind: ResourceKind::Kv(kv.clone()),
        };
        let resources = names.iter().map(resource).collect();
        Keeping(Held::new(self.folder.path().to_owned(), resources))
    }

    /// The values `cache` of the default tenant.
    pub(crate) fn values(&self) -> Arc<dyn Kv> {
        self.keeping(&["cache"], |_| ()).of("default", "cache")
    }
}

/// What keeps values.
pub(crate) struct Keeping(Held);

impl Keeping {
    /// The values of a tenant, as a call sees them.
    pub(crate) fn of(&self, tenant: &str, name: &str) -> Arc<dyn Kv> {
        let (tenant, action) = (
            TenantId::new(tenant).unwrap(),
            ActionId::new("a.b").unwrap(),
        );
        let user = User {
            tenant: &tenant,
            action: &action,
        };
        self.0.kv(user, name).unwrap()
    }
}

/// A database that calls have open.
#[derive(Clone)]
pub(crate) struct Opened(pub(crate) Arc<dyn Sql>);

/// A statement with plenty of time.
fn statement(text: &str, parameters: &Value) -> Statement {
    Statement {
        text: text.to_owned(),
        parameters: rmp_serde::to_vec(parameters).unwrap(),
        within: Duration::from_secs(60),
    }
}

impl Opened {
    pub(crate) fn dialect(&self) -> Dialect {
        self.0.dialect()
    }

    pub(crate) async fn begin(&self, text: &str) -> Rows {
        self.0.query(statement(text, &json!([]))).await.unwrap()
    }

    /// All rows.
    pub(crate) async fn query(
        &self,
        text: &str,
        parameters: Value,
    ) -> Result<Vec<Value>, ResourceError> {
        let mut rows = self.0.query(statement(text, &parameters)).await?;
        let mut all = Vec::new();
        while let Some(part) = rows.next().await? {
            let Value::Array(mut part) = rmp_serde::from_slice(&part).unwrap() else {
                panic!("a part is a list");
            };
            all.append(&mut part);
        }
        Ok(all)
    }

    pub(crate) async fn execute(
        &self,
        text: &str,
        parameters: Value,
    ) -> Result<u64, ResourceError> {
        self.0.execute(statement(text, &parameters)).await
    }

    /// How many orders there are.
    pub(crate) async fn count(&self) -> Value {
        let rows = self.query("SELECT count(*) AS c FROM orders", json!([]));
        rows.await.unwrap()[0]["c"].clone()
    }

    /// So many orders more.
    pub(crate) async fn fill(&self, many: u64) {
        let text = "INSERT INTO orders (id, city) \
                    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) \
                    SELECT i, 'Rome' FROM n";
        let text = match self.dialect() {
            Dialect::PostgreSql => text.replace("$1", "CAST($1 AS integer)"),
            _ => text.to_owned(),
        };
        assert_eq!(self.execute(&text, json!([many])).await, Ok(many));
    }
}
