//! The checks of a statement of ours.

use super::report::Checks;
use super::{Accepted, FirstUse, Outcome, Refusal, Report, Request, What};
use crate::envelope::Bundle;
use crate::statement::Statement;
use crate::trust::Policy;
use crate::trust::policy::Judgement;

/// Checks one statement after size and digest.
pub(super) fn check(
    request: &Request<'_>,
    bundle: &Bundle,
    policy: &Policy,
    mut checks: Checks,
) -> Report {
    let statement = match signed(request, bundle, &mut checks) {
        Ok(statement) => statement,
        Err(refusal) => return checks.refused(refusal),
    };
    let id = statement.publisher.id();
    let label = match policy.judge(request.name, id, request.now) {
        Judgement::Trusted(label) => Some(label.to_owned()),
        Judgement::First => {
            let namespace = request.name.namespace();
            let detail = format!("no key is trusted for `{namespace}` yet; this is {id}");
            checks.note(What::Key, Outcome::Asked, detail);
            None
        }
        Judgement::Refused(refusal) => {
            checks.note(What::Key, Outcome::Failed, refusal.to_string());
            return checks.refused(refusal);
        }
    };
    if let Some(label) = &label {
        let name = request.name;
        let detail = format!("`{label}` ({id}) may sign for {name}");
        checks.note(What::Key, Outcome::Passed, detail);
    }
    let fresh = serial(&statement, policy, &mut checks)
        .and_then(|()| not_older(request, Some(&statement), &mut checks));
    if let Err(refusal) = fresh {
        return checks.refused(refusal);
    }
    match label {
        Some(label) => checks.accepted(Accepted::by_statement(statement, label)),
        None => checks.first_use(FirstUse {
            name: statement.name,
            key: statement.publisher,
        }),
    }
}

/// The statement, if its publisher signed it and it is about what was fetched.
fn signed(
    request: &Request<'_>,
    bundle: &Bundle,
    checks: &mut Checks,
) -> Result<Statement, Refusal> {
    let verified = Statement::verify(bundle).map_err(Refusal::Statement);
    checks.make(What::Signature, || match &verified {
        Ok(statement) => Ok(format!(
            "the statement is signed by {}",
            statement.publisher.id()
        )),
        Err(refusal) => Err(refusal.clone()),
    })?;
    let statement = verified?;
    checks.make(What::Package, || {
        let Statement { name, version, .. } = &statement;
        if name != request.name || version != request.version {
            return Err(Refusal::OtherPackage {
                stated: format!("{name} {version}"),
                asked: format!("{} {}", request.name, request.version),
            });
        }
        if statement.manifest != request.manifest {
            return Err(Refusal::OtherManifest {
                stated: statement.manifest,
                fetched: request.manifest,
            });
        }
        Ok(format!("it is about {name} {version} and this manifest"))
    })?;
    checks.make(What::Components, || {
        let stated: std::collections::BTreeSet<_> =
            statement.components.iter().map(|c| c.digest).collect();
        if let Some(other) = stated.symmetric_difference(request.components).next() {
            return Err(Refusal::Components {
                component: *other,
                stated: stated.contains(other),
            });
        }
        Ok(format!("it states all {} of the manifest", stated.len()))
    })?;
    Ok(statement)
}

fn serial(statement: &Statement, policy: &Policy, checks: &mut Checks) -> Result<(), Refusal> {
    let serial = statement.serial;
    let trusted = policy.find(statement.publisher.id());
    let minimum = trusted.map_or(0, |(_, key)| key.minimum_serial);
    checks.make(What::Serial, || {
        if serial < minimum {
            return Err(Refusal::OldSerial { serial, minimum });
        }
        let time = statement.time;
        Ok(format!(
            "{serial}, signed {time}; at least {minimum} counts"
        ))
    })
}

/// Whether it is at least what is installed.
pub(super) fn not_older(
    request: &Request<'_>,
    statement: Option<&Statement>,
    checks: &mut Checks,
) -> Result<(), Refusal> {
    let offered = request.version;
    checks.make(What::Installed, || {
        let Some(installed) = request.installed else {
            return Ok("no version of it is installed".to_owned());
        };
        let version = &installed.version;
        if offered < version {
            if request.allow_older {
                return Ok(format!("{version} is newer; the older one was asked for"));
            }
            return Err(Refusal::Older {
                offered: offered.clone(),
                installed: version.clone(),
            });
        }
        if offered == version {
            if installed.manifest != request.manifest {
                return Err(Refusal::Moved {
                    version: offered.clone(),
                    installed: installed.manifest,
                    offered: request.manifest,
                });
            }
            let serial = statement.map(|statement| statement.serial);
            let same_key = statement.map(|s| s.publisher.id()) == installed.key;
            if let (Some(before), Some(serial), true) = (installed.serial, serial, same_key)
                && serial < before
            {
                return Err(Refusal::OldSerial {
                    serial,
                    minimum: before,
                });
            }
        }
        let signer = statement.map(|statement| statement.publisher.id());
        let change = match (installed.key, signer) {
            (before, now) if before == now => "",
            (Some(_), None) => ", which was signed",
            _ => ", which another key signed",
        };
        Ok(format!("{version} is installed{change}"))
    })
}
