//! The attacks on what a package is: each changes one thing that only its author
//! may, and is refused by name.

use std::collections::BTreeSet;

use nebula_flow::component::Origin;
use nebula_flow::{ActionMetadata, Component, Digest, Timestamp, json};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use semver::Version;

use super::*;
use crate::HubError;
use crate::cosign::{SimpleSignature, sign, simple};
use crate::key::{Algorithm, SigningKey};
use crate::package::PackageName;
use crate::statement::{StatedComponent, Statement, StatementError};
use crate::trust::{Scope, TrustedKey};

/// How many mutations: a few, or with `NEBULA_LONG` as many as the promise has.
fn cases() -> u32 {
    if std::env::var_os("NEBULA_LONG").is_some() {
        10_000
    } else {
        500
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::EcdsaP256).unwrap()
}

fn binary(import: &str) -> Vec<u8> {
    let text = format!(
        r#"(component (import "{import}" (instance)) (instance $a) (export "nebula:action/actions@0.1.0" (instance $a)))"#
    );
    wat::parse_str(text).unwrap()
}

fn action(id: &str) -> ActionMetadata {
    ActionMetadata {
        id: id.parse().unwrap(),
        name: id.to_owned(),
        version: Version::new(1, 0, 0),
        description: String::new(),
        category: String::new(),
        input_schema: json!(true),
        output_schema: json!(true),
        credentials: vec!["weather_api".to_owned()],
        hosts: vec!["api.weather.example".to_owned()],
    }
}

/// One version of a package as its author published it.
#[derive(Clone)]
struct Package {
    name: PackageName,
    version: Version,
    binary: Vec<u8>,
    manifest: Vec<u8>,
    statement: Vec<u8>,
}

impl Package {
    fn publish(key: &SigningKey, name: &str, version: &str, serial: u64) -> Self {
        let name: PackageName = name.parse().unwrap();
        let version: Version = version.parse().unwrap();
        let binary = binary("wasi:http/types@0.2.6");
        let component = Component::new(binary.clone());
        // What is in it does not matter here, only that each has another.
        let manifest = format!("{name} {version} {} {serial}", component.digest());
        let statement = Statement {
            name: name.clone(),
            version: version.clone(),
            manifest: Digest::of(manifest.as_bytes()),
            components: [StatedComponent::of(&component, &[action("weather.fetch")]).unwrap()]
                .into(),
            publisher: key.public().clone(),
            time: NOW,
            serial,
        };
        Self {
            name,
            version,
            binary,
            manifest: manifest.into_bytes(),
            statement: statement.sign(key).unwrap(),
        }
    }

    fn components(&self) -> BTreeSet<Digest> {
        [Digest::of(&self.binary)].into()
    }

    fn installed(&self, serial: Option<u64>, key: &SigningKey) -> Installed {
        Installed {
            version: self.version.clone(),
            manifest: Digest::of(&self.manifest),
            serial,
            key: Some(key.public().id()),
        }
    }
}

/// What is asked for, of a package as it is.
struct Asked<'a> {
    package: &'a Package,
    bundles: Vec<Vec<u8>>,
    simple: Vec<SimpleSignature>,
    installed: Option<Installed>,
    change: fn(&mut Request<'_>),
}

impl<'a> Asked<'a> {
    fn of(package: &'a Package) -> Self {
        Self {
            package,
            bundles: vec![package.statement.clone()],
            simple: Vec::new(),
            installed: None,
            change: |_| (),
        }
    }

    fn verify(&self, policy: &Policy) -> Report {
        let components = self.package.components();
        let mut request = Request {
            name: &self.package.name,
            version: &self.package.version,
            manifest: Digest::of(&self.package.manifest),
            components: &components,
            installed: self.installed.as_ref(),
            allow_older: false,
            allow_unsigned: false,
            loopback: false,
            now: NOW,
        };
        (self.change)(&mut request);
        let evidence = Evidence {
            manifest: &self.package.manifest,
            bundles: &self.bundles,
            simple: &self.simple,
        };
        verify(&request, &evidence, policy)
    }

    fn refused(&self, policy: &Policy) -> Refusal {
        match self.verify(policy).verdict {
            Verdict::Refused(refusal) => refusal,
            other => panic!("not refused: {other:?}"),
        }
    }

