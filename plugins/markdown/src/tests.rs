use proptest::prelude::*;

use super::*;

fn render(markdown: &str, html: &str) -> Value {
    let input = json!({ "markdown": markdown, "html": html });
    match ActionContext::for_test().run::<Render>(&input) {
        Ok(ProcessResult::Success(output)) => output,
        other => panic!("{other:?}"),
    }
}

fn gives(markdown: &str, html: &str) {
    assert_eq!(render(markdown, "escape")["html"], html, "{markdown}");
}

#[test]
fn a_text_becomes_html() {
    gives(
        "# Hot `days`\n\nIt is *hot* & **dry**.\n",
        "<h1>Hot <code>days</code></h1>\n<p>It is <em>hot</em> &amp; <strong>dry</strong>.</p>\n",
    );
    gives(
        "| city | temp |\n| --- | ---: |\n| Cairo<br>old | 28 |\n",
        "<table><thead><tr><th>city</th><th style=\"text-align: right\">temp</th></tr></thead><tbody>\n\
         <tr><td>Cairo<br />\nold</td><td style=\"text-align: right\">28</td></tr>\n</tbody></table>\n",
    );
    gives(
        "- [x] ~~done~~\n- [ ] open\n",
        "<ul>\n<li><input disabled=\"\" type=\"checkbox\" checked=\"\"/>\n<del>done</del></li>\n\
         <li><input disabled=\"\" type=\"checkbox\"/>\nopen</li>\n</ul>\n",
    );
    gives(
        "```rust\nlet a = \"<b>\";\n```\n",
        "<pre><code class=\"language-rust\">let a = \"&lt;b&gt;\";\n</code></pre>\n",
    );
    gives("", "");
}

#[test]
fn the_first_heading_is_the_title() {
    for (markdown, title) in [
        (
            "text\n\n## Hot *days* & `nights`\n\n# Later",
            json!("Hot days & nights"),
        ),
        ("Two\nlines\n===", json!("Two lines")),
        ("none", Value::Null),
    ] {
        assert_eq!(render(markdown, "escape")["title"], title, "{markdown}");
    }
}

#[test]
fn html_and_links_that_run_something_are_kept_only_if_asked_for() {
    gives(
        "a <b onclick=\"x\">b</b>\n\n<script>\nalert(1)\n</script>\n",
        "<p>a &lt;b onclick=\"x\"&gt;b&lt;/b&gt;</p>\n<p>&lt;script&gt;\nalert(1)\n&lt;/script&gt;\n</p>\n",
    );
    for (url, stays) in [
        ("https://a.example/?a:b", true),
        ("/path:x", true),
        ("?q=a:b", true),
        ("#a:b", true),
        ("MAILTO:a@b", true),
        ("javascript:alert(1)", false),
        ("JavaScript&colon;alert(1)", false),
        ("&#1;java&#9;script:alert(1)", false),
        ("vbscript:x", false),
        ("data:text/html;base64,PHN2Zz4=", false),
    ] {
        for mark in ["", "!"] {
            let html = render(&format!("{mark}[x]({url})"), "escape")["html"].to_string();
            let led = !html.contains("href=\\\"\\\"") && !html.contains("src=\\\"\\\"");
            assert_eq!(led, stays, "{html}");
        }
    }
    gives(
        "<me@a.example>",
        "<p><a href=\"mailto:me@a.example\">me@a.example</a></p>\n",
    );
    let kept = render("<i>x</i> [a](javascript:b)", "keep");
    assert_eq!(
        kept["html"],
        "<p><i>x</i> <a href=\"javascript:b\">a</a></p>\n"
    );
}

#[test]
fn what_is_no_text_or_too_long_is_refused() {
    let long = "x".repeat(MAX_TEXT + 1);
    for input in [
        json!({ "markdown": 7 }),
        json!({ "markdown": "", "html": "some" }),
        json!({ "markdown": long }),
    ] {
        let refused = ActionContext::for_test().run::<Render>(&input);
        assert!(
            matches!(refused, Err(ActionError::InvalidInput(_))),
            "{refused:?}"
        );
    }
}

/// What the action writes by itself.
const TAGS: &[&str] = &[
    "a",
    "blockquote",
    "br",
    "code",
    "del",
    "div",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "img",
    "input",
    "li",
    "ol",
    "p",
    "pre",
    "strong",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "ul",
];

proptest! {
    #[test]
    fn nothing_but_known_tags_comes_out(markdown in "([<>!\\[\\]()#*_~`|:&\\n -]|a|http|javascript:|<script>|<b a=|]\\(|\\PC){0,40}") {
        let output = render(&markdown, "escape");
        let html = output["html"].as_str().expect("a text");
        for (at, _) in html.match_indices('<') {
            let tag = html[at + 1..].trim_start_matches('/');
            let name: String = tag.chars().take_while(char::is_ascii_alphanumeric).collect();
            prop_assert!(TAGS.contains(&name.as_str()), "{html}");
            let end = tag.find('>').expect("a tag ends");
            let tag = tag[..end].to_ascii_lowercase();
            prop_assert!(!tag.contains("href=\"javascript:") && !tag.contains("src=\"javascript:"), "{html}");
        }
        let _ = render(&markdown, "keep");
    }
}
