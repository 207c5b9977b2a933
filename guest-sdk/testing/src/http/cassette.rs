//! What was recorded, as a file that `--mock-http` and `HttpMock::cassette` read.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Asked, Rule, read};

/// Of a response, what says nothing about what it means: who sent it, when, how.
/// `set-cookie` is a secret that nobody granted.
const LEFT_OUT: [&str; 5] = [
    "alt-svc",
    "date",
    "server",
    "set-cookie",
    "strict-transport-security",
];

/// A request and its response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Upper case.
    pub method: String,
    /// The whole address.
    pub url: String,
    /// Of the request.
    pub body: Vec<u8>,
    /// For example 200.
    pub status: u16,
    /// Of the response, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body of the response.
    pub answer: Vec<u8>,
}

impl Exchange {
    /// The address without its scheme, which is not compared.
    #[must_use]
    pub fn place(&self) -> &str {
        let rest = self.url.split_once("://");
        rest.map_or(self.url.as_str(), |(_, rest)| rest)
    }

    /// Why it cannot be recorded.
    pub(super) fn problem(&self) -> Option<String> {
        let text = std::str::from_utf8;
        let what = match (text(&self.body), text(&self.answer)) {
            (Ok(_), Ok(_)) => return None,
            (Err(_), _) => "the body of the request",
            (_, Err(_)) => "the answer",
        };
        let (method, place) = (&self.method, self.place());
        Some(format!("{what} of {method} {place} is not text"))
    }

    /// Whether it is the same request.
    fn asks_as(&self, other: &Self) -> bool {
        (&self.method, &self.url, &self.body) == (&other.method, &other.url, &other.body)
    }

    fn rule(&self, is_last: bool) -> Value {
        let mut request = json!({ "method": self.method, "url": self.url });
        match json_of(&self.body) {
            Some(body) => request["json"] = body,
            None if self.body.is_empty() => {}
            None => request["body"] = lossy(&self.body),
        }
        let mut response = json!({ "status": self.status });
        let headers = self.kept_headers();
        if !headers.is_empty() {
            response["headers"] = Value::Object(headers);
        }
        match json_of(&self.answer) {
            Some(body) => response["json"] = body,
            None if self.answer.is_empty() => {}
            None => response["body"] = lossy(&self.answer),
        }
        let mut rule = json!({ "request": request, "response": response });
        if !is_last {
            rule["times"] = 1.into();
        }
        rule
    }

    fn kept_headers(&self) -> Map<String, Value> {
        let mut kept: Map<String, Value> = Map::new();
        for (name, value) in &self.headers {
            if LEFT_OUT.contains(&name.as_str()) {
                continue;
            }
            let whole = match kept.get(name).and_then(Value::as_str) {
                Some(before) => format!("{before}, {value}"),
                None => value.clone(),
            };
            kept.insert(name.clone(), whole.into());
        }
        kept
    }

    /// Whether a rule answers this request.
    fn is_meant_by(&self, rule: &Rule) -> bool {
        let (host, path) = match self.place().find(['/', '?']) {
            Some(at) => self.place().split_at(at),
            None => (self.place(), "/"),
        };
        rule.matches(&Asked {
            method: &self.method,
            host,
            path,
            header: &|_| None,
            body: &self.body,
        })
    }

    /// Whether a rule gives this answer.
    fn is_answered_by(&self, rule: &Rule) -> bool {
        let answer = rule.body().into_bytes();
        rule.status() == self.status
            && (answer == self.answer || json_of(&answer) == json_of(&self.answer))
    }
}

/// A body that is JSON of more than one value, which reads better than its text.
fn json_of(body: &[u8]) -> Option<Value> {
    let value: Value = serde_json::from_slice(body).ok()?;
    (value.is_object() || value.is_array()).then_some(value)
}

fn lossy(bytes: &[u8]) -> Value {
    String::from_utf8_lossy(bytes).into()
}

