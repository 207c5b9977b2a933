use proptest::prelude::*;
use quick_xml::escape::escape;

use super::*;

fn run(input: &Value) -> Result<Value> {
    match ActionContext::for_test().run::<Parse>(input)? {
        ProcessResult::Success(output) => Ok(output),
        other => panic!("{other:?}"),
    }
}

fn refusal(xml: &str) -> String {
    match run(&json!({ "xml": xml })) {
        Err(ActionError::InvalidInput(why)) => why,
        other => panic!("{xml}: {other:?}"),
    }
}

#[test]
fn a_document_becomes_a_value() {
    let xml = "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE order>\n<!-- now -->\n\
        <order id=\"7\" note=\"a &amp; &#x62;\n c\"><item>tea</item>\n<item sku='p&quot;1'> pot <b/>\n</item>\
        <total>12.50</total><empty/>\n<x><![CDATA[1 < 2 & 3]]> &lt;&gt;&#65;</x></order>\n<?end?>\n";
    assert_eq!(
        run(&json!({ "xml": xml, "lists": ["total"] })),
        Ok(json!({
            "root": "order",
            "value": {
                "@id": "7",
                "@note": "a & b  c",
                "item": ["tea", { "@sku": "p\"1", "b": "", "#text": "pot" }],
                "total": ["12.50"],
                "empty": "",
                "x": "1 < 2 & 3 <>A",
            },
        }))
    );
    let spaced = run(&json!({ "xml": "<a> x </a>", "keep_space": true }));
    assert_eq!(spaced, Ok(json!({ "root": "a", "value": " x " })));
}

#[test]
fn prefixes_are_kept_or_dropped() {
    let xml =
        "<f:feed xmlns:f=\"urn:f\" xmlns=\"urn:g\"><f:title f:lang=\"en\">x</f:title></f:feed>";
    assert_eq!(
        run(&json!({ "xml": xml })).expect("parses")["value"],
        json!({ "@xmlns:f": "urn:f", "@xmlns": "urn:g", "f:title": { "@f:lang": "en", "#text": "x" } })
    );
    assert_eq!(
        run(&json!({ "xml": xml, "prefixes": "drop" })),
        Ok(json!({ "root": "feed", "value": { "title": { "@lang": "en", "#text": "x" } } }))
    );
}

#[test]
fn what_is_no_document_is_refused_with_the_line() {
    let deep = "<a>".repeat(MAX_DEPTH + 1);
    let many = format!("<r>{}</r>", "<a/>".repeat(MAX_PARTS));
    for (xml, part) in [
        ("", "line 1: there is no element"),
        ("<a>\n<b>\n</a>", "line 3: "),
        ("<a>\n", "line 2: `<a>` has no end"),
        (
            "<a/>\n<b/>",
            "line 2: there is more than one outermost element",
        ),
        ("<a/>\nx", "text outside of the outermost element"),
        ("<a b=1/>", "line 1: "),
        ("<a b='1' b='2'/>", "line 1: "),
        ("<1/>", "`1` is no name"),
        ("<a @b='1'/>", "`@b` is no name"),
        ("<a>&#1;</a>", "U+0001 is no character"),
        ("<a>\n\u{0}</a>", "U+0000 is no character"),
        ("<a>&nbsp;</a>", "the entity `&nbsp;` is not known"),
        ("<a b='&x;'/>", "line 1: "),
        (deep.as_str(), "more than 60 deep"),
        (many.as_str(), "more than 100000 elements"),
        ("{\"a\": 1}", "text outside"),
    ] {
        let why = refusal(xml);
        assert!(why.starts_with("xml: line ") && why.contains(part), "{why}");
    }
}

#[test]
fn entities_of_a_document_reach_nothing_and_make_nothing() {
    let outside = "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>";
    let laughs = "<!DOCTYPE a [<!ENTITY x \"ha\"><!ENTITY y \"&x;&x;&x;\">]><a>&y;</a>";
    for (xml, entity) in [(outside, "&x;"), (laughs, "&y;")] {
        let why = refusal(xml);
        assert!(
            why.contains(&format!("the entity `{entity}` is not known")),
            "{why}"
        );
    }
}

/// An element: its attributes and what is in it.
#[derive(Debug, Clone)]
enum Element {
    Text(Vec<(String, String)>, String),
    Elements(Vec<(String, String)>, Vec<(String, Element)>),
}

fn element() -> impl Strategy<Value = Element> {
    let attributes = || {
        proptest::collection::btree_map("[a-c]", "(\\PC|[<&\"']){0,4}", 0..3)
            .prop_map(|map| map.into_iter().collect::<Vec<_>>())
    };
    let text = (attributes(), "(\\PC|[<&>\"']){0,6}")
        .prop_map(|(attributes, text)| Element::Text(attributes, text.trim().to_owned()));
    text.prop_recursive(4, 20, 4, move |inner| {
        (
            attributes(),
            proptest::collection::vec(("[a-c]", inner), 1..4),
        )
            .prop_map(|(attributes, elements)| Element::Elements(attributes, elements))
    })
}

fn write(name: &str, element: &Element, xml: &mut String) {
    let (Element::Text(attributes, _) | Element::Elements(attributes, _)) = element;
    *xml += &format!("<{name}");
    for (key, value) in attributes {
        *xml += &format!(" {key}=\"{}\"", escape(value));
    }
    *xml += ">";
    match element {
        Element::Text(_, text) => *xml += &escape(text),
        Element::Elements(_, elements) => elements.iter().for_each(|(name, e)| write(name, e, xml)),
    }
    *xml += &format!("</{name}>\n");
}

/// What it becomes, put together in another way than the action does.
fn expected(element: &Element) -> Value {
    let (Element::Text(attributes, _) | Element::Elements(attributes, _)) = element;
    let mut value: Map<String, Value> = attributes
        .iter()
        .map(|(name, value)| (format!("@{name}"), json!(value)))
        .collect();
    match element {
        Element::Text(_, text) if value.is_empty() => return json!(text),
        Element::Text(_, text) if text.is_empty() => {}
        Element::Text(_, text) => {
            value.insert("#text".into(), json!(text));
        }
        Element::Elements(_, elements) => {
            for (name, _) in elements {
                let same: Vec<Value> = elements
                    .iter()
                    .filter(|(other, _)| other == name)
                    .map(|(_, element)| expected(element))
                    .collect();
                let one = if same.len() == 1 {
                    same[0].clone()
                } else {
                    json!(same)
                };
                value.insert(name.clone(), one);
            }
        }
    }
    Value::Object(value)
}

proptest! {
    #[test]
    fn what_was_written_is_read_again(element in element()) {
        let mut xml = String::new();
        write("root", &element, &mut xml);
        let output = run(&json!({ "xml": xml })).expect("parses");
        prop_assert_eq!(&output["value"], &expected(&element), "{}", xml);
    }

    #[test]
    fn no_text_ends_in_a_panic(
        xml in "([<>/&;=\"'!?\\[\\]:-]|a|b|CDATA|DOCTYPE|xmlns|\\PC){0,40}",
        drop: bool,
    ) {
        let prefixes = if drop { "drop" } else { "keep" };
        let _ = run(&json!({ "xml": xml, "prefixes": prefixes }));
        let _ = run(&json!({ "xml": format!("<a>{xml}</a>") }));
    }
}
