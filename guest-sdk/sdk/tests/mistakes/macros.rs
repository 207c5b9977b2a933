//! What the macros themselves refuse.

use nebula_sdk::prelude::*;

// ---------------------------------------------------------------- actions --

#[derive(Action)]
pub struct WithoutId; //~ an action needs an id: `#[action(id = "weather.fetch")]`

#[derive(Action)]
#[action(id = "fetch")] //~ an action id is two or more segments of `[a-z][a-z0-9_-]*` joined by dots, e.g. `weather.fetch`
pub struct OneSegment;

#[derive(Action)]
#[action(id = "a.b", host("api.example"))] //~ unknown key; the keys are id, name, version,
pub struct Misspelt;

#[derive(Action)]
#[action(id = "a.b", hosts("https://api.example/v1"))] //~ a host is `host` or `host:port` in lower case, without scheme
pub struct WithScheme;

#[derive(Action)]
#[action(id = "a.b")]
pub struct WithState { //~ an action is a unit struct, `struct Fetch;`: what it needs comes from its input
    pub client: u8,
}

// ------------------------------------------------------------------- data --

#[data(default)] //~ `#[data]` takes no arguments
pub struct WithArguments;

#[data]
pub struct Hidden {
    #[serde(with = "hex")] //~ `with` hides the JSON form from the schema; name a type that has the same form
    pub key: u8,
}

#[data]
pub struct Rules {
    #[param(min = 3)] //~ unknown key; the keys are range, length, items, pattern,
    pub misspelt: u8,
}

#[data]
pub struct Empty {
    #[param(range = 9..=3)] //~ no value is in this range
    pub empty: u8,
}

#[data]
pub struct Ranges {
    #[param(range = LEAST..)] //~ a range is written with its numbers, `1..=100`
    pub computed: u8,
}

#[data]
pub struct Patterns {
    #[param(pattern = "^(?!admin)")] //~ this is no pattern that the host can check: look-around
    pub name: String,
}

#[data]
pub struct Mixed {
    #[param(range = 1..=3, length = 1..=3)] //~ this rule is for texts, and another one here is for numbers
    pub both: String,
}

#[data]
pub struct Shown {
    pub by: String,
    #[param(show_when(mode = "size"))] //~ there is no field `mode`; there are `by`, `size`
    pub size: u8,
}

#[derive(Schema)]
pub struct WithoutData {
    #[param(default = 3)] //~ `default` needs `#[data]` on the type
    pub days: u8,
}

#[derive(Parameters)]
pub struct Places(u8, u8); //~ parameters are the fields of a struct

// -------------------------------------------------------------- workflows --

pub fn twice() -> WorkflowDefinition {
    workflow!("w" => {
        fetch: "weather.fetch"
        fetch: "weather.fetch" //~ there is a node `fetch` already; give this one another name
    })
}

pub fn misspelt() -> WorkflowDefinition {
    workflow!("w" => {
        fetch: "weather.fetch" => chekc //~ there is no node `chekc`; there are `fetch`, `check`
        check: "condition.check"
    })
}

pub fn circle() -> WorkflowDefinition {
    workflow!("w" => {
        a: "condition.check" => b
        b: "condition.check" => a //~ the connections form a circle: `a` → `b` → `a`
    })
}

pub fn condition() -> WorkflowDefinition {
    workflow!("w" => {
        a: "condition.check" => b if "$nodes.fetch.result" //~ the condition reads `$nodes.fetch`, and there is no node `fetch`
        b: "condition.check"
    })
}

pub fn no_action() -> WorkflowDefinition {
    workflow!("w" => {
        a: "check" //~ an action id is two or more segments
    })
}

pub fn wrong_name() -> WorkflowDefinition {
    workflow!("my workflow" => { a: "condition.check" }) //~ a workflow's name is 1 to 128 of
}

pub fn wrong_outcome() -> WorkflowDefinition {
    workflow!("w" => {
        a: "condition.check" => b on error //~ `on` is followed by `success`, `failure`, `skip` or `port("name")`
        b: "condition.check"
    })
}

#[derive(Workflow)]
pub struct Undeclared; //~ a workflow needs an id: `#[workflow(id = "weather-notification", nodes(…))]`

#[derive(Workflow)]
#[workflow(id = "w", nodes(a: "condition.check"))] //~ what does node `a` run? Write `a = "some.action"`
pub struct WithColon;

// -------------------------------------------------------------- resources --

#[derive(Resource)]
#[resource(name = "orders")]
pub struct Unwrapped; //~ a resource is a struct around one kind of resource: `struct Orders(Sql);`

#[derive(Resource)]
pub struct Unnamed(Sql); //~ a resource needs a name: `#[resource(name = "orders")]`

#[derive(Resource)]
#[resource(name = "Orders")] //~ a resource's name is `[a-z][a-z0-9_]*`
pub struct Shouted(Sql);

#[derive(Action)]
#[action(id = "a.b", resources(db = "mongo"))] //~ the kinds of resources are `sql`, a database
pub struct OtherKind;

#[derive(Action)]
#[action(id = "a.b", resources(db))] //~ what kind of resource is it? Write `name = "sql"`
pub struct WithoutKind;
