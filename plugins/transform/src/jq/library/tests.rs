//! What a filter needs against the whole library: the same definitions as
//! jaq's, the same answers, the same errors.

use nebula_sdk::prelude::*;
use proptest::prelude::*;

use super::super::{Input, apply, apply_with};
use super::definitions::{everything, kept};
use super::*;

/// The answer with only what the filter needs, and with the whole library.
fn both(filter: &str, value: &Value) -> (Result<Value>, Result<Value>) {
    let input = || Input {
        filter: filter.to_owned(),
        input: value.clone(),
        variables: [("limit".to_owned(), json!(2))].into(),
    };
    let whole = Library {
        definitions: kept().collect(),
        natives: functions::natives().collect(),
    };
    (apply(input()), apply_with(whole, input()))
}

fn same(filter: &str, value: &Value) {
    let (reduced, full) = both(filter, value);
    assert_eq!(reduced, full, "{filter} of {value}");
}

fn shown(def: &Def<&str>) -> String {
    format!("{def:?}")
}

/// Printing a definition and parsing it gives the same syntax tree again.
fn printed_and_parsed(def: &Def<&str>) {
    let text = print::definition(def);
    let parsed = load::parse(&text, |p| p.defs());
    let parsed = parsed.unwrap_or_else(|| panic!("does not parse: {text}"));
    let again: Vec<_> = parsed.iter().map(shown).collect();
    assert_eq!(again, [shown(def)], "{text}");
}

#[test]
fn a_printed_definition_is_the_same() {
    assert!(everything().count() > 100);
    everything().for_each(|def| printed_and_parsed(&def));
    let mut trees = Vec::new();
    for body in FORMS.iter().chain(&FILTERS) {
        let text = format!("def f($a; b): {body};");
        for def in load::parse(&text, |p| p.defs()).unwrap_or_default() {
            printed_and_parsed(&def);
            trees.push(shown(&def));
        }
    }
    // All but `map(` and the import.
    assert_eq!(trees.len(), FORMS.len() + FILTERS.len() - 2);
    for form in TERMS {
        assert!(trees.iter().any(|tree| tree.contains(form)), "{form}");
    }
}

/// How syntax trees show the forms of a term and of an operator.
const TERMS: [&str; 32] = [
    "Id",
    "Recurse",
    "Num(",
    "Str(None",
    "Str(Some",
    "Char(",
    "Arr(None",
    "Arr(Some",
    "Obj(",
    "Neg(",
    "BinOp(",
    "Label(",
    "Break(",
    "Fold(\"reduce\"",
    "Fold(\"foreach\"",
    "TryCatch(",
    "IfThenElse(",
    "Def(",
    "Call(",
    "Var(",
    "Path(",
    "Pipe(None",
    "Pipe(Some",
    "Comma",
    "Alt",
    "Or",
    "And",
    "Math(",
    "Cmp(",
    "Assign",
    "UpdateMath(",
    "UpdateAlt",
];

