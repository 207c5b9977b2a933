//! `http.request` and `http.paginate`: HTTP requests to granted hosts.
//!
//! ```yaml
//! create:
//!   action: http.request
//!   input:
//!     method: POST
//!     url: https://api.example/v1/orders
//!     json: { item: "${ $input.item }" }
//!     auth: { header: authorization, prefix: "Bearer " }
//!     idempotent: true
//!   credentials: { auth: shop-prod }
//! all:
//!   action: http.paginate
//!   input: { url: https://api.example/v1/orders, by: cursor, next: /meta/next, items: /orders, auth: {} }
//!   credentials: { auth: shop-prod }
//! ```
//!
//! The host of the address needs a grant: `nebula grant http.request
//! api.example`. The statuses 429, 502, 503 and 504 are retryable, not before
//! `Retry-After`; every other status of `http.request` is an answer, unless
//! `fail_on_status` asks for a failure from 400 on.
//!
//! - `request`: one request and its response.
//! - `paginate`: a list that comes in pages.
//! - `link`: the header that names the next page.
//! - `shared`: what both actions have in common.

#![no_std]

mod link;
mod paginate;
mod request;
mod shared;

pub use paginate::Paginate;
pub use request::RequestAction;

nebula_sdk::export!(RequestAction, Paginate);
