use std::net::SocketAddr;
use std::time::Duration;

use super::*;

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("nebula.toml");
    std::fs::write(&path, text).expect("writes");
    (folder, path)
}

fn read(text: &str) -> Result<Settings, Mistakes> {
    let (_folder, path) = file(text);
    Config::serve("data").read(Layers::default().with_file(&path)?)
}

fn source(settings: &Settings, setting: &str) -> String {
    let shown = settings.shown.iter().find(|s| s.setting == setting);
    shown.expect("is shown").source.to_string()
}

#[test]
fn the_last_layer_wins_and_each_value_says_where_it_came_from() {
    let (_folder, path) = file(
        "# a comment\nname = \"a\"\nhosts = [\"one.example\", \"two.example\"]\n\n\
         [http]\nmax_body = \"2MiB\"\nhead_timeout = \"5s\"\nmax_streams = 7\n",
    );
    let layers = Layers::default()
        .with_file(&path)
        .expect("is TOML")
        .with_environment(variables(&[
            ("NEBULA_HTTP_HEAD_TIMEOUT", "6s"),
            ("NEBULA_LISTEN", "127.0.0.1:1"),
            ("NEBULA_AUTH", ""),
            ("NEBULA_API_KEY", "is not a setting"),
            ("HTTP_MAX_BODY", "1"),
        ]))
        .with_option("listen", "--listen", Some("127.0.0.1:2".into()))
        .with_options("components", "--component", vec!["a,b.wasm".into()]);
    let settings = Config::serve("data").read(layers).expect("no mistakes");
    let config = &settings.config;
    assert_eq!(config.name, "a");
    assert_eq!(config.hosts, ["one.example", "two.example"]);
    assert_eq!(config.http.max_body, 2 << 20);
    assert_eq!(config.http.max_streams, 7);
    assert_eq!(config.http.head_timeout, Duration::from_secs(6));
    assert_eq!(
        config.listen,
        "127.0.0.1:2".parse::<SocketAddr>().expect("one")
    );
    assert_eq!(config.components, [PathBuf::from("a,b.wasm")]);
    assert_eq!(config.auth, Auth::Keys, "an empty variable says nothing");

    let place = |line| format!("{}:{line}", path.display());
    assert_eq!(source(&settings, "name"), place(2));
    assert_eq!(source(&settings, "http.max_body"), place(6));
    assert_eq!(
        source(&settings, "http.head_timeout"),
        "NEBULA_HTTP_HEAD_TIMEOUT"
    );
    assert_eq!(source(&settings, "listen"), "--listen");
    assert_eq!(source(&settings, "auth"), "default");
}

#[test]
fn what_is_not_a_setting_is_refused_with_its_line_and_a_hint() {
    for (text, line, wanted) in [
        ("nam = \"a\"\n", 1, "did you mean `name`?"),
        (
            "\n[http]\nmax_bodi = 1\n",
            3,
            "did you mean `http.max_body`?",
        ),
        ("http = 5\n", 1, "`http` is a section"),
        ("listen.port = 5\n", 1, "there is no setting `listen.port`"),
        ("zzzzzz = 1\n", 1, "there is no setting `zzzzzz`"),
    ] {
        let mistakes = read(text).expect_err(text);
        let told = mistakes.to_string();
        assert!(told.contains(wanted), "{text}: {told}");
        assert!(
            matches!(&mistakes.0[0].source, Source::File(_, at) if *at == line),
            "{text}: {told}"
        );
    }
    let layers = Layers::default().with_environment(variables(&[("NEBULA_HTTP_MAX_BODI", "1")]));
    let told = Config::dev("data")
        .read(layers)
        .expect_err("is refused")
        .to_string();
    assert!(told.contains("NEBULA_HTTP_MAX_BODY"), "{told}");
    let signer = [("NEBULA_HUB_KEY", "a key"), ("NEBULA_HUB_PASSPHRASE", "x")];
    let layers = Layers::default().with_environment(variables(&signer));
    assert!(
        Config::dev("data").read(layers).is_ok(),
        "who signs may serve"
    );
}

#[test]
fn wrong_values_are_all_named_with_their_places() {
    let mistakes = read(
        "auth = \"maybe\"\nlisten = \"here\"\nbehind_proxy = 1\nname = \"\"\ncomponents = [[1]]\n\
         [limits]\nfuel = -1\nmemory = \"9TB\"\ntimeout = 30\ncalls = 0\nexecutions = 1.5\n\
         [http]\nhead_timeout = \"2d\"\nmax_connections = 1979-05-27\n",
    )
    .expect_err("is refused");
    let lines: Vec<_> = mistakes
        .0
        .iter()
        .map(|m| match &m.source {
            Source::File(_, line) => *line,
            other => panic!("{other}"),
        })
        .collect();
    let mut sorted = lines.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 13, 14],
        "{mistakes}"
    );
}

#[test]
fn a_file_that_is_not_toml_is_refused_with_its_line() {
    let mistakes = read("name = \"a\"\nlisten = \n").expect_err("is refused");
    assert!(
        matches!(&mistakes.0[0].source, Source::File(_, 2)),
        "{mistakes}"
    );
    let absent = Layers::default().with_file(std::path::Path::new("/nowhere/nebula.toml"));
    assert!(absent.is_err_and(|m| m.to_string().contains("/nowhere/nebula.toml")));
}

#[test]
fn a_certificate_needs_its_key() {
    let mistakes = read("[tls]\ncertificate = \"a.pem\"\n").expect_err("is refused");
    assert!(mistakes.to_string().contains("tls.key"), "{mistakes}");
    let settings = read("[tls]\ncertificate = \"a.pem\"\nkey = \"b.pem\"\n").expect("is taken");
    assert!(settings.config.tls.is_some());
}

#[test]
fn a_store_is_shown_and_refused_without_its_password() {
    let url = "postgres://me:s3cret@db/work?schema=flows";
    let settings = read(&format!("store = \"{url}\"\n")).expect("is taken");
    let shown = settings.shown.iter().find(|s| s.setting == "store");
    let shown = shown.expect("is shown");
    assert_eq!(shown.value, "postgres://me:***@db/work?schema=flows");
    assert!(!format!("{settings:?}").contains("s3cret"));
    assert!(read("").expect("is taken").config.store.is_none());

    for wrong in [
        "postgres://me:s3#cret@db/work",
        "postgres://me:s3cret@db/work?x=1",
        "mysql://me:s3cret@db/work",
        "s3cret",
    ] {
        let mistakes = read(&format!("store = \"{wrong}\"\n")).expect_err("is refused");
        assert!(!mistakes.to_string().contains("cret"), "{mistakes}");
        assert!(
            matches!(&mistakes.0[0].source, Source::File(_, 1)),
            "{mistakes}"
        );
    }
}
