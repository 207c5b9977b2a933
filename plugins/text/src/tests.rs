use proptest::prelude::*;

use super::*;

fn run(input: &Value) -> Result<Vec<String>> {
    match ActionContext::for_test().run::<Split>(input)? {
        ProcessResult::Success(output) => {
            let parts = output["parts"].as_array().expect("a list");
            assert_eq!(output["count"], parts.len());
            let text = |part: &Value| part.as_str().expect("a text").to_owned();
            Ok(parts.iter().map(text).collect())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_text_is_split_as_asked() {
    let text = "One two.\r\nThree\n\n  \nFour \n";
    for (input, parts) in [
        (
            json!({ "text": text }),
            vec!["One two.", "Three", "", "  ", "Four "],
        ),
        (
            json!({ "text": text, "trim": true, "keep_empty": false }),
            vec!["One two.", "Three", "Four"],
        ),
        (
            json!({ "text": text, "by": "paragraphs" }),
            vec!["One two.\r\nThree", "Four "],
        ),
        (
            json!({ "text": text, "by": "words" }),
            vec!["One", "two.", "Three", "Four"],
        ),
        (
            json!({ "text": "a, b,,c", "by": "separator", "separator": "," }),
            vec!["a", " b", "", "c"],
        ),
        (
            json!({ "text": "", "by": "separator", "separator": ",", "keep_empty": false }),
            vec![],
        ),
    ] {
        assert_eq!(run(&input).expect("splits"), parts, "{input}");
    }
}

#[test]
fn parts_of_a_size_end_where_the_text_pauses() {
    let text = "It rains. It pours, and nobody goes out.\n\nThe next day is dry.";
    for (size, overlap, parts) in [
        (
            45,
            0,
            vec![
                "It rains. It pours, and nobody goes out.\n\n",
                "The next day is dry.",
            ],
        ),
        (
            16,
            0,
            vec![
                "It rains. ",
                "It pours, and ",
                "nobody goes ",
                "out.\n\nThe next ",
                "day is dry.",
            ],
        ),
        (
            34,
            4,
            vec![
                "It rains. It pours, and nobody ",
                "ody goes out.\n\nThe next day is ",
                " is dry.",
            ],
        ),
    ] {
        let input = json!({ "text": text, "by": "size", "size": size, "overlap": overlap });
        assert_eq!(run(&input).expect("splits"), parts, "{input}");
    }
    let input = json!({ "text": "äöü€ßñ日本", "by": "size", "size": 3 });
    assert_eq!(run(&input).expect("splits"), ["äöü", "€ßñ", "日本"]);
}

#[test]
fn what_cannot_be_split_is_refused_with_the_field() {
    let many = "\n".repeat(MAX_PARTS + 1);
    for (input, part) in [
        (json!({ "text": "a", "by": "separator" }), "separator: "),
        (
            json!({ "text": "a", "by": "separator", "separator": "" }),
            "separator: ",
        ),
        (json!({ "text": "a", "by": "size" }), "size: "),
        (
            json!({ "text": "a", "by": "size", "size": 9, "overlap": 5 }),
            "overlap: 5 characters",
        ),
        (json!({ "text": many }), "more than 100000 parts"),
        (json!({ "text": 7 }), "text"),
        (json!({ "text": "a", "by": "tabs" }), "tabs"),
    ] {
        let error = run(&input).expect_err("refused");
        assert!(
            matches!(&error, ActionError::InvalidInput(why) if why.contains(part)),
            "{error}"
        );
    }
}

proptest! {
    #[test]
    fn parts_of_a_size_joined_are_the_text(text in "(\\PC|[ .\\n]){0,80}", size in 1_usize..20) {
        let parts = run(&json!({ "text": text, "by": "size", "size": size })).expect("splits");
        prop_assert!(parts.iter().all(|part| (1..=size).contains(&part.chars().count())));
        prop_assert_eq!(parts.concat(), text);
    }

    #[test]
    fn with_an_overlap_each_part_begins_in_the_one_before(text in "(\\PC|[ .\\n]){0,80}", size in 2_usize..20) {
        let overlap = size / 2;
        let parts = run(&json!({ "text": text, "by": "size", "size": size, "overlap": overlap })).expect("splits");
        let mut joined = String::new();
        for part in &parts {
            let start = joined.char_indices().rev().take(overlap).last().map_or(0, |(at, _)| at);
            let common = if joined.is_empty() { 0 } else { joined.len() - start };
            prop_assert_eq!(&joined[joined.len() - common..], &part[..common]);
            joined.push_str(&part[common..]);
        }
        prop_assert_eq!(joined, text);
    }

    #[test]
    fn parts_between_separators_joined_by_it_are_the_text(text in "[ab,]{0,40}", separator in "[ab,]{1,3}") {
        let parts = run(&json!({ "text": text, "by": "separator", "separator": separator })).expect("splits");
        prop_assert_eq!(parts.join(&separator), text);
    }

    #[test]
    fn no_words_are_lost(text in "(\\PC|\\s){0,80}") {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for by in ["lines", "paragraphs", "words"] {
            let parts = run(&json!({ "text": text, "by": by })).expect("splits");
            prop_assert_eq!(words(&parts.join("\n")), words(&text));
        }
    }
}
