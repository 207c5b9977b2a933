//! Mail: what is sent arrives as it was meant, from whom and to whom the operator allows.

use std::sync::Arc;
use std::time::Duration;

use nebula_resources::{Held, ResourceConfig, ResourceKind, SmtpConfig};
use nebula_sandbox::nebula_flow::{ActionId, TenantId};
use nebula_sandbox::resources::{Attachment, Mail, ResourceError, Resources, Smtp, User};

use crate::mail_server::{Server, Tls};

pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A mail server as a call sees it.
pub(crate) fn open(url: &str, change: impl FnOnce(&mut SmtpConfig)) -> Arc<dyn Smtp> {
    let mut smtp = SmtpConfig::new(url.parse().unwrap());
    smtp.from = vec!["Shop <shop@shop.example>".parse().unwrap()];
    change(&mut smtp);
    let config = ResourceConfig {
        name: "mail".into(),
        tenants: vec!["default".into()],
        actions: Vec::new(),
        kind: ResourceKind::Smtp(smtp),
    };
    let held = Held::new("unused".into(), vec![config]);
    let (tenant, action) = (TenantId::default_tenant(), ActionId::new("a.b").unwrap());
    let user = User {
        tenant: &tenant,
        action: &action,
    };
    held.smtp(user, "mail").unwrap()
}

/// A message to Ada.
pub(crate) fn mail() -> Mail {
    Mail {
        key: "7".repeat(64),
        to: vec!["Ada <ada@a.example>".into()],
        subject: "Your order".into(),
        text: Some("It is on its way.\n.\nRegards".into()),
        ..Mail::default()
    }
}

#[tokio::test]
async fn a_message_arrives_as_it_was_meant() {
    let server = Server::start(Tls::None);
    let smtp = open(&server.url(""), |_| ());
    let mail = Mail {
        cc: vec!["b@b.example".into(), "ADA@a.example".into()],
        bcc: vec!["hidden@c.example".into(), "b@b.example".into()],
        reply_to: vec!["Help <help@shop.example>".into()],
        subject: "Ваш заказ, ready".into(),
        html: Some("<p>Größe</p>".into()),
        attachments: vec![Attachment {
            name: "Rechnung ä.csv".into(),
            content_type: "text/csv".into(),
            content: b"id\r\n7\r\n".to_vec(),
        }],
        ..mail()
    };
    let id = smtp.send(mail, LONG).await.unwrap();
    assert_eq!(id, format!("<{}@shop.example>", "7".repeat(64)));
    let taken = server.taken().remove(0);
    assert_eq!(taken.from, "shop@shop.example");
    let to = [
        "ada@a.example",
        "b@b.example",
        "ADA@a.example",
        "hidden@c.example",
    ];
    assert_eq!(taken.to, to, "each once");
    let data = taken.data;
    for part in [
        "From: Shop <shop@shop.example>\r\n",
        "To: Ada <ada@a.example>\r\n",
        "Cc: b@b.example, ADA@a.example\r\n",
        "Reply-To: Help <help@shop.example>\r\n",
        "Auto-Submitted: auto-generated\r\n",
        &format!("Message-ID: {id}\r\n"),
        "\r\nDate: ",
        "multipart/mixed",
        "multipart/alternative",
        "text/html; charset=utf-8",
        "It is on its way.\r\n.\r\nRegards",
        "Content-Type: text/csv",
    ] {
        assert!(data.contains(part), "{part}:\n{data}");
    }
    let html = ["<p>Gr=C3=B6=C3=9Fe</p>", "PHA+R3LDtsOfZTwvcD4="];
    assert!(html.iter().any(|html| data.contains(html)), "{data}");
    assert!(!data.contains("hidden@c.example"), "{data}");
    assert!(data.is_ascii(), "{data}");
}

#[tokio::test]
async fn a_user_logs_in_over_tls_only_by_what_the_server_offers() {
    for (tls, offers, mechanism) in [
        (Tls::Start, &["AUTH PLAIN LOGIN"][..], "PLAIN"),
        (Tls::Implicit, &["AUTH LOGIN"][..], "LOGIN"),
    ] {
        let server = Server::with(tls, Some(("me@shop.example", "hunter2:/")), offers);
        let smtp = open(&server.url("me%40shop.example:hunter2%3A%2F"), |_| ());
        smtp.send(mail(), LONG).await.unwrap();
        let taken = server.taken().remove(0);
        assert!(taken.is_encrypted);
        let user = ("me@shop.example".to_owned(), mechanism.to_owned());
        assert_eq!(taken.user, Some(user));
    }
}

