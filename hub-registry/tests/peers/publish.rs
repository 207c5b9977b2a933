//! Publishing to a real registry and finding again: what comes back is what was
//! signed, a version is published once, and what was tampered with is seen.

use std::collections::BTreeSet;
use std::sync::Arc;

use nebula_flow::{ActionMetadata, Component, Timestamp};
use nebula_hub::PackageName;
use nebula_hub::artifact::{Artifact, Part, build};
use nebula_hub::cache::Cache;
use nebula_hub::fetch::{FetchError, Found, Hub};
use nebula_hub::key::{Algorithm, SigningKey};
use nebula_hub::oci::{Credentials, RegistryError, Remote};
use nebula_hub::package::PackageDocument;
use nebula_hub::publish::{Publication, PublishError, Published, publish};
use nebula_hub::reference::Wanted;
use nebula_hub::resolve::{Question, SolveError, solve};
use nebula_hub::statement::StatedComponent;
use nebula_hub::trust::Policy;
use nebula_hub::verify::{Evidence, Report, Request, Verdict, verify};
use semver::Version;

use crate::registry::Registry;
use crate::tools;

/// A component that nobody else has.
pub(crate) fn part(name: &str) -> Part {
    let text = format!(
        r#"(component (core module ${name} (@custom "name-{name}" "x")) (instance $a)
           (export "nebula:action/actions@0.1.0" (instance $a)))"#
    );
    Part {
        name: "main".into(),
        bytes: wat::parse_str(text).unwrap().into(),
    }
}

fn stated(part: &Part) -> StatedComponent {
    let action = ActionMetadata {
        id: "acme.run".parse().unwrap(),
        name: "Run".into(),
        version: Version::new(1, 0, 0),
        description: String::new(),
        category: String::new(),
        input_schema: true.into(),
        output_schema: true.into(),
        credentials: vec![],
        hosts: vec!["api.example".into()],
    };
    StatedComponent::of(&Component::new(part.bytes.clone()), &[action]).unwrap()
}

/// Publishes an artifact of one component.
pub(crate) async fn publish_to(
    remote: &Remote,
    artifact: &Artifact,
    part: &Part,
    key: &SigningKey,
) -> Result<Published, PublishError> {
    publish(Publication {
        remote,
        artifact,
        stated: vec![stated(part)],
        key,
        now: Timestamp::from_millis(1_790_000_000_000),
    })
    .await
}

/// A registry of the test's own, someone who publishes in it and someone who
/// looks.
struct World {
    registry: Registry,
    key: SigningKey,
    hub: Arc<Hub>,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new(test: &str) -> Option<Self> {
        let program = tools::or_say("docker-registry", test)?;
        let registry = Registry::start(&program);
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().join("cache")).unwrap();
        let hub = Hub::new(cache, vec![remote(&registry).await]);
        Some(Self {
            registry,
            key: SigningKey::generate(Algorithm::EcdsaP256).unwrap(),
            hub: Arc::new(hub),
            _folder: folder,
        })
    }

    async fn publish(&self, artifact: &Artifact, part: &Part) -> Result<Published, PublishError> {
        let remote = remote(&self.registry).await;
        publish_to(&remote, artifact, part, &self.key).await
    }

    async fn version(&self, name: &str, version: &str, needs: &[(&str, &str)]) -> Published {
        let part = part(&format!("{}-{version}", name.replace('/', "-")));
        let artifact = build(document(name, version, needs), std::slice::from_ref(&part)).unwrap();
        self.publish(&artifact, &part).await.unwrap()
    }

    async fn check(&self, found: &Found) -> Report {
        let attached = self.hub.attached(found).await.unwrap();
        let components = found.components();
        let pem = self.key.public().to_pem();
        let policy = format!("[keys.acme]\nkey = '''\n{pem}'''\nnamespaces = [\"acme\"]\n");
        let request = Request {
            name: &found.document.name,
            version: &found.document.version,
            manifest: found.manifest.digest,
            components: &components,
            installed: None,
            allow_older: false,
            allow_unsigned: false,
            loopback: true,
            now: Timestamp::from_millis(1_790_000_001_000),
        };
        let evidence = Evidence {
            manifest: &found.manifest.bytes,
            bundles: &attached.bundles,
            simple: &attached.simple,
        };
        verify(
            &request,
            &evidence,
            &Policy::parse(&policy, "trust.toml").unwrap(),
        )
    }
}

async fn remote(registry: &Registry) -> Remote {
    let registry = registry.address().parse().unwrap();
    Remote::new(registry, &Credentials::default())
        .await
        .unwrap()
}

