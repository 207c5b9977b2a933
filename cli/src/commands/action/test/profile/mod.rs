//! `--profile`: where the fuel of the call went, as a picture and by function.
//!
//! - `flame`: the picture.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use nebula_sandbox::Profile;
use serde_json::{Value, json};

use crate::error::{Error, Result};

mod flame;

/// How many functions are named.
const NAMED: usize = 10;

/// What a function burned.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Burned {
    /// Itself.
    fuel: u64,
    /// With all that it called.
    with_calls: u64,
}

/// Writes the picture, and gives the heaviest functions.
pub(super) fn write(file: &Path, title: &str, profile: Profile) -> Result<Value> {
    let stacks: Vec<(Vec<String>, u64)> = profile
        .stacks
        .into_iter()
        .map(|(stack, fuel)| (stack.iter().map(|name| readable(name)).collect(), fuel))
        .collect();
    let total: u64 = stacks.iter().map(|(_, fuel)| fuel).sum();
    std::fs::write(file, flame::draw(title, &stacks))
        .map_err(|e| Error::refused(format!("`{}` cannot be written: {e}", file.display())))?;
    let functions: Vec<Value> = heaviest(&stacks)
        .into_iter()
        .take(NAMED)
        .map(|(name, burned)| {
            json!({
                "name": name, "fuel": burned.fuel, "share": share(burned.fuel, total),
                "share_with_calls": share(burned.with_calls, total),
            })
        })
        .collect();
    Ok(json!({ "file": file.display().to_string(), "fuel": total, "functions": functions }))
}

/// A name as its author wrote it.
fn readable(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

/// Every function with what it burned, the heaviest first.
fn heaviest(stacks: &[(Vec<String>, u64)]) -> Vec<(&str, Burned)> {
    let mut functions: HashMap<&str, Burned> = HashMap::new();
    for (stack, fuel) in stacks {
        // One that calls itself counts once.
        let each: BTreeSet<&str> = stack.iter().map(String::as_str).collect();
        for name in each {
            functions.entry(name).or_default().with_calls += fuel;
        }
        if let Some(last) = stack.last() {
            functions.entry(last).or_default().fuel += fuel;
        }
    }
    let mut functions: Vec<_> = functions.into_iter().collect();
    functions.sort_by(|(a, one), (b, other)| other.fuel.cmp(&one.fuel).then(a.cmp(b)));
    functions.retain(|(_, burned)| burned.fuel > 0);
    functions
}

/// In percent, to a tenth.
fn share(part: u64, all: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "for display")]
    let share = part as f64 / all.max(1) as f64;
    (share * 1e3).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_function_counts_itself_and_with_what_it_calls() {
        let stacks = [
            (stack(&["run"]), 10),
            (stack(&["run", "walk"]), 20),
            (stack(&["run", "walk", "walk"]), 70),
        ];
        let functions = heaviest(&stacks);
        let walk = Burned {
            fuel: 90,
            with_calls: 90,
        };
        let run = Burned {
            fuel: 10,
            with_calls: 100,
        };
        assert_eq!(functions, [("walk", walk), ("run", run)]);
        assert!((share(1, 3) - 33.3).abs() < f64::EPSILON);
    }

    #[test]
    fn mangled_names_become_readable_and_others_stay() {
        for (name, read) in [
            ("_ZN6action3hot17h0123456789abcdefE", "action::hot"),
            ("_RNvCs1234_6action3hot", "action::hot"),
            ("memcpy", "memcpy"),
            ("function 7", "function 7"),
        ] {
            assert_eq!(readable(name), read);
        }
    }
}
