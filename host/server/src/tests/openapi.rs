use std::path::Path;

#[test]
fn the_committed_document_is_the_one_that_the_code_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/openapi.json");
    let made = crate::openapi().to_pretty_json().expect("JSON") + "\n";
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &made).expect("writes");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == made,
        "host/api/openapi.json is not what the code makes: look at the difference after \
         UPDATE_SNAPSHOTS=1 cargo test -p nebula-server openapi, and commit it if it is meant"
    );
}

#[test]
fn every_operation_has_a_name_of_its_own_a_summary_and_a_problem() {
    let document = serde_json::to_value(crate::openapi()).expect("JSON");
    let mut names = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let name = operation["operationId"].as_str().expect("a name");
            assert!(
                names.insert(name.to_owned()),
                "{method} {path}: {name} twice"
            );
            assert!(operation["summary"].is_string(), "{method} {path}");
            assert!(
                operation["responses"]["default"].is_object(),
                "{method} {path}"
            );
        }
    }
}
