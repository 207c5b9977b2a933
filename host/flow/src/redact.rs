//! Secrets do not come back: whatever a call leaves behind (its output, its
//! error, its log) is searched for the secrets that are bound to it, and each
//! occurrence is covered with asterisks of the same length. So a service that
//! answers with the header it was sent puts no secret into history, and neither
//! does an action that was granted the plain text.
//!
//! Searched for are the text itself and its common encodings: base64 of both
//! alphabets wherever the text begins in what was encoded, hex, the escapes of
//! URLs, forms and JSON, and JSON within JSON; and the text in lower case, as hosts
//! are written. An action that has the plain text can always hide it better than
//! that; one that has a placeholder has nothing to hide.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER, HEXUPPER};

use crate::event::{Failure, FailureKind};
use crate::grant::{BoundCredential, Capabilities, Learned};
use crate::payload;
use crate::ports::{Outcome, Report};

/// Bytes of the shortest secret that is searched for: shorter ones cannot be told from
/// other text.
pub const LEAST: usize = 6;
/// What is cut off at a cap may end with the beginning of a secret; so many bytes
/// of it are covered.
const LEAST_OF_A_CUT: usize = 4;
const COVER: u8 = b'*';
/// What is left as it is in URLs besides letters and digits, by who writes them.
const KEPT_IN_URLS: [&[u8]; 7] = [
    // RFC 3986: the unreserved characters.
    b"-._~",
    // Forms, as the URL standard has them (and Java's `URLEncoder`).
    b"*-._",
    // `encodeURIComponent`.
    b"-._~!*'()",
    // `encodeURI`.
    b"-._~!*'();/?:@&=+$,#",
    // Python's `quote`.
    b"-._~/",
    // A segment of a path, RFC 3986.
    b"-._~!$&'()*+,;=:@",
    // A query, RFC 3986.
    b"-._~!$&'()*+,;=:@/?",
];

/// What is searched for; the longest first, which may have others in it.
type Forms = Arc<[Vec<u8>]>;

/// Covers the secrets of one call.
#[derive(Default)]
pub struct Redactor {
    /// Of what is bound to it.
    bound: Forms,
    /// The tokens that the host gets meanwhile.
    learned: Learned,
    /// The forms of all, with so many tokens.
    all: Mutex<(usize, Forms)>,
}

impl Redactor {
    /// For the credentials that are bound to a call, whether it asked for them or
    /// not, and the tokens that the host gets for them.
    #[must_use]
    pub fn new(capabilities: &Capabilities) -> Self {
        let credentials = capabilities.credentials.values();
        let secrets = credentials.flat_map(BoundCredential::secrets);
        Self {
            learned: capabilities.learned.clone(),
            ..Self::of(secrets)
        }
    }

    /// For these secrets.
    #[must_use]
    pub fn of(secrets: impl IntoIterator<Item = String>) -> Self {
        let bound = searched(secrets.into_iter().collect(), &[]);
        Self {
            all: Mutex::new((0, Arc::clone(&bound))),
            bound,
            learned: Learned::default(),
        }
    }

    /// What is searched for by now.
    fn forms(&self) -> Forms {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let tokens = self.learned.all();
        if all.0 != tokens.len() {
            let texts = tokens.iter().map(|token| token.expose().to_owned());
            *all = (tokens.len(), searched(texts.collect(), &self.bound));
        }
        Arc::clone(&all.1)
    }

    /// The report without secrets.
    #[must_use]
    pub fn report(&self, mut report: Report) -> Report {
        if self.forms().is_empty() {
            return report;
        }
        report.result = match report.result {
            Ok(outcome) => self.outcome(outcome),
            Err(failure) => Err(Failure {
                message: self.text(failure.message),
                ..failure
            }),
        };
        for (_, line) in &mut report.lines {
            *line = self.text(std::mem::take(line));
        }
        report
    }

    fn outcome(&self, outcome: Outcome) -> Result<Outcome, Failure> {
        Ok(match outcome {
            Outcome::Success(output) => Outcome::Success(self.payload(output)?),
            Outcome::Skip(reason) => Outcome::Skip(reason.map(|text| self.text(text))),
            Outcome::Branch(port, output) => {
                Outcome::Branch(self.text(port), self.payload(output)?)
            }
            Outcome::Wait(wake, state) => Outcome::Wait(wake, self.payload(state)?),
            Outcome::Continue(state) => Outcome::Continue(self.payload(state)?),
        })
    }

