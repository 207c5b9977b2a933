//! Compiled components on disk. Machine code is run as it stands, so nothing
//! is taken from a file before a MAC by this node's key proved that this node
//! wrote it, for this component, this wasmtime and these settings.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use hmac::{Hmac, KeyInit, Mac};
use nebula_flow::Digest;
use nebula_flow::ports::Prepared;
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::compile::CODE_BYTES;
use crate::lines::cut;
use crate::profile::SandboxError;

/// Begins each file: what it is and in which form.
const MAGIC: &[u8; 16] = b"nebula-compiled1";
const REFUSED_MAGIC: &[u8; 16] = b"nebula-refused-1";
const MAC_BYTES: usize = 32;
const HEAD_BYTES: usize = MAGIC.len() + MAC_BYTES;
/// The largest file that is read, bytes: code at its cap, and a description.
const MAX_FILE: u64 = CODE_BYTES + (64 << 20);
/// What is kept of a reason, bytes.
const REASON_BYTES: usize = 2 << 10;

/// The folder, the key, and what all its files must agree with.
pub(crate) struct CompiledCache {
    dir: PathBuf,
    key: [u8; 32],
    settings: [u8; 32],
    written: AtomicU64,
}

impl CompiledCache {
    pub(crate) fn open(dir: PathBuf, key: [u8; 32], engine: &Engine) -> Result<Self, SandboxError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(|e| SandboxError::CacheDir {
                path: dir.display().to_string(),
                reason: e.to_string(),
            })?;
        Ok(Self {
            dir,
            key,
            settings: settings_hash(engine),
            written: AtomicU64::new(0),
        })
    }

    /// The component and its description, if this node compiled it before.
    /// Anything that is wrong with the file counts as absent.
    pub(crate) fn load(&self, engine: &Engine, digest: Digest) -> Option<(Component, Prepared)> {
        let path = self.path(digest);
        let file = match read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(%digest, %error, "a compiled component cannot be read: it is compiled again");
                return None;
            }
        };
        let loaded = self
            .verify(digest, &file)
            .and_then(|verified| verified.load(engine));
        if loaded.is_none() {
            tracing::warn!(%digest, "a compiled component was not written by this node: it is compiled again");
        }
        loaded
    }

    /// Why the component was refused, if this version of the node did so before.
    pub(crate) fn refusal(&self, digest: Digest) -> Option<String> {
        let file = read(&self.refusal_path(digest)).ok()?;
        let (head, reason) = file.split_at_checked(HEAD_BYTES)?;
        let (magic, mac) = head.split_at(MAGIC.len());
        if magic != REFUSED_MAGIC {
            return None;
        }
        let right = self.refusal_mac(digest, reason).verify_slice(mac);
        right.ok()?;
        String::from_utf8(reason.to_vec()).ok()
    }

    /// Keeps why a component is refused, so that no start compiles it again.
    pub(crate) fn refuse(&self, digest: Digest, reason: &str) {
        let reason = cut(reason, REASON_BYTES).as_bytes();
        let mac = self.refusal_mac(digest, reason).finalize().into_bytes();
        let file = [REFUSED_MAGIC, &mac[..], reason].concat();
        if let Err(error) = self.replace(&self.refusal_path(digest), &file) {
            tracing::warn!(%digest, %error, "a refusal cannot be kept");
        }
    }

    fn refusal_path(&self, digest: Digest) -> PathBuf {
        self.path(digest).with_extension("refused")
    }

    /// What is refused is up to the limits of this version too.
    fn refusal_mac(&self, digest: Digest, reason: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac(REFUSED_MAGIC, digest, env!("CARGO_PKG_VERSION").as_bytes());
        mac.update(reason);
        mac
    }

    /// Keeps a component. A file that cannot be written costs the next start a
    /// compilation and nothing else.
    pub(crate) fn store(&self, digest: Digest, component: &Component, prepared: &Prepared) {
        if let Err(error) = self.try_store(digest, component, prepared) {
            tracing::warn!(%digest, error, "a compiled component cannot be kept");
        }
    }

    fn try_store(
        &self,
        digest: Digest,
        component: &Component,
        prepared: &Prepared,
    ) -> Result<(), String> {
        let description = serde_json::to_vec(prepared).map_err(|e| e.to_string())?;
        let code = component.serialize().map_err(|e| format!("{e:#}"))?;
        let length = u32::try_from(description.len()).map_err(|e| e.to_string())?;
        let mut file = Vec::with_capacity(HEAD_BYTES + 4 + description.len() + code.len());
        file.extend_from_slice(MAGIC);
        file.extend_from_slice(&[0; MAC_BYTES]);
        file.extend_from_slice(&length.to_le_bytes());
        file.extend_from_slice(&description);
        file.extend_from_slice(&code);
        let mac = self
            .mac(MAGIC, digest, &file[HEAD_BYTES..])
            .finalize()
            .into_bytes();
        file[MAGIC.len()..HEAD_BYTES].copy_from_slice(&mac);
        self.replace(&self.path(digest), &file)
            .map_err(|e| e.to_string())
    }

    /// Writes beside and renames, so that a reader sees the old file or the new.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let n = self.written.fetch_add(1, Ordering::Relaxed);
        let beside = self.dir.join(format!(".{}-{n}.tmp", std::process::id()));
        // Left by a process of this number that was killed while it wrote.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(bytes)?;
        fs::rename(&beside, path)
    }

    fn path(&self, digest: Digest) -> PathBuf {
        let settings = Digest::from_bytes(self.settings).hex();
        self.dir
            .join(format!("{}-{}.compiled", digest.hex(), &settings[..16]))
    }

    fn mac(&self, magic: &[u8; 16], digest: Digest, body: &[u8]) -> Hmac<Sha256> {
        // A key of 32 bytes is shorter than a block of SHA-256: any is accepted.
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.key)
            .expect("HMAC takes keys of any length");
        mac.update(magic);
        mac.update(digest.as_bytes());
        mac.update(&self.settings);
        mac.update(body);
        mac
    }

    fn verify<'a>(&self, digest: Digest, file: &'a [u8]) -> Option<VerifiedCode<'a>> {
        let (head, body) = file.split_at_checked(HEAD_BYTES)?;
        let (magic, mac) = head.split_at(MAGIC.len());
        if magic != MAGIC {
            return None;
        }
        self.mac(MAGIC, digest, body).verify_slice(mac).ok()?;
        let (length, rest) = body.split_first_chunk::<4>()?;
        let (description, code) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        Some(VerifiedCode { description, code })
    }
}

/// Bytes whose MAC was right: this node wrote them. They are in memory, where
/// nobody changes them any more.
struct VerifiedCode<'a> {
    description: &'a [u8],
    code: &'a [u8],
}

impl VerifiedCode<'_> {
    fn load(&self, engine: &Engine) -> Option<(Component, Prepared)> {
        let prepared = serde_json::from_slice(self.description).ok()?;
        #[expect(
            unsafe_code,
            reason = "the MAC proved that these are bytes which `Component::serialize` gave us"
        )]
        // SAFETY: `verify` is the only maker of this type.
        let component = unsafe { Component::deserialize(engine, self.code) };
        match component {
            Ok(component) => Some((component, prepared)),
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "a compiled component does not load"
                );
                None
            }
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(MAX_FILE)).unwrap_or(0) + 1);
    file.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Everything that machine code depends on beside the component: the version
/// of wasmtime and the settings of its compiler.
pub(crate) fn settings_hash(engine: &Engine) -> [u8; 32] {
    struct Sha(Sha256);
    impl Hasher for Sha {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut sha = Sha(Sha256::new());
    sha.write(wasmtime_environ::VERSION.as_bytes());
    engine.precompile_compatibility_hash().hash(&mut sha);
    sha.0.finalize().into()
}