#[tokio::test]
async fn a_password_file_is_read_for_each_message() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::with(Tls::Implicit, Some(("me", "second")), &["AUTH PLAIN"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let write = |text: &str, mode: u32| {
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let url = format!("{}&password_file={}", server.url("me"), file.display());
    let smtp = open(&url, |_| ());
    write("first\n", 0o600);
    let wrong = smtp.send(mail(), LONG).await.expect_err("another password");
    assert!(matches!(wrong, ResourceError::Refused(_)), "{wrong:?}");
    write("second\n", 0o644);
    let open_to_all = smtp
        .send(mail(), LONG)
        .await
        .expect_err("everyone may read it");
    assert_eq!(
        open_to_all.to_string(),
        "the mail server `mail` cannot be reached"
    );
    write("second\n", 0o600);
    smtp.send(mail(), LONG).await.unwrap();
    assert_eq!(server.taken().len(), 1);
}

#[tokio::test]
async fn a_message_is_from_whom_and_to_whom_the_operator_allows() {
    let server = Server::start(Tls::None);
    let smtp = open(&server.url(""), |config| {
        config.from.push("news.example".parse().unwrap());
        config.to = vec![
            "a.example".parse().unwrap(),
            "Bo <bo@b.example>".parse().unwrap(),
        ];
    });
    let from = |from: &str| Mail {
        from: Some(from.into()),
        ..mail()
    };
    let to = |to: &str| Mail {
        bcc: vec![to.into()],
        ..mail()
    };
    for mail in [
        from("SHOP@shop.example"),
        from("Today <today@news.example>"),
        to("anyone@A.example"),
        to("bo@b.example"),
    ] {
        smtp.send(mail, LONG).await.unwrap();
    }
    for (mail, wanted) in [
        (from("boss@shop.example"), "`resources.mail.from`"),
        (from("x@sub.news.example"), "`resources.mail.from`"),
        (to("al@b.example"), "`resources.mail.to`"),
        (to("x@a.example.evil.example"), "`resources.mail.to`"),
    ] {
        let error = smtp.send(mail, LONG).await.expect_err(wanted);
        assert!(matches!(error, ResourceError::Refused(_)), "{error:?}");
        assert!(error.to_string().contains(wanted), "{error}");
    }
    assert_eq!(server.taken().len(), 4);
}

#[tokio::test]
async fn nothing_that_a_guest_says_ends_a_line() {
    let server = Server::start(Tls::None);
    let smtp = open(&server.url(""), |config| config.max_recipients = 3);
    let address = |to: &str| Mail {
        to: vec![to.into()],
        ..mail()
    };
    let file = |name: &str, content_type: &str| Mail {
        attachments: vec![Attachment {
            name: name.into(),
            content_type: content_type.into(),
            content: vec![0; 3],
        }],
        ..mail()
    };
    let refused = [
        Mail {
            subject: "a\r\nBcc: x@x.example".into(),
            ..mail()
        },
        Mail {
            subject: "a\nb".into(),
            ..mail()
        },
        Mail {
            subject: "a\0".into(),
            ..mail()
        },
        Mail {
            from: Some("shop@shop.example\r\nX: y".into()),
            ..mail()
        },
        Mail {
            reply_to: vec!["x\r\n@x.example".into()],
            ..mail()
        },
        Mail {
            text: None,
            ..mail()
        },
        Mail {
            to: Vec::new(),
            ..mail()
        },
        address(""),
        address("ada"),
        address("ada@a.example, bo@b.example"),
        address("ada@a.example> SIZE=1"),
        address("<ada@a.example>\r\nRCPT TO:<x@x.example>"),
        address("Ada <ada@a.example\r\n>"),
        address(&format!("{}@a.example", "x".repeat(400))),
        file("a\r\nb", "text/plain"),
        file("a", "text/plain\r\nX: y"),
        file("a", "nothing"),
        file("", "text/plain"),
    ];
    for mail in refused {
        let error = smtp.send(mail.clone(), LONG).await.expect_err("refused");
        assert!(
            matches!(error, ResourceError::Refused(_)),
            "{mail:?}: {error:?}"
        );
    }
    let many = Mail {
        cc: vec!["b@b.example".into(); 3],
        ..mail()
    };
    let error = smtp.send(many, LONG).await.expect_err("too many");
    assert!(
        matches!(&error, ResourceError::Limit(why) if why.contains("max_recipients")),
        "{error:?}"
    );
    assert!(server.heard().is_empty(), "{:?}", server.heard());
}

#[tokio::test]
async fn a_message_is_bounded_as_it_is_sent() {
    let server = Server::start(Tls::None);
    let smtp = open(&server.url(""), |config| config.max_bytes = 100_000);
    let file = |bytes: usize| Mail {
        attachments: vec![Attachment {
            name: "a.bin".into(),
            content_type: "application/octet-stream".into(),
            content: vec![7; bytes],
        }],
        ..mail()
    };
    // Base64 has a third more.
    for bytes in [80_000, 100_001] {
        let error = smtp.send(file(bytes), LONG).await.expect_err("too large");
        assert!(
            matches!(&error, ResourceError::Limit(why) if why.contains("max_bytes")),
            "{error:?}"
        );
    }
    assert!(server.heard().is_empty(), "{:?}", server.heard());
    smtp.send(file(70_000), LONG).await.unwrap();
    assert_eq!(server.taken().len(), 1);
}

#[tokio::test]
async fn an_address_beyond_ascii_needs_a_server_that_takes_it() {
    let mail = || Mail {
        to: vec!["ада@пример.example".into()],
        ..mail()
    };
    let server = Server::start(Tls::None);
    let error = open(&server.url(""), |_| ()).send(mail(), LONG).await;
    assert!(matches!(error, Err(ResourceError::Refused(_))), "{error:?}");
    let server = Server::with(Tls::None, None, &["SMTPUTF8", "8BITMIME"]);
    open(&server.url(""), |_| ())
        .send(mail(), LONG)
        .await
        .unwrap();
    assert_eq!(server.taken()[0].to, ["ада@пример.example"]);
}
