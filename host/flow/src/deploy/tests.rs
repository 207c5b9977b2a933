#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

use super::*;
use crate::definition::{Code, NodeBuilder, Poll, TriggerBuilder, WorkflowBuilder};
use crate::fakes::{Shelf, Store, metadata, now};

fn tenant() -> TenantId {
    TenantId::default_tenant()
}

fn id(random: u128) -> WorkflowId {
    WorkflowId::mint(Timestamp::from_millis(1), random)
}

fn weather() -> WorkflowBuilder {
    WorkflowBuilder::new("weather-notification")
        .add_node("fetch", "weather.fetch")
        .add_node("check", "condition.check")
        .add_node("notify", "notification.send")
        .connect("fetch", "check")
        .connect_conditional("check", "notify", "$nodes.fetch.result.temp > 30")
}

fn place<'a>(store: &'a Store, shelf: &'a Shelf, tenant: &'a TenantId) -> Place<'a> {
    Place {
        records: store,
        components: shelf,
        tenant,
        resources: None,
    }
}

fn try_deploy(
    store: &Store,
    shelf: &Shelf,
    definition: WorkflowDefinition,
    random: u128,
) -> Result<(Arc<DeployedWorkflow>, bool), DeployError> {
    let at = Timestamp::from_millis(5);
    now(deploy(
        place(store, shelf, &tenant()),
        definition,
        at,
        id(random),
    ))
}

#[test]
fn a_deploy_pins_its_actions_and_keeps_their_components() {
    let (store, shelf) = (Store::default(), Shelf::weather());
    let (deployed, is_new) = try_deploy(&store, &shelf, weather().build(), 7).unwrap();
    assert!(is_new);
    assert_eq!((deployed.id, deployed.version), (id(7), 1));
    assert_eq!(
        deployed.actions.len(),
        3,
        "no expression needs the evaluator"
    );
    for action in deployed.actions.values() {
        assert!(store.blobs.lock().unwrap().contains_key(&action.digest));
    }
    let kept = now(version(&store, &tenant(), id(7), 1)).unwrap();
    assert_eq!(kept.as_ref(), Some(&*deployed));
    let head = Head {
        id: id(7),
        version: 1,
    };
    for name in ["weather-notification".to_owned(), id(7).to_string()] {
        assert_eq!(
            now(find(&store, &tenant(), &name)).unwrap(),
            Some(head.clone())
        );
    }
    for name in ["other", "no name", "wf-00000000000000000000000000"] {
        assert_eq!(now(find(&store, &tenant(), name)).unwrap(), None);
    }
    assert_eq!(
        now(list(&store, &tenant(), None, 10)).unwrap(),
        [("weather-notification".to_owned(), head)]
    );
}

#[test]
fn the_same_again_makes_no_version_and_a_change_makes_one() {
    let (store, shelf) = (Store::default(), Shelf::weather());
    try_deploy(&store, &shelf, weather().build(), 7).unwrap();
    let (again, is_new) = try_deploy(&store, &shelf, weather().build(), 8).unwrap();
    assert!(!is_new);
    assert_eq!((again.id, again.version), (id(7), 1));
    let (changed, is_new) =
        try_deploy(&store, &shelf, weather().description("new").build(), 9).unwrap();
    assert!(is_new);
    assert_eq!((changed.id, changed.version), (id(7), 2));
    shelf.install(metadata("condition.check", json!(true), json!(true)), "2");
    let (pinned_anew, is_new) =
        try_deploy(&store, &shelf, weather().description("new").build(), 9).unwrap();
    assert!(is_new, "an upgraded component is another pin");
    assert_eq!(pinned_anew.version, 3);
    let first = now(version(&store, &tenant(), id(7), 1)).unwrap().unwrap();
    assert_eq!(
        first.definition,
        weather().build(),
        "an old version never changes"
    );
}

#[test]
fn floats_and_order_do_not_confuse_what_is_the_same() {
    let (store, shelf) = (Store::default(), Shelf::weather());
    let build = |names: [&str; 2]| {
        let mut builder = WorkflowBuilder::new("numbers")
            .var("x", 0.1 + 0.2)
            .var("y", 1e23);
        for name in names {
            builder = builder.add_node(name, "condition.check");
        }
        builder.build()
    };
    assert!(try_deploy(&store, &shelf, build(["a", "b"]), 1).unwrap().1);
    assert!(!try_deploy(&store, &shelf, build(["a", "b"]), 1).unwrap().1);
    assert!(
        try_deploy(&store, &shelf, build(["b", "a"]), 1).unwrap().1,
        "node order decides which failure is told"
    );
}

