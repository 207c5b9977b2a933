//! What a node says of the calls of its action, and what can be wrong with it.

use std::time::Duration;

use super::Node;
use super::check::Check;
use super::diagnostic::{Code, child};
use crate::time::Span;

/// How often an action may be called in one step when its node does not say.
pub const DEFAULT_ITERATIONS: u32 = 1_000;
/// The most that a node may allow its action to be called in one step.
pub const MAX_ITERATIONS: u32 = 100_000;
const MIN_HEARTBEAT: Duration = Duration::from_millis(100);
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

impl Check<'_> {
    /// What is wrong with what a node says of the calls of its action.
    pub(super) fn calls(&mut self, pointer: &str, node: &Node) {
        for (field, given) in [
            ("heartbeat", node.heartbeat.is_some()),
            ("delivery", node.delivery.is_some()),
            ("max_iterations", node.max_iterations.is_some()),
        ] {
            if given && node.action.is_none() {
                let message = format!("`{field}` belongs to an action");
                self.problem(Code::InvalidValue, &child(pointer, field), message);
            }
        }
        if let Some(timeout) = node.timeout.filter(|_| node.wait.is_none())
            && (timeout.0.is_zero() || timeout.0 > MAX_TIMEOUT)
        {
            let message = format!("a time-out is longer than 0 and at most 24h, not {timeout}");
            self.problem(Code::InvalidValue, &child(pointer, "timeout"), message);
        }
        if let Some(heartbeat) = node.heartbeat
            && !(MIN_HEARTBEAT..=MAX_TIMEOUT).contains(&heartbeat.0)
        {
            let least = Span(MIN_HEARTBEAT);
            let message = format!("a heartbeat is {least} to 24h, not {heartbeat}");
            self.problem(Code::InvalidValue, &child(pointer, "heartbeat"), message);
        }
        if let Some(most) = node.max_iterations
            && !(1..=MAX_ITERATIONS).contains(&most)
        {
            let message = format!("`max_iterations` is 1 to {MAX_ITERATIONS}, not {most}");
            self.problem(
                Code::InvalidValue,
                &child(pointer, "max_iterations"),
                message,
            );
        }
    }
}
