//! Redirects: each hop is checked like the first, and carries no more than it may.

use http::Method;

use super::*;
use crate::Kind;

/// A response that redirects.
fn to(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} R\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
}

/// A station that redirects.
async fn redirecting(status: u16, location: &str) -> Station {
    let answer: &'static str = to(status, location).leak();
    Station::start(Behaviour::Answer(answer)).await
}

async fn follow(
    policy: &Policy,
    request: Request<Empty<Bytes>>,
) -> Result<Response<ResponseBody>, EgressError> {
    let timeouts = Timeouts::within(PATIENCE);
    egress().follow(policy, request, timeouts).await
}

fn with(method: Method, url: &str, headers: &[(&str, &str)]) -> Request<Empty<Bytes>> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Empty::new()).unwrap()
}

#[tokio::test]
async fn a_redirect_leads_to_a_granted_host_by_any_usual_reference() {
    for (location, path) in [
        ("http://other.example/b?c=d", "/b?c=d"),
        ("HTTP://Other.Example:80/b#part", "/b"),
        ("//other.example/b/../c", "/c"),
        ("http://other.example", "/"),
    ] {
        let target = Station::start(Behaviour::Answer(OK)).await;
        let first = redirecting(302, location).await;
        let policy = allow([first.grant("api.example"), target.grant("other.example")]);
        let response = follow(&policy, get("http://api.example/a"))
            .await
            .expect(location);
        assert_eq!(response.status(), 200);
        let line = format!("GET {path} HTTP/1.1\r\n");
        let request = target.request();
        assert!(request.starts_with(&line), "{location}: {request}");
        assert!(request.contains("\r\nhost: other.example\r\n"), "{request}");
        assert_eq!((first.accepts(), target.accepts()), (1, 1));
    }
}

#[tokio::test]
async fn the_method_stays_or_becomes_get_and_what_had_a_body_is_handed_back() {
    for (status, method, follows) in [
        (301, Method::GET, Some(Method::GET)),
        (302, Method::HEAD, Some(Method::HEAD)),
        (303, Method::GET, Some(Method::GET)),
        (303, Method::HEAD, Some(Method::HEAD)),
        (303, Method::POST, Some(Method::GET)),
        (307, Method::GET, Some(Method::GET)),
        (308, Method::HEAD, Some(Method::HEAD)),
        (301, Method::POST, None),
        (302, Method::DELETE, None),
        (307, Method::PUT, None),
        (308, Method::POST, None),
        (300, Method::GET, None),
        (304, Method::GET, None),
    ] {
        let target = Station::start(Behaviour::Answer(OK)).await;
        let first = redirecting(status, "http://other.example/").await;
        let policy = allow([first.grant("api.example"), target.grant("other.example")]);
        let headers = [("content-type", "text/plain"), ("content-length", "0")];
        let request = with(method.clone(), "http://api.example/", &headers);
        let response = follow(&policy, request).await.unwrap();
        match follows {
            None => {
                assert_eq!(response.status().as_u16(), status, "{method}");
                assert_eq!(target.accepts(), 0);
            }
            Some(next) => {
                let request = target.request();
                assert!(request.starts_with(&format!("{next} / ")), "{request}");
                assert!(!request.contains("content-type"), "{request}");
            }
        }
    }
    // Without a location there is nowhere to go.
    let answer = "HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n";
    let station = Station::start(Behaviour::Answer(answer)).await;
    let policy = allow([station.grant("api.example")]);
    let response = follow(&policy, get("http://api.example/")).await.unwrap();
    assert_eq!(response.status(), 302);
}

#[tokio::test]
async fn a_redirect_inward_reaches_nothing() {
    let inside = Station::start(Behaviour::Answer(OK)).await;
    let port = inside.address.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "api.example@127.0.0.1",
        "169.254.169.254",
        "rebound.example",
    ] {
        for location in [
            format!("http://{host}:{port}/"),
            format!("//{host}:{port}/"),
            format!("https://{host}:{port}/"),
        ] {
            let first = redirecting(302, &location).await;
            let asked = first.grant("api.example");
            // Denied, and even where it is granted by its name.
            let mut granted = vec![asked.clone()];
            granted.extend(HostRule::new(&format!("{host}:{port}"), &both(), &[], None));
            for policy in [allow([asked]), allow(granted)] {
                let error = follow(&policy, get("http://api.example/"))
                    .await
                    .expect_err(&location);
                let kind = error.kind();
                assert!(
                    matches!(kind, Kind::Denied | Kind::Internal | Kind::Redirect),
                    "{location}: {error}"
                );
            }
            assert_eq!(first.accepts(), 2);
        }
    }
    assert_eq!(inside.accepts(), 0);
}

