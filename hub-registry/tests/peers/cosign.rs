//! cosign 2 and 3 against `docker-registry`, in both directions.

use std::path::Path;

use nebula_flow::Digest;
use nebula_flow::Timestamp;
use nebula_flow::component::Origin;
use nebula_hub::artifact::Descriptor;
use nebula_hub::cosign::attach::{self, MANIFEST, referrers_tag, simple_tag};
use nebula_hub::cosign::{SimpleSignature, sign, simple};
use nebula_hub::key::{Algorithm, PublicKey, SigningKey};
use nebula_hub::statement::Statement;
use nebula_hub::trust::{Policy, TrustedKey};
use nebula_hub::verify::{Evidence, Refusal, Request, verify};
use serde_json::json;

use crate::recorded::Recording;
use crate::registry::Registry;
use crate::tools::{self, Ran};

const REPOSITORY: &str = "acme/weather";

/// An artifact in the registry: an empty configuration and one layer.
fn push(registry: &Registry, layer: &[u8]) -> (Vec<u8>, Descriptor) {
    let empty = Descriptor::of("application/vnd.oci.empty.v1+json", b"{}");
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": empty,
        "layers": [Descriptor::of("application/wasm", layer)],
    });
    let manifest = serde_json::to_vec(&manifest).unwrap();
    registry.push_blob(REPOSITORY, b"{}");
    registry.push_blob(REPOSITORY, layer);
    let descriptor = Descriptor::of(MANIFEST, &manifest);
    let digest = descriptor.digest.to_string();
    registry.push_manifest(REPOSITORY, &digest, MANIFEST, &manifest);
    (manifest, descriptor)
}

fn statement(key: &SigningKey, manifest: Digest) -> Vec<u8> {
    let statement = Statement {
        name: REPOSITORY.parse().unwrap(),
        version: semver::Version::new(1, 0, 0),
        manifest,
        components: [].into(),
        publisher: key.public().clone(),
        time: Timestamp::from_millis(1_790_000_000_000),
        serial: 1,
    };
    statement.sign(key).unwrap()
}

/// What is hung on an artifact.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Simple,
    Bundle,
    /// All that `hub publish` makes: both, and the statement.
    All,
}

fn hang(registry: &Registry, subject: &Descriptor, key: &SigningKey, form: Form) {
    let digest = subject.digest;
    let attach = |attachment| registry.attach(REPOSITORY, digest, &attachment);
    if form != Form::Simple {
        attach(attach::bundle(subject, &sign::sign(key, digest)).unwrap());
    }
    if form == Form::All {
        attach(attach::bundle(subject, &statement(key, digest)).unwrap());
    }
    if form != Form::Bundle {
        let at = format!("{}/{REPOSITORY}", registry.address());
        attach(attach::simple(digest, &[], &simple::sign(key, &at, digest)));
    }
}

fn cosign_verify(
    cosign: &Path,
    folder: &Path,
    registry: &Registry,
    subject: Digest,
    key: &PublicKey,
) -> Ran {
    std::fs::write(folder.join("key.pub"), key.to_pem()).unwrap();
    let reference = format!("{}/{REPOSITORY}@{subject}", registry.address());
    let arguments = [
        "verify",
        "--key",
        "key.pub",
        "--insecure-ignore-tlog=true",
        "--allow-http-registry",
        &reference,
    ];
    tools::run(cosign, folder, &arguments)
}

