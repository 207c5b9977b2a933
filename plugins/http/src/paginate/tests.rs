use nebula_sdk::action::http::Response;

use super::*;

const URL: &str = "https://api.example/v1/orders";

fn page(body: &Value) -> Response {
    Response::new(200).with_body(body.to_string())
}

fn run(ctx: &ActionContext, input: &Value) -> Result<Value> {
    match ctx.run::<Paginate>(input)? {
        ProcessResult::Success(output) => Ok(output),
        other => panic!("{other:?}"),
    }
}

fn with(pages: Vec<(&str, Response)>) -> ActionContext {
    pages
        .into_iter()
        .fold(ActionContext::for_test(), |ctx, (url, page)| {
            ctx.with_response("GET", url, page)
        })
}

#[test]
fn pages_are_followed_by_the_header_link() {
    let ctx = with(vec![
        (
            "https://api.example/v1/orders?size=2",
            page(&json!([1, 2])).with_header("Link", "<?size=2&page=2>; rel=\"next\""),
        ),
        (
            "https://api.example/v1/orders?size=2&page=2",
            page(&json!([3, 4]))
                .with_header("link", "<https://api.example/v1/orders>; rel=\"prev\"")
                .with_header("link", "</v2/orders#x>; rel=next"),
        ),
        ("https://api.example/v2/orders#x", page(&json!([5]))),
    ])
    .with_credential("auth", "s3");
    let input =
        json!({ "url": URL, "query": { "size": 2 }, "auth": {}, "headers": { "x-a": "b" } });
    assert_eq!(
        run(&ctx, &input),
        Ok(
            json!({ "items": [1, 2, 3, 4, 5], "count": 5, "pages": 3, "complete": true, "next": null })
        )
    );
    for request in ctx.requests() {
        assert_eq!(
            request.headers,
            [
                ("x-a".to_owned(), "b".to_owned()),
                ("authorization".to_owned(), "Bearer s3".to_owned())
            ]
        );
    }
    assert_eq!(ctx.heartbeats(), 3);
}

/// The items 1 and 2 at `/d/items`, by address, cursor and number.
fn three() -> [ActionContext; 3] {
    let by_url = with(vec![
        (
            URL,
            page(&json!({ "d": { "items": [1] }, "next": "orders?after=1" })),
        ),
        (
            "https://api.example/v1/orders?after=1",
            page(&json!({ "d": { "items": [2] }, "next": null })),
        ),
    ]);
    let by_cursor = with(vec![
        (
            URL,
            page(&json!({ "d": { "items": [1] }, "meta": { "next": 7 } })),
        ),
        (
            "https://api.example/v1/orders?cursor=7",
            page(&json!({ "d": { "items": [] }, "meta": { "next": "a&b" } })),
        ),
        (
            "https://api.example/v1/orders?cursor=a%26b",
            page(&json!({ "d": { "items": [2] }, "meta": {} })),
        ),
    ]);
    let by_page = with(vec![
        (
            "https://api.example/v1/orders?p=0",
            page(&json!({ "d": { "items": [1] } })),
        ),
        (
            "https://api.example/v1/orders?p=1",
            page(&json!({ "d": { "items": [2] } })),
        ),
        (
            "https://api.example/v1/orders?p=2",
            page(&json!({ "d": { "items": [] } })),
        ),
    ]);
    [by_url, by_cursor, by_page]
}

#[test]
fn pages_are_followed_by_an_address_a_cursor_or_a_number() {
    let [by_url, by_cursor, by_page] = three();
    for (ctx, mut input, pages) in [
        (by_url, json!({ "by": "url", "next": "/next" }), 2),
        (
            by_cursor,
            json!({ "by": "cursor", "next": "/meta/next" }),
            3,
        ),
        (
            by_page,
            json!({ "by": "page", "parameter": "p", "first": 0 }),
            3,
        ),
    ] {
        input["url"] = json!(URL);
        input["items"] = json!("/d/items");
        assert_eq!(
            run(&ctx, &input),
            Ok(
                json!({ "items": [1, 2], "count": 2, "pages": pages, "complete": true, "next": null })
            ),
            "{input}"
        );
    }
}

