//! Compiled components on disk. Machine code is run as it stands, so nothing
//! is taken from a file before a MAC by this node's key proved that this node
//! wrote it, for this component, this wasmtime and these settings.
//!
//! The code is then mapped from its file, as a shared library is: no page is
//! copied, and those that no call needs are never read. Nobody but the user of
//! this process, who has the key as well, may write a file that is mapped.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use nebula_flow::Digest;
use nebula_flow::ports::Prepared;
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::compile::CODE_BYTES;
use crate::lines::cut;
use crate::profile::SandboxError;

/// Ends each file: what it is and in which form. Before it are the code, its
/// description, the description's length and the MAC.
const MAGIC: &[u8; 16] = b"nebula-compiled2";
const REFUSED_MAGIC: &[u8; 16] = b"nebula-refused-2";
const MAC_BYTES: usize = 32;
/// The description's length, the MAC and the magic.
const TAIL_BYTES: usize = 4 + MAC_BYTES + MAGIC.len();
/// The largest file that is read, bytes: code at its cap, and a description.
const MAX_FILE: u64 = CODE_BYTES + (64 << 20);
/// What is read and hashed at a time, bytes: it stays in a core's cache.
const CHUNK_BYTES: usize = 64 << 10;
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
        let verified = match self.read(digest) {
            Ok(verified) => verified,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(%digest, %error, "a compiled component cannot be read: it is compiled again");
                return None;
            }
        };
        let Some(verified) = verified else {
            tracing::warn!(%digest, "a compiled component was not written by this node: it is compiled again");
            return None;
        };
        verified.load(engine)
    }

    /// Opens a component's file; nothing, when it is not this node's.
    fn read(&self, digest: Digest) -> io::Result<Option<Verified>> {
        let file = File::open(self.path(digest))?;
        let metadata = file.metadata()?;
        let size = metadata.len();
        let ours = metadata.uid() == rustix::process::geteuid().as_raw();
        if !ours || metadata.mode() & 0o022 != 0 || !(TAIL_BYTES as u64..=MAX_FILE).contains(&size)
        {
            return Ok(None);
        }
        let mut tail = [0; TAIL_BYTES];
        let before_tail = size - TAIL_BYTES as u64;
        file.read_exact_at(&mut tail, before_tail)?;
        let (length, rest) = tail.split_at(4);
        let (tag, magic) = rest.split_at(MAC_BYTES);
        let described = length
            .try_into()
            .map_or(0, |length| u64::from(u32::from_le_bytes(length)));
        let Some(code_bytes) = before_tail.checked_sub(described) else {
            return Ok(None);
        };
        let mut description = vec![0; usize::try_from(described).unwrap_or(0)];
        file.read_exact_at(&mut description, code_bytes)?;
        let mut mac = self.mac(MAGIC, digest);
        mac.update(length);
        mac.update(&description);
        hash(&mut mac, (&file).take(code_bytes))?;
        // Tags are compared in constant time.
        let right = magic == MAGIC && mac.finalize().as_slice() == tag;
        Ok(right.then_some(Verified { description, file }))
    }

    /// Why the component was refused, if this version of the node did so before.
    pub(crate) fn refusal(&self, digest: Digest) -> Option<String> {
        let mut file = File::open(self.refusal_path(digest)).ok()?;
        let (mut magic, mut tag, mut reason) = ([0; 16], [0; MAC_BYTES], Vec::new());
        file.read_exact(&mut magic).ok()?;
        file.read_exact(&mut tag).ok()?;
        file.take(REASON_BYTES as u64)
            .read_to_end(&mut reason)
            .ok()?;
        // Tags are compared in constant time.
        let right = magic == *REFUSED_MAGIC && self.refusal_mac(digest, &reason) == tag;
        right.then(|| String::from_utf8(reason).ok())?
    }

    /// Keeps why a component is refused, so that no start compiles it again.
    pub(crate) fn refuse(&self, digest: Digest, reason: &str) {
        let reason = cut(reason, REASON_BYTES).as_bytes();
        let tag = self.refusal_mac(digest, reason);
        let file = [REFUSED_MAGIC, &tag.as_bytes()[..], reason].concat();
        if let Err(error) = self.replace(&self.refusal_path(digest), &file) {
            tracing::warn!(%digest, %error, "a refusal cannot be kept");
        }
    }

    fn refusal_path(&self, digest: Digest) -> PathBuf {
        self.path(digest).with_extension("refused")
    }

    /// What is refused is up to the limits of this version too.
    fn refusal_mac(&self, digest: Digest, reason: &[u8]) -> blake3::Hash {
        let mut mac = self.mac(REFUSED_MAGIC, digest);
        mac.update(env!("CARGO_PKG_VERSION").as_bytes());
        mac.update(reason);
        mac.finalize()
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
        let mut mac = self.mac(MAGIC, digest);
        mac.update(&length.to_le_bytes());
        mac.update(&description);
        mac.update(&code);
        let (length, tag) = (length.to_le_bytes(), mac.finalize());
        let file = [&code, &description, &length[..], tag.as_bytes(), MAGIC].concat();
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

    /// A MAC that has what a file is of, all of fixed lengths, and wants the rest.
    /// BLAKE3 with a key is one as it is, and as fast as a core reads memory.
    fn mac(&self, magic: &[u8; 16], digest: Digest) -> blake3::Hasher {
        let mut mac = blake3::Hasher::new_keyed(&self.key);
        mac.update(magic);
        mac.update(digest.as_bytes());
        mac.update(&self.settings);
        mac
    }
}

/// Reads all there is into the hash.
fn hash(mac: &mut blake3::Hasher, mut bytes: impl Read) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match bytes.read(&mut chunk)? {
            0 => return Ok(()),
            read => mac.update(&chunk[..read]),
        };
    }
}

/// A file whose MAC was right: this node wrote it. It begins with the code.
struct Verified {
    description: Vec<u8>,
    file: File,
}

impl Verified {
    fn load(&self, engine: &Engine) -> Option<(Component, Prepared)> {
        let prepared = serde_json::from_slice(&self.description).ok()?;
        // wasmtime takes a path, and must not open another file by its name.
        let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        #[expect(
            unsafe_code,
            reason = "the MAC proved that these are bytes which `Component::serialize` gave us"
        )]
        // SAFETY: `CompiledCache::read` is the only maker of this type.
        let component = unsafe { Component::deserialize_file(engine, path) };
        match component {
            Ok(component) => Some((component, prepared)),
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "a compiled component cannot be mapped, as in a folder that is mounted noexec: it is compiled again"
                );
                None
            }
        }
    }
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
