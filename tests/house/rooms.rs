//! Each manifest is the rule: a room may lean only on what the table says.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Room, where it stands, and what it may lean on.
const TABLE: &[(&str, &str, &[&str])] = &[
    ("nebula-flow", "host/flow", &[]),
    ("nebula-engine", "host/engine", &["nebula-flow"]),
    ("nebula-storage", "host/storage", &["nebula-flow"]),
    ("nebula-egress", "host/egress", &[]),
    (
        "nebula-sandbox",
        "host/sandbox",
        &["nebula-flow", "nebula-egress"],
    ),
    ("nebula-resources", "host/resources", &["nebula-sandbox"]),
    ("nebula-api", "host/api", &[]),
    (
        "nebula-server",
        "host/server",
        &[
            "nebula-flow",
            "nebula-engine",
            "nebula-storage",
            "nebula-egress",
            "nebula-sandbox",
            "nebula-resources",
            "nebula-api",
            "nebula-hub",
        ],
    ),
    ("nebula-hub", "hub-registry", &["nebula-flow"]),
    ("nebula-action", "guest-sdk/action", &[]),
    ("nebula-derive", "guest-sdk/derive", &[]),
    (
        "nebula-testing",
        "guest-sdk/testing",
        &[
            "nebula-action",
            "nebula-flow",
            "nebula-egress",
            "nebula-engine",
            "nebula-hub",
            "nebula-sandbox",
            "nebula-storage",
        ],
    ),
    (
        "nebula-sdk",
        "guest-sdk/sdk",
        &[
            "nebula-action",
            "nebula-derive",
            "nebula-flow",
            "nebula-testing",
        ],
    ),
    (
        "nebula-cli",
        "cli",
        &[
            "nebula-api",
            "nebula-hub",
            "nebula-sandbox",
            "nebula-server",
            "nebula-testing",
        ],
    ),
];

/// The crates outside the table: packs lean on the SDK, the tests on everything.
fn may_lean_on(name: &str) -> Option<BTreeSet<String>> {
    if name.starts_with("nebula-pack-") {
        return Some(BTreeSet::from(["nebula-sdk".to_owned()]));
    }
    TABLE
        .iter()
        .find(|(room, ..)| *room == name)
        .map(|(.., allowed)| allowed.iter().map(|&room| room.to_owned()).collect())
}

#[test]
fn each_room_leans_only_on_what_the_table_allows() {
    let metadata = MetadataCommand::new()
        .manifest_path(crate::root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata answers");
    let rooms: BTreeMap<_, _> = metadata
        .packages
        .iter()
        .map(|p| (p.name.as_str(), p))
        .collect();
    let mut wrong = Vec::new();
    for (name, package) in &rooms {
        if *name == "nebula-tests" {
            continue;
        }
        let Some(allowed) = may_lean_on(name) else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        for dependency in &package.dependencies {
            let ours = rooms.contains_key(dependency.name.as_str());
            if ours
                && dependency.kind == DependencyKind::Normal
                && !allowed.contains(&dependency.name)
            {
                wrong.push(format!("{name} leans on {}", dependency.name));
            }
            if !ours && !dependency.req.to_string().is_empty() && dependency.path.is_some() {
                wrong.push(format!(
                    "{name} depends on a path outside the house: {}",
                    dependency.name
                ));
            }
        }
    }
    for (name, place, _) in TABLE {
        let manifest = crate::root().join(place).join("Cargo.toml");
        match rooms.get(name) {
            Some(package) if package.manifest_path.as_std_path() == manifest => {}
            Some(package) => wrong.push(format!(
                "{name} stands at {}, not at {place}",
                package.manifest_path
            )),
            None => wrong.push(format!("{name} is in the table and not in the house")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_only_a_feature_of_the_tests_needs_comes_with_that_alone() {
    let metadata = MetadataCommand::new()
        .manifest_path(crate::root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata answers");
    let mut packages = metadata.packages.iter();
    let testing = packages.find(|p| p.name.as_str() == "nebula-testing");
    let testing = testing.expect("it is a room");
    let mut always: Vec<&str> = testing
        .dependencies
        .iter()
        .filter(|d| d.kind == DependencyKind::Normal && !d.optional)
        .map(|d| d.name.as_str())
        .filter(|name| name.starts_with("nebula-"))
        .collect();
    always.sort_unstable();
    let light = [
        "nebula-action",
        "nebula-engine",
        "nebula-flow",
        "nebula-storage",
    ];
    assert_eq!(always, light);
    assert!(!testing.features.contains_key("default"));
}

#[test]
fn every_version_of_a_dependency_stands_in_the_one_table() {
    for (_, place, _) in TABLE {
        let manifest = std::fs::read_to_string(crate::root().join(place).join("Cargo.toml"))
            .expect("readable");
        let mut in_dependencies = false;
        for line in manifest.lines() {
            if let Some(section) = line.strip_prefix('[') {
                in_dependencies = section.contains("dependencies");
                continue;
            }
            assert!(
                !in_dependencies
                    || line.trim().is_empty()
                    || line.contains("workspace = true")
                    || line.starts_with('#'),
                "{place}/Cargo.toml: `{line}` is not taken from [workspace.dependencies]"
            );
        }
    }
}
