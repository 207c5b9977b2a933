//! Artifacts that are built and read again, and those of others.

use bytes::Bytes;
use nebula_flow::Digest;
use semver::Version;
use serde_json::{Value, json};

use super::manifest::{IMAGE_INDEX, IMAGE_MANIFEST};
use super::read::{Top, check_config, component_layers, document_layer, top};
use super::*;
use crate::package::Template;
use crate::tests::component;

fn part(name: &str) -> Part {
    let bytes = component(&format!(
        r#"(core module ${name} (@custom "name-{name}" "x"))"#
    ));
    Part {
        name: name.to_owned(),
        bytes: bytes.into(),
    }
}

fn document() -> PackageDocument {
    let mut document = PackageDocument::new(
        "acme/weather".parse().unwrap(),
        Version::new(1, 0, 0),
        vec![],
    );
    document.license = "MIT".into();
    document
}

fn blob(artifact: &Artifact, digest: Digest) -> Bytes {
    let all = artifact.blobs.iter().chain(&artifact.manifests);
    all.clone()
        .find(|blob| blob.digest() == digest)
        .unwrap()
        .bytes()
        .clone()
}

#[test]
fn one_component_is_a_manifest_of_the_wasm_layout_with_its_document() {
    let artifact = build(document(), &[part("fetch")]).unwrap();
    let manifest: Value = serde_json::from_slice(artifact.top.bytes()).unwrap();
    assert_eq!(artifact.top.media_type(), IMAGE_MANIFEST);
    assert_eq!(manifest["mediaType"], IMAGE_MANIFEST);
    assert_eq!(manifest["config"]["mediaType"], WASM_CONFIG);
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    assert_eq!(manifest["layers"][0]["mediaType"], WASM);
    assert_eq!(
        manifest["annotations"]["org.opencontainers.image.version"],
        "1.0.0"
    );
    let Top::One(document, layer) = top(IMAGE_MANIFEST, artifact.top.bytes()).unwrap() else {
        panic!("a pack");
    };
    assert_eq!(*document, artifact.document);
    let config = blob(&artifact, layer.config.digest);
    check_config(&config, layer.component.digest).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["architecture"], "wasm");
    assert_eq!(config["os"], "wasip2");
    assert_eq!(config["layerDigests"], json!([layer.component.digest]));
    assert_eq!(
        config["component"]["exports"],
        json!(["nebula:action/actions@0.1.0"])
    );
}

#[test]
fn several_components_are_an_index_whose_parts_read_back() {
    let parts = [part("one"), part("two")];
    let artifact = build(document(), &parts).unwrap();
    let Top::Pack {
        document,
        components,
    } = top(IMAGE_INDEX, artifact.top.bytes()).unwrap()
    else {
        panic!("one component");
    };
    let layer = document_layer(&blob(&artifact, document.digest)).unwrap();
    let read = PackageDocument::read(&blob(&artifact, layer.digest)).unwrap();
    assert_eq!(read, artifact.document);
    let manifests: Vec<_> = components
        .iter()
        .map(|c| blob(&artifact, c.digest))
        .collect();
    let layers = component_layers(&read, &manifests).unwrap();
    for (layer, part) in layers.iter().zip(&parts) {
        assert_eq!(blob(&artifact, layer.component.digest), part.bytes);
    }
    let swapped: Vec<_> = manifests.iter().rev().collect();
    assert!(
        component_layers(&read, &swapped).is_err(),
        "in another order"
    );
    assert!(
        component_layers(&read, &manifests[..1]).is_err(),
        "one too few"
    );
}

#[test]
fn templates_make_an_index_of_one_component_or_none() {
    let mut with = document();
    with.templates.push(Template {
        name: "alert".into(),
        description: String::new(),
        holes: Default::default(),
        workflow: "kind: Workflow".into(),
    });
    for parts in [vec![part("one")], vec![]] {
        let artifact = build(with.clone(), &parts).unwrap();
        assert_eq!(artifact.top.media_type(), IMAGE_INDEX);
        assert_eq!(artifact.manifests.len(), parts.len() + 1);
    }
}

