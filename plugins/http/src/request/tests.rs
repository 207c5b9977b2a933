use super::*;

const URL: &str = "https://api.example/v1/orders";

fn run(ctx: &ActionContext, input: &Value) -> Result<ProcessResult<Value>> {
    ctx.run::<RequestAction>(input)
}

#[test]
fn a_request_has_all_its_parts() {
    let response = Response::new(201)
        .with_header("Content-Type", "application/problem+json; charset=utf-8")
        .with_header("X-A", "1")
        .with_header("x-a", "2")
        .with_body(r#"{"id": 7}"#);
    let ctx = ActionContext::for_test()
        .with_credential("auth", "s3")
        .with_response(
            "POST",
            "https://api.example/v1/orders?page=2&q=a%20b",
            response,
        );
    let input = json!({
        "method": "post", "url": URL, "query": { "q": "a b", "page": 2 }, "headers": { "x-b": "c" },
        "json": { "item": 1 }, "auth": {}, "timeout_ms": 500, "idempotent": true,
    });
    let Ok(ProcessResult::Success(output)) = run(&ctx, &input) else {
        panic!("success expected")
    };
    assert_eq!(
        (&output["status"], &output["json"]),
        (&json!(201), &json!({ "id": 7 }))
    );
    assert_eq!(output["headers"]["x-a"], "1, 2");
    let sent = ctx.requests().remove(0);
    let names: Vec<&str> = sent.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["x-b", "content-type", "idempotency-key", "authorization"]
    );
    assert_eq!(sent.headers[3].1, "Bearer s3");
    assert_eq!(
        (sent.body.as_slice(), sent.timeout),
        (&br#"{"item":1}"#[..], Some(Duration::from_millis(500)))
    );
}

#[test]
fn a_status_is_an_answer_unless_it_may_pass_or_a_failure_is_asked_for() {
    let status = |status, fail: bool| {
        let ctx = ActionContext::for_test().with_response("GET", URL, Response::new(status));
        run(&ctx, &json!({ "url": URL, "fail_on_status": fail }))
    };
    assert!(
        matches!(status(404, false), Ok(ProcessResult::Success(output)) if output["status"] == 404)
    );
    assert!(matches!(status(404, true), Err(ActionError::Permanent(_))));
    for passing in [429, 502, 503, 504] {
        assert!(
            matches!(status(passing, false), Err(ActionError::Retryable { .. })),
            "{passing}"
        );
    }
}

#[test]
fn inputs_that_contradict_are_refused() {
    let ctx = ActionContext::for_test();
    for input in [
        json!({ "url": URL, "body": "a", "json": 1 }),
        json!({ "url": URL, "query": { "a": [] } }),
    ] {
        assert!(
            matches!(run(&ctx, &input), Err(ActionError::InvalidInput(_))),
            "{input}"
        );
    }
    assert!(matches!(
        run(&ctx, &json!({ "url": "nowhere" })),
        Err(ActionError::Permanent(_))
    ));
}

#[test]
fn bytes_come_as_base64_where_asked_for() {
    let answer = || Response::new(200).with_body([0xff, 0, 1]);
    let ctx = ActionContext::for_test().with_response("GET", URL, answer());
    let Ok(ProcessResult::Success(output)) =
        run(&ctx, &json!({ "url": URL, "encoding": "base64" }))
    else {
        panic!("success expected")
    };
    assert_eq!(output["body"], "/wAB");
    let ctx = ActionContext::for_test().with_response("GET", URL, answer());
    assert!(matches!(
        run(&ctx, &json!({ "url": URL })),
        Err(ActionError::Permanent(_))
    ));
}
