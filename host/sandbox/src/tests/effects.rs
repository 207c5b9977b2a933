//! Credentials and HTTP: what a call may reach, and what it is told.

use std::sync::Arc;

use nebula_egress::{Egress, EgressConfig};
use nebula_flow::Effect;
use nebula_flow::grant::{
    BoundCredential, Capabilities, ClientAuth, CredentialKind, Grant, OAuth2, Secret,
};
use nebula_flow::id::ActionId;
use nebula_flow::ports::{Call, Runner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::guest::{Guest, call, limits, output};
use super::sandbox;
use crate::Sandbox;

/// Gets the credential `key`; then says: 0 for a text, 1 and 2 for the errors.
const GET: &str = "(call $credential (i32.const 512) (i32.const 3) (i32.const 3072))";
const CREDENTIAL: &str = "(call $number (i64.add (i64.load8_u (i32.const 3072))
    (i64.mul (i64.load8_u (i32.const 3072)) (i64.load8_u (i32.const 3076)))))";

/// Sends `GET http://api.test/` with the credential in `authorization`; says
/// the status, or 1000 and the number of the error code.
const SEND: &str = "
    (local.set $a (call $fields))
    (call $append (local.get $a) (i32.const 516) (i32.const 13)
        (i32.load (i32.const 3076)) (i32.load (i32.const 3080)) (i32.const 3100))
    (local.set $b (call $request (local.get $a)))
    (drop (call $set_scheme (local.get $b) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
    (drop (call $set_authority (local.get $b) (i32.const 1) (i32.const 530) (i32.const 8)))
    (drop (call $set_path (local.get $b) (i32.const 1) (i32.const 539) (i32.const 1)))
    (call $handle (local.get $b) (i32.const 0) (i32.const 0) (i32.const 3136))
    (local.set $a (i32.load (i32.const 3144)))
    (call $block (call $subscribe_response (local.get $a)))
    (call $response (local.get $a) (i32.const 3200))
    (if (result i32) (i32.eqz (i32.load8_u (i32.const 3216)))
        (then (call $number (i64.extend_i32_u (call $status (i32.load (i32.const 3224))))))
        (else (call $number (i64.add (i64.const 1000) (i64.load8_u (i32.const 3224))))))";

/// The part of it that puts the credential there.
const CARRIED: &str = "(i32.const 516) (i32.const 13)
        (i32.load (i32.const 3076)) (i32.load (i32.const 3080))";

/// The same, by name: the host adds it.
const NAMED: &str = "(i32.const 700) (i32.const 17) (i32.const 717) (i32.const 3)";

const DENIED: u64 = 1_015;
const CONFIGURATION: u64 = 1_037;
const PROHIBITED: u64 = 1_004;

fn bound(reveal: bool) -> BoundCredential {
    BoundCredential {
        stored_as: "station".into(),
        secret: Secret::new("s3cret"),
        kind: CredentialKind::Text,
        hosts: vec!["api.test".into()],
        reveal,
    }
}

fn grant(at: Option<String>) -> Grant {
    Grant {
        action: ActionId::new("test.run").expect("an id"),
        host: "api.test".into(),
        schemes: vec!["http".into()],
        at,
        methods: vec![],
    }
}

fn with(guest: &Guest, hosts: Vec<Grant>, credential: Option<BoundCredential>) -> Call {
    let credentials = credential
        .into_iter()
        .map(|c| ("key".to_owned(), c))
        .collect();
    Call {
        capabilities: Arc::new(Capabilities {
            hosts,
            credentials,
            ..Capabilities::default()
        }),
        ..call(&guest.build(), limits())
    }
}

#[tokio::test]
async fn a_credential_must_be_declared_and_bound() {
    let sandbox = sandbox();
    let guest = Guest::new(format!("{GET} {CREDENTIAL}"));
    assert_eq!(
        sandbox
            .prepare(&guest.build())
            .await
            .expect("prepared")
            .effect,
        Effect::Effectful
    );
    assert_eq!(
        output(&sandbox.run(with(&guest, vec![], Some(bound(false)))).await),
        0
    );
    assert_eq!(
        output(&sandbox.run(with(&guest, vec![], None)).await),
        2,
        "unbound"
    );
    let undeclared = Guest {
        credentials: vec![],
        ..guest
    };
    assert_eq!(
        output(
            &sandbox
                .run(with(&undeclared, vec![], Some(bound(false))))
                .await
        ),
        1,
        "undeclared"
    );
}

#[tokio::test]
async fn the_guest_holds_a_placeholder_unless_plain_text_was_granted() {
    let sandbox = sandbox();
    // Logs what it got, twice.
    let log = "(call $log (i32.const 2) (i32.load (i32.const 3076)) (i32.load (i32.const 3080)))";
    let guest = Guest::new(format!(
        "{GET} {log} {GET} {log} (call $number (i64.const 0))"
    ));
    let lines = async |reveal| {
        sandbox
            .run(with(&guest, vec![], Some(bound(reveal))))
            .await
            .lines
    };
    let (one, two) = (lines(false).await, lines(false).await);
    assert_eq!(one[0], one[1], "the same within a call");
    assert_ne!(one[0], two[0], "another in another call");
    let text = &one[0].1;
    assert!(
        text.starts_with("nebula-secret-") && text.len() >= 14 + 32,
        "{text}"
    );
    // The plain text is six bytes; what is kept of it is not.
    let said = "the action reads credential `station` in plain text, as it was granted";
    let three = lines(true).await;
    let three: Vec<_> = three.iter().map(|(l, m)| (&**l, &**m)).collect();
    assert_eq!(
        three,
        [("info", said), ("info", "******"), ("info", "******")],
        "it is said once in a call"
    );
}

#[tokio::test]
async fn what_a_guest_has_in_plain_text_is_covered_in_what_is_noted_of_its_requests() {
    let egress = Arc::new(Egress::new(EgressConfig::default()));
    let ledger = Arc::clone(egress.ledger());
    let sandbox = Sandbox::new(super::config(), egress).expect("a sandbox");
    // Asks a host by the name of the secret.
    let text = format!("{GET} {SEND}").replace(
        "(i32.const 530) (i32.const 8)",
        "(i32.load (i32.const 3076)) (i32.load (i32.const 3080))",
    );
    let guest = Guest::new(text);
    let report = sandbox.run(with(&guest, vec![], Some(bound(true)))).await;
    assert_eq!(output(&report), DENIED);
    let entries = ledger.take();
    assert_eq!(entries[0].host, "******", "{entries:?}");
    let noted = format!("{entries:?} {:?}", report.lines);
    assert!(
        noted.contains("******") && !noted.contains("s3cret"),
        "{noted}"
    );
}

#[tokio::test]
async fn what_only_the_host_can_use_is_never_given_in_plain_text() {
    let log = "(call $log (i32.const 2) (i32.load (i32.const 3076)) (i32.load (i32.const 3080)))";
    let guest = Guest::new(format!("{GET} {log} (call $number (i64.const 0))"));
    let certificate = CredentialKind::Certificate {
        chain: String::new(),
    };
    let basic = CredentialKind::Basic { user: "me".into() };
    for (kind, lines) in [(certificate, 1), (basic, 2)] {
        let credential = BoundCredential {
            reveal: true,
            ..of_kind(kind)
        };
        let report = sandbox().run(with(&guest, vec![], Some(credential))).await;
        assert_eq!(report.lines.len(), lines, "{:?}", report.lines);
        let got = &report.lines[lines - 1].1;
        if lines == 1 {
            assert!(got.starts_with("nebula-secret-"), "{got}");
        } else {
            assert_eq!(got, "Basic ************");
        }
    }
}

#[tokio::test]
async fn a_host_that_is_not_granted_is_denied_and_named() {
    let sandbox = sandbox();
    let guest = Guest::new(format!("{GET} {SEND}"));
    let report = sandbox.run(with(&guest, vec![], Some(bound(false)))).await;
    assert_eq!(output(&report), DENIED);
    assert!(
        report
            .lines
            .iter()
            .any(|(level, line)| level == "warn" && line.contains("api.test")),
        "{:?}",
        report.lines
    );
}

#[tokio::test]
async fn an_internal_address_is_prohibited_without_the_operators_word() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let authority = listener.local_addr().expect("an address").to_string();
    let text = format!("{GET} {SEND}").replace(
        "(i32.const 530) (i32.const 8)",
        &format!("(i32.const 600) (i32.const {})", authority.len()),
    );
    let guest = Guest::new(text).with(&format!("(data (i32.const 600) {authority:?})"));
    let credential = BoundCredential {
        hosts: vec![authority.clone()],
        ..bound(true)
    };
    let rule = Grant {
        host: authority,
        ..grant(None)
    };
    let report = sandbox()
        .run(with(&guest, vec![rule], Some(credential)))
        .await;
    assert_eq!(output(&report), PROHIBITED, "{:?}", report.lines);
    let nobody =
        tokio::time::timeout(std::time::Duration::from_millis(50), listener.accept()).await;
    assert!(nobody.is_err(), "nobody connected");
}

#[tokio::test]
async fn the_secret_takes_the_placeholder_s_place_on_the_way_out() {
    let (at, station) = station(vec!["HTTP/1.1 204 No Content\r\n\r\n"]).await;
    let guest = Guest::new(format!("{GET} {SEND}"));
    let report = sandbox()
        .run(with(&guest, vec![grant(Some(at))], Some(bound(false))))
        .await;
    assert_eq!(output(&report), 204, "{:?}", report.lines);
    let request = station.await.expect("joins").remove(0);
    assert!(request.starts_with("GET / HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: s3cret\r\n"), "{request}");
    assert!(
        request.to_ascii_lowercase().contains("host: api.test\r\n"),
        "{request}"
    );
    assert!(!request.contains("nebula-secret-"), "{request}");
}

/// Answers each connection with the next of these, and gives the requests.
async fn station(answers: Vec<&'static str>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = format!("http://{}", listener.local_addr().expect("an address"));
    let serving = tokio::spawn(async move {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.expect("a byte"));
            }
            let head = String::from_utf8_lossy(&request).into_owned();
            let length = head
                .lines()
                .find_map(|l| l.strip_prefix("content-length: "));
            let length = length.map_or(0, |length| length.parse().expect("a number"));
            for _ in 0..length {
                request.push(stream.read_u8().await.expect("a byte"));
            }
            requests.push(String::from_utf8(request).expect("text"));
            stream.write_all(answer.as_bytes()).await.expect("writes");
        }
        requests
    });
    (at, serving)
}