pub(crate) fn document(name: &str, version: &str, needs: &[(&str, &str)]) -> PackageDocument {
    let mut document =
        PackageDocument::new(name.parse().unwrap(), version.parse().unwrap(), vec![]);
    for (name, range) in needs {
        let needed: PackageName = name.parse().unwrap();
        document.dependencies.insert(needed, range.parse().unwrap());
    }
    document
}

fn name() -> PackageName {
    "acme/weather".parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_found_verified_and_there_without_the_registry_too() {
    let Some(world) = World::new("publish and find").await else {
        return;
    };
    let one = part("one");
    let artifact = build(
        document("acme/weather", "1.0.0", &[]),
        std::slice::from_ref(&one),
    )
    .unwrap();
    let published = world.publish(&artifact, &one).await.unwrap();
    assert_eq!(published.manifest, artifact.top.digest());

    let version = Version::new(1, 0, 0);
    let found = world.hub.find(&name(), &version, None).await.unwrap();
    assert_eq!(found.document, artifact.document);
    let attached = world.hub.attached(&found).await.unwrap();
    assert_eq!((attached.bundles.len(), attached.simple.len()), (2, 1));
    let accepted = world.check(&found).await.accepted().unwrap();
    let bytes = world
        .hub
        .component(&name(), &found.layers[0].component)
        .await
        .unwrap();
    assert_eq!(bytes, one.bytes);
    accepted.component(bytes).unwrap();

    world.hub.keep(&found, &attached).unwrap();
    let offline = Hub::new(world.hub.cache.clone(), vec![]);
    assert_eq!(
        offline.versions(&name()).await.unwrap(),
        std::slice::from_ref(&version)
    );
    let cached = offline
        .find(&name(), &version, Some(published.manifest))
        .await
        .unwrap();
    let attached = offline.attached(&cached).await.unwrap();
    assert_eq!(attached.bundles.len(), 2);
    let component = &cached.layers[0].component;
    assert_eq!(
        offline.component(&name(), component).await.unwrap(),
        one.bytes
    );
    assert_eq!(
        offline.cache.collect().unwrap().removed,
        0,
        "all of it is named"
    );
    let other = Version::new(2, 0, 0);
    assert!(offline.find(&name(), &other, None).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_published_once_and_the_first_stays_as_it_was() {
    let Some(world) = World::new("publish twice").await else {
        return;
    };
    let first = world.version("acme/weather", "1.0.0", &[]).await;
    for other in [part("other"), part("acme-weather-1.0.0")] {
        let artifact = build(
            document("acme/weather", "1.0.0", &[]),
            std::slice::from_ref(&other),
        )
        .unwrap();
        let error = world.publish(&artifact, &other).await.unwrap_err();
        assert!(matches!(error, PublishError::Taken { .. }), "{error}");
        assert!(error.to_string().contains("choose the next one"), "{error}");
    }
    let found = world
        .hub
        .find(&name(), &Version::new(1, 0, 0), None)
        .await
        .unwrap();
    assert_eq!(found.manifest.digest, first.manifest);
    assert!(matches!(
        world.check(&found).await.verdict,
        Verdict::Accepted(_)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_racing_publishers_exactly_one_wins() {
    let Some(world) = World::new("racing publishers").await else {
        return;
    };
    let rounds = if std::env::var_os("NEBULA_LONG").is_some() {
        20
    } else {
        2
    };
    for round in 0..rounds {
        let version = format!("1.0.{round}");
        let parts: Vec<_> = (0..4)
            .map(|racer| part(&format!("r{round}x{racer}")))
            .collect();
        let artifacts: Vec<_> = parts
            .iter()
            .map(|part| {
                build(
                    document("acme/weather", &version, &[]),
                    std::slice::from_ref(part),
                )
                .unwrap()
            })
            .collect();
        let racers = artifacts
            .iter()
            .zip(&parts)
            .map(|(a, p)| world.publish(a, p));
        let ended = futures_util::future::join_all(racers).await;
        let won: Vec<_> = ended
            .iter()
            .filter_map(|ended| ended.as_ref().ok())
            .collect();
        assert_eq!(won.len(), 1, "{ended:?}");
        for lost in ended.iter().filter_map(|ended| ended.as_ref().err()) {
            assert!(matches!(lost, PublishError::Taken { .. }), "{lost}");
        }
        let version: Version = version.parse().unwrap();
        let found = world.hub.find(&name(), &version, None).await.unwrap();
        assert_eq!(found.manifest.digest, won[0].manifest);
        assert!(matches!(
            world.check(&found).await.verdict,
            Verdict::Accepted(_)
        ));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_tag_and_a_swapped_package_are_seen() {
    let Some(world) = World::new("moved tags").await else {
        return;
    };
    let first = world.version("acme/weather", "1.0.0", &[]).await;
    let second = world.version("acme/weather", "1.1.0", &[]).await;
    let manifest = world.registry.manifest("acme/weather", "1.1.0").unwrap();
    let kind = "application/vnd.oci.image.manifest.v1+json";
    world
        .registry
        .push_manifest("acme/weather", "1.0.0", kind, &manifest);
    let version = Version::new(1, 0, 0);
    // Whoever knows the digest sees that the tag was moved; whoever does not,
    // that the package says that it is another version.
    let known = world
        .hub
        .find(&name(), &version, Some(first.manifest))
        .await
        .unwrap_err();
    assert!(
        matches!(known, FetchError::Moved(ref moved) if moved.found == second.manifest),
        "{known}"
    );
    let unknown = world.hub.find(&name(), &version, None).await.unwrap_err();
    assert!(matches!(unknown, FetchError::OtherName { .. }), "{unknown}");
    // The same under another name.
    for blob in ["config", "layers"] {
        let parsed: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        let descriptor = if blob == "config" {
            &parsed["config"]
        } else {
            &parsed["layers"][0]
        };
        let digest = descriptor["digest"].as_str().unwrap().parse().unwrap();
        let bytes = world.registry.blob("acme/weather", digest);
        world.registry.push_blob("acme/other", &bytes);
    }
    world
        .registry
        .push_manifest("acme/other", "1.1.0", kind, &manifest);
    let other = "acme/other".parse().unwrap();
    let error = world
        .hub
        .find(&other, &Version::new(1, 1, 0), None)
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::OtherName { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_that_go_together_are_found_and_conflicts_are_explained() {
    let Some(world) = World::new("resolving").await else {
        return;
    };
    for (name, version, needs) in [
        ("acme/tools", "1.0.0", &[][..]),
        ("acme/tools", "1.5.0", &[]),
        ("acme/tools", "2.0.0", &[]),
        ("acme/one", "1.0.0", &[("acme/tools", "^1")]),
        ("acme/two", "1.0.0", &[("acme/tools", "^2")]),
        ("acme/two", "0.9.0", &[("acme/tools", ">=1.2")]),
    ] {
        world.version(name, version, needs).await;
    }
    let wanted = |texts: &[&str]| Question {
        wanted: texts
            .iter()
            .map(|text| Wanted::read(text, "acme").unwrap())
            .collect(),
        ..Question::default()
    };
    let names = |found: Vec<Found>| -> Vec<String> {
        let text = |f: &Found| format!("{}@{}", f.document.name.name(), f.document.version);
        found.iter().map(text).collect()
    };
    let solved = solve(world.hub.clone(), wanted(&["one"])).await.unwrap();
    assert_eq!(names(solved), ["tools@1.5.0", "one@1.0.0"]);
    let solved = solve(world.hub.clone(), wanted(&["one", "two"]))
        .await
        .unwrap();
    let solved: BTreeSet<_> = names(solved).into_iter().collect();
    let both = ["tools@1.5.0", "one@1.0.0", "two@0.9.0"].map(str::to_owned);
    assert_eq!(solved, BTreeSet::from(both), "an older one that fits");

    let mut question = wanted(&["one"]);
    let tools = "acme/tools".parse().unwrap();
    question.preferred.insert(tools, Version::new(1, 0, 0));
    let solved = solve(world.hub.clone(), question).await.unwrap();
    assert_eq!(
        names(solved),
        ["tools@1.0.0", "one@1.0.0"],
        "what is locked stays"
    );

    let conflict = solve(world.hub.clone(), wanted(&["one", "two@1"]))
        .await
        .unwrap_err();
    let words = conflict.to_string();
    assert!(matches!(conflict, SolveError::Conflict(_)), "{words}");
    assert!(
        words.contains("acme/one") && words.contains("acme/two") && words.contains("acme/tools"),
        "{words}"
    );
    let none = solve(world.hub.clone(), wanted(&["one@^3"]))
        .await
        .unwrap_err();
    assert!(none.to_string().contains("it has 1.0.0"), "{none}");
    let unknown = solve(world.hub.clone(), wanted(&["nothing"]))
        .await
        .unwrap_err();
    assert!(
        unknown.to_string().contains("no package acme/nothing"),
        "{unknown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_said_soon_and_leaves_the_cache_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path().join("cache")).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let remote = Remote::new(address.parse().unwrap(), &Credentials::default())
        .await
        .unwrap();
    let hub = Hub::new(cache.clone(), vec![remote]);
    let error = hub.versions(&name()).await.unwrap_err();
    assert!(
        matches!(
            error,
            FetchError::Registry(RegistryError::Unreachable { .. })
        ),
        "{error}"
    );
    assert!(error.to_string().contains(&address), "{error}");
    assert!(cache.index().unwrap().is_empty());
}
