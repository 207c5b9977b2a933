//! `nebula hub key` and `nebula hub trust`: key pairs and whom a node trusts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::cli::{Cli, Ended};

/// A command of a user whose passphrase is in the environment, if there is one.
fn hub(cli: &Cli, passphrase: Option<&str>, arguments: &[&str]) -> Ended {
    let mut command = cli.command();
    command
        .env("XDG_CONFIG_HOME", cli.folder().join("config"))
        .env_remove("NEBULA_HUB_KEY")
        .env_remove("NEBULA_HUB_PASSPHRASE")
        .envs(passphrase.map(|passphrase| ("NEBULA_HUB_PASSPHRASE", passphrase)))
        .arg("hub")
        .args(arguments)
        .stdin(Stdio::null());
    Ended::from(command.output().expect("nebula runs"))
}

/// The same, which must end well; what it printed.
fn good(cli: &Cli, arguments: &[&str]) -> String {
    let ended = hub(cli, Some("correct horse"), arguments);
    assert_eq!(ended.code, 0, "{arguments:?}: {ended:?}");
    ended.stdout
}

#[test]
fn a_key_is_made_listed_exported_and_imported_elsewhere() {
    let cli = Cli::fresh();
    let made = good(&cli, &["key", "generate", "acme"]);
    assert!(made.contains("acme (ecdsa-p256) is sha256:"), "{made}");
    good(
        &cli,
        &["key", "generate", "acme-2026", "--algorithm", "ed25519"],
    );
    assert_eq!(
        good(&cli, &["key", "list", "-o", "name"]),
        "acme\nacme-2026\n"
    );
    let public = good(&cli, &["key", "export", "acme"]);
    assert!(
        public.starts_with("-----BEGIN PUBLIC KEY-----\n"),
        "{public}"
    );

    let private = good(&cli, &["key", "export", "acme", "--private"]);
    assert!(private.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    let kept = cli.folder().join("config/nebula/keys/acme.key");
    let mode = fs::metadata(&kept)
        .expect("it is kept")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    let other = Cli::fresh();
    let file = other.file("acme.pem", &private);
    good(&other, &["key", "import", "acme", &file]);
    assert_eq!(good(&other, &["key", "export", "acme"]), public);
    // The only key there is the one that would sign.
    assert_eq!(good(&other, &["key", "export"]), public);
    let several = hub(&cli, Some("correct horse"), &["key", "export"]);
    assert!(
        several.code == 3 && several.stderr.contains("acme-2026"),
        "{several:?}"
    );
}

#[test]
fn what_makes_no_key_is_refused_and_says_no_secret() {
    let cli = Cli::fresh();
    good(&cli, &["key", "generate", "acme"]);
    let private = good(&cli, &["key", "export", "acme", "--private"]);
    let file = cli.file("acme.pem", &private);
    let nonsense = cli.file("nonsense.pem", "nonsense");
    for (passphrase, arguments, why) in [
        (
            Some("correct horse"),
            &["key", "generate", "acme"][..],
            "already",
        ),
        (
            Some("correct horse"),
            &["key", "generate", "A b"],
            "cannot name a key",
        ),
        (None, &["key", "generate", "other"], "NEBULA_HUB_PASSPHRASE"),
        (
            None,
            &["key", "import", "other", &file],
            "NEBULA_HUB_PASSPHRASE",
        ),
        (
            Some("battery staple"),
            &["key", "import", "other", &file],
            "does not open",
        ),
        (
            Some("correct horse"),
            &["key", "import", "other", &nonsense],
            "no PEM",
        ),
        (
            Some("correct horse"),
            &["key", "export", "other"],
            "there is no key",
        ),
    ] {
        let ended = hub(&cli, passphrase, arguments);
        assert_eq!(ended.code, 3, "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(why), "{arguments:?}: {ended:?}");
        let said = ended.stdout + &ended.stderr;
        assert!(
            !said.contains("horse") && !said.contains("staple"),
            "{said}"
        );
    }
    assert_eq!(good(&cli, &["key", "list", "-o", "name"]), "acme\n");
}

#[test]
fn keys_are_trusted_replaced_and_revoked_in_the_file_of_the_node() {
    let cli = Cli::fresh();
    for name in ["old", "new", "theirs"] {
        good(&cli, &["key", "generate", name, "--algorithm", "ed25519"]);
        let public = good(&cli, &["key", "export", name]);
        cli.file(&format!("{name}.pub"), &public);
    }
    let file = |name: &str| cli.folder().join(name).to_str().expect("text").to_owned();
    let (old, new, theirs) = (file("old.pub"), file("new.pub"), file("theirs.pub"));
    good(&cli, &["trust", "add", "acme", &old]);
    good(
        &cli,
        &[
            "trust",
            "add",
            "globex/weather",
            &theirs,
            "--name",
            "globex-1",
            "--cosign-only",
        ],
    );
    let until = "2027-01-01T00:00:00Z";
    good(&cli, &["trust", "rotate", "acme", &new, "--until", until]);
    good(
        &cli,
        &["trust", "revoke", "globex-1", "--reason", "it leaked"],
    );

    let listed = good(&cli, &["trust", "list", "-o", "json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
    let at = |pointer: &str| listed.pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(at("/0/name"), "acme");
    assert_eq!(at("/0/not_after"), "2027-01-01T00:00:00.000Z");
    assert_eq!(at("/1/name"), "acme-2");
    assert_eq!(at("/1/namespaces/0"), "acme");
    assert_eq!(at("/2/revoked"), "it leaked");
    assert_eq!(at("/2/cosign_only"), true);

    // One more namespace of a key that is known.
    let known = good(&cli, &["trust", "add", "acme-labs", &new]);
    assert!(known.starts_with("acme-2 "), "{known}");

    let text = fs::read_to_string(cli.folder().join("data/trust.toml")).expect("it is kept");
    for (arguments, why) in [
        (
            &["trust", "add", "acme", &theirs, "--cosign-only"][..],
            "trusted already, as `globex-1`",
        ),
        (
            &["trust", "add", "other", &old, "--name", "acme"],
            "already",
        ),
        (
            &["trust", "revoke", "nobody", "--reason", "x"],
            "nebula hub trust list",
        ),
        (
            &["trust", "add", "other", &file("missing.pub")],
            "cannot be read",
        ),
    ] {
        let ended = hub(&cli, None, arguments);
        assert_eq!(ended.code, 3, "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(why), "{arguments:?}: {ended:?}");
    }
    let ended = hub(&cli, None, &["trust", "add", "Acme", &old]);
    assert_eq!(ended.code, 2, "{ended:?}");
    let after = fs::read_to_string(cli.folder().join("data/trust.toml")).expect("it is kept");
    assert_eq!(after, text);
}