#[test]
fn who_is_outrun_deploys_on_top_of_the_other() {
    let (store, shelf) = (Store::default(), Shelf::weather());
    try_deploy(&store, &shelf, weather().build(), 7).unwrap();
    // Between reading the head and setting it, someone else makes version 2.
    let mut other = weather().description("other").build();
    other.description = "other".to_owned();
    let rival = DeployedWorkflow {
        version: 2,
        ..(*try_deploy(&Store::default(), &shelf, other, 7).unwrap().0).clone()
    };
    let key = version_key(id(7), 2);
    now(store.put(
        Kind::WorkflowVersion,
        &tenant(),
        &key,
        write(&rival).unwrap().into(),
        Expect::Absent,
    ))
    .unwrap();
    let head = write(&Head {
        id: id(7),
        version: 2,
    })
    .unwrap();
    *store.rival.lock().unwrap() = Some(head.into());
    let (mine, is_new) =
        try_deploy(&store, &shelf, weather().description("mine").build(), 7).unwrap();
    assert!(is_new);
    assert_eq!(mine.version, 3);
    assert_eq!(
        now(version(&store, &tenant(), id(7), 2))
            .unwrap()
            .unwrap()
            .definition
            .description,
        "other"
    );
    assert_eq!(
        now(newest(&store, &tenant(), id(7)))
            .unwrap()
            .unwrap()
            .version,
        3
    );
}

fn problems(definition: WorkflowDefinition) -> Vec<Diagnostic> {
    problems_among(&Shelf::weather(), definition)
}

fn problems_among(shelf: &Shelf, definition: WorkflowDefinition) -> Vec<Diagnostic> {
    match try_deploy(&Store::default(), shelf, definition, 1) {
        Err(DeployError::Invalid(problems)) => problems,
        Err(other) => panic!("{other}"),
        Ok(_) => Vec::new(),
    }
}

fn codes(problems: &[Diagnostic]) -> Vec<(Code, &str)> {
    problems
        .iter()
        .map(|d| (d.code, d.pointer.as_str()))
        .collect()
}

#[test]
fn actions_must_be_there_in_the_version_that_is_asked_for() {
    let found = problems(
        weather()
            .add_node("x", "weather.fetsh")
            .add_node("y", "weather.fetch@^2")
            .build(),
    );
    assert_eq!(
        codes(&found),
        [
            (Code::UnknownAction, "/nodes/x/action"),
            (Code::VersionNotFound, "/nodes/y/action")
        ]
    );
    assert_eq!(
        found[0].hint.as_deref(),
        Some("did you mean `weather.fetch`?")
    );
}

#[test]
fn credentials_must_be_asked_for_and_stored() {
    let bind = |name: &str| {
        let node = NodeBuilder::action("weather.fetch").credential(name, "prod");
        WorkflowBuilder::new("w").add_node("fetch", node).build()
    };
    assert_eq!(
        codes(&problems(bind("weather_api"))),
        [(
            Code::MissingCredential,
            "/nodes/fetch/credentials/weather_api"
        )]
    );
    let found = problems(bind("weather_ap"));
    assert_eq!(found[0].code, Code::UnaskedCredential);
    assert_eq!(
        found[0].hint.as_deref(),
        Some("did you mean `weather_api`?")
    );
    let store = Store::default();
    now(store.put(
        Kind::Credential,
        &tenant(),
        "prod",
        "{}".into(),
        Expect::Any,
    ))
    .unwrap();
    assert!(try_deploy(&store, &Shelf::weather(), bind("weather_api"), 1).is_ok());
}

