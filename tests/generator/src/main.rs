//! Writes generated components to its standard output.
//!
//! `generator --seed S --count N` writes those of the seeds S, S+1 … S+N-1, each
//! behind its length (32 bits, little endian); a seed of which no component came
//! has the length 0. `generator --seed S` writes the one component alone, to be
//! looked at. The same seed gives the same component.
//!
//! - `chance`: numbers from a seed.
//! - `shape`: what of a module is left to chance.
//! - `shell`: what a random module is given so that it runs.
//! - `component`: from a seed to a component.

mod chance;
mod component;
mod shape;
mod shell;

use std::io::{self, Write};
use std::panic::catch_unwind;
use std::process::ExitCode;

use crate::component::Wrapper;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (seed, count) = match args[..] {
        ["--seed", seed] => (seed.parse(), Ok(None)),
        ["--seed", seed, "--count", count] => (seed.parse(), count.parse().map(Some)),
        _ => return usage(),
    };
    match (seed, count) {
        (Ok(seed), Ok(count)) => match write(seed, count) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("the components could not be written: {error}");
                ExitCode::FAILURE
            }
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: generator --seed S [--count N]");
    ExitCode::from(2)
}

fn write(seed: u64, count: Option<u64>) -> io::Result<()> {
    let wrapper = Wrapper::new();
    let mut out = io::BufWriter::new(io::stdout().lock());
    let Some(count) = count else {
        out.write_all(&one(&wrapper, seed))?;
        return out.flush();
    };
    for seed in (0..count).map(|n| seed.wrapping_add(n)) {
        let component = one(&wrapper, seed);
        let len = u32::try_from(component.len()).map_err(io::Error::other)?;
        out.write_all(&len.to_le_bytes())?;
        out.write_all(&component)?;
    }
    out.flush()
}

/// The component of a seed; nothing where none came of it, which is said.
fn one(wrapper: &Wrapper, seed: u64) -> Vec<u8> {
    // What generates and wraps may have faults of its own.
    let made = catch_unwind(|| wrapper.component(seed));
    match made.unwrap_or_else(|_| Err("the generator panicked".into())) {
        Ok(component) => component,
        Err(reason) => {
            eprintln!("no component of seed {seed}: {reason}");
            Vec::new()
        }
    }
}
