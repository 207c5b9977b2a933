//! Mail and values by key, from a workflow to the packs and back: over a server that speaks
//! SMTP, and in a file of SQLite.

use nebula_tests::smtp::{Fault, Server, Tls};
use serde_json::{Value, json};

use crate::cli::{Cli, Ended, RunningNode};

/// A customer is told once a day.
const TELL: &str = r#"
apiVersion: nebula/v1
kind: Workflow
name: tell
nodes:
  count:
    action: kv.increment
    resources: { values: cache }
    input: { key: "told/${ $input.to }", ttl_seconds: 86400 }
  tell:
    action: notification.email
    resources: { mail: mail }
    retry: { max_attempts: 4, initial: 10ms, factor: 1, max: 10ms }
    input:
      to: ["${ $input.to }"]
      bcc: [archive@shop.example]
      subject: "${ $input.subject }"
      text: "It is on its way, ${ $input.to }."
      attachments: [{ name: order.txt, content: "7 x tea" }]
connections:
  - { from: count, to: tell, when: "$nodes.count.result.value == 1" }
output: "${ [$nodes.count.result.value, $nodes.tell.result] }"
"#;

fn node(cli: &Cli, resources: &str) -> RunningNode {
    let config = cli.file("nebula.toml", resources);
    cli.node_with(&["--config", &config])
}

fn run(cli: &Cli, to: &str, subject: &str) -> Ended {
    let input = json!({ "to": to, "subject": subject }).to_string();
    cli.run(&[
        "workflow", "execute", "tell", "--wait", "--json", &input, "-o", "json",
    ])
}

fn output(ended: &Ended) -> Value {
    assert_eq!(ended.code, 0, "{ended:?}");
    let said: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    said["output"].clone()
}

fn said(ended: &Ended) -> String {
    format!("{}{}", ended.stdout, ended.stderr)
}

#[test]
fn a_workflow_sends_mail_and_counts_by_key() {
    let server = Server::with(Tls::Start, Some(("me", "hunter2")), &["AUTH PLAIN LOGIN"]);
    let cli = Cli::new();
    let text = format!(
        "[resources.mail]\nkind = \"smtp\"\nurl = \"{}\"\nfrom = [\"Shop <shop@shop.example>\"]\n\
         to = [\"a.example\", \"archive@shop.example\"]\n\
         [resources.cache]\nkind = \"kv\"\nurl = \"sqlite:cache.db\"\n",
        server.url("me:hunter2"),
    );
    let config = cli.file("nebula.toml", &text);
    let shown = cli.run(&["config", "show", "--config", &config]);
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(shown.stdout.contains("me:***@localhost"), "{shown:?}");
    assert!(!said(&shown).contains("hunter2"), "{shown:?}");
    let node = node(&cli, &text);
    let deployed = cli.run(&["workflow", "deploy", &cli.file("tell.yaml", TELL)]);
    assert_eq!(deployed.code, 0, "{deployed:?}");

    // The first attempts find a server in trouble; the last is the same message.
    server.fail("END", Fault::DoneAndGone);
    let waiting = std::thread::scope(|scope| {
        let running = scope.spawn(|| run(&cli, "ada@a.example", "Order 7"));
        while server.taken().is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        server.mend();
        running.join().expect("ends")
    });
    let first = output(&waiting);
    let taken = server.taken();
    assert!(taken.len() >= 2, "{taken:?}");
    let id = first[1]["message_id"].as_str().expect("an id");
    assert_eq!(first, json!([1, { "message_id": id, "recipients": 2 }]));
    for mail in &taken {
        assert!(mail.is_encrypted, "{mail:?}");
        assert_eq!(mail.to, ["ada@a.example", "archive@shop.example"]);
        assert!(
            mail.data.contains(&format!("Message-ID: {id}\r\n")),
            "{mail:?}"
        );
        assert!(
            mail.data.contains("It is on its way, ada@a.example."),
            "{mail:?}"
        );
        assert!(mail.data.contains("order.txt"), "{mail:?}");
    }
    // A day is not over; what is counted outlasts the node.
    node.kill();
    let node = self::node(&cli, &text);
    let again = output(&run(&cli, "ada@a.example", "Order 8"));
    assert_eq!(again, json!([2, null]));
    assert_eq!(server.taken().len(), taken.len());

    // What an execution brings along is a subject, and no header.
    let injected = run(&cli, "bo@a.example", "Order\r\nBcc: x@evil.example");
    assert_eq!(injected.code, 1, "{injected:?}");
    assert!(said(&injected).contains("line break"), "{injected:?}");
    let stranger = run(&cli, "x@evil.example", "Order");
    assert_eq!(stranger.code, 1, "{stranger:?}");
    assert!(
        said(&stranger).contains("`resources.mail.to`"),
        "{stranger:?}"
    );
    assert_eq!(server.taken().len(), taken.len());

    // Nobody who looks sees the password, whatever the server says.
    server.fail("AUTH", Fault::Says("535 5.7.8 hunter2"));
    let refused = run(&cli, "cy@a.example", "Order");
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        said(&refused).contains("does not let its user in"),
        "{refused:?}"
    );
    assert!(!said(&refused).contains("hunter2"), "{refused:?}");
    node.kill();
}

#[test]
fn a_mistake_in_mail_or_values_is_told_with_its_line() {
    let cli = Cli::new();
    for (text, wanted) in [
        (
            "[resources.mail]\nkind = \"smtp\"\n",
            "needs a `kind` and a `url`",
        ),
        (
            "[resources.mail]\nkind = \"smtp\"\nurl = \"smtps://mail.example\"\n",
            "says not from whom",
        ),
        (
            "[resources.mail]\nkind = \"smtp\"\nurl = \"smtps://me@mail.example\"\nfrom = [\"a@b.example\"]\n",
            "password_file",
        ),
        (
            "[resources.mail]\nkind = \"smtp\"\nurl = \"smtps://mail.example\"\nfrom = [\"shop\"]\n",
            "neither an address",
        ),
        (
            "[resources.mail]\nkind = \"smtp\"\nurl = \"smtps://mail.example\"\nfrom = [\"a@b.example\"]\nmax_rows = 1\n",
            "there is no setting `resources.mail.max_rows`",
        ),
        (
            "[resources.cache]\nkind = \"kv\"\nurl = \"redis://h\"\n",
            "values are kept in",
        ),
        (
            "[resources.cache]\nkind = \"kv\"\nurl = \"sqlite:a.db\"\nmax_keys = 0\n",
            "`resources.cache.max_keys`",
        ),
    ] {
        let config = cli.file("nebula.toml", text);
        let checked = cli.run(&["config", "check", "--config", &config]);
        assert_eq!(checked.code, 3, "{checked:?}");
        assert!(said(&checked).contains(wanted), "{wanted}: {checked:?}");
        assert!(said(&checked).contains("nebula.toml:"), "{checked:?}");
    }
}
