//! Actions that look for what is new. The host calls one every so often, keeps its
//! cursor between the calls, and starts an execution for each event.

use alloc::vec::Vec;
use core::future::Future;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::action::{Action, ProcessResult};
use crate::context::ActionContext;
use crate::error::Result;
use crate::schema::{Field, Names, Schema, Shape, Struct};

/// An action that looks for what is new, and starts workflows with it: what stands at
/// `poll` in a workflow's `triggers`. Its attribute says so:
/// `#[action(id = "rss.new_items", trigger)]`.
///
/// The cursor moves in the commit in which the host decides to start the executions of
/// the events. A poll that fails, or whose node is lost before that, is as if it had not
/// been: the next one begins at the same cursor. So each event that was given starts
/// one execution, and the action must only give it once along its own cursors.
///
/// The first call has no cursor. Whether it gives everything that is there, or nothing
/// and begins with what comes later, is the action's own business; most give nothing.
///
/// ```
/// use nebula_action::{Action, ActionContext, Polled, PollingTrigger, Result};
/// # use nebula_action::{ActionId, ActionMetadata};
/// # struct NewOrders;
/// # impl Action for NewOrders {
/// #     fn metadata(&self) -> &ActionMetadata { unreachable!() }
/// #     fn instance() -> Self { Self }
/// # }
/// # async fn orders(_: &ActionContext, _: &str, _: u64) -> Result<Vec<u64>> { Ok(Vec::new()) }
///
/// impl PollingTrigger for NewOrders {
///     type Config = String;
///     /// The number of the last order that was seen.
///     type Cursor = u64;
///     type Event = u64;
///
///     async fn poll(&self, shop: String, cursor: Option<u64>, ctx: &ActionContext) -> Result<Polled<u64, u64>> {
///         let orders = orders(ctx, &shop, cursor.unwrap_or(0)).await?;
///         let last = orders.iter().copied().max().or(cursor).unwrap_or(0);
///         // The orders of the time before the trigger was deployed are not new.
///         let events = if cursor.is_some() { orders } else { Vec::new() };
///         Ok(Polled::new(last, events))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no trigger",
    label = "its attribute says that it is a trigger, and this does not say what it does",
    note = "write `impl PollingTrigger for {Self}`, or leave `trigger` out of `#[action(…)]`"
)]
pub trait PollingTrigger: Action {
    /// What a workflow says at `with`. Its JSON Schema is published with the action.
    type Config: DeserializeOwned + Schema;
    /// How far it has looked: at most 256 KiB of JSON. What the next version of the
    /// action cannot read of its own major begins nowhere, so change it with care.
    type Cursor: Serialize + DeserializeOwned;
    /// What is new: `$trigger.event` in the trigger's `input`.
    type Event: Serialize + Schema;

    /// Looks for what has come since the cursor.
    ///
    /// # Errors
    /// When it cannot look. It is tried again later, whatever the error, with the same
    /// cursor.
    fn poll(
        &self,
        config: Self::Config,
        cursor: Option<Self::Cursor>,
        ctx: &ActionContext,
    ) -> impl Future<Output = Result<Polled<Self::Cursor, Self::Event>>>;
}

/// What a poll found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Polled<C, E> {
    /// Where the next poll begins.
    pub cursor: C,
    /// What is new, the oldest first: at most 1,000, and 1 MiB of JSON.
    pub events: Vec<E>,
    /// Whether there is more already, so that it is polled again at once.
    pub more: bool,
}

impl<C, E> Polled<C, E> {
    /// All that is new.
    pub const fn new(cursor: C, events: Vec<E>) -> Self {
        Self {
            cursor,
            events,
            more: false,
        }
    }
}

/// What a trigger is called with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollInput<C, K> {
    /// What the workflow says.
    pub config: C,
    /// As the poll before left it; null in the first.
    #[serde(default = "none")]
    pub cursor: Option<K>,
}

/// A trigger as the action that it is: what the derive calls.
///
/// # Errors
/// Those of the poll.
#[doc(hidden)]
pub async fn execute<T: PollingTrigger>(
    trigger: &T,
    input: PollInput<T::Config, T::Cursor>,
    ctx: &ActionContext,
) -> Result<ProcessResult<Polled<T::Cursor, T::Event>>> {
    let polled = trigger.poll(input.config, input.cursor, ctx).await?;
    Ok(ProcessResult::Success(polled))
}

const fn none<K>() -> Option<K> {
    None
}

const fn field(name: &'static [&'static str; 1], shape: fn() -> &'static Shape) -> Field {
    Field {
        names: Names {
            written: name[0],
            read: name,
        },
        about: "",
        shape,
        flags: 0,
        preset: None,
    }
}

// A cursor is the action's own: its schema says nothing of it.
impl<C: Schema, K> Schema for PollInput<C, K> {
    fn shape() -> &'static Shape {
        const {
            &Shape::Struct(Struct {
                fields: &[
                    field(&["config"], C::shape),
                    Field {
                        flags: Field::OPTIONAL,
                        ..field(&["cursor"], serde_json::Value::shape)
                    },
                ],
                closed: false,
                tag: None,
            })
        }
    }
}

impl<C, E: Schema> Schema for Polled<C, E> {
    fn shape() -> &'static Shape {
        const {
            &Shape::Struct(Struct {
                fields: &[
                    field(&["cursor"], serde_json::Value::shape),
                    field(&["events"], <Vec<E>>::shape),
                    field(&["more"], bool::shape),
                ],
                closed: false,
                tag: None,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;
    use crate::schema::{Side, schema};

    #[test]
    fn the_schemas_are_those_of_the_config_and_of_the_events() {
        assert_eq!(
            schema::<PollInput<String, u8>>(Side::Read),
            r#"{"type":"object","properties":{"config":{"type":"string"},"cursor":true},"required":["config"]}"#
        );
        assert_eq!(
            schema::<Polled<u8, bool>>(Side::Written),
            concat!(
                r#"{"type":"object","properties":{"cursor":true,"events":{"type":"array","items":{"type":"boolean"}},"#,
                r#""more":{"type":"boolean"}},"required":["cursor","events","more"],"additionalProperties":false}"#
            )
        );
    }

    #[test]
    fn a_cursor_may_be_missing_or_null_at_first() {
        for text in [r#"{"config":1}"#, r#"{"config":1,"cursor":null}"#] {
            let input: PollInput<u8, u8> = serde_json::from_str(text).expect("reads");
            assert_eq!((input.config, input.cursor), (1, None), "{text}");
        }
    }
}
