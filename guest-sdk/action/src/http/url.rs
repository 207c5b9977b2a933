//! The parts of an address, and percent-encoding.

use alloc::borrow::ToOwned;
use alloc::string::String;

/// `scheme://authority/path?query`; a fragment is not sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    pub(crate) https: bool,
    pub(crate) authority: &'a str,
    /// Begins with `/`.
    pub(crate) path_and_query: String,
}

/// Splits an absolute address; `None` if it is none.
pub(crate) fn split(url: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = url.split_once("://")?;
    let https = match scheme {
        s if s.eq_ignore_ascii_case("https") => true,
        s if s.eq_ignore_ascii_case("http") => false,
        _ => return None,
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let valid = !authority.is_empty()
        && !authority.contains('@')
        && url.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let path_and_query = if path.starts_with('/') {
        path.to_owned()
    } else {
        ["/", path].concat()
    };
    valid.then_some(Parts {
        https,
        authority,
        path_and_query,
    })
}

/// Adds `name=value` to the query, before the fragment.
pub(crate) fn add_parameter(url: &mut String, name: &str, value: &str) {
    let at = url.find('#').unwrap_or(url.len());
    let fragment = url.split_off(at);
    url.push(if url.contains('?') { '&' } else { '?' });
    encode_into(url, name);
    url.push('=');
    encode_into(url, value);
    url.push_str(&fragment);
}

/// Fields as a form writes them.
pub(crate) fn form<N: AsRef<str>, V: AsRef<str>>(
    fields: impl IntoIterator<Item = (N, V)>,
) -> String {
    let mut out = String::new();
    for (name, value) in fields {
        if !out.is_empty() {
            out.push('&');
        }
        encode_into(&mut out, name.as_ref());
        out.push('=');
        encode_into(&mut out, value.as_ref());
    }
    out
}

/// Everything but the unreserved characters of RFC 3986 §2.3.
fn encode_into(out: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_parts() {
        let parts = split("https://api.example:8443/v1/x?a=b#top").expect("splits");
        assert!(parts.https);
        assert_eq!(
            (parts.authority, parts.path_and_query.as_str()),
            ("api.example:8443", "/v1/x?a=b")
        );
        assert_eq!(split("HTTP://a?q").expect("splits").path_and_query, "/?q");
        assert_eq!(split("http://a").expect("splits").path_and_query, "/");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in [
            "",
            "a.example/x",
            "ftp://a",
            "https://",
            "https:///x",
            "https://u:p@a/",
            "https://a/b c",
            "https://a\\b",
        ] {
            assert_eq!(split(url), None, "{url}");
        }
    }

    #[test]
    fn parameters_are_encoded() {
        let mut url = "https://a/x#top".to_owned();
        add_parameter(&mut url, "city", "São Paulo&x=1");
        add_parameter(&mut url, "units", "metric");
        assert_eq!(
            url,
            "https://a/x?city=S%C3%A3o%20Paulo%26x%3D1&units=metric#top"
        );
    }
}
