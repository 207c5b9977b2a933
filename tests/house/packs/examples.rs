//! The examples of `docs/packs.md` give what stands there, in the sandbox.

use nebula_tests::examples::{Example, examples};

use super::*;

/// The largest component of a pack that has an example, bytes.
const MAX_COMPONENT: usize = 400 * 1024;

fn page() -> Vec<Example> {
    let file = crate::root().join("docs/packs.md");
    examples(&std::fs::read_to_string(file).expect("readable")).expect("examples")
}

#[tokio::test]
async fn each_example_gives_what_the_page_says() {
    let sandbox = sandbox();
    for example in page() {
        let capabilities = example.capabilities().await.expect("a server");
        let folder = tempfile::tempdir().expect("a folder");
        let database = example
            .database(folder.path())
            .expect("the tables are made");
        let sandbox = match database {
            Some(database) => &sandbox_with(Some(database)),
            None => &sandbox,
        };
        let report = report(sandbox, &example.action, example.input, capabilities).await;
        let Ok(Outcome::Success(bytes)) = report.result else {
            panic!("{}: {report:?}", example.action)
        };
        let output = payload::decode(&bytes).expect("a value");
        assert_eq!(output, example.output, "{}", example.action);
    }
}

#[test]
fn components_with_an_example_are_small() {
    let examples = page();
    assert!(examples.len() >= 10, "{}", examples.len());
    for example in examples {
        let pack = example.action.split('.').next().expect("a segment");
        let component = nebula_server::PACKS.iter().find(|(name, _)| *name == pack);
        let size = component.expect("a pack").1.len();
        assert!(size <= MAX_COMPONENT, "{pack} has {size} bytes");
    }
}
