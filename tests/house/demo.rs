//! The demo is the first thing a newcomer runs: it must end well, and show
//! what it promises.

use std::process::Command;

#[test]
fn the_demo_runs_three_workflows_and_survives_a_kill() {
    let output = Command::new(crate::root().join("demo/run"))
        .output()
        .expect("demo/run starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for wanted in [
        "It is 36.1 °C in Dubai",
        "\"days\": 365",
        "killed the node",
        "exec-",
        "succeeded",
    ] {
        assert!(text.contains(wanted), "{wanted:?} is missing in\n{text}");
    }
}
