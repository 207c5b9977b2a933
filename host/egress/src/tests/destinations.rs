//! Where requests may go, and that they go nowhere else.

use http::Method;

use super::*;
use crate::Kind;
use crate::send::Route;

/// Ways to write an address that is not on the public internet, as a guest
/// would put them into a URL.
const INTERNAL: &[&str] = &[
    "127.0.0.1",
    "127.0.0.1.",
    "127.0.0.2",
    "127.255.255.254",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7F.0.0.1",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.01",
    "127.0.0.0x1",
    "00000127.0.0.1",
    "0",
    "0.0.0.0",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "any.localhost",
    "localhost.localdomain",
    "127.0.0.1.nip.example",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::0001]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::1]",
    "[2001:0:7f00:1::80ff:fffe]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fec0::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[2001:db8::1]",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "192.0.0.192",
    "198.18.0.1",
    "192.0.2.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "%31%32%37.0.0.1",
    "127。0。0。1",
    "１２７.0.0.1",
    "①②⑦.0.0.1",
    "x@127.0.0.1",
    "api.example:80@127.0.0.1",
    "127.0.0.1\\@api.example",
];

/// Listeners on both loopbacks at one port.
async fn both_loopbacks() -> (Station, Station) {
    loop {
        let v4 = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = v4.local_addr().unwrap().port();
        if let Ok(v6) = TcpListener::bind(("::1", port)).await {
            return (
                Station::bind(v4, Behaviour::Answer(OK)),
                Station::bind(v6, Behaviour::Answer(OK)),
            );
        }
    }
}

fn rule(host: &str, port: u16) -> HostRule {
    HostRule {
        host: host.into(),
        port: Some(port),
        methods: vec![],
        at: None,
    }
}

#[tokio::test]
async fn no_spelling_of_an_internal_address_reaches_a_listener_even_when_it_is_granted() {
    let (v4, v6) = both_loopbacks().await;
    let port = v4.address.port();
    let egress = egress();
    for spelling in INTERNAL {
        let policy = allow([
            rule(spelling, port),
            rule(spelling.trim_matches(['[', ']']), port),
        ]);
        // What is no URL at all cannot even be asked for.
        let Ok(request) = Request::get(format!("http://{spelling}:{port}/")).body(Empty::new())
        else {
            continue;
        };
        let error = send(&egress, &policy, request).await.expect_err(spelling);
        assert!(
            matches!(error.kind(), Kind::Internal | Kind::Invalid),
            "{spelling}: {error}"
        );
        assert!(error.is_refusal());
    }
    assert_eq!((v4.accepts(), v6.accepts()), (0, 0));

    // The listeners do count whoever is let through.
    for station in [&v4, &v6] {
        send(
            &egress,
            &allow([station.grant("api.example")]),
            get("http://api.example/"),
        )
        .await
        .unwrap();
        assert_eq!(station.accepts(), 1);
    }
}

#[tokio::test]
async fn a_public_name_with_an_internal_address_is_refused() {
    let (v4, v6) = both_loopbacks().await;
    let port = v4.address.port();
    let answers: &[&[&str]] = &[
        &["127.0.0.1"],
        &["::1"],
        &["::ffff:127.0.0.1"],
        &["0.0.0.0"],
        &["10.1.2.3"],
        &["169.254.169.254"],
        &["fd00:ec2::254"],
        &["64:ff9b::7f00:1"],
        // One bad address spoils the answer, wherever it stands.
        &["93.184.215.14", "127.0.0.1"],
        &["::1", "2606:4700::1111"],
    ];
    for answer in answers {
        let (egress, lookups) = egress_resolving(answer);
        let policy = allow([rule("api.example", port)]);
        let error = send(
            &egress,
            &policy,
            get(&format!("http://api.example:{port}/")),
        )
        .await
        .unwrap_err();
        assert_eq!(error.kind(), Kind::Internal, "{answer:?}");
        assert!(
            !answer
                .iter()
                .any(|address| error.to_string().contains(address)),
            "{error}"
        );
        assert_eq!(lookups.load(Ordering::SeqCst), 1);
    }
    assert_eq!((v4.accepts(), v6.accepts()), (0, 0));
}

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
    let policy = allow([rule("api.example", 80)]);
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
    let policy = allow([HostRule::new("api.example", &[], Some(&at)).unwrap()]);
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
    let error = send(&egress(), &Policy::default(), get("https://api.example/"))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`nebula grant <action> api.example`"),
        "{error}"
    );

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
    for method in ["POST", "DELETE", "get", "CONNECT"] {
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
        assert!(matches!(error, EgressError::Method { .. }), "{error}");
    }
    assert_eq!(station.accepts(), 0);
    send(&egress(), &policy, get("http://api.example/"))
        .await
        .unwrap();
    assert_eq!(station.accepts(), 1);
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
    let rule = HostRule::new("api.example", &[], Some(&format!("http://{free}"))).unwrap();
    let error = send(&egress(), &allow([rule]), get("http://api.example/"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Connect);
    assert!(error.to_string().contains("api.example"));
    assert!(!error.is_refusal());

    let (egress, _) = egress_resolving(&[]);
    let error = send(
        &egress,
        &allow([rule_for_name()]),
        get("http://api.example/"),
    )
    .await
    .unwrap_err();
    assert_eq!(error.kind(), Kind::Resolve);
}

fn rule_for_name() -> HostRule {
    HostRule::new("api.example", &[], None).unwrap()
}
