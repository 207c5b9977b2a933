//! Resources: who may open one, and what becomes of it when its call ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nebula_flow::Effect;
use nebula_flow::event::FailureKind;
use nebula_flow::grant::Capabilities;
use nebula_flow::ports::{Call, Limits, Runner};
use tokio::sync::{Notify, mpsc};

use super::guest::{Guest, call, limits, output};
use super::{config, failure, sandbox_with};
use crate::resources::{Dialect, Kv, ResourceError, Resources, Rows, Smtp, Sql, Statement, User};
use crate::{Sandbox, SandboxConfig};

/// Opens the database `key`; then says: 0 for one, else 1 and the error's number.
const OPEN: &str = "(call $sql_open (i32.const 512) (i32.const 3) (i32.const 3072))";
const OPENED: &str = "(call $number (i64.mul (i64.load8_u (i32.const 3072))
    (i64.add (i64.const 1) (i64.load8_u (i32.const 3076)))))";

/// One database, `orders`, that never gives a row, and tells when it is given up.
#[derive(Default)]
struct Held(Arc<Notify>);

struct Endless(Arc<Notify>);

impl Resources for Held {
    fn sql(&self, user: User<'_>, name: &str) -> Result<Arc<dyn Sql>, ResourceError> {
        assert_eq!(user.tenant.as_str(), "default");
        assert_eq!(user.action.as_str(), "test.run");
        match name {
            "orders" => Ok(Arc::new(Endless(Arc::clone(&self.0)))),
            _ => Err(ResourceError::Unbound("there is none".into())),
        }
    }

    fn smtp(&self, _: User<'_>, _: &str) -> Result<Arc<dyn Smtp>, ResourceError> {
        Err(ResourceError::Unbound("there is none".into()))
    }

    fn kv(&self, _: User<'_>, _: &str) -> Result<Arc<dyn Kv>, ResourceError> {
        Err(ResourceError::Unbound("there is none".into()))
    }
}

#[async_trait]
impl Sql for Endless {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn query(&self, statement: Statement) -> Result<Rows, ResourceError> {
        assert!(
            statement.within <= Duration::from_millis(300),
            "{statement:?}"
        );
        let (out, parts) = mpsc::channel(1);
        let given_up = Arc::clone(&self.0);
        tokio::spawn(async move {
            out.closed().await;
            given_up.notify_one();
        });
        Ok(Rows::new(parts))
    }

    async fn execute(&self, _: Statement) -> Result<u64, ResourceError> {
        Ok(0)
    }
}

fn sandbox(held: Option<Held>) -> Sandbox {
    let resources = held.map(|held| Arc::new(held) as Arc<dyn Resources>);
    sandbox_with(SandboxConfig {
        resources,
        ..config()
    })
}

fn asking(code: &str) -> Guest {
    Guest {
        schema: r#"{"x-resources":{"key":"sql"}}"#,
        ..Guest::new(code)
    }
}

fn bound(guest: &Guest, to: Option<&str>, limits: Limits) -> Call {
    let resources = to.map(|to| ("key".to_owned(), to.to_owned()));
    Call {
        capabilities: Arc::new(Capabilities {
            resources: resources.into_iter().collect::<BTreeMap<_, _>>(),
            ..Capabilities::default()
        }),
        ..call(&guest.build(), limits)
    }
}

#[tokio::test]
async fn a_resource_must_be_asked_for_bound_and_held() {
    let code = format!("{OPEN} {OPENED}");
    let guest = asking(&code);
    let there = sandbox(Some(Held::default()));
    let prepared = there.prepare(&guest.build()).await.expect("prepared");
    assert_eq!(prepared.effect, Effect::Effectful);
    assert_eq!(prepared.actions[0].resources()["key"], "sql");
    let nowhere = sandbox(None);
    let unasked = Guest::new(&*code);
    let other_kind = Guest {
        schema: r#"{"x-resources":{"key":"smtp"}}"#,
        ..Guest::new(&*code)
    };
    for (sandbox, guest, to, wanted) in [
        (&there, &guest, Some("orders"), 0),
        (&there, &unasked, Some("orders"), 1),
        (&there, &other_kind, Some("orders"), 1),
        (&there, &guest, None, 2),
        (&there, &guest, Some("other"), 2),
        (&nowhere, &guest, Some("orders"), 2),
    ] {
        let report = sandbox.run(bound(guest, to, limits())).await;
        assert_eq!(output(&report), wanted, "{to:?}");
    }
}

#[tokio::test]
async fn a_resource_is_opened_as_the_kind_that_was_asked_for() {
    let there = sandbox(Some(Held::default()));
    for (opened, asked, wanted) in [
        ("smtp", "smtp", 2),
        ("smtp", "sql", 1),
        ("smtp", "kv", 1),
        ("kv", "kv", 2),
        ("kv", "smtp", 1),
        ("sql", "sql", 0),
    ] {
        let code = OPEN.replace("sql", opened);
        let schema = format!(r#"{{"x-resources":{{"key":"{asked}"}}}}"#);
        let guest = Guest {
            schema: Box::leak(schema.into_boxed_str()),
            ..Guest::new(format!("{code} {OPENED}"))
        };
        let report = there.run(bound(&guest, Some("orders"), limits())).await;
        // Held is a database only: the others are asked for, and not to be had.
        assert_eq!(output(&report), wanted, "{opened} {asked}");
    }
}

#[tokio::test]
async fn what_a_call_reads_is_given_up_when_it_is_killed() {
    let held = Held::default();
    let given_up = Arc::clone(&held.0);
    let guest = asking(&format!(
        "{OPEN}
        (call $sql_query (i32.load (i32.const 3076)) (i32.const 512) (i32.const 3)
            (i32.const 512) (i32.const 0) (i32.const 3072))
        (loop $for_ever (br $for_ever))
        unreachable"
    ));
    let limits = Limits {
        timeout: Duration::from_millis(300),
        fuel: u64::MAX,
        ..limits()
    };
    let report = sandbox(Some(held))
        .run(bound(&guest, Some("orders"), limits))
        .await;
    assert_eq!(failure(&report).kind, FailureKind::TimedOut);
    let told = tokio::time::timeout(Duration::from_secs(5), given_up.notified());
    told.await.expect("the statement hears of it");
}