    fn accepted(&self, policy: &Policy) -> Accepted {
        self.verify(policy).accepted().unwrap()
    }
}

fn trusting(key: &SigningKey, scope: &str) -> Policy {
    with(key, scope, |_| ())
}

fn with(key: &SigningKey, scope: &str, change: impl FnOnce(&mut TrustedKey)) -> Policy {
    let mut trusted = TrustedKey::new(key.public().clone(), scope.parse::<Scope>().unwrap());
    change(&mut trusted);
    let mut policy = Policy::default();
    policy.keys.insert("acme".to_owned(), trusted);
    policy
}

#[test]
fn what_its_author_signed_is_accepted_and_its_component_may_run() {
    let key = key();
    let package = Package::publish(&key, "acme/weather", "1.0.0", 1);
    let report = Asked::of(&package).verify(&trusting(&key, "acme"));
    let made: Vec<_> = report.checks.iter().map(|check| check.what).collect();
    let order = [
        What::Size,
        What::Digest,
        What::Signature,
        What::Package,
        What::Components,
        What::Key,
        What::Serial,
        What::Installed,
    ];
    assert_eq!(made, order);
    assert!(
        report
            .checks
            .iter()
            .all(|check| check.outcome == Outcome::Passed)
    );

    let accepted = report.accepted().unwrap();
    assert_eq!(*accepted.origin(), Origin::Statement);
    assert_eq!(accepted.key(), Some(key.public().id()));
    assert_eq!(accepted.trusted_as(), Some("acme"));
    let component = accepted.component(package.binary.clone().into()).unwrap();
    assert_eq!(*component.origin(), Origin::Statement);
    let stated = accepted.stated(component.digest()).unwrap();
    assert_eq!(stated.world, "nebula:action/action@0.1.0");
    assert!(stated.imports.contains("wasi:http/types@0.2.6"));
    assert!(stated.hosts.contains("api.weather.example"));
}

#[test]
fn a_component_that_is_another_or_reaches_more_than_was_stated_does_not_run() {
    let key = key();
    let package = Package::publish(&key, "acme/weather", "1.0.0", 1);
    let accepted = Asked::of(&package).accepted(&trusting(&key, "acme"));
    let other = binary("wasi:cli/stdout@0.2.6");
    let error = accepted.component(other.into()).unwrap_err();
    assert!(matches!(error, HubError::Foreign { .. }), "{error}");

    // An author that states less than its component imports.
    let mut liar = package.clone();
    let component = Component::new(liar.binary.clone());
    let mut stated = StatedComponent::of(&component, &[]).unwrap();
    stated.imports.clear();
    let statement = Statement {
        components: [stated].into(),
        ..accepted.statement().unwrap().clone()
    };
    liar.statement = statement.sign(&key).unwrap();
    let accepted = Asked::of(&liar).accepted(&trusting(&key, "acme"));
    let error = accepted.component(liar.binary.into()).unwrap_err();
    assert!(error.to_string().contains("wasi:http/types"), "{error}");
}

#[test]
fn actions_that_ask_for_more_than_was_stated_are_named() {
    let component = Component::new(binary("wasi:http/types@0.2.6"));
    let stated = StatedComponent::of(&component, &[action("weather.fetch")]).unwrap();
    assert_eq!(stated.covers_actions(&[action("weather.fetch")]), Ok(()));
    assert_eq!(stated.covers_actions(&[]), Ok(()));
    let mut more = action("weather.fetch");
    more.hosts.push("evil.example".to_owned());
    let mut secret = action("weather.fetch");
    secret.credentials.push("bank".to_owned());
    for (asked, thing) in [
        (action("weather.send"), "weather.send"),
        (more, "evil.example"),
        (secret, "bank"),
    ] {
        let error = stated.covers_actions(&[asked]).unwrap_err();
        assert!(error.to_string().contains(thing), "{error}");
    }
}

/// Flips a bit, removes or adds a byte, or puts another in its place.
fn altered(bytes: &[u8], place: &prop::sample::Index, how: u8, other: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = place.index(bytes.len());
    match how % 4 {
        0 => bytes[at] ^= 1 << (other % 8),
        1 => drop(bytes.remove(at)),
        2 => bytes.insert(at, other),
        _ => bytes[at] = other,
    }
    bytes
}

