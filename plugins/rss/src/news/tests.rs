use nebula_sdk::action::http::Response;
use proptest::prelude::*;

use super::*;

const URL: &str = "https://news.example/feed.xml";

/// A feed with these entries, the newest first.
fn feed(ids: impl IntoIterator<Item = u32>) -> String {
    let items = ids
        .into_iter()
        .map(|id| format!("<item><guid>n-{id}</guid><title>Entry {id}</title></item>"));
    let items: String = items.collect();
    format!("<rss><channel><title>News</title>{items}</channel></rss>")
}

/// Polls as the host does: what is kept is JSON.
fn poll(config: &Value, cursor: &Value, answer: Response) -> Result<Value> {
    let ctx = ActionContext::for_test()
        .with_credential("auth", "s3")
        .with_response("GET", URL, answer);
    match ctx.run::<NewItems>(&json!({ "config": config, "cursor": cursor }))? {
        ProcessResult::Success(output) => Ok(output),
        other => panic!("{other:?}"),
    }
}

fn config(backlog: usize) -> Value {
    json!({ "url": URL, "backlog": backlog })
}

fn found(polled: &Value) -> Vec<&str> {
    let events = polled["events"].as_array().expect("a list");
    events
        .iter()
        .map(|event| event["id"].as_str().expect("a text"))
        .collect()
}

fn answer(ids: impl IntoIterator<Item = u32>) -> Response {
    Response::new(200).with_body(feed(ids))
}

#[test]
fn the_first_poll_gives_nothing_and_the_next_ones_what_came_since_oldest_first() {
    let first = poll(&config(0), &Value::Null, answer([2, 1])).expect("polls");
    assert_eq!(found(&first), [""; 0]);
    let second = poll(&config(0), &first["cursor"], answer([4, 3, 2, 1])).expect("polls");
    assert_eq!(found(&second), ["n-3", "n-4"]);
    assert_eq!(second["more"], false);
    // An entry that left the feed and comes back is not new.
    let third = poll(&config(0), &second["cursor"], answer([5])).expect("polls");
    assert_eq!(found(&third), ["n-5"]);
    let fourth = poll(&config(0), &third["cursor"], answer([5, 4, 1])).expect("polls");
    assert_eq!(found(&fourth), [""; 0]);
}

#[test]
fn a_backlog_is_given_with_the_first_poll() {
    let first = poll(&config(2), &Value::Null, answer([3, 2, 1])).expect("polls");
    assert_eq!(found(&first), ["n-2", "n-3"]);
    let second = poll(&config(2), &first["cursor"], answer([3, 2, 1])).expect("polls");
    assert_eq!(found(&second), [""; 0]);
}

#[test]
fn what_is_too_much_at_once_comes_with_the_next_poll() {
    let mut cursor = poll(&config(0), &Value::Null, answer([])).expect("polls")["cursor"].take();
    let mut all = Vec::new();
    for more in [true, true, false] {
        let answer = answer((0..250).rev()).with_header("etag", "\"a\"");
        let mut polled = poll(&config(0), &cursor, answer).expect("polls");
        assert_eq!(polled["more"], more);
        // Only what was read to its end may be said to be unchanged.
        assert_eq!(polled["cursor"]["etag"].is_null(), more);
        all.extend(found(&polled).into_iter().map(str::to_owned));
        cursor = polled["cursor"].take();
    }
    let wanted: Vec<String> = (0..250).map(|id| format!("n-{id}")).collect();
    assert_eq!(all, wanted);
}

#[test]
fn long_entries_are_cut_and_few_of_them_come_at_once() {
    let long = "é".repeat(25_000);
    let items: String = (0..20)
        .map(|id| format!("<item><guid>{id}</guid><title>{long}</title><description>{long}</description></item>"))
        .collect();
    let body = format!("<rss><channel>{items}</channel></rss>");
    let before = json!({ "seen": [] });
    let polled = poll(&config(0), &before, Response::new(200).with_body(body)).expect("polls");
    let events = polled["events"].as_array().expect("a list");
    assert_eq!(events.len(), MAX_BYTES / (MAX_TEXT + MAX_SHORT + 2));
    assert_eq!(events[0]["summary"].as_str().map(str::len), Some(MAX_TEXT));
    assert_eq!(events[0]["title"].as_str().map(str::len), Some(MAX_SHORT));
    assert_eq!(polled["more"], true);
}

#[test]
fn a_server_is_asked_for_what_has_changed() {
    let answer = answer([1])
        .with_header("etag", "\"a\"")
        .with_header("last-modified", "then");
    let first = poll(&config(0), &Value::Null, answer).expect("polls");
    let ctx = ActionContext::for_test()
        .with_credential("auth", "s3")
        .with_response("GET", URL, Response::new(304));
    let input = json!({ "config": { "url": URL, "auth": true }, "cursor": first["cursor"] });
    let polled = ctx.run::<NewItems>(&input);
    let same = json!({ "cursor": first["cursor"], "events": [], "more": false });
    assert_eq!(polled, Ok(ProcessResult::Success(same)));
    for header in [
        ("if-none-match", "\"a\""),
        ("if-modified-since", "then"),
        ("authorization", "Bearer s3"),
    ] {
        let headers = &ctx.requests()[0].headers;
        let sent = |(name, value): &(String, String)| (name.as_str(), value.as_str()) == header;
        assert!(headers.iter().any(sent), "{header:?} in {headers:?}");
    }
    // One that was never asked would make everything new.
    let error = poll(&config(0), &Value::Null, Response::new(304)).expect_err("fails");
    assert!(error.to_string().contains("never asked"), "{error}");
}

#[test]
fn a_hash_is_that_of_the_reference() {
    // Of the authors' test vectors.
    assert_eq!(hash(""), "6c62272e07bb014262b821756295c58d");
    assert_eq!(hash("a"), "d228cb696f1a8caf78912b704e4a8964");
}

proptest! {
    #[test]
    fn each_entry_that_a_poll_sees_first_comes_once(polls in proptest::collection::vec((0_u32..40, 1_usize..150), 1..12)) {
        let (mut top, mut cursor) = (0, Value::Null);
        let mut came: Vec<String> = Vec::new();
        let mut wanted: Vec<String> = Vec::new();
        for (index, (more, window)) in polls.into_iter().enumerate() {
            top += more;
            // A feed that shows its newest entries only, and never so few that one is missed.
            let window = u32::try_from(window).expect("small").max(more);
            let shown = || (top.saturating_sub(window)..top).rev();
            if index > 0 {
                wanted.extend((top - more..top).map(|id| format!("n-{id}")));
            }
            loop {
                let mut polled = poll(&config(0), &cursor, answer(shown())).expect("polls");
                came.extend(found(&polled).into_iter().map(str::to_owned));
                cursor = polled["cursor"].take();
                if polled["more"] == false {
                    break;
                }
            }
        }
        // Those of before the first poll that a wider window shows later are new, too.
        let unique: BTreeSet<&String> = came.iter().collect();
        prop_assert_eq!(unique.len(), came.len(), "none comes twice");
        for id in &wanted {
            prop_assert!(unique.contains(id), "{id} is missing");
        }
    }

    #[test]
    fn no_config_or_cursor_ends_in_a_panic(seen in proptest::collection::vec("\\PC{0,40}", 0..5), backlog in 0_usize..2_000) {
        let cursor = json!({ "seen": seen, "etag": "x" });
        let _ = poll(&config(backlog), &cursor, answer([1]));
    }
}
