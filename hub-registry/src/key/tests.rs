use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::*;

const BOTH: [Algorithm; 2] = [Algorithm::EcdsaP256, Algorithm::Ed25519];

fn key(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm).unwrap()
}

#[test]
fn a_key_signs_what_only_its_own_public_half_accepts() {
    for algorithm in BOTH {
        let (one, other) = (key(algorithm), key(algorithm));
        let signature = one.sign(b"message");
        let public = PublicKey::from_pem(&one.public().to_pem()).unwrap();
        assert_eq!(public, *one.public());
        assert_eq!(public.algorithm(), algorithm);
        assert_eq!(public.verify(b"message", &signature), Ok(()));
        assert_eq!(public.verify(b"massage", &signature), Err(BadSignature));
        let by_other = other.public().verify(b"message", &signature);
        assert_eq!(by_other, Err(BadSignature));
        assert_eq!(signature, one.sign(b"message"), "signing is deterministic");
    }
}

#[test]
fn an_id_is_the_digest_of_the_public_half_and_is_read_back() {
    let key = key(Algorithm::EcdsaP256);
    let id = key.public().id();
    assert_eq!(id.to_string(), Digest::of(key.public().spki()).to_string());
    assert_eq!(id.to_string().parse(), Ok(id));
    for text in ["", "sha256:", "sha256:00", &"0".repeat(64)] {
        assert_eq!(text.parse::<KeyId>(), Err(KeyError::NotAnId), "{text}");
    }
}

#[test]
fn a_private_key_opens_with_its_passphrase_and_no_other() {
    for algorithm in BOTH {
        let key = key(algorithm);
        let pem = key.to_encrypted_pem("correct horse").unwrap();
        assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
        let opened = SigningKey::from_pem(&pem, Some("correct horse")).unwrap();
        assert_eq!(opened.public(), key.public());
        let refused = |passphrase| SigningKey::from_pem(&pem, passphrase).unwrap_err();
        assert_eq!(refused(None), KeyError::NoPassphrase);
        for wrong in ["", "correct", "Correct horse"] {
            assert_eq!(refused(Some(wrong)), KeyError::WrongPassphrase);
        }
        let empty = key.to_encrypted_pem("").unwrap_err();
        assert_eq!(empty, KeyError::EmptyPassphrase);
    }
}

/// Made by `openssl genpkey` (3.0.19) for this test, which is all that they sign.
const OPENSSL: [(Algorithm, &str, &str); 2] = [
    (
        Algorithm::EcdsaP256,
        include_str!("../../tests/fixtures/openssl/p256.key"),
        include_str!("../../tests/fixtures/openssl/p256.pub"),
    ),
    (
        Algorithm::Ed25519,
        include_str!("../../tests/fixtures/openssl/ed25519.key"),
        include_str!("../../tests/fixtures/openssl/ed25519.pub"),
    ),
];

#[test]
fn keys_of_openssl_are_read_encrypted_or_not() {
    for (algorithm, private, public) in OPENSSL {
        let key = SigningKey::from_pem(private, Some("for this test")).unwrap();
        let public = PublicKey::from_pem(public).unwrap();
        assert_eq!(*key.public(), public);
        assert_eq!(public.algorithm(), algorithm);
    }
    // As openssl writes a key that is not encrypted.
    let mut der = vec![0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b];
    der.extend([0x65, 0x70, 0x04, 0x22, 0x04, 0x20]);
    der.extend([7; 32]);
    let body = data_encoding::BASE64.encode(&der);
    let kind = "PRIVATE KEY";
    let plain = format!("-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n");
    assert!(SigningKey::from_pem(&plain, None).is_ok());
}

