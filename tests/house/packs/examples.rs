//! The examples of `docs/packs.md` give what stands there, in the sandbox.

use std::fmt::Write as _;
use std::path::Path;

use nebula_resources::{Held, ResourceConfig, SqlConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::page::{Answer, Example, examples};
use super::*;

/// The largest component of a pack that has an example, bytes.
const MAX_COMPONENT: usize = 400 * 1024;

fn page() -> Vec<Example> {
    let file = crate::root().join("docs/packs.md");
    examples(&std::fs::read_to_string(file).expect("readable"))
}

/// Serves what an example says that a server answers, and grants its host there.
async fn served(example: &Example) -> Capabilities {
    let (url, of_trigger) = (&example.input["url"], &example.input["config"]["url"]);
    let Some(url) = url.as_str().or(of_trigger.as_str()) else {
        return Capabilities::default();
    };
    let host = url.split('/').nth(2).expect("a host").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let at = format!("http://{}", listener.local_addr().expect("bound"));
    let answers: Vec<(String, String)> = example.answers.iter().map(written).collect();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            serve(stream, &answers).await;
        }
    });
    let grant = Grant {
        action: ActionId::new(&example.action).expect("an id"),
        host,
        schemes: Vec::new(),
        at: Some(at),
        methods: Vec::new(),
    };
    Capabilities {
        hosts: vec![grant],
        ..Capabilities::default()
    }
}

/// A sandbox with the database `orders`, which has these tables.
fn holding(folder: &Path, tables: &str) -> Sandbox {
    let made = rusqlite::Connection::open(folder.join("orders.db"));
    let made = made.and_then(|connection| connection.execute_batch(tables));
    made.expect("the tables are made");
    let url = "sqlite:orders.db".parse().expect("a URL");
    let orders = ResourceConfig {
        name: "orders".into(),
        tenants: vec!["default".into()],
        actions: Vec::new(),
        sql: SqlConfig {
            read_only: false,
            ..SqlConfig::new(url)
        },
    };
    let held = Held::new(folder.to_owned(), vec![orders]);
    sandbox_with(Some(Arc::new(held)))
}

/// The path, and the response as it travels.
fn written(answer: &Answer) -> (String, String) {
    let Answer {
        path,
        status,
        headers,
        body,
    } = answer;
    let mut text = format!("HTTP/1.1 {status} -\r\nconnection: close\r\n");
    for (name, value) in headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    let _ = write!(text, "content-length: {}\r\n\r\n{body}", body.len());
    (path.clone(), text)
}

async fn serve(mut stream: TcpStream, answers: &[(String, String)]) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return;
        };
        request.push(byte);
    }
    let request = String::from_utf8_lossy(&request);
    let wanted = request.split(' ').nth(1).unwrap_or_default();
    let answer = answers.iter().find(|(path, _)| path == wanted);
    let text = answer.map_or(
        "HTTP/1.1 404 -\r\ncontent-length: 0\r\n\r\n",
        |(_, text)| text.as_str(),
    );
    // A guest that has hung up needs no answer.
    let _ = stream.write_all(text.as_bytes()).await;
}

#[tokio::test]
async fn each_example_gives_what_the_page_says() {
    let sandbox = sandbox();
    for example in page() {
        let mut capabilities = served(&example).await;
        capabilities.resources.clone_from(&example.resources);
        let folder = tempfile::tempdir().expect("a folder");
        let sandbox = match &example.tables {
            Some(tables) => &holding(folder.path(), tables),
            None => &sandbox,
        };
        let report = report(sandbox, &example.action, example.input, capabilities).await;
        let Ok(Outcome::Success(bytes)) = report.result else {
            panic!("{}: {report:?}", example.action)
        };
        let output = payload::decode(&bytes).expect("a value");
        assert_eq!(output, example.output, "{}", example.action);
    }
}

#[test]
fn components_with_an_example_are_small() {
    let examples = page();
    assert!(examples.len() >= 10, "{}", examples.len());
    for example in examples {
        let pack = example.action.split('.').next().expect("a segment");
        let component = nebula_server::PACKS.iter().find(|(name, _)| *name == pack);
        let size = component.expect("a pack").1.len();
        assert!(size <= MAX_COMPONENT, "{pack} has {size} bytes");
    }
}
