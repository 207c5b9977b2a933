//! Tokens that are made, found, refused and revoked.

use std::os::unix::fs::PermissionsExt;

use super::super::tests::TestClock;
use super::*;

fn of(folder: &Path) -> (Tokens, Arc<TestClock>) {
    let clock = Arc::new(TestClock::default());
    (Tokens::of(folder, Arc::clone(&clock) as _), clock)
}

fn new(allowed: Allowed) -> NewToken {
    NewToken {
        name: "ci".into(),
        allowed,
        namespaces: Vec::new(),
        lifetime: None,
    }
}

#[test]
fn a_token_is_good_until_it_is_revoked_or_expires() {
    let folder = tempfile::tempdir().expect("a folder");
    let (tokens, clock) = of(folder.path());
    let (token, whole) = tokens.create(new(Allowed::Push)).expect("made");
    assert_eq!(tokens.find(&whole).expect("read"), Ok(token.clone()));
    let text = std::fs::read_to_string(folder.path().join(FILE)).expect("text");
    let secret = whole.rsplit('.').next().expect("a secret");
    assert!(!text.contains(secret), "the file has no secret");
    let mode = std::fs::metadata(folder.path().join(FILE)).expect("there");
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);

    let short = NewToken {
        lifetime: Some(Duration::from_secs(1)),
        ..new(Allowed::Pull)
    };
    let (second, brief) = tokens.create(short).expect("made");
    assert!(tokens.find(&brief).expect("read").is_ok());
    clock.forward(Duration::from_secs(1));
    assert_eq!(
        tokens.find(&brief).expect("read"),
        Err(Refused::Expired(second.id))
    );

    // Another process, so to speak.
    of(folder.path()).0.revoke(&token.id).expect("revoked");
    assert_eq!(tokens.find(&whole).expect("read"), Err(Refused::Unknown));
    assert!(matches!(
        tokens.revoke(&token.id),
        Err(TokenError::Unknown(_))
    ));
}

#[test]
fn whatever_is_not_the_whole_token_is_unknown() {
    let folder = tempfile::tempdir().expect("a folder");
    let (tokens, _) = of(folder.path());
    let (token, whole) = tokens.create(new(Allowed::Pull)).expect("made");
    let mut wrong = vec![
        String::new(),
        whole[..whole.len() - 1].into(),
        format!("{}0", *whole),
    ];
    wrong.push(format!("{PREFIX}{}.", token.id));
    wrong.push(whole.to_uppercase());
    for i in 0..whole.len() {
        let mut bytes = whole.as_bytes().to_vec();
        bytes[i] ^= 1;
        wrong.extend(String::from_utf8(bytes).ok());
    }
    for wrong in wrong {
        assert_eq!(
            tokens.find(&wrong).expect("read"),
            Err(Refused::Unknown),
            "{wrong}"
        );
    }
}

#[test]
fn a_token_reaches_only_its_namespaces() {
    let folder = tempfile::tempdir().expect("a folder");
    let (tokens, _) = of(folder.path());
    let narrow = NewToken {
        namespaces: vec!["acme".into()],
        ..new(Allowed::Push)
    };
    let (token, _) = tokens.create(narrow).expect("made");
    let name = |text: &str| text.parse().expect("a name");
    assert!(token.allows(Allowed::Push, &name("acme/weather")));
    assert!(token.allows(Allowed::Pull, &name("acme")));
    assert!(!token.allows(Allowed::Delete, &name("acme/weather")));
    assert!(!token.allows(Allowed::Pull, &name("acmes/weather")));
    let wrong = NewToken {
        namespaces: vec!["../x".into()],
        ..new(Allowed::Push)
    };
    assert!(matches!(
        tokens.create(wrong),
        Err(TokenError::Namespace(_))
    ));
}

#[test]
fn a_file_that_others_may_read_or_that_is_damaged_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (tokens, _) = of(folder.path());
    tokens.create(new(Allowed::Pull)).expect("made");
    let path = folder.path().join(FILE);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).expect("set");
    assert!(matches!(
        tokens.list(),
        Err(TokenError::Open { mode: 0o640, .. })
    ));
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("set");
    std::fs::write(&path, "{}").expect("written");
    assert!(matches!(tokens.list(), Err(TokenError::Damaged { .. })));
}

#[test]
fn the_owners_own_token_is_made_once_and_again_when_it_was_revoked() {
    let folder = tempfile::tempdir().expect("a folder");
    let (tokens, _) = of(folder.path());
    let first = tokens.local().expect("made");
    assert_eq!(tokens.local().expect("kept"), first);
    let id = tokens.list().expect("read")[0].id.clone();
    tokens.revoke(&id).expect("revoked");
    assert_ne!(tokens.local().expect("made"), first);
    let mode = std::fs::metadata(folder.path().join(LOCAL)).expect("there");
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
}