#[test]
fn every_altered_byte_of_manifest_statement_and_component_is_refused() {
    for algorithm in [Algorithm::EcdsaP256, Algorithm::Ed25519] {
        alter(&SigningKey::generate(algorithm).unwrap());
    }
}

fn alter(key: &SigningKey) {
    let package = Package::publish(key, "acme/weather", "1.0.0", 1);
    let policy = trusting(key, "acme");
    let accepted = Asked::of(&package).accepted(&policy);
    let digest = Digest::of(&package.manifest);
    let config = Config {
        cases: cases(),
        failure_persistence: None,
        ..Config::default()
    };
    let place = any::<prop::sample::Index>();
    let strategy = (0..3_u8, place, any::<u8>(), any::<u8>());
    let mut runner = TestRunner::new(config);
    let run = runner.run(&strategy, |(which, place, how, other)| {
        let mut changed = package.clone();
        let part = match which {
            0 => &mut changed.manifest,
            1 => &mut changed.statement,
            _ => &mut changed.binary,
        };
        *part = altered(part, &place, how, other);
        if changed.manifest == package.manifest
            && changed.statement == package.statement
            && changed.binary == package.binary
        {
            return Ok(());
        }
        if which == 2 {
            prop_assert!(accepted.component(changed.binary.into()).is_err());
            return Ok(());
        }
        let components = package.components();
        let request = Request {
            name: &package.name,
            version: &package.version,
            manifest: digest,
            components: &components,
            installed: None,
            allow_older: true,
            allow_unsigned: false,
            loopback: true,
            now: NOW,
        };
        let bundles = [changed.statement];
        let evidence = Evidence {
            manifest: &changed.manifest,
            bundles: &bundles,
            simple: &[],
        };
        let report = verify(&request, &evidence, &policy);
        prop_assert!(matches!(report.verdict, Verdict::Refused(_)), "{report:?}");
        Ok(())
    });
    run.unwrap();
}

#[test]
fn of_every_pair_of_package_and_statement_only_the_right_one_is_accepted() {
    let (ours, theirs) = (key(), key());
    let packages: Vec<_> = [
        (&ours, "acme/weather", "1.0.0"),
        (&ours, "acme/weather", "1.0.1"),
        (&ours, "acme/weather", "2.0.0"),
        (&ours, "acme/mail", "1.0.0"),
        (&theirs, "acme/weather", "1.0.0"),
        (&theirs, "globex/weather", "1.0.0"),
        (&ours, "globex/weather", "1.0.0"),
    ]
    .iter()
    .enumerate()
    .map(|(serial, (key, name, version))| Package::publish(key, name, version, serial as u64 + 1))
    .collect();
    let mut policy = trusting(&ours, "acme");
    let globex = TrustedKey::new(theirs.public().clone(), "globex".parse().unwrap());
    policy.keys.insert("globex".to_owned(), globex);
    let mut accepted = Vec::new();
    for (which, package) in packages.iter().enumerate() {
        for (other, statement) in packages.iter().enumerate() {
            let mut asked = Asked::of(package);
            asked.bundles = vec![statement.statement.clone()];
            if asked.verify(&policy).accepted().is_ok() {
                accepted.push((which, other));
            }
        }
    }
    assert_eq!(accepted, [(0, 0), (1, 1), (2, 2), (3, 3), (5, 5)]);
}

#[test]
fn the_right_statement_is_found_among_those_of_others() {
    let (ours, theirs) = (key(), key());
    let package = Package::publish(&ours, "acme/weather", "1.0.0", 1);
    let foreign = Package::publish(&theirs, "acme/weather", "1.0.0", 1);
    let other = Package::publish(&ours, "acme/weather", "1.1.0", 2);
    let mut asked = Asked::of(&package);
    asked.bundles = vec![
        b"nonsense".to_vec(),
        foreign.statement,
        other.statement,
        sign::sign(&theirs, Digest::of(&package.manifest)),
        package.statement.clone(),
    ];
    let accepted = asked.accepted(&trusting(&ours, "acme"));
    assert_eq!(accepted.key(), Some(ours.public().id()));
}

