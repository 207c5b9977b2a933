//! Mail servers in trouble, and such as cannot be trusted: what is told of them, and that
//! a connection is given back in any case.

use std::time::{Duration, Instant};

use nebula_sandbox::resources::{Mail, ResourceError};

use crate::mail::{LONG, mail, open};
use crate::mail_server::{Fault, Server, Tls};

/// Waits until a server has no connection any more.
async fn is_left_alone(server: &Server) {
    let until = Instant::now() + Duration::from_secs(10);
    while server.sessions() > 0 {
        assert!(Instant::now() < until, "{} connections", server.sessions());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_a_server_says_decides_whether_to_try_again() {
    let server = Server::start(Tls::None);
    let smtp = open(&server.url(""), |config| config.max_connections = 1);
    let words = "the mail server `mail` says: ";
    for (at, says, is_transient) in [
        ("CONNECT", "421 4.3.2 too busy", true),
        ("CONNECT", "554 5.7.1 go away", false),
        ("EHLO", "502 5.5.1 what", false),
        ("MAIL", "451 4.3.0 later", true),
        ("MAIL", "552 5.3.4 too large", false),
        ("RCPT", "450 4.2.0 greylisted", true),
        ("RCPT", "550-5.1.1 no such user\r\n550 5.1.1 here", false),
        ("DATA", "452 4.3.1 no space", true),
        ("END", "554 5.6.0 spam", false),
        ("END", "451 4.3.0 later", true),
    ] {
        server.fail(at, Fault::Says(says));
        let error = smtp.send(mail(), LONG).await.expect_err(says);
        let code = &says[..3];
        let told = error.to_string();
        assert!(told.starts_with(&format!("{words}{code}")), "{at}: {told}");
        assert!(!told.contains('\n'), "{told}");
        match (is_transient, &error) {
            (true, ResourceError::Unavailable(_)) | (false, ResourceError::Refused(_)) => {}
            _ => panic!("{at} {says}: {error:?}"),
        }
        server.mend();
    }
    assert!(server.taken().is_empty());
    smtp.send(mail(), LONG).await.unwrap();
    is_left_alone(&server).await;
}

#[tokio::test]
async fn either_all_recipients_are_taken_or_none() {
    let server = Server::start(Tls::None);
    let smtp = open(&server.url(""), |_| ());
    server.fail("RCPT", Fault::Says("550 5.1.1 no such user"));
    let two = Mail {
        cc: vec!["b@b.example".into()],
        ..mail()
    };
    smtp.send(two, LONG).await.expect_err("one is not there");
    assert!(server.heard().iter().all(|line| line != "DATA"));
    assert!(server.taken().is_empty());
}

#[tokio::test]
async fn a_server_that_drops_the_line_is_in_trouble_and_the_message_may_have_been_sent() {
    let server = Server::start(Tls::None);
    let smtp = open(&server.url(""), |config| config.max_connections = 1);
    for at in ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"] {
        server.fail(at, Fault::Gone);
        let error = smtp.send(mail(), LONG).await.expect_err(at);
        let lost = "the connection to the mail server `mail` was lost";
        assert_eq!(error, ResourceError::Unavailable(lost.into()), "{at}");
        server.mend();
    }
    server.fail("END", Fault::DoneAndGone);
    let error = smtp.send(mail(), LONG).await.expect_err("no answer");
    assert!(matches!(error, ResourceError::Unavailable(_)), "{error:?}");
    assert!(
        error.to_string().contains("it may have been sent"),
        "{error}"
    );
    assert_eq!(server.taken().len(), 1);
    server.mend();
    // Tried again, it is known by its id.
    let id = smtp.send(mail(), LONG).await.unwrap();
    let taken = server.taken();
    assert!(
        taken.iter().all(|taken| taken.data.contains(&id)),
        "{taken:?}"
    );
    is_left_alone(&server).await;
}

#[tokio::test]
async fn a_silent_server_costs_no_more_than_the_time_of_a_message_or_its_call() {
    for (at, tls) in [
        ("CONNECT", Tls::None),
        ("CONNECT", Tls::Start),
        ("EHLO", Tls::Implicit),
        ("STARTTLS", Tls::Start),
        ("RCPT", Tls::None),
        ("END", Tls::None),
    ] {
        let server = Server::start(tls);
        let smtp = open(&server.url(""), |config| {
            config.max_connections = 1;
            config.timeout = Duration::from_millis(300);
        });
        server.fail(at, Fault::Silent);
        let began = Instant::now();
        let error = smtp.send(mail(), LONG).await.expect_err(at);
        assert!(
            matches!(error, ResourceError::Unavailable(_)),
            "{at}: {error:?}"
        );
        let told = error.to_string();
        let wanted = match at {
            "END" => "it may have been sent",
            _ => "longer than 300 ms",
        };
        assert!(told.contains(wanted), "{at}: {told}");
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{:?}",
            began.elapsed()
        );
        let error = smtp.send(mail(), Duration::from_millis(50)).await;
        let told = error.expect_err(at).to_string();
        assert!(
            told.contains("50 ms") || told.contains("may have been"),
            "{told}"
        );
        server.mend();
        is_left_alone(&server).await;
    }
}

