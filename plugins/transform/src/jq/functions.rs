//! The functions a filter may use.

use jaq_core::DataT;
use jaq_core::load::parse::Def;
use jaq_core::native::{Filter, Fun, bome, run, v};
use jaq_core::{Error, RunPtr};
use jaq_json::Val;
use jaq_std::ValT as _;

/// Definitions of jaq's standard library whose natives are not there: they
/// reach out of the filter, or need a regular expression engine or a calendar.
const LEFT_OUT: [&str; 32] = [
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
    "@sh",
    "@html",
    "@htmld",
    "@urid",
    "@base64",
    "@base64d",
    "input",
    "inputs",
    "now",
    "env",
    "localtime",
];

/// Functions that are written in jq.
pub(super) fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    let kept = |def: &Def<&'static str>| {
        // `split/1` splits by text, `split/2` by a regular expression.
        !LEFT_OUT.contains(&def.name) && !(def.name == "split" && def.args.len() == 2)
    };
    jaq_core::defs()
        .chain(jaq_std::defs())
        .chain(jaq_json::defs())
        .filter(kept)
}

/// Functions that are written in Rust.
pub(super) fn natives<D: for<'a> DataT<V<'a> = Val>>() -> impl Iterator<Item = Fun<D>> {
    jaq_core::funs()
        .chain(jaq_std::base_funs())
        .chain(jaq_json::funs())
        .chain(own().into_iter().map(run))
}

fn own<D: for<'a> DataT<V<'a> = Val>>() -> [Filter<RunPtr<D>>; 10] {
    [
        ("encode_uri", v(0), |cv| bome(encode_uri(&cv.1))),
        ("sqrt", v(0), |cv| bome(float(&cv.1, f64::sqrt))),
        ("exp", v(0), |cv| bome(float(&cv.1, f64::exp))),
        ("log", v(0), |cv| bome(float(&cv.1, f64::ln))),
        ("log2", v(0), |cv| bome(float(&cv.1, f64::log2))),
        ("log10", v(0), |cv| bome(float(&cv.1, f64::log10))),
        ("trunc", v(0), |cv| bome(float(&cv.1, f64::trunc))),
        ("fabs", v(0), |cv| bome(float(&cv.1, f64::abs))),
        ("toarray", v(0), |cv| bome(Ok(to_array(cv.1)))),
        ("pow", v(2), |mut cv| {
            let exponent = cv.0.pop_var();
            let base = cv.0.pop_var();
            bome(float(&exponent, |e| e).and_then(|e| match e.as_f64() {
                Some(e) => float(&base, |b| b.powf(e)),
                None => Err(Error::typ(exponent, "number")),
            }))
        }),
    ]
}

type Done = jaq_json::ValR;

fn float(value: &Val, f: impl Fn(f64) -> f64) -> Done {
    value
        .as_f64()
        .map(|number| Val::from(f(number)))
        .ok_or_else(|| Error::typ(value.clone(), "number"))
}

fn to_array(value: Val) -> Val {
    if matches!(value, Val::Arr(_)) {
        value
    } else {
        std::iter::once(value).collect()
    }
}

/// Everything but the unreserved characters of RFC 3986 §2.3, as jq does.
fn encode_uri(value: &Val) -> Done {
    let bytes = value
        .as_utf8_bytes()
        .ok_or_else(|| Error::typ(value.clone(), "string"))?;
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(Val::utf8_str(out))
}
