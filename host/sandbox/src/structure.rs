//! What is refused before anything is compiled: what is no component, what is
//! too large, what imports or lacks an interface. The imports also tell the
//! effect.

use nebula_flow::Effect;
use nebula_flow::event::{Failure, FailureKind};
use wasmparser::{ComponentExternalKind, ComponentTypeRef, Encoding, Parser, Payload};
use wasmtime::Engine;

use crate::limits::{self, COMPONENT_BYTES};
use crate::lines::cut;

/// Interfaces that a component may import, and the version track of each.
/// Nebula's own, outgoing HTTP, and what a Rust standard library imports.
const IMPORTS: [(&str, &str); 27] = [
    ("nebula:action/types", "0.1."),
    ("nebula:action/context", "0.1."),
    ("nebula:action/log", "0.1."),
    ("nebula:action/credentials", "0.1."),
    ("nebula:action/blobs", "0.1."),
    ("nebula:action/state", "0.1."),
    ("nebula:action/resources", "0.1."),
    ("wasi:http/types", "0.2."),
    ("wasi:http/outgoing-handler", "0.2."),
    ("wasi:io/error", "0.2."),
    ("wasi:io/poll", "0.2."),
    ("wasi:io/streams", "0.2."),
    ("wasi:clocks/monotonic-clock", "0.2."),
    ("wasi:clocks/wall-clock", "0.2."),
    ("wasi:random/random", "0.2."),
    ("wasi:random/insecure", "0.2."),
    ("wasi:random/insecure-seed", "0.2."),
    ("wasi:cli/environment", "0.2."),
    ("wasi:cli/exit", "0.2."),
    ("wasi:cli/stdin", "0.2."),
    ("wasi:cli/stdout", "0.2."),
    ("wasi:cli/stderr", "0.2."),
    ("wasi:cli/terminal-input", "0.2."),
    ("wasi:cli/terminal-output", "0.2."),
    ("wasi:cli/terminal-stdin", "0.2."),
    ("wasi:cli/terminal-stdout", "0.2."),
    ("wasi:cli/terminal-stderr", "0.2."),
];

/// What a component must export.
const EXPORT: (&str, &str) = ("nebula:action/actions", "0.1.");

/// What the outside of a component shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Structure {
    pub(crate) imports: Vec<String>,
    pub(crate) effect: Effect,
}

/// Reads the outside of a component and refuses what may not run.
pub(crate) fn check(bytes: &[u8]) -> Result<Structure, Failure> {
    check_kind(bytes)?;
    let mut imports = Vec::new();
    let mut exports = false;
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|e| refused(format!("the component is damaged: {}", e.message())))? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.map_err(|e| {
                        refused(format!("the component is damaged: {}", e.message()))
                    })?;
                    imports.push(allowed(import.name.name, &import.ty)?);
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.map_err(|e| {
                        refused(format!("the component is damaged: {}", e.message()))
                    })?;
                    exports |= export.kind == ComponentExternalKind::Instance
                        && is(export.name.name, EXPORT);
                }
            }
            _ => {}
        }
    }
    if !exports {
        return Err(refused(format!(
            "the component does not export `{}@{}x`: it is no action",
            EXPORT.0, EXPORT.1
        )));
    }
    let effect = if imports.iter().any(|i| is_effect(i)) {
        Effect::Effectful
    } else {
        Effect::Pure
    };
    Ok(Structure { imports, effect })
}

fn check_kind(bytes: &[u8]) -> Result<(), Failure> {
    if bytes.len() > COMPONENT_BYTES {
        let (has, may) = (
            limits::digits(bytes.len() as u64),
            limits::bytes(COMPONENT_BYTES as u64),
        );
        return Err(refused(format!(
            "the component has {has} bytes; at most {may} are allowed"
        )));
    }
    if Engine::detect_precompiled(bytes).is_some() {
        return Err(refused(
            "this is compiled machine code, which is never accepted: give the .wasm component",
        ));
    }
    match Parser::new(0).parse(bytes, true) {
        Ok(wasmparser::Chunk::Parsed {
            payload:
                Payload::Version {
                    encoding: Encoding::Component,
                    ..
                },
            ..
        }) => Ok(()),
        Ok(wasmparser::Chunk::Parsed {
            payload:
                Payload::Version {
                    encoding: Encoding::Module,
                    ..
                },
            ..
        }) => Err(refused(
            "this is a core module and no component: build it for the target wasm32-wasip2",
        )),
        _ => Err(refused("this is not a WebAssembly component")),
    }
}