#[test]
fn a_statement_about_other_components_is_refused() {
    let key = key();
    let package = Package::publish(&key, "acme/weather", "1.0.0", 1);
    let policy = trusting(&key, "acme");
    let mut components = package.components();
    components.insert(Digest::of(b"more"));
    for components in [components, BTreeSet::new()] {
        let request = Request {
            name: &package.name,
            version: &package.version,
            manifest: Digest::of(&package.manifest),
            components: &components,
            installed: None,
            allow_older: false,
            allow_unsigned: false,
            loopback: false,
            now: NOW,
        };
        let bundles = [package.statement.clone()];
        let evidence = Evidence {
            manifest: &package.manifest,
            bundles: &bundles,
            simple: &[],
        };
        let refusal = verify(&request, &evidence, &policy).accepted().unwrap_err();
        assert!(matches!(refusal, Refusal::Components { .. }), "{refusal}");
    }
}

#[test]
fn keys_that_are_revoked_expired_or_not_allowed_for_the_name_are_refused() {
    let key = key();
    let package = Package::publish(&key, "acme/weather", "1.0.0", 1);
    let asked = Asked::of(&package);
    let revoked = with(&key, "acme", |key| {
        key.revoked = Some("stolen laptop".to_owned())
    });
    let refusal = asked.refused(&revoked);
    assert!(matches!(&refusal, Refusal::Revoked { label, .. } if label == "acme"));
    assert!(refusal.to_string().contains("stolen laptop"), "{refusal}");

    let at = |millis| {
        with(&key, "acme", |key| {
            key.not_after = Some(Timestamp::from_millis(millis))
        })
    };
    let refusal = asked.refused(&at(NOW.as_millis() - 1));
    assert!(matches!(refusal, Refusal::Expired { .. }), "{refusal}");
    asked.accepted(&at(NOW.as_millis()));

    let refusal = asked.refused(&trusting(&key, "acme/mail"));
    assert!(
        matches!(refusal, Refusal::KeyNotAllowed { .. }),
        "{refusal}"
    );
    // A known key in a namespace that is nobody's yet is like one that is new.
    let second = trusting(&key, "globex");
    let report = asked.verify(&second);
    assert!(matches!(report.verdict, Verdict::FirstUse(_)), "{report:?}");
    let mut owned = second;
    let owner = TrustedKey::new(self::key().public().clone(), "acme".parse().unwrap());
    owned.keys.insert("owner".to_owned(), owner);
    let refusal = asked.refused(&owned);
    assert!(
        matches!(refusal, Refusal::KeyNotAllowed { .. }),
        "{refusal}"
    );
    asked.accepted(&trusting(&key, "acme/weather"));
}

#[test]
fn a_namespace_that_has_an_owner_is_nobody_elses() {
    let (owner, other) = (key(), key());
    let package = Package::publish(&other, "acme/weather", "1.0.0", 1);
    for policy in [
        trusting(&owner, "acme"),
        trusting(&owner, "acme/mail"),
        with(&owner, "acme", |key| key.revoked = Some("lost".to_owned())),
    ] {
        let refusal = Asked::of(&package).refused(&policy);
        assert!(matches!(refusal, Refusal::OtherKey { .. }), "{refusal}");
        assert!(refusal.to_string().contains("`acme`"), "{refusal}");
    }
}

#[test]
fn a_namespace_that_is_new_is_asked_about_unless_the_policy_refuses() {
    let key = key();
    let package = Package::publish(&key, "acme/weather", "1.0.0", 1);
    let report = Asked::of(&package).verify(&Policy::default());
    let asked = report
        .checks
        .iter()
        .find(|check| check.what == What::Key)
        .unwrap();
    assert_eq!(asked.outcome, Outcome::Asked);
    match &report.verdict {
        Verdict::FirstUse(first) => {
            assert_eq!(first.key, *key.public());
            assert_eq!(first.name.as_str(), "acme/weather");
        }
        other => panic!("{other:?}"),
    }
    let unasked = report.accepted().unwrap_err();
    assert!(matches!(unasked, Refusal::UnknownKey { .. }), "{unasked}");
    let strict = Policy {
        first_use: crate::trust::FirstUse::Refuse,
        ..Policy::default()
    };
    let refusal = Asked::of(&package).refused(&strict);
    assert!(matches!(refusal, Refusal::UnknownKey { .. }), "{refusal}");
    let own = Package::publish(&key, "nebula/http", "1.0.0", 1);
    let refusal = Asked::of(&own).refused(&Policy::default());
    assert!(matches!(refusal, Refusal::UnknownKey { .. }), "{refusal}");
}