#[test]
fn resources_must_be_asked_for_bound_and_configured() {
    let asks = json!({ "x-resources": { "db": "sql", "odd": 7 } });
    let shelf = Shelf::new([metadata("shop.orders", asks, json!(true))]);
    let (store, tenant) = (Store::default(), tenant());
    let configured = Resources::from([
        ("orders".to_owned(), "sql".to_owned()),
        ("mail".to_owned(), "smtp".to_owned()),
    ]);
    let deploy = |bindings: &[(&str, &str)], resources| {
        let mut node = NodeBuilder::action("shop.orders");
        for (name, resource) in bindings {
            node = node.resource(*name, *resource);
        }
        let definition = WorkflowBuilder::new("w").add_node("n", node).build();
        let place = Place {
            resources,
            ..place(&store, &shelf, &tenant)
        };
        match now(resolve(place, &definition)) {
            Ok(_) => Vec::new(),
            Err(DeployError::Invalid(found)) => found,
            Err(other) => panic!("{other}"),
        }
    };
    let known = Some(&configured);
    assert!(deploy(&[("db", "orders")], known).is_empty());
    assert!(
        deploy(&[("db", "anything")], None).is_empty(),
        "not known here"
    );
    for (bindings, code, pointer, wanted) in [
        (
            &[][..],
            Code::MissingResource,
            "/nodes/n",
            "there is orders",
        ),
        (
            &[("db", "mail")],
            Code::MissingResource,
            "/nodes/n/resources/db",
            "`[resources.mail]`",
        ),
        (
            &[("db", "order")],
            Code::MissingResource,
            "/nodes/n/resources/db",
            "`[resources.order]`",
        ),
        (
            &[("db", "orders"), ("bd", "orders")],
            Code::UnaskedResource,
            "/nodes/n/resources/bd",
            "did you mean `db`?",
        ),
    ] {
        let found = deploy(bindings, known);
        assert_eq!(codes(&found), [(code, pointer)]);
        let hint = found[0].hint.as_deref().unwrap_or_default();
        assert!(hint.contains(wanted), "{hint}");
    }
}

#[test]
fn a_constant_input_must_fit_and_a_template_may() {
    let with = |input: Value| {
        let node = NodeBuilder::action("weather.fetch").input(input);
        WorkflowBuilder::new("w").add_node("fetch", node).build()
    };
    assert_eq!(
        codes(&problems(with(json!({"city": 3})))),
        [(Code::InvalidInput, "/nodes/fetch/input/city")]
    );
    assert_eq!(
        codes(&problems(with(json!({})))),
        [(Code::InvalidInput, "/nodes/fetch/input")]
    );
    assert!(problems(with(json!({"city": "Oslo"}))).is_empty());
    assert!(problems(with(json!({"city": "${ $input.city }"}))).is_empty());
}

#[test]
fn paths_that_an_output_cannot_have_are_refused() {
    let when = |text: &str| {
        problems(
            weather()
                .connect_conditional("check", "notify", text)
                .build(),
        )
    };
    let found = when("$nodes.fetch.result.tmep > 3");
    assert_eq!(
        codes(&found),
        [(Code::ImpossiblePath, "/connections/2/when")]
    );
    assert_eq!(found[0].hint.as_deref(), Some("did you mean `temp`?"));
    assert_eq!(
        when("$nodes.fetch.result.temp.high > 3")[0].code,
        Code::ImpossiblePath,
        "a number has no fields"
    );
    assert_eq!(
        when("$nodes.fetch.result.wind.speed.x > 3")[0].code,
        Code::ImpossiblePath,
        "behind a reference"
    );
    for open in [
        "$nodes.fetch.result.wind.gusts > 3",
        "$nodes.check.result.a[0].b > 3",
        "$nodes.fetch.result.wind > 3",
    ] {
        assert!(when(open).is_empty(), "{open}");
    }
}

#[test]
fn the_result_of_a_wait_for_a_signal_is_what_its_schema_says() {
    let with = |output: &str| {
        let schema = json!({"type": "object", "properties": {"by": {"type": "string"}}, "additionalProperties": false});
        let wait = NodeBuilder::wait_signal("approval").schema(schema);
        let builder = WorkflowBuilder::new("w").add_node("approve", wait);
        problems(builder.output(output).build())
    };
    assert!(with("${ $nodes.approve.result.by }").is_empty());
    let found = with("${ $nodes.approve.result.yb }");
    assert_eq!(codes(&found), [(Code::ImpossiblePath, "/output")]);
    assert_eq!(found[0].hint.as_deref(), Some("did you mean `by`?"));
}

