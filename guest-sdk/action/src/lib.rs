//! What an action is. An author writes a unit struct, says what it is called
//! ([`Action`], derived) and what it does ([`SimpleAction`],
//! [`ProcessAction`] or [`PollingTrigger`]); [`export!`] makes a component of it. The same code runs
//! natively in a unit test, with [`ActionContext::for_test`].
//!
//! Modules in the order a newcomer should read them:
//!
//! - [`action`]: the traits an author implements.
//! - [`trigger`]: actions that look for what is new.
//! - [`metadata`]: what an action says about itself.
//! - [`again`]: actions that are called again: waits, and the state between calls.
//! - [`error`]: why an action fails, and whether trying again may help.
//! - [`context`]: who the call is, and what it may reach.
//! - [`http`]: requests to the hosts that the action was granted.
//! - [`blob`]: large values by content hash.
//! - [`state`]: what is kept from one execution to the next.
//! - [`resource`]: what the host holds for actions: databases, mail servers, values.
//! - [`schema`]: JSON Schema of an action's types.
//! - [`parameter`]: what an input consists of, for forms.
//! - [`wire`]: typed values to MessagePack and back.
//! - [`invoke`]: from the bytes of a call to the action and back.
//! - `guest`: in the sandbox, the host behind the context (Wasm only).
//! - `native`: in a unit test, a stand-in for the host (not Wasm).

#![cfg_attr(all(target_arch = "wasm32", not(feature = "std")), no_std)]

#[doc(hidden)]
pub extern crate alloc;

pub mod action;
pub mod again;
pub mod blob;
pub mod context;
pub mod error;
pub mod http;
pub mod invoke;
pub mod metadata;
pub mod parameter;
pub mod resource;
pub mod schema;
pub mod state;
pub mod trigger;
pub mod wire;

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod guest;
#[cfg(target_arch = "wasm32")]
use guest as backend;

#[cfg(not(target_arch = "wasm32"))]
pub mod native;
#[cfg(not(target_arch = "wasm32"))]
use native as backend;

pub use action::{Action, ProcessAction, ProcessResult, SimpleAction};
pub use again::{Encoded, Resumed, Wake, Woken};
pub use backend::block_on;
pub use blob::Blob;
pub use context::ActionContext;
pub use error::{ActionError, Result};
pub use metadata::{ActionId, ActionMetadata};
pub use parameter::{Parameter, Parameters};
pub use resource::{Kv, NamedResource, Resource, ResourceError, Smtp, Sql};
pub use schema::Schema;
pub use trigger::{PollInput, Polled, PollingTrigger};

/// Makes a component of actions: `nebula_sdk::export!(Fetch, Forecast);`, once
/// in a crate whose `crate-type` has `cdylib`. Outside Wasm it does nothing.
#[macro_export]
macro_rules! export {
    ($($action:ty),+ $(,)?) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::guest::component::{ActionMetadata, Error, Guest, Outcome};

            struct Component;

            impl Guest for Component {
                fn describe() -> $crate::alloc::vec::Vec<ActionMetadata> {
                    $crate::alloc::vec![$($crate::guest::component::describe::<$action>()),+]
                }

                fn execute(action: $crate::alloc::string::String, input: $crate::alloc::vec::Vec<u8>) -> ::core::result::Result<Outcome, Error> {
                    $(if action == $crate::Action::metadata(&<$action as $crate::Action>::instance()).id.as_str() {
                        return $crate::guest::component::execute::<$action>(&input);
                    })+
                    ::core::result::Result::Err($crate::guest::component::unknown(&action))
                }
            }

            $crate::guest::bindings::export_component!(Component with_types_in $crate::guest::bindings);
        };
    };
}
