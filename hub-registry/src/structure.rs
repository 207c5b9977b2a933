//! What a file must be before anything compiles it: of bounded size, a whole
//! component, of parts in bounded numbers, with our export, and with no import
//! but those of our world. Function bodies are left to the compiler, which runs
//! within limits of its own.

use semver::Version;
use wasmparser::{ComponentTypeRef, Encoding, Parser, Payload, ValidPayload, Validator};

use crate::error::Fault;

/// The largest component, bytes.
pub const MAX_COMPONENT: u64 = 64 << 20;

/// The longest function, bytes.
const FUNCTION_BYTES: u64 = 2 << 20;

/// What a component must export.
const ACTIONS: &str = "nebula:action/actions";

/// The world of that export.
const WORLD: &str = "nebula:action/action";

/// What a component may import: package, its version's first two numbers, and
/// interfaces. Whatever is missing here nobody gets.
const IMPORTS: &[(&str, (u64, u64), &[&str])] = &[
    (
        "nebula:action",
        (0, 1),
        &[
            "types",
            "context",
            "log",
            "credentials",
            "blobs",
            "state",
            "resources",
        ],
    ),
    ("wasi:io", (0, 2), &["poll", "error", "streams"]),
    ("wasi:clocks", (0, 2), &["monotonic-clock", "wall-clock"]),
    (
        "wasi:random",
        (0, 2),
        &["random", "insecure", "insecure-seed"],
    ),
    (
        "wasi:cli",
        (0, 2),
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("wasi:http", (0, 2), &["types", "outgoing-handler"]),
];

/// What a component is built for, and what it may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The contract, e.g. `nebula:action/action@0.1.0`.
    pub world: String,
    /// The interfaces that it imports, as they stand in it.
    pub imports: Vec<String>,
    /// The interfaces that it exports, as they stand in it.
    pub exports: Vec<String>,
}

/// Checks the structure of a component, and says what it is built for.
///
/// # Errors
/// When it is too large, not a whole component, or not one of ours.
pub fn check(bytes: &[u8]) -> Result<Shape, Fault> {
    let size = bytes.len() as u64;
    if size > MAX_COMPONENT {
        return Err(Fault::TooLarge {
            size,
            limit: MAX_COMPONENT,
        });
    }
    recognise(bytes)?;
    let interfaces = read(bytes)?;
    if let Some(import) = interfaces.imports.iter().find(|import| !import.allowed()) {
        return Err(Fault::Import {
            import: import.name.clone(),
        });
    }
    let ours = |export: &&Interface| export.name.split('@').next() == Some(ACTIONS);
    match interfaces.exports.iter().find(ours) {
        Some(export) if export.is(ACTIONS, (0, 1)) => {
            let version = export.name.rsplit('@').next().unwrap_or_default();
            let names = |list: Vec<Interface>| list.into_iter().map(|interface| interface.name);
            Ok(Shape {
                world: format!("{WORLD}@{version}"),
                imports: names(interfaces.imports).collect(),
                exports: names(interfaces.exports).collect(),
            })
        }
        other => Err(Fault::NoActions {
            found: other.map(|export| export.name.clone()),
        }),
    }
}

/// Something that a component imports or exports.
struct Interface {
    name: String,
    /// Whether it is an instance, as every interface is.
    instance: bool,
}

#[derive(Default)]
struct Interfaces {
    imports: Vec<Interface>,
    exports: Vec<Interface>,
}

impl Interface {
    fn allowed(&self) -> bool {
        IMPORTS.iter().any(|(package, version, interfaces)| {
            interfaces
                .iter()
                .any(|interface| self.is(&format!("{package}/{interface}"), *version))
        })
    }

    fn is(&self, interface: &str, (major, minor): (u64, u64)) -> bool {
        let version = self
            .name
            .strip_prefix(interface)
            .and_then(|rest| rest.strip_prefix('@'));
        self.instance
            && version
                .and_then(|text| Version::parse(text).ok())
                .is_some_and(|version| {
                    version.major == major && version.minor == minor && version.pre.is_empty()
                })
    }
}

fn recognise(bytes: &[u8]) -> Result<(), Fault> {
    let what = match bytes {
        _ if Parser::is_component(bytes) => return Ok(()),
        _ if Parser::is_core_wasm(bytes) => "a core WebAssembly module",
        [] => "an empty file",
        [0x7f, b'E', b'L', b'F', ..] => "native or precompiled code",
        [0, b'a', b's', b'm', ..] => "WebAssembly of an unknown kind, or truncated,",
        _ => "something else",
    };
    Err(Fault::NotAComponent(what))
}

