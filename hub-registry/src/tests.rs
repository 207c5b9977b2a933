//! Which bytes are a component of ours, and which actions a node then has.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use nebula_flow::component::Origin;
use nebula_flow::event::{Failure, FailureKind};
use nebula_flow::id::TenantId;
use nebula_flow::ports::{
    Call, Components, Expect, Kind, Prepared, Record, RecordError, Records, Report, ResolveError,
    Runner,
};
use nebula_flow::{ActionId, ActionMetadata, Component, Digest, Effect, Verified};
use proptest::prelude::*;
use semver::VersionReq;

use crate::error::Fault;
use crate::structure::{self, MAX_COMPONENT};
use crate::{Catalog, HubError, embedded, local, stored};

/// A component with our export and these further lines.
pub(crate) fn component(lines: &str) -> Vec<u8> {
    let text = format!(
        r#"(component {lines} (instance $a) (export "nebula:action/actions@0.1.0" (instance $a)))"#
    );
    wat::parse_str(text).unwrap()
}

fn importing(name: &str) -> Vec<u8> {
    component(&format!(r#"(import "{name}" (instance))"#))
}

// -------------------------------------------------------------- structure --

/// Only whether it is a component of ours.
fn check(bytes: &[u8]) -> Result<(), Fault> {
    structure::check(bytes).map(drop)
}

#[test]
fn a_component_says_what_it_is_built_for_and_what_it_imports() {
    let shape = structure::check(&importing("wasi:http/types@0.2.6")).unwrap();
    assert_eq!(shape.world, "nebula:action/action@0.1.0");
    assert_eq!(shape.imports, ["wasi:http/types@0.2.6"]);
    assert_eq!(shape.exports, ["nebula:action/actions@0.1.0"]);
}

#[test]
fn a_component_may_import_the_interfaces_of_our_world() {
    for name in [
        "nebula:action/types@0.1.0",
        "nebula:action/context@0.1.3",
        "nebula:action/log@0.1.0",
        "nebula:action/credentials@0.1.0",
        "wasi:io/poll@0.2.6",
        "wasi:io/error@0.2.0",
        "wasi:io/streams@0.2.12",
        "wasi:clocks/monotonic-clock@0.2.6",
        "wasi:clocks/wall-clock@0.2.6",
        "wasi:random/random@0.2.6",
        "wasi:random/insecure@0.2.6",
        "wasi:random/insecure-seed@0.2.6",
        "wasi:cli/environment@0.2.6",
        "wasi:cli/exit@0.2.6",
        "wasi:cli/stdin@0.2.6",
        "wasi:cli/terminal-stderr@0.2.6",
        "wasi:http/types@0.2.6",
        "wasi:http/outgoing-handler@0.2.6",
    ] {
        assert_eq!(check(&importing(name)), Ok(()), "{name}");
    }
}

#[test]
fn more_parts_than_an_honest_compiler_makes_are_refused_and_named() {
    let module = |fields: &str| component(&format!("(core module {fields})"));
    let nested = |depth| {
        component(&format!(
            "{}{}",
            "(component ".repeat(depth),
            ")".repeat(depth)
        ))
    };
    let cases = [
        (module(&"(type (func))".repeat(50_001)), "types"),
        (
            module(&"(global i32 (i32.const 0))".repeat(50_001)),
            "globals, memories and tables",
        ),
        (
            module(&"(data \"\")".repeat(50_001)),
            "segments of data and elements",
        ),
        (
            component(&"(core module)".repeat(100)),
            "modules and components",
        ),
        (
            component(&format!(
                "(core module $m) {}",
                "(core instance (instantiate $m))".repeat(1_001)
            )),
            "instances",
        ),
        (nested(8), "components within each other"),
        (
            module(&format!("(func {})", "nop ".repeat(2 << 20))),
            "bytes in one function",
        ),
    ];
    for (bytes, part) in cases {
        match check(&bytes) {
            Err(Fault::TooMany { what, found, limit }) => {
                assert_eq!(what, part);
                assert!(found > limit);
            }
            other => panic!("{part}: {other:?}"),
        }
    }
    assert_eq!(check(&nested(7)), Ok(()));
    assert_eq!(check(&module(&"(func)".repeat(5_000))), Ok(()));
}

#[test]
fn any_other_import_is_refused_by_its_name() {
    for name in [
        "wasi:filesystem/types@0.2.6",
        "wasi:filesystem/preopens@0.2.6",
        "wasi:sockets/tcp@0.2.6",
        "wasi:sockets/ip-name-lookup@0.2.6",
        "wasi:http/incoming-handler@0.2.6",
        "wasi:cli/run@0.2.6",
        "wasi:io/streams@0.3.0",
        "wasi:io/streams@0.2.0-rc-2023-11-10",
        "wasi:io/streams@1.2.0",
        "wasi:io/streams",
        "wasi:keyvalue/store@0.2.0",
        "nebula:action/actions@0.1.0",
        "nebula:action/log@0.2.0",
        "nebula:action/resources@0.2.0",
        "evil:action/log@0.1.0",
        "log",
    ] {
        assert_eq!(
            check(&importing(name)),
            Err(Fault::Import {
                import: name.to_owned()
            })
        );
    }
    let functions =
        component(r#"(import "wasi:random/random@0.2.6" (instance)) (import "exec" (func))"#);
    assert_eq!(
        check(&functions),
        Err(Fault::Import {
            import: "exec".to_owned()
        })
    );
}

#[test]
fn an_import_deep_inside_a_component_is_not_the_components_own() {
    let nested = component(r#"(component (import "wasi:filesystem/types@0.2.6" (instance)))"#);
    assert_eq!(
        check(&nested),
        Ok(()),
        "nobody instantiates it with more than we give"
    );
}

#[test]
fn a_component_without_our_export_is_refused() {
    let of = |text: &str| check(&wat::parse_str(text).unwrap());
    let export =
        |name: &str| format!(r#"(component (instance $a) (export "{name}" (instance $a)))"#);
    assert_eq!(of("(component)"), Err(Fault::NoActions { found: None }));
    assert_eq!(
        of(&export("wasi:cli/run@0.2.6")),
        Err(Fault::NoActions { found: None })
    );
    for name in [
        "nebula:action/actions@0.2.0",
        "nebula:action/actions@1.0.0",
        "nebula:action/actions",
    ] {
        assert_eq!(
            of(&export(name)),
            Err(Fault::NoActions {
                found: Some(name.to_owned())
            })
        );
    }
}

#[test]
fn what_is_no_component_is_refused_for_what_it_is() {
    let module = wat::parse_str("(module)").unwrap();
    for (bytes, what) in [
        (&b""[..], "an empty file"),
        (b"\x7fELF\x02\x01\x01", "native or precompiled code"),
        (b"\0asm", "WebAssembly of an unknown kind"),
        (b"\0asm\x01\0\x02\0", "WebAssembly of an unknown kind"),
        (&module, "a core WebAssembly module"),
        (b"#!/bin/sh\n", "something else"),
    ] {
        let fault = check(bytes).unwrap_err();
        assert!(matches!(fault, Fault::NotAComponent(_)), "{fault}");
        assert!(fault.to_string().contains(what), "{fault}");
    }
}

#[test]
fn a_component_that_is_cut_off_anywhere_is_refused() {
    // Without names: a section of names may be missing without harm.
    let text = r#"(component (import "wasi:io/poll@0.2.6" (instance)) (instance)
        (export "nebula:action/actions@0.1.0" (instance 1)))"#;
    let whole = wat::parse_str(text).unwrap();
    assert_eq!(check(&whole), Ok(()));
    for length in 0..whole.len() {
        assert!(
            check(&whole[..length]).is_err(),
            "at {length} of {}",
            whole.len()
        );
    }
    let mut longer = whole;
    longer.push(0);
    assert!(matches!(check(&longer), Err(Fault::Malformed { .. })));
}

#[test]
fn a_component_over_the_cap_is_refused_unread() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.wasm");
    std::fs::File::create(&path)
        .unwrap()
        .set_len(MAX_COMPONENT + 1)
        .unwrap();
    let error = local(&path).unwrap_err();
    assert!(
        matches!(
            error,
            HubError::Structure {
                fault: Fault::TooLarge { .. },
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("67108864"), "{error}");
}

proptest! {
    #[test]
    fn no_bytes_make_the_checker_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = check(&bytes);
        let header = *b"\0asm\x0d\0\x01\0";
        let _ = check(&[&header[..], &bytes].concat());
    }

    #[test]
    fn no_change_to_a_component_makes_the_checker_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let mut bytes = component(
            r#"(import "nebula:action/log@0.1.0" (instance (export "write" (func (param "message" string)))))
               (core module (memory 1) (func (export "f") (param i32) (result i32) local.get 0))
               (type (record (field "id" string))) (component (core module))"#,
        );
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = check(&bytes);
    }
}

// ---------------------------------------------------------------- sources --

#[test]
fn each_source_leaves_its_origin_on_what_it_vouches_for() {
    let bytes = component("");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wasm");
    std::fs::write(&path, &bytes).unwrap();
    let digest = Digest::of(&bytes);

    let from_file = local(&path).unwrap();
    assert_eq!(
        (from_file.origin(), from_file.digest()),
        (&Origin::Local, digest)
    );
    assert_eq!(
        embedded(bytes.clone().leak()).unwrap().origin(),
        &Origin::Embedded
    );
    assert_eq!(
        stored(bytes.clone(), digest, Origin::Statement)
            .unwrap()
            .origin(),
        &Origin::Statement
    );

    let other = Digest::of(b"other");
    assert!(
        matches!(stored(bytes, other, Origin::Local), Err(HubError::Digest { actual, .. }) if actual == digest)
    );
    assert!(
        stored(&b"x"[..], Digest::of(b"x"), Origin::Local).is_err(),
        "the digest alone is not enough"
    );
    let error = local(folder.path().join("missing.wasm"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("missing.wasm"), "{error}");
    assert!(local(folder.path()).is_err(), "a folder");
}

// ---------------------------------------------------------------- catalog --

/// Describes each component as it was told to. A component that compiles to
/// nothing can describe nothing itself.
#[derive(Default)]
struct Describer(HashMap<Digest, Vec<ActionMetadata>>);

#[async_trait]
impl Runner for Describer {
    async fn prepare(&self, component: &Verified<Component>) -> Result<Prepared, Failure> {
        let actions = self.0.get(&component.digest()).cloned();
        let actions =
            actions.ok_or_else(|| Failure::new(FailureKind::Permanent, "it does not compile"))?;
        Ok(Prepared {
            actions,
            effect: Effect::Pure,
            imports: vec![],
        })
    }

    async fn run(&self, _: Call) -> Report {
        unreachable!("a catalog runs nothing")
    }
}

/// Records that hold blobs, and possibly not those that were put there.
#[derive(Default)]
struct Blobs(Mutex<HashMap<Digest, Bytes>>);

#[async_trait]
impl Records for Blobs {
    async fn get(&self, _: Kind, _: &TenantId, _: &str) -> Result<Option<Record>, RecordError> {
        Ok(None)
    }

    async fn put(
        &self,
        _: Kind,
        _: &TenantId,
        _: &str,
        _: Bytes,
        _: Expect,
    ) -> Result<u64, RecordError> {
        Ok(1)
    }

    async fn remove(&self, _: Kind, _: &TenantId, _: &str) -> Result<bool, RecordError> {
        Ok(false)
    }

    async fn list(
        &self,
        _: Kind,
        _: &TenantId,
        _: &str,
        _: Option<&str>,
        _: usize,
    ) -> Result<Vec<(String, Record)>, RecordError> {
        Ok(vec![])
    }

    async fn put_blob(&self, bytes: Bytes) -> Result<Digest, RecordError> {
        let digest = Digest::of(&bytes);
        self.0.lock().unwrap().insert(digest, bytes);
        Ok(digest)
    }

    async fn pin_blob(&self, digest: Digest) -> Result<bool, RecordError> {
        Ok(self.0.lock().unwrap().contains_key(&digest))
    }

    async fn blob(&self, digest: Digest) -> Result<Option<Bytes>, RecordError> {
        Ok(self.0.lock().unwrap().get(&digest).cloned())
    }
}

#[derive(Default)]
struct Node {
    folder: Option<tempfile::TempDir>,
    describer: Describer,
    records: Arc<Blobs>,
    packs: Vec<(&'static str, &'static [u8])>,
    files: Vec<PathBuf>,
}

impl Node {
    /// A component that nobody else has, with these actions.
    fn component(&mut self, name: &str, actions: &[&str]) -> Vec<u8> {
        let bytes = component(&format!(
            r#"(core module ${name} (@custom "name-{name}" "x"))"#
        ));
        let metadata = actions.iter().map(|id| ActionMetadata {
            id: id.parse().unwrap(),
            name: (*id).to_owned(),
            version: semver::Version::new(1, 2, 3),
            description: String::new(),
            category: String::new(),
            input_schema: true.into(),
            output_schema: true.into(),
            credentials: vec![],
            hosts: vec![],
        });
        self.describer
            .0
            .insert(Digest::of(&bytes), metadata.collect());
        bytes
    }

    fn pack(mut self, name: &'static str, actions: &[&str]) -> Self {
        let bytes = self.component(name, actions);
        self.packs.push((name, bytes.leak()));
        self
    }

    fn file(mut self, name: &str, actions: &[&str]) -> Self {
        let bytes = self.component(name, actions);
        let folder = self
            .folder
            .get_or_insert_with(|| tempfile::tempdir().unwrap());
        let path = folder.path().join(format!("{name}.wasm"));
        std::fs::write(&path, bytes).unwrap();
        self.files.push(path);
        self
    }

    async fn build(self) -> Result<Catalog, HubError> {
        Catalog::build(
            Arc::new(self.describer),
            self.records,
            &self.packs,
            &self.files,
        )
        .await
    }
}

fn action(id: &str) -> ActionId {
    id.parse().unwrap()
}

fn tenant() -> TenantId {
    TenantId::default_tenant()
}

#[tokio::test]
async fn an_action_resolves_to_its_component_within_the_range() {
    let node = Node::default()
        .pack("weather", &["weather.fetch"])
        .file("acme", &["acme.one", "acme.two"]);
    let catalog = node.build().await.unwrap();
    let any = VersionReq::STAR;
    let fetch = catalog
        .resolve(&tenant(), &action("weather.fetch"), &any)
        .await
        .unwrap();
    let one = catalog
        .resolve(
            &tenant(),
            &action("acme.one"),
            &VersionReq::parse("^1.2").unwrap(),
        )
        .await
        .unwrap();
    assert_eq!(
        (fetch.origin, one.origin),
        (Origin::Embedded, Origin::Local)
    );
    let component = catalog.component(&tenant(), one.digest).await.unwrap();
    assert_eq!(
        (component.digest(), component.origin()),
        (one.digest, &Origin::Local)
    );
    let ids: Vec<_> = catalog
        .actions(&tenant())
        .await
        .unwrap()
        .into_keys()
        .collect();
    assert_eq!(ids, ["acme.one", "acme.two", "weather.fetch"].map(action));

    let range = VersionReq::parse("^2").unwrap();
    let error = catalog
        .resolve(&tenant(), &action("acme.one"), &range)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "action `acme.one` is installed in version 1.2.3, and ^2 was asked for"
    );
}

#[tokio::test]
async fn components_of_whoever_built_them_all_may_have_any_names() {
    let mut node = Node::default();
    let bytes = node.component("own", &["transform.jq"]);
    let own = || crate::built("own.wasm", bytes.clone()).unwrap();
    let named = [("own.wasm".to_owned(), own())];
    let records: Arc<Blobs> = Arc::default();
    let catalog = Catalog::of(&node.describer, records.clone(), named);
    let catalog = catalog.await.unwrap();
    let resolved = catalog
        .resolve(&tenant(), &action("transform.jq"), &VersionReq::STAR)
        .await
        .unwrap();
    assert_eq!(resolved.digest, own().digest());

    let twice = [
        ("own.wasm".to_owned(), own()),
        ("other.wasm".to_owned(), own()),
    ];
    let error = Catalog::of(&node.describer, records, twice)
        .await
        .unwrap_err();
    assert!(matches!(error, HubError::Duplicate { .. }), "{error}");
    let error = crate::built("own.wasm", &b"no component"[..]).unwrap_err();
    assert!(error.to_string().starts_with("own.wasm "), "{error}");
}

#[tokio::test]
async fn a_slip_of_the_pen_gets_a_suggestion_and_another_word_does_not() {
    let catalog = Node::default()
        .pack("weather", &["weather.fetch", "http.request"])
        .build()
        .await
        .unwrap();
    for (asked, expected) in [
        ("weather.fetsh", Some("weather.fetch")),
        ("waether.fetch", Some("weather.fetch")),
        ("http.requests", Some("http.request")),
        ("database.query", None),
    ] {
        let error = catalog
            .resolve(&tenant(), &action(asked), &VersionReq::STAR)
            .await
            .unwrap_err();
        let ResolveError::UnknownAction { similar, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(similar, expected.map(action), "{asked}");
    }
    let empty = Node::default().build().await.unwrap();
    let error = empty
        .resolve(&tenant(), &action("a.b"), &VersionReq::STAR)
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        ResolveError::UnknownAction { similar: None, .. }
    ));
}

#[tokio::test]
async fn two_components_with_one_action_are_refused_with_both_names() {
    let node = Node::default()
        .file("one", &["acme.run"])
        .file("two", &["acme.run"]);
    let error = node.build().await.unwrap_err().to_string();
    assert!(
        error.contains("one.wasm") && error.contains("two.wasm") && error.contains("`acme.run`"),
        "{error}"
    );
    assert!(matches!(
        Node::default()
            .file("twice", &["acme.run", "acme.run"])
            .build()
            .await,
        Err(HubError::Duplicate { .. })
    ));
    let mut node = Node::default().file("one", &["acme.run"]);
    node.files.push(node.files[0].clone());
    assert!(
        node.build().await.is_ok(),
        "the same file twice is one component"
    );
}

#[tokio::test]
async fn a_file_may_not_claim_a_name_that_nebula_ships() {
    for id in [
        "weather.fetch",
        "http.anything",
        "nebula.core",
        "database.query",
        "crypto.hash",
    ] {
        let error = Node::default()
            .file("mine", &["acme.ok", id])
            .build()
            .await
            .unwrap_err();
        assert!(matches!(error, HubError::Reserved { .. }), "{error}");
        assert!(error.to_string().contains(id), "{error}");
    }
    assert!(
        Node::default()
            .file("mine", &["weatherman.fetch"])
            .build()
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_component_that_does_not_prepare_or_has_no_action_is_refused_by_its_name() {
    let error = Node::default()
        .file("empty", &[])
        .build()
        .await
        .unwrap_err();
    assert!(
        matches!(error, HubError::NoActions { .. }) && error.to_string().contains("empty.wasm"),
        "{error}"
    );
    let mut node = Node::default()
        .pack("fine", &["http.request"])
        .file("broken", &["acme.run"]);
    let broken = std::fs::read(&node.files[0]).unwrap();
    node.describer.0.remove(&Digest::of(&broken));
    let error = node.build().await.unwrap_err().to_string();
    assert!(
        error.contains("broken.wasm") && error.contains("it does not compile"),
        "{error}"
    );
}

#[tokio::test]
async fn what_a_deployed_version_pinned_comes_from_the_store_if_its_bytes_are_right() {
    let records = Arc::new(Blobs::default());
    let node = Node {
        records: records.clone(),
        ..Node::default()
    };
    let catalog = node.build().await.unwrap();
    let bytes = component("(core module)");
    let digest = Digest::of(&bytes);

    let missing = catalog.component(&tenant(), digest).await.unwrap_err();
    assert!(matches!(missing, ResolveError::UnknownComponent(asked) if asked == digest));
    records.put_blob(bytes.into()).await.unwrap();
    for _ in 0..2 {
        assert_eq!(
            catalog.component(&tenant(), digest).await.unwrap().digest(),
            digest
        );
        records.0.lock().unwrap().remove(&digest);
    }

    let damaged = Digest::of(b"as it was");
    records
        .0
        .lock()
        .unwrap()
        .insert(damaged, component("").into());
    let error = catalog.component(&tenant(), damaged).await.unwrap_err();
    assert!(error.to_string().contains("restore"), "{error}");
    let no_component = records.put_blob(Bytes::from_static(b"{}")).await.unwrap();
    assert!(catalog.component(&tenant(), no_component).await.is_err());
}
