//! Tokens: who may pull, push and delete. They stand in one file, which only its
//! owner may read and which has no secret in it: of each token it has a SHA-256.
//! A slow hash is for passwords, which people choose; a token's secret is 256
//! random bits.
//!
//! A token reads `nebula.hub.<id>.<secret>`. Clients send it as a password with
//! any user name, or as a bearer token.

#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nebula_flow::ports::Clock;
use nebula_flow::time::Span;
use nebula_flow::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::name::RepositoryName;
use super::store::disk;

/// The file's name in the hub's folder.
const FILE: &str = "tokens.json";
/// The file with the token of whoever owns the folder.
const LOCAL: &str = "local.token";
/// What every token begins with, so that a stray one is recognised.
const PREFIX: &str = "nebula.hub.";
/// Characters of a name.
const MAX_NAME: usize = 128;
/// Bytes of the file, which thousands of tokens fit into.
const MAX_FILE: u64 = 4 << 20;

/// What a token allows; each allows what the one before it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Allowed {
    /// Read.
    Pull,
    /// Add content, move tags.
    Push,
    /// Delete.
    Delete,
}

/// A token as it is kept: without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// By which it is revoked.
    pub id: String,
    /// Whose it is, or what for.
    pub name: String,
    /// What it allows.
    pub allowed: Allowed,
    /// Repositories in which it allows that: these and those below them; all if
    /// there is none.
    pub namespaces: Vec<String>,
    /// SHA-256 of the whole token.
    hash: Digest,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// What a new token is to be.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Whose it is, or what for: 1 to 128 characters.
    pub name: String,
    /// What it allows.
    pub allowed: Allowed,
    /// Where; everywhere if there is none.
    pub namespaces: Vec<String>,
    /// How long it is good for; until it is revoked if absent.
    pub lifetime: Option<Duration>,
}

/// The tokens of a hub's folder. Commands and a hub that serves may use it at
/// once: a change counts from the next request on.
pub struct Tokens {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    read: Mutex<Option<Read>>,
}

/// The file as it was read last.
struct Read {
    seen: Seen,
    tokens: Arc<Vec<Token>>,
}

/// What tells one version of the file from another: each is a new file.
type Seen = (u64, u64, i64, i64);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    version: u32,
    tokens: Vec<Token>,
}

/// Why tokens cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// A file cannot be read or written.
    #[error("{} cannot be used: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// In the system's words.
        error: io::Error,
    },
    /// Others may read it.
    #[error("{} may be read by others (mode {mode:o}): run chmod 600 on it", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is not what this program writes.
    #[error("{} is damaged: put it back from a backup, or remove it and make new tokens", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The name does not do.
    #[error("a token's name has 1 to {MAX_NAME} characters, none of them a control character")]
    Name,
    /// It is no namespace.
    #[error(
        "`{0}` is not a namespace: write the beginning of a repository's name, such as `acme` or `acme/weather`"
    )]
    Namespace(String),
    /// It is no time that a token can be good for.
    #[error("`{0}` is not how long a token is good for: write `12h` or `90d`")]
    Lifetime(String),
    /// There is no such token.
    #[error("there is no token `{0}`; `nebula hub token list` shows those that there are")]
    Unknown(String),
}

/// How long a token is to be good for, from a text such as `12h` or `90d`.
///
/// # Errors
/// When it is no such text.
pub fn lifetime(text: &str) -> Result<Duration, TokenError> {
    let read = text.parse::<Span>().ok();
    let lifetime = read.map(|Span(lifetime)| lifetime);
    lifetime
        .filter(|lifetime| !lifetime.is_zero())
        .ok_or_else(|| TokenError::Lifetime(text.chars().take(40).collect()))
}

/// Why a token that was sent is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("the token is not known here: it was revoked, or is of another hub")]
    Unknown,
    #[error("token {0} is no longer good: it was made to expire")]
    Expired(String),
}

impl Allowed {
    /// As commands and files name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
        }
    }
}

impl Token {
    /// Whether it allows this in a repository.
    pub(super) fn allows(&self, what: Allowed, name: &RepositoryName) -> bool {
        let within = |namespace: &String| name.is_within(namespace);
        self.allowed >= what && (self.namespaces.is_empty() || self.namespaces.iter().any(within))
    }
}

impl Tokens {
    /// Of a hub's folder, which may not be there yet.
    #[must_use]
    pub fn of(folder: &Path, clock: Arc<dyn Clock>) -> Self {
        Self {
            folder: folder.into(),
            clock,
            read: Mutex::default(),
        }
    }

    /// All of them, in the order in which they were made.
    ///
    /// # Errors
    /// When the file is damaged, or others may read it.
    pub fn list(&self) -> Result<Arc<Vec<Token>>, TokenError> {
        let path = self.folder.join(FILE);
        let Some((file, seen)) = open(&path)? else {
            return Ok(Arc::default());
        };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = read.as_ref().filter(|read| read.seen == seen) {
            return Ok(Arc::clone(&read.tokens));
        }
        let text = contents(file, &path)?;
        let wire: Wire = serde_json::from_str(&text)
            .ok()
            .filter(|wire: &Wire| wire.version == 1)
            .ok_or(TokenError::Damaged { path })?;
        let tokens = Arc::new(wire.tokens);
        *read = Some(Read {
            seen,
            tokens: Arc::clone(&tokens),
        });
        Ok(tokens)
    }

