#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

use super::*;
use crate::WorkflowBuilder;
use crate::definition::{Code, Diagnostic, Document, check, schema as document_schema};
use crate::ports::Status;
use crate::shape::Shape;

const REPORT: &str = r#"
apiVersion: nebula/v1
kind: Workflow
name: report
input: { type: object, required: [city, at], properties: { city: { type: string } } }
vars: { city: Oslo }
triggers:
  nightly:
    cron: { schedule: "0 2 * * *", timezone: Europe/Berlin, overlap: allow, catch_up: all }
    input: { city: "${ $vars.city }", at: "${ $trigger.slot }" }
  hourly:
    cron: { schedule: "@hourly" }
    input: { city: Rome, at: now }
nodes:
  make: { action: report.make }
"#;

fn built() -> crate::WorkflowDefinition {
    WorkflowBuilder::new("report")
        .input_schema(json!({"type": "object", "required": ["city", "at"], "properties": {"city": {"type": "string"}}}))
        .var("city", "Oslo")
        .trigger(
            "nightly",
            TriggerBuilder::cron("0 2 * * *")
                .timezone("Europe/Berlin")
                .overlap(Overlap::Allow)
                .catch_up(CatchUp::All)
                .input(json!({"city": "${ $vars.city }", "at": "${ $trigger.slot }"})),
        )
        .trigger(
            "hourly",
            TriggerBuilder::cron("@hourly").input(json!({"city": "Rome", "at": "now"})),
        )
        .add_node("make", "report.make")
        .build()
}

#[test]
fn yaml_json_the_builder_and_the_schema_agree_on_triggers() {
    let document = Document::parse(REPORT).unwrap();
    let read = document.definition().unwrap();
    assert_eq!(read, built());
    assert_eq!(check(&read), []);
    let written = serde_json::to_value(&read).unwrap();
    assert_eq!(
        written["triggers"]["hourly"],
        json!({"cron": {"schedule": "@hourly"}, "input": {"city": "Rome", "at": "now"}})
    );
    assert_eq!(Document::from_value(written).definition().unwrap(), read);
    let shape = Shape::compile(&document_schema()).unwrap();
    assert_eq!(shape.mismatches(document.value()), []);
}

/// What is wrong with the document in which a text stands in place of another.
fn refused(from: &str, to: &str) -> Vec<Diagnostic> {
    assert!(REPORT.contains(from), "{from}");
    let document = Document::parse(&REPORT.replace(from, to)).unwrap();
    match document.definition() {
        Err(problems) => problems,
        Ok(definition) => {
            let mut problems = check(&definition);
            document.locate(&mut problems);
            problems
        }
    }
}

fn one(from: &str, to: &str) -> (Code, String, (u32, u32), String) {
    let problems = refused(from, to);
    let [problem] = problems.as_slice() else {
        panic!("{to}: {problems:?}")
    };
    let place = problem.position.expect("a place");
    let hint = problem.hint.clone().unwrap_or_default();
    let said = format!("{} {hint}", problem.message);
    (
        problem.code,
        problem.pointer.clone(),
        (place.line, place.column),
        said,
    )
}

#[test]
fn a_schedule_that_never_fires_is_refused_with_its_place() {
    let (code, pointer, place, said) = one("\"0 2 * * *\"", "\"0 0 30 2 *\"");
    assert_eq!(code, Code::NeverFires);
    assert_eq!(pointer, "/triggers/nightly/cron/schedule");
    assert_eq!(place, (9, 23));
    assert!(said.contains("`0 0 30 2 *` never fires"), "{said}");
}

