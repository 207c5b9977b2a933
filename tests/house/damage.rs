//! A store with a row that is not what it was: only what the row is of is set
//! aside, and all else goes on.

use nebula_flow::ExecutionId;
use rusqlite::{Connection, params};

use crate::cli::Cli;
use crate::waits::{asks, start, until};

/// Flips a bit of an execution's second event, which begins its wait.
fn damage(cli: &Cli, id: &str) {
    let store = cli.folder().join("data").join("nebula.db");
    let store = Connection::open(store).expect("a store that nobody holds");
    let id: ExecutionId = id.parse().expect("an id");
    let key = id.as_u128().to_be_bytes();
    let of = "FROM events WHERE execution = ?1 AND version = 2";
    let read = store.query_row(&format!("SELECT body {of}"), [&key], |row| row.get(0));
    let mut body: Vec<u8> = read.expect("it waits");
    let last = body.last_mut().expect("an event is not empty");
    *last ^= 1;
    let sql = "UPDATE events SET body = ?2 WHERE execution = ?1 AND version = 2";
    let changed = store.execute(sql, params![&key, body]);
    assert_eq!(changed.expect("writable"), 1);
}

#[test]
fn one_damaged_event_sets_its_execution_aside_and_all_others_end() {
    let cli = asks();
    let node = cli.node();
    let ids: Vec<String> = (0..6).map(|_| start(&cli, "asks")).collect();
    for id in &ids {
        until(&cli, id, |e| e["status"] == "waiting");
    }
    node.kill();
    let (damaged, sound) = ids.split_last().expect("six");
    damage(&cli, damaged);

    // All are due now.
    let node = cli.node();
    for id in sound {
        until(&cli, id, |e| e["nodes"][1]["status"] == "waiting");
        let says = ["--json", r#"{"by":"Ada"}"#];
        let sent = cli.run(&[&["execution", "signal", id, "approval"], &says[..]].concat());
        assert_eq!(sent.code, 0, "{sent:?}");
        until(&cli, id, |e| e["status"] == "succeeded");
    }
    let says = ["--json", r#"{"by":"Ada"}"#];
    let sent = cli.run(&[&["execution", "signal", damaged, "approval"], &says[..]].concat());
    assert_ne!(
        sent.code, 0,
        "it cannot be known what it waits for: {sent:?}"
    );

    // Whoever has seen enough ends it.
    let ended = cli.run(&["execution", "terminate", damaged]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let listed = || cli.json(&["execution", "list", "--status", "terminated"]);
    for _ in 0..200 {
        if listed().to_string().contains(damaged.as_str()) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(
        listed().to_string().contains(damaged.as_str()),
        "{}",
        listed()
    );
    node.kill();
}
