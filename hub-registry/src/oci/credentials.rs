//! What a registry is told of who asks: from the environment, else from the
//! configuration that Docker, `oras` and `cosign` share.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_distribution::secrets::RegistryAuth;
use serde_json::{Map, Value, json};

use super::RegistryError;

/// A user's name for a registry.
pub const USER: &str = "NEBULA_REGISTRY_USER";
/// The user's password or token for it.
pub const PASSWORD: &str = "NEBULA_REGISTRY_PASSWORD";
/// The registry that the two are for, `host[:port]`.
pub const REGISTRY: &str = "NEBULA_REGISTRY";

/// Where credentials come from.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    environment: BTreeMap<String, String>,
}

impl Credentials {
    /// With these variables, of which only three are looked at.
    #[must_use]
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let ours = |(name, value): &(String, String)| {
            [USER, PASSWORD, REGISTRY].contains(&name.as_str()) && !value.is_empty()
        };
        Self {
            environment: variables.into_iter().filter(ours).collect(),
        }
    }

    /// What a registry is told. Those of the environment go to the registry that
    /// the environment names, and to no other.
    ///
    /// # Errors
    /// When Docker's configuration, or a helper that it names, cannot be read.
    pub async fn of(&self, host: &str) -> Result<RegistryAuth, RegistryError> {
        let get = |name| self.environment.get(name).cloned();
        if get(REGISTRY).as_deref() == Some(host)
            && let Some(password) = get(PASSWORD)
        {
            return Ok(match get(USER) {
                Some(user) => RegistryAuth::Basic(user, password),
                None => RegistryAuth::Bearer(password),
            });
        }
        if !file().is_some_and(|file| file.exists()) {
            return Ok(RegistryAuth::Anonymous);
        }
        let asked = host.to_owned();
        // A helper is a program of its own: it is waited for aside.
        let found =
            tokio::task::spawn_blocking(move || docker_credential::get_credential(&asked)).await;
        match found {
            Ok(Ok(DockerCredential::UsernamePassword(user, password))) => {
                Ok(RegistryAuth::Basic(user, password))
            }
            Ok(Ok(DockerCredential::IdentityToken(token))) => Ok(RegistryAuth::Bearer(token)),
            Ok(Err(
                CredentialRetrievalError::NoCredentialConfigured
                | CredentialRetrievalError::ConfigNotFound,
            )) => Ok(RegistryAuth::Anonymous),
            Ok(Err(error)) => Err(unreadable(host, name_of(&error))),
            Err(_) => Err(unreadable(host, "the helper ended unexpectedly")),
        }
    }
}

/// Never the helper's own output, which may hold a secret.
const fn name_of(error: &CredentialRetrievalError) -> &'static str {
    match error {
        CredentialRetrievalError::HelperCommunicationError => {
            "the credential helper cannot be run; is it installed?"
        }
        CredentialRetrievalError::HelperFailure { .. } => "the credential helper failed",
        CredentialRetrievalError::MalformedHelperResponse => {
            "the credential helper's answer does not read"
        }
        _ => "Docker's configuration does not read",
    }
}

fn unreadable(host: &str, reason: &str) -> RegistryError {
    RegistryError::Credentials {
        registry: host.to_owned(),
        reason: reason.to_owned(),
    }
}

/// Keeps a user's name and password for a registry in Docker's configuration, in
/// a file of mode 0600.
///
/// # Errors
/// When the file does not read, or cannot be written.
pub fn keep(host: &str, user: &str, password: &str) -> Result<PathBuf, RegistryError> {
    let auth = data_encoding::BASE64.encode(format!("{user}:{password}").as_bytes());
    change(host, |auths| {
        auths.insert(host.to_owned(), json!({ "auth": auth }));
        true
    })
    .map(|(path, _)| path)
}

/// Forgets what is kept for a registry; whether there was something.
///
/// # Errors
/// When the file does not read, or cannot be written.
pub fn forget(host: &str) -> Result<bool, RegistryError> {
    change(host, |auths| auths.remove(host).is_some()).map(|(_, changed)| changed)
}

fn change(
    host: &str,
    change: impl FnOnce(&mut Map<String, Value>) -> bool,
) -> Result<(PathBuf, bool), RegistryError> {
    let path = file().ok_or_else(|| unreadable(host, "HOME is not set"))?;
    let failed = |error: std::io::Error| {
        unreadable(
            host,
            &format!("{} cannot be changed: {error}", path.display()),
        )
    };
    let mut config = match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|_| unreadable(host, &format!("{} does not read", path.display())))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => json!({}),
        Err(error) => return Err(failed(error)),
    };
    let auths = config
        .as_object_mut()
        .map(|config| config.entry("auths").or_insert_with(|| json!({})))
        .and_then(Value::as_object_mut)
        .ok_or_else(|| unreadable(host, &format!("{} does not read", path.display())))?;
    let changed = change(auths);
    if changed {
        let text = serde_json::to_vec_pretty(&config).unwrap_or_default();
        write(&path, &text).map_err(failed)?;
    }
    Ok((path, changed))
}

fn write(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let fresh = folder.join(format!("config.json.{}", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

/// Docker's configuration.
fn file() -> Option<PathBuf> {
    let named = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker"));
    Some(named.or_else(home)?.join("config.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn those_of_the_environment_go_to_the_registry_it_names_and_no_other() {
        let variables = |pairs: &[(&str, &str)]| {
            let own = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
            Credentials::new(pairs.iter().map(own).collect::<Vec<_>>())
        };
        let both = variables(&[(REGISTRY, "r.example"), (USER, "u"), (PASSWORD, "p")]);
        let found = both.of("r.example").await.unwrap();
        assert_eq!(found, RegistryAuth::Basic("u".into(), "p".into()));
        assert_ne!(both.of("other.example").await.ok(), Some(found));
        let token = variables(&[(REGISTRY, "r.example"), (PASSWORD, "t")]);
        let found = token.of("r.example").await.unwrap();
        assert_eq!(found, RegistryAuth::Bearer("t".into()));
    }
}