    /// Makes a token. What is returned beside it is the only copy of the secret.
    ///
    /// # Errors
    /// When name or namespace do not do, or the file cannot be written.
    pub fn create(&self, new: NewToken) -> Result<(Token, Zeroizing<String>), TokenError> {
        let count = new.name.chars().count();
        if !(1..=MAX_NAME).contains(&count) || new.name.chars().any(char::is_control) {
            return Err(TokenError::Name);
        }
        for namespace in &new.namespaces {
            let read = namespace.parse::<RepositoryName>();
            read.map_err(|_| TokenError::Namespace(namespace.clone()))?;
        }
        let id = random::<8>().map_err(|error| self.io(FILE, error))?;
        let secret = random::<32>().map_err(|error| self.io(FILE, error))?;
        let whole = Zeroizing::new(format!("{PREFIX}{}.{}", *id, *secret));
        let now = self.clock.now();
        let token = Token {
            id: id.to_string(),
            name: new.name,
            allowed: new.allowed,
            namespaces: new.namespaces,
            hash: Digest::of(whole.as_bytes()),
            created_at: now,
            expires_at: new.lifetime.map(|lifetime| now.plus(lifetime)),
        };
        self.change(|tokens| {
            tokens.push(token.clone());
            Ok(())
        })?;
        Ok((token, whole))
    }

    /// Revokes a token, from the next request on.
    ///
    /// # Errors
    /// When there is none of this id, or the file cannot be written.
    pub fn revoke(&self, id: &str) -> Result<Token, TokenError> {
        self.change(|tokens| {
            let found = tokens.iter().position(|token| token.id == id);
            let found = found.ok_or_else(|| TokenError::Unknown(id.into()))?;
            Ok(tokens.remove(found))
        })
    }

    /// The token of whoever owns the folder, from a file beside the others that
    /// only the owner may read: made at the first call, and again once it was
    /// revoked. With it the owner's own commands push to the hub.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn local(&self) -> Result<Zeroizing<String>, TokenError> {
        let path = self.folder.join(LOCAL);
        if let Some((file, _)) = open(&path)? {
            let kept = Zeroizing::new(contents(file, &path)?);
            if self.find(&kept)?.is_ok() {
                return Ok(kept);
            }
        }
        let new = NewToken {
            name: "local".into(),
            allowed: Allowed::Delete,
            namespaces: Vec::new(),
            lifetime: None,
        };
        let (_, whole) = self.create(new)?;
        disk::write(&self.folder, &path, whole.as_bytes()).map_err(|e| self.io(LOCAL, e))?;
        Ok(whole)
    }

    /// The token that was sent.
    pub(super) fn find(&self, whole: &str) -> Result<Result<Token, Refused>, TokenError> {
        let id = whole
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('.'));
        let (tokens, now) = (self.list()?, self.clock.now());
        let found = id.and_then(|(id, _)| tokens.iter().find(|token| token.id == id));
        let hash = Digest::of(whole.as_bytes());
        let same = |token: &&Token| bool::from(token.hash.as_bytes().ct_eq(hash.as_bytes()));
        Ok(match found.filter(same) {
            None => Err(Refused::Unknown),
            Some(token) if token.expires_at.is_some_and(|end| end <= now) => {
                Err(Refused::Expired(token.id.clone()))
            }
            Some(token) => Ok(token.clone()),
        })
    }

    /// Changes the file, one process at a time.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Vec<Token>) -> Result<T, TokenError>,
    ) -> Result<T, TokenError> {
        let io = |error| self.io(FILE, error);
        disk::make_folder(&self.folder).map_err(io)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.folder.join("tokens.lock"))
            .map_err(io)?;
        lock.lock().map_err(io)?;
        let mut tokens = Vec::clone(&*self.list()?);
        let changed = change(&mut tokens)?;
        let wire = Wire { version: 1, tokens };
        let text = serde_json::to_vec_pretty(&wire).map_err(|error| io(error.into()))?;
        disk::write(&self.folder, &self.folder.join(FILE), &text).map_err(io)?;
        Ok(changed)
    }

    fn io(&self, file: &str, error: io::Error) -> TokenError {
        TokenError::Io {
            path: self.folder.join(file),
            error,
        }
    }
}

/// Opens a file that only its owner may read, if it is there.
fn open(path: &Path) -> Result<Option<(File, Seen)>, TokenError> {
    let io = |error| TokenError::Io {
        path: path.into(),
        error,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    let metadata = file.metadata().map_err(io)?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(TokenError::Open {
            path: path.into(),
            mode,
        });
    }
    let seen = (
        metadata.ino(),
        metadata.size(),
        metadata.mtime(),
        metadata.mtime_nsec(),
    );
    Ok(Some((file, seen)))
}

fn contents(file: File, path: &Path) -> Result<String, TokenError> {
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(file, MAX_FILE), &mut text)
        .map(|_| text)
        .map_err(|error| TokenError::Io {
            path: path.into(),
            error,
        })
}

fn random<const N: usize>() -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(&mut *bytes).map_err(|e| io::Error::other(e.to_string()))?;
    Ok(Zeroizing::new(data_encoding::HEXLOWER.encode(&*bytes)))
}