#[test]
fn a_namespace_that_looks_like_a_known_one_is_never_pinned() {
    let (known, other) = (key(), key());
    for (name, like) in [
        ("acrne/weather", "acme"),
        ("ac-me/weather", "acme"),
        ("nebu1a/http", "nebula"),
        ("nebular/http", "nebula"),
    ] {
        let package = Package::publish(&other, name, "1.0.0", 1);
        let refusal = Asked::of(&package).refused(&trusting(&known, "acme"));
        assert!(
            matches!(&refusal, Refusal::LooksLike { known, .. } if known == like),
            "{name}: {refusal}"
        );
    }
    // Who is trusted with it by name is no stranger.
    let package = Package::publish(&other, "acrne/weather", "1.0.0", 1);
    let mut policy = trusting(&known, "acme");
    let trusted = TrustedKey::new(other.public().clone(), "acrne".parse().unwrap());
    policy.keys.insert("acrne".to_owned(), trusted);
    Asked::of(&package).accepted(&policy);
}

#[test]
fn an_older_version_an_old_serial_and_a_moved_tag_are_refused() {
    let key = key();
    let policy = trusting(&key, "acme");
    let old = Package::publish(&key, "acme/weather", "1.0.0", 4);
    let new = Package::publish(&key, "acme/weather", "1.1.0", 5);

    let mut asked = Asked::of(&old);
    asked.installed = Some(new.installed(Some(5), &key));
    let refusal = asked.refused(&policy);
    assert!(matches!(refusal, Refusal::Older { .. }), "{refusal}");
    asked.change = |request| request.allow_older = true;
    asked.accepted(&policy);

    let mut asked = Asked::of(&new);
    asked.installed = Some(old.installed(Some(4), &key));
    asked.accepted(&policy);

    // The same version again, by an earlier statement of the same publisher.
    asked.installed = Some(new.installed(Some(6), &key));
    let refusal = asked.refused(&policy);
    assert!(
        matches!(
            refusal,
            Refusal::OldSerial {
                serial: 5,
                minimum: 6
            }
        ),
        "{refusal}"
    );
    // Another key counts from wherever it begins.
    asked.installed = Some(new.installed(Some(6), &self::key()));
    asked.accepted(&policy);

    asked.installed = Some(Installed {
        manifest: Digest::of(b"as it was"),
        ..new.installed(Some(5), &key)
    });
    asked.change = |request| request.allow_older = true;
    let refusal = asked.refused(&policy);
    assert!(matches!(refusal, Refusal::Moved { .. }), "{refusal}");

    let floor = with(&key, "acme", |key| key.minimum_serial = 5);
    let refusal = Asked::of(&old).refused(&floor);
    assert!(
        matches!(
            refusal,
            Refusal::OldSerial {
                serial: 4,
                minimum: 5
            }
        ),
        "{refusal}"
    );
    Asked::of(&new).accepted(&floor);
}