#[test]
fn what_is_wrong_with_a_trigger_is_said_with_its_place_and_a_hint() {
    let cases = [
        (
            "\"0 2 * * *\"",
            "\"0 25 * * *\"",
            Code::InvalidValue,
            "/triggers/nightly/cron/schedule",
            "five fields",
        ),
        (
            "Europe/Berlin",
            "Europe/Berlim",
            Code::InvalidValue,
            "/triggers/nightly/cron/timezone",
            "did you mean `Europe/Berlin`?",
        ),
        (
            "overlap: allow",
            "overlap: queue",
            Code::InvalidValue,
            "/triggers/nightly/cron/overlap",
            "`skip` or `allow`",
        ),
        (
            "catch_up: all",
            "catch_up: 7",
            Code::InvalidValue,
            "/triggers/nightly/cron/catch_up",
            "`none`, `last` or `all`",
        ),
        (
            "overlap: allow, ",
            "",
            Code::InvalidValue,
            "/triggers/nightly/cron/catch_up",
            "add `overlap: allow`",
        ),
        (
            "timezone:",
            "time_zone:",
            Code::UnknownField,
            "/triggers/nightly/cron/time_zone",
            "did you mean `timezone`?",
        ),
        (
            "  nightly:",
            "  \"every night\":",
            Code::InvalidName,
            "/triggers/every night",
            "beginning with a letter",
        ),
        (
            "cron: { schedule: \"@hourly\" }",
            "corn: { schedule: \"@hourly\" }",
            Code::UnknownField,
            "/triggers/hourly/corn",
            "did you mean `cron`?",
        ),
        (
            "{ schedule: \"@hourly\" }",
            "{}",
            Code::MissingField,
            "/triggers/hourly/cron",
            "0 2 * * *",
        ),
        (
            "$vars.city",
            "$vars.town",
            Code::InvalidExpression,
            "/triggers/nightly/input",
            "no constant `town`",
        ),
        (
            "$vars.city",
            "$input.city",
            Code::InvalidExpression,
            "/triggers/nightly/input",
            "`$trigger` and `$vars` are",
        ),
        (
            "$vars.city",
            "$vars.city | length",
            Code::InvalidExpression,
            "/triggers/nightly/input",
            "leave the rest to a node",
        ),
        (
            "$vars.city",
            "$vars.city +",
            Code::InvalidExpression,
            "/triggers/nightly/input",
            "",
        ),
        (
            "city: Rome, ",
            "",
            Code::InvalidInput,
            "/triggers/hourly/input",
            "input",
        ),
        (
            "report.make }",
            "report.make, input: \"${ $trigger }\" }",
            Code::InvalidExpression,
            "/nodes/make/input",
            "the `input` of a trigger",
        ),
    ];
    for (from, to, code, pointer, words) in cases {
        let (found, at, place, said) = one(from, to);
        assert_eq!((found, at.as_str()), (code, pointer), "{to}: {said}");
        assert!(place.0 > 1, "{to}");
        assert!(said.contains(words), "{to}: {said}");
    }
}

#[test]
fn an_event_that_the_workflow_does_not_take_is_refused() {
    let problems = refused("    input: { city: Rome, at: now }\n", "");
    assert_eq!(problems.len(), 2, "{problems:?}");
    for problem in problems {
        assert_eq!(problem.code, Code::InvalidInput);
        assert_eq!(problem.pointer, "/triggers/hourly");
        let hint = problem.hint.expect("a hint");
        assert!(hint.contains("give the trigger an `input`"), "{hint}");
    }
}

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let shape = Shape::compile(&document_schema()).unwrap();
    let document = Document::parse(REPORT).unwrap();
    for wrong in [
        json!({}),
        json!({"cron": {}}),
        json!({"cron": {"schedule": 7}}),
        json!({"cron": {"schedule": "@daily", "overlap": "queue"}}),
        json!({"cron": {"schedule": "@daily", "retry": 1}}),
        json!({"cron": {"schedule": "@daily"}, "output": 1}),
    ] {
        let mut value = document.value().clone();
        value["triggers"]["hourly"] = wrong.clone();
        assert!(!shape.mismatches(&value).is_empty(), "{wrong}");
        let read = Document::from_value(value).definition();
        let refused = read.map_or_else(|problems| problems, |definition| check(&definition));
        assert!(!refused.is_empty(), "{wrong}");
    }
}

