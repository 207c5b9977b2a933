//! `nebula hub login` and `logout`: credentials where Docker, `oras` and `cosign`
//! look for them too.

use std::io::Read as _;
use std::process::ExitCode;

use nebula_hub::oci::{Patience, Remote, credentials};
use nebula_hub::reference::Registry;
use serde_json::json;

use super::trouble;
use crate::commands::{Context, credential};
use crate::error::{Error, Result};

/// Log in to a registry; the password comes from standard input or a prompt
#[derive(Debug, clap::Args)]
pub(crate) struct Login {
    /// The registry, `host[:port]`
    registry: Registry,
    /// The user
    #[arg(short, long)]
    username: String,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
}

/// Forget the credentials for a registry
#[derive(Debug, clap::Args)]
pub(crate) struct Logout {
    /// The registry, `host[:port]`
    registry: Registry,
}

pub(crate) async fn login(context: &Context, args: Login) -> Result<ExitCode> {
    let password = if args.password_stdin {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| Error::refused(format!("no password can be read: {error}")))?;
        text.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        rpassword::prompt_password("Password: ")
            .map_err(|error| Error::refused(format!("no password can be read: {error}")))?
    };
    let host = args.registry.host().to_owned();
    let auth = nebula_hub::oci::remote::basic(&args.username, &password);
    let remote = Remote::with(args.registry, auth, Patience::default())
        .map_err(|error| trouble::registry(&error))?;
    remote
        .greet()
        .await
        .map_err(|error| trouble::registry(&error))?;
    let path = credentials::keep(&host, &args.username, &password)
        .map_err(|error| trouble::registry(&error))?;
    let text = format!("logged in to {host}; kept in {}", path.display());
    credential::report(context, &json!({ "registry": host }), &text)
}

pub(crate) fn logout(context: &Context, args: &Logout) -> Result<ExitCode> {
    let host = args.registry.host();
    let was = credentials::forget(host).map_err(|error| trouble::registry(&error))?;
    let text = match was {
        true => format!("logged out of {host}"),
        false => format!("nothing was kept for {host}"),
    };
    credential::report(context, &json!({ "registry": host, "was": was }), &text)
}
