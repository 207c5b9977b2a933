//! Planning: what would be installed, and what it asks for. Nothing changes.

use nebula_api::package::{
    ClaimedSegment, LockedPackage, PackageCheck, PackagePlan, PlanPackages, PlannedPackage,
};
use nebula_flow::Digest;
use nebula_hub::PackageName;
use nebula_hub::install::{Planned, Signed};
use nebula_hub::reference::Wanted;
use nebula_hub::resolve::Question;
use semver::Version;

use super::packages::{allowed, ask, installer, ranges, template, version};
use super::{Error, Result, actions};
use crate::app::App;

/// Packages that one request may name.
const MAX_WANTED: usize = 100;
/// Versions that a lock may fix.
const MAX_LOCKED: usize = 1_000;

/// What would be installed for a request.
pub(crate) async fn plan(app: &App, request: PlanPackages) -> Result<PackagePlan> {
    let refuse = |pointer: &str, message: String| Error::InvalidBody {
        pointer: pointer.into(),
        message,
    };
    if !(1..=MAX_WANTED).contains(&request.wanted.len()) {
        let message = format!("1 to {MAX_WANTED} packages are planned at once");
        return Err(refuse("/wanted", message));
    }
    if request.locked.len() > MAX_LOCKED {
        return Err(refuse("/locked", format!("at most {MAX_LOCKED} are read")));
    }
    let mut question = Question::default();
    for text in &request.wanted {
        let wanted = Wanted::read(text, &app.packages.namespace);
        question
            .wanted
            .push(wanted.map_err(|error| refuse("/wanted", error.to_string()))?);
    }
    for locked in &request.locked {
        let (name, version, digest) = fixed(locked)?;
        question.preferred.insert(name.clone(), version.clone());
        question.pinned.insert(name, (version, digest));
    }
    let installer = installer(app, &request.options).await?;
    let plan = installer.plan(question, allowed(&request.options)).await?;
    Ok(PackagePlan {
        packages: plan.packages.iter().map(wire).collect(),
    })
}

fn fixed(locked: &LockedPackage) -> Result<(PackageName, Version, Digest)> {
    let refuse = |message: String| Error::InvalidBody {
        pointer: "/locked".into(),
        message,
    };
    let name = locked.name.parse::<PackageName>();
    let name = name.map_err(|error| refuse(error.to_string()))?;
    let digest = locked.digest.parse::<Digest>();
    let digest = digest.map_err(|error| refuse(error.to_string()))?;
    Ok((name, version(&locked.version, "/locked")?, digest))
}

fn wire(planned: &Planned) -> PlannedPackage {
    let document = &planned.found.document;
    let (origin, key, trusted_as) = match &planned.signed {
        Signed::Trusted(key, label) => {
            ("statement", Some(key.id().to_string()), Some(label.clone()))
        }
        Signed::First(key) => ("statement", Some(key.id().to_string()), None),
        Signed::Otherwise(origin, label) => (actions::origin(origin), None, label.clone()),
    };
    let check = |check: &nebula_hub::verify::Check| PackageCheck {
        what: check.what.to_string(),
        outcome: match check.outcome {
            nebula_hub::verify::Outcome::Passed => "passed".into(),
            nebula_hub::verify::Outcome::Asked => "asked".into(),
            nebula_hub::verify::Outcome::Failed => "failed".into(),
        },
        detail: check.detail.clone(),
    };
    let claimed = |(segment, owner): &(String, String)| ClaimedSegment {
        segment: segment.clone(),
        owner: owner.clone(),
    };
    let installed = planned.installed.iter().map(|p| p.version.to_string());
    PlannedPackage {
        name: document.name.to_string(),
        version: document.version.to_string(),
        description: document.description.clone(),
        digest: planned.found.manifest.digest.to_string(),
        registry: planned.found.registry.clone(),
        origin: origin.into(),
        key,
        trusted_as,
        is_installed: planned.is_installed(),
        installed: installed.collect(),
        asks: planned.asks.iter().map(ask).collect(),
        new: planned.new.iter().map(ask).collect(),
        claimed: planned.claimed.iter().map(claimed).collect(),
        dependencies: ranges(&document.dependencies),
        checks: planned.checks.iter().map(check).collect(),
        templates: document.templates.iter().map(template).collect(),
    }
}