#[test]
fn a_plain_cosign_signature_is_reported_and_installs_only_where_the_policy_says_so() {
    let key = key();
    let package = Package::publish(&key, "acme/weather", "1.0.0", 1);
    let digest = Digest::of(&package.manifest);
    let simple = simple::sign(&key, "registry.example/acme/weather", digest);
    let bundle = sign::sign(&key, digest);
    let lenient = |key: &SigningKey| with(key, "acme", |key| key.cosign_only = true);
    for (bundles, simple) in [(vec![bundle], vec![]), (vec![], vec![simple])] {
        let mut asked = Asked::of(&package);
        (asked.bundles, asked.simple) = (bundles, simple);
        let report = asked.verify(&trusting(&key, "acme"));
        let signature = &report.checks[2];
        assert_eq!(
            (signature.what, signature.outcome),
            (What::Signature, Outcome::Passed)
        );
        assert!(
            signature.detail.contains("plain cosign signature"),
            "{signature:?}"
        );
        let refusal = report.accepted().unwrap_err();
        assert!(matches!(refusal, Refusal::CosignOnly { .. }), "{refusal}");

        let accepted = asked.accepted(&lenient(&key));
        assert_eq!(*accepted.origin(), Origin::CosignOnly);
        assert!(accepted.statement().is_none());
        let component = accepted.component(package.binary.clone().into()).unwrap();
        assert_eq!(*component.origin(), Origin::CosignOnly);

        let refusal = asked.refused(&lenient(&self::key()));
        assert!(
            matches!(refusal, Refusal::UnknownSigner { .. }),
            "{refusal}"
        );
        let refusal = asked.refused(&with(&key, "acme", |key| {
            key.cosign_only = true;
            key.revoked = Some("lost".to_owned());
        }));
        assert!(matches!(refusal, Refusal::Revoked { .. }), "{refusal}");
        // Nobody is pinned by a signature that names nobody.
        let refusal = asked.refused(&Policy::default());
        assert!(
            matches!(refusal, Refusal::UnknownSigner { .. }),
            "{refusal}"
        );

        let other = Package::publish(&key, "acme/weather", "2.0.0", 2);
        let mut moved = Asked::of(&other);
        (moved.bundles, moved.simple) = (asked.bundles, asked.simple);
        let refusal = moved.refused(&lenient(&key));
        assert!(
            matches!(refusal, Refusal::UnknownSigner { .. }),
            "{refusal}"
        );
    }
}

#[test]
fn a_right_statement_counts_more_than_a_plain_signature() {
    let key = key();
    let package = Package::publish(&key, "acme/weather", "1.0.0", 1);
    let mut asked = Asked::of(&package);
    asked
        .bundles
        .insert(0, sign::sign(&key, Digest::of(&package.manifest)));
    let accepted = asked.accepted(&with(&key, "acme", |key| key.cosign_only = true));
    assert_eq!(*accepted.origin(), Origin::Statement);
}

#[test]
fn what_is_not_signed_is_refused_unless_it_was_allowed_on_loopback() {
    let package = Package::publish(&key(), "acme/weather", "1.0.0", 1);
    let mut asked = Asked::of(&package);
    asked.bundles.clear();
    let policy = Policy::default();
    let refusal = asked.refused(&policy);
    assert!(matches!(refusal, Refusal::Unsigned { .. }), "{refusal}");
    asked.change = |request| request.allow_unsigned = true;
    let refusal = asked.refused(&policy);
    assert!(
        matches!(refusal, Refusal::UnsignedElsewhere { .. }),
        "{refusal}"
    );
    asked.change = |request| (request.allow_unsigned, request.loopback) = (true, true);
    let accepted = asked.accepted(&policy);
    assert_eq!(*accepted.origin(), Origin::Unsigned);
    // A signature that is wrong is not the same as none.
    asked.bundles = vec![Package::publish(&key(), "acme/mail", "1.0.0", 1).statement];
    asked.refused(&policy);
}

#[test]
fn more_than_is_looked_at_is_refused() {
    let key = key();
    let mut package = Package::publish(&key, "acme/weather", "1.0.0", 1);
    let policy = trusting(&key, "acme");
    let mut asked = Asked::of(&package);
    asked.bundles = vec![package.statement.clone(); 2 * MAX_SIGNATURES + 1];
    let refusal = asked.refused(&policy);
    assert!(
        matches!(refusal, Refusal::TooManySignatures { .. }),
        "{refusal}"
    );
    package.manifest = vec![b' '; MAX_MANIFEST + 1];
    let refusal = Asked::of(&package).refused(&policy);
    assert!(matches!(refusal, Refusal::TooLarge { .. }), "{refusal}");
}

