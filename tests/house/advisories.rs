//! Minimum versions of crates with known advisories, since the advisory
//! database cannot be fetched everywhere.

use cargo_metadata::MetadataCommand;
use semver::{Version, VersionReq};

/// Crate, the versions that are allowed, and why.
const RULES: &[(&str, &str, &str)] = &[
    (
        "wasmtime",
        ">=48.0.8",
        "GHSA-6fr9-xmw9-5352, GHSA-q554-3cjc-rx7p, CVE-2026-115384 and others",
    ),
    (
        "wasmtime-wasi",
        ">=48.0.8",
        "GHSA-gqmc-89g8-p25r, GHSA-m9f7-9w4p-gv38",
    ),
    (
        "wasmtime-wasi-http",
        ">=48.0.8",
        "GHSA-5qpp-g3j2-8frx, GHSA-r8xh-cgf7-392j, GHSA-h4wp-g4x3-7398",
    ),
    ("h2", ">=0.4.16", "RUSTSEC-2026-0258"),
    ("rustls", ">=0.23.46", "fixed with wasmtime 48.0.7"),
    (
        "openraft",
        ">=0.9.25",
        "a commit on a quorum that never existed",
    ),
    ("sqlx", ">=0.8.1", "RUSTSEC-2024-0363"),
    ("curve25519-dalek", ">=4.1.3", "RUSTSEC-2024-0344"),
    ("ed25519-dalek", ">=2.0.0", "RUSTSEC-2022-0093"),
    ("tar", ">=0.4.45", "RUSTSEC-2026-0067, RUSTSEC-2026-0068"),
    (
        "rsa",
        "<0.0.0",
        "RUSTSEC-2023-0071: sqlx has it behind `mysql-rsa`, which stays off",
    ),
    ("bincode", "<0.0.0", "RUSTSEC-2025-0141: abandoned"),
    ("serde_yaml", "<0.0.0", "archived by its author"),
    ("astral-tokio-tar", "<0.0.0", "RUSTSEC-2026-0145"),
];

#[test]
fn no_crate_in_the_lock_file_has_a_known_advisory() {
    let metadata = MetadataCommand::new()
        .manifest_path(crate::root().join("Cargo.toml"))
        .other_options(vec!["--locked".into()])
        .exec()
        .expect("cargo metadata answers and the lock file is up to date");
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        for (name, allowed, why) in RULES {
            if package.name.as_str() == *name && !allows(allowed, &package.version) {
                wrong.push(format!(
                    "{name} {} is not {allowed}: {why}",
                    package.version
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        metadata
            .packages
            .iter()
            .any(|p| p.name.as_str() == "wasmtime"),
        "the rules found nothing to check"
    );
}

fn allows(rule: &str, version: &Version) -> bool {
    VersionReq::parse(rule)
        .expect("a rule above")
        .matches(version)
}