#[test]
fn a_trigger_without_a_kind_twice_or_too_many_are_refused() {
    let empty = Document::parse(&REPORT.replace("cron: { schedule: \"@hourly\" }", "cron:"))
        .unwrap()
        .definition()
        .unwrap();
    let codes: Vec<_> = check(&empty)
        .into_iter()
        .map(|d| (d.code, d.pointer))
        .collect();
    assert_eq!(codes, [(Code::MissingField, "/triggers/hourly".to_owned())]);

    let daily = || TriggerBuilder::cron("@daily");
    let twice = WorkflowBuilder::new("w")
        .trigger("a", daily())
        .trigger("a", daily())
        .trigger("b c", daily())
        .build();
    let codes: Vec<_> = twice.problems.iter().map(|d| d.code).collect();
    assert_eq!(codes, [Code::DuplicateKey, Code::InvalidName]);

    let many = (0..=MAX_TRIGGERS).fold(WorkflowBuilder::new("w").add_node("a", "x.y"), |w, n| {
        w.trigger(format!("t{n}"), daily())
    });
    let codes: Vec<_> = check(&many.build()).into_iter().map(|d| d.code).collect();
    assert_eq!(codes, [Code::TooLarge]);
}

#[test]
fn an_event_becomes_the_input_as_the_template_says() {
    let definition = built();
    let event = json!({"slot": "2026-02-03T01:00:00.000Z"});
    let of = |name: &str, event: &Value| {
        let trigger = &definition.triggers[name];
        super::input(&definition, trigger, event.clone())
    };
    assert_eq!(
        of("nightly", &event).unwrap(),
        json!({"city": "Oslo", "at": "2026-02-03T01:00:00.000Z"})
    );
    let bare = Trigger {
        input: None,
        ..definition.triggers["hourly"].clone()
    };
    assert_eq!(
        super::input(&definition, &bare, event.clone()).unwrap(),
        event
    );
    let errs = Trigger {
        input: Some(json!("${ $trigger.slot - 1 }")),
        ..bare
    };
    assert!(super::input(&definition, &errs, event).is_err());
}

// -------------------------------------------------------------- webhooks --

const ORDERS: &str = r#"
apiVersion: nebula/v1
kind: Workflow
name: orders
triggers:
  shop:
    webhook:
      auth: hmac
      secret: shop-hook
      window: 2m
      reply: result
      timeout: 20s
      headers: [x-shop-event]
    input: { order: "${ $trigger.body }" }
  other: { webhook: { auth: bearer, secret: other-hook } }
nodes:
  book: { action: orders.book }
"#;

#[test]
fn yaml_the_builder_and_the_schema_agree_on_webhooks() {
    use std::time::Duration;
    let document = Document::parse(ORDERS).unwrap();
    let read = document.definition().unwrap();
    let shop = TriggerBuilder::webhook(WebhookAuth::Hmac, "shop-hook")
        .window(Duration::from_secs(120))
        .reply_with_result(Duration::from_secs(20))
        .header("x-shop-event")
        .input(json!({"order": "${ $trigger.body }"}));
    let built = WorkflowBuilder::new("orders")
        .trigger("shop", shop)
        .trigger(
            "other",
            TriggerBuilder::webhook(WebhookAuth::Bearer, "other-hook"),
        )
        .add_node("book", "orders.book")
        .build();
    assert_eq!(read, built);
    assert_eq!(check(&read), []);
    let written = serde_json::to_value(&read).unwrap();
    assert_eq!(
        written["triggers"]["other"],
        json!({"webhook": {"auth": "bearer", "secret": "other-hook"}})
    );
    let shape = Shape::compile(&document_schema()).unwrap();
    assert_eq!(shape.mismatches(document.value()), []);
    let passed_on = read.triggers["shop"].webhook.as_ref().unwrap();
    let passed_on: Vec<_> = passed_on.passed_on().collect();
    assert_eq!(
        passed_on,
        ["content-type", "user-agent", "webhook-id", "x-shop-event"]
    );
}

