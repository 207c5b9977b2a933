//! The files of a new crate. They stand in `cli/templates`, with the names of
//! the crate as `{{…}}`.

use clap::ValueEnum;

use super::name::Name;
use super::sdk::Sdk;

macro_rules! file {
    ($path:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/templates/",
            $path,
            ".txt"
        ))
    };
}

/// What a crate begins as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Template {
    /// Makes an output of its input, and reaches nothing
    Simple,
    /// Asks a service over HTTP, with a credential
    Http,
}

/// A file's path in the crate, and its text.
type File = (&'static str, &'static str);

/// What every crate has.
const COMMON: [File; 2] = [
    ("Cargo.toml", file!("Cargo.toml")),
    (".gitignore", file!("gitignore")),
];
const SIMPLE: [File; 3] = [
    ("README.md", file!("simple/README.md")),
    ("input.json", file!("simple/input.json")),
    ("src/lib.rs", file!("simple/lib.rs")),
];
const HTTP: [File; 5] = [
    ("README.md", file!("http/README.md")),
    ("input.json", file!("http/input.json")),
    ("mock.yaml", file!("http/mock.yaml")),
    ("token.test", file!("http/token.test")),
    ("src/lib.rs", file!("http/lib.rs")),
];

impl Template {
    /// The files of a crate, by their paths in it.
    pub(super) fn files(self, name: &Name, sdk: &Sdk) -> Vec<(&'static str, String)> {
        let own: &[File] = match self {
            Self::Simple => &SIMPLE,
            Self::Http => &HTTP,
        };
        let mut files: Vec<(&str, String)> = COMMON
            .iter()
            .chain(own)
            .map(|(path, text)| (*path, fill(text, name, sdk)))
            .collect();
        files.extend(sdk.lock().map(|lock| ("Cargo.lock", lock)));
        files.extend(sdk.toolchain().map(|pin| ("rust-toolchain.toml", pin)));
        files
    }

    /// What to do with the crate, in its folder.
    pub(super) const fn next(self) -> [&'static str; 2] {
        match self {
            Self::Simple => ["cargo test", "nebula action test . --input input.json"],
            Self::Http => [
                "cargo test",
                "nebula action test . --input input.json --mock-http mock.yaml --credential api_token=@token.test",
            ],
        }
    }
}

fn fill(text: &str, name: &Name, sdk: &Sdk) -> String {
    // JSON's quotes and escapes are TOML's too.
    let folder = serde_json::Value::from(sdk.folder()).to_string();
    text.replace("{{name}}", name.as_str())
        .replace("{{id}}", name.id())
        .replace("{{lib}}", &name.library())
        .replace("{{type}}", &name.type_name())
        .replace("{{sdk}}", &folder)
}
