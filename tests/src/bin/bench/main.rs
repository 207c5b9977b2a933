//! `make bench`: what the main paths cost, as medians with their spread
//! (10th to 90th percentile), since machines are noisy. Prints Markdown.
//!
//! - `calls`: a fresh store, instance and call; compiling; loading from the cache.
//! - `parts`: what each part of the sandbox's profile costs.
//! - `limits`: what the machine gives at the most, each part alone.
//! - `load`: executions per second over HTTP with everything on disk.
//! - `waiting`: executions that wait, timers, recovery.
//! - `long`: large maps and long histories.
//! - `node`: cold start and memory of `nebula dev`.
//! - `verify`: what it costs to check a signed package.
//! - `hub`: installs, pulls of one digest, throughput of registries.
//! - `guests`: bytes, fuel and memory of packs and templates; it fails if one is over a
//!   tenth more than is recorded, and `--update` records.
//!
//! Arguments choose: `bench sqlite limits`. Without any all run, some minutes.

mod calls;
mod guests;
mod hub;
mod limits;
mod load;
mod long;
mod node;
mod parts;
mod stats;
mod verify;
mod waiting;

/// Whatever went wrong.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    // On a worker of the runtime, as everything in a node.
    tokio::spawn(run()).await?
}

async fn run() -> Result<(), Error> {
    let (flags, only): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|a| a.starts_with("--"));
    let is_update = flags.iter().any(|flag| flag == "--update");
    let wanted = |name: &str| only.is_empty() || only.iter().any(|o| o == name);
    if wanted("calls") {
        calls::run().await?;
    }
    if wanted("parts") {
        parts::run().await?;
    }
    if wanted("limits") {
        limits::run().await?;
    }
    if wanted("sqlite") {
        load::sqlite().await?;
    }
    if wanted("postgres") {
        load::postgres().await?;
    }
    if wanted("long") {
        long::run().await?;
    }
    if wanted("waiting") {
        waiting::run().await?;
    }
    if wanted("finished") {
        load::finished().await?;
    }
    if wanted("node") {
        node::cold_start().await?;
    }
    if wanted("verify") {
        verify::run()?;
    }
    if wanted("hub") {
        hub::run().await?;
    }
    // Last: it may end the whole with an error.
    if wanted("guests") {
        guests::run(is_update).await?;
    }
    Ok(())
}

/// Prints a line of the report.
#[expect(clippy::print_stdout, reason = "the program's answer")]
pub(crate) fn print(line: &str) {
    println!("{line}");
}
