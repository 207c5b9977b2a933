//! The examples of `docs/packs.md`, and what each of them needs to run: a server that
//! answers, a database.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use nebula_flow::definition::Document;
use nebula_flow::grant::{Capabilities, Grant};
use nebula_flow::{Value, json};
use nebula_resources::{Held, KvConfig, ResourceConfig, ResourceKind, SqlConfig};
use nebula_sandbox::resources::Resources;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::client::Error;

/// An example: a heading with the action, what a server answers or the tables of a
/// database, the node, what it gives.
#[derive(Debug)]
pub struct Example {
    /// The id in the heading.
    pub action: String,
    answers: Vec<Answer>,
    /// SQL that makes the tables of the database `orders`.
    pub tables: Option<String>,
    /// The name that the action's code uses → the resource.
    pub resources: BTreeMap<String, String>,
    /// Of the node.
    pub input: Value,
    /// What it gives.
    pub output: Value,
}

/// What a server answers, as the page has it: `GET` and the path, then status,
/// headers and body.
#[derive(Debug)]
struct Answer {
    path: String,
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// All examples of a page.
///
/// # Errors
/// When one is not written as the others are.
pub fn examples(page: &str) -> Result<Vec<Example>, Error> {
    page.split("\n## `").skip(1).map(example).collect()
}

fn example(section: &str) -> Result<Example, Error> {
    let (action, _) = section
        .split_once('`')
        .ok_or("a heading without an action")?;
    let mut answers = Vec::new();
    let (mut tables, mut resources) = (None, BTreeMap::new());
    let (mut input, mut output) = (None, None);
    for block in section.split("```").skip(1).step_by(2) {
        let (kind, text) = block.split_once('\n').ok_or("a block on one line")?;
        match kind {
            "http" => answers.push(answer(text)?),
            "sql" => tables = Some(text.to_owned()),
            "yaml" => {
                let node = Document::parse(text).map_err(|e| format!("{action}: {e:?}"))?;
                // A trigger stands in its `poll`, which is called with its config.
                let node = node.value();
                let poll = node.get("poll");
                let node = poll.unwrap_or(node);
                if node["action"] != action {
                    return Err(format!("{action}: its node is of another action").into());
                }
                if let Some(bound) = node.get("resources") {
                    resources = serde_json::from_value(bound.clone())?;
                }
                input = Some(match poll {
                    Some(poll) => json!({ "config": poll["with"], "cursor": null }),
                    None => node["input"].clone(),
                });
            }
            "json" => output = Some(serde_json::from_str(text)?),
            other => return Err(format!("{action}: a block of `{other}`").into()),
        }
    }
    Ok(Example {
        action: action.to_owned(),
        answers,
        tables,
        resources,
        input: input.ok_or_else(|| format!("{action} has no node"))?,
        output: output.ok_or_else(|| format!("{action} gives nothing"))?,
    })
}

fn answer(text: &str) -> Result<Answer, Error> {
    let mut parts = text.splitn(3, "\n\n");
    let mut next = || parts.next().ok_or("request, head and body are expected");
    let request = next()?.trim();
    let path = request
        .strip_prefix("GET ")
        .ok_or("a request by GET is expected")?;
    let mut head = next()?.lines();
    let status = head.next().ok_or("a status is expected")?.parse()?;
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").ok_or("a header is expected")?;
        Ok::<_, Error>((name.to_owned(), value.to_owned()))
    };
    Ok(Answer {
        path: path.to_owned(),
        status,
        headers: head.map(header).collect::<Result<_, _>>()?,
        body: next()?.to_owned(),
    })
}

// -------------------------------------------------------------- what it needs --

impl Example {
    /// Serves what the page says that a server answers, and grants its host there; and
    /// binds its resources.
    ///
    /// # Errors
    /// When nothing can listen on loopback.
    pub async fn capabilities(&self) -> Result<Capabilities, Error> {
        let mut capabilities = Capabilities {
            resources: self.resources.clone(),
            ..Capabilities::default()
        };
        let (url, of_trigger) = (&self.input["url"], &self.input["config"]["url"]);
        if let Some(url) = url.as_str().or(of_trigger.as_str()) {
            let host = url.split('/').nth(2).ok_or("a URL without a host")?;
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let at = format!("http://{}", listener.local_addr()?);
            let answers: Vec<(String, String)> = self.answers.iter().map(written).collect();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    serve(stream, &answers).await;
                }
            });
            capabilities.hosts.push(granted(&self.action, host, &at)?);
        }
        Ok(capabilities)
    }

    /// The database `orders` with the example's tables, and the values `cache`, in this
    /// folder; none for one that binds no resource.
    ///
    /// # Errors
    /// When the tables cannot be made.
    pub fn database(&self, folder: &Path) -> Result<Option<Arc<dyn Resources>>, Error> {
        if self.resources.is_empty() {
            return Ok(None);
        }
        let tables = self.tables.as_deref().unwrap_or_default();
        rusqlite::Connection::open(folder.join("orders.db"))?.execute_batch(tables)?;
        let orders = SqlConfig {
            read_only: false,
            ..SqlConfig::new("sqlite:orders.db".parse()?)
        };
        let cache = KvConfig::new("sqlite:cache.db".parse()?);
        let resource = |name: &str, kind: ResourceKind| ResourceConfig {
            name: name.into(),
            tenants: vec!["default".into()],
            actions: Vec::new(),
            kind,
        };
        let held = vec![
            resource("orders", ResourceKind::Sql(orders)),
            resource("cache", ResourceKind::Kv(cache)),
        ];
        Ok(Some(Arc::new(Held::new(folder.to_owned(), held))))
    }
}

/// That an action may reach a host, at this address.
///
/// # Errors
/// When the id is none.
pub fn granted(action: &str, host: &str, at: &str) -> Result<Grant, Error> {
    Ok(Grant {
        action: action.parse()?,
        host: host.to_owned(),
        schemes: Vec::new(),
        at: Some(at.to_owned()),
        methods: Vec::new(),
    })
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
        // Writing to a text cannot fail.
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