#[test]
fn what_is_no_key_of_ours_is_refused_by_what_it_is() {
    let pem = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    for (text, why) in [
        (String::new(), "no PEM"),
        ("nonsense".to_owned(), "no PEM"),
        ("A".repeat(20_000), "far too long"),
        (pem("EC PRIVATE KEY"), "SEC1"),
        (pem("ENCRYPTED SIGSTORE PRIVATE KEY"), "cosign's own form"),
        (pem("PUBLIC KEY"), "a public key"),
        (pem("CERTIFICATE"), "something else"),
        (pem("ENCRYPTED PRIVATE KEY"), "damaged"),
    ] {
        let error = SigningKey::from_pem(&text, Some("x")).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
    for (text, why) in [
        ("nonsense".to_owned(), "no PEM"),
        ("A".repeat(20_000), "far too long"),
        (pem("PRIVATE KEY"), "a private key"),
        (pem("CERTIFICATE"), "something else"),
    ] {
        let error = PublicKey::from_pem(&text).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
    let rsa = include_str!("../../tests/fixtures/openssl/rsa.pub");
    assert_eq!(PublicKey::from_pem(rsa), Err(KeyError::Unsupported));
}

#[test]
fn a_public_key_of_small_order_is_refused() {
    // The neutral element, under which the all-zero signature would pass.
    let mut spki = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70];
    spki.extend([0x03, 0x21, 0x00, 0x01]);
    spki.extend([0; 31]);
    assert_eq!(PublicKey::from_spki(&spki), Err(KeyError::Unsupported));
}

#[test]
fn a_file_that_asks_for_gigabytes_or_hours_is_refused_before_it_is_opened() {
    for (file, what) in [
        (
            include_str!("../../tests/fixtures/openssl/dear-scrypt.key"),
            "MiB",
        ),
        (
            include_str!("../../tests/fixtures/openssl/dear-pbkdf2.key"),
            "rounds",
        ),
    ] {
        let begun = std::time::Instant::now();
        let error = SigningKey::from_pem(file, Some("for this test")).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert!(begun.elapsed().as_secs() < 1);
    }
}

#[test]
fn no_message_and_no_debug_output_has_a_secret() {
    let key = key(Algorithm::Ed25519);
    let pem = key.to_encrypted_pem("hunter2-hunter2").unwrap();
    let secret = pem.lines().nth(1).unwrap();
    let damaged = pem.replacen(secret, &secret[4..], 1);
    let mut said = format!("{key:?} {:?}", key.public());
    for (text, passphrase) in [(&pem, "hunter3-hunter3"), (&damaged, "hunter2-hunter2")] {
        let error = SigningKey::from_pem(text, Some(passphrase)).unwrap_err();
        said += &format!("{error} {error:?}");
    }
    assert!(
        !said.contains("hunter") && !said.contains(&secret[4..]),
        "{said}"
    );
}

#[test]
fn a_store_keeps_a_pair_once_and_the_private_half_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = KeyStore::at(folder.path().join("keys"));
    assert!(store.list().unwrap().is_empty());
    assert!(store.free("acme").is_ok());
    let (one, two) = (key(Algorithm::EcdsaP256), key(Algorithm::Ed25519));
    let kept = store.keep("acme", &one, "first").unwrap();
    assert!(matches!(store.free("acme"), Err(StoreError::Exists(_))));
    assert_eq!(kept.public, *one.public());
    assert!(matches!(
        store.keep("acme", &two, "second"),
        Err(StoreError::Exists(name)) if name == "acme"
    ));
    store.keep("acme-2", &two, "second").unwrap();
    let names: Vec<_> = store.list().unwrap().into_iter().map(|k| k.name).collect();
    assert_eq!(names, ["acme", "acme-2"]);

    let opened = store.open("acme", Some("first")).unwrap();
    assert_eq!(opened.public(), one.public(), "the first is untouched");
    let error = store.open("acme", Some("second")).unwrap_err();
    assert!(error.to_string().contains("key `acme`"), "{error}");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode();
    let file = store.folder().join("acme.key");
    assert_eq!(mode(&file) & 0o777, 0o600);
    assert_eq!(mode(store.folder()) & 0o777, 0o700);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = store.open("acme", Some("first")).unwrap_err();
    assert!(
        matches!(error, StoreError::Mode { mode: 0o644, .. }),
        "{error}"
    );
    let left = std::fs::read_dir(store.folder()).unwrap().count();
    assert_eq!(left, 4, "nothing unfinished stays behind");
}

#[test]
fn a_store_refuses_names_that_are_paths_and_keys_that_are_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let store = KeyStore::at(folder.path());
    for name in ["", "..", "../x", "a/b", "A", "a b", ".hidden"] {
        let key = key(Algorithm::Ed25519);
        let error = store.keep(name, &key, "x").unwrap_err();
        assert!(matches!(error, StoreError::Name(_)), "{name}: {error}");
        assert!(store.open(name, Some("x")).is_err());
    }
    let error = store.open("nobody", Some("x")).unwrap_err();
    assert!(matches!(error, StoreError::Unknown { .. }), "{error}");
    std::fs::write(folder.path().join("odd.pub"), "nonsense").unwrap();
    let error = store.list().unwrap_err().to_string();
    assert!(error.contains("odd.pub"), "{error}");
}

proptest! {
    #[test]
    fn no_altered_bit_of_a_signature_or_a_message_passes(
        p256 in any::<bool>(), message in prop::collection::vec(any::<u8>(), 1..64), place in any::<prop::sample::Index>()
    ) {
        let key = key(BOTH[usize::from(p256)]);
        let signature = key.sign(&message);
        prop_assert!(key.public().verify(&message, &signature).is_ok());
        let bit = place.index(8 * (signature.len() + message.len()));
        let (mut message, mut signature) = (message, signature);
        let byte = bit / 8;
        if byte < signature.len() {
            signature[byte] ^= 1 << (bit % 8);
        } else {
            message[byte - signature.len()] ^= 1 << (bit % 8);
        }
        prop_assert!(key.public().verify(&message, &signature).is_err());
    }

    #[test]
    fn no_text_makes_reading_a_key_panic(text in "(-----(BEGIN|END) (PUBLIC|PRIVATE|ENCRYPTED PRIVATE) KEY-----\n|[A-Za-z0-9+/=]{0,20}\n){0,6}") {
        let _ = PublicKey::from_pem(&text);
        let _ = SigningKey::from_pem(&text, Some("x"));
    }

    #[test]
    fn no_bytes_make_reading_a_public_key_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = PublicKey::from_spki(&bytes);
    }
}
