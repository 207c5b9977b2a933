//! `crypto.hash` and `crypto.hmac`: digests and message authentication.
//!
//! ```yaml
//! fingerprint: { action: crypto.hash, input: { data: "${ $nodes.download.result.body }" } }
//! check:
//!   action: crypto.hmac
//!   input:
//!     key: "${ $input.key }"
//!     data: "${ $input.body }"
//!     expected: "${ $input.signature | ltrimstr(\"sha256=\") }"
//! ```
//!
//! A credential is a placeholder inside the sandbox, so a key can only come in
//! the input. There it is kept with the execution, as every input is: whoever
//! may read the execution may read the key.
//!
//! - `encoding`: texts to bytes and back.
//! - `hash`: digests.
//! - `hmac`: message authentication.

mod encoding;
mod hash;
mod hmac;

pub use hash::Hash;
pub use hmac::Authenticate;

nebula_sdk::export!(Hash, Authenticate);
