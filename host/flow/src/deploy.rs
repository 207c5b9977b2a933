//! Deploying a workflow: check it, fix its actions to components and the
//! workflows that it runs to their versions, keep it.
//!
//! - `pins`: what it is fixed to, here and now.
//! - `deployed`: one version, as it is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::definition::{Diagnostic, WorkflowDefinition};
use crate::id::{Digest, TenantId, WorkflowId, WorkflowName};
use crate::plan::Plan;
use crate::ports::{Components, Expect, Kind, Record, RecordError, Records, ResolveError};
use crate::time::Timestamp;
use crate::trigger;

mod deployed;
mod pins;

pub use deployed::{DeployedWorkflow, InputShape, PinnedWorkflow};
pub use pins::{Pins, resolve};

/// The action that evaluates expressions which are not evaluated directly;
/// pinned like any other, under its own id.
pub const EVALUATOR: &str = "transform.jq";

/// How often a deploy that others outrun is tried again.
const TRIES: u32 = 5;

/// What the record of a workflow's name says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Through all versions.
    pub id: WorkflowId,
    /// The newest.
    pub version: u32,
}

/// Whose workflow, and where it is kept.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Where versions are kept.
    pub records: &'a dyn Records,
    /// What actions are fixed to.
    pub components: &'a dyn Components,
    /// Whose.
    pub tenant: &'a TenantId,
    /// What the host has for actions; absent where that is not known before a call.
    pub resources: Option<&'a Resources>,
}

/// The kinds of the resources that are configured, by name.
pub type Resources = BTreeMap<String, String>;

/// Why a definition is not deployed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// Everything that is wrong with it.
    #[error("the workflow is not valid: {}", .0.first().map_or("", |d| d.message.as_str()))]
    Invalid(Vec<Diagnostic>),
    /// It could not be kept, or what was kept could not be read.
    #[error(transparent)]
    Records(#[from] RecordError),
    /// A component could not be looked up.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
}

/// Deploys a definition as the next version of its name, unless the newest is
/// the same; says whether it made one. `fresh` is the id for a name that is
/// new. A component's bytes are kept before the version that pins it, the
/// version and the records of its triggers before the head that names it.
///
/// # Errors
/// When the definition is not valid here and now; when others deploy the same
/// name all the time ([`RecordError::Conflict`]: try again).
pub async fn deploy(
    place: Place<'_>,
    definition: WorkflowDefinition,
    now: Timestamp,
    fresh: WorkflowId,
) -> Result<(Arc<DeployedWorkflow>, bool), DeployError> {
    let pins = resolve(place, &definition).await?;
    let draft = DeployedWorkflow {
        id: fresh,
        version: 1,
        deployed_at: now,
        definition,
        actions: pins.actions,
        workflows: pins.workflows,
        input: InputShape::default(),
    };
    // The last gate: what passed the check must compile.
    Plan::compile(Arc::new(draft.clone())).map_err(DeployError::Invalid)?;
    keep_components(place, &draft).await?;
    let name = &draft.definition.name;
    for _ in 0..TRIES {
        let earlier = head(place.records, place.tenant, name).await?;
        let newest = match &earlier {
            Some((head, _)) => version(place.records, place.tenant, head.id, head.version).await?,
            None => None,
        };
        if let Some(newest) = newest.as_ref()
            && is_same(newest, &draft)?
        {
            return Ok((Arc::new(newest.clone()), false));
        }
        let before = newest.as_ref().map(|newest| &newest.definition);
        trigger::prepare(place.records, place.tenant, &draft.definition, before, now).await?;
        if let Some(deployed) = advance(place, draft.clone(), earlier).await? {
            return Ok((Arc::new(deployed), true));
        }
    }
    Err(RecordError::Conflict {
        kind: Kind::Workflow.name(),
        key: name.to_string(),
    }
    .into())
}

/// Copies the components into the store for good, so that neither an uninstall nor
/// retention takes them away.
async fn keep_components(place: Place<'_>, draft: &DeployedWorkflow) -> Result<(), DeployError> {
    let digests: BTreeSet<Digest> = draft.actions.values().map(|action| action.digest).collect();
    for digest in digests {
        if place.records.pin_blob(digest).await? {
            continue;
        }
        let component = place.components.component(place.tenant, digest).await?;
        let kept = place.records.put_blob(component.bytes().clone()).await?;
        if kept != digest {
            return Err(
                RecordError::Damaged(format!("component {digest} was kept as {kept}")).into(),
            );
        }
        if !place.records.pin_blob(digest).await? {
            let why = format!("component {digest} was put and is not there");
            return Err(RecordError::Unavailable(why).into());
        }
    }
    Ok(())
}

