//! How many bytes a component has of what, over all modules and components
//! within it.

use std::collections::BTreeMap;

use wasmparser::{BinaryReaderError, Parser, Payload};

/// Names of custom sections that are told apart; a stranger may write any number.
const MOST_NAMES: usize = 32;
/// Characters of such a name.
const LONGEST_NAME: usize = 60;

/// Kinds of sections and their bytes, the largest first. Together they are all of
/// the component.
pub(super) fn of(bytes: &[u8]) -> Result<Vec<(String, u64)>, BinaryReaderError> {
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    let mut named = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        // What stands in a module or component comes by itself.
        if matches!(
            payload,
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. }
        ) {
            continue;
        }
        let Some((_, range)) = payload.as_section() else {
            continue;
        };
        let name = match &payload {
            Payload::CustomSection(section) => {
                let name: String = section.name().chars().take(LONGEST_NAME).collect();
                let name = format!("custom {name}");
                if !found.contains_key(&name) {
                    named += 1;
                }
                if named > MOST_NAMES && !found.contains_key(&name) {
                    "further custom sections".to_owned()
                } else {
                    name
                }
            }
            other => kind(other).to_owned(),
        };
        *found.entry(name).or_default() += range.len() as u64;
    }
    let all: u64 = found.values().sum();
    let rest = (bytes.len() as u64).saturating_sub(all);
    found.insert("headers of sections".to_owned(), rest);
    let mut found: Vec<(String, u64)> = found.into_iter().collect();
    found.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    Ok(found)
}

/// What a section that is not custom is for.
const fn kind(payload: &Payload<'_>) -> &'static str {
    match payload {
        Payload::CodeSectionStart { .. } => "code",
        Payload::DataSection(_) | Payload::DataCountSection { .. } => "data",
        Payload::TypeSection(_)
        | Payload::ImportSection(_)
        | Payload::FunctionSection(_)
        | Payload::ExportSection(_) => "signatures, imports and exports of modules",
        Payload::TableSection(_) | Payload::ElementSection(_) => "tables of functions",
        Payload::MemorySection(_)
        | Payload::GlobalSection(_)
        | Payload::TagSection(_)
        | Payload::StartSection { .. } => "memories and globals",
        Payload::ComponentTypeSection(_)
        | Payload::ComponentImportSection(_)
        | Payload::ComponentExportSection(_) => "types, imports and exports",
        Payload::CoreTypeSection(_)
        | Payload::InstanceSection(_)
        | Payload::ComponentInstanceSection(_)
        | Payload::ComponentAliasSection(_)
        | Payload::ComponentCanonicalSection(_)
        | Payload::ComponentStartSection { .. } => "what joins modules",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module with these custom sections, each of `len` bytes (below 64).
    fn module(names: &[&str], len: u8) -> Vec<u8> {
        let mut bytes = b"\0asm\x01\0\0\0".to_vec();
        for name in names {
            let name_len = u8::try_from(name.len()).unwrap();
            bytes.extend([0, 1 + name_len + len, name_len]);
            bytes.extend(name.bytes());
            bytes.extend(vec![7; usize::from(len)]);
        }
        bytes
    }

    #[test]
    fn sections_of_one_name_are_counted_together_and_all_bytes_are_counted() {
        let bytes = module(&["name", "producers", "name"], 10);
        let found = of(&bytes).unwrap();
        assert_eq!(found[0], ("custom name".into(), 2 * 15));
        assert_eq!(found[1], ("custom producers".into(), 20));
        // The magic number, and two bytes before each section.
        assert_eq!(found[2], ("headers of sections".into(), 8 + 3 * 2));
    }

    #[test]
    fn a_stranger_cannot_fill_the_page_with_names() {
        let names: Vec<String> = (0..100).map(|n| format!("n{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let bytes = module(&names, 1);
        let found = of(&bytes).unwrap();
        assert_eq!(found.len(), MOST_NAMES + 2);
        let sum: u64 = found.iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(sum, bytes.len() as u64);
        assert!(of(&bytes[..bytes.len() - 1]).is_err(), "cut off");
    }
}
