//! The functions that are written in Rust.

use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER_PERMISSIVE};
use jaq_core::DataT;
use jaq_core::native::{Filter, Fun, bome, run, v};
use jaq_core::{Error, RunPtr};
use jaq_json::Val;
use jaq_std::ValT as _;

/// All of them but `halt`, which would end the component.
pub(super) fn natives<D: for<'a> DataT<V<'a> = Val>>() -> impl Iterator<Item = Fun<D>> {
    jaq_core::funs()
        .chain(jaq_std::base_funs())
        .chain(jaq_json::funs())
        .filter(|(name, ..)| *name != "halt")
        .chain(own().into_iter().map(run))
}

fn own<D: for<'a> DataT<V<'a> = Val>>() -> [Filter<RunPtr<D>>; 16] {
    [
        ("encode_uri", v(0), |cv| bome(text(&cv.1, encode_uri))),
        ("decode_uri", v(0), |cv| bome(text(&cv.1, decode_uri))),
        ("escape_html", v(0), |cv| bome(text(&cv.1, escape_html))),
        ("encode_base64", v(0), |cv| {
            bome(text(&cv.1, |bytes| BASE64.encode(bytes).into_bytes()))
        }),
        ("decode_base64", v(0), |cv| bome(decode_base64(&cv.1))),
        ("sqrt", v(0), |cv| bome(float(&cv.1, f64::sqrt))),
        ("exp", v(0), |cv| bome(float(&cv.1, f64::exp))),
        ("exp2", v(0), |cv| bome(float(&cv.1, f64::exp2))),
        ("exp10", v(0), |cv| bome(float(&cv.1, |n| 10_f64.powf(n)))),
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

/// A text made of the bytes of another.
fn text(value: &Val, f: impl Fn(&[u8]) -> Vec<u8>) -> Done {
    value
        .as_utf8_bytes()
        .map(|bytes| Val::utf8_str(f(bytes)))
        .ok_or_else(|| Error::typ(value.clone(), "string"))
}

/// Everything but the unreserved characters of RFC 3986 §2.3, as jq does.
fn encode_uri(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    out
}

/// A `%` that no two hexadecimal digits follow stays.
fn decode_uri(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        let decoded = after
            .get(..2)
            .filter(|_| byte == b'%')
            .and_then(|digits| HEXLOWER_PERMISSIVE.decode(digits).ok());
        match decoded {
            Some(decoded) => {
                out.extend_from_slice(&decoded);
                rest = &after[2..];
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

/// As jq's manual has it.
fn escape_html(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            other => out.push(*other),
        }
    }
    out
}

/// With its padding or without, as jq does.
fn decode_base64(value: &Val) -> Done {
    let bytes = value
        .as_utf8_bytes()
        .ok_or_else(|| Error::typ(value.clone(), "string"))?;
    let end = bytes
        .iter()
        .rposition(|&byte| byte != b'=')
        .map_or(0, |i| i + 1);
    BASE64_NOPAD
        .decode(&bytes[..end])
        .map(Val::utf8_str)
        .map_err(|why| Error::str(format_args!("{value} is not base64: {why}")))
}
