//! A test file that no module names would never run.

#[test]
fn every_file_beside_main_is_a_module_of_it() {
    let folder = crate::root().join("tests/house");
    let main = std::fs::read_to_string(folder.join("main.rs")).expect("main.rs is there");
    for entry in std::fs::read_dir(folder).expect("tests/house is there") {
        let path = entry.expect("readable").path();
        let name = path
            .file_stem()
            .and_then(|n| n.to_str())
            .expect("a name")
            .to_owned();
        assert!(
            name == "main" || main.contains(&format!("mod {name};")),
            "{} is not a module of tests/house/main.rs",
            path.display()
        );
    }
}
