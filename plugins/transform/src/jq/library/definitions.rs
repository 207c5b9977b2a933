//! The functions of jq that jaq writes in jq, which `build.rs` makes the table
//! `DEFINITIONS` of.

use jaq_core::load::parse::Def;

/// Those that are left out, by name: their natives reach out of the filter, or
/// need a regular expression engine, a calendar or more mathematics.
const LEFT_OUT: [&str; 27] = [
    "stderr",
    "debug",
    "halt",
    "halt_error",
    "logb",
    "significand",
    "pow10",
    "drem",
    "nexttoward",
    "scalb",
    "gamma",
    "test",
    "scan",
    "scan_",
    "match",
    "capture",
    "splits",
    "sub",
    "gsub",
    "todate",
    "fromdate",
    "@htmld",
    "input",
    "inputs",
    "now",
    "env",
    "localtime",
];

/// All of them, in jaq's order.
pub(crate) fn everything() -> impl Iterator<Item = Def> {
    jaq_core::defs()
        .chain(jaq_std::defs())
        .chain(jaq_json::defs())
}

/// Those that are not left out, in jaq's order. `split/1` splits by text,
/// `split/2` by a regular expression.
pub(crate) fn kept() -> impl Iterator<Item = Def> {
    everything()
        .filter(|def| !(LEFT_OUT.contains(&def.name) || def.name == "split" && def.args.len() == 2))
}
