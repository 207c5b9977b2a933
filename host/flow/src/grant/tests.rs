#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;
use crate::fakes::{Store, metadata, now};

fn tenant() -> TenantId {
    TenantId::default_tenant()
}

fn grant(action: &str, host: &str) -> Grant {
    Grant {
        action: action.parse().unwrap(),
        host: host.to_owned(),
        schemes: Vec::new(),
        at: None,
        methods: Vec::new(),
    }
}

fn credential() -> Credential {
    Credential {
        secret: Secret::new("hunter2"),
        kind: CredentialKind::Text,
        hosts: vec!["api.example".to_owned()],
        reveal: true,
    }
}

fn action(hosts: &[&str], credentials: &[&str]) -> ActionMetadata {
    let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    ActionMetadata {
        hosts: owned(hosts),
        credentials: owned(credentials),
        ..metadata("weather.fetch", json!(true), json!(true))
    }
}

#[test]
fn a_call_reaches_what_is_asked_for_and_granted_and_nothing_else() {
    let store = Store::default();
    for (action, host) in [
        ("weather.fetch", "api.example"),
        ("weather.fetch", "other.example"),
        ("weather.fetcher", "api.example"),
    ] {
        now(put_grant(&store, &tenant(), &grant(action, host))).unwrap();
    }
    let hosts = |asked: &[&str]| -> Vec<String> {
        let capabilities = now(capabilities(
            &store,
            &tenant(),
            &action(asked, &[]),
            &BTreeMap::new(),
        ))
        .unwrap();
        capabilities.hosts.into_iter().map(|g| g.host).collect()
    };
    assert_eq!(hosts(&["api.example", "third.example"]), ["api.example"]);
    assert_eq!(hosts(&["*"]), ["api.example", "other.example"]);
    assert!(hosts(&[]).is_empty());
    now(remove_grant(
        &store,
        &tenant(),
        &"weather.fetch".parse().unwrap(),
        "API.example",
    ))
    .unwrap();
    assert!(hosts(&["api.example"]).is_empty());
}

#[test]
fn what_a_package_asks_for_covers_that_host_and_port_only() {
    for (asked, host) in [
        ("api.example", "api.example"),
        ("API.example.", "api.example"),
        ("api.example", "api.example:443"),
        ("api.example:8443", "api.example:8443"),
        ("[::1]", "[::1]:80"),
        ("*", "any.example:1"),
    ] {
        assert!(covers(asked, host), "{asked} {host}");
    }
    for (asked, host) in [
        ("api.example", "api.example:8443"),
        ("api.example", "sub.api.example"),
        ("api.example", "api.example.evil"),
        ("api.example", "api.example:4430"),
        ("api.example:8443", "api.example"),
        ("*.example", "api.example"),
        ("", "api.example"),
    ] {
        assert!(!covers(asked, host), "{asked} {host}");
    }
}

#[test]
fn a_grant_that_was_stored_before_schemes_were_reads_as_one_without() {
    let stored = json!({ "action": "weather.fetch", "host": "api.example" });
    let read: Grant = serde_json::from_value(stored).unwrap();
    assert_eq!(read, grant("weather.fetch", "api.example"));
}

#[test]
fn a_credential_that_was_stored_before_kinds_were_is_a_text_and_a_text_is_stored_like_it() {
    let stored = json!({ "secret": "hunter2", "hosts": ["api.example"], "reveal": true });
    let read: Credential = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(read, credential());
    assert_eq!(serde_json::to_value(&read).unwrap(), stored);
    // One whose kind is not known is not taken for a text.
    let later = json!({ "secret": "x", "kind": { "type": "later" }, "hosts": [] });
    assert!(serde_json::from_value::<Credential>(later).is_err());
}

#[test]
fn every_kind_of_credential_reads_back_as_it_was_written() {
    let oauth2 = OAuth2 {
        token_url: "https://login.example/token".into(),
        token_at: Some("http://127.0.0.1:1".into()),
        client_id: "me".into(),
        scopes: vec!["read".into()],
        audience: Some("api".into()),
        client_auth: ClientAuth::Body,
    };
    for kind in [
        CredentialKind::ApiKey {
            header: "x-key".into(),
        },
        CredentialKind::Bearer,
        CredentialKind::Basic { user: "me".into() },
        CredentialKind::OAuth2(oauth2),
        CredentialKind::Certificate {
            chain: "PEM".into(),
        },
    ] {
        let written = Credential {
            kind,
            ..credential()
        };
        let text = serde_json::to_string(&written).unwrap();
        assert_eq!(serde_json::from_str::<Credential>(&text).unwrap(), written);
        assert!(!format!("{written:?}").contains("hunter2"));
        let shared = written.shared();
        let shared = shared.as_ref().map(Secret::expose);
        match written.kind {
            CredentialKind::Basic { .. } => assert_eq!(shared, Some("me:hunter2")),
            CredentialKind::OAuth2(_) | CredentialKind::Certificate { .. } => {
                assert_eq!(shared, None);
            }
            _ => assert_eq!(shared, Some("hunter2")),
        }
    }
}

