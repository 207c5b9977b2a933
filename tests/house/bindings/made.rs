// Made by `nebula action bindings`. Needs `serde` with `derive`, and `serde_json`.

pub mod condition {
    /// Passes its input on. The conditions stand on the connections that leave its node.
    pub mod check {
        /// What a workflow's node names.
        pub const ID: &str = "condition.check";

        /// The version that these types are of.
        pub const VERSION: &str = "0.1.0";

        pub type Input = serde_json::Value;

        pub type Output = serde_json::Value;
    }
}

pub mod html {
    /// Takes texts and attributes out of an HTML page by CSS selectors.
    pub mod extract {
        use serde::{Deserialize, Serialize};

        /// What a workflow's node names.
        pub const ID: &str = "html.extract";

        /// The version that these types are of.
        pub const VERSION: &str = "0.1.0";

        /// What `html.extract` takes.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct Input {
            /// The page, or a part of one.
            pub html: String,
            /// A CSS selector: one item is made of each element that it means. Without it, one
            /// of the page.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub each: Option<String>,
            /// What an item has, by name.
            pub fields: std::collections::BTreeMap<String, Field>,
        }

        /// Where a value is.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct Field {
            /// A CSS selector, for elements in the item's; the item's own element if not given.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub select: Option<String>,
            /// Which attribute of the element; its text if not given.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub attribute: Option<String>,
            /// Gives a list of all that is found, not only the first.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub all: Option<bool>,
            /// Fails if nothing is found; it is null, or an empty list, if not.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub required: Option<bool>,
        }

        /// What `html.extract` gives.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct Output {
            /// In the order of the page.
            pub items: Vec<serde_json::Map<String, serde_json::Value>>,
            /// How many there are.
            pub count: u64,
        }
    }
}

pub mod http {
    /// Makes an HTTP request and gives the response.
    pub mod request {
        use serde::{Deserialize, Serialize};

        /// What a workflow's node names.
        pub const ID: &str = "http.request";

        /// The version that these types are of.
        pub const VERSION: &str = "0.1.0";

        /// What `http.request` takes.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct Input {
            /// `GET` if not given.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub method: Option<String>,
            /// Absolute, `http` or `https`.
            pub url: String,
            /// Parameters added to the address; numbers and bools are written as text.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub query: Option<serde_json::Map<String, serde_json::Value>>,
            /// Headers of the request.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub headers: Option<std::collections::BTreeMap<String, String>>,
            /// Text to send. At most one of `body` and `json` is given.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub body: Option<String>,
            /// A value to send as JSON.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub json: Option<serde_json::Value>,
            /// Sends the credential that the node binds to `auth`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub auth: Option<Auth>,
            /// For the connection, the first byte and between bytes, each, in milliseconds.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub timeout_ms: Option<u64>,
            /// Sends an `Idempotency-Key` that is the same on every attempt.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub idempotent: Option<bool>,
            /// Fails on every status from 400 on.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub fail_on_status: Option<bool>,
            /// How the body of the response is given.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub encoding: Option<Encoding>,
        }

        /// How requests carry the credential `auth`: as its kind says, if nothing is given here.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct Auth {
            /// A header to put it in; `authorization` if only the prefix is given.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub header: Option<String>,
            /// Before the credential; `Bearer ` in `authorization` if it is not given.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub prefix: Option<String>,
        }

        /// How the body of a response is given.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub enum Encoding {
            /// As text; what is not UTF-8 fails.
            #[serde(rename = "text")]
            Text,
            /// As base64, padded: for archives, pictures and their like.
            #[serde(rename = "base64")]
            Base64,
        }

        /// What `http.request` gives.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct Output {
            /// For example 200.
            pub status: u16,
            /// By lower-case name; values of a repeated one are joined by `, `.
            pub headers: std::collections::BTreeMap<String, String>,
            /// The body, as `encoding` says.
            pub body: String,
            /// The body's value, if its content type is JSON and it is given as text; else null.
            pub json: serde_json::Value,
        }
    }
}

pub mod text {
    /// Splits a text into lines, paragraphs, words, parts between separators, or parts of a size.
    pub mod split {
        use serde::{Deserialize, Serialize};

        /// What a workflow's node names.
        pub const ID: &str = "text.split";

        /// The version that these types are of.
        pub const VERSION: &str = "0.1.0";

        /// What `text.split` takes.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct Input {
            /// The text.
            pub text: String,
            /// Where it is split.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub by: Option<By>,
            /// What stands between parts; for `by: separator`, and not empty.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub separator: Option<String>,
            /// The most characters (Unicode scalar values) of a part; for `by: size`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub size: Option<u64>,
            /// How many characters a part has in common with the one before; for `by: size`,
            /// at most half of it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub overlap: Option<u64>,
            /// Takes white space from both ends of each part.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub trim: Option<bool>,
            /// Whether parts with nothing in them are kept.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub keep_empty: Option<bool>,
        }

        /// Where a text is split.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub enum By {
            /// At each `\n` or `\r\n`; one at the very end begins no further line.
            #[serde(rename = "lines")]
            Lines,
            /// At each run of empty lines.
            #[serde(rename = "paragraphs")]
            Paragraphs,
            /// At white space; there are no empty parts.
            #[serde(rename = "words")]
            Words,
            /// At each `separator`.
            #[serde(rename = "separator")]
            Separator,
            /// After at most `size` characters.
            #[serde(rename = "size")]
            Size,
        }

        /// What `text.split` gives.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct Output {
            /// In order.
            pub parts: Vec<String>,
            /// How many there are.
            pub count: u64,
        }
    }
}