#[tokio::test]
async fn a_redirect_is_followed_if_the_guest_asks_for_it_and_handed_back_if_not() {
    const MOVED: &str = "HTTP/1.1 302 Found\r\nlocation: /there\r\ncontent-length: 0\r\n\r\n";
    const THERE: &str = "HTTP/1.1 204 No Content\r\n\r\n";
    let asking = |value: &str| {
        let length = value.len();
        let ask = format!(
            "(local.set $a (call $fields))
             (call $append (local.get $a) (i32.const 600) (i32.const 16)
                (i32.const 616) (i32.const {length}) (i32.const 3100))"
        );
        let text = format!("{GET} {SEND}").replace("(local.set $a (call $fields))", &ask);
        Guest::new(text).with(&format!(
            "(data (i32.const 600) \"nebula-redirects{value}\")"
        ))
    };
    let ask = async |guest: &Guest, answers| {
        let (at, serving) = station(answers).await;
        let report = sandbox()
            .run(with(guest, vec![grant(Some(at))], Some(bound(false))))
            .await;
        (output(&report), serving)
    };
    let (status, serving) = ask(&asking("follow"), vec![MOVED, THERE]).await;
    assert_eq!(status, 204);
    let requests = serving.await.expect("joins");
    assert!(
        requests[1].starts_with("GET /there HTTP/1.1\r\n"),
        "{requests:?}"
    );
    for request in requests {
        assert!(!request.contains("nebula-"), "{request}");
        assert!(request.contains("authorization: s3cret\r\n"), "{request}");
    }
    let plain = Guest::new(format!("{GET} {SEND}"));
    let (status, serving) = ask(&plain, vec![MOVED]).await;
    assert_eq!(
        (status.as_u64(), serving.await.expect("joins").len()),
        (Some(302), 1)
    );
    let (code, serving) = ask(&asking("always"), vec![MOVED]).await;
    assert!(code.as_u64().is_some_and(|code| code > 1_000), "{code}");
    serving.abort();
}

