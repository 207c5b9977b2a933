use nebula_flow::Digest;
use proptest::prelude::*;

use super::*;
use crate::artifact::Descriptor;
use crate::envelope::bundle::{self, Bundle};
use crate::envelope::in_toto::IN_TOTO;
use crate::key::{Algorithm, SigningKey};

const BOTH: [Algorithm; 2] = [Algorithm::EcdsaP256, Algorithm::Ed25519];

fn key(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm).unwrap()
}

fn subject() -> Descriptor {
    Descriptor::of(attach::MANIFEST, b"the manifest")
}

#[test]
fn both_kinds_of_signature_name_the_digest_that_the_key_signed() {
    for algorithm in BOTH {
        let (one, other) = (key(algorithm), key(algorithm));
        let digest = subject().digest;
        let simple = simple::sign(&one, "registry.example/acme/weather", digest);
        assert_eq!(simple.verify(one.public()), Ok(digest));
        assert!(simple.verify(other.public()).is_err());
        let bundle = Bundle::parse(&sign::sign(&one, digest)).unwrap();
        assert_eq!(sign::verify(&bundle, one.public()), Ok(digest));
        assert!(sign::verify(&bundle, other.public()).is_err());
    }
}

#[test]
fn a_key_that_signed_something_else_says_nothing_of_an_artifact() {
    let key = key(Algorithm::EcdsaP256);
    let right = simple::sign(&key, "r/acme/weather", subject().digest).payload;
    let right = String::from_utf8(right).unwrap();
    for (from, to) in [
        (
            "cosign container image signature",
            "atomic container signature",
        ),
        ("\"identity\"", "\"unknown\":1,\"identity\""),
        (
            "\"docker-manifest-digest\":\"sha256:",
            "\"docker-manifest-digest\":\"sha512:",
        ),
        ("{\"critical\"", "[{\"critical\""),
        ("\"image\":{", "\"image\":{},\"image\":{"),
    ] {
        let payload = right.replacen(from, to, 1).into_bytes();
        assert_ne!(payload, right.as_bytes(), "{from}");
        let signature = key.sign(&payload);
        let simple = SimpleSignature { payload, signature };
        let error = simple.verify(key.public()).unwrap_err();
        assert!(matches!(error, CosignError::Payload(_)), "{to}: {error}");
    }
    let large = vec![b' '; 70_000];
    let signature = key.sign(&large);
    let large = SimpleSignature {
        payload: large,
        signature,
    };
    assert!(large.verify(key.public()).is_err());

    let right = Bundle::parse(&sign::sign(&key, subject().digest)).unwrap();
    let right = String::from_utf8(right.unverified().to_vec()).unwrap();
    for (kind, from, to) in [
        ("text/plain", "sign/v1", "sign/v1"),
        (IN_TOTO, "sign/v1", "sign/v2"),
        (IN_TOTO, "Statement/v1", "Statement/v0.1"),
        (IN_TOTO, "\"sha256\"", "\"sha512\""),
        (IN_TOTO, "\"subject\":[", "\"subject\":[],\"other\":["),
    ] {
        let payload = right.replacen(from, to, 1);
        let signed = bundle::sign(&key, kind, payload.as_bytes());
        let signed = Bundle::parse(&signed).unwrap();
        let error = sign::verify(&signed, key.public()).unwrap_err();
        assert!(matches!(error, CosignError::Payload(_)), "{to}: {error}");
    }
}

#[test]
fn what_is_no_bundle_or_has_not_one_signature_is_refused() {
    let key = key(Algorithm::Ed25519);
    let right = String::from_utf8(sign::sign(&key, subject().digest)).unwrap();
    let signature = right.split("\"signatures\":").nth(1).unwrap();
    let signature = &signature[1..signature.find(']').unwrap()];
    for (from, to) in [
        (signature, String::new()),
        (signature, format!("{signature},{signature}")),
        ("bundle.v0.3", "bundle.v0.2".to_owned()),
        ("\"dsseEnvelope\"", "\"messageSignature\"".to_owned()),
        ("{\"sig\":\"", "{\"sig\":\"!".to_owned()),
    ] {
        let text = right.replacen(from, &to, 1);
        assert_ne!(text, right, "{from}");
        assert!(Bundle::parse(text.as_bytes()).is_err(), "{to}");
    }
    assert!(Bundle::parse(&vec![b' '; bundle::MAX_BUNDLE + 1]).is_err());
}

