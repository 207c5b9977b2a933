//! Where requests may go, and that they go nowhere else.

use http::Method;

use super::*;
use crate::route::Route;
use crate::{Cover, Kind};

#[tokio::test]
async fn a_name_that_changes_its_address_is_asked_for_once_and_what_was_vetted_is_what_is_connected_to()
 {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let resolver = Resolver::new(move |_| {
        let first = count.fetch_add(1, Ordering::SeqCst) == 0;
        let address: IpAddr = if first { "93.184.215.14" } else { "127.0.0.1" }
            .parse()
            .unwrap();
        async move { Ok(vec![address]) }
    });
    let egress = Egress::new(EgressConfig {
        resolver,
        ..EgressConfig::default()
    });
    let policy = allow([plain_rule("api.example")]);
    let request = get("http://api.example/");
    let route = Route::find(&policy, &request).unwrap();

    let addresses = egress.addresses(&route).await.unwrap();
    assert_eq!(addresses, ["93.184.215.14:80".parse().unwrap()]);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(
        egress.addresses(&route).await.unwrap_err().kind(),
        Kind::Internal,
        "the next request asks again"
    );
}

#[tokio::test]
async fn a_whole_request_resolves_once() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    let (egress, lookups) = egress_resolving(&["127.0.0.1"]);
    let at = format!("http://station.test:{}", station.address.port());
    let policy = allow([HostRule::new("api.example", &[], &[], Some(&at)).unwrap()]);
    assert_eq!(
        text(
            send(&egress, &policy, get("http://api.example/"))
                .await
                .unwrap()
        )
        .await
        .unwrap(),
        "ok"
    );
    assert_eq!((lookups.load(Ordering::SeqCst), station.accepts()), (1, 1));
}

#[tokio::test]
async fn an_operators_address_is_reached_under_the_asked_name() {
    for (url, host) in [
        ("http://api.example/a?b=c", "api.example"),
        ("https://API.example.:8443/a?b=c", "api.example:8443"),
        ("http://api.example:80/a?b=c", "api.example"),
    ] {
        let station = Station::start(Behaviour::Answer(OK)).await;
        let policy = allow([
            station.grant("api.example"),
            station.grant("api.example:8443"),
        ]);
        send(&egress(), &policy, get(url)).await.unwrap();
        let request = station.request();
        assert!(request.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{request}");
        assert!(
            request.contains(&format!("\r\nhost: {host}\r\n")),
            "{request}"
        );
        assert_eq!(request.matches("host: ").count(), 1);
    }
}

#[tokio::test]
async fn what_no_rule_names_is_refused_with_the_way_to_grant_it() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    let error = send(&egress(), &allow([]), get("https://api.example/"))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "host api.example is not granted to test.run; an operator can grant it: \
         `nebula grant test.run api.example`"
    );
    let error = send(&egress(), &allow([]), get("http://api.example:8080/"))
        .await
        .unwrap_err();
    let command = "`nebula grant test.run api.example:8080 --scheme http`";
    assert!(error.to_string().ends_with(command), "{error}");

    let policy = allow([station.grant("api.example")]);
    for url in [
        "http://api.example:8080/",
        "http://other.example/",
        "http://sub.api.example/",
        "http://api.example.evil.test/",
        "http://127.0.0.1/",
    ] {
        let error = send(&egress(), &policy, get(url)).await.unwrap_err();
        assert!(
            matches!(error, EgressError::NotGranted { .. }),
            "{url}: {error}"
        );
    }
    assert_eq!(station.accepts(), 0);
}

#[tokio::test]
async fn a_url_that_is_not_whole_and_plain_is_refused() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    let policy = allow([station.grant("api.example")]);
    for url in [
        "/only/a/path",
        "api.example",
        "*",
        "ftp://api.example/",
        "http://u:geheim@api.example/",
        "http://api.example:0/",
    ] {
        let error = send(&egress(), &policy, get(url)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{url}: {error}");
        assert!(!error.to_string().contains("geheim"));
    }
    assert_eq!(station.accepts(), 0);
}

#[tokio::test]
async fn a_method_that_is_not_granted_is_refused() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    let mut rule = station.grant("api.example");
    rule.methods = vec![Method::GET];
    let policy = allow([rule]);
    for method in ["POST", "DELETE", "get", "`id`"] {
        let request = Request::builder()
            .method(method)
            .uri("http://api.example/")
            .body(Empty::new())
            .unwrap();
        let error = send(&egress(), &policy, request).await.unwrap_err();
        assert!(
            matches!(error, EgressError::Method { .. }),
            "{method}: {error}"
        );
        let command = "`nebula grant test.run api.example --method GET,";
        let offered = error.to_string().contains(command);
        assert_eq!(offered, method == "POST" || method == "DELETE", "{error}");
    }
    // Not even where all are granted.
    for method in [Method::CONNECT, Method::TRACE] {
        let request = Request::builder()
            .method(method)
            .uri("http://api.example/")
            .body(Empty::new())
            .unwrap();
        let error = send(&egress(), &allow([station.grant("api.example")]), request)
            .await
            .unwrap_err();
        assert!(
            matches!(error, EgressError::ForbiddenMethod { .. }),
            "{error}"
        );
    }
    assert_eq!(station.accepts(), 0);
    send(&egress(), &policy, get("http://api.example/"))
        .await
        .unwrap();
    assert_eq!(station.accepts(), 1);
}

