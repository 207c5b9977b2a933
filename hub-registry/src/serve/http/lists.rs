//! What there is: repositories, tags, referrers, and where `wkg` finds packages.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, LINK};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use super::super::Hub;
use super::super::content::ContentDigest;
use super::super::manifest::{Descriptor, OCI_INDEX};
use super::super::name::RepositoryName;
use super::super::tokens::Allowed;
use super::refusal::{Answer, Refusal};
use super::{Asked, Reply, empty};

/// Where `wkg` asks a host for its registry.
pub(super) const WASM_REGISTRY: &str = "/.well-known/wasm-pkg/registry.json";
/// Names of one answer.
const MAX_NAMES: usize = 10_000;
/// Bytes of the descriptors of one answer: what clients expect of a manifest.
const MAX_INDEX: usize = 4 << 20;

const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");

/// A part of a list, and whether it goes on.
struct Page<T> {
    items: Vec<T>,
    /// The query by which to ask for what comes after it.
    next: Option<String>,
}

impl Asked<'_> {
    pub(super) async fn tags(self, name: RepositoryName) -> Answer {
        let listed = {
            let name = name.clone();
            let list = move |hub: &Hub| {
                let known = hub.store.has_repository(&name);
                known.then(|| hub.store.tags(&name)).transpose()
            };
            self.on_disk(list).await?
        };
        let tags = listed.ok_or_else(|| {
            Refusal::not_found("NAME_UNKNOWN", format!("there is no repository {name}"))
        })?;
        let tags = tags.iter().map(ToString::to_string).collect();
        let page = self.page(tags)?;
        let path = format!("/v2/{name}/tags/list");
        list(&path, "tags", json!({ "name": name.as_str() }), page)
    }

    /// The repositories that the caller may read.
    pub(super) async fn catalog(self) -> Answer {
        let all = self.on_disk(|hub| hub.store.repositories()).await?;
        let may_read = |name: &RepositoryName| {
            let may = self.caller.may(self.hub, Allowed::Pull, Some(name));
            may.is_ok()
        };
        let names = all.iter().filter(|name| may_read(name));
        let names = names.map(ToString::to_string).collect();
        let page = self.page(names)?;
        list("/v2/_catalog", "repositories", json!({}), page)
    }

    /// The names after `last`, at most `n` of them.
    fn page(&self, names: Vec<String>) -> Result<Page<String>, Refusal> {
        let most = match self.query("n") {
            None => MAX_NAMES,
            Some(text) => text
                .parse::<usize>()
                .map_err(|_| Refusal::invalid("UNSUPPORTED", "`n` is not a number of names"))?
                .min(MAX_NAMES),
        };
        let last = self.query("last");
        let is_after = |name: &String| last.as_ref().is_none_or(|last| name > last);
        let mut rest = names.into_iter().filter(is_after);
        let items: Vec<_> = rest.by_ref().take(most).collect();
        let more = rest.next().is_some();
        let next = items.last().filter(|_| more).map(|last| {
            let mut query = Serializer::new(String::new());
            query.append_pair("n", &most.to_string());
            query.append_pair("last", last).finish()
        });
        Ok(Page { items, next })
    }

    /// What is about a manifest, whether that is there or not.
    pub(super) async fn referrers(self, name: RepositoryName, subject: ContentDigest) -> Answer {
        let all = {
            let (name, subject) = (name.clone(), subject.clone());
            self.on_disk(move |hub| hub.store.referrers(&name, &subject))
                .await?
        };
        let wanted = self.query("artifactType").filter(|name| !name.is_empty());
        let last = self.query("last");
        let page = referrers_page(all, wanted.as_deref(), last.as_deref());
        let index = json!({
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": page.items,
        });
        let path = format!("/v2/{name}/referrers/{subject}");
        let mut reply = Reply {
            body: index.to_string().into(),
            ..listing()
        }
        .header(CONTENT_TYPE, OCI_INDEX);
        if wanted.is_some() {
            reply = reply.header(FILTERS, "artifactType");
        }
        linked(reply, &path, page.next.as_deref()).done()
    }
}

/// The descriptors after `last` that one answer has room for.
fn referrers_page(
    all: Vec<Descriptor>,
    artifact_type: Option<&str>,
    last: Option<&str>,
) -> Page<Value> {
    let mut page = Page {
        items: Vec::new(),
        next: None,
    };
    let (mut room, mut at) = (MAX_INDEX, String::new());
    for descriptor in all {
        let digest = descriptor.digest.to_string();
        let fits = artifact_type.is_none() || descriptor.artifact_type.as_deref() == artifact_type;
        if !fits || last.is_some_and(|last| digest.as_str() <= last) {
            continue;
        }
        let item = json!(descriptor);
        let length = item.to_string().len();
        if length > room && !page.items.is_empty() {
            let mut query = Serializer::new(String::new());
            if let Some(artifact_type) = artifact_type {
                query.append_pair("artifactType", artifact_type);
            }
            page.next = Some(query.append_pair("last", &at).finish());
            break;
        }
        room = room.saturating_sub(length);
        at = digest;
        page.items.push(item);
    }
    page
}

/// An answer of names below a key.
fn list(path: &str, key: &str, mut value: Value, page: Page<String>) -> Answer {
    value[key] = page.items.into();
    let reply = Reply {
        body: value.to_string().into(),
        ..listing()
    };
    let reply = reply.header(CONTENT_TYPE, "application/json");
    linked(reply, path, page.next.as_deref()).done()
}

/// An answer whose length its body tells.
fn listing() -> Reply {
    let mut reply = empty(StatusCode::OK);
    reply.headers = HeaderMap::new();
    reply
}

/// With where the list goes on (RFC 5988).
fn linked(reply: Reply, path: &str, next: Option<&str>) -> Reply {
    match next {
        Some(next) => reply.header(LINK, format!("<{path}?{next}>; rel=\"next\"")),
        None => reply,
    }
}

/// Says that packages are in this registry, under the name by which it was
/// asked. `wkg` reads `namespace:name` as the repository `namespace/name`.
pub(super) async fn wasm_registry(State(_): State<Arc<Hub>>, headers: HeaderMap) -> Response {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let Some(host) = host else {
        return Refusal::invalid("UNSUPPORTED", "the request has no `Host`").into_response();
    };
    let body = json!({ "preferredProtocol": "oci", "oci": { "registry": host } });
    let mut response = super::json(&body);
    let kept = HeaderValue::from_static("no-cache");
    response
        .headers_mut()
        .insert(http::header::CACHE_CONTROL, kept);
    response
}
