#![allow(clippy::unwrap_used, reason = "tests")]

use nebula_flow::ports::{Expect, Kind, Records};

use super::*;

#[test]
fn every_page_is_read_from_an_index_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let connection = open::Folder::lock(dir.path()).unwrap().writer().unwrap();
    for sql in [
        read::UNFINISHED,
        read::PAGE,
        read::PAGE_OF_WORKFLOW,
        read::PAGE_BY_STATUS,
        read::PAGE_OF_WORKFLOW_BY_STATUS,
    ] {
        let mut statement = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let plan: Vec<String> = statement
            .raw_query()
            .mapped(|row| row.get(3))
            .collect::<rusqlite::Result<_>>()
            .unwrap();
        assert!(
            plan.len() == 1 && plan[0].starts_with("SEARCH executions USING INDEX"),
            "{sql}: {plan:?}"
        );
    }
}

#[test]
fn what_has_ended_is_read_from_the_index_of_the_ends() {
    let dir = tempfile::tempdir().unwrap();
    let connection = open::Folder::lock(dir.path()).unwrap().writer().unwrap();
    let mut statement = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {}", over::ENDED))
        .unwrap();
    let plan: Vec<String> = statement
        .raw_query()
        .mapped(|row| row.get(3))
        .collect::<rusqlite::Result<_>>()
        .unwrap();
    let searches: Vec<_> = plan
        .iter()
        .filter(|line| line.contains("executions"))
        .collect();
    assert!(
        searches.len() == 2
            && searches
                .iter()
                .all(|line| line.contains("INDEX executions_ended (tenant=? AND workflow=?")),
        "{plan:?}"
    );
    assert!(!plan.iter().any(|line| line.contains("TEMP")), "{plan:?}");
}

#[tokio::test]
async fn the_writers_figures_say_what_was_committed_together() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Sqlite::open(dir.path()).expect("opens");
    let figures = store.figures();
    assert_eq!((figures.commits(), figures.requests()), (0, 0));
    let tenant = TenantId::default_tenant();
    let put = |n: u32| {
        let (store, tenant) = (store.clone(), tenant.clone());
        async move {
            let key = n.to_string();
            let value = Bytes::from_static(b"{}");
            store
                .put(Kind::Grant, &tenant, &key, value, Expect::Any)
                .await
        }
    };
    for done in futures_util::future::join_all((0..50).map(put)).await {
        done.expect("puts");
    }
    drop(store);
    assert_eq!((figures.requests(), figures.waiting()), (50, 0));
    assert!((1..=50).contains(&figures.commits()));
}
