//! Tokens: got when they are needed, once for all who wait, again when they end or
//! are not taken; and nothing that a token endpoint says does harm.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::task::JoinSet;

use super::*;
use crate::{Credential, Kind, Learned, TokenSource};

/// A server whose answers follow from how often it was asked, and what.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answer: impl Fn(usize, &str) -> String + Send + Sync + 'static) -> Self {
        Self::held(answer, None).await
    }

    /// One that answers when it is told to.
    async fn held(
        answer: impl Fn(usize, &str) -> String + Send + Sync + 'static,
        hold: Option<Arc<Notify>>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
        };
        let (requests, answer) = (server.requests.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (requests, answer, hold) = (requests.clone(), answer.clone(), hold.clone());
                tokio::spawn(async move {
                    let Some(request) = read_request(&mut stream).await else {
                        return;
                    };
                    let count = {
                        let mut requests = requests.lock().unwrap();
                        requests.push(request.clone());
                        requests.len()
                    };
                    if let Some(hold) = hold {
                        hold.notified().await;
                    }
                    let _ = stream.write_all(answer(count, &request).as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        server
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn at(&self) -> Option<String> {
        Some(format!("http://{}", self.address))
    }

    fn source(&self) -> TokenSource {
        TokenSource {
            tenant: "default".into(),
            name: "prod".into(),
            url: "https://login.example/token?v=2".into(),
            at: self.at(),
            client_id: "client one".into(),
            client_secret: "hunter2+/".into(),
            scopes: vec!["read".into(), "write".into()],
            audience: Some("https://api.example/".into()),
            in_body: false,
        }
    }

    fn grant(&self, host: &str) -> HostRule {
        HostRule::new(host, &[], &[], self.at().as_deref()).unwrap()
    }
}

fn whole(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn token(number: usize, expires_in: &str) -> String {
    let body = format!(
        r#"{{"access_token":"token-{number}","token_type":"bearer","expires_in":{expires_in}}}"#
    );
    whole("200 OK", &body)
}

fn policy(api: &Server, source: TokenSource) -> Policy {
    Policy {
        added: vec![SecretRule {
            placeholder: String::new(),
            credential: Credential::OAuth2(source),
            hosts: vec!["api.example".into()],
        }],
        ..allow([api.grant("api.example"), api.grant("other.example")])
    }
}

async fn api() -> Server {
    Server::start(|_, _| OK.into()).await
}

fn carried(server: &Server) -> Vec<String> {
    let found = |request: &String| {
        let line = request.lines().find(|l| l.starts_with("authorization: "));
        line.unwrap_or("nothing").replace("authorization: ", "")
    };
    server.requests().iter().map(found).collect()
}

const URL: &str = "https://api.example/";

#[tokio::test]
async fn a_token_is_got_when_it_is_needed_and_kept() {
    let login = Server::start(|n, _| token(n, "3600")).await;
    let api = api().await;
    let egress = egress();
    let learned = Arc::new(Mutex::new(Vec::new()));
    let heard = learned.clone();
    let policy = Policy {
        learned: Learned::new(move |token| heard.lock().unwrap().push(token.to_owned())),
        ..policy(&api, login.source())
    };
    assert!(login.requests().is_empty());
    for _ in 0..3 {
        send(&egress, &policy, get(URL)).await.unwrap();
    }
    assert_eq!(carried(&api), ["Bearer token-1"; 3]);
    assert_eq!(*learned.lock().unwrap(), ["token-1"; 3]);
    let asked = login.requests();
    assert_eq!(asked.len(), 1);
    let (head, form) = asked[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /token?v=2 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nhost: login.example\r\n"), "{head}");
    let proof = STANDARD.encode("client%20one:hunter2%2B%2F");
    assert!(
        head.contains(&format!("\r\nauthorization: Basic {proof}")),
        "{head}"
    );
    assert_eq!(
        form,
        "grant_type=client_credentials&scope=read%20write&audience=https%3A%2F%2Fapi.example%2F"
    );
    // What no action asked for stands in no action's list.
    let ledger = egress.ledger().take();
    assert!(
        ledger
            .iter()
            .all(|e| e.action.is_empty() == (e.host == "login.example"))
    );
}

#[tokio::test]
async fn a_client_may_say_its_secret_in_the_form() {
    let login = Server::start(|n, _| token(n, "3600")).await;
    let api = api().await;
    let source = TokenSource {
        in_body: true,
        scopes: vec![],
        audience: None,
        ..login.source()
    };
    send(&egress(), &policy(&api, source), get(URL))
        .await
        .unwrap();
    let asked = login.requests().remove(0);
    assert!(!asked.contains("authorization"), "{asked}");
    assert!(
        asked.ends_with("\r\n\r\ngrant_type=client_credentials&client_id=client%20one&client_secret=hunter2%2B%2F"),
        "{asked}"
    );
}

#[tokio::test]
async fn a_placeholder_stands_for_the_present_token() {
    let login = Server::start(|n, _| token(n, "3600")).await;
    let api = api().await;
    let mut policy = policy(&api, login.source());
    policy.secrets = std::mem::take(&mut policy.added);
    policy.secrets[0].placeholder = "nebula-secret-7f3a".into();
    let with = |url: &str, value: &str| {
        let request = Request::get(url).header("authorization", value);
        request.body(Empty::new()).unwrap()
    };
    let egress = egress();
    // Nobody asks for a token that is not needed, or may not go there.
    send(&egress, &policy, get(URL)).await.unwrap();
    let elsewhere = with("https://other.example/", "Bearer nebula-secret-7f3a");
    let error = send(&egress, &policy, elsewhere).await.unwrap_err();
    assert!(matches!(error, EgressError::Credential { .. }), "{error}");
    assert!(login.requests().is_empty());
    send(&egress, &policy, with(URL, "Bearer nebula-secret-7f3a"))
        .await
        .unwrap();
    let basic = format!("Basic {}", STANDARD.encode("x:nebula-secret-7f3a"));
    send(&egress, &policy, with(URL, &basic)).await.unwrap();
    let sent = format!("Basic {}", STANDARD.encode("x:token-1"));
    assert_eq!(carried(&api), ["nothing", "Bearer token-1", &sent]);
}

#[tokio::test]
async fn all_who_wait_for_a_token_get_the_one_that_was_asked_for() {
    let hold = Arc::new(Notify::new());
    let login = Server::held(|n, _| token(n, "3600"), Some(hold.clone())).await;
    let api = Arc::new(api().await);
    let egress = Arc::new(egress());
    let mut all = JoinSet::new();
    for _ in 0..20 {
        let (egress, policy) = (egress.clone(), policy(&api, login.source()));
        all.spawn(async move { send(&egress, &policy, get(URL)).await.unwrap().status() });
    }
    while login.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    hold.notify_one();
    while let Some(status) = all.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    assert_eq!(login.requests().len(), 1);
    assert_eq!(carried(&api), ["Bearer token-1"; 20]);
}

#[tokio::test]
async fn whoever_gives_up_leaves_the_others_in_the_line() {
    let hold = Arc::new(Notify::new());
    let login = Server::held(|n, _| token(n, "3600"), Some(hold.clone())).await;
    let api = api().await;
    let egress = Arc::new(egress());
    let policy = Arc::new(policy(&api, login.source()));
    let wait = |until: usize| {
        let login = &login;
        async move {
            while login.requests().len() < until {
                tokio::task::yield_now().await;
            }
        }
    };
    let ask = || {
        let (egress, policy) = (egress.clone(), policy.clone());
        tokio::spawn(async move { send(&egress, &policy, get(URL)).await })
    };
    let hasty = ask();
    wait(1).await;
    let patient = ask();
    hasty.abort();
    wait(2).await;
    hold.notify_one();
    hold.notify_one();
    assert_eq!(patient.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_token_that_has_ended_is_got_again() {
    let login = Server::start(|n, _| token(n, "0")).await;
    let api = api().await;
    let egress = egress();
    let policy = policy(&api, login.source());
    for _ in 0..2 {
        send(&egress, &policy, get(URL)).await.unwrap();
    }
    assert_eq!(carried(&api), ["Bearer token-1", "Bearer token-2"]);
}

#[tokio::test]
async fn another_secret_scope_or_tenant_has_another_token() {
    let login = Server::start(|n, _| token(n, "3600")).await;
    let api = api().await;
    let egress = egress();
    let of = |change: fn(&mut TokenSource)| {
        let mut source = login.source();
        change(&mut source);
        policy(&api, source)
    };
    let policies = [
        of(|_| {}),
        of(|s| s.client_secret = "another".into()),
        of(|s| s.scopes.clear()),
        of(|s| s.tenant = "other".into()),
        of(|_| {}),
    ];
    for policy in &policies {
        send(&egress, policy, get(URL)).await.unwrap();
    }
    let tokens = [1, 2, 3, 4, 1].map(|n| format!("Bearer token-{n}"));
    assert_eq!(carried(&api), tokens);
}

/// An API that takes the second token only.
async fn particular() -> Server {
    Server::start(|_, request| {
        if request.contains("Bearer token-2") {
            OK.into()
        } else {
            whole("401 Unauthorized", "")
        }
    })
    .await
}

#[tokio::test]
async fn a_token_that_is_not_taken_is_got_again_and_what_has_no_body_is_sent_again() {
    let login = Server::start(|n, _| token(n, "3600")).await;
    let (api, particular) = (api().await, particular().await);
    let egress = egress();
    // So that there is one which was not got for this very request.
    send(&egress, &policy(&api, login.source()), get(URL))
        .await
        .unwrap();
    let policy = policy(&particular, login.source());
    let response = send(&egress, &policy, get(URL)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(carried(&particular), ["Bearer token-1", "Bearer token-2"]);
    assert_eq!(login.requests().len(), 2);
}

#[tokio::test]
async fn a_body_is_not_sent_twice_but_the_next_request_has_a_new_token() {
    let login = Server::start(|n, _| token(n, "3600")).await;
    let (api, particular) = (api().await, particular().await);
    let egress = egress();
    send(&egress, &policy(&api, login.source()), get(URL))
        .await
        .unwrap();
    let policy = policy(&particular, login.source());
    let mut statuses = Vec::new();
    for _ in 0..2 {
        let request = Request::post(URL)
            .body(Pieces::new(["some", "thing"]))
            .unwrap();
        let sent = egress.send(&policy, request, Timeouts::within(PATIENCE));
        statuses.push(sent.await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [401, 200]);
    assert_eq!(carried(&particular), ["Bearer token-1", "Bearer token-2"]);
}

#[tokio::test]
async fn a_new_token_that_is_not_taken_is_not_tried_again_and_the_answer_is_handed_back() {
    let login = Server::start(|n, _| {
        if n == 1 {
            token(n, "3600")
        } else {
            whole("500 Oh", "")
        }
    })
    .await;
    let api = Server::start(|_, _| whole("401 Unauthorized", "no")).await;
    let egress = egress();
    let policy = policy(&api, login.source());
    let response = send(&egress, &policy, get(URL)).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!((api.requests().len(), login.requests().len()), (1, 1));
    // There is none to be had now.
    let error = send(&egress, &policy, get(URL)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::TokenLater, "{error}");
}

#[tokio::test]
async fn what_a_token_endpoint_answers_is_said_in_a_word_and_without_secrets() {
    let huge = whole("200 OK", &"x".repeat(70_000));
    let padded = format!(
        r#"{{"access_token":"{}","token_type":"Bearer"}}"#,
        "t".repeat(20_000)
    );
    let cases = [
        (
            whole(
                "400 Bad",
                r#"{"error":"invalid_client","error_description":"hunter2+/"}"#,
            ),
            "the token endpoint of credential `prod` answered 400 invalid_client",
            Kind::Token,
        ),
        (
            whole("401 No", r#"{"error":"Sorry, hunter2+/ is wrong\r\n"}"#),
            "answered 401",
            Kind::Token,
        ),
        (whole("403 No", "[["), "answered 403", Kind::Token),
        (whole("429 Later", ""), "answered 429", Kind::TokenLater),
        (whole("503 Later", "<p>"), "answered 503", Kind::TokenLater),
        (
            "HTTP/1.1 302 R\r\nlocation: https://evil.example/\r\ncontent-length: 0\r\n\r\n".into(),
            "answered 302",
            Kind::Token,
        ),
        (whole("200 OK", "garbage"), "it is not JSON", Kind::Token),
        (whole("200 OK", "[1]"), "no `access_token`", Kind::Token),
        (
            whole("200 OK", r#"{"access_token":7}"#),
            "no `access_token`",
            Kind::Token,
        ),
        (
            whole("200 OK", r#"{"access_token":"a\r\nx-injected: 1"}"#),
            "none that a header may have",
            Kind::Token,
        ),
        (
            whole("200 OK", r#"{"access_token":"a b"}"#),
            "none that a header may have",
            Kind::Token,
        ),
        (
            whole("200 OK", r#"{"access_token":""}"#),
            "none that a header may have",
            Kind::Token,
        ),
        (
            whole("200 OK", &padded),
            "none that a header may have",
            Kind::Token,
        ),
        (
            whole("200 OK", r#"{"access_token":"t","token_type":"mac"}"#),
            "`token_type` is not `Bearer`",
            Kind::Token,
        ),
        (huge, "answered with more than 65536 bytes", Kind::Token),
        ("HTTP/1.1 20".into(), "cannot be asked", Kind::TokenLater),
    ];
    for (answer, said, kind) in cases {
        let login = Server::start(move |_, _| answer.clone()).await;
        let api = api().await;
        let request = get(URL);
        let error = send(&egress(), &policy(&api, login.source()), request)
            .await
            .expect_err(said);
        let shown = format!("{error} {error:?}");
        assert!(error.to_string().contains(said), "{said}: {error}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("evil"),
            "{shown}"
        );
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.host(), "api.example");
        assert!(api.requests().is_empty(), "{said}");
        assert_eq!(login.requests().len(), 1);
    }
}

#[tokio::test]
async fn an_error_that_repeats_a_secret_of_a_simple_form_is_left_out() {
    let answer = || whole("400 Bad", r#"{"error":"it_is_swordfish"}"#);
    let login = Server::start(move |_, _| answer()).await;
    let api = api().await;
    let source = TokenSource {
        client_secret: "swordfish".into(),
        ..login.source()
    };
    let sent = send(&egress(), &policy(&api, source), get(URL)).await;
    let error = sent.unwrap_err().to_string();
    assert!(error.ends_with("answered 400"), "{error}");
}

#[tokio::test]
async fn a_token_endpoint_is_where_an_operator_says_and_nowhere_inward() {
    let login = Server::start(|n, _| token(n, "3600")).await;
    let api = api().await;
    let port = login.address.port();
    for (url, at) in [
        (format!("http://127.0.0.1:{port}/token"), None),
        (format!("https://127.0.0.1:{port}/token"), None),
        (format!("https://localhost:{port}/token"), None),
        // By its name it is on loopback too.
        (format!("https://login.example:{port}/token"), None),
        ("http://login.example/token".into(), None),
        (
            "http://login.example/token".into(),
            Some(format!("https://127.0.0.1:{port}")),
        ),
        ("https://me:pw@login.example/token".into(), login.at()),
        ("/token".into(), login.at()),
        ("ftp://login.example/token".into(), login.at()),
        ("https://login.example/".into(), Some("nonsense".into())),
    ] {
        let source = TokenSource {
            url: url.clone(),
            at,
            ..login.source()
        };
        let sent = send(&egress(), &policy(&api, source), get(URL)).await;
        let error = sent.expect_err(&url);
        assert_eq!(error.kind(), Kind::Token, "{url}: {error}");
        assert!(error.to_string().contains("credential `prod`"), "{error}");
    }
    assert!(login.requests().is_empty() && api.requests().is_empty());
}

#[tokio::test]
async fn all_who_wait_hear_of_the_failure_and_the_next_one_asks_again() {
    let hold = Arc::new(Notify::new());
    let answer = |n, _: &str| {
        if n == 1 {
            whole("500 Oh", "")
        } else {
            token(n, "3600")
        }
    };
    let login = Server::held(answer, Some(hold.clone())).await;
    let api = api().await;
    let egress = Arc::new(egress());
    let mut all = JoinSet::new();
    for _ in 0..10 {
        let (egress, policy) = (egress.clone(), policy(&api, login.source()));
        all.spawn(async move { send(&egress, &policy, get(URL)).await.map(|r| r.status()) });
    }
    // All are in the line once nothing else is to be done.
    while login.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    hold.notify_one();
    while let Some(sent) = all.join_next().await {
        assert_eq!(sent.unwrap().unwrap_err().kind(), Kind::TokenLater);
    }
    assert_eq!(login.requests().len(), 1);
    hold.notify_one();
    send(&egress, &policy(&api, login.source()), get(URL))
        .await
        .unwrap();
    assert_eq!(carried(&api), ["Bearer token-2"]);
}
