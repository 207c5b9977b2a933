//! What the real wkg asks when it gets a component, kept in a file and asked again.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use nebula_hub::artifact::build;
use nebula_hub::key::{Algorithm, SigningKey};
use serde_json::Value;

use crate::own::Own;
use crate::publish::{document, part, publish_to};

const GET: &str = include_str!("../fixtures/wkg/get.txt");

/// One request as it was recorded, and how it was answered.
struct Exchange<'a> {
    asked: &'a str,
    answered: &'a str,
}

/// An answer, taken apart.
struct Answer {
    status: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

fn recorded() -> Vec<Exchange<'static>> {
    let blocks = GET.split("--- asked\n").skip(1);
    let exchange = |block: &'static str| {
        let (asked, answered) = block.split_once("--- answered\n").unwrap();
        Exchange { asked, answered }
    };
    blocks.map(exchange).collect()
}

/// Puts in what was named, as it is this time.
fn fill(text: &str, names: &BTreeMap<&str, String>) -> String {
    names.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{name}}}"), value)
    })
}

#[expect(clippy::disallowed_methods, reason = "the test's own hub")]
fn ask(address: &str, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("{}\nconnection: close\n\n", request.trim_end());
    stream
        .write_all(request.replace('\n', "\r\n").as_bytes())
        .unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_owned(), value.to_owned())
    };
    Answer {
        status,
        headers: lines.map(header).collect(),
        body: bytes[end + 4..].to_vec(),
    }
}

#[test]
fn what_the_real_wkg_once_asked_is_answered_as_it_was() {
    let own = Own::start();
    let part = part("wkg");
    let version = document("acme/greeting", "1.0.0", &[]);
    let artifact = build(version, std::slice::from_ref(&part)).unwrap();
    let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
    let published = own.runtime.block_on(async {
        let remote = own.remote().await;
        publish_to(&remote, &artifact, &part, &key).await.unwrap()
    });

    let mut names = BTreeMap::from([
        ("host", own.address.clone()),
        ("manifest", published.manifest.to_string()),
    ]);
    let mut last = Vec::new();
    for exchange in recorded() {
        let answer = ask(&own.address, &fill(exchange.asked, &names));
        if exchange.asked.contains("/manifests/") {
            // As wkg does: the manifest leads to the rest.
            let manifest: Value = serde_json::from_slice(&answer.body).unwrap();
            let digest = |at: &str| manifest.pointer(at).unwrap().as_str().unwrap().to_owned();
            names.insert("config", digest("/config/digest"));
            names.insert("component", digest("/layers/0/digest"));
            assert_eq!(digest("/layers/0/mediaType"), "application/wasm");
        }
        let expected = fill(exchange.answered, &names);
        let mut expected = expected.lines();
        assert_eq!(Some(&*answer.status), expected.next(), "{}", exchange.asked);
        for header in expected {
            let (name, value) = header.split_once(": ").unwrap();
            assert_eq!(
                answer.headers.get(name).map(String::as_str),
                Some(value),
                "{}",
                exchange.asked
            );
        }
        last = answer.body;
    }
    assert_eq!(last, part.bytes, "what it writes to its file");
}
