//! No spelling of an address that is not on the public internet, and no name
//! that leads to one, reaches a listener.

use super::*;
use crate::Kind;
use crate::route::Route;

/// Ways to write such an address, as a guest would put them into a URL.
const SPELLINGS: &[&str] = &[
    // loopback, plainly
    "127.0.0.1",
    "127.0.0.1.",
    "127.0.0.2",
    "127.255.255.254",
    // short, decimal, hexadecimal, octal, padded, mixed
    "127.1",
    "127.0.1",
    "2130706433",
    "02130706433",
    "0x7f000001",
    "0X7F000001",
    "0x7F.0.0.1",
    "0x7f.1",
    "0x7f.0x0.0x0.0x1",
    "0x0000007f000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "017700000001",
    "00000177.1",
    "127.0.0.01",
    "127.0.0.0x1",
    "127.0.0.1e0",
    "00000127.0.0.1",
    "127.0x0.0.1",
    "127.00.00.01",
    "4294967297",
    "383.0.0.1",
    "127.0.0.257",
    "127.0.0.1.1",
    // unspecified
    "0",
    "0.0.0.0",
    "0.0",
    "0x0",
    "000.000.000.000",
    // names
    "localhost",
    "LOCALHOST",
    "LocalHost.",
    "any.localhost",
    "localhost.localdomain",
    "localhost6",
    "ip6-localhost",
    "ip6-loopback",
    "127.0.0.1.nip.example",
    "metadata.google.internal",
    "metadata",
    "kubernetes.default.svc",
    "host.docker.internal",
    // IPv6
    "[::1]",
    "[::]",
    "[::0]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::0001]",
    "[0:0:0:0:0:0:0:0]",
    "[::0001]",
    // IPv4 in IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:1]",
    "[::FFFF:127.0.0.1]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::1]",
    "[2002:a9fe:a9fe::]",
    "[2001:0:7f00:1::80ff:fffe]",
    "[2606:4700::5efe:127.0.0.1]",
    // zones
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fe80::1%lo]",
    "[::1%25lo]",
    "[::1%1]",
    // other networks
    "[fec0::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "[ff02::1]",
    "[ff0e::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[100::1]",
    "[5f00::1]",
    "10.0.0.1",
    "10.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.1",
    "3232235521",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "169.254.43518",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "[::ffff:169.254.169.254]",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    // escapes and letters that fold to digits, dots or brackets
    "%31%32%37.0.0.1",
    "127.0.0.%31",
    "%6c%6f%63%61%6c%68%6f%73%74",
    "127%2e0%2e0%2e1",
    "127。0。0。1",
    "127．0．0．1",
    "127｡0｡0｡1",
    "１２７.0.0.1",
    "①②⑦.⓪.⓪.①",
    "𝟏𝟐𝟕.0.0.1",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "loca\u{ad}lhost",
    "local\u{200b}host",
    "ｌｏｃａｌｈｏｓｔ",
    // where one reader sees another host
    "x@127.0.0.1",
    "api.example@127.0.0.1",
    "api.example:80@127.0.0.1",
    "api.example%40127.0.0.1",
    "127.0.0.1\\@api.example",
    "127.0.0.1#@api.example",
    "127.0.0.1?@api.example",
    "api.example\\.127.0.0.1",
    "127.0.0.1 .api.example",
    "127.0.0.1\t",
    "127.0.0.1\0.api.example",
    "[127.0.0.1]",
    "[[::1]]",
    "[::1].api.example",
    "[::1",
    "::1",
    "127.0.0.1,api.example",
    "api.example;127.0.0.1",
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

/// Every rule that can be made of a spelling, and of what an egress reads in a
/// URL with it: as if a careless operator had granted all of it.
fn rules(spelling: &str, port: u16, request: Option<&Request<Empty<Bytes>>>) -> Vec<HostRule> {
    let read = request.and_then(|request| request.uri().authority().cloned());
    let read = read.map(|authority| authority.to_string());
    let parts = spelling.split(['@', '\\', '#', '?', ' ', ',', ';', '\t']);
    parts
        .chain([spelling, spelling.trim_matches(['[', ']'])])
        .flat_map(|host| [host.to_owned(), format!("{host}:{port}")])
        .chain(read)
        .filter_map(|host| HostRule::new(&host, &both(), &[], None).ok())
        .collect()
}