pub mod validation {
    /// Checks a value against a JSON Schema. A value that fits goes on unchanged.
    pub mod input {
        use serde::{Deserialize, Serialize};

        /// What a workflow's node names.
        pub const ID: &str = "validation.input";

        /// The version that these types are of.
        pub const VERSION: &str = "0.1.0";

        /// What `validation.input` takes.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct Input {
            /// JSON Schema, draft 2020-12 unless its `$schema` says otherwise.
            pub schema: serde_json::Value,
            /// What is checked.
            pub value: serde_json::Value,
            /// What happens when it does not fit.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub on_invalid: Option<OnInvalid>,
        }

        /// What happens to a value that does not fit.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub enum OnInvalid {
            /// The node fails.
            #[serde(rename = "fail")]
            Fail,
            /// The connections of the port `invalid` fire.
            #[serde(rename = "branch")]
            Branch,
        }

        /// What `validation.input` gives.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct Output {
            /// Whether the value fits.
            pub valid: bool,
            /// As it came.
            pub value: serde_json::Value,
            /// What does not fit; at most 50.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub errors: Option<Vec<Violation>>,
        }

        /// One place that does not fit.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct Violation {
            /// JSON Pointer into the value; empty for the value itself.
            pub pointer: String,
            /// What is wrong there.
            pub message: String,
        }
    }

    /// Checks the record of a user: the e-mail address, and if they are there the name, user name, password, phone number and age. A valid one goes on unchanged.
    pub mod user {
        use serde::{Deserialize, Serialize};

        /// What a workflow's node names.
        pub const ID: &str = "validation.user";

        /// The version that these types are of.
        pub const VERSION: &str = "0.1.0";

        /// What `validation.user` takes: the record, and how it is checked.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct Input {
            /// What must hold beyond the usual.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub rules: Option<Rules>,
            /// What happens when the record is not valid.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub on_invalid: Option<OnInvalid>,
            /// All other fields.
            #[serde(flatten)]
            pub rest: serde_json::Map<String, serde_json::Value>,
        }

        /// What must hold beyond the usual. Each rule narrows; one that would widen
        /// what always holds is refused.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct Rules {
            /// Fields that must be there, beside `email`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub require: Option<Vec<String>>,
            /// Characters of `name`, within 1 to 200.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub name: Option<Bounds>,
            /// Characters of `username`, within 1 to 64.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub username: Option<Bounds>,
            /// Characters of `password`, within 8 to 256.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub password: Option<Bounds>,
            /// Kinds of characters in `password` of lower case, upper case, digits and
            /// others: 1 to 4, 1 if not given.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub password_kinds: Option<u32>,
            /// Years, within 0 to 150.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub age: Option<Bounds>,
        }

        /// What happens to a value that does not fit.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub enum OnInvalid {
            /// The node fails.
            #[serde(rename = "fail")]
            Fail,
            /// The connections of the port `invalid` fire.
            #[serde(rename = "branch")]
            Branch,
        }

        /// From `min` to `max`, both included.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct Bounds {
            /// The least.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub min: Option<u32>,
            /// The most.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub max: Option<u32>,
        }

        /// What `validation.user` gives.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct Output {
            /// Whether the record is valid.
            pub validated: bool,
            /// The record as it came.
            pub data: serde_json::Map<String, serde_json::Value>,
            /// What is wrong with it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub errors: Option<Vec<Problem>>,
        }

        /// What is wrong with a field.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub struct Problem {
            /// Its name.
            pub field: String,
            /// Which rule it breaks.
            pub rule: Rule,
            /// For people. Does not repeat the value, which may be a password.
            pub message: String,
        }

        /// Which rule a field breaks.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub enum Rule {
            /// It is missing, null or empty.
            #[serde(rename = "required")]
            Required,
            /// It is no text, or no number.
            #[serde(rename = "type")]
            Type,
            /// It is not written as such a thing is.
            #[serde(rename = "format")]
            Format,
            /// It has too few or too many characters.
            #[serde(rename = "length")]
            Length,
            /// It is too small or too large.
            #[serde(rename = "range")]
            Range,
            /// It is easy to guess.
            #[serde(rename = "strength")]
            Strength,
        }
    }
}

pub mod weather {
    /// Fetches the current weather of a city.
    pub mod fetch {
        use serde::{Deserialize, Serialize};

        /// What a workflow's node names.
        pub const ID: &str = "weather.fetch";

        /// The version that these types are of.
        pub const VERSION: &str = "0.1.0";

        /// What `weather.fetch` takes.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct Input {
            /// For example `Moscow`.
            pub city: String,
            /// Of the temperature.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub units: Option<Units>,
        }

        /// Units of the temperature.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub enum Units {
            /// Degrees Celsius.
            #[serde(rename = "metric")]
            Metric,
            /// Degrees Fahrenheit.
            #[serde(rename = "imperial")]
            Imperial,
        }

        /// What `weather.fetch` gives.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct Output {
            /// As the service writes it.
            pub city: String,
            /// In which it lies.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub country: Option<String>,
            /// In the units asked for.
            pub temp: f64,
            /// For example `warm`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub condition: Option<String>,
            /// Relative, percent.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub humidity: Option<f64>,
            /// RFC 3339.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub observed_at: Option<String>,
            /// What the figures describe, where the service says so.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub period: Option<String>,
        }
    }
}
