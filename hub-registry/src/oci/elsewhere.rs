//! Where a registry may send us: registries keep blobs in stores of others and
//! have tokens made by others. Whoever answers must not use us to reach what
//! only we can reach: this machine, its network, a cloud's metadata.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use url::{Host, Url};

use crate::reference::Registry;

/// How often we are sent on, at the most.
const MAX_HOPS: usize = 5;

/// Who may reach an address; each is nearer than the one after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// This machine.
    Loopback,
    /// Its network.
    Private,
    /// Everybody.
    Public,
}

/// Why we do not go there. Reads on after the address.
#[derive(Debug, thiserror::Error)]
#[error("{to}, {reason}")]
pub(super) struct Elsewhere {
    to: String,
    reason: &'static str,
}

/// Where one registry may send us.
#[derive(Debug, Clone)]
pub(super) struct Fence(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    host: String,
    plain: bool,
    /// How near the registry is; not known until its name was looked up.
    reach: Mutex<Option<Reach>>,
}

impl Fence {
    pub(super) fn of(registry: &Registry) -> Self {
        let host = registry.host();
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        let reach = match host.parse::<IpAddr>() {
            Ok(address) => reach(address),
            Err(_) if host == "localhost" => Some(Reach::Loopback),
            Err(_) => None,
        };
        Self(Arc::new(Inside {
            host: host.to_owned(),
            plain: registry.is_plain(),
            reach: Mutex::new(reach),
        }))
    }

    /// For the client's redirects.
    pub(super) fn policy(&self) -> Policy {
        let fence = self.clone();
        Policy::custom(move |attempt| {
            if attempt.previous().len() > MAX_HOPS {
                let to = attempt.url().to_string();
                return attempt.error(Elsewhere {
                    to,
                    reason: "and has sent us on too often",
                });
            }
            match fence.allows(attempt.url()) {
                Ok(()) => attempt.follow(),
                Err(elsewhere) => attempt.error(elsewhere),
            }
        })
    }

    /// Whether we may go there, as far as its address says; of a name the
    /// resolver decides.
    pub(super) fn allows(&self, url: &Url) -> Result<(), Elsewhere> {
        let refuse = |reason| {
            Err(Elsewhere {
                to: place(url),
                reason,
            })
        };
        match url.scheme() {
            "https" => {}
            "http" if self.0.plain => {}
            _ => return refuse("where what it sends would travel in the clear"),
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) => return Ok(()),
            None => return refuse("which is nowhere"),
        };
        if self.admits(address) {
            return Ok(());
        }
        refuse("which is nearer to us than it is")
    }

    fn admits(&self, address: IpAddr) -> bool {
        let own = self.0.reach.lock().unwrap_or_else(PoisonError::into_inner);
        reach(address).is_some_and(|reach| reach >= own.unwrap_or(Reach::Public))
    }

    /// The addresses of a name that we may go to.
    fn screen(&self, name: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Elsewhere> {
        if name == self.0.host {
            let nearest = found.iter().filter_map(|address| reach(address.ip())).min();
            let mut own = self.0.reach.lock().unwrap_or_else(PoisonError::into_inner);
            *own = own.or(nearest);
            return Ok(found);
        }
        let admitted: Vec<_> = found
            .into_iter()
            .filter(|address| self.admits(address.ip()))
            .collect();
        if admitted.is_empty() {
            return Err(Elsewhere {
                to: name.to_owned(),
                reason: "which is nearer to us than it is",
            });
        }
        Ok(admitted)
    }
}