/// Every form of a term, inside others and with the precedence of jq.
const FORMS: [&str; 44] = [
    ". | .. | 1.5e-3 | $a",
    "\"\", \"a\\n\\\"\\\\\\/\\u00e9é\\(1, \"in\\(2)\")b\", @json \"\\(.)\", @json",
    "[], [1], [1, 2 | 3]",
    "{}, {a: 1, \"b\": 2, (\"c\", \"d\"): 3 | 4}",
    "{a, $a, \"b\", @base64 \"c\\(.)\", \"d\\(1)\"}",
    "{$a: 1, @text \"c\": (1, 2), e: -1, f: 1 + 2 as $x | $x, g: reduce . as $y (0; 1)}",
    "{if: 1, \"\": 2}",
    "-1, --1, -.a, -(1 + 2), (-1)[0], 1 - -1",
    "1 + 2 * 3 - 4 / 5 % 6",
    "(1 + 2) * (3 - 4) / (5 % 6)",
    "1 - (2 - 3) - 4, 1 / (2 / 3)",
    "1 < 2 == (3 >= 4) != (5 <= 6) and 7 > 8 or 9 == 10 // 11",
    "(1 or 2) and (3 // 4), 1 and (2 and 3)",
    "1 // (2 // 3) // 4",
    "1, (2, 3), 4",
    "1 | 2, 3 | 4",
    "(1 | 2) | 3, (1, 2 | 3)",
    ".a = 1 | .b |= 2 | .c += 3 | .d -= 4 | .e *= 5 | .f /= 6 | .g %= 7 | .h //= 8",
    ".a = .b = 1, (.a |= 1) |= 2",
    "1 as $x | 2 as $y | $x, $y",
    "1 + 2 as $x | 3 * $x | 4",
    "(1 as $x | $x) | 2, (1 as $x | 2) + 3",
    ". as [$x, [$y], {$z}] | $x",
    ". as {$x, y: $y, \"z\": [$z], (\"u\", \"v\"): {w: $w}, @json \"k\": $k} | 1",
    "label $out | 1, break $out | 2",
    "(label $out | 1) + (break $out), 3",
    "reduce .[] as $x (0; . + $x), foreach .[] as [$x] (0; 1; 2) | 3",
    "reduce (1, 2) as $x (0; 1) + 2",
    "(reduce . as $x (0; 1))[0], (foreach . as $x (0; 1))?",
    "try 1, try error catch ., try (1 + 2) catch (3 + 4)",
    "try (try 1) catch 2, try try 1 catch 2, try 1 catch try 2 catch 3",
    "(try 1)[0], (try 1 catch 2) | 3, try -1",
    "1?, .a?, .a??, f?[0], (1 + 2)?, (.a?)?.b",
    "if 1 then 2 end, if 1, 2 then 3 | 4 elif 5 then 6 elif 7 then 8 else 9, 10 end",
    "if 1 then 2 else 3 end[0] + if 4 then 5 end | 6",
    "def g: 1; def h(x; $y): x | $y; g | h(1; 2, 3 | 4)",
    "(def g: 1; g) + 2, [def g: 1; g]",
    "1 | def g: 2; g, 3",
    "b, b(1), b(1; 2 | 3, 4), m::b, m::b(1)",
    ".a, .a.b, .a[0].\"b c\".d[], .[\"a\"]?, .\"x\\(1)\", .@json \"y\"",
    ".[], .[0], .[1:2], .[1:], .[:2], .[1, 2], .[1 | 2:3, 4]?, .[-1:]",
    "(.a)[0], (.a | .b).c, (.a.b).c?, ..[0], ..?",
    "$a[0].b, \"a\"[0:1], [1][0], {a: 1}.a, 1[0], f[0], f(1).b, @json[0], $__loc__",
    "(1 as $x | 2).a, (def g: 1; g)[0], (label $x | 1)[0], (break $x)[0]",
];

#[test]
fn the_table_has_jaqs_definitions_and_no_others() {
    let ours: Vec<_> = DEFINITIONS
        .iter()
        .map(|(name, text)| {
            let parsed = load::parse(text, |p| p.defs()).expect("parses");
            let [def] = &parsed[..] else {
                panic!("one definition: {text}");
            };
            assert_eq!(*name, def.name.trim_start_matches('@'));
            shown(def)
        })
        .collect();
    assert_eq!(ours, kept().map(|def| shown(&def)).collect::<Vec<_>>());
}

#[test]
fn a_filter_loads_what_it_needs_through_others_and_little_else() {
    let names = |filter| -> Vec<_> {
        let needed = Library::needed_by(filter);
        needed.definitions.iter().map(|def| def.name).collect()
    };
    assert!(names(".a.b[0] + 1").is_empty());
    assert_eq!(names("[.[] | length] | first(.[])"), ["first"]);
    assert_eq!(
        names("with_entries(.value += 1)"),
        ["map", "to_entries", "from_entries", "with_entries"]
    );
    assert_eq!(names("@uri \"a\\(.b)\""), ["tostring", "@uri"]);
    assert_eq!(names("\"\\(keys)\""), ["keys"]);
    let natives: Vec<_> = Library::needed_by("keys | length")
        .natives
        .iter()
        .map(|(name, ..)| *name)
        .collect();
    assert_eq!(natives, ["keys_unsorted", "sort", "length"]);
}