    /// Covered in place, so that lengths and offsets stay what they are. The
    /// lengths themselves may be part of what looks like a secret.
    fn payload(&self, output: Bytes) -> Result<Bytes, Failure> {
        let Some(covered) = covered(&self.forms(), &output) else {
            return Ok(output);
        };
        payload::check(&covered).map_err(|error| {
            Failure::new(
                FailureKind::InvalidOutput,
                format!("the action's output cannot be used without the secret in it: {error}"),
            )
        })?;
        Ok(covered.into())
    }

    /// A text without secrets.
    #[must_use]
    pub fn text(&self, text: String) -> String {
        let forms = self.forms();
        let mut bytes = covered(&forms, text.as_bytes());
        let cut = |form: &Vec<u8>| {
            (LEAST_OF_A_CUT..form.len())
                .rev()
                .find(|len| text.as_bytes().ends_with(&form[..*len]))
        };
        if let Some(len) = forms.iter().filter_map(cut).max() {
            let bytes = bytes.get_or_insert_with(|| text.clone().into_bytes());
            let end = bytes.len();
            bytes[end - len..].fill(COVER);
        }
        match bytes {
            None => text,
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// Covers every form where it stands.
    pub fn cover(&self, bytes: &mut [u8]) {
        if let Some(covered) = covered(&self.forms(), bytes) {
            bytes.copy_from_slice(&covered);
        }
    }
}

/// The bytes with every form covered, if there is one.
fn covered(forms: &[Vec<u8>], bytes: &[u8]) -> Option<Vec<u8>> {
    let mut covered = None;
    for form in forms {
        for at in memchr::memmem::find_iter(bytes, form) {
            let covered = covered.get_or_insert_with(|| bytes.to_vec());
            covered[at..at + form.len()].fill(COVER);
        }
    }
    covered
}

/// The forms of these secrets, with those that are known already.
fn searched(secrets: Vec<String>, known: &[Vec<u8>]) -> Forms {
    let mut all: Vec<Vec<u8>> = secrets
        .iter()
        .filter(|secret| secret.len() >= LEAST)
        .flat_map(|secret| forms(secret))
        .filter(|form| form.len() >= LEAST)
        .chain(known.iter().cloned())
        .collect();
    all.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    all.dedup();
    all.into()
}

/// The text and its encodings.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let json = quoted(secret);
    let mut forms = vec![
        bytes.to_vec(),
        bytes.to_ascii_lowercase(),
        HEXLOWER.encode(bytes).into_bytes(),
        HEXUPPER.encode(bytes).into_bytes(),
        quoted(&json).into_bytes(),
        json.into_bytes(),
    ];
    for kept in KEPT_IN_URLS {
        for lower in [false, true] {
            let escaped = escaped(bytes, kept, lower);
            forms.push(escaped.replace("%20", "+").into_bytes());
            forms.push(escaped.into_bytes());
        }
    }
    for before in 0..3 {
        let standard = base64(bytes, before);
        forms.push(standard.replace('+', "-").replace('/', "_").into_bytes());
        forms.push(standard.into_bytes());
    }
    forms
}

/// The characters of base64 that the text alone decides, with so many bytes
/// before it in its group.
fn base64(text: &[u8], before: usize) -> String {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(text);
    // Six bits a character: the first that has none of the bytes before, and the
    // first that has some of those behind.
    let (first, end) = ((8 * before).div_ceil(6), 8 * bytes.len() / 6);
    BASE64.encode(&bytes)[first..end].to_owned()
}

/// As in a JSON text, without the quotation marks.
fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json[1..json.len() - 1].to_owned()
}

