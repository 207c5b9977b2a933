//! What of a module is left to chance: how much of the contract it answers by
//! itself, its imports, the features it uses, how large it is.

use arbitrary::{Arbitrary, Unstructured};
use wasm_smith::Config;

use crate::chance::Chance;

/// Which of the contract's functions are random.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A function that the shell calls so often, to answer with what it gives.
    Work { times: u32 },
    /// `execute` itself: where its answer lies is random.
    Execute,
    /// All: `describe`, `execute` and the allocator.
    All,
}

/// Functions that a module may import, in the encoding of the contract.
const IMPORTS: &str = r#"
    (import "nebula:action/context@0.1.0" "identity" (func (param i32)))
    (import "nebula:action/context@0.1.0" "idempotency-key" (func (param i32 i32 i32)))
    (import "nebula:action/context@0.1.0" "deadline" (func (param i32)))
    (import "nebula:action/context@0.1.0" "cancelled" (func (result i32)))
    (import "nebula:action/log@0.1.0" "write" (func (param i32 i32 i32)))
    (import "nebula:action/credentials@0.1.0" "get" (func (param i32 i32 i32)))
    (import "wasi:http/types@0.2.6" "[constructor]fields" (func (result i32)))
    (import "wasi:http/types@0.2.6" "[method]fields.append" (func (param i32 i32 i32 i32 i32 i32)))
    (import "wasi:http/types@0.2.6" "[resource-drop]fields" (func (param i32)))
    (import "wasi:http/types@0.2.6" "[constructor]outgoing-request" (func (param i32) (result i32)))
    (import "wasi:http/outgoing-handler@0.2.6" "handle" (func (param i32 i32 i32 i32)))
"#;

/// What no action may have.
const FORBIDDEN: &str = r#"(import "other:host/secrets@1.0.0" "all" (func (result i32)))"#;

impl Shape {
    pub(crate) const fn of(chance: &mut Chance) -> Self {
        match chance.below(20) {
            0..12 => Self::Work {
                times: 1 << chance.below(18),
            },
            12..18 => Self::Execute,
            _ => Self::All,
        }
    }

    /// The functions that a module of this shape exports, as text.
    const fn exports(self) -> &'static str {
        match self {
            Self::Work { .. } => r#"(func (export "work") (param i64) (result i64) unreachable)"#,
            Self::Execute => {
                r#"(func (export "nebula:action/actions@0.1.0#execute")
                    (param i32 i32 i32 i32) (result i32) unreachable)"#
            }
            Self::All => {
                r#"(func (export "nebula:action/actions@0.1.0#describe") (result i32) unreachable)
                (func (export "nebula:action/actions@0.1.0#execute")
                    (param i32 i32 i32 i32) (result i32) unreachable)
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)"#
            }
        }
    }

    /// How the module is made.
    pub(crate) fn config(self, chance: &mut Chance) -> Result<Config, String> {
        let bytes = chance.bytes(1_024);
        let swarm = Config::arbitrary(&mut Unstructured::new(&bytes));
        let mut config = swarm.map_err(|e| e.to_string())?;
        bound(&mut config, chance);
        if !chance.percent(8) {
            tame(&mut config);
        }
        let imports = match chance.below(20) {
            0..8 => String::new(),
            8 => format!("{IMPORTS}{FORBIDDEN}"),
            _ => IMPORTS.to_owned(),
        };
        let pages = match chance.below(20) {
            0..17 => 2,
            17..19 => 2 + chance.below(200),
            _ => 2 + chance.below(2_000),
        };
        let functions = self.exports();
        let exports = format!(r#"(module {functions} (memory (export "memory") {pages}))"#);
        config.exports = Some(text(&exports)?);
        config.available_imports = Some(text(&format!("(module {imports})"))?);
        Ok(config)
    }
}

fn text(module: &str) -> Result<Vec<u8>, String> {
    wat::parse_str(module).map_err(|e| e.to_string())
}

/// Small enough that thousands are compiled in minutes.
fn bound(config: &mut Config, chance: &mut Chance) {
    config.max_types = config.max_types.clamp(10, 40);
    config.max_imports = config.max_imports.min(12);
    config.max_funcs = config.max_funcs.clamp(4, 24);
    config.max_instructions = config.max_instructions.clamp(20, 200);
    config.max_globals = config.max_globals.min(20);
    config.max_tags = config.max_tags.min(5);
    config.max_element_segments = config.max_element_segments.min(10);
    config.max_elements = config.max_elements.min(20);
    config.max_data_segments = config.max_data_segments.min(10);
    config.max_tables = config.max_tables.min(4);
    config.max_memories = config.max_memories.clamp(1, 3);
    config.allow_invalid_funcs = chance.percent(3);
}

/// Without what the host refuses to compile.
fn tame(config: &mut Config) {
    // The exported memory comes besides.
    config.max_memories = 0;
    config.exceptions_enabled = false;
    config.gc_enabled = false;
    config.memory64_enabled = false;
    // With them come types of gc, whether gc is enabled or not.
    config.reference_types_enabled = false;
    config.relaxed_simd_enabled = false;
    config.threads_enabled = false;
}
