//! From a seed to a component: a random module, its shell, and the encoder that
//! Rust guests go through.

use arbitrary::Unstructured;
use wasm_smith::Module;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

use crate::chance::Chance;
use crate::shape::Shape;
use crate::shell;

/// The action world with an import that no action may have; what a module does
/// not import, its component does not.
const WORLD: &str = "package nebula:generated;
    world generated {
        include nebula:action/action@0.1.0;
        import other:host/secrets@1.0.0;
    }";
const FORBIDDEN: &str = "package other:host@1.0.0; interface secrets { all: func() -> u32; }";
/// `wit/`, what is leant on first. Part of the program, which may outlive the
/// checkout that it was built in.
const WIT: [(&str, &str); 4] = [
    ("io.wit", include_str!("../../../wit/deps/io.wit")),
    ("clocks.wit", include_str!("../../../wit/deps/clocks.wit")),
    ("http.wit", include_str!("../../../wit/deps/http.wit")),
    ("action.wit", include_str!("../../../wit/action.wit")),
];

/// How much chance goes into a module, bytes.
const LEAST: u64 = 256;
const MOST: u64 = 12 << 10;

/// Makes modules components of the world.
pub(crate) struct Wrapper {
    resolve: Resolve,
    world: WorldId,
}

impl Wrapper {
    pub(crate) fn new() -> Self {
        let mut resolve = Resolve::default();
        for (file, wit) in WIT {
            resolve.push_str(file, wit).expect("wit/ parses");
        }
        resolve.push_str("other.wit", FORBIDDEN).expect("parses");
        let package = resolve.push_str("generated.wit", WORLD).expect("parses");
        let world = resolve.select_world(&[package], Some("generated"));
        Self {
            world: world.expect("the world is there"),
            resolve,
        }
    }

    /// The component of a seed.
    ///
    /// # Errors
    /// Why none comes of it.
    pub(crate) fn component(&self, seed: u64) -> Result<Vec<u8>, String> {
        let mut chance = Chance::new(seed);
        let shape = Shape::of(&mut chance);
        let config = shape.config(&mut chance)?;
        let len = LEAST + chance.below(MOST - LEAST);
        let bytes = chance.bytes(usize::try_from(len).map_err(|e| e.to_string())?);
        let module = Module::new(config, &mut Unstructured::new(&bytes));
        let module = module.map_err(|e| format!("no module: {e}"))?.to_bytes();
        let mut module = shell::around(&module, shape)?;
        embed_component_metadata(&mut module, &self.resolve, self.world, StringEncoding::UTF8)
            .map_err(|e| format!("no metadata: {e:#}"))?;
        // Whether it is valid is for the sandbox to find out.
        let encoder = ComponentEncoder::default().validate(false).module(&module);
        let mut encoder = encoder.map_err(|e| format!("no module of the world: {e:#}"))?;
        encoder.encode().map_err(|e| format!("not encoded: {e:#}"))
    }
}
