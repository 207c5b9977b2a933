#![allow(clippy::unwrap_used, reason = "tests")]

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
