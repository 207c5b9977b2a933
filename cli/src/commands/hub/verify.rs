//! `nebula hub verify` and `audit`: every check, and its result.

use std::process::ExitCode;

use http::Method;
use nebula_hub::fetch::{Found, Hub};
use nebula_hub::reference::Wanted;
use nebula_hub::verify::{Accepted, Check, Evidence, Outcome, Request, Verdict};
use serde_json::{Value, json};

use super::consent::text;
use super::places::{self, Places};
use super::{list, now, trouble};
use crate::client::Body;
use crate::commands::Context;
use crate::error::{Error, Exit, Result};
use crate::output::{self, Show};

/// Check a package in the registry as an install would, and say how each check went
#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// `name[@range]`
    package: String,
    #[command(flatten)]
    places: Places,
}

pub(crate) async fn verify(context: &Context, args: Verify) -> Result<ExitCode> {
    let wanted = args.places.wanted(&args.package)?;
    let hub = args.places.hub(context).await?;
    let found = newest(&hub, &wanted).await?;
    let said = |error| trouble::fetch(&error);
    let attached = hub.attached(&found).await.map_err(said)?;
    let policy = places::policy(context)?;
    let components = found.components();
    let document = &found.document;
    let request = Request {
        name: &document.name,
        version: &document.version,
        manifest: found.manifest.digest,
        components: &components,
        installed: None,
        allow_older: true,
        allow_unsigned: false,
        loopback: hub.is_loopback(&found),
        now: now(),
    };
    let evidence = Evidence {
        manifest: &found.manifest.bytes,
        bundles: &attached.bundles,
        simple: &attached.simple,
    };
    let report = nebula_hub::verify::verify(&request, &evidence, &policy);
    let mut checks: Vec<Value> = report.checks.iter().map(check).collect();
    let verdict = match report.verdict {
        Verdict::Accepted(accepted) => contents(&hub, &found, &accepted, &mut checks).await,
        Verdict::FirstUse(first) => Err(format!(
            "no key is trusted for `{}` yet; an install would ask you about {}",
            first.name.namespace(),
            first.key.id()
        )),
        Verdict::Refused(refusal) => Err(refusal.to_string()),
    };
    let answer = json!({
        "name": document.name, "version": document.version, "digest": found.manifest.digest,
        "accepted": verdict.is_ok(), "checks": checks,
    });
    output::rows(
        context.format,
        &answer,
        &checks,
        &[
            ("CHECK", "/what", Show::Key),
            ("RESULT", "/outcome", Show::Key),
            ("FOUND", "/detail", Show::Text),
        ],
    )?;
    match verdict {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(why) => Err(Error::refused(format!(
            "{} {} would not be installed: {why}",
            document.name, document.version
        ))
        .with_exit(Exit::Untrusted)),
    }
}

/// The newest version within the range.
pub(super) async fn newest(hub: &Hub, wanted: &Wanted) -> Result<Found> {
    let said = |error| trouble::fetch(&error);
    let versions = hub.versions(&wanted.name).await.map_err(said)?;
    let version = versions
        .iter()
        .find(|version| wanted.range.matches(version));
    let version = version.ok_or_else(|| {
        let range = &wanted.range;
        Error::refused(format!("no version of {} is in {range}", wanted.name))
            .with_exit(Exit::NotFound)
    })?;
    hub.find(&wanted.name, version, None).await.map_err(said)
}

/// The components' own bytes: digest, structure, imports as stated.
async fn contents(
    hub: &Hub,
    found: &Found,
    accepted: &Accepted,
    checks: &mut Vec<Value>,
) -> std::result::Result<(), String> {
    let name = &found.document.name;
    for (entry, layer) in found.document.components.iter().zip(&found.layers) {
        let bytes = hub.component(name, &layer.component).await;
        let verified = match bytes {
            Ok(bytes) => accepted.component(bytes).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let (outcome, detail) = match &verified {
            Ok(component) => (
                "passed",
                format!("`{}` is {}", entry.name, component.digest()),
            ),
            Err(error) => ("failed", error.clone()),
        };
        checks.push(json!({ "what": "component", "outcome": outcome, "detail": detail }));
        verified?;
    }
    Ok(())
}

fn check(check: &Check) -> Value {
    let outcome = match check.outcome {
        Outcome::Passed => "passed",
        Outcome::Asked => "asked",
        Outcome::Failed => "failed",
    };
    json!({ "what": check.what.to_string(), "outcome": outcome, "detail": check.detail })
}

pub(crate) async fn audit(context: &Context) -> Result<ExitCode> {
    let packages = list::installed(context).await?;
    let node = context.node.connect().await?;
    let mut rows = Vec::new();
    for package in &packages {
        let (name, version) = (text(package, "name"), text(package, "version"));
        let registries: Vec<_> = package["registry"].as_str().into_iter().collect();
        let body = json!({
            "wanted": [format!("{name}@{version}")],
            "locked": [{ "name": name, "version": version, "digest": package["digest"] }],
            "options": {
                "registries": registries, "offline": registries.is_empty(),
                "allow_older": true, "allow_unsigned": text(package, "origin") == "unsigned",
            },
        });
        let path = "/api/v1/packages/plan";
        let checked = node
            .client
            .call(Method::POST, path, Body::json(&body))
            .await;
        let (sound, detail) = match checked {
            Ok(_) => (true, "as it was installed, and trusted".to_owned()),
            Err(error) => (false, error.to_string()),
        };
        rows.push(json!({ "name": name, "version": version, "sound": sound, "detail": detail }));
    }
    node.close().await;
    let answer = json!({ "items": rows });
    output::rows(
        context.format,
        &answer,
        &rows,
        &[
            ("PACKAGE", "/name", Show::Key),
            ("VERSION", "/version", Show::Key),
            ("SOUND", "/sound", Show::Key),
            ("FOUND", "/detail", Show::Text),
        ],
    )?;
    match rows.iter().filter(|row| row["sound"] != true).count() {
        0 => Ok(ExitCode::SUCCESS),
        count => {
            Err(Error::refused(format!("{count} packages are not sound"))
                .with_exit(Exit::Untrusted))
        }
    }
}
