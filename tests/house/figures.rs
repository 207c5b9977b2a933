//! What guests weigh stays near what is recorded (`tests/guests.json`).

use nebula_tests::figures::{Figures, Record, Table, packs, templates};

const WHAT_TO_DO: &str = "if that is meant, `UPDATE_SNAPSHOTS=1 cargo test --workspace --test house figures` \
     records it as it is now, to be committed with its reason; for templates `make bench` says how";

/// Compares, or records.
fn check(measured: Record) {
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        return measured.keep().expect("writable");
    }
    let recorded = Record::kept().expect("readable");
    let worse: Vec<String> = measured
        .compare(&recorded)
        .iter()
        .filter(|difference| difference.is_worse)
        .map(ToString::to_string)
        .collect();
    assert!(worse.is_empty(), "{}\n{WHAT_TO_DO}", worse.join("\n"));
}

#[tokio::test]
async fn no_pack_grows_past_a_tenth_unnoticed() {
    let measured = packs::measure(crate::cache()).await.expect("measured");
    let again = packs::measure(crate::cache()).await.expect("measured");
    // Those of the packs that are pure give the same to the unit.
    for pure in ["condition.check", "json.diff", "text.split", "transform.jq"] {
        assert_eq!(measured.actions[pure], again.actions[pure], "{pure}");
        assert!(measured.actions[pure].fuel > Some(1_000), "{pure}");
    }
    check(measured);
}

/// Builds crates from nothing: with `NEBULA_LONG` only.
#[test]
fn no_template_grows_past_a_tenth_unnoticed() {
    if std::env::var_os("NEBULA_LONG").is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let measured = templates::measure(crate::cli::binary(), folder.path()).expect("measured");
    check(Record {
        templates: measured,
        ..Record::default()
    });
}

#[test]
fn a_difference_counts_from_a_tenth_on_and_says_by_how_much() {
    let with = |fuel: u64| {
        let figures = Figures {
            bytes: Some(1_000),
            fuel: Some(fuel),
            memory_bytes: None,
        };
        Record {
            actions: Table::from([("a.b".to_owned(), figures)]),
            ..Record::default()
        }
    };
    let told = |measured: u64| -> Vec<(String, bool)> {
        let differences = with(measured).compare(&with(10_000));
        differences
            .iter()
            .map(|d| (d.to_string(), d.is_worse))
            .collect()
    };
    assert_eq!(told(11_000), []);
    assert_eq!(told(9_000), []);
    let more = "a.b: fuel 11100, 11.0 % more than the recorded 10000";
    assert_eq!(told(11_100), [(more.to_owned(), true)]);
    let less = "a.b: fuel 5000, 50.0 % less than the recorded 10000";
    assert_eq!(told(5_000), [(less.to_owned(), false)]);

    // What is new or gone is seen too; a table that was not measured is not compared.
    let nothing = Record {
        actions: Table::from([("other".to_owned(), Figures::default())]),
        ..Record::default()
    };
    assert_eq!(nothing.compare(&with(1)).len(), 2);
    assert_eq!(Record::default().compare(&with(1)), []);
}
