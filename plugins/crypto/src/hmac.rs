//! Message authentication (RFC 2104).

use ::hmac::{EagerHash, Hmac, KeyInit, Mac};
use nebula_sdk::prelude::*;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use crate::encoding::{Encoding, OutputEncoding, decode, encode};

/// What `crypto.hmac` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// The key. It is kept with the execution, as every input is.
    pub key: String,
    /// How `key` is written.
    #[serde(default)]
    pub key_encoding: Encoding,
    /// What is authenticated.
    pub data: String,
    /// How `data` is written.
    #[serde(default)]
    pub encoding: Encoding,
    /// The hash function below.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// How the code is written, and `expected`.
    #[serde(default)]
    pub output: OutputEncoding,
    /// What the code must be. It is compared in constant time.
    #[serde(default)]
    pub expected: Option<String>,
    /// What happens when it is another.
    #[serde(default)]
    pub on_invalid: OnInvalid,
}

/// The hash function of a message authentication code.
#[data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// HMAC-SHA-256.
    #[default]
    Sha256,
    /// HMAC-SHA-512.
    Sha512,
    /// HMAC-SHA-1, for old protocols only.
    Sha1,
}

/// What happens when the code is not the expected one.
#[data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum OnInvalid {
    /// The node fails.
    #[default]
    Fail,
    /// The connections of the port `invalid` fire.
    Branch,
}

/// What `crypto.hmac` gives: the code, or whether it is the expected one.
/// Never both, as the right code for a forged message would be a signature.
#[data]
#[derive(Debug)]
pub struct Output {
    /// The code, when none was expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Whether the code is the expected one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<bool>,
}

/// The message authentication code of a text or of bytes, or whether it is the
/// expected one.
#[derive(Action)]
#[action(id = "crypto.hmac", name = "Authenticate")]
pub struct Authenticate;

impl ProcessAction for Authenticate {
    type Input = Input;
    type Output = Output;

    async fn execute(&self, input: Input, _: &ActionContext) -> Result<ProcessResult<Output>> {
        let key = decode("key", input.key, input.key_encoding)?;
        if key.is_empty() {
            return Err(ActionError::invalid_input("key: empty"));
        }
        let data = decode("data", input.data, input.encoding)?;
        let expected = match input.expected {
            None => None,
            Some(text) => match decode("expected", text, input.output.into()) {
                Ok(bytes) => Some(bytes),
                Err(refused) if input.on_invalid == OnInvalid::Fail => return Err(refused),
                // No code at all is as wrong as a wrong one.
                Err(_) => return answer(false, input.on_invalid),
            },
        };
        let answered = match input.algorithm {
            Algorithm::Sha256 => authenticate::<Sha256>(&key, &data, expected.as_deref())?,
            Algorithm::Sha512 => authenticate::<Sha512>(&key, &data, expected.as_deref())?,
            Algorithm::Sha1 => authenticate::<Sha1>(&key, &data, expected.as_deref())?,
        };
        match answered {
            Answer::Code(code) => Ok(ProcessResult::Success(Output {
                mac: Some(encode(&code, input.output)),
                valid: None,
            })),
            Answer::Valid(valid) => answer(valid, input.on_invalid),
        }
    }
}

/// The code, or whether the expected one is it.
enum Answer {
    Code(Vec<u8>),
    Valid(bool),
}

fn authenticate<D: EagerHash>(key: &[u8], data: &[u8], expected: Option<&[u8]>) -> Result<Answer> {
    let mac = Hmac::<D>::new_from_slice(key)?.chain_update(data);
    Ok(match expected {
        None => Answer::Code(mac.finalize().into_bytes().to_vec()),
        // In constant time, but for the length.
        Some(expected) => Answer::Valid(mac.verify_slice(expected).is_ok()),
    })
}

fn answer(valid: bool, on_invalid: OnInvalid) -> Result<ProcessResult<Output>> {
    let output = Output {
        mac: None,
        valid: Some(valid),
    };
    match on_invalid {
        _ if valid => Ok(ProcessResult::Success(output)),
        OnInvalid::Branch => Ok(ProcessResult::branch("invalid", output)),
        OnInvalid::Fail => Err(ActionError::invalid_input(
            "expected: not the code of `data` under `key`",
        )),
    }
}

#[cfg(test)]
mod tests;