#[tokio::test]
async fn an_effectful_call_has_a_deadline_and_the_machine_s_clock() {
    let sandbox = sandbox();
    let effect =
        "(func (export \"never\") (call $credential (i32.const 0) (i32.const 0) (i32.const 0)))";
    let guest = Guest::new(
        "(call $deadline (i32.const 3072)) (call $wall_now (i32.const 3088))
         (call $number (i64.sub (i64.div_u (i64.load (i32.const 3080)) (i64.const 1000)) (i64.load (i32.const 3088))))",
    )
    .with(effect);
    let left = output(&sandbox.run(call(&guest.build(), limits())).await);
    assert!(
        left.as_u64().is_some_and(|s| (58..=61).contains(&s)),
        "{left} seconds to a deadline of 60 s"
    );
}

/// A guest that has the host add this credential.
fn naming(name: &str) -> Guest {
    assert!(SEND.contains(CARRIED));
    Guest::new(format!("{GET} {}", SEND.replace(CARRIED, NAMED))).with(&format!(
        "(data (i32.const 700) \"nebula-credential{name}\")"
    ))
}

fn of_kind(kind: CredentialKind) -> BoundCredential {
    BoundCredential {
        kind,
        ..bound(false)
    }
}

#[tokio::test]
async fn a_credential_that_the_guest_names_is_added_by_its_kind() {
    for (kind, line) in [
        (CredentialKind::Text, "authorization: Bearer s3cret"),
        (
            CredentialKind::Basic { user: "me".into() },
            "authorization: Basic bWU6czNjcmV0",
        ),
        (
            CredentialKind::ApiKey {
                header: "x-key".into(),
            },
            "x-key: s3cret",
        ),
    ] {
        let (at, station) = station(vec!["HTTP/1.1 204 No Content\r\n\r\n"]).await;
        let call = with(&naming("key"), vec![grant(Some(at))], Some(of_kind(kind)));
        let report = sandbox().run(call).await;
        assert_eq!(output(&report), 204, "{:?}", report.lines);
        let request = station.await.expect("joins").remove(0);
        assert!(request.contains(&format!("{line}\r\n")), "{request}");
        assert!(!request.contains("nebula-"), "{request}");
    }
}