#[test]
fn what_we_sign_the_real_cosign_verifies_and_nothing_else() {
    let test = "what we sign, the real cosign verifies";
    let Some(program) = tools::or_say("docker-registry", test) else {
        return;
    };
    for (name, forms) in [
        // Version 2 does not look for bundles.
        ("cosign-2", &[Form::Simple, Form::All][..]),
        ("cosign-3", &[Form::Simple, Form::Bundle, Form::All]),
    ] {
        let Some(cosign) = tools::or_say(name, test) else {
            continue;
        };
        let registry = Registry::start(&program);
        let folder = tempfile::tempdir().unwrap();
        let verify = |subject: Digest, key: &PublicKey| {
            cosign_verify(&cosign, folder.path(), &registry, subject, key)
        };
        for (n, algorithm) in [Algorithm::EcdsaP256, Algorithm::Ed25519]
            .into_iter()
            .enumerate()
        {
            let key = SigningKey::generate(algorithm).unwrap();
            let other = SigningKey::generate(algorithm).unwrap();
            for (m, form) in forms.iter().enumerate() {
                let (_, subject) = push(&registry, format!("{n} {m}").as_bytes());
                let before = verify(subject.digest, key.public());
                assert!(!before.ok, "nothing is signed yet: {}", before.said);
                hang(&registry, &subject, &key, *form);
                let right = verify(subject.digest, key.public());
                assert!(right.ok, "{}", right.said);
                let wrong = verify(subject.digest, other.public());
                assert!(!wrong.ok, "another key: {}", wrong.said);
            }
            // A right signature, hung on the wrong artifact.
            let (_, right) = push(&registry, format!("{n} right").as_bytes());
            let (_, wrong) = push(&registry, format!("{n} wrong").as_bytes());
            let signature = simple::sign(&key, "r", right.digest);
            registry.attach(
                REPOSITORY,
                wrong.digest,
                &attach::simple(wrong.digest, &[], &signature),
            );
            let bundle = attach::bundle(&wrong, &sign::sign(&key, right.digest)).unwrap();
            registry.attach(REPOSITORY, wrong.digest, &bundle);
            let moved = verify(wrong.digest, key.public());
            assert!(!moved.ok, "{}", moved.said);
        }
    }
}

/// What hangs on an artifact, as a client fetches it.
pub(crate) struct Fetched {
    pub(crate) bundles: Vec<Vec<u8>>,
    pub(crate) simple: Vec<SimpleSignature>,
}

fn fetch(registry: &Registry, subject: Digest) -> Fetched {
    let mut fetched = Fetched {
        bundles: Vec::new(),
        simple: Vec::new(),
    };
    if let Some(manifest) = registry.manifest(REPOSITORY, &simple_tag(subject)) {
        for layer in attach::read_simple(&manifest).unwrap() {
            fetched.simple.push(SimpleSignature {
                payload: registry.blob(REPOSITORY, layer.payload.digest),
                signature: layer.signature,
            });
        }
    }
    if let Some(index) = registry.manifest(REPOSITORY, &referrers_tag(subject)) {
        for entry in attach::read_referrers(&index).unwrap() {
            let digest = entry.digest.to_string();
            let manifest = registry.manifest(REPOSITORY, &digest).unwrap();
            if let Some(layer) = attach::read_bundle(&manifest, subject).unwrap() {
                fetched
                    .bundles
                    .push(registry.blob(REPOSITORY, layer.digest));
            }
        }
    }
    fetched
}

/// A plain signature: valid, reported as such, and not enough by itself.
pub(crate) fn assert_plain(manifest: &[u8], fetched: &Fetched, key: &PublicKey) {
    let name = REPOSITORY.parse().unwrap();
    let version = semver::Version::new(1, 0, 0);
    let request = Request {
        name: &name,
        version: &version,
        manifest: Digest::of(manifest),
        components: &[].into(),
        installed: None,
        allow_older: false,
        allow_unsigned: false,
        loopback: true,
        now: Timestamp::from_millis(1_790_000_000_000),
    };
    let evidence = Evidence {
        manifest,
        bundles: &fetched.bundles,
        simple: &fetched.simple,
    };
    let policy = |key: &PublicKey, cosign_only| {
        let mut policy = Policy::default();
        let mut trusted = TrustedKey::new(key.clone(), "acme".parse().unwrap());
        trusted.cosign_only = cosign_only;
        policy.keys.insert("acme".to_owned(), trusted);
        policy
    };
    let refusal = verify(&request, &evidence, &policy(key, false))
        .accepted()
        .unwrap_err();
    assert!(matches!(refusal, Refusal::CosignOnly { .. }), "{refusal}");
    let accepted = verify(&request, &evidence, &policy(key, true))
        .accepted()
        .unwrap();
    assert_eq!(*accepted.origin(), Origin::CosignOnly);
    let stranger = SigningKey::generate(key.algorithm()).unwrap();
    let refusal = verify(&request, &evidence, &policy(stranger.public(), true)).accepted();
    let refusal = refusal.unwrap_err();
    assert!(
        matches!(refusal, Refusal::UnknownSigner { .. }),
        "{refusal}"
    );
}

