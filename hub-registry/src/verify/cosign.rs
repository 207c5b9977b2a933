//! The checks where there is no statement, only plain signatures of cosign.

use nebula_flow::component::Origin;

use super::report::Checks;
use super::{Accepted, Refusal, Report, Request, What, statement};
use crate::cosign::{SimpleSignature, sign};
use crate::envelope::Bundle;
use crate::trust::{Policy, TrustedKey};

/// Checks plain signatures after size and digest.
pub(super) fn check(
    request: &Request<'_>,
    bundles: &[Bundle],
    simple: &[SimpleSignature],
    policy: &Policy,
    mut checks: Checks,
) -> Report {
    let signer = policy
        .speaking_for(request.name)
        .find(|(_, trusted)| signed(request, bundles, simple, trusted));
    let accepted = decide(request, signer, bundles.len() + simple.len(), &mut checks);
    match accepted {
        Ok(accepted) => checks.accepted(accepted),
        Err(refusal) => checks.refused(refusal),
    }
}

/// Whether this key signed just this manifest.
fn signed(
    request: &Request<'_>,
    bundles: &[Bundle],
    simple: &[SimpleSignature],
    trusted: &TrustedKey,
) -> bool {
    let by_bundle = bundles.iter().map(|one| sign::verify(one, &trusted.key));
    let by_simple = simple.iter().map(|one| one.verify(&trusted.key));
    let digests = by_bundle.chain(by_simple).flatten();
    digests.into_iter().any(|digest| digest == request.manifest)
}

fn decide(
    request: &Request<'_>,
    signer: Option<(&str, &TrustedKey)>,
    count: usize,
    checks: &mut Checks,
) -> Result<Accepted, Refusal> {
    let name = request.name;
    checks.make(What::Signature, || match signer {
        Some((label, _)) => Ok(format!(
            "a plain cosign signature of this manifest by `{label}`; it states neither name nor version"
        )),
        None => Err(Refusal::UnknownSigner {
            namespace: name.namespace().to_owned(),
            count,
        }),
    })?;
    let Some((label, trusted)) = signer else {
        let name = name.clone();
        return Err(Refusal::Unsigned { name });
    };
    checks.make(What::Key, || {
        trusted.usable(label, request.now)?;
        if !trusted.cosign_only {
            return Err(Refusal::CosignOnly {
                name: name.clone(),
                label: label.to_owned(),
            });
        }
        Ok(format!(
            "`{label}` ({}) may sign for {name}, also without a statement",
            trusted.key.id()
        ))
    })?;
    statement::not_older(request, None, checks)?;
    let signer = Some((label.to_owned(), trusted.key.clone()));
    Ok(Accepted::without_statement(
        request,
        Origin::CosignOnly,
        signer,
    ))
}