/// Whether a deploy would change nothing. Both definitions have been through
/// the same text form, so that numbers compare as they are kept, and the order
/// of the nodes counts.
fn is_same(newest: &DeployedWorkflow, draft: &DeployedWorkflow) -> Result<bool, RecordError> {
    let damaged = |e: serde_json::Error| RecordError::Damaged(e.to_string());
    let text = serde_json::to_string(&draft.definition).map_err(damaged)?;
    let kept: WorkflowDefinition = serde_json::from_str(&text).map_err(damaged)?;
    let as_kept = serde_json::to_string(&kept).map_err(damaged)?;
    let pins = |deployed: &DeployedWorkflow| -> Vec<(String, Digest)> {
        deployed
            .actions
            .iter()
            .map(|(reference, action)| (reference.clone(), action.digest))
            .collect()
    };
    let newest_text = serde_json::to_string(&newest.definition).map_err(damaged)?;
    Ok(
        as_kept == newest_text
            && pins(newest) == pins(draft)
            && newest.workflows == draft.workflows,
    )
}

/// Keeps the draft as the next version and makes it the newest; none when
/// someone else was faster.
async fn advance(
    place: Place<'_>,
    mut next: DeployedWorkflow,
    earlier: Option<(Head, u64)>,
) -> Result<Option<DeployedWorkflow>, DeployError> {
    if let Some((head, _)) = &earlier {
        (next.id, next.version) = (head.id, head.version.saturating_add(1));
    }
    let (records, tenant) = (place.records, place.tenant);
    // A number that is taken belongs to a deploy under way, or to one that a
    // crash ended. It is passed over: overwriting it could change a version
    // that is about to become the newest.
    let key = loop {
        let key = version_key(next.id, next.version);
        let value = write(&next)?;
        match records
            .put(
                Kind::WorkflowVersion,
                tenant,
                &key,
                value.into(),
                Expect::Absent,
            )
            .await
        {
            Ok(_) => break key,
            Err(RecordError::Conflict { .. }) => next.version = next.version.saturating_add(1),
            Err(error) => return Err(error.into()),
        }
    };
    let value = write(&Head {
        id: next.id,
        version: next.version,
    })?;
    let expect = earlier.map_or(Expect::Absent, |(_, version)| Expect::Version(version));
    let name = next.definition.name.as_str();
    match records
        .put(Kind::Workflow, tenant, name, value.into(), expect)
        .await
    {
        Ok(_) => Ok(Some(next)),
        Err(RecordError::Conflict { .. }) => {
            records.remove(Kind::WorkflowVersion, tenant, &key).await?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// The key of a version's record.
fn version_key(id: WorkflowId, version: u32) -> String {
    format!("{id}/{version:010}")
}

/// The head of a name, and its record's version.
///
/// # Errors
/// When the records cannot be read.
pub async fn head(
    records: &dyn Records,
    tenant: &TenantId,
    name: &WorkflowName,
) -> Result<Option<(Head, u64)>, RecordError> {
    let record = records.get(Kind::Workflow, tenant, name.as_str()).await?;
    record.map(|r| Ok((read(&r)?, r.version))).transpose()
}

/// One version, if there is one.
///
/// # Errors
/// When the records cannot be read.
pub async fn version(
    records: &dyn Records,
    tenant: &TenantId,
    id: WorkflowId,
    version: u32,
) -> Result<Option<DeployedWorkflow>, RecordError> {
    let key = version_key(id, version);
    let record = records.get(Kind::WorkflowVersion, tenant, &key).await?;
    record.as_ref().map(read).transpose()
}

/// The newest version of a workflow, by its id.
///
/// # Errors
/// When the records cannot be read.
pub async fn newest(
    records: &dyn Records,
    tenant: &TenantId,
    id: WorkflowId,
) -> Result<Option<Head>, RecordError> {
    let Some(first) = version(records, tenant, id, 1).await? else {
        return Ok(None);
    };
    let head = head(records, tenant, &first.definition.name).await?;
    Ok(head.map(|(head, _)| head).filter(|head| head.id == id))
}

/// The head of a workflow by its name or its id.
///
/// # Errors
/// When the records cannot be read.
pub async fn find(
    records: &dyn Records,
    tenant: &TenantId,
    name_or_id: &str,
) -> Result<Option<Head>, RecordError> {
    if let Ok(id) = name_or_id.parse() {
        return newest(records, tenant, id).await;
    }
    match WorkflowName::new(name_or_id) {
        Ok(name) => Ok(head(records, tenant, &name).await?.map(|(head, _)| head)),
        Err(_) => Ok(None),
    }
}

/// What a record of a workflow or a version holds.
///
/// # Errors
/// When it holds something else.
pub fn read<T: for<'de> Deserialize<'de>>(record: &Record) -> Result<T, RecordError> {
    serde_json::from_slice(&record.value).map_err(|e| RecordError::Damaged(e.to_string()))
}

fn write(value: &impl Serialize) -> Result<Vec<u8>, RecordError> {
    serde_json::to_vec(value).map_err(|e| RecordError::Damaged(e.to_string()))
}

/// Workflows in order of their names, after the name `after`, at most `limit`.
///
/// # Errors
/// When the records cannot be read.
pub async fn list(
    records: &dyn Records,
    tenant: &TenantId,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(String, Head)>, RecordError> {
    let found = records
        .list(Kind::Workflow, tenant, "", after, limit)
        .await?;
    found
        .into_iter()
        .map(|(name, record)| Ok((name, read(&record)?)))
        .collect()
}

#[cfg(test)]
mod tests;