#[tokio::test]
async fn no_spelling_of_an_internal_address_reaches_a_listener_even_when_it_is_granted() {
    let mut distinct = SPELLINGS.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() >= 60 && distinct.len() == SPELLINGS.len());

    let (v4, v6) = both_loopbacks().await;
    let port = v4.address.port();
    let egress = egress();
    let mut asked = 0;
    for spelling in SPELLINGS {
        for url in [
            format!("http://{spelling}:{port}/"),
            format!("https://{spelling}:{port}/"),
            format!("http://{spelling}"),
        ] {
            // What is no URL at all cannot even be asked for.
            let Ok(request) = Request::get(&url).body(Empty::new()) else {
                continue;
            };
            let policy = allow(rules(spelling, port, Some(&request)));
            let error = send(&egress, &policy, request).await.expect_err(&url);
            assert!(error.is_refusal(), "{url}: {error}");
            let kind = error.kind();
            // `127.0.0.1#@api.example:1` is 127.0.0.1 without that port.
            let granted = !url.contains(['#', '?']);
            assert!(
                matches!(kind, Kind::Internal | Kind::Invalid) || !granted,
                "{url}: {error}"
            );
            asked += 1;
        }
    }
    assert!(asked > 180, "most are URLs: {asked}");
    assert_eq!((v4.accepts(), v6.accepts()), (0, 0));

    // The listeners do count whoever is let through.
    for station in [&v4, &v6] {
        let policy = allow([station.grant("api.example")]);
        send(&egress, &policy, get("http://api.example/"))
            .await
            .unwrap();
        assert_eq!(station.accepts(), 1);
    }
}

#[tokio::test]
async fn what_a_package_asks_for_opens_no_internal_address() {
    let (v4, v6) = both_loopbacks().await;
    let port = v4.address.port();
    for host in ["127.0.0.1", "localhost", "[::1]"] {
        let host = format!("{host}:{port}");
        let mut policy = allow([]);
        policy.caller.asks = vec![host.clone(), "*".into()];
        let url = format!("http://{host}/");
        let error = send(&egress(), &policy, get(&url)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Denied, "{error}");
        // Nor does a grant without the operator's address.
        policy.rules = vec![plain_rule(&host)];
        let error = send(&egress(), &policy, get(&url)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Internal);
        let command = format!("`nebula grant test.run {host} --at URL`");
        assert!(error.to_string().contains(&command), "{error}");
    }
    assert_eq!((v4.accepts(), v6.accepts()), (0, 0));
}

/// Addresses on the public internet, which nothing here ever connects to.
const PUBLIC: [&str; 4] = [
    "93.184.215.14",
    "1.1.1.1",
    "2606:4700::1111",
    "2001:4860:4860::8888",
];

const INTERNAL: [&str; 12] = [
    "127.0.0.1",
    "::1",
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "0.0.0.0",
    "::",
    "10.1.2.3",
    "169.254.169.254",
    "fd00:ec2::254",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "100.100.100.200",
];

/// What a hostile name server says the `n`th time: one internal address, alone
/// or hidden among others.
fn turned(n: usize) -> Vec<IpAddr> {
    let address = |text: &str| text.parse().unwrap();
    let mut answer: Vec<IpAddr> = (0..n / 12 % 5)
        .map(|i| address(PUBLIC[(n + i) % 4]))
        .collect();
    let place = n / 60 % (answer.len() + 1);
    answer.insert(place, address(INTERNAL[n % 12]));
    answer
}

#[tokio::test]
async fn of_a_thousand_answers_that_turn_internal_none_reaches_a_listener() {
    let (v4, v6) = both_loopbacks().await;
    let port = v4.address.port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    // Each name is public the first time and internal from then on.
    let resolver = Resolver::new(move |name: String| {
        let n: usize = name[1..name.find('.').unwrap()].parse().unwrap();
        let first = count.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        let answer = if first {
            vec![PUBLIC[n % 4].parse().unwrap()]
        } else {
            turned(n)
        };
        async move { Ok(answer) }
    });
    let egress = Egress::new(EgressConfig {
        resolver,
        ..EgressConfig::default()
    });
    for n in 0..1_000 {
        let host = format!("n{n}.example:{port}");
        let policy = allow([plain_rule(&host)]);
        let request = get(&format!("http://{host}/"));
        // What was vetted is, to the byte, what would be connected to.
        let route = Route::find(&policy, &request).unwrap();
        let vetted = egress.addresses(&route).await.unwrap();
        let public = SocketAddr::new(PUBLIC[n % 4].parse().unwrap(), port);
        assert_eq!(vetted, [public]);
        // The name has turned; the next request asks once, and is refused.
        let error = send(&egress, &policy, request).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Internal, "{n}: {error}");
        assert!(!INTERNAL.iter().any(|a| error.to_string().contains(a)));
        assert_eq!(asked.load(Ordering::SeqCst), 2 * (n + 1));
    }
    assert_eq!((v4.accepts(), v6.accepts()), (0, 0));
}
