// Made by `nebula action bindings`. Needs `serde` with `derive`, and `serde_json`.

pub mod sample {
    /// Has a type of every shape.
    pub mod every {
        use serde::{Deserialize, Serialize};

        /// What a workflow's node names.
        pub const ID: &str = "sample.every";

        /// The version that these types are of.
        pub const VERSION: &str = "1.2.0";

        /// What it takes.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub struct Input {
            /// A keyword.
            pub r#type: String,
            #[serde(rename = "order-by")]
            pub order_by: Order,
            pub filter: Filter,
            pub pair: (String, u8),
            /// On two
            /// lines, with */ in it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub maybe: Option<String>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub tree: Option<Tree>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub by_name: Option<std::collections::BTreeMap<String, Vec<f64>>>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub loose: Option<serde_json::Map<String, serde_json::Value>>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub inline: Option<InputInline>,
            /// All other fields.
            #[serde(flatten)]
            pub rest: serde_json::Map<String, serde_json::Value>,
        }

        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct InputInline {
            pub x: i64,
        }

        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Order {
            #[serde(rename = "best")]
            Best,
            #[serde(rename = "3rd")]
            V3rd,
            #[serde(rename = "Best")]
            Best2,
        }

        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "by")]
        pub enum Filter {
            /// Of a year.
            #[serde(rename = "year")]
            Year {
                year: u64,
            },
            #[serde(rename = "any")]
            Any,
        }

        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct Tree {
            pub children: Vec<Tree>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub parent: Option<Box<Tree>>,
        }

        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub struct Output {
            pub result: Result,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub either: Option<OutputEither>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub gone: Option<()>,
        }

        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(untagged)]
        pub enum OutputEither {
            V1(i64),
            V2(String),
        }

        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub enum Result {
            #[serde(rename = "nothing")]
            Nothing,
            #[serde(rename = "found")]
            Found(Tree),
        }
    }
}
