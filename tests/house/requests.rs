//! The SDK's HTTP client in a real component: bodies both ways, several requests at
//! once, time-outs, tries, and credentials.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};

use serde_json::{Value, json};

use crate::cli::Cli;
use crate::sizes::build;

/// A server on loopback; its address.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = listener.local_addr().expect("an address").to_string();
    let (busy, meeting) = (Arc::new(AtomicU32::new(0)), Arc::new(Barrier::new(2)));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (busy, meeting) = (Arc::clone(&busy), Arc::clone(&meeting));
            std::thread::spawn(move || answer(stream, &busy, &meeting));
        }
    });
    address
}

fn answer(stream: TcpStream, busy: &AtomicU32, meeting: &Barrier) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while reader.read_line(&mut head).is_ok_and(|bytes| bytes > 2) {}
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
    let mut body = Vec::new();
    if let Some(length) = header("content-length: ") {
        body.resize(length.parse().expect("a number"), 0);
        reader.read_exact(&mut body).expect("the body");
    } else if header("transfer-encoding: ").is_some() {
        while !body.ends_with(b"\r\n0\r\n\r\n") {
            reader.read_until(b'\n', &mut body).expect("the body");
        }
    }
    let (status, said) = match head.split(' ').nth(1).unwrap_or_default() {
        "/echo" => (
            "200 OK",
            header("authorization: ").unwrap_or_default().into(),
        ),
        "/count" => {
            let count = body.iter().filter(|b| matches!(b, b'x' | 1)).count();
            let kind = header("content-type: ").unwrap_or("no type");
            let kind = kind.split(';').next().unwrap_or_default();
            ("200 OK", format!("{count} of {kind}"))
        }
        "/long" => ("200 OK", "y".repeat(500_000)),
        "/busy-once" if busy.fetch_add(1, Ordering::SeqCst) == 0 => ("503 Busy", String::new()),
        "/busy-once" => ("200 OK", "at the second time".into()),
        "/silent" => {
            // Until the node lets go of the connection.
            let _ = reader.read(&mut [0]);
            return;
        }
        "/meet" => {
            meeting.wait();
            ("200 OK", String::new())
        }
        _ => ("404 Not Found", String::new()),
    };
    let response = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{said}",
        said.len()
    );
    let _ = reader.get_mut().write_all(response.as_bytes());
}

#[test]
fn a_component_asks_in_every_way_of_the_sdk() {
    let cli = Cli::fresh();
    let component = build("asks");
    let component = component.to_str().expect("a text path");
    let allow = format!("api.example=http://{}", server());
    let secret = format!("door=basic:@{}", cli.file("door", "ada:sw0rdfish"));
    for (how, said) in [
        // Its server said it, and it is covered.
        ("named", "Basic ********************"),
        ("multipart", "100000 of multipart/form-data"),
        ("upload", "500000 of no type"),
        ("stream", "500000 bytes, several parts: true"),
        ("again", "at the second time"),
        ("meet", "200 200"),
    ] {
        let input = json!({ "how": how }).to_string();
        let call = ["action", "test", component, "--json", &input, "-o", "json"];
        let with = ["--allow", &allow, "--credential", &secret];
        let ended = cli.run(&[&call[..], &with].concat());
        assert_eq!(ended.code, 0, "{how}: {ended:?}");
        let answer: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        assert_eq!(answer["output"], said, "{how}");
    }
    let call = [
        "action",
        "test",
        component,
        "--json",
        r#"{"how": "patient"}"#,
    ];
    let ended = cli.run(&[&call[..], &["-o", "json", "--allow", &allow]].concat());
    assert!(ended.stdout.contains("timed out"), "{ended:?}");
}
