use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::key::Algorithm;
use crate::trust::TrustedKey;

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);
const HUB: &str = "registry.example/hub";

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Ed25519).unwrap()
}

fn trusting(key: &SigningKey, source: &str) -> Policy {
    let mut trusted = TrustedKey::new(key.public().clone(), "acme".parse().unwrap());
    trusted.indexes.insert(source.to_owned());
    let mut policy = Policy::default();
    policy.keys.insert("operator".to_owned(), trusted);
    policy
}

fn index(serial: u64) -> Index {
    let entry = |version: &str| IndexEntry {
        name: "acme/weather".parse().unwrap(),
        version: version.parse().unwrap(),
        manifest: Digest::of(version.as_bytes()),
        description: "Weather \"everywhere\"".to_owned(),
        publisher: key().public().id(),
    };
    Index {
        source: HUB.to_owned(),
        serial,
        time: NOW,
        expires: NOW.plus(Duration::from_hours(24)),
        versions: [entry("1.0.0"), entry("1.1.0")].into(),
    }
}

#[test]
fn an_index_is_what_its_operator_signed() {
    let key = key();
    let index = index(3);
    let bytes = index.sign(&key).unwrap();
    let policy = trusting(&key, HUB);
    let read = Index::verify(&bytes, HUB, &policy, Some(3), NOW).unwrap();
    assert_eq!(read, index);
    assert_eq!(Index::verify(&bytes, HUB, &policy, None, NOW), Ok(index));
}

#[test]
fn an_index_that_is_old_expired_of_another_hub_or_of_another_key_is_refused() {
    let key = key();
    let bytes = index(3).sign(&key).unwrap();
    let policy = trusting(&key, HUB);
    let verify = |policy: &Policy, source, seen, now| {
        Index::verify(&bytes, source, policy, seen, now).unwrap_err()
    };
    let error = verify(&policy, HUB, Some(4), NOW);
    assert!(
        matches!(error, IndexError::Old { serial: 3, seen: 4 }),
        "{error}"
    );
    let error = verify(&policy, HUB, None, NOW.plus(Duration::from_hours(25)));
    assert!(matches!(error, IndexError::Expired(_)), "{error}");
    // A key that signs for one hub only does not for another, ...
    let error = verify(&policy, "registry.example/other", None, NOW);
    assert!(matches!(error, IndexError::Key { .. }), "{error}");
    // ... and one that signs for both does not make one the other.
    let both = trusting(&key, "registry.example/other");
    let error = verify(&both, "registry.example/other", None, NOW);
    assert!(matches!(error, IndexError::OtherSource { .. }), "{error}");
    let error = verify(&trusting(&self::key(), HUB), HUB, None, NOW);
    assert!(matches!(error, IndexError::Key { .. }), "{error}");
    let error = verify(&Policy::default(), HUB, None, NOW);
    assert!(matches!(error, IndexError::Key { .. }), "{error}");
    let mut revoked = trusting(&key, HUB);
    revoked.keys.get_mut("operator").unwrap().revoked = Some("lost".to_owned());
    let error = verify(&revoked, HUB, None, NOW);
    assert!(
        matches!(error, IndexError::Refused(Refusal::Revoked { .. })),
        "{error}"
    );
}

#[test]
fn what_is_signed_as_something_else_is_no_index() {
    let key = key();
    let policy = trusting(&key, HUB);
    let bytes = index(1).sign(&key).unwrap();
    let payload = Bundle::parse(&bytes).unwrap().unverified().to_vec();
    let verify = |bytes: &[u8]| Index::verify(bytes, HUB, &policy, None, NOW).unwrap_err();
    let other = bundle::sign(&key, "application/vnd.in-toto+json", &payload);
    let error = verify(&other);
    assert!(matches!(error, IndexError::NotAnIndex(_)), "{error}");
    let spaced = [&payload[..], b" "].concat();
    let error = verify(&bundle::sign(&key, INDEX, &spaced));
    assert!(error.to_string().contains("canonical"), "{error}");
    let mut twice = index(1);
    let mut entry = twice.versions.first().unwrap().clone();
    entry.manifest = Digest::of(b"other");
    twice.versions.insert(entry);
    assert!(matches!(twice.sign(&key), Err(IndexError::Twice(..))));
}

proptest! {
    #[test]
    fn no_altered_byte_of_an_index_passes(place in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let key = key();
        let mut bytes = index(1).sign(&key).unwrap();
        let at = place.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(Index::verify(&bytes, HUB, &trusting(&key, HUB), None, NOW).is_err());
    }
}
