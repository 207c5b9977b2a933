//! Who checks a URL and who connects read the same host in it, to the byte:
//! over generated URLs, and beside a reader that is not ours.

use super::*;
use crate::Kind;
use crate::host::Host;
use crate::policy::Destination;
use crate::route::Route;

/// What the URLs are made of: pieces that some parser takes for the end of a
/// host, for its beginning, or for another letter.
const PIECES: &[&str] = &[
    "a",
    "b",
    "api",
    "evil",
    "example",
    "test",
    "localhost",
    "xn--a",
    "xn--bcher-kva",
    "A",
    "Z9",
    "_",
    "-",
    ".",
    "..",
    "0",
    "1",
    "7",
    "08",
    "127",
    "0x7f",
    "256",
    "127.0.0.1",
    "2130706433",
    "[",
    "]",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "::",
    ":",
    ":80",
    ":443",
    ":0",
    ":65536",
    ":08080",
    ":8080",
    "@",
    "u:p@",
    "%40",
    "%2e",
    "%00",
    "%5c",
    "\\",
    "/",
    "//",
    "?",
    "#",
    "&",
    ";",
    ",",
    "!",
    "$",
    "*",
    "~",
    "'",
    "(",
    "|",
    "^",
    "`",
    "{",
    "\"",
    "<",
    " ",
    "\t",
    "\r\n",
    "\0",
    "。",
    "．",
    "ａ",
    "①",
    "ß",
    "é",
    "\u{ad}",
    "\u{200b}",
    "\u{202e}",
];

const SCHEMES: &[&str] = &[
    "http://",
    "https://",
    "HTTP://",
    "hTTps://",
    "http:/",
    "http:",
    "http:///",
    "//",
    "",
    "ftp://",
    "http:\\\\",
    "https://",
    "http://",
];

const PORTS: &[&str] = &["", ".", ":80", ":443", ":8080", ":1", ":0", ":"];

/// None of them is on the public internet.
const ADDRESSES: &[&str] = &[
    "127.0.0.1",
    "10.0.0.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[0::0:1]",
    "127.1",
    "0177.0.0.1",
];

const ENDS: &[&str] = &[
    "",
    "/",
    "/a",
    "?a",
    "#a",
    "/@evil.test",
    "\\",
    "?@evil.test",
    "#@evil.test",
];

/// The same URLs in each run: the seed is all there is to them.
struct Urls(u64);

impl Urls {
    const fn new() -> Self {
        Self(7)
    }

    /// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>), below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end as u64).unwrap()
    }

    fn one_of(&mut self, list: &[&'static str]) -> &'static str {
        list[self.below(list.len())]
    }

    /// Many are nearly right, so that many are accepted.
    fn next(&mut self) -> String {
        let mut url = String::from(self.one_of(SCHEMES));
        match self.below(5) {
            0 | 1 => {
                url = "https://".into();
                for _ in 0..=self.below(3) {
                    url.push_str(self.one_of(&PIECES[..24]));
                }
                url.push_str(self.one_of(PORTS));
            }
            2 => {
                url = "http://".into();
                url.push_str(self.one_of(ADDRESSES));
                url.push_str(self.one_of(PORTS));
            }
            _ => {
                for _ in 0..=self.below(6) {
                    url.push_str(self.one_of(PIECES));
                }
            }
        }
        url.push_str(self.one_of(ENDS));
        url
    }
}

/// A URL that the policy can read, as a request; whatever is none goes nowhere.
fn readable(url: &str) -> Option<(Request<Empty<Bytes>>, Destination)> {
    let request = Request::get(url).body(Empty::new()).ok()?;
    let destination = Destination::of(request.uri()).ok()?;
    Some((request, destination))
}

/// What the WHATWG's reader (<https://url.spec.whatwg.org/>) takes for the host.
fn other_reader(url: &str) -> Option<(Host, u16)> {
    let url = url::Url::parse(url).ok()?;
    let host = match url.host()? {
        url::Host::Domain(name) => Host::Name(name.strip_suffix('.').unwrap_or(name).to_owned()),
        url::Host::Ipv4(v4) => Host::V4(v4),
        url::Host::Ipv6(v6) => Host::V6(v6),
    };
    Some((host, url.port_or_known_default()?))
}

#[tokio::test]
async fn the_host_that_was_checked_is_the_host_that_is_resolved() {
    let asked = Arc::new(Mutex::new(Vec::<String>::new()));
    let seen = asked.clone();
    let resolver = Resolver::new(move |name| {
        seen.lock().unwrap().push(name);
        async { Ok(vec![IpAddr::from([127, 0, 0, 1])]) }
    });
    let egress = Egress::new(EgressConfig {
        resolver,
        ..EgressConfig::default()
    });
    let mut urls = Urls::new();
    let (mut names, mut addresses) = (0, 0);
    for _ in 0..times(2_000, 100_000) {
        let url = urls.next();
        let Some((request, to)) = readable(&url) else {
            // Granted or not, it goes nowhere.
            if let Ok(request) = Request::get(&url).body(Empty::new()) {
                let error = send(&egress, &allow([]), request).await.unwrap_err();
                assert_eq!(error.kind(), Kind::Invalid, "{url:?}: {error}");
            }
            continue;
        };
        // Granted is exactly what was read, or exactly anything else.
        let host = format!("{}:{}", to.host, to.port);
        let policy = allow([plain_rule(&host)]);
        let elsewhere = allow([plain_rule("evil.test"), plain_rule("api.example:1")]);
        let route = Route::find(&policy, &request).expect(&url);
        assert_eq!(route.destination, to);
        assert!(Route::find(&elsewhere, &request).is_err(), "{url:?}");
        if let Some(other) = other_reader(&url) {
            assert_eq!(other, (to.host.clone(), to.port), "{url:?}");
        } else {
            // It knows which `xn--` labels are well-formed.
            assert!(to.host.to_string().contains("xn--"), "{url:?}");
        }
        if plain_rule(&host).internal().is_none() && to.host.is_address() {
            // It would be connected to.
            continue;
        }
        let error = send(&egress, &policy, request).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Internal, "{url:?}: {error}");
        let resolved = std::mem::take(&mut *asked.lock().unwrap());
        if let Host::Name(name) = &to.host {
            assert_eq!(resolved, [name.as_str()], "{url:?}");
            names += 1;
        } else {
            assert!(resolved.is_empty(), "{url:?}");
            addresses += 1;
        }
    }
    assert!(names > times(200, 10_000), "{names} names");
    assert!(addresses > times(20, 1_000), "{addresses} addresses");
}

#[tokio::test]
async fn the_host_that_was_checked_is_the_host_on_the_wire() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    let egress = egress();
    let mut urls = Urls::new();
    let mut sent = 0;
    while sent < times(200, 5_000) {
        let url = urls.next();
        let Some((request, to)) = readable(&url) else {
            continue;
        };
        let policy = allow([station.grant(&format!("{}:{}", to.host, to.port))]);
        send(&egress, &policy, request).await.expect(&url);
        sent += 1;
        let request = station.requests.lock().unwrap().pop().unwrap();
        let (line, rest) = request.split_once("\r\n").unwrap();
        assert!(
            line.starts_with("GET /") && line.ends_with(" HTTP/1.1"),
            "{line}"
        );
        let hosts: Vec<_> = rest
            .lines()
            .filter_map(|l| l.strip_prefix("host: "))
            .collect();
        assert_eq!(hosts, [to.to_string()], "{url:?}");
    }
    assert_eq!(station.accepts(), sent);
}
