//! `nebula grant …`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::credential::report;
use super::{Context, segment};
use crate::client::{Body, Client};
use crate::error::{Error, Result};
use crate::output::{self, Show};

/// Let actions reach hosts, or read credentials: `nebula grant weather.fetch api.weather.example`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct GrantArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The action
    #[arg(required = true)]
    action: Option<String>,
    /// The host it may reach, `host` or `host:port`
    #[arg(required = true)]
    host: Option<String>,
    /// Where the host really is; the only way to a loopback or private address
    #[arg(long, value_name = "URL")]
    at: Option<String>,
    /// By which schemes: https if not given, and http too where --at begins with it
    #[arg(long = "scheme", value_name = "SCHEME", value_delimiter = ',')]
    schemes: Vec<String>,
    /// Only these HTTP methods, e.g. GET,POST
    #[arg(long = "method", value_name = "METHOD", value_delimiter = ',')]
    methods: Vec<String>,
}

/// Where grants of hosts are.
const GRANTS: &str = "/api/v1/grants";
/// Where grants of plain text are.
const REVEALS: &str = "/api/v1/reveals";

/// The other verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Let an action read a credential in plain text, which must say --reveal too
    Reveal {
        /// The action
        action: String,
        /// The name that the credential is stored under
        credential: String,
    },
    /// List what each action may reach and read in plain text, and what it has reached
    List {
        /// Only this action
        action: Option<String>,
    },
    /// Take a grant back
    #[command(override_usage = "nebula grant revoke [OPTIONS] <ACTION> <HOST|--credential NAME>")]
    Revoke {
        /// The action
        action: String,
        #[command(flatten)]
        of: Granted,
    },
}

/// What was granted: one of the two.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Granted {
    /// The host, as it was granted
    host: Option<String>,
    /// A credential that the action may read in plain text, in place of a host
    #[arg(long, value_name = "NAME")]
    credential: Option<String>,
}

pub(crate) async fn run(context: &Context, grant: GrantArgs) -> Result<ExitCode> {
    let node = context.node.connect().await?;
    let result = go(context, &node.client, grant).await;
    node.close().await;
    result
}

async fn go(context: &Context, client: &Client, grant: GrantArgs) -> Result<ExitCode> {
    match grant.verb {
        Some(Verb::List { action }) => list(context, client, action.as_deref()).await,
        Some(Verb::Reveal { action, credential }) => {
            let body = Body::json(&json!({ "action": action, "credential": credential }));
            let answer = client.call(Method::POST, REVEALS, body).await?;
            let text = format!("{action} may read credential {credential} in plain text");
            report(context, &answer, &text)
        }
        Some(Verb::Revoke { action, of }) => revoke(context, client, &action, of).await,
        None => {
            let (Some(action), Some(host)) = (&grant.action, &grant.host) else {
                return Err(Error::refused("an action and a host are needed"));
            };
            let mut body = json!({ "action": action, "host": host });
            if let Some(at) = &grant.at {
                body["at"] = at.as_str().into();
            }
            body["schemes"] = grant.schemes.as_slice().into();
            body["methods"] = grant.methods.as_slice().into();
            let answer = client.call(Method::POST, GRANTS, Body::json(&body)).await?;
            let may = rights(&answer);
            report(
                context,
                &answer,
                &format!("{action} may reach {host}: {may}"),
            )
        }
    }
}

/// Takes back a host or, in its place, the plain text of a credential.
async fn revoke(
    context: &Context,
    client: &Client,
    action: &str,
    granted: Granted,
) -> Result<ExitCode> {
    let (of, what, no_longer) = match (granted.host, granted.credential) {
        (_, Some(name)) => {
            let text = format!("read credential {name} in plain text");
            (REVEALS, format!("credential={}", segment(&name)), text)
        }
        (Some(host), None) => {
            let text = format!("reach {host}");
            (GRANTS, format!("host={}", segment(&host)), text)
        }
        (None, None) => return Err(Error::refused("a host or --credential is needed")),
    };
    let path = format!("{of}?action={}&{what}", segment(action));
    let answer = client.call(Method::DELETE, &path, Body::default()).await?;
    report(
        context,
        &answer,
        &format!("{action} may no longer {no_longer}"),
    )
}

