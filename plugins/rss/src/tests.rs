use nebula_sdk::action::http::Response;
use proptest::prelude::*;

use super::*;

const URL: &str = "https://news.example/feed.xml";

const RSS: &str = r#"<?xml version="1.0"?>
<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/">
<channel><title>News &amp; more</title><link>https://news.example/</link><description>All of it</description>
<image><title>Logo</title><url>logo.png</url><link>https://logo.example/</link></image>
<item><title><![CDATA[Tea < coffee]]></title><link>https://news.example/1</link><guid isPermaLink="false">n-1</guid>
<pubDate>Tue, 03 Feb 2026 04:05:06 GMT</pubDate><dc:creator>Ada</dc:creator><category>tea</category><category>pots</category>
<description>&lt;p&gt;Short&nbsp;&#65;&lt;/p&gt;</description><content:encoded><![CDATA[<p>Long</p>]]></content:encoded>
<enclosure url="https://news.example/1.mp3" length="1" type="audio/mpeg"/></item>
<item><title>Second</title><link>https://news.example/2</link></item>
</channel></rss>"#;

const ATOM: &str = r#"<feed xmlns="http://www.w3.org/2005/Atom"><title type="text">Log</title><subtitle>Of days</subtitle>
<link rel="self" href="https://log.example/feed"/><link href="https://log.example/"/><id>urn:log</id>
<entry><title>One</title><id>urn:1</id><link rel="alternate" href="https://log.example/1?a=1&amp;b=2"/>
<link rel="enclosure" href="https://log.example/1.ogg"/><published>2026-02-03T04:05:06Z</published>
<updated>2026-02-04T00:00:00Z</updated><author><name>Grace</name><email>g@log.example</email></author>
<category term="x"/><summary>Short</summary>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">Long <b>text</b></div></content>
<source><title>Elsewhere</title><id>urn:other</id></source></entry></feed>"#;

fn run(ctx: &ActionContext, input: &Value) -> Result<Value> {
    match ctx.run::<Fetch>(input)? {
        ProcessResult::Success(output) => Ok(output),
        other => panic!("{other:?}"),
    }
}

fn fetch(body: &str) -> Result<Value> {
    let ctx =
        ActionContext::for_test().with_response("GET", URL, Response::new(200).with_body(body));
    run(&ctx, &json!({ "url": URL }))
}

#[test]
fn rss_is_read() {
    assert_eq!(
        fetch(RSS).expect("reads")["feed"],
        json!({
            "title": "News & more", "link": "https://news.example/", "description": "All of it",
            "entries": [
                {
                    "id": "n-1", "title": "Tea < coffee", "link": "https://news.example/1",
                    "published": "Tue, 03 Feb 2026 04:05:06 GMT", "updated": null, "summary": "<p>Short&nbsp;A</p>",
                    "content": "<p>Long</p>", "author": "Ada", "categories": ["tea", "pots"],
                    "enclosures": ["https://news.example/1.mp3"],
                },
                {
                    "id": "https://news.example/2", "title": "Second", "link": "https://news.example/2",
                    "published": null, "updated": null, "summary": null, "content": null, "author": null,
                    "categories": [], "enclosures": [],
                },
            ],
        })
    );
}

#[test]
fn atom_is_read() {
    assert_eq!(
        fetch(ATOM).expect("reads")["feed"],
        json!({
            "title": "Log", "link": "https://log.example/", "description": "Of days",
            "entries": [{
                "id": "urn:1", "title": "One", "link": "https://log.example/1?a=1&b=2",
                "published": "2026-02-03T04:05:06Z", "updated": "2026-02-04T00:00:00Z", "summary": "Short",
                "content": "Long text", "author": "Grace", "categories": ["x"],
                "enclosures": ["https://log.example/1.ogg"],
            }],
        })
    );
}

#[test]
fn rss_1_has_its_items_beside_the_channel() {
    let feed = "<rdf:RDF xmlns:rdf=\"r\" xmlns=\"s\"><channel><title>Old</title></channel>\
        <item><title>A</title><link>l</link><dc:date>2026-01-01</dc:date></item></rdf:RDF>";
    let feed = &fetch(feed).expect("reads")["feed"];
    assert_eq!(
        (
            &feed["title"],
            &feed["entries"][0]["id"],
            &feed["entries"][0]["published"]
        ),
        (&json!("Old"), &json!("l"), &json!("2026-01-01"))
    );
}