#[test]
fn a_call_has_the_credentials_that_it_declares_and_that_are_stored() {
    let store = Store::default();
    now(put_credential(&store, &tenant(), "prod", &credential())).unwrap();
    let bound = |declared: &[&str], bindings: &[(&str, &str)]| {
        let bindings = bindings
            .iter()
            .map(|(a, b)| (a.to_string(), b.to_string()))
            .collect();
        now(capabilities(
            &store,
            &tenant(),
            &action(&[], declared),
            &bindings,
        ))
    };
    let found = bound(&["api"], &[("api", "prod"), ("undeclared", "prod")]).unwrap();
    assert_eq!(found.credentials.keys().collect::<Vec<_>>(), ["api"]);
    assert_eq!(found.credentials["api"].secret.expose(), "hunter2");
    assert!(
        !found.credentials["api"].reveal,
        "plain text needs a grant of its own"
    );
    assert!(
        bound(&["api"], &[]).unwrap().credentials.is_empty(),
        "it may be optional"
    );
    let failure = bound(&["api"], &[("api", "gone")]).unwrap_err();
    assert!(matches!(&failure, NoCapabilities::NotStored(name) if name == "gone"));
    assert!(failure.to_string().contains("`gone`"));
}

fn reveal(action: &str, credential: &str) -> Reveal {
    Reveal {
        action: action.parse().unwrap(),
        credential: credential.to_owned(),
    }
}

/// Whether a call of `weather.fetch` whose node binds `prod` has plain text.
fn is_revealed(store: &Store) -> bool {
    let bindings = BTreeMap::from([("api".to_owned(), "prod".to_owned())]);
    let action = action(&[], &["api"]);
    let found = now(capabilities(store, &tenant(), &action, &bindings)).unwrap();
    found.credentials["api"].reveal
}

#[test]
fn plain_text_takes_the_word_of_the_credential_and_a_grant_and_a_kind_that_may_be_revealed() {
    let certificate = CredentialKind::Certificate {
        chain: "PEM".into(),
    };
    let oauth2 = OAuth2 {
        token_url: "https://login.example/token".into(),
        token_at: None,
        client_id: "me".into(),
        scopes: Vec::new(),
        audience: None,
        client_auth: ClientAuth::Basic,
    };
    let header = "x-key".to_owned();
    for (kind, may_be) in [
        (CredentialKind::Text, true),
        (CredentialKind::Bearer, true),
        (CredentialKind::ApiKey { header }, true),
        (CredentialKind::Basic { user: "me".into() }, true),
        (CredentialKind::OAuth2(oauth2), false),
        (certificate, false),
    ] {
        for (said, granted) in [(false, false), (true, false), (false, true), (true, true)] {
            let store = Store::default();
            let stored = Credential {
                kind: kind.clone(),
                reveal: said,
                ..credential()
            };
            now(put_credential(&store, &tenant(), "prod", &stored)).unwrap();
            let wanted = reveal("weather.fetch", "prod");
            if granted {
                now(put_reveal(&store, &tenant(), &wanted)).unwrap();
            }
            let case = format!("{kind:?} said: {said} granted: {granted}");
            assert_eq!(is_revealed(&store), may_be && said && granted, "{case}");
            let revealable = match (may_be, said) {
                (false, _) => Err(NotRevealable::Never),
                (true, false) => Err(NotRevealable::NotSaid),
                (true, true) => Ok(()),
            };
            assert_eq!(stored.revealable(), revealable, "{case}");
        }
    }
}

