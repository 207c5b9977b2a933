use std::collections::BTreeSet;
use std::sync::Arc;

use nebula_flow::Timestamp;

use super::*;
use crate::key::{Algorithm, PublicKey, SigningKey};

fn key() -> PublicKey {
    let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
    key.public().clone()
}

fn trusted(scope: &str) -> TrustedKey {
    TrustedKey::new(key(), scope.parse().unwrap())
}

fn parse(text: &str) -> Policy {
    Policy::parse(text, "trust.toml").unwrap()
}

#[test]
fn a_policy_says_what_its_file_says() {
    let (one, two) = (key(), key());
    let text = format!(
        r#"
first_use = "refuse"

[keys.acme]
namespaces = ["acme", "globex/weather"]
indexes = ["registry.example/hub"]
not_after = 2027-01-01T00:00:00Z
minimum_serial = 7
cosign_only = true
key = """
{}"""

[keys.old]
revoked = "stolen laptop"
key = '''{}'''
"#,
        one.to_pem(),
        two.to_pem()
    );
    let policy = parse(&text);
    assert_eq!(policy.first_use, FirstUse::Refuse);
    let acme = &policy.keys["acme"];
    assert_eq!(acme.key, one);
    let scopes: Vec<_> = acme.namespaces.iter().map(ToString::to_string).collect();
    assert_eq!(scopes, ["acme", "globex/weather"]);
    assert!(acme.indexes.contains("registry.example/hub"));
    let end = "2027-01-01T00:00:00Z".parse::<Timestamp>().unwrap();
    assert_eq!(acme.not_after, Some(end));
    assert_eq!((acme.minimum_serial, acme.cosign_only), (7, true));
    assert_eq!(policy.keys["old"].revoked.as_deref(), Some("stolen laptop"));
    assert_eq!(policy.find(one.id()).unwrap().0, "acme");
    let speaking = |name: &str| {
        let name = name.parse().unwrap();
        policy.speaking_for(&name).count()
    };
    assert_eq!(speaking("acme/anything"), 1);
    assert_eq!(speaking("globex/weather"), 1);
    assert_eq!(speaking("globex/mail"), 0);
    assert_eq!(parse(""), Policy::default());
}

#[test]
fn what_no_policy_says_is_refused_with_its_line() {
    let pem = key().to_pem();
    let entry = |more: &str| format!("\n[keys.acme]\n{more}\nkey = '''{pem}'''\n");
    for (text, line, why) in [
        ("first_use = \"always\"".to_owned(), 1, "always"),
        ("\nkeys = 1".to_owned(), 2, "map"),
        ("[keys.acme]\n".to_owned(), 1, "key"),
        ("[keys.acme]\nkey = 'x'".to_owned(), 2, "public key"),
        (entry("namespaces = ['Acme']"), 3, "Acme"),
        (entry("namespaces = ['*']"), 3, "namespace"),
        (entry("revokd = 'typo'"), 3, "revokd"),
        (entry("minimum_serial = -1"), 3, "-1"),
        (entry("not_after = 'soon'"), 3, ""),
        (entry("not_after = 2027-01-01"), 3, "RFC 3339"),
        (entry("[").to_owned(), 3, ""),
        (entry("").replace("keys.acme", "keys.'A B'"), 0, "A B"),
        (
            entry("") + &entry("").replace("acme", "again"),
            0,
            "same key",
        ),
    ] {
        let error = Policy::parse(&text, "trust.toml").unwrap_err();
        let TrustError::Content {
            line: found,
            message,
            ..
        } = &error
        else {
            panic!("{error}");
        };
        assert_eq!(*found, line, "{text}\n{error}");
        assert!(message.contains(why), "{text}\n{error}");
    }
}

#[test]
fn a_key_is_added_revoked_and_replaced_and_what_a_person_wrote_stays() {
    let by_hand = "# ours\nfirst_use = \"refuse\" # strictly\n";
    let mut acme = trusted("acme");
    acme.minimum_serial = 3;
    acme.cosign_only = true;
    acme.indexes.insert("registry.example/hub".to_owned());
    acme.not_after = Some("2027-01-01T00:00:00.5Z".parse().unwrap());
    let text = edit::add(by_hand, "trust.toml", "acme", &acme).unwrap();
    assert!(text.starts_with(by_hand), "{text}");
    assert_eq!(parse(&text).keys["acme"], acme);

    let new = key();
    let until = "2026-12-31T00:00:00Z".parse::<Timestamp>().unwrap();
    let names = ("acme", "acme-2");
    let text = edit::rotate(&text, "trust.toml", names, new.clone(), Some(until)).unwrap();
    let policy = parse(&text);
    assert_eq!(policy.keys["acme"].not_after, Some(until));
    let successor = &policy.keys["acme-2"];
    assert_eq!(successor.key, new);
    assert_eq!(successor.namespaces, acme.namespaces);
    assert_eq!((successor.not_after, successor.minimum_serial), (None, 0));
    assert!(successor.cosign_only);

    let text = edit::revoke(&text, "trust.toml", "acme", "it \"leaked\"\nyesterday").unwrap();
    let revoked = parse(&text).keys["acme"].revoked.clone();
    assert_eq!(revoked.as_deref(), Some("it \"leaked\"\nyesterday"));
    assert!(text.starts_with(by_hand), "{text}");
}