#[test]
fn what_is_not_read_any_more_is_said() {
    let ctx = || {
        with(vec![
            ("https://api.example/v1/orders?page=1", page(&json!([1, 2]))),
            ("https://api.example/v1/orders?page=2", page(&json!([3, 4]))),
        ])
    };
    for limit in [json!({ "max_pages": 2 }), json!({ "max_items": 3 })] {
        let mut input = json!({ "url": URL, "by": "page" });
        for (name, value) in limit.as_object().expect("an object") {
            input[name] = value.clone();
        }
        assert_eq!(
            run(&ctx(), &input),
            Ok(
                json!({ "items": [1, 2, 3, 4], "count": 4, "pages": 2, "complete": false, "next": "3" })
            ),
            "{input}"
        );
    }
}

#[test]
fn pages_that_lead_nowhere_end_it() {
    let link =
        |target: &str| page(&json!([1])).with_header("link", format!("<{target}>; rel=next"));
    for (first, part) in [
        (link(URL), "in a circle"),
        (link("https://evil.example/"), "another server"),
        (link("http://api.example/v1/orders?2"), "another server"),
        (link("//evil.example/"), "another server"),
        (link("https://api.example@evil.example/"), "another server"),
        (link("a b"), "is no address"),
        (page(&json!({ "items": [] })), "there is no list at ``"),
        (Response::new(304), "status 304"),
        (Response::new(404), "status 404"),
        (Response::new(200).with_body("<html>"), "invalid"),
    ] {
        let ctx = with(vec![
            (URL, first),
            ("https://api.example/v1/orders?2", page(&json!([]))),
        ]);
        let error = run(&ctx, &json!({ "url": URL })).expect_err(part);
        assert!(
            matches!(&error, ActionError::Permanent(why) if why.contains(part)),
            "{part}: {error}"
        );
    }
    let same = with(vec![
        (URL, page(&json!({ "next": "x" }))),
        (
            "https://api.example/v1/orders?cursor=x",
            page(&json!({ "next": "x" })),
        ),
    ]);
    let input = json!({ "url": URL, "by": "cursor", "next": "/next", "items": "" });
    assert!(run(&same, &input).is_err());

    let busy = with(vec![(URL, Response::new(503))]);
    assert!(
        run(&busy, &json!({ "url": URL }))
            .expect_err("busy")
            .is_retryable()
    );
}

#[test]
fn pages_are_bounded_together() {
    let text = "x".repeat(5 * 1024 * 1024);
    let ctx = with(vec![
        ("https://api.example/v1/orders?page=1", page(&json!([text]))),
        ("https://api.example/v1/orders?page=2", page(&json!([text]))),
    ]);
    let error = run(&ctx, &json!({ "url": URL, "by": "page" })).expect_err("too large");
    assert!(
        error
            .to_string()
            .contains("page 2: the pages have more than 8388608 bytes"),
        "{error}"
    );
}

#[test]
fn inputs_that_lead_nowhere_are_refused() {
    for (input, part) in [
        (json!({ "url": URL, "max_pages": 101 }), "max_pages: "),
        (json!({ "url": URL, "max_pages": 0 }), "max_pages: "),
        (json!({ "url": URL, "by": "url" }), "next: "),
        (
            json!({ "url": URL, "by": "cursor", "next": "next" }),
            "next: ",
        ),
        (json!({ "url": URL, "items": "items" }), "items: "),
        (json!({ "url": URL, "query": { "a": [] } }), "query.a: "),
        (json!({ "url": URL, "by": "guess" }), "guess"),
    ] {
        let error = run(&ActionContext::for_test(), &input).expect_err("refused");
        assert!(
            matches!(&error, ActionError::InvalidInput(why) if why.contains(part)),
            "{error}"
        );
    }
}