#[test]
fn what_the_real_cosign_signs_our_verifier_accepts_as_plain_signatures() {
    let test = "what the real cosign signs, our verifier accepts";
    let Some(program) = tools::or_say("docker-registry", test) else {
        return;
    };
    for (name, form, flags) in [
        ("cosign-2", "simple", &["--tlog-upload=false"][..]),
        (
            "cosign-3",
            "bundle",
            &["--tlog-upload=false", "--use-signing-config=false"],
        ),
        (
            "cosign-3",
            "simple",
            &[
                "--tlog-upload=false",
                "--use-signing-config=false",
                "--new-bundle-format=false",
            ],
        ),
    ] {
        let Some(cosign) = tools::or_say(name, test) else {
            continue;
        };
        let registry = Registry::start(&program);
        let folder = tempfile::tempdir().unwrap();
        let made = tools::run(&cosign, folder.path(), &["generate-key-pair"]);
        assert!(made.ok, "{}", made.said);
        let key = std::fs::read_to_string(folder.path().join("cosign.pub")).unwrap();
        let key = PublicKey::from_pem(&key).unwrap();
        let (manifest, subject) = push(&registry, b"signed by cosign");
        let reference = format!("{}/{REPOSITORY}@{}", registry.address(), subject.digest);
        let mut arguments = vec!["sign", "--key", "cosign.key", "--allow-http-registry", "-y"];
        arguments.extend(flags);
        arguments.push(&reference);
        let signed = tools::run(&cosign, folder.path(), &arguments);
        assert!(signed.ok, "{}", signed.said);

        let fetched = fetch(&registry, subject.digest);
        let count = (fetched.bundles.len(), fetched.simple.len());
        let expected = if form == "bundle" { (1, 0) } else { (0, 1) };
        assert_eq!(count, expected, "{}", signed.said);
        assert_plain(&manifest, &fetched, &key);
        Recording::of(&format!("{name}-{form}")).record(&manifest, &fetched, &key);
    }
}

#[test]
fn our_private_keys_are_opened_by_the_real_openssl_and_imported_by_the_real_cosign() {
    let test = "our private keys are opened by openssl and imported by cosign";
    let Some(openssl) = tools::or_say("openssl", test) else {
        return;
    };
    for algorithm in [Algorithm::EcdsaP256, Algorithm::Ed25519] {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::generate(algorithm).unwrap();
        let pem = key.to_encrypted_pem("for this test").unwrap();
        std::fs::write(folder.path().join("ours.key"), pem).unwrap();
        let read = |file: &str| std::fs::read_to_string(folder.path().join(file)).unwrap();
        let open = ["pkey", "-in", "ours.key", "-passin", "pass:for this test"];
        for (more, file) in [
            (&["-out", "plain.key"][..], "plain.key"),
            (&["-pubout", "-out", "ours.pub"], "ours.pub"),
        ] {
            let opened = tools::run(&openssl, folder.path(), &[&open, more].concat());
            assert!(opened.ok, "{file}: {}", opened.said);
        }
        assert_eq!(read("ours.pub"), key.public().to_pem());
        let plain = SigningKey::from_pem(&read("plain.key"), None).unwrap();
        assert_eq!(plain.public(), key.public());

        // Version 2.5 imports no EC key at all, of openssl neither.
        let Some(cosign) = tools::or_say("cosign-3", test) else {
            continue;
        };
        let arguments = ["import-key-pair", "--key", "plain.key", "-o", "theirs"];
        let imported = tools::run(&cosign, folder.path(), &arguments);
        assert!(imported.ok, "{}", imported.said);
        let public = PublicKey::from_pem(&read("theirs.pub")).unwrap();
        assert_eq!(public, *key.public());
    }
}