#[tokio::test]
async fn what_the_package_does_not_ask_for_is_refused_with_what_its_author_must_do() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    for asks in [&[][..], &["other.example"], &["api.example:8443"]] {
        let mut policy = allow([]);
        policy.caller.asks = asks.iter().map(ToString::to_string).collect();
        let error = send(&egress(), &policy, get("https://api.example/"))
            .await
            .unwrap_err();
        assert!(
            matches!(error, EgressError::NotAsked { .. }),
            "{asks:?}: {error}"
        );
        assert!(error.to_string().contains("`hosts(\"api.example\")`"));
        assert_eq!((error.kind(), error.is_refusal()), (Kind::Denied, true));
    }
    assert_eq!(station.accepts(), 0);
}

#[tokio::test]
async fn a_scheme_that_is_not_granted_is_refused_whatever_the_port_is() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    let at = format!("http://{}", station.address);
    let only = |scheme: &str, host: &str| {
        allow([HostRule::new(host, &[scheme.to_owned()], &[], Some(&at)).unwrap()])
    };
    for (policy, url) in [
        (only("https", "api.example"), "http://api.example/"),
        (
            only("https", "api.example:8443"),
            "http://api.example:8443/",
        ),
        (only("http", "api.example"), "https://api.example/"),
    ] {
        let error = send(&egress(), &policy, get(url)).await.unwrap_err();
        assert!(
            matches!(error, EgressError::Scheme { .. }),
            "{url}: {error}"
        );
        assert!(error.to_string().contains("--scheme http,https"), "{error}");
    }
    // Without an operator's address an asked host means https alone.
    let policy = allow([HostRule::new("api.example", &[], &[], None).unwrap()]);
    let error = send(&egress(), &policy, get("http://api.example/"))
        .await
        .unwrap_err();
    assert!(matches!(error, EgressError::Scheme { .. }), "{error}");
    assert_eq!(station.accepts(), 0);
    send(
        &egress(),
        &only("https", "api.example"),
        get("https://api.example/"),
    )
    .await
    .unwrap();
    assert_eq!(station.accepts(), 1);
}

#[tokio::test]
async fn of_two_rules_the_one_that_names_the_port_says_where_the_host_is() {
    let (one, other) = (
        Station::start(Behaviour::Answer(OK)).await,
        Station::start(Behaviour::Answer(OK)).await,
    );
    let policy = allow([one.grant("api.example"), other.grant("api.example:443")]);
    send(&egress(), &policy, get("https://api.example/"))
        .await
        .unwrap();
    assert_eq!((one.accepts(), other.accepts()), (0, 1));
}

#[tokio::test]
async fn what_was_reached_and_refused_is_in_the_ledger() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    let egress = egress();
    let policy = allow([station.grant("api.example")]);
    for _ in 0..3 {
        send(&egress, &policy, get("http://api.example/"))
            .await
            .unwrap();
    }
    for url in ["https://evil.example:8443/x?secret", "http://u:geheim@h/"] {
        send(&egress, &policy, get(url)).await.unwrap_err();
    }
    let mut entries = egress.ledger().take();
    entries.sort_by(|a, b| a.host.cmp(&b.host));
    let seen: Vec<_> = entries
        .iter()
        .map(|e| (&*e.action, &*e.host, e.tally.reached, e.tally.refused))
        .collect();
    assert_eq!(
        seen,
        [
            ("test.run", "(malformed)", 0, 1),
            ("test.run", "api.example", 3, 0),
            ("test.run", "evil.example:8443", 0, 1),
        ]
    );
    let reason = &entries[2].tally.last_refusal.as_ref().unwrap().1;
    assert!(
        reason.contains("`nebula grant test.run evil.example:8443`"),
        "{reason}"
    );
    assert!(!format!("{entries:?}").contains("geheim") && !reason.contains("secret"));
    assert!(egress.ledger().is_empty());
}

#[tokio::test]
async fn a_secret_where_the_host_should_be_is_not_in_the_ledger() {
    let egress = egress();
    let policy = Policy {
        cover: Cover::new(|text| text.replace("geheim", "******")),
        ..allow([])
    };
    for url in ["https://geheim.example/", "https://geheim..example/"] {
        send(&egress, &policy, get(url)).await.unwrap_err();
    }
    let entries = egress.ledger().take();
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert!(!format!("{entries:?}").contains("geheim"), "{entries:?}");
}

#[tokio::test]
async fn a_redirect_is_handed_back_and_not_followed() {
    let elsewhere = Station::start(Behaviour::Answer(OK)).await;
    let station = Station::start(Behaviour::Answer(
        "HTTP/1.1 302 Found\r\nlocation: http://other.example/\r\ncontent-length: 0\r\n\r\n",
    ))
    .await;
    let policy = allow([
        station.grant("api.example"),
        elsewhere.grant("other.example"),
    ]);
    let response = send(&egress(), &policy, get("http://api.example/"))
        .await
        .unwrap();
    assert_eq!(response.status(), 302);
    assert_eq!((station.accepts(), elsewhere.accepts()), (1, 0));
}

#[tokio::test]
async fn a_host_that_nobody_serves_is_named_in_the_error() {
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let rule = HostRule::new("api.example", &[], &[], Some(&format!("http://{free}"))).unwrap();
    let error = send(&egress(), &allow([rule]), get("http://api.example/"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Connect);
    assert!(error.to_string().contains("api.example"));
    assert!(!error.is_refusal());

    let (egress, _) = egress_resolving(&[]);
    let error = send(
        &egress,
        &allow([plain_rule("api.example")]),
        get("http://api.example/"),
    )
    .await
    .unwrap_err();
    assert_eq!(error.kind(), Kind::Resolve);
}