#[test]
fn the_result_of_a_map_is_a_list() {
    let with = |output: &str| {
        let map = NodeBuilder::map(
            "$input.cities",
            NodeBuilder::action("weather.fetch").input(json!({"city": "${ $item }"})),
        );
        problems(
            WorkflowBuilder::new("w")
                .add_node("all", map)
                .output(output)
                .build(),
        )
    };
    assert!(with("${ $nodes.all.result[0].temp }").is_empty());
    assert_eq!(
        with("${ $nodes.all.result[0].tmep }")[0].code,
        Code::ImpossiblePath
    );
    assert_eq!(
        with("${ $nodes.all.result.temp }")[0].code,
        Code::ImpossiblePath
    );
}

#[test]
fn an_expression_outside_the_subset_pins_the_evaluator() {
    let definition = || weather().output("${ $nodes.fetch.result | keys }").build();
    let (deployed, _) = try_deploy(&Store::default(), &Shelf::weather(), definition(), 1).unwrap();
    assert!(deployed.actions.contains_key(EVALUATOR));
    let shelf = Shelf::weather();
    shelf
        .0
        .lock()
        .unwrap()
        .retain(|id, _| id.as_str() != EVALUATOR);
    assert_eq!(
        codes(&problems_among(&shelf, definition())),
        [(Code::UnknownAction, "/output")]
    );
}

#[test]
fn a_deployed_workflow_compiles_to_a_plan() {
    let (deployed, _) =
        try_deploy(&Store::default(), &Shelf::weather(), weather().build(), 1).unwrap();
    let plan = Plan::compile(deployed).unwrap();
    assert_eq!(plan.nodes.len(), 3);
    assert_eq!(
        (
            plan.nodes[1].incoming.as_slice(),
            plan.nodes[1].outgoing.as_slice()
        ),
        (&[0][..], &[1][..])
    );
    assert!(plan.connections[1].when.is_some());
    let mut tampered = (*plan.deployed).clone();
    tampered.actions.clear();
    assert_eq!(
        Plan::compile(Arc::new(tampered)).unwrap_err().len(),
        3,
        "all of them are said"
    );
}

fn child() -> WorkflowBuilder {
    WorkflowBuilder::new("child")
        .input_schema(json!({"type": "object", "required": ["city"]}))
        .add_node("check", "condition.check")
}

fn parent(of: &str, input: Value) -> WorkflowDefinition {
    WorkflowBuilder::new("parent")
        .add_node("run", NodeBuilder::workflow(of).input(input))
        .build()
}

#[test]
fn a_workflow_that_is_run_is_fixed_to_its_newest_version() {
    let (store, shelf) = (Store::default(), Shelf::weather());
    let pinned = |version| PinnedWorkflow { id: id(1), version };
    let run = |version: u32, is_new: bool| {
        let input = json!({"city": "Oslo"});
        let (deployed, made) = try_deploy(&store, &shelf, parent("child", input), 2).unwrap();
        assert_eq!(made, is_new);
        assert_eq!(deployed.workflows["child"], pinned(version));
    };
    try_deploy(&store, &shelf, child().build(), 1).unwrap();
    run(1, true);
    run(1, false);
    try_deploy(&store, &shelf, child().description("new").build(), 1).unwrap();
    run(2, true);
    // Itself, as it was before.
    let again = parent("parent", json!(null));
    let (deployed, _) = try_deploy(&store, &shelf, again, 2).unwrap();
    let before = PinnedWorkflow {
        id: id(2),
        version: 2,
    };
    assert_eq!(deployed.workflows["parent"], before);
}

