//! What cannot be had of the server that the tests start: MySQL's way to log in.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use sqlx::ConnectOptions;

use crate::config::DatabaseUrl;

use super::why_closed;

fn packet(number: u8, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("short").to_le_bytes();
    [&len[..3], &[number], payload].concat()
}

fn read(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).expect("a packet");
    let len = u32::from_le_bytes([head[0], head[1], head[2], 0]);
    let mut payload = vec![0; len as usize];
    stream.read_exact(&mut payload).expect("a whole one");
    payload
}

/// Asks for a password as MySQL 8 does without TLS, the first time an account logs in;
/// whether the client sends it (it asks for a key first).
fn login(mut stream: TcpStream) -> Vec<u8> {
    let mut hello = vec![10];
    hello.extend(b"8.4.0\0");
    hello.extend([1, 0, 0, 0]);
    hello.extend(b"12345678\0");
    // Protocol 4.1, secure connection, authentication by plugins; no TLS.
    hello.extend(0x8200_u16.to_le_bytes());
    hello.extend([45, 2, 0]);
    hello.extend(0x0008_u16.to_le_bytes());
    hello.push(21);
    hello.extend([0; 10]);
    hello.extend(b"123456789012\0");
    hello.extend(b"caching_sha2_password\0");
    stream.write_all(&packet(0, &hello)).expect("writes");
    read(&mut stream);
    stream.write_all(&packet(2, &[1, 4])).expect("writes");
    let asked = read(&mut stream);
    let key = b"\x01-----BEGIN PUBLIC KEY-----\n";
    stream.write_all(&packet(4, key)).expect("writes");
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    [asked, rest].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_mysql_wants_encrypted_is_not_sent_without_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = std::thread::spawn(move || login(listener.accept().expect("a client").0));
    let url = format!("mysql://me:hunter2@127.0.0.1:{port}/shop");
    let Ok(DatabaseUrl::Mysql(url)) = url.parse() else {
        panic!("it is a URL");
    };
    let error = url.options().expect("options").connect().await;
    let why = why_closed(&error.expect_err("refused"));
    assert!(why.contains("ssl-mode=REQUIRED"), "{why}");
    assert!(!why.contains("hunter2"), "{why}");
    let sent = server.join().expect("the server ends");
    assert_eq!(sent, [2], "it asked for a key, and sent nothing else");
}
