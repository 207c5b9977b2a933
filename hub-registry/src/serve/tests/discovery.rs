//! "Content Discovery" of the specification: tags, repositories, referrers; and
//! where `wkg` looks.

use super::*;

async fn tags(hub: &Hub, query: &str) -> (Vec<String>, String) {
    names(hub, &format!("/v2/{REPO}/tags/list{query}"), "tags").await
}

async fn names(hub: &Hub, path: &str, key: &str) -> (Vec<String>, String) {
    let reply = hub.get(path).await.is(200);
    assert_eq!(reply.header("content-type"), "application/json");
    let body = reply.json();
    let list = body[key].as_array().expect("a list");
    let names = list
        .iter()
        .map(|name| name.as_str().expect("a name").into());
    (names.collect(), reply.header("link").to_owned())
}

#[tokio::test]
async fn tags_are_listed_in_order_and_in_parts() {
    let hub = Hub::start().await;
    hub.push_blob(REPO, b"only a blob").await;
    assert_eq!(tags(&hub, "").await, (vec![], String::new()));
    for tag in ["b", "latest", "1.0.0", "a", "B"] {
        hub.push_image(REPO, tag, b"wasm").await;
    }
    let all = ["1.0.0", "B", "a", "b", "latest"];
    assert_eq!(
        tags(&hub, "").await,
        (all.map(String::from).to_vec(), String::new())
    );
    assert_eq!(
        hub.get(&format!("/v2/{REPO}/tags/list")).await.json()["name"],
        REPO
    );
    let (some, link) = tags(&hub, "?n=2").await;
    assert_eq!(some, all[..2]);
    assert_eq!(
        link,
        format!("</v2/{REPO}/tags/list?n=2&last=B>; rel=\"next\"")
    );
    let (rest, link) = tags(&hub, "?n=2&last=B").await;
    assert_eq!((rest, link.is_empty()), (all[2..4].map_to(), false));
    let (rest, link) = tags(&hub, "?n=2&last=b").await;
    assert_eq!((rest, link.as_str()), (all[4..].map_to(), ""));
    assert_eq!(tags(&hub, "?n=0").await, (vec![], String::new()));
    assert_eq!(tags(&hub, "?n=99").await.0, all);
    assert_eq!(tags(&hub, "?last=a").await.0, all[3..]);
    // A tag that is gone is a place in the order as well.
    assert_eq!(tags(&hub, "?last=aa").await.0, all[3..]);
    assert_eq!(tags(&hub, "?last=zzz").await.0, Vec::<String>::new());
    for wrong in ["?n=-1", "?n=x", "?n="] {
        hub.get(&format!("/v2/{REPO}/tags/list{wrong}"))
            .await
            .is(400)
            .code();
    }
}

trait MapTo {
    fn map_to(&self) -> Vec<String>;
}

impl MapTo for [&str] {
    fn map_to(&self) -> Vec<String> {
        self.iter().map(ToString::to_string).collect()
    }
}

#[tokio::test]
async fn repositories_are_listed_in_order_and_in_parts() {
    let hub = Hub::start().await;
    assert_eq!(
        names(&hub, "/v2/_catalog", "repositories").await.0,
        Vec::<String>::new()
    );
    for name in ["b", "acme/weather", "acme", "acme/weather/deep"] {
        hub.push_blob(name, b"x").await;
    }
    // A name under which an upload was only begun is none yet.
    hub.begin("never").await;
    let all = ["acme", "acme/weather", "acme/weather/deep", "b"];
    assert_eq!(names(&hub, "/v2/_catalog", "repositories").await.0, all);
    let (some, link) = names(&hub, "/v2/_catalog?n=2", "repositories").await;
    assert_eq!(some, all[..2]);
    assert_eq!(link, "</v2/_catalog?n=2&last=acme%2Fweather>; rel=\"next\"");
    let next = "/v2/_catalog?n=2&last=acme%2Fweather";
    assert_eq!(
        names(&hub, next, "repositories").await,
        (all[2..].map_to(), String::new())
    );
}

async fn referrers(hub: &Hub, subject: &ContentDigest, query: &str) -> Reply {
    let path = format!("/v2/{REPO}/referrers/{subject}{query}");
    let reply = hub.get(&path).await.is(200);
    assert_eq!(reply.header("content-type"), INDEX);
    let body = reply.json();
    assert_eq!(body["schemaVersion"], 2);
    assert_eq!(body["mediaType"], INDEX);
    reply
}

/// An image or index about another manifest.
fn about(mut manifest: Value, subject: &Value, artifact_type: Option<&str>, note: &str) -> Value {
    manifest["subject"] = descriptor(IMAGE, subject.to_string().as_bytes());
    if let Some(artifact_type) = artifact_type {
        manifest["artifactType"] = artifact_type.into();
    }
    manifest["annotations"] = json!({ "note": note });
    manifest
}