/// Every function of jaq, and what it leaves out, called with `.` for each
/// argument.
#[test]
fn every_function_gives_the_same_answer_or_the_same_error() {
    let definitions = everything().map(|def| (def.name, def.args.len()));
    let natives = functions::natives::<Data>().map(|(name, args, _)| (name, args.len()));
    let mut calls: Vec<(&str, usize)> = definitions.chain(natives).collect();
    calls.extend([("nothing", 0), ("map", 2), ("halt", 1), ("env", 0)]);
    assert!(calls.len() > 150, "{}", calls.len());
    for (name, arity) in calls {
        let arguments = match arity {
            0 => String::new(),
            arity => format!("({})", vec!["."; arity].join("; ")),
        };
        for value in [json!([[1], [2]]), json!([]), json!("a"), json!({ "a": 1 })] {
            same(&format!("[limit(2; {name}{arguments})]"), &value);
        }
    }
}

#[test]
fn a_broad_list_of_filters_gives_the_same_answers_and_errors() {
    let value = json!({
        "rows": [
            { "city": "A", "temp": 31.26, "tags": ["x", "y"] },
            { "city": "B", "temp": 9, "tags": [] },
            { "city": "A", "temp": null, "tags": ["y"] },
        ],
        "text": "a, b, c",
        "n": 7,
    });
    for filter in FILTERS {
        same(filter, &value);
    }
}

const FILTERS: [&str; 60] = [
    ".",
    "..",
    ".rows[0].city",
    ".rows | map(select(.temp > 10)) | length",
    ".rows | group_by(.city) | map({city: .[0].city, n: length})",
    ".rows | map(.temp // 0) | add / length | round",
    ".rows | sort_by(-.temp) | map(.city) | unique | join(\", \")",
    ".rows | max_by(.temp).city, min_by(.temp)",
    ".rows | any(.temp == null), all(.city; . == \"A\")",
    "[.rows[].tags[]] | unique_by(.) | index(\"y\")",
    ".rows | to_entries | from_entries",
    "with_entries(select(.key != \"rows\"))",
    "[paths], [paths(type == \"number\")]",
    "[leaf_paths]",
    "pick(.rows[1].city)",
    "del(.rows, .text)",
    "delpaths([[\"rows\", 0], [\"n\"]])",
    "getpath([\"rows\", 1, \"temp\"]), setpath([\"n\"]; 8).n",
    ".text | split(\", \") | map(ascii_upcase) | join(\"-\")",
    ".text | @uri, @json, @text",
    "@uri \"?q=\\(.text)&n=\\(.n)\"",
    "@html \"<\\(.text)>\"",
    "\"\\(.n) is \\(.n | type) \\(.rows | length)\"",
    "{map: .n, (.text): .rows | length}",
    "def map(f): \"mine\"; map(.)",
    "def f(g): map(g | tostring); [1, 2] | f(. + 1)",
    "def type: \"mine\"; [.n] | arrays, type",
    "map as $x | $x",
    ".n as $map | $map + 1",
    ". as {$n, text: $t} | [$n, $t, $limit]",
    "$limit, $nothing",
    "reduce range(5) as $i (0; . + $i)",
    "[foreach range(5) as $i (0; . + $i; [$i, .])]",
    "[limit(3; repeat(1))]",
    "[range(0; 10; 3)], [range(3)]",
    "[.n | while(. < 100; . * 2)], (.n | until(. > 100; . * 2))",
    "[recurse(if . < 3 then . + 1 else empty end)]?",
    "[1 | recurse(. + 1; . < 4)]",
    "label $out | 1, break $out, 2",
    "try error(\"no\") catch .",
    "error(\"no\")",
    "error",
    "(.text | tonumber)? // \"none\"",
    "[\"1\", 2, \"x\"] | map(tonumber? // -1)",
    "\"true\" | toboolean",
    "walk(if type == \"number\" then . + 1 else . end)",
    "[[1, [2]], 3] | flatten, flatten(1)",
    "[[1, 2], [3]] | transpose, combinations",
    "[nan, infinite, -infinite] | map(isnan, isinfinite, isnormal)",
    "isempty(empty), ([] | first), last(range(3)), nth(1; range(3)), ([5, 6] | nth(1))",
    "\"a\" | in({a: 1}), inside(\"abc\"), ltrimstr(\"a\"), test(\"a\")",
    "[splits(\", \")]",
    "map_values(numbers)",
    "[.[] | scalars, iterables, values, nulls, booleans, strings, objects]",
    "fromjson | tojson",
    "nope(.; map(.))",
    "map(nope) | $x | add(1; 2)",
    "map(",
    "import \"map\" as m; m::map",
    "# map\n[1, 2] # add | first\n| last",
];

