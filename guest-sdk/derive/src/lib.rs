//! The macros of `nebula-sdk`.
//!
//! - `attribute`: what `#[action(…)]` says, checked.
//! - `action`: `#[derive(Action)]`.
//! - `data`: `#[data]`, for inputs and outputs.
//! - `schema`: `#[derive(Schema)]`, their JSON Schemas, with the rules of `#[param(…)]`.
//! - `parameters`: `#[derive(Parameters)]`.
//! - `resource`: `#[derive(Resource)]`.
//! - `workflow`: `workflow!` and `#[derive(Workflow)]`.

use proc_macro::TokenStream;

mod action;
mod attribute;
mod data;
mod parameters;
mod resource;
mod schema;
mod workflow;

/// Makes an action of a unit struct. What it does is said by `SimpleAction` or
/// `ProcessAction`; with `trigger`, by `PollingTrigger`.
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
/// | `resources(name = "sql", Type, …)` | none; each by name and kind (`sql`, `smtp`, `kv`), or by the type of one with [`Resource`](derive@Resource) |
/// | `trigger` | it is a step of a workflow, no trigger |
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
///     /// Where to look.
///     #[param(label = "City", length = 1..=80, example = "Moscow")]
///     pub city: String,
///     /// How far ahead, in days.
///     #[param(default = 1, range = 1..=14)]
///     pub days: u8,
/// }
/// ```
///
/// `#[param(…)]` says what holds for the value of a field. Rules are checked by the
/// host before the action is called, and natively by the test context:
///
/// | key | the value |
/// |---|---|
/// | `range = 1..=100`, `0.0..1.0`, `1..` | a number within it |
/// | `length = 1..=80`, `8` | a text of so many characters |
/// | `pattern = "^[a-z]+$"` | a text that the regular expression matches somewhere; without look-around |
/// | `items = 1..=10` | a list of so many items |
/// | `default = 10` | is this where it is missing; with `#[data]` only |
///
/// The others are hints for whoever shows a form:
///
/// | key | the field |
/// |---|---|
/// | `label = "City"` | is called so; a heading in the doc comment says the same |
/// | `example = "Moscow"` | has for example this value |
/// | `secret` | is not shown as it is typed |
/// | `multiline` | is a text of several lines |
/// | `group = "Advanced"` | stands with others under this heading |
/// | `show_when(by = "size")`, `show_when(by = ["size", "words"])` | is shown while another field has one of these values |
///
/// The help is the doc comment, and an enumeration is an `enum`.
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
#[proc_macro_derive(Schema, attributes(serde, schema, param))]
pub fn derive_schema(item: TokenStream) -> TokenStream {
    let item = syn::parse_macro_input!(item as syn::DeriveInput);
    schema::expand(&item)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Lists what an action's input has: `Input::parameters()`, each with its name,
/// label, help, rules and hints, as its JSON Schema says them. Beside `#[data]`:
///
/// ```ignore
/// #[data]
/// #[derive(Parameters)]
/// pub struct WeatherInput {
///     #[param(label = "City", length = 1..=80)]
///     pub city: String,
/// }
/// ```
#[proc_macro_derive(Parameters, attributes(serde, schema, param))]
pub fn derive_parameters(item: TokenStream) -> TokenStream {
    let item = syn::parse_macro_input!(item as syn::DeriveInput);
    parameters::expand(&item)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Gives a resource a name and a type of its own: a struct around the kind that it is.
///
/// ```ignore
/// /// The orders of the shop.
/// #[derive(Resource)]
/// #[resource(name = "orders")]
/// struct Orders(Sql);
///
/// #[derive(Action)]
/// #[action(id = "shop.open_orders", resources(Orders))]
/// pub struct OpenOrders;
/// ```
///
/// `Orders::open(ctx).await?` gives it, with the methods of `Sql`, and of one's own; the
/// name stands once, and the action cannot forget to ask for it. It is open until it is
/// dropped, or its call ends: the host keeps what is behind it.
///
/// | key | if not given |
/// |---|---|
/// | `name` | needed: by which a node binds it, `[a-z][a-z0-9_]*` |
/// | `kind` | that of the field; given, it is compared with it |
#[proc_macro_derive(Resource, attributes(resource))]
pub fn derive_resource(item: TokenStream) -> TokenStream {
    let item = syn::parse_macro_input!(item as syn::DeriveInput);
    resource::expand(&item)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// A workflow in a few lines: each node, what it runs, and the nodes that follow.
///
/// ```ignore
/// let workflow = workflow!("weather-notification" => {
///     fetch: WeatherAction => check, apologise on failure
///     check: "condition.check" => notify if "$nodes.fetch.result.temp > 30"
///     notify: NodeBuilder::action("notification.send").input(json!({ "text": "It is hot." }))
///     apologise: "notification.send"
/// });
/// ```
///
/// A node runs an action, by its id (`"weather.fetch"`, `"weather.fetch@^1"`) or by
/// its type, if that is in scope; or it is any `NodeBuilder`. What follows `=>`
/// runs when the node succeeded, or `on failure`, `on skip`, `on port("name")`, and
/// if the condition behind `if` holds, a jq expression.
///
/// Names that are given twice, connections to nodes that are not there or that form a
/// circle, and conditions that read a node that is not there are errors when it is
/// compiled; the rest is checked at deploy.
#[proc_macro]
pub fn workflow(input: TokenStream) -> TokenStream {
    workflow::expand(input.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Declares a workflow: `WeatherNotification::definition()` gives it.
///
/// ```ignore
/// /// Tells when it is hot.
/// #[data]
/// #[derive(Workflow)]
/// #[workflow(
///     id = "weather-notification",
///     nodes(fetch = WeatherAction, check = "condition.check", notify = "notification.send"),
///     edges(fetch => check, check => notify if "$nodes.fetch.result.temp > 30"),
/// )]
/// struct WeatherNotification {
///     /// Where to look.
///     city: String,
/// }
/// ```
///
/// The fields are the workflow's input, with the JSON Schema that `#[data]` gives them; a
/// struct without fields takes any. Nodes and connections are written, and checked,
/// as in `workflow!`.
///
/// | key | if not given |
/// |---|---|
/// | `id` | needed: the workflow's name |
/// | `nodes(id = what, …)` | needed |
/// | `edges(from => to, …)` | the nodes run side by side |
/// | `description` | the doc comment |
/// | `output` | the results of the last nodes; a template, for example `json!({ … })` |
#[proc_macro_derive(Workflow, attributes(workflow))]
pub fn derive_workflow(item: TokenStream) -> TokenStream {
    let item = syn::parse_macro_input!(item as syn::DeriveInput);
    workflow::derive(&item)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