#[test]
fn what_is_wrong_with_a_webhook_is_said_with_its_place() {
    let at = "/triggers/shop/webhook";
    let cases = [
        (
            "auth: hmac",
            "auth: hmacc",
            Code::InvalidValue,
            "auth",
            "hmac",
        ),
        ("      auth: hmac\n", "", Code::MissingField, "", "basic"),
        (
            "      secret: shop-hook\n",
            "",
            Code::MissingField,
            "",
            "credential",
        ),
        (
            "secret: shop-hook",
            "secret: \"\"",
            Code::InvalidName,
            "/secret",
            "empty",
        ),
        (
            "auth: hmac",
            "auth: basic",
            Code::InvalidValue,
            "/window",
            "belongs to `auth: hmac`",
        ),
        (
            "window: 2m",
            "window: 2h",
            Code::InvalidValue,
            "/window",
            "at most 1h, not 2h",
        ),
        (
            "window: 2m",
            "window: 0s",
            Code::InvalidValue,
            "/window",
            "longer than 0",
        ),
        (
            "reply: result",
            "reply: accepted",
            Code::InvalidValue,
            "/timeout",
            "belongs to `reply: result`",
        ),
        (
            "timeout: 20s",
            "timeout: 11m",
            Code::InvalidValue,
            "/timeout",
            "at most 10m",
        ),
        (
            "x-shop-event",
            "X-Shop",
            Code::InvalidValue,
            "/headers/0",
            "lower case",
        ),
        (
            "x-shop-event",
            "cookie",
            Code::InvalidValue,
            "/headers/0",
            "passed on to nobody",
        ),
    ];
    for (from, to, code, field, words) in cases {
        let document = Document::parse(&ORDERS.replacen(from, to, 1)).unwrap();
        let problems = match document.definition() {
            Err(problems) => problems,
            Ok(definition) => check(&definition),
        };
        let [problem] = problems.as_slice() else {
            panic!("{to}: {problems:?}")
        };
        let field = field.strip_prefix('/').unwrap_or(field);
        let pointer = if field.is_empty() {
            at.to_owned()
        } else {
            format!("{at}/{field}")
        };
        assert_eq!(
            (problem.code, problem.pointer.as_str()),
            (code, pointer.as_str()),
            "{to}"
        );
        let said = format!(
            "{} {}",
            problem.message,
            problem.hint.clone().unwrap_or_default()
        );
        assert!(said.contains(words), "{to}: {said}");
    }
    let both = ORDERS.replace("  other: {", "  other: { cron: { schedule: \"@daily\" },");
    let both = Document::parse(&both).unwrap();
    let problems = check(&both.definition().unwrap());
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].message.contains("not several"), "{problems:?}");
    let shape = Shape::compile(&document_schema()).unwrap();
    assert!(!shape.mismatches(both.value()).is_empty());
}

// ------------------------------------------------------------------ ends --

#[test]
fn yaml_the_builder_and_the_schema_agree_on_what_follows_an_end() {
    let text = r#"
apiVersion: nebula/v1
kind: Workflow
name: clean-up
triggers:
  after:
    on_end: { workflow: import, status: [failed, cancelled] }
    input: { of: "${ $trigger.execution }" }
nodes:
  sweep: { action: disk.sweep }
"#;
    let document = Document::parse(text).unwrap();
    let read = document.definition().unwrap();
    let ends = [Status::Failed, Status::Cancelled];
    let trigger = TriggerBuilder::on_end("import".parse().unwrap(), ends)
        .input(json!({"of": "${ $trigger.execution }"}));
    let built = WorkflowBuilder::new("clean-up")
        .trigger("after", trigger)
        .add_node("sweep", "disk.sweep")
        .build();
    assert_eq!(read, built);
    assert_eq!(check(&read), []);
    assert_eq!(read.triggers[0].kind(), "on_end");
    let shape = Shape::compile(&document_schema()).unwrap();
    assert_eq!(shape.mismatches(document.value()), []);
    for (from, to, code, pointer) in [
        (
            "failed, cancelled",
            "paused",
            Code::InvalidValue,
            "/triggers/after/on_end/status/0",
        ),
        (
            "failed, cancelled",
            "lost",
            Code::InvalidValue,
            "/triggers/after/on_end/status/0",
        ),
        (
            "workflow: import, ",
            "",
            Code::MissingField,
            "/triggers/after/on_end",
        ),
        (
            "workflow: import",
            "workflow: clean-up",
            Code::InvalidValue,
            "/triggers/after/on_end/workflow",
        ),
        (
            "on_end: {",
            "on_end: { when: now,",
            Code::UnknownField,
            "/triggers/after/on_end/when",
        ),
    ] {
        let wrong = text.replace(from, to);
        let found = match Document::parse(&wrong).unwrap().definition() {
            Err(problems) => problems,
            Ok(definition) => check(&definition),
        };
        let found: Vec<_> = found.iter().map(|d| (d.code, d.pointer.as_str())).collect();
        assert_eq!(found, [(code, pointer)], "{wrong}");
        assert!(
            !shape
                .mismatches(Document::parse(&wrong).unwrap().value())
                .is_empty()
                || to.ends_with("clean-up"),
            "{wrong}"
        );
    }
}

