//! The jq functions that expressions may use. All are functions of their
//! input: none reads the clock, the environment, files or further inputs, and
//! none stops or prints.

/// What a deploy accepts, by name and number of arguments. The evaluator has
/// all of them.
pub const FUNCTIONS: &[(&str, usize)] = &[
    ("@base64", 0),
    ("@base64d", 0),
    ("@html", 0),
    ("@json", 0),
    ("@sh", 0),
    ("@text", 0),
    ("@uri", 0),
    ("@urid", 0),
    ("abs", 0),
    ("add", 0),
    ("add", 1),
    ("all", 0),
    ("all", 1),
    ("all", 2),
    ("any", 0),
    ("any", 1),
    ("any", 2),
    ("arrays", 0),
    ("ascii_downcase", 0),
    ("ascii_upcase", 0),
    ("booleans", 0),
    ("bsearch", 1),
    ("ceil", 0),
    ("combinations", 0),
    ("combinations", 1),
    ("contains", 1),
    ("del", 1),
    ("delpaths", 1),
    ("empty", 0),
    ("endswith", 1),
    ("error", 0),
    ("error", 1),
    ("exp", 0),
    ("exp10", 0),
    ("exp2", 0),
    ("explode", 0),
    ("fabs", 0),
    ("false", 0),
    ("first", 0),
    ("first", 1),
    ("flatten", 0),
    ("flatten", 1),
    ("floor", 0),
    ("from_entries", 0),
    ("fromjson", 0),
    ("getpath", 1),
    ("group_by", 1),
    ("has", 1),
    ("implode", 0),
    ("in", 1),
    ("index", 1),
    ("indices", 1),
    ("infinite", 0),
    ("inside", 1),
    ("isempty", 1),
    ("isfinite", 0),
    ("isinfinite", 0),
    ("isnan", 0),
    ("isnormal", 0),
    ("iterables", 0),
    ("join", 1),
    ("keys", 0),
    ("keys_unsorted", 0),
    ("last", 0),
    ("last", 1),
    ("length", 0),
    ("limit", 2),
    ("log", 0),
    ("log10", 0),
    ("log2", 0),
    ("ltrim", 0),
    ("ltrimstr", 1),
    ("map", 1),
    ("map_values", 1),
    ("max", 0),
    ("max_by", 1),
    ("min", 0),
    ("min_by", 1),
    ("nan", 0),
    ("not", 0),
    ("nth", 1),
    ("nth", 2),
    ("null", 0),
    ("nulls", 0),
    ("numbers", 0),
    ("objects", 0),
    ("path", 1),
    ("paths", 0),
    ("paths", 1),
    ("pick", 1),
    ("pow", 2),
    ("range", 1),
    ("range", 2),
    ("range", 3),
    ("recurse", 0),
    ("recurse", 1),
    ("recurse", 2),
    ("repeat", 1),
    ("reverse", 0),
    ("rindex", 1),
    ("round", 0),
    ("rtrim", 0),
    ("rtrimstr", 1),
    ("scalars", 0),
    ("select", 1),
    ("setpath", 2),
    ("skip", 2),
    ("sort", 0),
    ("sort_by", 1),
    ("split", 1),
    ("sqrt", 0),
    ("startswith", 1),
    ("strings", 0),
    ("toboolean", 0),
    ("to_entries", 0),
    ("tojson", 0),
    ("tonumber", 0),
    ("tostring", 0),
    ("transpose", 0),
    ("trim", 0),
    ("true", 0),
    ("trunc", 0),
    ("type", 0),
    ("unique", 0),
    ("unique_by", 1),
    ("until", 2),
    ("utf8bytelength", 0),
    ("values", 0),
    ("walk", 1),
    ("while", 2),
    ("with_entries", 1),
];

/// Why a function of jq is not there, for those that people may look for.
pub(super) fn why_not(name: &str, arguments: usize) -> Option<&'static str> {
    Some(match name {
        "test" | "match" | "capture" | "scan" => {
            "expressions have no regular expressions; `contains`, `startswith`, `endswith`, \
             `index` and `split` compare texts, an action of yours may do more"
        }
        "sub" | "gsub" => {
            "expressions have no regular expressions; `split(\"a\") | join(\"b\")` replaces a text"
        }
        "splits" => {
            "expressions have no regular expressions; `split(\", \") | .[]` splits by a text"
        }
        "split" if arguments == 2 => {
            "expressions have no regular expressions; `split(\", \")` splits by a text"
        }
        "todate" | "todateiso8601" | "fromdate" | "fromdateiso8601" | "date" | "dateadd"
        | "datesub" | "gmtime" | "mktime" | "strftime" | "strptime" => {
            "expressions have no calendar; convert dates in an action of yours (ISO 8601 texts \
             of one time zone compare as they are)"
        }
        "now" | "localtime" | "strflocaltime" | "mktime_local" => {
            "expressions have no clock; put the time into the input"
        }
        "env" | "input_filename" | "get_search_list" => {
            "expressions do not see the host's environment"
        }
        "input" | "inputs" | "input_line_number" => {
            "there are no further inputs; begin with `$input`"
        }
        "halt" | "halt_error" => "an expression cannot stop the process; use `error`",
        "debug" | "stderr" => "expressions print nothing",
        _ => return None,
    })
}