#[tokio::test]
async fn a_credential_that_is_not_bound_or_not_asked_for_is_not_added() {
    let (at, station) = station(vec!["HTTP/1.1 204 No Content\r\n\r\n"]).await;
    let undeclared = Guest {
        credentials: vec![],
        ..naming("key")
    };
    for (guest, credential) in [
        (naming("kex"), Some(bound(false))),
        (naming("key"), None),
        (undeclared, Some(bound(false))),
    ] {
        let hosts = vec![grant(Some(at.clone()))];
        let report = sandbox().run(with(&guest, hosts, credential)).await;
        assert_eq!(output(&report), DENIED);
        let (_, line) = &report.lines[0];
        assert!(line.contains("asks for no credential"), "{line}");
    }
    station.abort();
}

#[tokio::test]
async fn a_token_is_got_by_the_host_and_the_guest_never_sees_it() {
    const TOKEN: &str =
        "HTTP/1.1 200 OK\r\ncontent-length: 29\r\n\r\n{\"access_token\":\"t0ken-0ne\"}\n";
    let oauth2 = |at: &str| {
        of_kind(CredentialKind::OAuth2(OAuth2 {
            token_url: "https://login.test/token".into(),
            token_at: Some(at.to_owned()),
            client_id: "me".into(),
            scopes: vec![],
            audience: None,
            client_auth: ClientAuth::Basic,
        }))
    };
    let (login_at, login) = station(vec![TOKEN]).await;
    let (at, serving) = station(vec!["HTTP/1.1 204 No Content\r\n\r\n"; 2]).await;
    let sandbox = sandbox();
    // By its name, and by a placeholder: the same token.
    let placeholder = Guest::new(format!("{GET} {SEND}"));
    for guest in [naming("key"), placeholder] {
        let credential = Some(BoundCredential {
            // Whatever was granted.
            reveal: true,
            ..oauth2(&login_at)
        });
        let call = with(&guest, vec![grant(Some(at.clone()))], credential);
        let learned = call.capabilities.learned.clone();
        let report = sandbox.run(call).await;
        assert_eq!(output(&report), 204, "{:?}", report.lines);
        assert_eq!(learned.all()[0].expose(), "t0ken-0ne");
    }
    let asked = login.await.expect("joins").remove(0);
    assert!(
        asked.contains("authorization: Basic bWU6czNjcmV0\r\n"),
        "{asked}"
    );
    let requests = serving.await.expect("joins");
    assert!(
        requests[0].contains("authorization: Bearer t0ken-0ne\r\n"),
        "{requests:?}"
    );
    assert!(
        requests[1].contains("authorization: t0ken-0ne\r\n"),
        "{requests:?}"
    );

    let no = "HTTP/1.1 400 No\r\ncontent-length: 26\r\n\r\n{\"error\":\"invalid_client\"}";
    let (login_at, login) = station(vec![no]).await;
    let call = with(
        &naming("key"),
        vec![grant(Some(at))],
        Some(oauth2(&login_at)),
    );
    let report = sandbox.run(call).await;
    assert_eq!(output(&report), CONFIGURATION);
    assert_eq!(
        report.lines[0].1,
        "the request to api.test was not sent: the token endpoint of credential `station` answered 400 invalid_client"
    );
    login.await.expect("joins");
}