#[tokio::test]
async fn a_method_that_is_not_granted_there_is_refused_at_the_hop() {
    let target = Station::start(Behaviour::Answer(OK)).await;
    let first = redirecting(302, "http://other.example/").await;
    let mut other = target.grant("other.example");
    other.methods = vec![Method::POST];
    let policy = allow([first.grant("api.example"), other]);
    let error = follow(&policy, get("http://api.example/"))
        .await
        .unwrap_err();
    assert!(matches!(error, EgressError::Method { .. }), "{error}");
    assert_eq!(target.accepts(), 0);
}

#[tokio::test]
async fn across_origins_no_credential_is_carried_under_any_name() {
    let headers = [
        ("authorization", "Bearer nebula-secret-7f3a"),
        ("cookie", "session=plain"),
        ("x-api-key", "nebula-secret-7f3a"),
        ("x-token", "plain"),
        ("accept", "text/plain"),
        ("user-agent", "test"),
    ];
    let carried = |request: &str| {
        let has = |word: &&str| request.to_ascii_lowercase().contains(word);
        let words = [
            "hunter2",
            "7f3a",
            "plain",
            "session",
            "x-token",
            "authorization",
        ];
        words.into_iter().filter(has).collect::<Vec<_>>()
    };
    for location in [
        "/b",
        "?b",
        "https://FIRST.example:443/b",
        "https://first.example:8443/b",
        "https://other.example/b",
        "https://sub.first.example/b",
    ] {
        let target = Station::start(Behaviour::Answer(OK)).await;
        let first = redirecting(302, location).await;
        let others = ["first.example:8443", "other.example", "sub.first.example"];
        let mut policy = allow(others.map(|host| target.grant(host)));
        policy.rules.push(first.grant("first.example"));
        // The secret may go to each of them, so that nothing else stops it.
        policy.secrets = vec![secret(&[&others[..], &["first.example"]].concat())];
        let request = with(Method::GET, "https://first.example/a", &headers);
        let answered = follow(&policy, request).await;
        if others
            .iter()
            .any(|host| location.contains(&format!("//{host}/")))
        {
            answered.unwrap();
            let request = target.request();
            let left = carried(&request);
            assert_eq!(left, ["plain"], "`accept: text/plain` alone: {request}");
            assert!(request.contains("\r\nuser-agent: test\r\n"), "{request}");
        } else {
            // To itself, again and again, with everything.
            assert!(matches!(answered, Err(EgressError::Redirects { .. })));
            let requests = first.requests.lock().unwrap().clone();
            assert_eq!(requests.len(), 6);
            for request in requests {
                assert!(request.contains("x-api-key: hunter2\r\n"), "{request}");
                assert!(request.contains("cookie: session=plain\r\n"), "{request}");
            }
        }
    }
}

#[tokio::test]
async fn what_was_dropped_stays_dropped_on_the_way_back() {
    let back = redirecting(302, "https://api.example/c").await;
    let first = redirecting(302, "https://other.example/b").await;
    let mut policy = allow([first.grant("api.example"), back.grant("other.example")]);
    policy.secrets = vec![secret(&["api.example"])];
    let headers = [("authorization", "Bearer nebula-secret-7f3a")];
    let request = with(Method::GET, "https://api.example/a", &headers);
    let error = follow(&policy, request).await.unwrap_err();
    assert!(matches!(error, EgressError::Redirects { .. }), "{error}");
    let requests = first.requests.lock().unwrap().clone();
    assert!(requests[0].contains("authorization: Bearer hunter2"));
    assert!(!requests[1..].iter().any(|r| r.contains("authorization")));
    assert!(
        !back
            .requests
            .lock()
            .unwrap()
            .iter()
            .any(|r| r.contains("hunter2"))
    );
}