#[test]
fn workflows_that_are_run_must_be_there_and_take_what_they_get() {
    let (store, shelf) = (Store::default(), Shelf::weather());
    try_deploy(&store, &shelf, child().build(), 1).unwrap();
    let problems = |definition| match try_deploy(&store, &shelf, definition, 2) {
        Err(DeployError::Invalid(problems)) => problems,
        other => panic!("{other:?}"),
    };
    let mut definition = parent("chidl", json!(null));
    definition.on_failure = Some("nobody".parse().unwrap());
    let found = problems(definition);
    assert_eq!(
        codes(&found),
        [
            (Code::UnknownWorkflow, "/nodes/run/workflow"),
            (Code::UnknownWorkflow, "/on_failure"),
        ]
    );
    assert_eq!(found[0].hint.as_deref(), Some("did you mean `child`?"));
    assert_eq!(found[1].hint.as_deref(), Some("deploy it first"));
    let found = problems(parent("child", json!({"town": "Oslo"})));
    assert_eq!(codes(&found), [(Code::InvalidInput, "/nodes/run/input")]);
    // What is evaluated later is looked at then.
    let later = parent("child", json!({"city": "${ $input.city }"}));
    assert!(try_deploy(&store, &shelf, later, 2).unwrap().1);
}

#[test]
fn only_triggers_are_polled_with_what_they_take_and_no_node_runs_one() {
    let takes = json!({
        "x-trigger": true, "x-resources": { "db": "sql" },
        "type": "object",
        "properties": { "config": { "type": "object", "properties": { "limit": { "maximum": 9 } } }, "cursor": true },
    });
    let event =
        json!({ "type": "object", "properties": { "id": {} }, "additionalProperties": false });
    let gives = json!({ "properties": { "events": { "type": "array", "items": event } } });
    let shelf = Shelf::new([
        metadata("shop.orders", takes, gives),
        metadata("shop.pack", json!(true), json!(true)),
    ]);
    let (store, tenant) = (Store::default(), tenant());
    let deploy = |action: &str, change: fn(&mut Poll), node: &str, input: &str| {
        let every = std::time::Duration::from_secs(60);
        let mut poll = Poll::new(action.parse().unwrap(), every);
        poll.with = Some(json!({ "limit": 7 }));
        poll.resources.insert("db".into(), "orders".into());
        change(&mut poll);
        let definition = WorkflowBuilder::new("w")
            .trigger("new", TriggerBuilder::poll(poll).input(input))
            .add_node("n", node);
        match now(resolve(place(&store, &shelf, &tenant), &definition.build())) {
            Ok(pins) => {
                assert!(pins.actions.contains_key("shop.orders"), "it is pinned");
                Vec::new()
            }
            Err(DeployError::Invalid(found)) => found,
            Err(other) => panic!("{other}"),
        }
    };
    let event = "${ $trigger.event.id }";
    assert!(deploy("shop.orders", |_| {}, "shop.pack", event).is_empty());
    let at = |field: &str| format!("/triggers/new/poll{field}");
    let binds = |poll: &mut Poll| drop(poll.credentials.insert("key".into(), "prod".into()));
    for (found, code, pointer) in [
        (
            deploy("shop.pack", |_| {}, "shop.pack", event),
            Code::WrongKind,
            at("/action"),
        ),
        (
            deploy("shop.orders", |_| {}, "shop.orders", event),
            Code::WrongKind,
            "/nodes/n/action".into(),
        ),
        (
            deploy("shop.nothing", |_| {}, "shop.pack", event),
            Code::UnknownAction,
            at("/action"),
        ),
        (
            deploy("shop.orders@^9", |_| {}, "shop.pack", event),
            Code::VersionNotFound,
            at("/action"),
        ),
        (
            deploy(
                "shop.orders",
                |poll| poll.with = Some(json!({ "limit": 10 })),
                "shop.pack",
                event,
            ),
            Code::InvalidInput,
            at("/with/limit"),
        ),
        (
            deploy(
                "shop.orders",
                |poll| poll.resources.clear(),
                "shop.pack",
                event,
            ),
            Code::MissingResource,
            at(""),
        ),
        (
            deploy("shop.orders", binds, "shop.pack", event),
            Code::UnaskedCredential,
            at("/credentials/key"),
        ),
        (
            deploy("shop.orders", |_| {}, "shop.pack", "${ $trigger.event.ip }"),
            Code::ImpossiblePath,
            "/triggers/new/input".into(),
        ),
        (
            deploy("shop.orders", |_| {}, "shop.pack", "${ $trigger.id }"),
            Code::ImpossiblePath,
            "/triggers/new/input".into(),
        ),
    ] {
        let first = found.first().map(|d| (d.code, d.pointer.as_str()));
        assert_eq!(first, Some((code, pointer.as_str())), "{found:?}");
    }
}