#[tokio::test]
async fn referrers_are_listed_as_the_specification_describes_them() {
    let hub = Hub::start().await;
    hub.push_image(REPO, "latest", b"wasm").await;
    let subject = image(b"wasm");
    let digest = sha256(subject.to_string().as_bytes());
    assert_eq!(
        referrers(&hub, &digest, "").await.json()["manifests"],
        json!([])
    );
    let of_config = about(image(b"wasm"), &subject, None, "by its config");
    let typed = about(image(b"wasm"), &subject, Some("application/x"), "typed");
    let list = about(index(&[&subject]), &subject, None, "an index");
    for manifest in [&of_config, &typed, &list] {
        let at = sha256(manifest.to_string().as_bytes()).to_string();
        let reply = hub.put_manifest(REPO, &at, manifest).await.is(201);
        assert_eq!(reply.header("oci-subject"), digest.to_string());
    }
    let reply = referrers(&hub, &digest, "").await;
    assert!(!reply.headers.contains_key("oci-filters-applied"));
    let found = reply.json()["manifests"]
        .as_array()
        .expect("a list")
        .clone();
    assert_eq!(found.len(), 3);
    let by_note = |note: &str| {
        let found = found.iter().find(|d| d["annotations"]["note"] == note);
        found.expect("listed").clone()
    };
    let config = by_note("by its config");
    assert_eq!(
        config["artifactType"],
        "application/vnd.wasm.config.v0+json"
    );
    assert_eq!(config["mediaType"], IMAGE);
    assert_eq!(config["size"], of_config.to_string().len());
    assert_eq!(
        config["digest"],
        sha256(of_config.to_string().as_bytes()).to_string()
    );
    assert_eq!(by_note("typed")["artifactType"], "application/x");
    assert_eq!(by_note("an index").get("artifactType"), None);

    let filtered = referrers(&hub, &digest, "?artifactType=application/x").await;
    assert_eq!(filtered.header("oci-filters-applied"), "artifactType");
    let body = filtered.json();
    assert_eq!(body["manifests"].as_array().map(Vec::len), Some(1));
    assert_eq!(body["manifests"][0]["annotations"]["note"], "typed");

    // Once it is deleted, it is no referrer any more.
    let gone = sha256(typed.to_string().as_bytes());
    let path = format!("/v2/{REPO}/manifests/{gone}");
    hub.call("DELETE", &path, &[], "").await.is(202);
    let left = referrers(&hub, &digest, "").await.json();
    assert_eq!(left["manifests"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn referrers_of_what_is_unknown_are_none_and_of_what_is_no_digest_400() {
    let hub = Hub::start().await;
    let unknown = sha256(b"unknown");
    assert_eq!(
        referrers(&hub, &unknown, "").await.json()["manifests"],
        json!([])
    );
    let path = format!("/v2/{REPO}/referrers/sha256:xyz");
    assert_eq!(hub.get(&path).await.is(400).code(), "DIGEST_INVALID");
}

#[tokio::test]
async fn referrers_that_one_answer_has_no_room_for_are_linked() {
    let hub = Hub::start().await;
    hub.push_image(REPO, "latest", b"wasm").await;
    let subject = image(b"wasm");
    let digest = sha256(subject.to_string().as_bytes());
    let mut wanted = Vec::new();
    for i in 0..5 {
        let note = format!("{i}{}", "x".repeat(1 << 20));
        let manifest = about(image(b"wasm"), &subject, Some("application/x"), &note);
        let at = sha256(manifest.to_string().as_bytes()).to_string();
        hub.put_manifest(REPO, &at, &manifest).await.is(201);
        wanted.push(at);
    }
    wanted.sort();
    let mut found = Vec::new();
    let mut path = format!("/v2/{REPO}/referrers/{digest}?artifactType=application%2Fx");
    for _ in 0..5 {
        let reply = hub.get(&path).await.is(200);
        assert_eq!(reply.header("oci-filters-applied"), "artifactType");
        let body = reply.json();
        let page = body["manifests"].as_array().expect("a list");
        found.extend(
            page.iter()
                .map(|d| d["digest"].as_str().expect("a digest").to_owned()),
        );
        let link = reply.header("link");
        let Some(next) = link.strip_prefix('<').and_then(|l| l.split_once('>')) else {
            break;
        };
        assert_eq!(next.1, "; rel=\"next\"");
        path = next.0.to_owned();
    }
    assert_eq!(found, wanted);
}

#[tokio::test]
async fn the_base_says_that_this_is_a_registry() {
    let hub = Hub::start().await;
    for path in ["/v2/", "/v2"] {
        let reply = hub.get(path).await.is(200);
        assert_eq!(
            reply.header("docker-distribution-api-version"),
            "registry/2.0"
        );
    }
    assert_eq!(hub.get("/v2/acme").await.is(404).code(), "UNSUPPORTED");
    let wrong = hub
        .call("POST", &format!("/v2/{REPO}/tags/list"), &[], "")
        .await
        .is(405);
    assert_eq!(wrong.header("allow"), "GET, HEAD");
    assert_eq!(wrong.code(), "UNSUPPORTED");
}

#[tokio::test]
async fn wkg_is_told_that_packages_are_here() {
    let mut hub = Hub::start().await;
    hub.token.clear();
    let reply = hub.get("/.well-known/wasm-pkg/registry.json").await.is(200);
    assert_eq!(reply.header("content-type"), "application/json");
    let address = hub.address.to_string();
    let expected = json!({ "preferredProtocol": "oci", "oci": { "registry": address } });
    assert_eq!(reply.json(), expected);
}
