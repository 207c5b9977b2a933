//! Messages to people.
//!
//! - `send`: `notification.send`, to a webhook.
//! - `email`: `notification.email`, by mail.

#![no_std]

mod email;
mod send;

pub use email::Email;
pub use send::Send;

nebula_sdk::export!(Send, Email);