/// A pipeline of calls, most of which fit what comes before them. Not `infinite`:
/// a table of so many rows takes `transpose` for ever.
fn pipeline() -> impl Strategy<Value = String> {
    let call = prop::sample::select(vec![
        ".",
        ".[]?",
        ".a",
        ".[0]?",
        "length",
        "keys",
        "add",
        "any",
        "all",
        "min",
        "max",
        "sort",
        "unique",
        "flatten",
        "reverse",
        "to_entries",
        "from_entries",
        "with_entries(.)",
        "type",
        "tostring",
        "tojson",
        "tonumber",
        "not",
        "first",
        "last",
        "nulls",
        "values",
        "scalars",
        "arrays",
        "numbers",
        "isnan",
        "null",
        "true",
        "false",
        "empty",
        "abs",
        "floor",
        "transpose",
        "paths",
        "[..]",
        "map(.)",
        "map(type)",
        "map_values(.)",
        "select(.)",
        "sort_by(.)",
        "group_by(.)",
        "unique_by(.)",
        "min_by(.)",
        "max_by(.)",
        "del(.[0]?)",
        "walk(.)",
        "recurse",
        "first(.[]?)",
        "limit(1; .[]?)",
        "has(0)",
        "contains(.)",
        "inside(.)",
        "index(1)",
        "join(\"-\")",
        "split(\"a\")",
        "ascii_upcase",
        "implode",
        "explode",
        "error",
        "nope",
        "nope(.)",
        "@uri",
        "@json \"\\(.)\"",
        "{map: .}",
        "def add: 1; add",
        "getpath([\"a\"])",
        "until(true; .)",
        "while(false; .)",
        "pick(.a)?",
        "splits(\"a\")",
        "toarray",
        "$limit",
    ]);
    let glue = prop::sample::select(vec![
        " | ",
        ", ",
        " + ",
        " // ",
        " as $x | $x | ",
        " == ",
        " and ",
    ]);
    // Four at the most: operators take every pair of what streams give, and
    // `[..] | [..] | recurse + recurse + recurse + recurse` would not end in our time.
    (call.clone(), prop::collection::vec((glue, call), 0..4)).prop_map(|(first, rest)| {
        let rest = rest.into_iter().map(|(glue, call)| [glue, call].concat());
        [first.to_owned()].into_iter().chain(rest).collect()
    })
}

proptest! {
    #[test]
    fn any_printed_pipeline_is_the_same(filter in pipeline()) {
        let text = format!("def f: {filter};");
        let parsed = load::parse(&text, |p| p.defs()).expect("parses");
        prop_assert_eq!(parsed.len(), 1);
        printed_and_parsed(&parsed[0]);
    }

    #[test]
    fn any_pipeline_gives_the_same_answer_or_the_same_error(filter in pipeline(), value in 0..6_usize) {
        let values = [json!(null), json!(3), json!("ab"), json!([1, 2]), json!({ "a": [1] }), json!([{ "key": "a", "value": 1 }])];
        let wrapped = format!("[{filter}]");
        for filter in [&filter, &wrapped] {
            let (reduced, full) = both(filter, &values[value]);
            prop_assert_eq!(reduced, full, "{}", filter);
        }
    }
}
