//! `make bench`: what the main paths cost, as medians with their spread
//! (10th to 90th percentile), since machines are noisy. Prints Markdown.
//!
//! - `calls`: a fresh store, instance and call; compiling; loading from the cache.
//! - `parts`: what each part of the sandbox's profile costs.
//! - `load`: executions per second over HTTP with everything on disk.
//! - `node`: cold start and memory of `nebula dev`.
//! - `verify`: what it costs to check a signed package.

mod calls;
mod load;
mod node;
mod parts;
mod stats;
mod verify;

/// Whatever went wrong.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    // On a worker of the runtime, as everything in a node.
    tokio::spawn(run()).await?
}

async fn run() -> Result<(), Error> {
    let only: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |name: &str| only.is_empty() || only.iter().any(|o| o == name);
    if wanted("calls") {
        calls::run().await?;
    }
    if wanted("parts") {
        parts::run().await?;
    }
    if wanted("node") || wanted("load") {
        let node = node::Node::start().await?;
        if wanted("load") {
            load::run(&node).await?;
        }
        node.stop();
    }
    if wanted("node") {
        node::cold_start().await?;
    }
    if wanted("verify") {
        verify::run()?;
    }
    Ok(())
}

/// Prints a line of the report.
#[expect(clippy::print_stdout, reason = "the program's answer")]
pub(crate) fn print(line: &str) {
    println!("{line}");
}