#[test]
fn a_manifest_takes_one_more_simple_signature_and_keeps_the_others() {
    let (one, two) = (key(Algorithm::EcdsaP256), key(Algorithm::Ed25519));
    let digest = subject().digest;
    let first = simple::sign(&one, "r/acme/weather", digest);
    let attachment = attach::simple(digest, &[], &first);
    assert_eq!(attachment.tag, Some(format!("sha256-{}.sig", digest.hex())));
    assert_eq!(
        attachment.descriptor.digest,
        Digest::of(&attachment.manifest)
    );
    let there = attach::read_simple(&attachment.manifest).unwrap();

    // As other tools do for keyless signatures, which stay as they are.
    let mut theirs = there.clone();
    let note = ("dev.sigstore.cosign/certificate".to_owned(), "…".to_owned());
    theirs[0].payload.annotations.extend([note]);
    let second = simple::sign(&two, "r/acme/weather", digest);
    let both = attach::simple(digest, &theirs, &second);
    let layers = attach::read_simple(&both.manifest).unwrap();
    assert_eq!(layers[0], theirs[0]);
    assert_eq!(layers[1], attach::SimpleLayer::from(&second));
    assert_eq!(layers[1].payload.digest, Digest::of(&second.payload));
    let again = attach::simple(digest, &layers, &second);
    assert_eq!(
        again.manifest, both.manifest,
        "the same signature is added once"
    );
}

#[test]
fn a_bundle_hangs_on_its_subject_and_on_no_other() {
    let key = key(Algorithm::EcdsaP256);
    let bundle = sign::sign(&key, subject().digest);
    let attachment = attach::bundle(&subject(), &bundle).unwrap();
    assert_eq!(attachment.tag, None);
    assert_eq!(attachment.blobs[1], bundle);
    let layer = attach::read_bundle(&attachment.manifest, subject().digest).unwrap();
    assert_eq!(layer.unwrap().digest, Digest::of(&bundle));
    let other = attach::read_bundle(&attachment.manifest, Digest::of(b"other"));
    assert_eq!(other, Ok(None));
    assert!(attach::read_bundle(b"[]", subject().digest).is_err());
    assert!(attach::bundle(&subject(), b"{}").is_err());
    let simple = simple::sign(&key, "r", subject().digest);
    let simple = attach::simple(subject().digest, &[], &simple);
    let none = attach::read_bundle(&simple.manifest, subject().digest);
    assert_eq!(none, Ok(None));
}

#[test]
fn an_index_of_referrers_keeps_what_is_there_and_lists_each_once() {
    let bundle = |n: u8| {
        let key = key(Algorithm::Ed25519);
        let bundle = sign::sign(&key, Digest::of(&[n]));
        attach::bundle(&subject(), &bundle).unwrap()
    };
    let (one, two) = (bundle(1), bundle(2));
    let index = attach::add_referrer(None, &one).unwrap();
    let theirs = r#"{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:00","size":1,"platform":{"os":"x"}},"#;
    let index = String::from_utf8(index).unwrap();
    let index = index.replacen("\"manifests\":[", &format!("\"manifests\":[{theirs}"), 1);
    let both = attach::add_referrer(Some(index.as_bytes()), &two).unwrap();
    assert!(
        String::from_utf8(both.clone())
            .unwrap()
            .contains(&theirs[..theirs.len() - 1])
    );
    assert_eq!(attach::add_referrer(Some(&both), &one).unwrap(), both);
    let mut index = attach::add_referrer(None, &one).unwrap();
    index = attach::add_referrer(Some(&index), &two).unwrap();
    let listed = attach::read_referrers(&index).unwrap();
    assert_eq!(listed, [one.descriptor, two.descriptor]);
    assert_eq!(
        listed[0].annotations["dev.sigstore.bundle.predicateType"],
        sign::PREDICATE
    );
    assert!(attach::add_referrer(Some(b"[]"), &bundle(3)).is_err());

    for n in 3..=attach::MAX_SIGNATURES as u8 {
        index = attach::add_referrer(Some(&index), &bundle(n)).unwrap();
    }
    assert!(attach::add_referrer(Some(&index), &bundle(200)).is_err());
}

proptest! {
    #[test]
    fn no_altered_bit_of_a_signed_payload_passes(place in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let key = key(Algorithm::EcdsaP256);
        let mut simple = simple::sign(&key, "r/acme/weather", subject().digest);
        let at = place.index(simple.payload.len() + simple.signature.len());
        match at.checked_sub(simple.payload.len()) {
            None => simple.payload[at] ^= 1 << bit,
            Some(at) => simple.signature[at] ^= 1 << bit,
        }
        prop_assert!(simple.verify(key.public()).is_err());
    }

    /// What a bundle of cosign's says beside its signed part is not trusted; so
    /// an altered one either fails, or says the same.
    #[test]
    fn an_altered_bundle_never_says_something_else(place in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let key = key(Algorithm::EcdsaP256);
        let mut bytes = sign::sign(&key, subject().digest);
        let at = place.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(digest) = Bundle::parse(&bytes).map_err(CosignError::from).and_then(|b| sign::verify(&b, key.public())) {
            prop_assert_eq!(digest, subject().digest);
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), json in "[{}\\[\\]\":,a-z0-9]{0,80}") {
        for bytes in [&bytes[..], json.as_bytes()] {
            let _ = Bundle::parse(bytes);
            let _ = attach::read_simple(bytes);
            let _ = attach::read_bundle(bytes, subject().digest);
            let _ = attach::read_referrers(bytes);
        }
    }
}