/// As in a URL: everything but letters, digits and what is kept.
fn escaped(text: &[u8], kept: &[u8], lower: bool) -> String {
    text.iter()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(*byte).to_string(),
            _ if kept.contains(byte) => char::from(*byte).to_string(),
            _ if lower => format!("%{byte:02x}"),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;
    use crate::event::Usage;
    use crate::grant::{ClientAuth, CredentialKind, OAuth2, Secret};

    const SECRET: &str = "p\u{e4}ss \"w/rd\"+5&?~";

    fn redactor(secret: &str) -> Redactor {
        Redactor::new(&capabilities(secret, CredentialKind::Text))
    }

    fn capabilities(secret: &str, kind: CredentialKind) -> Capabilities {
        let bound = BoundCredential {
            stored_as: "station".into(),
            secret: Secret::new(secret),
            kind,
            hosts: vec![],
            reveal: false,
        };
        Capabilities {
            credentials: BTreeMap::from([("key".to_owned(), bound)]),
            ..Capabilities::default()
        }
    }

    /// What is left of a text that a call gives.
    fn said(redactor: &Redactor, text: &str) -> String {
        let failure = Failure::new(FailureKind::Permanent, text.to_owned());
        let report = redactor.report(report(Err(failure), ""));
        report.result.expect_err("it failed").message
    }

    #[test]
    fn a_user_s_password_is_covered_alone_and_as_it_is_sent_however_short() {
        let kind = CredentialKind::Basic { user: "me".into() };
        let redactor = Redactor::new(&capabilities("pw", kind));
        let sent = BASE64.encode(b"me:pw");
        assert_eq!(
            said(&redactor, &format!("Basic {sent}.")),
            "Basic ********."
        );
        let kind = CredentialKind::Basic { user: "me".into() };
        let redactor = Redactor::new(&capabilities("hunter2", kind));
        assert_eq!(said(&redactor, "me:hunter2 hunter2"), "********** *******");
    }

    #[test]
    fn what_an_action_was_given_in_plain_text_is_covered_whatever_its_kind() {
        let header = "x-key".to_owned();
        for kind in [
            CredentialKind::Text,
            CredentialKind::ApiKey { header },
            CredentialKind::Bearer,
            CredentialKind::Basic { user: "me".into() },
        ] {
            let mut capabilities = capabilities("Sw0rd-Fish", kind);
            let bound = capabilities.credentials.get_mut("key").expect("bound");
            bound.reveal = true;
            let redactor = Redactor::new(&capabilities);
            for text in ["Sw0rd-Fish", "sw0rd-fish"] {
                let left = said(&redactor, &format!("no host https://{text}/"));
                assert_eq!(left, "no host https://**********/");
            }
            let output = payload::encode(&json!({ "it": "Sw0rd-Fish" })).expect("encodes");
            let line = "it is Sw0rd-Fish";
            let report = redactor.report(report(Ok(Outcome::Continue(output)), line));
            let covered = payload::encode(&json!({ "it": "**********" })).expect("encodes");
            assert_eq!(report.result, Ok(Outcome::Continue(covered)));
            assert_eq!(report.lines[0].1, "it is **********");
        }
    }

    #[test]
    fn no_line_of_a_private_key_is_left() {
        let key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\nAgEGCCqGSM49AwEHBG0w\n-----END PRIVATE KEY-----\n";
        let kind = CredentialKind::Certificate {
            chain: String::new(),
        };
        let redactor = Redactor::new(&capabilities(key, kind));
        for text in [
            key,
            &quoted(key),
            "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0w",
        ] {
            let left = said(&redactor, text);
            assert!(!left.contains("MIGH") && !left.contains("BG0w"), "{left}");
        }
    }

    #[test]
    fn a_client_s_secret_and_every_token_that_came_up_are_covered() {
        let kind = CredentialKind::OAuth2(OAuth2 {
            token_url: "https://login.example".into(),
            token_at: None,
            client_id: "me".into(),
            scopes: vec![],
            audience: None,
            client_auth: ClientAuth::Basic,
        });
        let capabilities = capabilities("hunter2", kind);
        let redactor = Redactor::new(&capabilities);
        assert_eq!(said(&redactor, "hunter2 token-1"), "******* token-1");
        capabilities.learned.add("token-1");
        capabilities.learned.add("token-1");
        assert_eq!(said(&redactor, "hunter2 token-1"), "******* *******");
        capabilities.learned.add("token-2");
        let hex = HEXLOWER.encode(b"token-2");
        let left = said(&redactor, &format!("token-1 {hex}"));
        assert_eq!(left, format!("******* {}", "*".repeat(hex.len())));
    }

    fn report(result: Result<Outcome, Failure>, line: &str) -> Report {
        Report {
            result,
            usage: Usage::default(),
            lines: vec![("info".into(), line.into())],
        }
    }

    fn redacted(value: &Value) -> Value {
        let bytes = payload::encode(value).expect("encodes");
        let report = redactor(SECRET).report(report(Ok(Outcome::Success(bytes)), ""));
        match report.result {
            Ok(Outcome::Success(bytes)) => payload::decode(&bytes).expect("decodes"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_echo_of_a_secret_is_covered_wherever_it_stands() {
        let value = json!({
            "headers": {"authorization": format!("Bearer {SECRET}!")},
            SECRET: [1, SECRET, null],
            "other": "stays",
        });
        let stars = "*".repeat(SECRET.len());
        let wanted = json!({
            "headers": {"authorization": format!("Bearer {stars}!")},
            stars.as_str(): [1, stars, null],
            "other": "stays",
        });
        assert_eq!(redacted(&value), wanted);
    }

    #[test]
    fn the_common_encodings_are_covered_too() {
        let hex = HEXLOWER.encode(SECRET.as_bytes());
        let json = quoted(SECRET);
        let url = "p%C3%A4ss%20%22w%2Frd%22%2B5%26%3F~";
        for text in [
            &hex,
            &hex.to_uppercase(),
            &json,
            &quoted(&json),
            url,
            &url.replace("%C3%A4", "%c3%a4")
                .replace("%2F", "%2f")
                .replace("%2B", "%2b")
                .replace("%3F", "%3f"),
            // A form.
            "p%C3%A4ss+%22w%2Frd%22%2B5%26%3F%7E",
            // encodeURI.
            "p%C3%A4ss%20%22w/rd%22+5&?~",
            // Python's quote.
            "p%C3%A4ss%20%22w/rd%22%2B5%26%3F~",
            // A segment, a query.
            "p%C3%A4ss%20%22w%2Frd%22+5&%3F~",
            "p%C3%A4ss+%22w/rd%22+5&?~",
        ] {
            let covered = redacted(&json!(text));
            let covered = covered.as_str().expect("a text");
            assert!(covered.bytes().all(|b| b == COVER), "{text}: {covered}");
        }
    }

    #[test]
    fn base64_shows_nothing_of_it_whatever_stands_around_it() {
        for before in ["", "u", "us", "user:", "user1:"] {
            for behind in ["", "x", "xy", "xyz"] {
                let text = BASE64.encode(format!("{before}{SECRET}{behind}").as_bytes());
                for text in [text.replace('+', "-").replace('/', "_"), text] {
                    let covered = redacted(&json!(text));
                    let covered = covered.as_str().expect("a text");
                    // At most a character at each edge has bits of it.
                    let bits = 8 * SECRET.len();
                    let stars = covered.bytes().filter(|b| *b == COVER).count();
                    assert!(6 * stars + 10 >= bits, "{covered}");
                }
            }
        }
    }

    #[test]
    fn errors_and_lines_are_covered_and_what_a_cap_left_of_a_secret() {
        let failure = Failure::new(FailureKind::Permanent, format!("no: {SECRET}"));
        let line = format!("at {}", &SECRET[..8]);
        let report = redactor(SECRET).report(report(Err(failure), &line));
        let failure = report.result.expect_err("it failed");
        assert_eq!(failure.message, format!("no: {}", "*".repeat(SECRET.len())));
        assert_eq!(report.lines[0].1, "at ********");
    }

    #[test]
    fn a_length_that_is_part_of_a_secret_fails_the_output_and_shows_nothing() {
        // A text of 97 bytes: its length is the letter `a`.
        let secret = format!("a{}", "b".repeat(30));
        let value = json!("b".repeat(97));
        let bytes = payload::encode(&value).expect("encodes");
        assert_eq!(bytes[..3], [0xd9, b'a', b'b']);
        let report = redactor(&secret).report(report(Ok(Outcome::Success(bytes)), ""));
        let failure = report.result.expect_err("not usable");
        assert_eq!(failure.kind, FailureKind::InvalidOutput);
        assert!(!failure.message.contains("bbb"), "{}", failure.message);
    }

    #[test]
    fn nothing_is_changed_where_there_is_no_secret_or_a_very_short_one() {
        let bytes = payload::encode(&json!("abcde and more")).expect("encodes");
        for redactor in [
            redactor("abcde"),
            redactor("elsewhere"),
            Redactor::default(),
        ] {
            let before = report(Ok(Outcome::Success(bytes.clone())), "abcde");
            let after = redactor.report(before);
            assert_eq!(after.result, Ok(Outcome::Success(bytes.clone())));
            assert_eq!(after.lines[0].1, "abcde");
        }
    }
}
