//! What the real cosign made, kept in files, so that every machine checks that we
//! read it. `NEBULA_RECORD=1` writes them anew.

use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use nebula_hub::cosign::SimpleSignature;
use nebula_hub::key::PublicKey;

use crate::cosign::{Fetched, assert_plain};

/// A folder with one artifact, the key, and what hangs on the artifact.
pub(crate) struct Recording {
    folder: PathBuf,
}

impl Recording {
    pub(crate) fn of(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cosign");
        Self {
            folder: folder.join(name),
        }
    }

    /// Writes it, if that is asked for.
    pub(crate) fn record(&self, manifest: &[u8], fetched: &Fetched, key: &PublicKey) {
        if std::env::var_os("NEBULA_RECORD").is_none() {
            return;
        }
        fs::create_dir_all(&self.folder).unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(self.folder.join(name), bytes).unwrap();
        write("manifest.json", manifest);
        write("key.pub", key.to_pem().as_bytes());
        for bundle in &fetched.bundles {
            write("bundle.json", bundle);
        }
        for simple in &fetched.simple {
            write("payload.json", &simple.payload);
            write("signature", BASE64.encode(&simple.signature).as_bytes());
        }
    }

    fn read(&self) -> (Vec<u8>, Fetched, PublicKey) {
        let read = |name: &str| fs::read(self.folder.join(name)).ok();
        let simple = read("payload.json").map(|payload| SimpleSignature {
            payload,
            signature: BASE64.decode(&read("signature").unwrap()).unwrap(),
        });
        let fetched = Fetched {
            bundles: read("bundle.json").into_iter().collect(),
            simple: simple.into_iter().collect(),
        };
        let key = String::from_utf8(read("key.pub").unwrap()).unwrap();
        let key = PublicKey::from_pem(&key).unwrap();
        (read("manifest.json").unwrap(), fetched, key)
    }
}

#[test]
fn what_the_real_cosign_once_signed_our_verifier_accepts_as_plain_signatures() {
    for name in ["cosign-2-simple", "cosign-3-simple", "cosign-3-bundle"] {
        let (manifest, fetched, key) = Recording::of(name).read();
        assert_eq!(fetched.bundles.len() + fetched.simple.len(), 1, "{name}");
        assert_plain(&manifest, &fetched, &key);
    }
}
