//! Bodies end at their caps, and nobody waits for ever.

use http_body_util::Full;

use super::*;
use crate::Kind;

fn capped(config: EgressConfig) -> Egress {
    Egress::new(EgressConfig {
        resolver: Resolver::new(|_| async { Ok(vec![]) }),
        ..config
    })
}

fn post<B>(length: Option<&str>, body: B) -> Request<B> {
    let mut request = Request::post("http://api.example/");
    if let Some(length) = length {
        request = request.header("content-length", length);
    }
    request.body(body).unwrap()
}

#[tokio::test]
async fn a_body_arrives_with_its_length_or_in_chunks() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    let policy = allow([station.grant("api.example")]);
    let timeouts = Timeouts::within(PATIENCE);
    egress()
        .send(&policy, post(None, Full::from("abc")), timeouts)
        .await
        .unwrap();
    egress()
        .send(
            &policy,
            post(Some("6"), Pieces::new(["abc", "def"])),
            timeouts,
        )
        .await
        .unwrap();
    egress()
        .send(&policy, post(None, Pieces::new(["abc", "def"])), timeouts)
        .await
        .unwrap();
    let requests = station.requests.lock().unwrap().clone();
    assert!(requests[0].contains("content-length: 3\r\n") && requests[0].ends_with("\r\n\r\nabc"));
    assert!(
        requests[1].contains("content-length: 6\r\n") && requests[1].ends_with("\r\n\r\nabcdef")
    );
    assert!(
        requests[2].contains("transfer-encoding: chunked\r\n")
            && requests[2].ends_with("def\r\n0\r\n\r\n")
    );
}

#[tokio::test]
async fn a_body_of_another_length_than_declared_never_arrives_whole() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    let policy = allow([station.grant("api.example")]);
    let timeouts = Timeouts::within(PATIENCE);
    for (length, pieces) in [("7", ["abc", "def"]), ("5", ["abc", "def"])] {
        let error = egress()
            .send(&policy, post(Some(length), Pieces::new(pieces)), timeouts)
            .await
            .unwrap_err();
        assert!(
            matches!(error, EgressError::RequestBody { .. }),
            "{length}: {error}"
        );
    }
    let error = egress()
        .send(&policy, post(Some("4"), Full::from("abc")), timeouts)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("says 4 bytes, the body has 3"),
        "{error}"
    );
    assert!(station.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_request_body_over_the_cap_is_refused() {
    let station = Station::start(Behaviour::Answer(OK)).await;
    let policy = allow([station.grant("api.example")]);
    let timeouts = Timeouts::within(PATIENCE);
    let egress = capped(EgressConfig {
        max_request_bytes: 5,
        max_chunks: 2,
        ..EgressConfig::default()
    });
    let error = egress
        .send(&policy, post(None, Full::from("abcdef")), timeouts)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::RequestTooLarge);
    let error = egress
        .send(&policy, post(Some("6"), Pieces::new(["abcdef"])), timeouts)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::RequestTooLarge);
    assert_eq!(
        station.accepts(),
        0,
        "what is known beforehand opens no connection"
    );
    let error = egress
        .send(&policy, post(None, Pieces::new(["abc", "def"])), timeouts)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("over its limit of 5 bytes"),
        "{error}"
    );
    let error = egress
        .send(&policy, post(None, Pieces::new(["a", "b", "c"])), timeouts)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("over its limit of 2 chunks"),
        "{error}"
    );
    assert!(station.requests.lock().unwrap().is_empty());
    egress
        .send(&policy, post(None, Pieces::new(["ab", "cde"])), timeouts)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_response_body_ends_at_its_cap() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabcde";
    let station = Station::start(Behaviour::Answer(answer)).await;
    let policy = allow([station.grant("api.example")]);
    for (max, fits) in [(5, true), (4, false)] {
        let egress = capped(EgressConfig {
            max_response_bytes: max,
            ..EgressConfig::default()
        });
        let outcome = send(&egress, &policy, get("http://api.example/")).await;
        assert_eq!(
            outcome.is_ok(),
            fits,
            "a declared length over the cap is refused at once"
        );
        assert!(
            outcome
                .err()
                .is_none_or(|error| error.kind() == Kind::ResponseTooLarge)
        );
    }
}

