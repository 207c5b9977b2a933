//! Whether what was fetched is what its author signed, and whether this node
//! trusts that author with it. Every check is a value that can be printed, in the
//! order in which it is made: size, digest, signature, what is stated, key, serial,
//! what is installed; then, component by component, digest, structure, imports.
//!
//! - [`evidence`]: what is asked for, and what was fetched.
//! - [`report`]: the checks and their results.
//! - [`refusal`]: why it is refused.
//! - [`accepted`]: what passed, and the components that may run by it.

pub mod accepted;
mod cosign;
pub mod evidence;
pub mod refusal;
pub mod report;
mod statement;

#[cfg(test)]
mod tests;

pub use accepted::Accepted;
pub use evidence::{Evidence, Installed, Request};
pub use refusal::Refusal;
pub use report::{Check, FirstUse, Outcome, Report, Verdict, What};

use nebula_flow::Digest;
use nebula_flow::component::Origin;

use crate::cosign::attach::MAX_SIGNATURES;
use crate::cosign::sign;
use crate::envelope::Bundle;
use crate::envelope::in_toto::predicate_type;
use crate::statement::PREDICATE;
use crate::trust::Policy;
use report::Checks;

/// The largest manifest, bytes: what registries take.
pub const MAX_MANIFEST: usize = 4 << 20;

/// Checks what was fetched, and decides. Nothing is kept: the caller writes down
/// what is installed once all has passed, components too.
pub fn verify(request: &Request<'_>, evidence: &Evidence<'_>, policy: &Policy) -> Report {
    let mut checks = Checks::default();
    if let Err(refusal) = bytes(request, evidence, &mut checks) {
        return checks.refused(refusal);
    }
    let (stated, plain) = sort(evidence);
    let mut best: Option<Report> = None;
    for bundle in &stated {
        let report = statement::check(request, bundle, policy, checks.clone());
        if !matches!(report.verdict, Verdict::Refused(_)) {
            return report;
        }
        // Of what is refused, that is told which came furthest.
        if best
            .as_ref()
            .is_none_or(|best| report.passed() > best.passed())
        {
            best = Some(report);
        }
    }
    if !plain.is_empty() || !evidence.simple.is_empty() {
        let report = cosign::check(request, &plain, evidence.simple, policy, checks.clone());
        if best.is_none() || matches!(report.verdict, Verdict::Accepted(_)) {
            return report;
        }
    }
    best.unwrap_or_else(|| unsigned(request, checks))
}

/// Size, digest, and how much hangs on it.
fn bytes(
    request: &Request<'_>,
    evidence: &Evidence<'_>,
    checks: &mut Checks,
) -> Result<(), Refusal> {
    let size = evidence.manifest.len();
    checks.make(What::Size, || {
        if size > MAX_MANIFEST {
            return Err(Refusal::TooLarge { size });
        }
        Ok(format!("the manifest has {size} bytes"))
    })?;
    checks.make(What::Digest, || {
        let (expected, actual) = (request.manifest, Digest::of(evidence.manifest));
        if expected != actual {
            return Err(Refusal::Digest { expected, actual });
        }
        let count = evidence.bundles.len() + evidence.simple.len();
        if count > 2 * MAX_SIGNATURES {
            return Err(Refusal::TooManySignatures { count });
        }
        Ok(format!("the manifest is {actual}"))
    })
}

/// The bundles that claim to be statements of ours, and those that claim to be
/// plain signatures of cosign. Others (test results, bills of materials) are
/// none of our business.
fn sort(evidence: &Evidence<'_>) -> (Vec<Bundle>, Vec<Bundle>) {
    let bundles = evidence.bundles.iter().map(|bytes| Bundle::parse(bytes));
    let (mut stated, mut plain) = (Vec::new(), Vec::new());
    for bundle in bundles.flatten() {
        let kind = predicate_type(bundle.payload_type(), bundle.unverified());
        match kind.as_deref() {
            Some(PREDICATE) => stated.push(bundle),
            Some(sign::PREDICATE) => plain.push(bundle),
            _ => {}
        }
    }
    (stated, plain)
}

/// Nothing is signed.
fn unsigned(request: &Request<'_>, mut checks: Checks) -> Report {
    let signature = checks.make(What::Signature, || {
        let name = request.name.clone();
        if !request.allow_unsigned {
            return Err(Refusal::Unsigned { name });
        }
        if !request.loopback {
            return Err(Refusal::UnsignedElsewhere { name });
        }
        Ok("there is none, as was allowed for a registry on loopback".to_owned())
    });
    let installed = signature.and_then(|()| statement::not_older(request, None, &mut checks));
    match installed {
        Ok(()) => checks.accepted(Accepted::without_statement(request, Origin::Unsigned, None)),
        Err(refusal) => checks.refused(refusal),
    }
}
