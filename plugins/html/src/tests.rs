use proptest::prelude::*;

use super::*;

const PAGE: &str = r#"<!DOCTYPE html><html><head><title>Prices &amp; more</title>
<style>p { color: red }</style><body class="page wide">
<h1>Tea&nbsp;and <em>pots</em></h1>
<p id=intro>All <b>hot</b>days<br>are<p>Second
<table class="prices"><thead><tr><th>name<th>price<tbody>
<tr><td><a href="/tea?a=1&amp;b=2">Tea</a><td>2.50 &euro;
<tr class=sale><td><a href="/pot">Pot</a><td>12
<tr><td>Cup<td></table>
<ul><li>one<ul><li>inner</ul><li data-x="two words">two</li></ul>
<script>if (a < b) { "<p>no</p>" }</script>
<svg><path d="x"/><g/></svg><img src=a.png alt="A"></body></html>"#;

fn run(input: &Value) -> Result<Vec<Value>> {
    match ActionContext::for_test().run::<Extract>(input)? {
        ProcessResult::Success(mut output) => {
            let Value::Array(items) = output["items"].take() else {
                panic!("{output}")
            };
            assert_eq!(output["count"], items.len());
            Ok(items)
        }
        other => panic!("{other:?}"),
    }
}

fn texts(html: &str, select: &str) -> Value {
    let input = json!({ "html": html, "fields": { "x": { "select": select, "all": true } } });
    run(&input).unwrap_or_else(|error| panic!("{select}: {error}"))[0]["x"].take()
}

#[test]
fn each_element_becomes_an_item() {
    let input = json!({
        "html": PAGE,
        "each": "table.prices tbody tr",
        "fields": {
            "name": { "select": "td:first-child", "required": true },
            "price": { "select": "td + td" },
            "link": { "select": "a[href]", "attribute": "href" },
            "kind": { "attribute": "CLASS" },
            "all": {},
        },
    });
    assert_eq!(
        run(&input).expect("extracts"),
        [
            json!({ "all": "Tea 2.50 €", "kind": null, "link": "/tea?a=1&b=2", "name": "Tea", "price": "2.50 €" }),
            json!({ "all": "Pot 12", "kind": "sale", "link": "/pot", "name": "Pot", "price": "12" }),
            json!({ "all": "Cup", "kind": null, "link": null, "name": "Cup", "price": "" }),
        ]
    );
}

#[test]
fn a_page_is_read_as_browsers_do() {
    for (select, expected) in [
        ("title", json!(["Prices & more"])),
        ("h1", json!(["Tea and pots"])),
        ("p", json!(["All hotdays are", "Second"])),
        ("#intro b", json!(["hot"])),
        ("body > p", json!(["All hotdays are", "Second"])),
        ("thead th", json!(["name", "price"])),
        ("ul > li", json!(["one inner", "inner", "two"])),
        ("body > ul > li", json!(["one inner", "two"])),
        ("li li", json!(["inner"])),
        ("script", json!([""])),
        ("svg > *", json!(["", ""])),
        ("svg ~ img", json!([""])),
        (
            "body.page.wide > h1 ~ p",
            json!(["All hotdays are", "Second"]),
        ),
        ("h1 + p", json!(["All hotdays are"])),
        ("TD:nth-child(2)", json!(["2.50 €", "12", ""])),
        (
            "tbody tr:nth-child(odd) td:first-child",
            json!(["Tea", "Cup"]),
        ),
        ("tbody tr:nth-child(-n + 2) a", json!(["Tea", "Pot"])),
        ("tbody tr:last-child td:not(:last-child)", json!(["Cup"])),
        ("tr:not(.sale) a", json!(["Tea"])),
        ("[data-x~=words], h1 em", json!(["pots", "two"])),
        ("[href^='/t'][href*=\"a=1\"]", json!(["Tea"])),
        ("a[href$=POT i]", json!(["Pot"])),
        ("a[href$=POT]", json!([])),
        ("[class|=sale]", json!(["Pot 12"])),
        ("nothing", json!([])),
        ("h1 h1", json!([])),
    ] {
        assert_eq!(texts(PAGE, select), expected, "{select}");
    }
    assert_eq!(
        texts("<div class='md:w a.b'>x</div>", ".md\\:w.a\\.b"),
        json!(["x"])
    );
    assert_eq!(texts("<td>a</div>b", "td"), json!(["ab"]));
    assert_eq!(texts("a</p>b", "*"), json!([]));
}

#[test]
fn a_page_without_each_is_one_item() {
    let input = json!({ "html": "<p>a<p>b", "fields": { "all": {}, "first": { "select": "p" }, "none": { "select": "i" } } });
    assert_eq!(
        run(&input).expect("extracts"),
        [json!({ "all": "a b", "first": "a", "none": null })]
    );
}