#[tokio::test]
async fn a_redirect_from_https_to_http_is_not_followed() {
    let target = Station::start(Behaviour::Answer(OK)).await;
    let first = redirecting(301, "http://other.example/").await;
    let policy = allow([first.grant("api.example"), target.grant("other.example")]);
    let error = follow(&policy, get("https://api.example/"))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "api.example redirects where this request does not follow: it goes from https to http"
    );
    assert_eq!((error.kind(), target.accepts()), (Kind::Redirect, 0));
    // The other way is fine.
    let first = redirecting(301, "https://other.example/").await;
    let policy = allow([first.grant("api.example"), target.grant("other.example")]);
    follow(&policy, get("http://api.example/")).await.unwrap();
    assert_eq!(target.accepts(), 1);
}

#[tokio::test]
async fn five_redirects_are_followed_and_the_sixth_is_not() {
    // A chain of stations, each redirecting to the next.
    let target = Station::start(Behaviour::Answer(OK)).await;
    let mut stations = Vec::new();
    for n in 0..6 {
        let next = format!("http://h{}.example/", n + 1);
        stations.push(redirecting(302, &next).await);
    }
    let chain = |from: usize| {
        let hops = stations[from..].iter().enumerate();
        let mut rules: Vec<_> = hops
            .map(|(n, s)| s.grant(&format!("h{}.example", from + n)))
            .collect();
        rules.push(target.grant("h6.example"));
        allow(rules)
    };
    follow(&chain(1), get("http://h1.example/")).await.unwrap();
    assert_eq!(target.accepts(), 1, "five hops");
    let error = follow(&chain(0), get("http://h0.example/"))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "h5.example redirects again after 5 redirects, which is the most that are followed"
    );
    assert_eq!((error.kind(), target.accepts()), (Kind::Redirect, 1));
}

#[tokio::test]
async fn a_loop_ends_after_five_redirects() {
    let station = redirecting(307, "/again").await;
    let policy = allow([station.grant("api.example")]);
    let error = follow(&policy, get("http://api.example/"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, EgressError::Redirects { limit: 5, .. }),
        "{error}"
    );
    assert_eq!(station.accepts(), 6, "the request and five redirects");
}

#[tokio::test]
async fn a_location_in_an_odd_spelling_is_not_followed() {
    let inside = Station::start(Behaviour::Answer(OK)).await;
    let policy =
        |first: &Station| allow([first.grant("api.example"), inside.grant("other.example")]);
    for location in [
        "http:\\\\other.example\\",
        "http://other.example\\@api.example/",
        "http:/\\other.example/",
        "http://u:geheim@other.example/",
        "http://other.example:99999/",
        "http://other .example/",
        "ftp://other.example/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:text/plain,x",
        "http://",
        "http:///other.example/",
        "http://①②⑦.0.0.1/",
        "//other%2eexample/",
    ] {
        let first = redirecting(302, location).await;
        let error = follow(&policy(&first), get("http://api.example/"))
            .await
            .expect_err(location);
        assert_eq!(error.kind(), Kind::Redirect, "{location}: {error}");
        assert!(!error.to_string().contains("geheim"), "{error}");
    }
    // Two locations: two readers could follow different ones.
    let answer = "HTTP/1.1 302 Found\r\nlocation: /a\r\nlocation: http://other.example/\r\n\
                  content-length: 0\r\n\r\n";
    let first = Station::start(Behaviour::Answer(answer)).await;
    let error = follow(&policy(&first), get("http://api.example/"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Redirect, "{error}");
    assert_eq!(inside.accepts(), 0);
}

#[tokio::test]
async fn the_deadline_is_that_of_all_hops_together() {
    let silent = Station::start(Behaviour::Stall("")).await;
    let first = redirecting(302, "http://silent.example/").await;
    let policy = allow([first.grant("api.example"), silent.grant("silent.example")]);
    let timeouts = Timeouts::within(Duration::from_secs(3));
    let error = egress()
        .follow(&policy, get("http://api.example/"), timeouts)
        .await
        .unwrap_err();
    let EgressError::Timeout { host, limit, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(host, "silent.example");
    assert!(limit < Duration::from_secs(3), "{limit:?}");
}
