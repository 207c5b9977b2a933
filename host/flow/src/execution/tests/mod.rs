//! - `bench`: an execution under test, its plan and its log.
//! - `world`: answers to commands, equal for equal questions.
//! - `model`: what an execution must come to, computed node by node.
//! - `behaviour`: one test for each rule.
//! - `properties`: what holds for every workflow, world and order; `afterwards`: and
//!   for executions that are undone, or go on with others.
//! - `iterate`: the same for actions that are called again.
//! - `properties`: what holds for every workflow, world and order.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod afterwards;
mod behaviour;
mod bench;
mod iterate;
mod model;
mod properties;
mod world;
