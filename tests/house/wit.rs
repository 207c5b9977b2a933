//! The contract is valid WIT and every item of ours says what it is for.

use wit_parser::{Resolve, WorldItem};

#[test]
fn the_contract_parses_and_every_item_is_documented() {
    let mut resolve = Resolve::default();
    let (package, _) = resolve
        .push_dir(crate::root().join("wit"))
        .expect("wit/ parses");
    let package = &resolve.packages[package];
    assert_eq!(package.name.to_string(), "nebula:action@0.1.0");
    let mut missing = Vec::new();
    for (name, id) in &package.interfaces {
        let interface = &resolve.interfaces[*id];
        if interface.docs.is_empty() {
            missing.push(name.clone());
        }
        for (function, item) in &interface.functions {
            if item.docs.is_empty() {
                missing.push(format!("{name}.{function}"));
            }
        }
        for (type_name, id) in &interface.types {
            let item = &resolve.types[*id];
            let used_from_elsewhere =
                matches!(item.kind, wit_parser::TypeDefKind::Type(_)) && item.docs.is_empty();
            if item.docs.is_empty() && !used_from_elsewhere {
                missing.push(format!("{name}.{type_name}"));
            }
            if let wit_parser::TypeDefKind::Record(record) = &item.kind {
                missing.extend(
                    record
                        .fields
                        .iter()
                        .filter(|f| f.docs.is_empty())
                        .map(|f| format!("{name}.{type_name}.{}", f.name)),
                );
            }
        }
    }
    assert!(missing.is_empty(), "without documentation: {missing:?}");
}

#[test]
fn the_world_exports_actions_and_nothing_else() {
    let mut resolve = Resolve::default();
    let (package, _) = resolve
        .push_dir(crate::root().join("wit"))
        .expect("wit/ parses");
    let world = resolve
        .select_world(&[package], Some("action"))
        .expect("the world `action`");
    let world = &resolve.worlds[world];
    let exports: Vec<_> = world
        .exports
        .values()
        .filter_map(|item| match item {
            WorldItem::Interface { id, .. } => resolve.id_of(*id),
            _ => None,
        })
        .collect();
    assert_eq!(exports, ["nebula:action/actions@0.1.0"]);
}
