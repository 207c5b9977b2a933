//! jaq's definitions (jaq-core 3.1, jaq-std 3.0, jaq-json 2.0) in their order,
//! without those whose natives are not here. A test compares them with jaq's own.

// Copyright (c) 2021 Michael Färber
//
// Permission is hereby granted, free of charge, to any person obtaining a copy of
// this software and associated documentation files (the "Software"), to deal in
// the Software without restriction, including without limitation the rights to
// use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of
// the Software, and to permit persons to whom the Software is furnished to do so,
// subject to the following conditions:
//
// The above copyright notice and this permission notice shall be included in all
// copies or substantial portions of the Software.
//
// THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
// IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS
// FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
// COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER
// IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
// CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.

/// Name, without the `@` of a format, and text. Each refers only to itself and
/// to those before it.
pub(super) const DEFINITIONS: [(&str, &str); 97] = [
    ("empty", "def empty: {}[] as $x | .;"),
    ("error", "def error: error_empty as $x | .;"),
    ("error", "def error(msgs): (msgs | error_empty) as $x | .;"),
    ("true", "def true: 0 == 0;"),
    ("false", "def false: 0 != 0;"),
    ("not", "def not: if . then false else true end;"),
    ("select", "def select(f): if f then . else empty end;"),
    ("tostring", r#"def tostring: "\(.)";"#),
    ("range", "def range(from; to): range(from; to; 1);"),
    ("range", "def range(to): range(0; to);"),
    ("repeat", "def repeat(f): def rec: f, rec; rec;"),
    ("recurse", "def recurse(f): def rec: ., (f | rec); rec;"),
    ("recurse", "def recurse: recurse(.[]?);"),
    (
        "recurse",
        "def recurse(f; cond): recurse(f | select(cond));",
    ),
    (
        "while",
        "def while(cond; update): def rec: if cond then ., (update | rec) else empty end; rec;",
    ),
    (
        "until",
        "def until(cond; update): def rec: if cond then . else update | rec end; rec;",
    ),
    ("paths", "def paths: skip(1; path (..));"),
    (
        "paths",
        "def paths(p): skip(1; path_value(..)) | if .[1] | p then .[0] else empty end;",
    ),
    (
        "getpath",
        "def getpath($path): reduce $path[] as $p (.; .[$p]);",
    ),
    ("setpath", "def setpath($path; $x): getpath($path) = $x;"),
    (
        "delpaths",
        "def delpaths($paths): reduce $paths[] as $path (.; getpath($path) |= empty);",
    ),
    ("map", "def map(f): [.[] | f];"),
    ("map_values", "def map_values(f): .[] |= f;"),
    ("walk", "def walk(f): .. |= f;"),
    ("del", "def del(f): f |= empty;"),
    ("first", "def first: .[0];"),
    ("last", "def last: .[-1];"),
    ("nth", "def nth(n): .[n];"),
    (
        "join",
        r#"def join($s): .[] |= tostring | .[:-1][] += $s | reduce .[] as $x (""; . + $x);"#,
    ),
    (
        "combinations",
        "def combinations: .[][] |= [.] | reduce .[] as $a ([]; . + $a[]);",
    ),
    (
        "combinations",
        "def combinations($n): [limit($n; repeat(.))] | combinations;",
    ),
    ("nth", "def nth(n; g): first(skip(n; g));"),
    (
        "to_entries",
        "def to_entries: [key_values[] as [$key, $value] | { $key, $value }];",
    ),
    (
        "from_entries",
        "def from_entries: reduce (.[] | { (.key): .value }) as $x ({}; . + $x);",
    ),
    (
        "with_entries",
        "def with_entries(f): to_entries | map(f) | from_entries;",
    ),
    ("isempty", "def isempty(g): first((g | false), true);"),
    ("all", "def all(g; cond): isempty(g | cond and empty);"),
    ("any", "def any(g; cond): isempty(g | cond or empty) | not;"),
    ("all", "def all(cond): all(.[]; cond);"),
    ("any", "def any(cond): any(.[]; cond);"),
    ("all", "def all: all(.[]; .);"),
    ("any", "def any: any(.[]; .);"),
    ("null", "def null: [][0];"),
    ("isboolean", "def isboolean: . == true or . == false;"),
    ("isnumber", r#"def isnumber: . > true and . < "";"#),
    ("isstring", r#"def isstring: . >= "" and . < [];"#),
    ("isarray", "def isarray: . >= [] and . < {};"),
    ("isobject", "def isobject: . >= {};"),
    ("nan", "def nan: 0 / 0;"),
    ("infinite", "def infinite: 1 / 0;"),
    ("isnan", "def isnan: . < nan and nan < .;"),
    (
        "isinfinite",
        "def isinfinite: . == infinite or . == -infinite;",
    ),
    ("isfinite", "def isfinite: isnumber and (isinfinite | not);"),
    (
        "isnormal",
        "def isnormal: isnumber and ((. == 0 or isnan or isinfinite) | not);",
    ),
    ("abs", "def abs: if . < 0 then - . end;"),
    (
        "type",
        r#"def type: if . == null then "null" elif isboolean then "boolean" elif . < "" then "number" elif . < [] then "string" elif . < {} then "array" else "object" end;"#,
    ),
    ("values", "def values: select(. != null);"),
    ("nulls", "def nulls: select(. == null);"),
    ("booleans", "def booleans: select(isboolean);"),
    ("numbers", "def numbers: select(isnumber);"),
    ("finites", "def finites: select(isfinite);"),
    ("normals", "def normals: select(isnormal);"),
    ("strings", "def strings: select(isstring);"),
    ("arrays", "def arrays: select(isarray);"),
    ("objects", "def objects: select(isobject);"),
    ("iterables", "def iterables: select(. >= []);"),
    ("scalars", "def scalars: select(. < []);"),
    ("add", "def add(f): reduce f as $x (null; . + $x);"),
    ("add", "def add: add(.[]);"),
    (
        "min_by",
        "def min_by(f): reduce min_by_or_empty(f) as $x (null; $x);",
    ),
    (
        "max_by",
        "def max_by(f): reduce max_by_or_empty(f) as $x (null; $x);",
    ),
    ("min", "def min: min_by(.);"),
    ("max", "def max: max_by(.);"),
    ("unique_by", "def unique_by(f): [group_by(f)[] | .[0]];"),
    ("unique", "def unique: unique_by(.);"),
    (
        "pick",
        "def pick(f): reduce path_value(f) as [$path, $value] ({}; . * reduce ($path | reverse[]) as $p ($value; {($p): .}));",
    ),
    ("keys", "def keys: keys_unsorted | sort;"),
    (
        "flatten",
        "def flatten: [recurse(arrays[]) | select(isarray | not)];",
    ),
    (
        "flatten",
        "def flatten($d): if $d > 0 then map(if isarray then flatten($d-1) else [.] end) | add end;",
    ),
    (
        "capture_of_match",
        "def capture_of_match: map(select(.name) | { (.name): .string}) | add + {};",
    ),
    (
        "split",
        r#"def split($sep): if isstring and ($sep | isstring) then . / $sep else error("split input and separator must be strings") end;"#,
    ),
    (
        "sh",
        r#"def @sh: [if isarray then .[] end | if . >= "" then "'\(escape_sh)'" else "\(.)" end] | join(" ");"#,
    ),
    ("text", r#"def @text: "\(.)";"#),
    ("html", "def @html: tostring | escape_html;"),
    ("uri", "def @uri: tostring | encode_uri;"),
    ("urid", "def @urid: tostring | decode_uri;"),
    ("base64", "def @base64: tostring | encode_base64;"),
    ("base64d", "def @base64d: tostring | decode_base64;"),
    (
        "totype",
        "def totype(p; e): if p then . else fromjson | if p then . else e end end;",
    ),
    (
        "tonumber",
        r#"def tonumber: totype(isnumber; error("cannot parse as number"));"#,
    ),
    (
        "toboolean",
        r#"def toboolean: totype(isboolean; error("cannot parse as boolean"));"#,
    ),
    (
        "transpose",
        "def transpose: [range([.[] | length] | max) as $i | [.[][$i]]];",
    ),
    ("in", "def in(xs) : . as $x | xs | has ($x);"),
    ("inside", "def inside(xs): . as $x | xs | contains($x);"),
    ("index", "def index($i): indices($i)[0];"),
    ("rindex", "def rindex($i): indices($i)[-1];"),
    ("json", "def @json: tojson;"),
];