/// Writes them, and reads them again: a file that would answer anything else is not
/// kept.
pub(super) fn write(file: &Path, exchanges: &[Exchange]) -> Result<(), String> {
    let text = text(exchanges)?;
    let name = file.display().to_string();
    let rules = read(&name, text.as_bytes()).map_err(|e| e.to_string())?;
    let mut used = vec![0; rules.len()];
    for exchange in exchanges {
        let mut answering = rules.iter().enumerate().filter(|(i, rule)| {
            exchange.is_meant_by(rule) && rule.times().is_none_or(|times| used[*i] < times)
        });
        let first = answering.next().map(|(i, _)| i);
        match first.filter(|i| exchange.is_answered_by(&rules[*i])) {
            Some(i) => used[i] += 1,
            None => {
                let (method, place) = (&exchange.method, exchange.place());
                let why = format!("the answer of {method} {place} would read otherwise");
                return Err(why);
            }
        }
    }
    std::fs::write(file, text).map_err(|e| e.to_string())
}

fn text(exchanges: &[Exchange]) -> Result<String, String> {
    let mut rules: Vec<(&Exchange, Value)> = exchanges
        .iter()
        .enumerate()
        .map(|(i, exchange)| {
            let mut later = exchanges[i + 1..].iter();
            let is_last = !later.any(|other| other.asks_as(exchange));
            (exchange, exchange.rule(is_last))
        })
        .collect();
    // A rule also means requests with more parameters, or with more in their body:
    // theirs stand before it.
    rules.sort_by_key(|(exchange, _)| {
        let parameters = exchange.url.matches(['?', '&']).count();
        std::cmp::Reverse((parameters, exchange.body.len()))
    });
    let rules: Vec<Value> = rules.into_iter().map(|(_, rule)| rule).collect();
    let rules = serde_saphyr::to_string(&rules).map_err(|e| e.to_string())?;
    Ok(format!(
        "# Recorded; `docs/cli.md` of Nebula, Mocked HTTP, has the form.\n{rules}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(url: &str, body: &str, answer: &str) -> Exchange {
        Exchange {
            method: "POST".into(),
            url: url.into(),
            body: body.into(),
            status: 200,
            headers: vec![
                ("link".into(), "<a>".into()),
                ("link".into(), "<b>".into()),
                ("set-cookie".into(), "id=1".into()),
            ],
            answer: answer.into(),
        }
    }

    #[test]
    fn what_is_recorded_answers_the_same_requests_with_the_same_words() {
        let folder = std::env::temp_dir().join(format!("nebula-cassette-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("cassette.yaml");
        let answers = [
            "",
            "no",
            "~",
            "1e3",
            "0x1f",
            "null",
            "- a",
            "a: b",
            "# c",
            " a ",
            "a\nb\n",
            "a\n\n\nb",
            "\ttab",
            "'\"",
            "ü\u{85}\u{2028}\u{feff}",
            "{\"a\": [1, null, \"yes\"]}",
            "[]",
            "{}",
            "\r\n",
            "\u{1}",
            "<a href=\"x\">&amp;</a>",
            "%",
            "@x",
            "`y`",
            "| z",
            "2026-01-01",
            "=",
        ];
        let exchanges: Vec<Exchange> = answers
            .iter()
            .enumerate()
            .map(|(i, answer)| exchange(&format!("https://api.example/{i}?q=a*"), answer, answer))
            .collect();
        write(&file, &exchanges).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_request_that_was_repeated_is_answered_in_turn_and_the_last_answer_stays() {
        let one = exchange("https://api.example/", "", "first");
        let two = exchange("https://api.example/", "", "second");
        let text = text(&[one, two]).unwrap();
        let rules = read("cassette", text.as_bytes()).unwrap();
        assert_eq!((rules[0].times(), rules[1].times()), (Some(1), None));
        let headers: Vec<_> = rules[0].headers().collect();
        assert_eq!(headers, [("link", "<a>, <b>")]);
    }

    #[test]
    fn a_request_with_more_in_it_keeps_its_own_answer() {
        let folder = std::env::temp_dir().join(format!("nebula-more-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("cassette.yaml");
        let exchanges = [
            exchange("https://api.example/list", "{\"a\":1}", "few"),
            exchange(
                "https://api.example/list?page=2",
                "{\"a\":1}",
                "second page",
            ),
            exchange("https://api.example/list", "{\"a\":1,\"b\":2}", "more"),
        ];
        write(&file, &exchanges).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_not_text_is_said_to_be_so() {
        let mut binary = exchange("https://api.example/a", "", "");
        assert_eq!(binary.problem(), None);
        binary.answer = vec![0xff];
        let problem = binary.problem().unwrap();
        assert_eq!(problem, "the answer of POST api.example/a is not text");
    }
}
