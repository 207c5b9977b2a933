//! What a random module is given so that it runs: a description, an allocator,
//! and for [`Shape::Work`] an answer in the contract's words. All is appended, so
//! that the module's own code stays as it was generated; all of it lies in the
//! memory that the module's code writes to as it likes.

use std::fmt::Write as _;
use std::ops::Range;

use wasm_encoder::{Encode, Module, RawSection, SectionId};
use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

use crate::shape::Shape;

/// Where the description is written to.
const DESCRIPTION: u32 = 8_192;

/// A module as its sections.
#[derive(Default)]
struct Sections {
    /// Id and content of each.
    sections: Vec<(u8, Vec<u8>)>,
    types: u32,
    functions: u32,
    exports: Vec<(String, ExternalKind, u32)>,
}

/// The entries of a section, and how many they are.
struct Entries<'a> {
    count: u32,
    bytes: &'a [u8],
}

/// The module with its shell.
pub(crate) fn around(module: &[u8], shape: Shape) -> Result<Vec<u8>, String> {
    if shape == Shape::All {
        return Ok(module.to_vec());
    }
    let inner = Sections::read(module)?;
    let shell = wat::parse_str(text(shape, &inner)?).map_err(|e| e.to_string())?;
    let shell = Sections::read(&shell)?;
    let mut whole = Module::new();
    for (id, content) in &inner.sections {
        let mut content = content.clone();
        if let Some((_, more)) = shell.sections.iter().find(|(other, _)| other == id) {
            content = appended(*id, &content, more, &inner, &shell)?;
        }
        whole.section(&RawSection {
            id: *id,
            data: &content,
        });
    }
    Ok(whole.finish())
}

impl Sections {
    fn read(module: &[u8]) -> Result<Self, String> {
        let mut read = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload.map_err(|e| e.to_string())?;
            if let Some((id, Range { start, end })) = payload.as_section() {
                read.sections.push((id, module[start..end].to_vec()));
            }
            read.count(payload).map_err(|e| e.to_string())?;
        }
        Ok(read)
    }

    fn count(&mut self, payload: Payload<'_>) -> wasmparser::Result<()> {
        match payload {
            Payload::TypeSection(types) => {
                for group in types {
                    self.types += u32::try_from(group?.types().len()).unwrap_or(u32::MAX);
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let ty = import?.ty;
                    self.functions += u32::from(matches!(ty, TypeRef::Func(_)));
                }
            }
            Payload::FunctionSection(functions) => self.functions += functions.count(),
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    self.exports
                        .push((export.name.into(), export.kind, export.index));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The content of a section with the shell's entries behind its own.
fn appended(
    id: u8,
    content: &[u8],
    more: &[u8],
    inner: &Sections,
    shell: &Sections,
) -> Result<Vec<u8>, String> {
    let (own, more) = (entries(content)?, entries(more)?);
    let mut whole = Vec::new();
    (own.count + more.count).encode(&mut whole);
    whole.extend_from_slice(own.bytes);
    if id == SectionId::Function as u8 {
        // Each function of the shell has a type of its own, in its order.
        (inner.types..inner.types + more.count).for_each(|ty| ty.encode(&mut whole));
    } else if id == SectionId::Export as u8 {
        for (name, kind, index) in &shell.exports {
            name.as_str().encode(&mut whole);
            whole.push(*kind as u8);
            (inner.functions + index).encode(&mut whole);
        }
    } else {
        whole.extend_from_slice(more.bytes);
    }
    Ok(whole)
}

fn entries(content: &[u8]) -> Result<Entries<'_>, String> {
    let mut reader = wasmparser::BinaryReader::new(content, 0);
    let count = reader.read_var_u32().map_err(|e| e.to_string())?;
    Ok(Entries {
        count,
        bytes: &content[reader.original_position()..],
    })
}

/// The shell of a module. Its calls of the module's function are by number.
fn text(shape: Shape, inner: &Sections) -> Result<String, String> {
    let work = inner.exports.iter().find(|(name, ..)| name == "work");
    let execute = match (shape, work) {
        (Shape::Work { times }, Some((_, _, function))) => answer(times, *function),
        (Shape::Work { .. }, None) => return Err("the module exports no work".into()),
        _ => String::new(),
    };
    let types = if execute.is_empty() {
        ""
    } else {
        "(type (func (param i32 i32 i32 i32) (result i32)))"
    };
    let (list, stores) = description();
    Ok(format!(
        r#"(module
        (type (func (result i32)))
        (type (func (param i32 i32 i32 i32) (result i32)))
        {types}
        (func (export "nebula:action/actions@0.1.0#describe") (type 0) {stores} (i32.const {list}))
        (func (export "cabi_realloc") (type 1)
            (local i32)
            (if (i32.lt_u (i32.load (i32.const 16)) (i32.const 32768))
                (then (i32.store (i32.const 16) (i32.const 32768))))
            (local.set 4 (i32.load (i32.const 16)))
            (i32.store (i32.const 16) (i32.and (i32.const -16)
                (i32.add (i32.const 15) (i32.add (local.get 4) (local.get 3)))))
            (local.get 4))
        {execute})"#
    ))
}

/// `execute` that works so often, each time with the number of the time before,
/// and answers with the last one: mostly as its output, else as an error.
fn answer(times: u32, function: u32) -> String {
    format!(
        r#"(func (export "nebula:action/actions@0.1.0#execute") (type 2)
            (local i64 i32)
            (local.set 5 (i32.const {times}))
            (loop
                (local.set 4 (call {function} (local.get 4)))
                (br_if 0 (local.tee 5 (i32.sub (local.get 5) (i32.const 1)))))
            (i64.store (i32.const 2048) (i64.const 0))
            (i64.store (i32.const 2056) (i64.const 0))
            (i64.store (i32.const 2064) (i64.const 0))
            (if (i64.eq (i64.and (local.get 4) (i64.const 7)) (i64.const 7))
                (then
                    (i32.store (i32.const 2048) (i32.const 1))
                    (i32.store (i32.const 2056) (i32.const 1))
                    (return (i32.const 2048))))
            (i32.store8 (i32.const 1024) (i32.const 0xcf))
            (i64.store (i32.const 1025) (local.get 4))
            (i32.store (i32.const 2064) (i32.const 1024))
            (i32.store (i32.const 2068) (i32.const 9))
            (i32.const 2048))"#
    )
}

/// Where the list of the one action `test.run` lies, and the code that writes it.
fn description() -> (u32, String) {
    let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let (mut bytes, mut record) = (Vec::new(), Vec::new());
    for field in [
        "test.run", "Run", "1.0.0", "Random.", "test", "true", "true", "key",
    ] {
        record.extend([DESCRIPTION + len(&bytes), len(field.as_bytes())]);
        bytes.extend_from_slice(field.as_bytes());
    }
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    let list = DESCRIPTION + len(&bytes);
    // The list, its one record, then the name that the record points at.
    let name = record.split_off(14);
    record.extend([list + 8 + 4 * 18, 1, 0, 0]);
    let words = [list + 8, 1].into_iter().chain(record).chain(name);
    bytes.extend(words.flat_map(u32::to_le_bytes));
    let mut stores = String::new();
    for (n, word) in bytes.chunks(4).enumerate() {
        let word = word
            .iter()
            .rev()
            .fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        let at = DESCRIPTION as usize + 4 * n;
        let _ = write!(stores, "(i32.store (i32.const {at}) (i32.const {word}))");
    }
    (list, stores)
}
