//! What it costs to check that a package is what its publisher signed.

use std::collections::BTreeSet;
use std::time::Instant;

use nebula_flow::{Component, Digest, Timestamp};
use nebula_hub::key::{Algorithm, SigningKey};
use nebula_hub::statement::{StatedComponent, Statement};
use nebula_hub::trust::{Policy, TrustedKey};
use nebula_hub::verify::{Evidence, Request, verify};
use semver::Version;

use crate::calls::pack;
use crate::print;
use crate::stats::Samples;

const TIMES: usize = 2_000;

pub(crate) fn run() -> Result<(), crate::Error> {
    let component = pack("condition")?;
    print(
        "| a package | checks of its statement, each second | and of its component, 62 KiB |\n|---|---|---|",
    );
    for algorithm in [Algorithm::EcdsaP256, Algorithm::Ed25519] {
        let (mut statement, mut bytes) = checks(&component, algorithm)?;
        print(&format!(
            "| signed with {algorithm} | {:.0}: {} | {} |",
            1e6 / statement.quantile(0.5),
            statement.spread(),
            bytes.spread()
        ));
    }
    Ok(())
}

/// How long the checks take that need no component, and those of a component.
fn checks(component: &Component, algorithm: Algorithm) -> Result<(Samples, Samples), crate::Error> {
    let key = SigningKey::generate(algorithm)?;
    let name = "acme/weather".parse()?;
    let version = Version::new(1, 0, 0);
    let manifest = format!("a manifest with {}", component.digest());
    let now = Timestamp::from_millis(1_790_000_000_000);
    let statement = Statement {
        name: "acme/weather".parse()?,
        version: version.clone(),
        manifest: Digest::of(manifest.as_bytes()),
        components: BTreeSet::from([StatedComponent::of(component, &[])?]),
        publisher: key.public().clone(),
        time: now,
        serial: 1,
    };
    let bundles = [statement.sign(&key)?];
    let mut policy = Policy::default();
    let trusted = TrustedKey::new(key.public().clone(), "acme".parse()?);
    policy.keys.insert("acme".to_owned(), trusted);
    let components = BTreeSet::from([component.digest()]);
    let request = Request {
        name: &name,
        version: &version,
        manifest: statement.manifest,
        components: &components,
        installed: None,
        allow_older: false,
        allow_unsigned: false,
        loopback: false,
        now,
    };
    let evidence = Evidence {
        manifest: manifest.as_bytes(),
        bundles: &bundles,
        simple: &[],
    };
    let (mut statements, mut bytes) = (Samples::default(), Samples::default());
    for _ in 0..TIMES {
        let begin = Instant::now();
        let accepted = verify(&request, &evidence, &policy).accepted()?;
        statements.add(begin.elapsed());
        let begin = Instant::now();
        accepted.component(component.bytes().clone())?;
        bytes.add(begin.elapsed());
    }
    Ok((statements, bytes))
}