#[test]
fn the_same_package_gives_the_same_digest_and_another_one_another() {
    let digest = |parts: &[Part]| build(document(), parts).unwrap().top.digest();
    assert_eq!(digest(&[part("a")]), digest(&[part("a")]));
    assert_eq!(
        digest(&[part("a"), part("b")]),
        digest(&[part("a"), part("b")])
    );
    assert_ne!(digest(&[part("a")]), digest(&[part("b")]));
    let mut other = document();
    other.version = Version::new(1, 0, 1);
    assert_ne!(
        build(other, &[part("a")]).unwrap().top.digest(),
        digest(&[part("a")])
    );
}

#[test]
fn what_is_not_a_package_says_what_it_is() {
    let artifact = build(document(), &[part("fetch")]).unwrap();
    let good: Value = serde_json::from_slice(artifact.top.bytes()).unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut manifest = good.clone();
        change(&mut manifest);
        top(IMAGE_MANIFEST, manifest.to_string().as_bytes())
            .unwrap_err()
            .to_string()
    };
    let layer = good["layers"][0].clone();
    for (error, said) in [
        (
            changed(&|m| {
                m["config"]["mediaType"] = "application/vnd.oci.image.config.v1+json".into()
            }),
            "image.config",
        ),
        (
            changed(&|m| m["layers"] = json!([layer, layer])),
            "2 layers",
        ),
        (changed(&|m| m["layers"] = json!([])), "0 layers"),
        (
            changed(&|m| m["layers"][0]["mediaType"] = "application/octet-stream".into()),
            "application/wasm",
        ),
        (
            changed(&|m| m["layers"][0]["size"] = 1.into()),
            "contradict",
        ),
        (
            changed(&|m| m["layers"][0]["size"] = (MAX_MANIFEST * 100).into()),
            "at most",
        ),
        (
            changed(&|m| m["layers"][0]["digest"] = format!("sha256:{}", "0".repeat(64)).into()),
            "contradict",
        ),
        (
            changed(&|m| m["layers"][0]["digest"] = format!("sha512:{}", "0".repeat(128)).into()),
            "does not read",
        ),
        (
            changed(&|m| m["annotations"] = json!({})),
            "without a package document",
        ),
        (
            changed(&|m| m["annotations"][PACKAGE_ANNOTATION] = "{}".into()),
            "package document",
        ),
    ] {
        assert!(error.contains(said), "{said}: {error}");
    }
    for (media_type, text, said) in [
        (
            IMAGE_INDEX,
            r#"{"schemaVersion":2,"manifests":[]}"#.to_owned(),
            "several platforms",
        ),
        (
            IMAGE_INDEX,
            format!(r#"{{"schemaVersion":2,"artifactType":"{PACKAGE}","manifests":[]}}"#),
            "empty index",
        ),
        ("text/html", "<html>".to_owned(), "text/html"),
        (IMAGE_MANIFEST, "{".to_owned(), "does not read"),
    ] {
        let error = top(media_type, text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
}

#[test]
fn a_component_for_another_machine_is_refused_by_its_name() {
    let digest = Digest::of(b"x");
    let config = |architecture: &str, os: &str| {
        json!({ "created": "", "architecture": architecture, "os": os, "layerDigests": [digest] })
            .to_string()
    };
    for (architecture, os) in [("amd64", "linux"), ("wasm", "wasip1"), ("wasm", "wasip3")] {
        let error = check_config(config(architecture, os).as_bytes(), digest).unwrap_err();
        assert!(
            matches!(error, ArtifactError::Architecture { .. }),
            "{error}"
        );
        assert!(error.to_string().contains(os), "{error}");
    }
    check_config(config("wasm", "wasip2").as_bytes(), digest).unwrap();
    assert!(check_config(config("wasm", "wasip2").as_bytes(), Digest::of(b"y")).is_err());
}