#[tokio::test]
async fn a_server_may_not_say_what_it_likes() {
    for (at, tls) in [
        ("CONNECT", Tls::None),
        ("CONNECT", Tls::Start),
        ("EHLO", Tls::None),
        ("AUTH", Tls::Implicit),
        ("RCPT", Tls::None),
    ] {
        let user = (at == "AUTH").then_some(("me", "hunter2"));
        let server = Server::with(tls, user, &["AUTH PLAIN"]);
        let url = server.url(user.map_or("", |_| "me:hunter2"));
        let smtp = open(&url, |_| ());
        server.fail(at, Fault::Endless);
        let began = Instant::now();
        let error = smtp.send(mail(), LONG).await.expect_err(at);
        assert!(
            matches!(error, ResourceError::Unavailable(_)),
            "{at}: {error:?}"
        );
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{:?}",
            began.elapsed()
        );
        is_left_alone(&server).await;
    }
    let server = Server::start(Tls::None);
    server.fail("CONNECT", Fault::Says("SSH-2.0-OpenSSH_9.2"));
    let error = open(&server.url(""), |_| ()).send(mail(), LONG).await;
    assert!(
        matches!(error, Err(ResourceError::Unavailable(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_password_is_never_told_and_never_sent_in_the_open() {
    let server = Server::with(Tls::Implicit, Some(("me", "right")), &["AUTH PLAIN"]);
    let error = open(&server.url("me:hunter2"), |_| ())
        .send(mail(), LONG)
        .await;
    let error = error.expect_err("another password");
    assert!(matches!(error, ResourceError::Refused(_)), "{error:?}");
    let told = error.to_string();
    // `\0me\0hunter2`, as the server repeats it.
    assert!(
        !told.contains("hunter2") && !told.contains("AG1lAGh1bnRlcjI"),
        "{told}"
    );
    server.fail("AUTH", Fault::Says("454 4.7.0 later"));
    let later = open(&server.url("me:right"), |_| ())
        .send(mail(), LONG)
        .await;
    assert!(
        matches!(later, Err(ResourceError::Unavailable(_))),
        "{later:?}"
    );

    // One that offers no TLS gets nothing, whatever it offers otherwise.
    let plain = Server::with(Tls::None, Some(("me", "hunter2")), &["AUTH PLAIN"]);
    let port = plain.address().port();
    let url = format!("smtp://me:hunter2@127.0.0.1:{port}");
    let error = open(&url, |_| ())
        .send(mail(), LONG)
        .await
        .expect_err("no TLS");
    assert!(error.to_string().contains("offers no STARTTLS"), "{error}");
    let heard = plain.heard();
    assert!(
        heard.iter().all(|line| line.starts_with("EHLO")),
        "{heard:?}"
    );
    // One that offers no way to log in, neither.
    let none = Server::with(Tls::Implicit, Some(("me", "hunter2")), &["AUTH CRAM-MD5"]);
    let error = open(&none.url("me:hunter2"), |_| ())
        .send(mail(), LONG)
        .await;
    assert!(matches!(error, Err(ResourceError::Refused(_))), "{error:?}");
    assert!(none.heard().iter().all(|line| line.starts_with("EHLO")));
}

#[tokio::test]
async fn a_server_must_be_who_the_url_names() {
    let server = Server::start(Tls::Implicit);
    let port = server.address().port();
    let ca = server.ca_file();
    // Nobody vouches for it, and it is somebody else.
    for url in [
        format!("smtps://127.0.0.1:{port}"),
        format!("smtps://127.1:{port}?ca_file={}", ca.display()),
        format!("smtps://127.0.0.1:{port}?ca_file={}.none", ca.display()),
    ] {
        let error = open(&url, |_| ()).send(mail(), LONG).await.expect_err(&url);
        let unreachable = "the mail server `mail` cannot be reached";
        assert_eq!(
            error,
            ResourceError::Unavailable(unreachable.into()),
            "{url}"
        );
    }
    assert!(server.heard().is_empty());
}

#[tokio::test]
async fn what_is_said_before_tls_does_not_count_after_it() {
    let server = Server::start(Tls::Start);
    let smtp = open(&server.url(""), |_| ());
    server.fail("STARTTLS", Fault::Followed("250 injected"));
    let error = smtp.send(mail(), LONG).await.expect_err("it is no TLS");
    assert!(matches!(error, ResourceError::Unavailable(_)), "{error:?}");
    server.mend();
    server.fail("STARTTLS", Fault::Says("454 4.7.0 not now"));
    let error = smtp.send(mail(), LONG).await.expect_err("not now");
    assert!(matches!(error, ResourceError::Unavailable(_)), "{error:?}");
    assert!(server.heard().iter().all(|line| !line.starts_with("MAIL")));
    server.mend();
    smtp.send(mail(), LONG).await.unwrap();
    assert!(server.taken()[0].is_encrypted);
}

#[tokio::test]
async fn more_messages_than_connections_take_turns_and_one_that_is_given_up_leaves_its_own() {
    let server = Server::start(Tls::None);
    let smtp = open(&server.url(""), |config| config.max_connections = 2);
    let sending = (0..12).map(|n| {
        let smtp = std::sync::Arc::clone(&smtp);
        let mail = Mail {
            subject: n.to_string(),
            ..mail()
        };
        tokio::spawn(async move { smtp.send(mail, LONG).await.unwrap() })
    });
    let sending: Vec<_> = sending.collect();
    for sent in sending {
        sent.await.unwrap();
    }
    assert_eq!(server.taken().len(), 12);
    assert!(server.most_sessions() <= 2, "{}", server.most_sessions());
    server.fail("DATA", Fault::Silent);
    for _ in 0..3 {
        let given_up = tokio::time::timeout(Duration::from_millis(100), smtp.send(mail(), LONG));
        assert!(given_up.await.is_err(), "it is silent");
    }
    server.mend();
    let next = tokio::time::timeout(Duration::from_secs(5), smtp.send(mail(), LONG));
    next.await.expect("a connection is free").unwrap();
    is_left_alone(&server).await;
}