#[test]
fn what_cannot_be_selected_is_refused_with_its_place() {
    for (select, part) in [
        ("", "character 1: a name, `*`"),
        ("a >", "character 4: a name, `*`"),
        ("a,,b", "character 3: "),
        ("a[href", "`]` is missing"),
        ("a[href=", "a name is expected"),
        ("a[href='x]", "`'` is missing"),
        ("a[href!=x]", "`!` compares nothing"),
        ("a:hover", "`:hover` is not known"),
        ("a::before", "a name is expected"),
        ("a:nth-child(x)", "`x` is no number"),
        ("a:nth-child(", "`:nth-child` counts nothing"),
        ("a:not(:not(b))", "`:not` is not known here"),
        ("a)", "`)` is not expected here"),
        ("a\\", "nothing follows"),
    ] {
        let input = json!({ "html": "", "fields": { "x": { "select": select } } });
        let error = run(&input).expect_err(select);
        assert!(
            matches!(&error, ActionError::InvalidInput(why)
                if why.starts_with("fields.x.select: `") && why.contains(part)),
            "{error}"
        );
    }
    let long = "a ".repeat(61);
    let many = "<i>".repeat(150_001);
    let rows = "<p>x".repeat(400);
    for (input, part) in [
        (
            json!({ "html": "", "each": long, "fields": {} }),
            "more than 60 parts",
        ),
        (
            json!({ "html": "", "each": "x".repeat(1_001), "fields": {} }),
            "1001 characters",
        ),
        (
            json!({ "html": many, "fields": {} }),
            "more than 150000 elements",
        ),
        (
            json!({ "html": "<p>", "fields": { "x": { "select": "a", "required": true } } }),
            "fields.x: nothing is found",
        ),
        (
            json!({ "html": "<p>", "fields": { "x": { "select": "a", "required": true, "all": true } } }),
            "fields.x: nothing is found",
        ),
        (
            json!({ "html": rows, "each": "p", "fields": (0..100).map(|n| (n.to_string(), json!({ "all": true, "attribute": null }))).chain([("y".into(), json!({}))]).collect::<nebula_sdk::Map<_, _>>() }),
            "fields: there are 101",
        ),
    ] {
        let error = run(&input).expect_err(part);
        assert!(
            matches!(&error, ActionError::InvalidInput(why) if why.contains(part)),
            "{error}"
        );
    }
}

#[test]
fn what_stands_very_deep_is_found_too() {
    let html = format!(
        "{}<b>x</b>{}",
        "<div>".repeat(20_000),
        "</div>".repeat(20_000)
    );
    assert_eq!(texts(&html, "div div b"), json!(["x"]));
}

/// Whether an element meets a selector, tried in the plain way: from its right end.
fn meets(document: &Document, node: usize, parts: &[(char, String)]) -> bool {
    let Some(((combinator, name), before)) = parts.split_last() else {
        return true;
    };
    let named = |node: usize| document.element(node).is_some_and(|e| e.name == *name);
    if !named(node) {
        return false;
    }
    let parent = document.nodes()[node].parent;
    let beside = |other: usize| {
        document.nodes()[other].parent == parent && document.element(other).is_some()
    };
    let from: Vec<usize> = match combinator {
        '^' => return true,
        '>' => vec![parent],
        '+' => (1..node)
            .rev()
            .find(|&other| beside(other))
            .into_iter()
            .collect(),
        '~' => (1..node).filter(|&other| beside(other)).collect(),
        _ => std::iter::successors(Some(parent), |&p| {
            (p != document::ROOT).then(|| document.nodes()[p].parent)
        })
        .collect(),
    };
    from.into_iter().any(|other| meets(document, other, before))
}

proptest! {
    #[test]
    fn a_selector_means_what_trying_everything_finds(
        html in "(<[abc]>|</[abc]>|x){0,40}",
        first in "[abc]",
        more in proptest::collection::vec(("[ >+~]", "[abc]"), 0..4),
    ) {
        let mut parts = vec![('^', first.clone())];
        let mut text = first;
        for (combinator, name) in more {
            text += &format!("{combinator}{name}");
            parts.push((combinator.chars().next().expect("one"), name));
        }
        let document = Document::read(&html).expect("reads");
        let selector = Selector::parse(&text).expect("parses");
        let expected: Vec<usize> = (1..document.nodes().len()).filter(|&node| meets(&document, node, &parts)).collect();
        prop_assert_eq!(find::all(&document, &selector), expected, "{} {}", html, text);
    }

    #[test]
    fn no_page_and_no_selector_end_in_a_panic(
        html in "(</?(p|li|td|tr|table|ul|b|svg|select|option|script|br)( a='?)?/?>|&[a-z#0-9]{0,4};?|<!|--|\\PC){0,40}",
        select in "([a-z#.:*>+~,()\\[\\]='\"\\\\ n0-9-]|:nth-child\\(|:not\\(|\\PC){0,16}",
    ) {
        let _ = run(&json!({ "html": html, "each": select, "fields": { "x": { "select": "*", "all": true } } }));
        let read = run(&json!({ "html": html, "each": "*", "fields": { "x": { "select": "p, li" } } }));
        prop_assert!(read.is_ok(), "{read:?}");
    }
}