impl Resolve for Fence {
    fn resolve(&self, name: Name) -> Resolving {
        let fence = self.clone();
        Box::pin(async move {
            let name = name.as_str();
            // The client puts the right port in place of this one.
            let found = tokio::net::lookup_host((name, 0)).await?.collect();
            let admitted = fence.screen(name, found)?;
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}

/// Without path and query, which may hold a secret.
fn place(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Who may reach an address; none for what nobody is at (IANA's registries of
/// special-purpose addresses), and for link-local ones, where clouds keep their
/// metadata.
fn reach(address: IpAddr) -> Option<Reach> {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Option<Reach> {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (127, ..) => Some(Reach::Loopback),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => Some(Reach::Private),
        (0 | 224.., ..)
        | (169, 254, _)
        | (192, 0, 0 | 2)
        | (198, 18 | 19, _)
        | (198, 51, 100)
        | (203, 0, 113) => None,
        _ => Some(Reach::Public),
    }
}

fn reach_v6(address: Ipv6Addr) -> Option<Reach> {
    if let Some(inner) = address.to_ipv4_mapped() {
        return reach_v4(inner);
    }
    let segments = address.segments();
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        reach_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Reach::Loopback),
        [0, 0, 0, 0, 0, 0, ..] => None,
        // NAT64 and 6to4 lead to the address that they hold.
        [0x64, 0xff9b, .., high, low] => inner(high, low),
        [0x2002, high, low, ..] => inner(high, low),
        [0xfc00..=0xfdff, ..] => Some(Reach::Private),
        [0x2001, 0xdb8, ..] | [0x2001, 0, ..] | [0xfe80..=0xffff, ..] => None,
        _ => Some(Reach::Public),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fence(registry: &str) -> Fence {
        Fence::of(&registry.parse().unwrap())
    }

    fn goes(fence: &Fence, url: &str) -> bool {
        fence.allows(&url.parse().unwrap()).is_ok()
    }

    const NOWHERE: [&str; 12] = [
        "169.254.169.254",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "[::]",
        "[fe80::1]",
        "[ff02::1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "198.18.0.1",
        "[::7f00:1]",
    ];
    const PRIVATE: [&str; 6] = [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "[fd00::1]",
        "[::ffff:10.0.0.1]",
    ];
    const LOOPBACK: [&str; 8] = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ];
    const PUBLIC: [&str; 3] = ["93.184.216.34", "[2606:2800:220:1::1]", "store.example"];

    #[test]
    fn a_registry_sends_us_to_what_is_as_far_away_as_it_is_and_no_nearer() {
        for (registry, admitted) in [
            ("registry.example", &[&PUBLIC[..]][..]),
            ("203.0.112.7:443", &[&PUBLIC]),
            ("https://10.0.0.7:5000", &[&PUBLIC, &PRIVATE]),
            ("https://127.0.0.1:5000", &[&PUBLIC, &PRIVATE, &LOOPBACK]),
            ("https://localhost:5000", &[&PUBLIC, &PRIVATE, &LOOPBACK]),
        ] {
            let fence = fence(registry);
            for host in [&PUBLIC[..], &PRIVATE, &LOOPBACK, &NOWHERE].concat() {
                let expected = admitted.iter().any(|hosts| hosts.contains(&host));
                let url = format!("https://{host}/x");
                assert_eq!(goes(&fence, &url), expected, "{registry} to {host}");
            }
        }
    }

    #[test]
    fn nothing_goes_in_the_clear_that_did_not_begin_so() {
        let (tls, plain) = (fence("registry.example"), fence("http://registry.lan"));
        for (url, by_tls, by_plain) in [
            ("http://store.example/x", false, true),
            ("https://store.example/x", true, true),
            ("file:///etc/passwd", false, false),
            ("ftp://store.example/x", false, false),
        ] {
            assert_eq!((goes(&tls, url), goes(&plain, url)), (by_tls, by_plain));
        }
    }

    #[test]
    fn a_name_is_as_near_as_its_addresses() {
        let address = |text: &str| SocketAddr::new(text.parse().unwrap(), 0);
        let fence = fence("registry.example");
        let near = vec![address("10.0.0.1"), address("127.0.0.1")];
        assert!(fence.screen("inside.example", near.clone()).is_err());
        let both = vec![address("10.0.0.1"), address("93.184.216.34")];
        let admitted = fence.screen("store.example", both).unwrap();
        assert_eq!(admitted, [address("93.184.216.34")]);
        // Once the registry itself is known to be in this network, so may its
        // store be.
        let own = vec![address("10.0.0.9")];
        assert_eq!(fence.screen("registry.example", own.clone()).unwrap(), own);
        let admitted = fence.screen("inside.example", near).unwrap();
        assert_eq!(admitted, [address("10.0.0.1")]);
    }

    #[test]
    fn what_is_said_of_a_place_holds_no_path_and_no_query() {
        let url = "http://10.0.0.1/secret?token=secret".parse().unwrap();
        let said = fence("registry.example").allows(&url).unwrap_err();
        assert!(!said.to_string().contains("secret"), "{said}");
        assert!(said.to_string().contains("10.0.0.1"), "{said}");
    }
}