/// Of a signature by ECDSA everybody can make a second that is as valid.
#[test]
fn the_other_form_of_a_right_signature_is_refused() {
    let key = key();
    let package = Package::publish(&key, "acme/weather", "1.0.0", 1);
    let text = String::from_utf8(package.statement.clone()).unwrap();
    let start = text.find("\"sig\":\"").unwrap() + 7;
    let end = start + text[start..].find('"').unwrap();
    let signature = data_encoding::BASE64
        .decode(&text.as_bytes()[start..end])
        .unwrap();
    let signature = p256::ecdsa::Signature::from_der(&signature).unwrap();
    let (r, s) = signature.split_scalars();
    let other = p256::ecdsa::Signature::from_scalars(*r, -*s).unwrap();
    let other = data_encoding::BASE64.encode(other.to_der().as_bytes());
    let changed = format!("{}{other}{}", &text[..start], &text[end..]);
    let bundle = Bundle::parse(changed.as_bytes()).unwrap();
    assert!(bundle.verify(key.public()).is_ok(), "it is valid");
    let mut asked = Asked::of(&package);
    asked.bundles = vec![changed.into_bytes()];
    let refusal = asked.refused(&trusting(&key, "acme"));
    assert!(matches!(refusal, Refusal::Statement(_)), "{refusal}");
}

/// A statement that its author signed, but that could be read in two ways.
#[test]
fn a_signed_statement_that_is_not_canonical_is_refused() {
    use crate::envelope::bundle;
    use crate::envelope::in_toto::IN_TOTO;
    let key = key();
    let package = Package::publish(&key, "acme/weather", "1.0.0", 1);
    let bundle = Bundle::parse(&package.statement).unwrap();
    let right = String::from_utf8(bundle.unverified().to_vec()).unwrap();
    let policy = trusting(&key, "acme");
    let sign = |text: &str| bundle::sign(&key, IN_TOTO, text.as_bytes());
    assert_eq!(sign(&right), package.statement);
    for (from, to) in [
        ("\"serial\":1", "\"serial\":1,\"serial\":2"),
        ("\"serial\":1", "\"serial\":1,\"more\":2"),
        ("\"serial\":1", "\"serial\": 1"),
        ("\"serial\":1", "\"serial\":01"),
        ("\"serial\":1", "\"seri\\u0061l\":1"),
        ("acme/weather", "acme\\/weather"),
        ("acme/weather", "Acme/weather"),
        ("\"1.0.0\"", "\"1.0.0+x\""),
        ("\"1.0.0\"", "\"01.0.0\""),
        ("in-toto.io/Statement/v1", "in-toto.io/Statement/v2"),
        ("\"components\":[", "\"components\":[]  ,\"x\":["),
        ("\"imports\":[", "\"imports\":[\"wasi:http/types@0.2.6\","),
    ] {
        let text = right.replacen(from, to, 1);
        assert_ne!(text, right, "{from}");
        let mut asked = Asked::of(&package);
        asked.bundles = vec![sign(&text)];
        let refusal = asked.refused(&policy);
        let expected = matches!(refusal, Refusal::Statement(_) | Refusal::Unsigned { .. });
        assert!(expected, "{to}: {refusal}");
    }
}

#[test]
fn what_cannot_be_stated_is_not_signed() {
    let key = key();
    let package = Package::publish(&key, "acme/weather", "1.0.0", 1);
    let accepted = Asked::of(&package).accepted(&trusting(&key, "acme"));
    let right = accepted.statement().unwrap().clone();
    let build = Statement {
        version: "1.0.0+x".parse().unwrap(),
        ..right.clone()
    };
    let error = build.sign(&key).unwrap_err();
    assert!(matches!(error, StatementError::BuildMetadata(_)), "{error}");
    let error = right.sign(&self::key()).unwrap_err();
    assert!(matches!(error, StatementError::OtherKey(_)), "{error}");
    let mut twice = right.clone();
    let mut component = right.components.first().unwrap().clone();
    component.hosts.clear();
    twice.components.insert(component);
    let error = twice.sign(&key).unwrap_err();
    assert!(matches!(error, StatementError::Twice(_)), "{error}");
    let mut large = right;
    let mut component = large.components.pop_first().unwrap();
    component.hosts = (0..100_000).map(|n| format!("host{n}.example")).collect();
    large.components.insert(component);
    let error = large.sign(&key).unwrap_err();
    assert!(matches!(error, StatementError::TooLarge { .. }), "{error}");
}
