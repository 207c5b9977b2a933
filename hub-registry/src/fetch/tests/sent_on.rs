//! Registries that send us on: to have tokens made, to fetch blobs elsewhere.

use super::*;
use crate::oci::RegistryError;

/// Whether an error is the one that should come.
type Expected = fn(&RegistryError) -> bool;

fn basic() -> RegistryAuth {
    RegistryAuth::Basic("ada".into(), "her-password".into())
}

fn challenge(realm: &str) -> Act {
    let lines = format!("www-authenticate: Bearer realm=\"{realm}\",service=\"s\"\r\n");
    Act::Answer(401, lines, Bytes::new())
}

fn redirect(to: &str) -> Act {
    Act::Answer(307, format!("location: {to}\r\n"), Bytes::new())
}

fn json(text: impl Into<Bytes>) -> Act {
    Act::Answer(
        200,
        "content-type: application/json\r\n".into(),
        text.into(),
    )
}

impl World {
    /// Everything asks for a token, which is made at `/token` by `made`.
    fn with_tokens(&self, realm: &str, made: impl Fn(&Asked) -> Act + Send + Sync + 'static) {
        let realm = realm.to_owned();
        self.liar.twist(move |asked, _| {
            let is_good = asked.authorization.as_deref() == Some("Bearer good");
            if asked.path.starts_with("/token") {
                return Some(made(asked));
            }
            (!is_good).then(|| challenge(&realm))
        });
    }

    fn realm(&self) -> String {
        format!("http://{}/token", self.liar.address)
    }

    async fn error(&self) -> RegistryError {
        match self.refused().await {
            Not::Fetched(FetchError::Registry(error)) => error,
            not => panic!("{not}"),
        }
    }

    /// The same for whoever publishes.
    async fn pushing(&self) -> RegistryError {
        let bytes = Bytes::from_static(b"{}");
        let remote = &self.hub.remotes[0];
        let name = Self::name();
        let pushed = remote.push_blob(&name, Digest::of(&bytes), &bytes);
        pushed.await.expect_err("it is pushed")
    }
}

#[tokio::test]
async fn a_token_is_had_made_once_with_the_password_of_whoever_asks() {
    let world = World::asked_by(basic()).await;
    world.with_tokens(&world.realm(), |_| json(r#"{"access_token":"good"}"#));
    world.take().await.unwrap();
    let asked = world.liar.asked();
    let tokens: Vec<_> = asked
        .iter()
        .filter(|asked| asked.path.starts_with("/token"))
        .collect();
    assert_eq!(tokens.len(), 1, "{asked:?}");
    let expected = "/token?service=s&scope=repository%3Aacme%2Fweather%3Apull";
    assert_eq!(tokens[0].path, expected);
    let sent = tokens[0].authorization.as_deref().unwrap();
    assert!(sent.starts_with("Basic "), "{sent}");
}

#[tokio::test]
async fn what_a_token_answers_has_a_cap_and_is_never_repeated() {
    let world = World::asked_by(basic()).await;
    let realm = world.realm();
    let huge = format!(r#"{{"token":"{}"}}"#, "x".repeat(1 << 20));
    let cases: [(Act, Expected); 7] = [
        (Act::Endless("application/json".into()), |error| {
            matches!(error, RegistryError::TooLarge { limit: 65_536, .. })
        }),
        (json(huge), |error| {
            matches!(error, RegistryError::TooLarge { limit: 65_536, .. })
        }),
        (json(r#"{"token":7,"secret":"s3cret"}"#), |error| {
            matches!(error, RegistryError::Nonsense { .. })
        }),
        (json("s3cret"), |error| {
            matches!(error, RegistryError::Nonsense { .. })
        }),
        (Act::Answer(403, String::new(), "s3cret".into()), |error| {
            matches!(error, RegistryError::Unauthorized { .. })
        }),
        (Act::Hangs, |error| {
            matches!(
                error,
                RegistryError::TimedOut { .. } | RegistryError::Unreachable { .. }
            )
        }),
        // One that is not good asks for a token again, and not for ever.
        (json(r#"{"token":"bad"}"#), |error| {
            matches!(error, RegistryError::Unauthorized { .. })
        }),
    ];
    for (act, expected) in cases {
        let made = act.clone();
        world.with_tokens(&realm, move |_| made.clone());
        for error in [world.error().await, world.pushing().await] {
            assert!(expected(&error), "{act:?}: {error}");
            let said = error.to_string();
            assert!(
                !said.contains("s3cret") && !said.contains("her-password"),
                "{said}"
            );
        }
        assert!(
            world.liar.asked().len() < 40,
            "{:?}",
            world.liar.asked().len()
        );
        assert!(world.liar.sent() < 32 << 20, "{act:?}");
    }
}

#[tokio::test]
async fn nobody_is_sent_where_only_this_machine_can_go() {
    let world = World::asked_by(basic()).await;
    let places = [
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/",
        "http://0.0.0.0/",
        "http://[::ffff:169.254.169.254]/",
        "file:///etc/passwd",
    ];
    for place in places {
        world.with_tokens(place, |_| unreachable!("nobody goes there"));
        for error in [world.error().await, world.pushing().await] {
            assert!(
                matches!(error, RegistryError::Elsewhere { .. }),
                "{place}: {error}"
            );
        }
        if place.starts_with("file") {
            continue;
        }
        for path in world.liar.paths() {
            let to = place.to_owned();
            world
                .liar
                .twist(move |asked, _| (asked.path == path).then(|| redirect(&to)));
            match world.take().await {
                // The package's manifest is not asked for by its digest.
                Ok(()) => panic!("{place}"),
                Err(Not::Fetched(FetchError::Registry(error))) => assert!(
                    matches!(error, RegistryError::Elsewhere { .. }),
                    "{place}: {error}"
                ),
                Err(not) => panic!("{place}: {not}"),
            }
        }
    }
}

#[tokio::test]
async fn a_blob_may_come_from_elsewhere_and_nobody_there_learns_who_asks() {
    let world = World::asked_by(basic()).await;
    let store = Liar::start().await;
    for blob in &world.artifact.blobs {
        let path = format!("/store/{}", blob.digest());
        store.has(&path, "application/octet-stream", blob.bytes().clone());
    }
    let at = store.address.clone();
    let blobs: Vec<_> = world.artifact.blobs.iter().map(|b| b.digest()).collect();
    world.liar.twist(move |asked, _| {
        let digest = asked.path.rsplit('/').next()?.parse::<Digest>().ok()?;
        let is_blob = asked.path.contains("/blobs/") && blobs.contains(&digest);
        is_blob.then(|| redirect(&format!("http://{at}/store/{digest}")))
    });
    world.take().await.unwrap();
    let asked = store.asked();
    assert_eq!(asked.len(), world.artifact.blobs.len(), "{asked:?}");
    assert!(
        asked.iter().all(|asked| asked.authorization.is_none()),
        "{asked:?}"
    );
    let own = world.liar.asked();
    assert!(own.iter().all(|asked| asked.authorization.is_some()));
}

#[tokio::test]
async fn a_registry_that_sends_in_a_circle_is_left() {
    let world = World::new().await;
    let at = world.liar.address.clone();
    world
        .liar
        .twist(move |asked, _| Some(redirect(&format!("http://{at}{}", asked.path))));
    let error = world.error().await;
    assert!(matches!(error, RegistryError::Elsewhere { .. }), "{error}");
    assert!(error.to_string().contains("too often"), "{error}");
    assert!(world.liar.asked().len() < 20);
}
