//! Everything to write actions and workflows with.
//!
//! An action is a unit struct, an input, an output and what it does. The crate
//! has `crate-type = ["cdylib", "rlib"]`, and `cargo build --target
//! wasm32-wasip2` makes the component:
//!
//! ```
//! use nebula_sdk::prelude::*;
//!
//! #[data]
//! pub struct GreetInput {
//!     name: String,
//! }
//!
//! #[data]
//! pub struct Greeting {
//!     text: String,
//! }
//!
//! /// Greets someone.
//! #[derive(Action)]
//! #[action(id = "sample.greet")]
//! pub struct GreetAction;
//!
//! impl SimpleAction for GreetAction {
//!     type Input = GreetInput;
//!     type Output = Greeting;
//!
//!     async fn execute_simple(&self, input: Self::Input, ctx: &ActionContext) -> Result<Self::Output> {
//!         ctx.log().info("greeting");
//!         Ok(Greeting { text: format!("Hello, {}!", input.name) })
//!     }
//! }
//!
//! nebula_sdk::export!(GreetAction);
//!
//! // In a unit test, natively:
//! let ctx = ActionContext::for_test();
//! let result = ctx.run::<GreetAction>(&json!({ "name": "Ada" })).unwrap();
//! assert_eq!(result, ProcessResult::Success(json!({ "text": "Hello, Ada!" })));
//! ```
//!
//! Modules:
//!
//! - [`prelude`]: what most files need.
//! - [`action`]: actions, their context, errors and HTTP.
//! - [`workflow`](mod@workflow): workflows, by builder, by [`workflow!`] or
//!   declared; not in a component.
//! - `testing`: tests of both, with the feature of that name; not in a component.

#![cfg_attr(all(target_arch = "wasm32", not(feature = "std")), no_std)]

pub use nebula_action as action;
pub use nebula_action::export;
pub use nebula_action::schema::Schema;
pub use nebula_derive::{Parameters, Resource, Schema, data};

pub use serde_json::{Map, Value, json};

// What `#[data]` and its derives refer to.
#[doc(hidden)]
pub use serde;

#[cfg(all(feature = "workflow", not(target_arch = "wasm32")))]
pub mod workflow;
#[cfg(all(feature = "workflow", not(target_arch = "wasm32")))]
pub use nebula_derive::workflow;

#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
pub use nebula_testing as testing;

/// What most files need: `use nebula_sdk::prelude::*;`.
pub mod prelude {
    pub use nebula_action::schema::Schema;
    pub use nebula_action::{
        Action, ActionContext, ActionError, Blob, Kv, Parameter, Parameters, Polled,
        PollingTrigger, ProcessAction, ProcessResult, ResourceError, Result, Resumed, SimpleAction,
        Smtp, Sql, Wake, Woken,
    };
    #[cfg(feature = "workflow")]
    pub use nebula_derive::Workflow;
    pub use nebula_derive::{Action, Parameters, Resource, Schema, data};
    pub use serde::{Deserialize, Serialize};
    pub use serde_json::{Value, json};

    // What a crate without the standard library lacks.
    #[doc(no_inline)]
    pub use nebula_action::alloc::{
        borrow::ToOwned,
        boxed::Box,
        format,
        string::{String, ToString},
        vec,
        vec::Vec,
    };

    #[cfg(all(feature = "workflow", not(target_arch = "wasm32")))]
    pub use crate::workflow;
    #[cfg(all(feature = "workflow", not(target_arch = "wasm32")))]
    pub use crate::workflow::Workflow;
    #[cfg(all(feature = "workflow", not(target_arch = "wasm32")))]
    pub use nebula_flow::{NodeBuilder, WorkflowBuilder, WorkflowDefinition};
}
