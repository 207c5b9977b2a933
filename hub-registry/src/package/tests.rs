//! Folders as authors have them, and documents as anybody may write them.

use std::path::Path;

use nebula_flow::Digest;
use semver::Version;

use super::*;

const FOLDER: &str = r#"
[package]
name = "acme/weather"
version = "1.2.0"
description = "Weather."
license = "Apache-2.0"
authors = ["A <a@example.org>"]
readme = "README.md"
icon = "icon.svg"

[[component]]
name = "weather"
path = "weather.wasm"

[[template]]
name = "alert"
path = "alert.yaml"
holes.city = { type = "string", description = "Where" }
holes.limit = { type = "integer", default = 30 }

[dependencies]
"acme/tools" = "^1.1"
"#;

fn folder(toml: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("nebula.toml", toml);
    write("README.md", "# Weather");
    write("icon.svg", "<svg/>");
    write("alert.yaml", "kind: Workflow");
    folder
}

fn document() -> PackageDocument {
    let folder = folder(FOLDER);
    let manifest = PackageManifest::read(folder.path()).unwrap();
    let name = manifest.name.parse().unwrap();
    let mut document = manifest
        .document(name, manifest.version.clone().unwrap())
        .unwrap();
    document.components.push(ComponentEntry {
        name: "weather".into(),
        digest: Digest::of(b"weather"),
        size: 7,
    });
    document
}

#[test]
fn a_folder_gives_a_document_that_reads_as_it_was_written() {
    let document = document();
    assert_eq!(document.readme, "# Weather");
    assert!(document.icon.starts_with("data:image/svg+xml;base64,"));
    assert_eq!(
        document.templates[0].holes["limit"].default,
        Some(30.into())
    );
    let tools = "acme/tools".parse().unwrap();
    assert_eq!(document.dependencies[&tools].to_string(), "^1.1");
    let bytes = document.write().unwrap();
    assert_eq!(PackageDocument::read(&bytes).unwrap(), document);
    assert_eq!(
        super::tests::document().write().unwrap(),
        bytes,
        "reproducible"
    );
}

#[test]
fn a_folder_that_is_no_package_says_where_it_is_wrong() {
    for (from, to, said) in [
        ("name = \"acme/weather\"\n", "", "missing field `name`"),
        ("1.2.0", "1.2", "not a semantic version"),
        ("1.2.0", "1.2.0+x", "build metadata"),
        ("license", "licence", "unknown field `licence`"),
        ("weather.wasm", "../weather.wasm", "outside of its folder"),
        ("weather.wasm", "/etc/passwd", "outside of its folder"),
        ("^1.1", "one", "major version number"),
        ("acme/tools", "tools", "namespace/name"),
        ("integer", "int", "unknown variant `int`"),
        ("[package]", "[package", "nebula.toml"),
    ] {
        let folder = folder(&FOLDER.replacen(from, to, 1));
        let error = PackageManifest::read(folder.path())
            .unwrap_err()
            .to_string();
        assert!(error.contains(said), "{to}: {error}");
    }
    let error = PackageManifest::read(Path::new("/nowhere")).unwrap_err();
    assert!(
        error.to_string().contains("/nowhere/nebula.toml"),
        "{error}"
    );
}

#[test]
fn files_of_a_package_are_within_its_folder_and_of_a_bounded_size() {
    for (from, to, said) in [
        ("README.md", "../README.md", "outside"),
        ("alert.yaml", "missing.yaml", "missing.yaml"),
        ("icon.svg", "README.md", "neither .svg nor .png"),
    ] {
        let folder = folder(&FOLDER.replacen(from, to, 1));
        let manifest = PackageManifest::read(folder.path()).unwrap();
        let name = "acme/weather".parse().unwrap();
        let error = manifest.document(name, Version::new(1, 0, 0)).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
    let folder = folder(FOLDER);
    std::fs::write(folder.path().join("README.md"), "x".repeat(257 << 10)).unwrap();
    let manifest = PackageManifest::read(folder.path()).unwrap();
    let name = "acme/weather".parse().unwrap();
    let error = manifest.document(name, Version::new(1, 0, 0)).unwrap_err();
    assert!(error.to_string().contains("more than"), "{error}");
}

#[test]
fn a_document_with_a_key_twice_more_or_less_is_refused() {
    let text = String::from_utf8(document().write().unwrap()).unwrap();
    for (from, to) in [
        ("\"kind\":", "\"kind\":\"Package\",\"kind\":"),
        ("\"kind\":", "\"extra\":1,\"kind\":"),
        ("nebula/v1", "nebula/v2"),
        ("\"Package\"", "\"Workflow\""),
        ("1.2.0", "1.2.0+1"),
        ("acme/weather", "acme/Weather"),
        ("\"acme/tools\"", "\"acme/weather\""),
        ("\"name\":\"weather\"", "\"name\":\"../x\""),
        ("\"name\":\"alert\"", "\"name\":\"weather\""),
        ("sha256:", "sha512:"),
        ("\"size\":7", "\"size\":-7"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        assert!(PackageDocument::read(changed.as_bytes()).is_err(), "{to}");
    }
    let none = PackageDocument::new("a/b".parse().unwrap(), Version::new(1, 0, 0), vec![]);
    assert!(none.write().is_err(), "nothing in it");
    assert!(PackageDocument::read(&vec![b' '; document::MAX_DOCUMENT + 1]).is_err());
}

#[test]
fn a_version_may_begin_with_a_v_and_has_no_build_metadata() {
    assert_eq!(read_version("v1.0.0").unwrap(), Version::new(1, 0, 0));
    assert_eq!(
        read_version("1.0.0-rc.1").unwrap().to_string(),
        "1.0.0-rc.1"
    );
    for bad in ["", "v", "1", "vv1.0.0", "1.0.0+b", "latest"] {
        assert!(read_version(bad).is_err(), "{bad}");
    }
}
