//! The macros of `nebula-sdk`.
//!
//! - `attribute`: what `#[action(…)]` says, checked.
//! - `action`: `#[derive(Action)]`.
//! - `data`: `#[data]`, for inputs and outputs.
//! - `schema`: `#[derive(Schema)]`, their JSON Schemas.

use proc_macro::TokenStream;

mod action;
mod attribute;
mod data;
mod schema;

/// Makes an action of a unit struct. What it does is said by `SimpleAction` or
/// `ProcessAction`.
///
/// ```ignore
/// /// Fetches the weather of a city.
/// #[derive(Action)]
/// #[action(id = "weather.fetch", credentials("weather_api"), hosts("api.weather.example"))]
/// pub struct WeatherAction;
/// ```
///
/// | key | if not given |
/// |---|---|
/// | `id` | needed: two or more segments of `[a-z][a-z0-9_-]*` joined by dots |
/// | `name` | made of the id: `Weather fetch` |
/// | `version` | the crate's version |
/// | `description` | the doc comment |
/// | `category` | the first segment of the id |
/// | `credentials("…", …)` | none |
/// | `hosts("…", …)` | none; `host` or `host:port`, or `*` when they come from the input |
#[proc_macro_derive(Action, attributes(action))]
pub fn derive_action(item: TokenStream) -> TokenStream {
    let item = syn::parse_macro_input!(item as syn::DeriveInput);
    action::expand(&item)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Derives `Serialize`, `Deserialize` and `Schema` for an input or output, so
/// that a crate needs no dependency but `nebula-sdk`. Doc comments become
/// descriptions; `#[serde(…)]` attributes work, see
/// [`Schema`](derive@Schema).
///
/// ```ignore
/// #[data]
/// pub struct WeatherInput {
///     /// For example `Moscow`.
///     pub city: String,
/// }
/// ```
#[proc_macro_attribute]
pub fn data(arguments: TokenStream, item: TokenStream) -> TokenStream {
    data::expand(&arguments.into(), &item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Derives the JSON Schema of a struct or enum as serde reads and writes it.
/// A heading at the beginning of a doc comment becomes the title, the rest the
/// description.
///
/// What the derive cannot see through (`with`, `from`, `into`, …) it refuses,
/// unless it is told a type of the same form, on the field, variant or type:
///
/// ```text
/// #[serde(with = "hex")]
/// #[schema(with = "String")]
/// key: [u8; 32],
/// ```
#[proc_macro_derive(Schema, attributes(serde, schema))]
pub fn derive_schema(item: TokenStream) -> TokenStream {
    let item = syn::parse_macro_input!(item as syn::DeriveInput);
    schema::expand(&item)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
