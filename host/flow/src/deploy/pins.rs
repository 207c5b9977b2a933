//! What a definition is fixed to, here and now: its actions to components, the
//! workflows that it runs to their newest versions. A workflow that runs itself
//! runs the version before, so that no chain of them is without an end.

use std::collections::{BTreeMap, BTreeSet};

use semver::VersionReq;

use super::{DeployError, EVALUATOR, PinnedWorkflow, Place, head, list, version};
use crate::definition::actions::{Surroundings, action_nodes, check_actions, needs_evaluator};
use crate::definition::child::{Named, check_workflows, workflows};
use crate::definition::diagnostic::did_you_mean;
use crate::definition::trigger::{followed, polls, secrets};
use crate::definition::{self, Code, Diagnostic, WorkflowDefinition};
use crate::id::{ActionId, WorkflowName};
use crate::ports::{Kind, RecordError, ResolveError, ResolvedAction};

/// How many names are read to find what may be meant by one that is not there.
const NAMES: usize = 1_000;

/// What a definition is fixed to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pins {
    /// By action reference (`weather.fetch@^1`).
    pub actions: BTreeMap<String, ResolvedAction>,
    /// By name.
    pub workflows: BTreeMap<WorkflowName, PinnedWorkflow>,
}

/// What a definition is fixed to, here and now.
///
/// # Errors
/// [`DeployError::Invalid`] with everything that keeps it from being deployed.
pub async fn resolve(
    place: Place<'_>,
    definition: &WorkflowDefinition,
) -> Result<Pins, DeployError> {
    let mut problems = definition::check(definition);
    if problems.iter().any(|d| d.code == Code::TooLarge) {
        return Err(DeployError::Invalid(problems));
    }
    let around = surroundings(place, definition).await?;
    problems.extend(check_actions(definition, &around));
    let named = named(place, definition).await?;
    let similar = match named.values().any(|named| matches!(named, Named::Unknown)) {
        true => names(place).await?,
        false => Vec::new(),
    };
    problems.extend(check_workflows(definition, &named, &similar));
    problems.extend(unknown_followed(place, definition).await?);
    if !problems.is_empty() {
        return Err(DeployError::Invalid(problems));
    }
    let action =
        |(reference, action): (String, Result<ResolvedAction, _>)| Some((reference, action.ok()?));
    let workflow = |(name, named)| match named {
        Named::Found(pinned, _) => Some((name, pinned)),
        Named::Unknown => None,
    };
    Ok(Pins {
        actions: around.actions.into_iter().filter_map(action).collect(),
        workflows: named.into_iter().filter_map(workflow).collect(),
    })
}

/// Asks the ports for every action and credential that the definition names.
async fn surroundings(
    place: Place<'_>,
    definition: &WorkflowDefinition,
) -> Result<Surroundings, DeployError> {
    let mut wanted: BTreeMap<String, (ActionId, VersionReq)> = BTreeMap::new();
    let mut bound = BTreeSet::new();
    for (_, node) in action_nodes(definition) {
        if let Some(action) = &node.action {
            let range = action.range.clone().unwrap_or(VersionReq::STAR);
            wanted.insert(action.to_string(), (action.id.clone(), range));
        }
        bound.extend(node.credentials.values());
    }
    for (_, poll) in polls(definition) {
        let range = poll.action.range.clone().unwrap_or(VersionReq::STAR);
        wanted.insert(poll.action.to_string(), (poll.action.id.clone(), range));
        bound.extend(poll.credentials.values());
    }
    bound.extend(secrets(definition).map(|(_, secret)| secret));
    if needs_evaluator(definition).is_some()
        && let Ok(evaluator) = ActionId::new(EVALUATOR)
    {
        wanted
            .entry(EVALUATOR.to_owned())
            .or_insert((evaluator, VersionReq::STAR));
    }
    let mut around = Surroundings {
        resources: place.resources.cloned(),
        ..Surroundings::default()
    };
    for (reference, (action, range)) in wanted {
        match place
            .components
            .resolve(place.tenant, &action, &range)
            .await
        {
            Err(error @ (ResolveError::Unavailable(_) | ResolveError::UnknownComponent(_))) => {
                return Err(error.into());
            }
            resolved => {
                around.actions.insert(reference, resolved);
            }
        }
    }
    for name in bound {
        if place
            .records
            .get(Kind::Credential, place.tenant, name)
            .await?
            .is_some()
        {
            around.credentials.insert(name.clone());
        }
    }
    Ok(around)
}

/// Looks up every workflow that the definition names.
async fn named(
    place: Place<'_>,
    definition: &WorkflowDefinition,
) -> Result<BTreeMap<WorkflowName, Named>, RecordError> {
    let mut found = BTreeMap::new();
    for (_, name, _) in workflows(definition) {
        if found.contains_key(name) {
            continue;
        }
        let newest = match head(place.records, place.tenant, name).await? {
            Some((head, _)) => version(place.records, place.tenant, head.id, head.version).await?,
            None => None,
        };
        let named = newest.map_or(Named::Unknown, |newest| {
            let pinned = PinnedWorkflow {
                id: newest.id,
                version: newest.version,
            };
            Named::Found(pinned, newest.definition.input)
        });
        found.insert(name.clone(), named);
    }
    Ok(found)
}

/// What is wrong with the workflows whose ends fire triggers: only that they are not
/// there. They are followed by name, through all versions.
async fn unknown_followed(
    place: Place<'_>,
    definition: &WorkflowDefinition,
) -> Result<Vec<Diagnostic>, DeployError> {
    let mut problems = Vec::new();
    for (pointer, name) in followed(definition) {
        let is_own = *name == definition.name;
        if !is_own && head(place.records, place.tenant, name).await?.is_none() {
            let names = names(place).await?;
            let hint = did_you_mean(name.as_str(), names.iter().map(String::as_str));
            let message = format!("there is no workflow `{name}`");
            let diagnostic = Diagnostic::new(Code::UnknownWorkflow, pointer, message);
            problems.push(diagnostic.hint(hint.unwrap_or_else(|| "deploy it first".to_owned())));
        }
    }
    Ok(problems)
}

async fn names(place: Place<'_>) -> Result<Vec<String>, RecordError> {
    let found = list(place.records, place.tenant, None, NAMES).await?;
    Ok(found.into_iter().map(|(name, _)| name).collect())
}