#[tokio::test]
async fn an_endless_response_ends_at_the_cap_in_bytes_and_in_chunks_and_its_connection_with_it() {
    for (piece, max_chunks, limit) in [(8192, u64::MAX, "1048576 bytes"), (1, 1000, "1000 chunks")]
    {
        let station = Station::start(Behaviour::Endless(piece)).await;
        let policy = allow([station.grant("api.example")]);
        let egress = capped(EgressConfig {
            max_response_bytes: 1 << 20,
            max_chunks,
            ..EgressConfig::default()
        });
        let mut body = send(&egress, &policy, get("http://api.example/"))
            .await
            .unwrap()
            .into_body();
        let mut read = 0;
        let error = loop {
            match body.frame().await.unwrap() {
                Ok(frame) => read += frame.into_data().unwrap().len(),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), Kind::ResponseTooLarge);
        assert!(error.to_string().ends_with(limit), "{error}");
        assert!(read <= 1 << 20);
        assert!(body.frame().await.is_none());
        station.gone.notified().await;
    }
}

#[tokio::test]
async fn dropping_the_response_or_the_wait_for_it_closes_the_connection() {
    let station = Station::start(Behaviour::Endless(10)).await;
    let policy = allow([station.grant("api.example")]);
    drop(
        send(&egress(), &policy, get("http://api.example/"))
            .await
            .unwrap(),
    );
    station.gone.notified().await;

    let station = Station::start(Behaviour::Stall("")).await;
    let policy = allow([station.grant("api.example")]);
    let egress = egress();
    let waiting = async {
        send(&egress, &policy, get("http://api.example/"))
            .await
            .map(drop)
    };
    let arrived = async {
        while station.requests.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! { answered = waiting => panic!("{answered:?}"), () = arrived => {} }
    station.gone.notified().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error() {
    let station = Station::start(Behaviour::Answer(
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc",
    ))
    .await;
    let policy = allow([station.grant("api.example")]);
    let response = send(&egress(), &policy, get("http://api.example/"))
        .await
        .unwrap();
    assert_eq!(text(response).await.unwrap_err().kind(), Kind::Protocol);
}

#[tokio::test]
async fn a_silent_server_times_out_in_the_phase_that_it_is_silent_in() {
    let short = Duration::from_millis(50);
    let silent = Station::start(Behaviour::Stall("")).await;
    let stalling = Station::start(Behaviour::Stall(
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab",
    ))
    .await;
    let policy = allow([
        silent.grant("silent.example"),
        stalling.grant("stalling.example"),
    ]);
    let egress = egress();

    let first_byte = Timeouts {
        first_byte: Some(short),
        ..Timeouts::within(PATIENCE)
    };
    for timeouts in [first_byte, Timeouts::within(short)] {
        let error = egress
            .send(&policy, get("http://silent.example/"), timeouts)
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "silent.example took longer than 50 ms to answer"
        );
    }
    let between = Timeouts {
        between_bytes: Some(short),
        ..Timeouts::within(PATIENCE)
    };
    for timeouts in [between, Timeouts::within(Duration::from_millis(500))] {
        let response = egress
            .send(&policy, get("http://stalling.example/"), timeouts)
            .await
            .unwrap();
        let error = text(response).await.unwrap_err();
        assert!(
            matches!(
                error,
                EgressError::Timeout {
                    phase: "send its response body",
                    ..
                }
            ),
            "{error}"
        );
        stalling.gone.notified().await;
    }
}

#[tokio::test]
async fn a_resolver_that_does_not_answer_times_out() {
    let resolver = Resolver::new(|_| std::future::pending());
    let egress = Egress::new(EgressConfig {
        resolver,
        ..EgressConfig::default()
    });
    let policy = allow([plain_rule("api.example")]);
    let timeouts = Timeouts {
        connect: Some(Duration::ZERO),
        ..Timeouts::within(PATIENCE)
    };
    let error = egress
        .send(&policy, get("http://api.example/"), timeouts)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "api.example took longer than 1 ms to accept a connection"
    );
    let forever = Timeouts {
        connect: Some(Duration::MAX),
        ..Timeouts::within(Duration::ZERO)
    };
    let error = egress
        .send(&policy, get("http://api.example/"), forever)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
}