const NEWS: &str = r#"
apiVersion: nebula/v1
kind: Workflow
name: announce
vars: { feed: "https://news.example/feed.xml" }
triggers:
  news:
    poll:
      action: rss.new_items@^1
      every: 5m
      with: { url: "${ $vars.feed }" }
      credentials: { auth: news-prod }
      timeout: 20s
      overlap: skip
    input: { title: "${ $trigger.event.title }" }
nodes:
  tell: { action: notification.send }
"#;

#[test]
fn yaml_the_builder_and_the_schema_agree_on_polls() {
    let document = Document::parse(NEWS).unwrap();
    let read = document.definition().unwrap();
    let poll = Poll {
        with: Some(json!({"url": "${ $vars.feed }"})),
        credentials: [("auth".to_owned(), "news-prod".to_owned())].into(),
        timeout: Some("20s".parse().unwrap()),
        overlap: Overlap::Skip,
        ..Poll::new(
            "rss.new_items@^1".parse().unwrap(),
            std::time::Duration::from_secs(300),
        )
    };
    let trigger = TriggerBuilder::poll(poll).input(json!({"title": "${ $trigger.event.title }"}));
    let built = WorkflowBuilder::new("announce")
        .var("feed", "https://news.example/feed.xml")
        .trigger("news", trigger)
        .add_node("tell", "notification.send")
        .build();
    assert_eq!(read, built);
    assert_eq!(check(&read), []);
    assert_eq!(read.triggers[0].kind(), "poll");
    let poll = read.triggers[0].poll.as_ref().unwrap();
    assert_eq!(
        poll.config(&read).unwrap(),
        json!({"url": "https://news.example/feed.xml"})
    );
    let written = serde_json::to_value(&read).unwrap();
    assert_eq!(Document::from_value(written).definition().unwrap(), read);
    let shape = Shape::compile(&document_schema()).unwrap();
    assert_eq!(shape.mismatches(document.value()), []);
}

#[test]
fn what_is_wrong_with_a_poll_is_said_with_its_place() {
    let shape = Shape::compile(&document_schema()).unwrap();
    let at = |field: &str| format!("/triggers/news/poll{field}");
    for (from, to, code, pointer, by_schema) in [
        (
            "every: 5m",
            "every: 0s",
            Code::InvalidValue,
            at("/every"),
            false,
        ),
        (
            "every: 5m",
            "every: 31d",
            Code::InvalidValue,
            at("/every"),
            false,
        ),
        (
            "every: 5m",
            "every: often",
            Code::InvalidValue,
            at("/every"),
            true,
        ),
        ("      every: 5m\n", "", Code::MissingField, at(""), true),
        (
            "      action: rss.new_items@^1\n",
            "",
            Code::MissingField,
            at(""),
            true,
        ),
        (
            "timeout: 20s",
            "timeout: 11m",
            Code::InvalidValue,
            at("/timeout"),
            false,
        ),
        (
            "overlap: skip",
            "overlap: wait",
            Code::InvalidValue,
            at("/overlap"),
            true,
        ),
        (
            "overlap: skip",
            "retry: 3",
            Code::UnknownField,
            at("/retry"),
            true,
        ),
        (
            "$vars.feed }\"",
            "$trigger.event }\"",
            Code::InvalidExpression,
            at("/with"),
            false,
        ),
        (
            "$vars.feed }\"",
            "$vars.fed }\"",
            Code::InvalidExpression,
            at("/with"),
            false,
        ),
    ] {
        let wrong = NEWS.replace(from, to);
        let document = Document::parse(&wrong).unwrap();
        let found = match document.definition() {
            Err(problems) => problems,
            Ok(definition) => check(&definition),
        };
        let found: Vec<_> = found.iter().map(|d| (d.code, d.pointer.as_str())).collect();
        assert_eq!(found, [(code, pointer.as_str())], "{wrong}");
        let refused = !shape.mismatches(document.value()).is_empty();
        assert_eq!(refused, by_schema, "{wrong}");
    }
}
