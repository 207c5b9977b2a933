//! SQLite reaches its file and nothing else; what there is, is for whom the operator
//! says.

use std::os::unix::fs::symlink;

use nebula_resources::{Held, ResourceConfig, ResourceKind, SqlConfig};
use nebula_sandbox::nebula_flow::{ActionId, TenantId};
use nebula_sandbox::resources::{ResourceError, Resources, User};
use serde_json::json;

use crate::kit;

#[tokio::test]
async fn a_file_is_below_the_folder_wherever_links_lead() {
    let outside = tempfile::tempdir().unwrap();
    kit::make(&outside.path().join("secret.db"));
    let database = kit::sqlite().await;
    let folder = database.folder.path();
    symlink(outside.path().join("secret.db"), folder.join("link.db")).unwrap();
    symlink(outside.path(), folder.join("linked")).unwrap();
    symlink("orders.db", folder.join("inside.db")).unwrap();
    for (url, wanted) in [
        ("sqlite:link.db", "leads out of the folder"),
        ("sqlite:linked/secret.db", "leads out of the folder"),
        ("sqlite:absent.db", "absent.db"),
    ] {
        let db = database.open_with(|config| config.url = url.parse().unwrap());
        let error = db.query("SELECT 1 AS v", json!([])).await.expect_err(url);
        assert!(matches!(error, ResourceError::Unavailable(_)), "{error:?}");
        let error = error.to_string();
        assert!(error.contains(wanted), "{error}");
        let shown = outside.path().to_str().unwrap();
        assert!(!error.contains(shown), "{error}");
    }
    assert!(!folder.join("absent.db").exists(), "nothing is made");
    let db = database.open_with(|config| config.url = "sqlite:inside.db".parse().unwrap());
    assert_eq!(db.count().await, 0);
}

#[tokio::test]
async fn a_statement_of_sqlite_reaches_nothing_but_the_tables() {
    let database = kit::sqlite().await;
    let db = database.open();
    for text in [
        "SELECT load_extension('x')",
        "SELECT * FROM pragma_database_list",
        "SELECT id FROM orders WHERE id = ?",
        "SELECT id FROM orders WHERE id = :id",
        "UPDATE sqlite_master SET sql = 'x'",
        "SELECT zeroblob(100000000)",
        "INSERT INTO orders (id) SELECT 1 FROM pragma_query_only",
    ] {
        let error = db.query(text, json!([])).await.expect_err(text);
        let is_typed = matches!(error, ResourceError::Refused(_) | ResourceError::Limit(_));
        assert!(is_typed, "{text}: {error:?}");
    }
    let tables = db.query("SELECT name FROM sqlite_master", json!([])).await;
    assert_eq!(tables, Ok(vec![json!({ "name": "orders" })]));
}

#[tokio::test]
async fn a_resource_is_for_its_tenants_and_actions() {
    let database = kit::sqlite().await;
    let resource = |name: &str, actions: &[&str]| ResourceConfig {
        name: name.into(),
        tenants: vec!["default".into()],
        actions: actions.iter().map(|&action| action.to_owned()).collect(),
        kind: ResourceKind::Sql(SqlConfig::new("sqlite:orders.db".parse().unwrap())),
    };
    let held = Held::new(
        database.folder.path().to_owned(),
        vec![resource("orders", &[]), resource("books", &["shop.books"])],
    );
    let refusal = |tenant: &str, action: &str, name: &str| {
        let (tenant, action) = (
            TenantId::new(tenant).unwrap(),
            ActionId::new(action).unwrap(),
        );
        let user = User {
            tenant: &tenant,
            action: &action,
        };
        assert!(held.smtp(user, name).is_err() && held.kv(user, name).is_err());
        match held.sql(user, name).err() {
            Some(ResourceError::Unbound(why)) => Some(why),
            Some(other) => panic!("{other:?}"),
            None => None,
        }
    };
    assert_eq!(refusal("default", "a.b", "orders"), None);
    assert_eq!(refusal("default", "shop.books", "books"), None);
    for (tenant, action, name, wanted) in [
        ("default", "a.b", "books", "`resources.books.actions`"),
        ("default", "a.b", "order", "(there is books, orders)"),
        ("other", "a.b", "orders", "is not configured"),
    ] {
        let why = refusal(tenant, action, name).expect("refused");
        assert!(why.contains(wanted), "{why}");
    }
}