async fn list(context: &Context, client: &Client, action: Option<&str>) -> Result<ExitCode> {
    let only = action.map(|a| format!("&action={}", segment(a)));
    let only = only.unwrap_or_default();
    let (mut actions, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/reach?limit=200{only}{cursor}");
        let mut page = client.get(&path).await?;
        if let Some(items) = page["items"].as_array_mut() {
            actions.append(items);
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={}", segment(next)),
            None => break,
        }
    }
    let answer = json!({ "items": actions });
    let rows: Vec<Value> = actions.iter().flat_map(rows).collect();
    output::rows(
        context.format,
        &answer,
        &rows,
        &[
            ("ACTION", "/action", Show::Text),
            ("HOST", "/host", Show::Text),
            ("CREDENTIAL", "/credential", Show::Text),
            ("MAY", "/may", Show::Text),
            ("REQUESTS", "/requests", Show::Count),
            ("LAST", "/last_at", Show::Age),
            ("REFUSED", "/refused", Show::Count),
            ("LAST REFUSAL", "/last_refusal/at", Show::Age),
            ("BECAUSE", "/last_refusal/reason", Show::Text),
        ],
    )?;
    Ok(ExitCode::SUCCESS)
}

/// One row for each host of an action, and for each credential that it is granted.
fn rows(action: &Value) -> Vec<Value> {
    let list = |name: &str| action[name].as_array().into_iter().flatten();
    let row = |of: &Value, may: String| {
        let mut row = of.clone();
        row["action"] = action["action"].clone();
        row["may"] = may.into();
        row
    };
    let hosts = list("hosts").map(|host| {
        let may = match (host.get("grant"), host["asked"].as_bool()) {
            (Some(grant), Some(true)) => rights(grant),
            (Some(grant), _) => format!("{} (not asked for)", rights(grant)),
            (None, Some(true)) if host["host"] == "*" => "any host, each by a grant".into(),
            (None, Some(true)) => "not granted".into(),
            (None, _) => "not asked for".into(),
        };
        row(host, may)
    });
    let reveals = list("reveals").map(|reveal| {
        let may = match reveal["withheld"].as_str() {
            Some(why) => format!("not read in plain text, though granted: {why}"),
            None => "read in plain text".into(),
        };
        row(reveal, may)
    });
    hosts.chain(reveals).collect()
}

/// What a grant allows, e.g. `https GET,POST at http://127.0.0.1:8080`.
fn rights(grant: &Value) -> String {
    let joined = |field: &str| {
        let list = grant[field].as_array().into_iter().flatten();
        list.filter_map(Value::as_str).collect::<Vec<_>>().join(",")
    };
    let mut text = joined("schemes");
    let methods = joined("methods");
    if !methods.is_empty() {
        text = format!("{text} {methods}");
    }
    if let Some(at) = grant["at"].as_str() {
        text = format!("{text} at {at}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_a_host_or_a_credential_is_to_an_action() {
        let action = json!({ "action": "a.b", "installed": true, "hosts": [
            { "host": "*", "asked": true, "requests": 0, "refused": 0 },
            { "host": "x.example", "asked": true, "requests": 7, "refused": 0, "grant": {
                "schemes": ["http", "https"], "methods": ["GET", "POST"], "at": "http://127.0.0.1:9" } },
            { "host": "y.example", "asked": false, "requests": 0, "refused": 0,
                "grant": { "schemes": ["https"] } },
            { "host": "z.example", "asked": false, "requests": 0, "refused": 3 },
        ], "reveals": [
            { "credential": "prod" },
            { "credential": "test", "withheld": "it is not stored" },
        ] });
        let rows = rows(&action);
        let may: Vec<_> = rows.iter().filter_map(|row| row["may"].as_str()).collect();
        assert_eq!(
            may,
            [
                "any host, each by a grant",
                "http,https GET,POST at http://127.0.0.1:9",
                "https (not asked for)",
                "not asked for",
                "read in plain text",
                "not read in plain text, though granted: it is not stored",
            ]
        );
        assert_eq!(rows[4]["credential"], "prod");
        assert!(rows.iter().all(|row| row["action"] == "a.b"));
        assert_eq!(rows[1]["requests"], 7);
    }
}
