//! Whole-house behaviour through public doors: one test binary.

mod action_calls;
mod advisories;
mod again;
mod bindings;
mod book;
mod cli;
mod clock;
mod contexts;
mod controls;
mod create;
mod credentials;
mod damage;
mod disk;
mod figures;
mod follow;
mod forgotten;
mod golden;
mod hub;
mod hub_attacks;
mod hub_keys;
mod hub_kills;
mod hub_packages;
mod hub_world;
mod inspect;
mod javascript;
mod keeps;
mod lost;
mod mail;
mod outputs;
mod packs;
mod polls;
mod requests;
mod resources;
mod reveal;
mod rooms;
mod secrets;
mod seed;
mod serve;
mod shared;
mod sizes;
mod torture;
mod triggers;
mod waits;
mod walkthrough;
mod wit;
mod workflow_tests;

/// The root of the checkout.
fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ is below the root")
        .to_owned()
}

/// Where compiled components are kept between tests: compiling is slow.
fn cache() -> std::path::PathBuf {
    let test = std::env::current_exe().expect("this test is a file");
    let folder = test
        .ancestors()
        .nth(2)
        .expect("target/debug/deps")
        .join("compiled-components");
    std::fs::create_dir_all(&folder).expect("writable");
    folder
}
