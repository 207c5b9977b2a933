//! The process that compiles, for tests that have no `nebula` binary.

fn main() -> std::process::ExitCode {
    nebula_sandbox::compile_child()
}
