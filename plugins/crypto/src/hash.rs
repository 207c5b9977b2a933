//! Digests.

use md5::Md5;
use nebula_sdk::prelude::*;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::encoding::{Encoding, OutputEncoding, decode, encode};

/// What `crypto.hash` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// What the digest is of.
    pub data: String,
    /// How `data` is written.
    #[serde(default)]
    pub encoding: Encoding,
    /// Of the digest.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// How the digest is written.
    #[serde(default)]
    pub output: OutputEncoding,
}

/// A hash function.
#[data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// SHA-256 (FIPS 180-4).
    #[default]
    Sha256,
    /// SHA-384 (FIPS 180-4).
    Sha384,
    /// SHA-512 (FIPS 180-4).
    Sha512,
    /// SHA-1, for old protocols and file names only: collisions are cheap.
    Sha1,
    /// MD5, for old protocols and file names only: collisions are free.
    Md5,
}

/// What `crypto.hash` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// The digest.
    pub digest: String,
    /// Of the data, in bytes.
    pub size: usize,
}

/// The digest of a text or of bytes.
#[derive(Action)]
#[action(id = "crypto.hash", name = "Hash")]
pub struct Hash;

impl SimpleAction for Hash {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Input, _: &ActionContext) -> Result<Output> {
        let data = decode("data", input.data, input.encoding)?;
        Ok(Output {
            digest: encode(&digest(input.algorithm, &data), input.output),
            size: data.len(),
        })
    }
}

fn digest(algorithm: Algorithm, data: &[u8]) -> Vec<u8> {
    match algorithm {
        Algorithm::Sha256 => Sha256::digest(data).to_vec(),
        Algorithm::Sha384 => Sha384::digest(data).to_vec(),
        Algorithm::Sha512 => Sha512::digest(data).to_vec(),
        Algorithm::Sha1 => Sha1::digest(data).to_vec(),
        Algorithm::Md5 => Md5::digest(data).to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(input: &Value) -> Result<ProcessResult<Value>> {
        ActionContext::for_test().run::<Hash>(input)
    }

    /// FIPS 180-4's examples of "abc" and of 56 bytes, and RFC 1321's of both.
    #[test]
    fn the_published_vectors_hold() {
        let long = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        for (algorithm, abc, of_long) in [
            (
                "sha256",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
            (
                "sha384",
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
                "3391fdddfc8dc7393707a65b1b4709397cf8b1d162af05abfe8f450de5f36bc6b0455a8520bc4e6f5fe95b1fe3c8452b",
            ),
            (
                "sha512",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
                "204a8fc6dda82f0a0ced7beb8e08a41657c16ef468b228a8279be331a703c33596fd15c13b1b07f9aa1d3bea57789ca031ad85c7a71dd70354ec631238ca3445",
            ),
            (
                "sha1",
                "a9993e364706816aba3e25717850c26c9cd0d89d",
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            ),
            (
                "md5",
                "900150983cd24fb0d6963f7d28e17f72",
                "8215ef0796a20bcaaae116d3876c664a",
            ),
        ] {
            for (data, digest) in [("abc", abc), (long, of_long)] {
                let result = run(&json!({ "data": data, "algorithm": algorithm }));
                let expected = json!({ "digest": digest, "size": data.len() });
                assert_eq!(result, Ok(ProcessResult::Success(expected)), "{algorithm}");
            }
        }
    }

    #[test]
    fn bytes_come_in_and_go_out_in_the_encoding_that_is_asked_for() {
        let digest = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
        for (data, encoding) in [("abc", "text"), ("616263", "hex"), ("YWJj", "base64")] {
            let input = json!({ "data": data, "encoding": encoding, "output": "base64" });
            let expected = json!({ "digest": digest, "size": 3 });
            assert_eq!(run(&input), Ok(ProcessResult::Success(expected)), "{data}");
        }
        let refused = run(&json!({ "data": "abc", "algorithm": "sha3" })).expect_err("not there");
        assert!(
            matches!(&refused, ActionError::InvalidInput(why) if why.contains("sha3")),
            "{refused}"
        );
    }
}
