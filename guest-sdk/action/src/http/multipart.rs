//! Forms with files: `multipart/form-data` (RFC 7578).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::HttpError;

/// A form with fields and files, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Multipart {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    name: String,
    /// Its name, and its media type.
    file: Option<(String, String)>,
    content: Vec<u8>,
}

impl Multipart {
    /// One without fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more field.
    #[must_use]
    pub fn text(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parts.push(Part {
            name: name.into(),
            file: None,
            content: value.into().into_bytes(),
        });
        self
    }

    /// The same with one more file, of a media type such as `text/csv`.
    #[must_use]
    pub fn file(
        mut self,
        name: impl Into<String>,
        file_name: impl Into<String>,
        media_type: impl Into<String>,
        content: impl Into<Vec<u8>>,
    ) -> Self {
        self.parts.push(Part {
            name: name.into(),
            file: Some((file_name.into(), media_type.into())),
            content: content.into(),
        });
        self
    }

    /// The media type of the whole, and its bytes.
    pub(super) fn encode(&self) -> Result<(String, Vec<u8>), HttpError> {
        let boundary = self.boundary();
        let mut body = Vec::new();
        for part in &self.parts {
            let mut head = format!(
                "--{boundary}\r\ncontent-disposition: form-data; name=\"{}\"",
                escaped(&part.name)
            );
            if let Some((name, media_type)) = &part.file {
                if media_type.is_empty() || !media_type.bytes().all(|b| (b' '..=b'~').contains(&b))
                {
                    return Err(HttpError::InvalidRequest(format!(
                        "the media type of the file `{name}` is none"
                    )));
                }
                head.push_str("; filename=\"");
                head.push_str(&escaped(name));
                head.push_str("\"\r\ncontent-type: ");
                head.push_str(media_type);
            }
            head.push_str("\r\n\r\n");
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(&part.content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        Ok((format!("multipart/form-data; boundary={boundary}"), body))
    }

    /// A line that no part has in it: the same for the same form.
    fn boundary(&self) -> String {
        let mut number = 0_u64;
        loop {
            let boundary = format!("nebula-boundary-{number:016x}");
            let line = boundary.as_bytes();
            let stands = |part: &Part| part.content.windows(line.len()).any(|w| w == line);
            if !self.parts.iter().any(stands) {
                return boundary;
            }
            number += 1;
        }
    }
}

/// As browsers write a name (the HTML standard, "multipart/form-data").
fn escaped(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            '"' => out.push_str("%22"),
            '\r' => out.push_str("%0D"),
            '\n' => out.push_str("%0A"),
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn encoded(form: &Multipart) -> (String, String) {
        let (media_type, body) = form.encode().expect("a form");
        (media_type, String::from_utf8(body).expect("text"))
    }

    #[test]
    fn fields_and_files_stand_between_lines_that_are_in_none_of_them() {
        let form = Multipart::new().text("city", "Zürich").file(
            "data",
            "a \"b\"\r\n.csv",
            "text/csv",
            "1,2\r\n",
        );
        let (media_type, body) = encoded(&form);
        assert_eq!(
            media_type,
            "multipart/form-data; boundary=nebula-boundary-0000000000000000"
        );
        assert_eq!(
            body,
            "--nebula-boundary-0000000000000000\r\n\
             content-disposition: form-data; name=\"city\"\r\n\r\nZürich\r\n\
             --nebula-boundary-0000000000000000\r\n\
             content-disposition: form-data; name=\"data\"; filename=\"a %22b%22%0D%0A.csv\"\r\n\
             content-type: text/csv\r\n\r\n1,2\r\n\r\n\
             --nebula-boundary-0000000000000000--\r\n"
        );
        let (media_type, body) = encoded(&form.text("inner", body));
        assert!(media_type.ends_with("-0000000000000001"), "{media_type}");
        assert!(body.ends_with("--nebula-boundary-0000000000000001--\r\n"));
    }

    #[test]
    fn a_media_type_cannot_begin_another_header() {
        for media_type in ["", "text/csv\r\nx: y", "té"] {
            let form = Multipart::new().file("a", "b", media_type, "");
            let error = form.encode().expect_err(media_type);
            assert!(error.to_string().contains("`b`"), "{error}");
        }
    }
}
