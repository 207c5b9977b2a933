//! Texts to bytes and back (RFC 4648).

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, DecodeError, HEXLOWER, HEXLOWER_PERMISSIVE};
use nebula_sdk::prelude::*;

/// How bytes are written in an input.
#[data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// The bytes of the text itself, as UTF-8.
    #[default]
    Text,
    /// Two hexadecimal digits for each byte, in either case.
    Hex,
    /// Base64, padded or not.
    Base64,
    /// Base64 with `-` and `_` in place of `+` and `/`, padded or not.
    Base64url,
}

/// How bytes are written in an output.
#[data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum OutputEncoding {
    /// Two hexadecimal digits for each byte, in lower case.
    #[default]
    Hex,
    /// Base64, padded.
    Base64,
    /// Base64 with `-` and `_` in place of `+` and `/`, not padded.
    Base64url,
}

/// The bytes that the field `name` holds.
///
/// # Errors
/// [`ActionError::InvalidInput`], with the field and the place but never the
/// text, which may be a key.
pub(crate) fn decode(name: &str, text: String, encoding: Encoding) -> Result<Vec<u8>> {
    let (kind, decoded) = match encoding {
        Encoding::Text => return Ok(text.into_bytes()),
        Encoding::Hex => ("hexadecimal", HEXLOWER_PERMISSIVE.decode(text.as_bytes())),
        Encoding::Base64 => ("base64", BASE64_NOPAD.decode(unpadded(&text))),
        Encoding::Base64url => ("base64url", BASE64URL_NOPAD.decode(unpadded(&text))),
    };
    decoded.map_err(
        |DecodeError {
             position,
             kind: why,
         }| {
            ActionError::invalid_input(format!("{name}: not {kind}: {why} at byte {position}"))
        },
    )
}

/// The bytes as text.
pub(crate) fn encode(bytes: &[u8], encoding: OutputEncoding) -> String {
    match encoding {
        OutputEncoding::Hex => HEXLOWER.encode(bytes),
        OutputEncoding::Base64 => data_encoding::BASE64.encode(bytes),
        OutputEncoding::Base64url => BASE64URL_NOPAD.encode(bytes),
    }
}

impl From<OutputEncoding> for Encoding {
    fn from(encoding: OutputEncoding) -> Self {
        match encoding {
            OutputEncoding::Hex => Self::Hex,
            OutputEncoding::Base64 => Self::Base64,
            OutputEncoding::Base64url => Self::Base64url,
        }
    }
}

/// Without the padding that fills the last four digits; more `=` than that
/// stays, and is no base64.
fn unpadded(text: &str) -> &[u8] {
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(4) {
        return bytes;
    }
    bytes
        .strip_suffix(b"==")
        .or_else(|| bytes.strip_suffix(b"="))
        .unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_vectors_of_rfc_4648_hold() {
        for (text, base64, hex) in [
            ("", "", ""),
            ("f", "Zg==", "66"),
            ("fo", "Zm8=", "666f"),
            ("foo", "Zm9v", "666f6f"),
            ("foobar", "Zm9vYmFy", "666f6f626172"),
        ] {
            assert_eq!(encode(text.as_bytes(), OutputEncoding::Base64), base64);
            assert_eq!(encode(text.as_bytes(), OutputEncoding::Hex), hex);
            let unpadded = base64.trim_end_matches('=');
            for (written, encoding) in [
                (base64, Encoding::Base64),
                (unpadded, Encoding::Base64),
                (base64, Encoding::Base64url),
                (hex, Encoding::Hex),
                (&hex.to_uppercase(), Encoding::Hex),
            ] {
                let bytes = decode("data", written.to_owned(), encoding);
                assert_eq!(bytes, Ok(text.as_bytes().to_vec()), "{written}");
            }
        }
    }

    #[test]
    fn what_is_not_in_the_encoding_is_refused_by_place_and_without_its_text() {
        for (text, encoding, message) in [
            (
                "0g",
                Encoding::Hex,
                "key: not hexadecimal: invalid symbol at byte 1",
            ),
            (
                "012",
                Encoding::Hex,
                "key: not hexadecimal: invalid length at byte 2",
            ),
            (
                "Zm9v!A==",
                Encoding::Base64,
                "key: not base64: invalid symbol at byte 4",
            ),
            (
                "Zg===",
                Encoding::Base64,
                "key: not base64: invalid length at byte 4",
            ),
            (
                "Zh==",
                Encoding::Base64,
                "key: not base64: non-zero trailing bits at byte 1",
            ),
            (
                "a+b/",
                Encoding::Base64url,
                "key: not base64url: invalid symbol at byte 1",
            ),
        ] {
            let refused = decode("key", text.to_owned(), encoding);
            assert_eq!(refused, Err(ActionError::invalid_input(message)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn bytes_come_back_as_they_were(bytes: Vec<u8>) {
            for encoding in [OutputEncoding::Hex, OutputEncoding::Base64, OutputEncoding::Base64url] {
                let text = encode(&bytes, encoding);
                prop_assert_eq!(decode("data", text, encoding.into()), Ok(bytes.clone()));
            }
        }

        /// One text for each list of bytes: what is decoded is written the same again.
        #[test]
        fn any_text_is_decoded_in_one_way_or_refused(text in "[A-Za-z0-9+/=_-]{0,12}|\\PC{0,12}") {
            for encoding in [OutputEncoding::Hex, OutputEncoding::Base64, OutputEncoding::Base64url] {
                if let Ok(bytes) = decode("data", text.clone(), encoding.into()) {
                    let again = encode(&bytes, encoding);
                    let bare = |text: &str| text.trim_end_matches('=').to_owned();
                    match encoding {
                        OutputEncoding::Hex => prop_assert_eq!(again, text.to_ascii_lowercase()),
                        _ => prop_assert_eq!(bare(&again), bare(&text)),
                    }
                }
            }
        }
    }
}