#[test]
fn a_call_asks_for_what_is_new() {
    let ctx = ActionContext::for_test()
        .with_credential("auth", "s3")
        .with_response("GET", URL, Response::new(304));
    let input = json!({ "url": URL, "etag": "\"a\"", "last_modified": "", "auth": true });
    assert_eq!(
        run(&ctx, &input),
        Ok(json!({ "not_modified": true, "feed": null, "etag": "\"a\"", "last_modified": "" }))
    );
    let headers = &ctx.requests()[0].headers;
    let header = |name: &str| {
        headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    };
    assert_eq!(header("if-none-match"), Some("\"a\""));
    assert_eq!(header("if-modified-since"), None);
    assert_eq!(header("authorization"), Some("Bearer s3"));

    let answer = Response::new(200)
        .with_header("ETag", "\"b\"")
        .with_header("Last-Modified", "then")
        .with_body(RSS);
    let ctx = ActionContext::for_test().with_response("GET", URL, answer);
    let output = run(&ctx, &json!({ "url": URL, "limit": 1 })).expect("reads");
    assert_eq!(
        (&output["etag"], &output["last_modified"]),
        (&json!("\"b\""), &json!("then"))
    );
    assert_eq!(output["feed"]["entries"].as_array().map(Vec::len), Some(1));
}

#[test]
fn what_is_no_feed_fails_with_the_reason() {
    let deep = format!("<rss>{}", "<a>".repeat(300));
    for (body, part) in [
        ("", "there is no element"),
        ("<html><body/></html>", "`<html>` is the outermost element"),
        ("<rss><channel>", "ends too early"),
        ("<rss></channel>", "no feed"),
        (deep.as_str(), "more than 256 deep"),
    ] {
        let error = fetch(body).expect_err(part);
        assert!(
            matches!(&error, ActionError::Permanent(why) if why.contains(part)),
            "{error}"
        );
    }
    for limit in [0, 1_001] {
        let error = run(
            &ActionContext::for_test(),
            &json!({ "url": URL, "limit": limit }),
        );
        assert!(
            matches!(error, Err(ActionError::InvalidInput(_))),
            "{limit}"
        );
    }
    let status = |status| {
        let ctx = ActionContext::for_test().with_response("GET", URL, Response::new(status));
        run(&ctx, &json!({ "url": URL })).expect_err("fails")
    };
    assert!(status(503).is_retryable());
    assert!(matches!(status(404), ActionError::Permanent(_)));
    assert!(matches!(status(204), ActionError::Permanent(_)));
}

proptest! {
    #[test]
    fn each_entry_is_read_as_it_was_written(titles in proptest::collection::vec("[ -~é]{1,12}", 0..6), atom: bool) {
        let mut feed = String::new();
        for (at, title) in titles.iter().enumerate() {
            let title = quick_xml::escape::escape(title.as_str());
            feed += &if atom {
                format!("<entry><id>{at}</id><title>{title}</title></entry>")
            } else {
                format!("<item><guid>{at}</guid><title>{title}</title></item>")
            };
        }
        let feed = if atom { format!("<feed>{feed}</feed>") } else { format!("<rss><channel>{feed}</channel></rss>") };
        let output = fetch(&feed).expect("reads");
        let entries = output["feed"]["entries"].as_array().expect("a list");
        prop_assert_eq!(entries.len(), titles.len());
        for (at, (entry, title)) in entries.iter().zip(&titles).enumerate() {
            prop_assert_eq!(&entry["title"], title.trim());
            prop_assert_eq!(&entry["id"], &at.to_string());
        }
    }

    #[test]
    fn no_answer_ends_in_a_panic(body in "(</?(rss|feed|channel|item|entry|title|link|author|name)( href='a')?/?>|&|\\PC){0,30}") {
        let _ = fetch(&body);
        let _ = fetch(&format!("<rss>{body}</rss>"));
    }
}