/// The imports and exports of the outermost component, and the proof that all
/// its sections are whole.
fn read(bytes: &[u8]) -> Result<Interfaces, Fault> {
    let malformed = |error: wasmparser::BinaryReaderError| Fault::Malformed {
        offset: error.offset(),
        message: error.message().to_owned(),
    };
    let mut validator = Validator::new();
    let mut found = Interfaces::default();
    let mut parts = Parts::default();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(malformed)?;
        // Before the validator reads them one by one.
        parts.count(&payload)?;
        let valid = validator.payload(&payload).map_err(malformed)?;
        match payload {
            Payload::Version { encoding, .. } => {
                depth += 1;
                if depth == 1 && encoding != Encoding::Component {
                    return Err(Fault::NotAComponent("a core WebAssembly module"));
                }
            }
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    let import = import.map_err(malformed)?;
                    let instance = matches!(import.ty, ComponentTypeRef::Instance(_));
                    found.imports.push(Interface {
                        name: import.name.name.to_owned(),
                        instance,
                    });
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    let export = export.map_err(malformed)?;
                    let instance = export.kind == wasmparser::ComponentExternalKind::Instance;
                    found.exports.push(Interface {
                        name: export.name.name.to_owned(),
                        instance,
                    });
                }
            }
            _ => {}
        }
        if matches!(valid, ValidPayload::End(_)) {
            depth = depth.saturating_sub(1);
            parts.depth = parts.depth.saturating_sub(1);
        }
    }
    Ok(found)
}

/// What is cheap to write down and dear to compile.
#[derive(Clone, Copy)]
enum Part {
    Types,
    Functions,
    Spaces,
    Segments,
    Names,
    Instances,
    Modules,
    Depth,
}

impl Part {
    const ALL: usize = 8;

    /// How many a component may have: some ten times what the largest guests of
    /// real languages have; and what messages call them.
    const fn most(self) -> (u64, &'static str) {
        match self {
            Self::Types => (50_000, "types"),
            Self::Functions => (100_000, "functions"),
            Self::Spaces => (50_000, "globals, memories and tables"),
            Self::Segments => (50_000, "segments of data and elements"),
            Self::Names => (200_000, "imports, exports and aliases"),
            Self::Instances => (1_000, "instances"),
            Self::Modules => (100, "modules and components"),
            Self::Depth => (8, "components within each other"),
        }
    }

    /// What a section holds, and how many of it.
    fn of(payload: &Payload<'_>) -> Option<(Self, u32)> {
        Some(match payload {
            Payload::Version { .. } => (Self::Modules, 1),
            Payload::TypeSection(s) => (Self::Types, s.count()),
            Payload::CoreTypeSection(s) => (Self::Types, s.count()),
            Payload::ComponentTypeSection(s) => (Self::Types, s.count()),
            Payload::FunctionSection(s) => (Self::Functions, s.count()),
            Payload::ComponentCanonicalSection(s) => (Self::Functions, s.count()),
            Payload::GlobalSection(s) => (Self::Spaces, s.count()),
            Payload::MemorySection(s) => (Self::Spaces, s.count()),
            Payload::TableSection(s) => (Self::Spaces, s.count()),
            Payload::DataSection(s) => (Self::Segments, s.count()),
            Payload::ElementSection(s) => (Self::Segments, s.count()),
            Payload::ImportSection(s) => (Self::Names, s.count()),
            Payload::ExportSection(s) => (Self::Names, s.count()),
            Payload::ComponentImportSection(s) => (Self::Names, s.count()),
            Payload::ComponentExportSection(s) => (Self::Names, s.count()),
            Payload::ComponentAliasSection(s) => (Self::Names, s.count()),
            Payload::InstanceSection(s) => (Self::Instances, s.count()),
            Payload::ComponentInstanceSection(s) => (Self::Instances, s.count()),
            _ => return None,
        })
    }
}

/// What has been met so far, over all modules and components within.
#[derive(Default)]
struct Parts {
    counts: [u64; Part::ALL],
    depth: u64,
}

impl Parts {
    fn count(&mut self, payload: &Payload<'_>) -> Result<(), Fault> {
        match payload {
            Payload::Version { .. } => {
                self.depth += 1;
                within(self.depth, Part::Depth.most())?;
            }
            Payload::CodeSectionEntry(body) => {
                let bytes = body.range().len() as u64;
                within(bytes, (FUNCTION_BYTES, "bytes in one function"))?;
            }
            _ => {}
        }
        let Some((part, more)) = Part::of(payload) else {
            return Ok(());
        };
        let count = &mut self.counts[part as usize];
        *count += u64::from(more);
        within(*count, part.most())
    }
}

fn within(found: u64, (limit, what): (u64, &'static str)) -> Result<(), Fault> {
    if found > limit {
        return Err(Fault::TooMany { what, found, limit });
    }
    Ok(())
}
