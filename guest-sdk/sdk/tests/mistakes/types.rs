//! What the compiler refuses in what the macros made.

use nebula_sdk::prelude::*;

pub struct Plain {
    pub city: String,
}

#[data]
pub struct Holds {
    pub plain: Vec<Bare>, //~ `Bare` has no JSON Schema
}

#[derive(Serialize, Deserialize)]
#[serde(crate = "nebula_sdk::serde")]
pub struct Bare;

#[derive(Action)]
#[action(id = "sample.fetch")]
pub struct Fetch;

impl SimpleAction for Fetch {
    type Input = Bare; //~ `Bare` has no JSON Schema
    type Output = Value;

    async fn execute_simple(&self, _: Bare, _: &ActionContext) -> Result<Value> {
        Ok(json!(1))
    }
}

#[data]
pub struct Rules {
    #[param(range = 1..=3)]
    pub name: String, //~ `range` is a rule for numbers, and `std::string::String` is none
    #[param(length = 1..=3)]
    pub days: Option<u8>, //~ `length`, `pattern` and `multiline` are for texts, and `u8` is none
    #[param(items = 1..=3)]
    pub tags: String, //~ `items` is a rule for lists, and `std::string::String` is none
}

pub fn no_action() -> WorkflowDefinition {
    workflow!("w" => {
        a: Plain //~ `Plain` is no action
    })
}

pub struct Underived;

impl SimpleAction for Underived { //~ `Underived` is no action
    type Input = Value;
    type Output = Value;

    async fn execute_simple(&self, input: Value, _: &ActionContext) -> Result<Value> {
        Ok(input)
    }
}

#[derive(Workflow)]
#[workflow(id = "w", nodes(a = "condition.check"))]
pub struct WithoutData { //~ `WithoutData` has no JSON Schema
    pub city: String,
}

#[derive(Resource)]
#[resource(name = "orders")]
pub struct Wrapped(Plain); //~ `Plain` is no kind of resource

#[derive(Resource)] //~ evaluation panicked: the resource is of another kind than its attribute says
#[resource(name = "orders", kind = "kv")]
pub struct Mistaken(Sql);

#[derive(Action)]
#[action(id = "a.b", resources(Plain))] //~ `Plain` is no resource with a name
pub struct Untyped;

#[derive(Resource)]
#[resource(name = "orders")]
pub struct Orders(Sql);

#[derive(Action)] //~ evaluation panicked: two resources of this action have the same name
#[action(id = "a.b", resources(Orders, orders = "sql"))]
pub struct Twice;
