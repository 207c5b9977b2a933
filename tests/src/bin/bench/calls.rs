//! One call in a fresh store; compiling and loading.

use std::sync::Arc;
use std::time::Instant;

use nebula_flow::component::{Component, Verified};
use nebula_flow::id::{ActionId, ExecutionId, NodeId, StepKey, TenantId, WorkflowName};
use nebula_flow::ports::{Call, Identity, Limits, Runner};
use nebula_flow::{Timestamp, payload};
use nebula_sandbox::{Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::print;
use crate::stats::Samples;

const WARM_UP: usize = 2_000;
const CALLS: usize = 20_000;
const LOADS: u8 = 40;

pub(crate) async fn run() -> Result<(), crate::Error> {
    let component = pack("condition")?;
    let folder = tempfile::tempdir()?;
    let config = || SandboxConfig {
        cache_dir: Some(folder.path().to_owned()),
        ..SandboxConfig::default()
    };

    let mut compile = Samples::default();
    for _ in 0..5 {
        let sandbox = Sandbox::new(SandboxConfig::default(), Arc::default())?;
        let begin = Instant::now();
        sandbox.prepare(&component).await?;
        compile.add(begin.elapsed());
    }
    let mut load = loads(component.bytes(), &config).await?;
    let sandbox = Sandbox::new(config(), Arc::default())?;
    sandbox.prepare(&component).await?;
    let input = json!({ "city": "Cairo", "temp": 28.4, "tags": ["a", "b"] });
    let call = call(&component, "condition.check", &input)?;
    let mut calls = Samples::default();
    for n in 0..WARM_UP + CALLS {
        let call = call.clone();
        let begin = Instant::now();
        sandbox.run(call).await.result?;
        if n >= WARM_UP {
            calls.add(begin.elapsed());
        }
    }
    print("| figure | median (p10–p90) |\n|---|---|");
    print(&format!(
        "| fresh store, instance and call of `condition.check` | {} |",
        calls.spread()
    ));
    print(&format!(
        "| compile `condition` ({} KiB) and describe it | {} |",
        component.bytes().len() / 1024,
        compile.spread()
    ));
    print(&format!(
        "| load `condition` from the compiled cache | {} |",
        load.spread()
    ));
    Ok(())
}

/// Loads components from the compiled cache into a node's sandbox that runs:
/// each is another by a custom section, so that none is loaded already.
async fn loads(
    component: &[u8],
    config: &impl Fn() -> SandboxConfig,
) -> Result<Samples, crate::Error> {
    let folder = tempfile::tempdir()?;
    let compiling = Sandbox::new(config(), Arc::default())?;
    let mut components = Vec::new();
    for n in 0..LOADS {
        let file = folder.path().join(format!("{n}.wasm"));
        let section = [0, 3, 1, b'n', n];
        std::fs::write(&file, [component, &section].concat())?;
        let component = nebula_hub::local(&file)?;
        compiling.prepare(&component).await?;
        components.push(component);
    }
    let mut load = Samples::default();
    for _ in 0..5 {
        let sandbox = Sandbox::new(config(), Arc::default())?;
        for component in &components {
            let begin = Instant::now();
            sandbox.prepare(component).await?;
            load.add(begin.elapsed());
        }
    }
    Ok(load)
}

/// A first-party pack's component.
pub(crate) fn pack(name: &str) -> Result<Verified<Component>, crate::Error> {
    let bytes = nebula_server::PACKS
        .iter()
        .find(|(pack, _)| *pack == name)
        .ok_or("no such pack")?
        .1;
    Ok(nebula_hub::embedded(bytes)?)
}

/// A call of one of its actions.
pub(crate) fn call(
    component: &Verified<Component>,
    action: &str,
    input: &Value,
) -> Result<Call, crate::Error> {
    Ok(Call {
        tenant: TenantId::default_tenant(),
        component: component.clone(),
        action: ActionId::new(action)?,
        input: payload::encode(input)?,
        identity: Identity {
            workflow: WorkflowName::new("bench")?,
            execution: ExecutionId::mint(Timestamp::from_millis(1), 1),
            step: StepKey::root(NodeId::new("check")?),
            attempt: 1,
            restarts: 0,
        },
        ready_at: Timestamp::from_millis(1),
        resumption: None,
        limits: Limits::default(),
        capabilities: Arc::default(),
        pulse: Arc::default(),
    })
}