#[test]
fn a_namespace_is_pinned_to_a_key_that_is_new_or_known() {
    let key = key();
    let pin = |text: &str, scope: &str, key: &PublicKey| {
        let indexes = BTreeSet::new();
        edit::pin(text, "trust.toml", &scope.parse().unwrap(), &indexes, key).unwrap()
    };
    let text = pin("", "acme", &key);
    assert_eq!(parse(&text).keys["acme"].key, key);
    let text = pin(&text, "acme-labs", &key);
    let policy = parse(&text);
    let scopes: Vec<_> = policy.keys["acme"]
        .namespaces
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        (policy.keys.len(), scopes),
        (1, vec!["acme".to_owned(), "acme-labs".to_owned()])
    );
    let index = |hub: &str| {
        let scope = "acme".parse().unwrap();
        edit::pin(&text, "trust.toml", &scope, &[hub.to_owned()].into(), &key).unwrap()
    };
    let indexed = index("registry.example/hub");
    assert_eq!(parse(&indexed).keys["acme"].indexes.len(), 1);
    assert_eq!(parse(&indexed).keys["acme"].namespaces.len(), 2);
    // The name is taken, by another key.
    let text = pin(&text, "acme/mail", &self::key());
    assert_eq!(parse(&text).keys["acme-2"].namespaces.len(), 1);

    let policy = parse(&text);
    assert_eq!(edit::free(&policy, "acme"), "acme-3");
    assert_eq!(edit::free(&policy, "globex"), "globex");
    let long = "a".repeat(60) + "-b";
    assert!(crate::key::is_name(&edit::free(&policy, &long)));
}

#[test]
fn a_change_that_makes_no_sense_is_refused() {
    let acme = trusted("acme");
    let text = edit::add("", "trust.toml", "acme", &acme).unwrap();
    let add = |label: &str, key: &TrustedKey| edit::add(&text, "trust.toml", label, key);
    assert!(matches!(
        add("acme", &trusted("b")),
        Err(TrustError::Taken(_))
    ));
    assert!(matches!(add("other", &acme), Err(TrustError::Known(label)) if label == "acme"));
    assert!(matches!(
        add("../x", &trusted("b")),
        Err(TrustError::Name(_))
    ));
    let error = edit::revoke(&text, "trust.toml", "nobody", "x").unwrap_err();
    assert!(matches!(error, TrustError::Unknown(_)), "{error}");
    let names = ("nobody", "new");
    let error = edit::rotate(&text, "trust.toml", names, key(), None).unwrap_err();
    assert!(matches!(error, TrustError::Unknown(_)), "{error}");

    let policy = parse(&text);
    assert_eq!(edit::label_of(&policy, "acme").unwrap(), "acme");
    let id = acme.key.id().to_string();
    assert_eq!(edit::label_of(&policy, &id).unwrap(), "acme");
    assert!(edit::label_of(&policy, &key().id().to_string()).is_err());
}

#[test]
fn a_file_is_changed_as_a_whole_by_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = Arc::new(TrustFile::at(folder.path().join("new/trust.toml")));
    assert_eq!(file.policy().unwrap(), Policy::default());
    let writers: Vec<_> = (0..8)
        .map(|n| {
            let file = Arc::clone(&file);
            std::thread::spawn(move || {
                let label = format!("key-a{n}");
                let key = trusted(&format!("ns{n}"));
                file.change(|text, name| edit::add(text, name, &label, &key))
                    .unwrap();
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    let policy = file.policy().unwrap();
    assert_eq!(policy.keys.len(), 8);

    let before = std::fs::read_to_string(file.path()).unwrap();
    assert!(before.starts_with("# Whom this node trusts"), "{before}");
    let refused = file.change(|text, name| edit::revoke(text, name, "nobody", "x"));
    assert!(refused.is_err());
    let refused = file.change(|_, _| Ok("nonsense".to_owned()));
    assert!(matches!(refused, Err(TrustError::Content { .. })));
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), before);
}
