//! Chance. A pure call's comes from the seed of its step, equal on every
//! attempt; any other call's from the machine.

use sha2::{Digest as _, Sha256};
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};

use crate::charge::RANDOM_BYTE;
use crate::limits::RANDOM_BYTES;
use crate::state::State;

/// Where the random bytes of one call come from.
pub(crate) enum GuestRandom {
    /// SHA-256 of the seed and a counter, in counter mode.
    Seeded {
        seed: [u8; 32],
        counter: u64,
    },
    Machine,
}

/// Random bytes that were not given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoRandom {
    #[error("{0} random bytes were asked for at once; at most 65,536 are allowed")]
    TooMany(u64),
    #[error("the machine gives no random bytes: {0}")]
    Machine(getrandom::Error),
}

impl GuestRandom {
    pub(crate) const fn seeded(seed: [u8; 32]) -> Self {
        Self::Seeded { seed, counter: 0 }
    }

    fn bytes(&mut self, len: u64) -> Result<Vec<u8>, NoRandom> {
        let size = usize::try_from(len).unwrap_or(usize::MAX);
        if len > RANDOM_BYTES {
            return Err(NoRandom::TooMany(len));
        }
        let mut bytes = vec![0; size];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u64, NoRandom> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoRandom> {
        match self {
            Self::Seeded { seed, counter } => {
                for chunk in bytes.chunks_mut(32) {
                    let block = Sha256::new()
                        .chain_update(*seed)
                        .chain_update(counter.to_le_bytes())
                        .finalize();
                    chunk.copy_from_slice(&block[..chunk.len()]);
                    *counter += 1;
                }
                Ok(())
            }
            Self::Machine => getrandom::fill(bytes).map_err(NoRandom::Machine),
        }
    }
}

impl State {
    fn random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        let bytes = self.random.bytes(len)?;
        self.charge_each(RANDOM_BYTE, bytes.len());
        Ok(bytes)
    }
}

impl random::Host for State {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(len)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.random.number()?)
    }
}

impl insecure::Host for State {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(len)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.random.number()?)
    }
}

impl insecure_seed::Host for State {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.random.number()?, self.random.number()?))
    }
}