fn allowed(name: &str, ty: &ComponentTypeRef) -> Result<String, Failure> {
    let known = matches!(ty, ComponentTypeRef::Instance(_)) && IMPORTS.iter().any(|i| is(name, *i));
    if known {
        Ok(name.to_owned())
    } else {
        let name = cut(name, 200);
        Err(refused(format!(
            "the component imports `{name}`, which no action may have"
        )))
    }
}

/// Whether `name` is the interface in a version of its track.
fn is(name: &str, (interface, track): (&str, &str)) -> bool {
    name.strip_prefix(interface)
        .and_then(|rest| rest.strip_prefix('@'))
        .and_then(|version| version.strip_prefix(track))
        .is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether an interface that a component imports, such as `wasi:http/types@0.2.6`,
/// makes it effectful.
#[must_use]
pub fn is_effect(import: &str) -> bool {
    let effects = ["credentials", "blobs", "state", "resources"];
    let effects = effects.map(|name| format!("nebula:action/{name}@"));
    import.starts_with("wasi:http/") || effects.iter().any(|effect| import.starts_with(effect))
}

/// A component that cannot be loaded, for this reason.
pub(crate) fn refused(reason: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Component, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(wat: &str) -> Vec<u8> {
        wat::parse_str(wat).expect("the text is a component")
    }

    fn reason(bytes: &[u8]) -> String {
        let failure = check(bytes).expect_err("refused");
        assert_eq!(failure.kind, FailureKind::Component);
        failure.message
    }

    #[test]
    fn what_is_no_component_is_refused_with_the_reason() {
        assert!(reason(b"").contains("not a WebAssembly component"));
        assert!(reason(b"#!/bin/sh").contains("not a WebAssembly component"));
        assert!(reason(&component("(module)")).contains("core module"));
        assert!(
            reason(&component("(component)")).contains("does not export `nebula:action/actions")
        );
        assert!(reason(&vec![0; COMPONENT_BYTES + 1]).contains("at most 64 MiB"));
        let (engine, _) =
            crate::profile::engine(crate::Allocation::OnDemand, 1, None).expect("an engine");
        let compiled = engine
            .precompile_component(&component("(component)"))
            .expect("compiles");
        assert!(reason(&compiled).contains("compiled machine code"));
    }

    #[test]
    fn a_truncated_component_is_refused() {
        let whole = component("(component (core module (func (export \"f\"))))");
        for end in 0..whole.len() {
            let failure = check(&whole[..end]).expect_err("refused");
            assert_eq!(failure.kind, FailureKind::Component);
        }
    }

    #[test]
    fn an_undeclared_import_is_named() {
        let text = r#"(component (import "wasi:filesystem/preopens@0.2.6" (instance)))"#;
        assert!(reason(&component(text)).contains("`wasi:filesystem/preopens@0.2.6`"));
        let text = r#"(component (import "wasi:cli/exit@0.3.0" (instance)))"#;
        assert!(reason(&component(text)).contains("`wasi:cli/exit@0.3.0`"));
        let text = r#"(component (import "anything" (func)))"#;
        assert!(reason(&component(text)).contains("`anything`"));
    }

    #[test]
    fn the_effect_is_known_from_the_imports() {
        let with = |import: &str| {
            let text = format!(
                r#"(component (import "{import}" (instance)) (instance $i) (export "nebula:action/actions@0.1.0" (instance $i)))"#
            );
            check(&component(&text)).expect("accepted").effect
        };
        assert_eq!(with("wasi:clocks/wall-clock@0.2.6"), Effect::Pure);
        assert_eq!(with("nebula:action/context@0.1.0"), Effect::Pure);
        assert_eq!(with("nebula:action/credentials@0.1.0"), Effect::Effectful);
        assert_eq!(with("nebula:action/blobs@0.1.0"), Effect::Effectful);
        assert_eq!(with("nebula:action/state@0.1.0"), Effect::Effectful);
        assert_eq!(with("nebula:action/resources@0.1.0"), Effect::Effectful);
        assert_eq!(with("wasi:http/types@0.2.6"), Effect::Effectful);
        assert_eq!(with("wasi:http/outgoing-handler@0.2.12"), Effect::Effectful);
    }
}
