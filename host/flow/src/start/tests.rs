#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;
use crate::WorkflowBuilder;
use crate::deploy::{Place, deploy};
use crate::fakes::{Inbox, Shelf, Store, now};
use crate::id::WorkflowId;

struct House {
    tenant: TenantId,
    store: Store,
    log: Inbox,
    workflow: std::sync::Arc<DeployedWorkflow>,
}

fn house() -> House {
    let (store, shelf, tenant) = (
        Store::default(),
        Shelf::weather(),
        TenantId::default_tenant(),
    );
    let definition = WorkflowBuilder::new("weather")
        .input_schema(json!({"type": "object", "properties": {"city": {"type": "string"}}}))
        .add_node("check", "condition.check")
        .build();
    let at = Timestamp::from_millis(1);
    let place = Place {
        records: &store,
        components: &shelf,
        tenant: &tenant,
        resources: None,
    };
    let (workflow, _) = now(deploy(place, definition, at, WorkflowId::mint(at, 1))).unwrap();
    House {
        tenant,
        store,
        log: Inbox::default(),
        workflow,
    }
}

impl House {
    fn start(
        &self,
        input: &Value,
        key: Option<&str>,
        random: u128,
    ) -> Result<Submitted, StartError> {
        let at = Timestamp::from_millis(9);
        let start = Start {
            tenant: &self.tenant,
            workflow: &self.workflow,
            input,
            key,
            priority: None,
            paused: false,
            execution: ExecutionId::mint(at, random),
            at,
            durability: Durability::Now,
        };
        now(super::start(&self.log, &self.store, start))
    }
}

#[test]
fn a_start_is_submitted_with_its_version_and_input() {
    let house = house();
    assert_eq!(
        house.start(&json!({"city": "Oslo"}), None, 1).unwrap(),
        Submitted::Accepted
    );
    let submitted = house.log.0.lock().unwrap();
    let Message::Start {
        version,
        name,
        input,
        ..
    } = &submitted[0].message
    else {
        panic!("a start")
    };
    assert_eq!((*version, name.as_str()), (1, "weather"));
    let Payload::Inline(bytes) = input else {
        panic!("it is small")
    };
    assert_eq!(payload::decode(bytes).unwrap(), json!({"city": "Oslo"}));
}

#[test]
fn an_input_that_does_not_fit_is_refused_with_its_place() {
    let house = house();
    let Err(StartError::InvalidInput(problems)) = house.start(&json!({"city": 3}), None, 1) else {
        panic!("refused")
    };
    assert_eq!(problems[0].pointer, "/city");
    assert!(house.log.0.lock().unwrap().is_empty());
}

#[test]
fn a_large_input_is_kept_as_a_blob_and_a_huge_one_is_refused() {
    let house = house();
    let large = json!({"city": "x".repeat(MAX_INLINE)});
    house.start(&large, None, 1).unwrap();
    let Message::Start {
        input: Payload::Blob { digest, .. },
        ..
    } = &house.log.0.lock().unwrap()[0].message
    else {
        panic!("a blob")
    };
    assert_eq!(
        payload::decode(&house.store.blobs.lock().unwrap()[digest]).unwrap(),
        large
    );
    let huge = json!({"city": "x".repeat(payload::MAX_PAYLOAD)});
    assert!(matches!(
        house.start(&huge, None, 2),
        Err(StartError::Payload(_))
    ));
}

#[test]
fn a_repeat_names_the_first_and_another_request_under_its_key_is_refused() {
    let house = house();
    let oslo = json!({"city": "Oslo"});
    assert_eq!(
        house.start(&oslo, Some("k"), 1).unwrap(),
        Submitted::Accepted
    );
    let first = ExecutionId::mint(Timestamp::from_millis(9), 1);
    assert_eq!(
        house.start(&oslo, Some("k"), 2).unwrap(),
        Submitted::Duplicate(first)
    );
    assert!(matches!(
        house.start(&json!({"city": "Rome"}), Some("k"), 3),
        Err(StartError::Log(LogError::KeyReused(_)))
    ));
    for key in ["", &"x".repeat(MAX_KEY + 1)] {
        assert!(matches!(
            house.start(&oslo, Some(key), 4),
            Err(StartError::InvalidKey(_))
        ));
    }
}
