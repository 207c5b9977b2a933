//! The demo's weather station as a program of its own, on loopback only.
//!
//! `station --key KEY [--port PORT]` prints its address and serves until killed;
//! `station --received ADDRESS` prints what that one received.

use serde_json::Value;

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut key = String::new();
    let mut port = 0;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or("each option takes a value")?;
        match argument.as_str() {
            "--key" => key = value,
            "--port" => port = value.parse()?,
            "--received" => return print_received(&value).await,
            other => {
                return Err(
                    format!("unknown option {other}: use --key, --port or --received").into(),
                );
            }
        }
    }
    if key.is_empty() {
        return Err("--key is needed: the API key that callers must send".into());
    }
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    print(&format!("http://{}", listener.local_addr()?));
    nebula_tests::station::serve(listener, key).await
}

/// Asks another station what it received, and prints it.
async fn print_received(address: &str) -> Result<(), Error> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let host = address.trim_start_matches("http://");
    #[expect(
        clippy::disallowed_methods,
        reason = "the demo's own station, on loopback"
    )]
    let mut stream = tokio::net::TcpStream::connect(host).await?;
    stream
        .write_all(
            format!("GET /received HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")
                .as_bytes(),
        )
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let body = answer
        .split_once("\r\n\r\n")
        .ok_or("the station's answer has no body")?
        .1;
    print(&format!("{:#}", serde_json::from_str::<Value>(body)?));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the program's one answer")]
fn print(text: &str) {
    println!("{text}");
}
