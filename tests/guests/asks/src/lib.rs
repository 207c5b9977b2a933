//! An action that asks a server in the ways of the SDK's HTTP client, and tells it what
//! it gets for a credential.

#![no_std]

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use nebula_sdk::action::http::Multipart;
use nebula_sdk::prelude::*;

/// What the action takes.
#[data]
pub struct Input {
    /// In which way.
    how: String,
}

/// Says what the server said.
#[derive(Action)]
#[action(id = "sample.asks", credentials("door"), hosts("api.example"))]
pub struct Asks;

impl SimpleAction for Asks {
    type Input = Input;
    type Output = String;

    async fn execute_simple(&self, input: Input, ctx: &ActionContext) -> Result<String> {
        let http = ctx.http();
        let url = |path: &str| format!("https://api.example{path}");
        let answer = match input.how.as_str() {
            "named" => http.get(url("/echo")).credential("door").send().await?,
            "multipart" => {
                let form =
                    Multipart::new().file("a", "b.bin", "application/octet-stream", [1; 100_000]);
                http.post(url("/count")).multipart(form).send().await?
            }
            "upload" => {
                let mut upload = http.post(url("/count")).upload().await?;
                for _ in 0..50 {
                    upload.write(&[b'x'; 10_000]).await?;
                }
                upload.finish().await?
            }
            "stream" => {
                let mut answer = http.get(url("/long")).stream().await?;
                let (mut parts, mut bytes) = (0_usize, 0);
                while let Some(part) = answer.chunk().await? {
                    parts += 1;
                    bytes += part.len();
                }
                return Ok(format!("{bytes} bytes, several parts: {}", parts > 1));
            }
            "again" => http.get(url("/busy-once")).retries(2).send().await?,
            // Whatever it gets for the credential: to the server, in its log, its output
            // and its error.
            "tells" | "fails" => {
                let text = ctx.get_credential("door").await?;
                ctx.log().info(format!("it is {text}"));
                http.post(url("/told")).body(text.as_str()).send().await?;
                return match input.how.as_str() {
                    "tells" => Ok(text),
                    _ => Err(ActionError::permanent(format!("no use for {text}"))),
                };
            }
            // A host by that name, which nobody granted.
            "strays" => {
                let text = ctx.get_credential("door").await?;
                http.get(format!("https://{text}.example/")).send().await?
            }
            "patient" => {
                let request = http.get(url("/silent")).timeout(Duration::from_millis(100));
                return Ok(request.send().await.expect_err("no answer").to_string());
            }
            _ => {
                // Each is answered once both are there.
                let one = http.get(url("/meet")).send();
                let other = http.get(url("/meet")).send();
                let (one, other) = both(one, other).await;
                return Ok(format!("{} {}", one?.status(), other?.status()));
            }
        };
        Ok(answer.error_for_status()?.text()?.to_owned())
    }
}

/// Waits for two at once.
async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut first, mut second) = (None, None);
    poll_fn(move |cx| {
        if first.is_none()
            && let Poll::Ready(value) = a.as_mut().poll(cx)
        {
            first = Some(value);
        }
        if second.is_none()
            && let Poll::Ready(value) = b.as_mut().poll(cx)
        {
            second = Some(value);
        }
        match (first.take(), second.take()) {
            (Some(first), Some(second)) => Poll::Ready((first, second)),
            (one, other) => {
                (first, second) = (one, other);
                Poll::Pending
            }
        }
    })
    .await
}

nebula_sdk::export!(Asks);
