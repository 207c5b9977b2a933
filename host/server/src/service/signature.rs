//! How a sender proves that it knows a webhook's secret. What is wrong is said
//! without the secret, and without what the right signature would be.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use nebula_flow::definition::{Webhook, WebhookAuth};
use nebula_flow::grant::Secret;
use nebula_flow::time::Span;
use nebula_flow::trigger::webhook::DEFAULT_WINDOW;
use nebula_flow::{Digest, Timestamp};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// What a request says for itself.
pub(super) struct Proof<'a> {
    /// The name of the delivery.
    pub(super) id: Option<&'a str>,
    /// When it was signed, seconds since the Unix epoch.
    pub(super) timestamp: Option<&'a str>,
    /// `sha256=` and the sum in hex.
    pub(super) signature: Option<&'a str>,
    /// The `Authorization` header.
    pub(super) authorization: Option<&'a str>,
    /// What is signed, with the timestamp.
    pub(super) body: &'a [u8],
}

/// Why a request is not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unproven {
    #[error("the header `{0}` is missing")]
    Missing(&'static str),
    #[error("`webhook-timestamp` is not a number of seconds since 1970")]
    NoTimestamp,
    #[error("the request was signed {0} s ago, and at most {1} are allowed")]
    Old(u64, Span),
    #[error("the request was signed for a time {0} s ahead, and at most {1} are allowed")]
    Ahead(u64, Span),
    #[error("`webhook-signature` is not `sha256=` and 64 hex digits")]
    NoSignature,
    #[error("the signature is not the one that the secret gives for this timestamp and body")]
    WrongSignature,
    #[error("`Authorization` is not that of a {0}")]
    NoScheme(&'static str),
    #[error("the secret is not the one of this webhook")]
    WrongSecret,
}

/// Checks a request; gives the sum in hex where it is signed.
pub(super) fn check(
    webhook: &Webhook,
    secret: &Secret,
    proof: &Proof<'_>,
    now: Timestamp,
) -> Result<Option<String>, Unproven> {
    match webhook.auth {
        WebhookAuth::Hmac => {
            let window = webhook.window.map_or(DEFAULT_WINDOW, |span| span.0);
            signed(secret, proof, now, window).map(Some)
        }
        WebhookAuth::Bearer => {
            let given = credentials(proof, "bearer", "bearer token")?;
            same(given.as_bytes(), secret.expose().as_bytes()).map(|()| None)
        }
        WebhookAuth::Basic => {
            let given = credentials(proof, "basic", "user with a password")?;
            let right = data_encoding::BASE64.encode(secret.expose().as_bytes());
            same(given.as_bytes(), right.as_bytes()).map(|()| None)
        }
    }
}

fn signed(
    secret: &Secret,
    proof: &Proof<'_>,
    now: Timestamp,
    window: Duration,
) -> Result<String, Unproven> {
    let timestamp = proof
        .timestamp
        .ok_or(Unproven::Missing("webhook-timestamp"))?;
    let signature = proof
        .signature
        .ok_or(Unproven::Missing("webhook-signature"))?;
    let digits = !timestamp.is_empty() && timestamp.bytes().all(|b| b.is_ascii_digit());
    let at = timestamp.parse::<u64>().ok().filter(|_| digits);
    let at = at.and_then(|seconds| seconds.checked_mul(1_000));
    let at = Timestamp::from_millis(at.ok_or(Unproven::NoTimestamp)?);
    if now.since(at) > window {
        return Err(Unproven::Old(now.since(at).as_secs(), Span(window)));
    }
    if at.since(now) > window {
        return Err(Unproven::Ahead(at.since(now).as_secs(), Span(window)));
    }
    let given = signature.strip_prefix("sha256=").and_then(|hex| {
        data_encoding::HEXLOWER_PERMISSIVE
            .decode(hex.as_bytes())
            .ok()
    });
    let given = given.filter(|sum| sum.len() == 32);
    let given = given.ok_or(Unproven::NoSignature)?;
    let sum = sum(secret, proof.id, timestamp, proof.body);
    if bool::from(sum.ct_eq(given.as_slice())) {
        Ok(data_encoding::HEXLOWER.encode(&sum))
    } else {
        Err(Unproven::WrongSignature)
    }
}

/// HMAC-SHA256 of `timestamp.body`, with `id.` in front where there is one.
fn sum(secret: &Secret, id: Option<&str>, timestamp: &str, body: &[u8]) -> Vec<u8> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.expose().as_bytes())
        .expect("HMAC takes keys of any length");
    for part in id.into_iter().chain([timestamp]) {
        mac.update(part.as_bytes());
        mac.update(b".");
    }
    mac.update(body);
    mac.finalize().into_bytes().to_vec()
}

/// What stands behind the scheme of `Authorization`.
fn credentials<'a>(
    proof: &Proof<'a>,
    scheme: &str,
    what: &'static str,
) -> Result<&'a str, Unproven> {
    let header = proof
        .authorization
        .ok_or(Unproven::Missing("authorization"))?;
    match header.split_once(' ') {
        Some((given, rest)) if given.eq_ignore_ascii_case(scheme) => Ok(rest.trim_matches(' ')),
        _ => Err(Unproven::NoScheme(what)),
    }
}

