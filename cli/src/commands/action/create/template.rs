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
    /// Also decides how the workflow goes on: skips, leaves by a port
    Process,
    /// Asks a service over HTTP, with a credential
    Http,
    /// Keeps something from one execution to the next
    Stateful,
    /// Looks for what is new, and starts workflows with it
    Trigger,
    /// Reads rows of a database
    Database,
}

/// A file's path in the crate, and its text.
type File = (&'static str, &'static str);

/// What every crate has.
const COMMON: [File; 4] = [
    ("Cargo.toml", file!("Cargo.toml")),
    (".gitignore", file!("gitignore")),
    (".github/workflows/ci.yml", file!("ci.yml")),
    ("ci.sh", file!("ci.sh")),
];
const SIMPLE: [File; 4] = [
    ("README.md", file!("simple/README.md")),
    ("input.json", file!("simple/input.json")),
    ("input.snapshot.json", file!("simple/input.snapshot.json")),
    ("src/lib.rs", file!("simple/lib.rs")),
];
const PROCESS: [File; 4] = [
    ("README.md", file!("process/README.md")),
    ("input.json", file!("process/input.json")),
    ("input.snapshot.json", file!("process/input.snapshot.json")),
    ("src/lib.rs", file!("process/lib.rs")),
];
const HTTP: [File; 6] = [
    ("README.md", file!("http/README.md")),
    ("input.json", file!("http/input.json")),
    ("input.snapshot.json", file!("http/input.snapshot.json")),
    ("mock.yaml", file!("http/mock.yaml")),
    ("token.test", file!("http/token.test")),
    ("src/lib.rs", file!("http/lib.rs")),
];
const STATEFUL: [File; 4] = [
    ("README.md", file!("stateful/README.md")),
    ("input.json", file!("stateful/input.json")),
    ("input.snapshot.json", file!("stateful/input.snapshot.json")),
    ("src/lib.rs", file!("stateful/lib.rs")),
];

const TRIGGER: [File; 5] = [
    ("README.md", file!("trigger/README.md")),
    ("input.json", file!("trigger/input.json")),
    ("input.snapshot.json", file!("trigger/input.snapshot.json")),
    ("mock.yaml", file!("trigger/mock.yaml")),
    ("src/lib.rs", file!("trigger/lib.rs")),
];

const DATABASE: [File; 5] = [
    ("README.md", file!("database/README.md")),
    ("input.json", file!("database/input.json")),
    ("input.snapshot.json", file!("database/input.snapshot.json")),
    ("schema.sql", file!("database/schema.sql")),
    ("src/lib.rs", file!("database/lib.rs")),
];

impl Template {
    /// The files of a crate, by their paths in it.
    pub(super) fn files(self, name: &Name, sdk: &Sdk) -> Vec<(&'static str, String)> {
        let own: &[File] = match self {
            Self::Simple => &SIMPLE,
            Self::Process => &PROCESS,
            Self::Http => &HTTP,
            Self::Stateful => &STATEFUL,
            Self::Trigger => &TRIGGER,
            Self::Database => &DATABASE,
        };
        let mut files: Vec<(&str, String)> = COMMON
            .iter()
            .chain(own)
            .map(|(path, text)| (*path, self.fill(text, name, sdk)))
            .collect();
        files.extend(sdk.lock().map(|lock| ("Cargo.lock", lock)));
        files.extend(sdk.toolchain().map(|pin| ("rust-toolchain.toml", pin)));
        files
    }

    /// What to do with the crate, in its folder.
    pub(super) const fn next(self) -> [&'static str; 2] {
        ["cargo test", self.test()]
    }

    /// The call in the sandbox.
    const fn test(self) -> &'static str {
        match self {
            Self::Simple | Self::Process | Self::Stateful => {
                "nebula action test . --input input.json"
            }
            Self::Trigger => "nebula action test . --input input.json --mock-http mock.yaml",
            Self::Database => "nebula action test . --input input.json --resource db=@schema.sql",
            Self::Http => {
                "nebula action test . --input input.json --mock-http mock.yaml --credential api_token=@token.test"
            }
        }
    }

    fn fill(self, text: &str, name: &Name, sdk: &Sdk) -> String {
        // JSON's quotes and escapes are TOML's too.
        let folder = serde_json::Value::from(sdk.folder()).to_string();
        text.replace("{{name}}", name.as_str())
            .replace("{{id}}", name.id())
            .replace("{{lib}}", &name.library())
            .replace("{{type}}", &name.type_name())
            .replace("{{sdk}}", &folder)
            .replace("{{test}}", self.test())
    }
}
