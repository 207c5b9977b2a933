//! How large components are: what is loaded, compiled and kept for each.

use std::path::PathBuf;

use nebula_flow::component::Effect;
use nebula_flow::ports::Runner;

/// Of a small component, bytes: what a Rust component without any SDK has, and 2 KiB.
const SMALL: u64 = 63_488;

/// Builds a guest as its author does, and gives its component.
pub(crate) fn build(guest: &str) -> PathBuf {
    let folder = crate::root().join("tests/guests").join(guest);
    nebula_tests::guest::build(&folder).expect("it builds")
}

#[tokio::test]
async fn a_small_action_is_a_small_component() {
    let file = build("custom-action");
    let size = std::fs::metadata(&file).expect("readable").len();
    println!("custom-action: {size} bytes");
    for (pack, component) in nebula_server::PACKS {
        println!("{pack}: {} bytes", component.len());
    }
    assert!(size <= SMALL, "{} has {size} bytes", file.display());

    // It has nothing from the host but what the action itself uses.
    let component = nebula_hub::local(&file).expect("a component");
    let prepared = crate::packs::sandbox()
        .prepare(&component)
        .await
        .expect("prepares");
    assert_eq!(prepared.effect, Effect::Pure);
    assert!(
        prepared
            .imports
            .iter()
            .all(|import| import.starts_with("nebula:action/")),
        "{:?}",
        prepared.imports
    );
}