/// Compares two texts in constant time, whatever their lengths.
fn same(given: &[u8], right: &[u8]) -> Result<(), Unproven> {
    let (given, right) = (Digest::of(given), Digest::of(right));
    if bool::from(given.as_bytes().ct_eq(right.as_bytes())) {
        Ok(())
    } else {
        Err(Unproven::WrongSecret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"order":17}"#;
    const NOW: Timestamp = Timestamp::from_millis(1_770_091_506_000);

    fn webhook(auth: WebhookAuth) -> Webhook {
        Webhook::new(auth, "s")
    }

    fn proof<'a>(timestamp: &'a str, signature: &'a str) -> Proof<'a> {
        Proof {
            id: None,
            timestamp: Some(timestamp),
            signature: Some(signature),
            authorization: None,
            body: BODY,
        }
    }

    fn checked(proof: &Proof<'_>) -> Result<Option<String>, Unproven> {
        let secret = Secret::new("canary");
        check(&webhook(WebhookAuth::Hmac), &secret, proof, NOW)
    }

    // printf '1770091506.{"order":17}' | openssl dgst -sha256 -hmac canary
    const SUM: &str = "00f42e7dbe2dc15c245f4ec353cd09824c4373357f9336a6240c580a5cc07db2";
    // printf 'msg_1.1770091506.{"order":17}' | openssl dgst -sha256 -hmac canary
    const NAMED: &str = "5767333e29a16b6b89581b6aa4089cf8c2e679f95b72d2a255dd390cf40374c6";

    #[test]
    fn a_signature_of_openssl_is_taken() {
        let signature = format!("sha256={SUM}");
        assert_eq!(
            checked(&proof("1770091506", &signature)),
            Ok(Some(SUM.into()))
        );
        let upper = format!("sha256={}", SUM.to_uppercase());
        assert_eq!(checked(&proof("1770091506", &upper)), Ok(Some(SUM.into())));
        let signature = format!("sha256={NAMED}");
        let named = Proof {
            id: Some("msg_1"),
            ..proof("1770091506", &signature)
        };
        assert_eq!(checked(&named), Ok(Some(NAMED.into())));
        let other = Proof {
            id: Some("msg_2"),
            ..proof("1770091506", &signature)
        };
        assert_eq!(checked(&other), Err(Unproven::WrongSignature));
    }

    #[test]
    fn what_is_not_signed_by_the_secret_just_now_is_refused_and_says_why() {
        let good = format!("sha256={SUM}");
        let refused = |timestamp, signature: &str| {
            let error = checked(&proof(timestamp, signature)).expect_err("it is refused");
            assert!(!error.to_string().contains("canary"));
            assert!(!error.to_string().contains(SUM));
            error
        };
        let span = Span(DEFAULT_WINDOW);
        for (timestamp, error) in [
            ("1770091205", Unproven::Old(301, span)),
            ("1770091807", Unproven::Ahead(301, span)),
            ("1770091505", Unproven::WrongSignature),
            ("01770091506", Unproven::WrongSignature),
            ("", Unproven::NoTimestamp),
            ("-1", Unproven::NoTimestamp),
            ("+1770091506", Unproven::NoTimestamp),
            ("1770091506.5", Unproven::NoTimestamp),
            ("99999999999999999999", Unproven::NoTimestamp),
        ] {
            assert_eq!(refused(timestamp, &good), error, "{timestamp}");
        }
        for signature in ["", "sha256=", "sha256=00", SUM, "sha1=00", "sha256=zz"] {
            assert_eq!(
                refused("1770091506", signature),
                Unproven::NoSignature,
                "{signature}"
            );
        }
        let other = format!("sha256={}", "0".repeat(64));
        assert_eq!(refused("1770091506", &other), Unproven::WrongSignature);
        let unsigned = Proof {
            signature: None,
            ..proof("1770091506", "")
        };
        assert_eq!(
            checked(&unsigned),
            Err(Unproven::Missing("webhook-signature"))
        );
        let undated = Proof {
            timestamp: None,
            ..proof("", &good)
        };
        assert_eq!(
            checked(&undated),
            Err(Unproven::Missing("webhook-timestamp"))
        );
    }

    #[test]
    fn tokens_and_passwords_are_compared_as_a_whole() {
        let given = |auth, secret: &str, authorization| {
            let proof = Proof {
                authorization,
                ..proof("", "")
            };
            check(&webhook(auth), &Secret::new(secret), &proof, NOW).err()
        };
        let bearer = |text| given(WebhookAuth::Bearer, "t0ken", Some(text));
        assert_eq!(bearer("Bearer t0ken"), None);
        assert_eq!(bearer("bearer  t0ken"), None);
        for wrong in ["Bearer t0ke", "Bearer t0kenx", "Bearer ", "Bearer T0KEN"] {
            assert_eq!(bearer(wrong), Some(Unproven::WrongSecret), "{wrong}");
        }
        assert_eq!(bearer("t0ken"), Some(Unproven::NoScheme("bearer token")));
        assert_eq!(
            bearer("Basic t0ken"),
            Some(Unproven::NoScheme("bearer token"))
        );
        let basic = |text| given(WebhookAuth::Basic, "ada:lovelace", Some(text));
        assert_eq!(basic("Basic YWRhOmxvdmVsYWNl"), None);
        assert_eq!(basic("Basic YWRhOmxvdmVsYWNm"), Some(Unproven::WrongSecret));
        assert_eq!(
            given(WebhookAuth::Basic, "a", None),
            Some(Unproven::Missing("authorization"))
        );
    }
}