#[test]
fn plain_text_is_of_this_action_and_this_stored_credential_until_a_word_is_taken_back() {
    let store = Store::default();
    now(put_credential(&store, &tenant(), "prod", &credential())).unwrap();
    for (action, name) in [
        ("weather.fetcher", "prod"),
        ("weather.fetch", "prod2"),
        // The name in the action's code is not the one that counts.
        ("weather.fetch", "api"),
    ] {
        now(put_reveal(&store, &tenant(), &reveal(action, name))).unwrap();
        assert!(!is_revealed(&store), "{action} {name}");
    }
    let wanted = reveal("weather.fetch", "prod");
    assert_eq!(now(put_reveal(&store, &tenant(), &wanted)).unwrap(), 1);
    assert_eq!(now(put_reveal(&store, &tenant(), &wanted)).unwrap(), 2);
    assert!(is_revealed(&store));
    let short = Credential {
        secret: Secret::new("short"),
        ..credential()
    };
    now(put_credential(&store, &tenant(), "prod", &short)).unwrap();
    assert_eq!(short.revealable(), Err(NotRevealable::TooShort));
    assert!(!is_revealed(&store), "nothing would cover it");

    let silent = Credential {
        reveal: false,
        ..credential()
    };
    now(put_credential(&store, &tenant(), "prod", &silent)).unwrap();
    assert!(!is_revealed(&store), "the credential's word is taken back");
    now(put_credential(&store, &tenant(), "prod", &credential())).unwrap();
    assert!(is_revealed(&store));
    assert!(now(remove_reveal(&store, &tenant(), &wanted)).unwrap());
    assert!(!is_revealed(&store), "the grant is taken back");
    assert!(!now(remove_reveal(&store, &tenant(), &wanted)).unwrap());

    // One that no node binds is stored under the action's own name for it.
    now(put_credential(&store, &tenant(), "api", &credential())).unwrap();
    let action = action(&[], &["api"]);
    let found = now(capabilities(&store, &tenant(), &action, &BTreeMap::new())).unwrap();
    assert!(found.credentials["api"].reveal);
}

#[test]
fn what_may_be_read_is_listed_page_by_page_and_goes_with_its_credential() {
    let store = Store::default();
    for (action, name) in [("x.y", "a"), ("x.y", "b"), ("x.z", "a"), ("x.yz", "b")] {
        now(put_reveal(&store, &tenant(), &reveal(action, name))).unwrap();
    }
    let list = |action: Option<&str>, after: Option<&str>, limit| {
        let action = action.map(|id| id.parse().unwrap());
        let tenant = tenant();
        let found = list_reveals(&store, &tenant, action.as_ref(), after, limit);
        let found = now(found).unwrap();
        let keys = found.into_iter().map(|(key, reveal)| {
            assert_eq!(key, format!("{}/{}", reveal.action, reveal.credential));
            key
        });
        keys.collect::<Vec<_>>()
    };
    assert_eq!(list(None, None, 2), ["x.y/a", "x.y/b"]);
    assert_eq!(list(None, Some("x.y/b"), 2), ["x.yz/b", "x.z/a"]);
    assert_eq!(list(Some("x.y"), Some("x.y/a"), 9), ["x.y/b"]);

    assert!(!now(remove_credential(&store, &tenant(), "a")).unwrap());
    assert_eq!(list(None, None, 9), ["x.y/b", "x.yz/b"]);
}

#[test]
fn more_than_are_read_at_once_go_with_their_credential() {
    let store = Store::default();
    now(put_credential(&store, &tenant(), "a", &credential())).unwrap();
    for n in 0..2_500 {
        let name = if n % 2 == 0 { "a" } else { "b" };
        let one = reveal(&format!("x.y{n}"), name);
        now(put_reveal(&store, &tenant(), &one)).unwrap();
    }
    assert!(now(remove_credential(&store, &tenant(), "a")).unwrap());
    let left = now(list_reveals(&store, &tenant(), None, None, 9_999)).unwrap();
    assert_eq!(left.len(), 1_250);
    assert!(left.iter().all(|(_, reveal)| reveal.credential == "b"));
}

#[test]
fn grants_and_credentials_are_listed_page_by_page() {
    let store = Store::default();
    for host in ["a.example", "b.example", "c.example"] {
        now(put_grant(&store, &tenant(), &grant("x.y", host))).unwrap();
        now(put_credential(&store, &tenant(), host, &credential())).unwrap();
    }
    let first = now(list_grants(&store, &tenant(), None, None, 2)).unwrap();
    let rest = now(list_grants(&store, &tenant(), None, first.last(), 2)).unwrap();
    assert_eq!((first.len(), rest[0].host.as_str()), (2, "c.example"));
    let names = now(list_credentials(&store, &tenant(), Some("a.example"), 9)).unwrap();
    assert_eq!(
        names
            .iter()
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>(),
        ["b.example", "c.example"]
    );
    assert!(now(remove_credential(&store, &tenant(), "a.example")).unwrap());
    assert_eq!(
        now(super::credential(&store, &tenant(), "a.example")).unwrap(),
        None
    );
}

#[test]
fn a_secret_shows_nowhere() {
    let store = Store::default();
    now(store.put(
        Kind::Credential,
        &tenant(),
        "bad",
        r#"{"secret": "hunter2", "hosts": 3}"#.into(),
        Expect::Any,
    ))
    .unwrap();
    let error = now(super::credential(&store, &tenant(), "bad")).unwrap_err();
    assert!(!error.to_string().contains("hunter2"));
    assert!(!format!("{:?}", credential()).contains("hunter2"));
}
