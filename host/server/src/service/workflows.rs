//! Deployed workflows: found by name or id, listed, looked at.

use std::collections::BTreeMap;
use std::sync::Arc;

use nebula_api::Page;
use nebula_api::access::PageQuery;
use nebula_api::workflow::{
    PinnedAction, Workflow, WorkflowSummary, WorkflowVersion, WorkflowsQuery,
};
use nebula_flow::WorkflowId;
use nebula_flow::deploy::{self, DeployedWorkflow, Head};
use nebula_flow::ports::{Kind, ResolvedAction};

use super::actions::effect;
use super::values::time;
use super::{Error, Result, paging};
use crate::app::App;

/// Every deployed workflow can be started.
const STATUS: &str = "active";

/// The workflow of this name or id.
pub(crate) async fn find(app: &App, workflow: &str) -> Result<Head> {
    let head = deploy::find(&*app.records, &app.tenant, workflow).await?;
    head.ok_or_else(|| Error::WorkflowNotFound(workflow.chars().take(128).collect()))
}

/// One version.
pub(crate) async fn load(app: &App, id: WorkflowId, version: u32) -> Result<Arc<DeployedWorkflow>> {
    if let Some(deployed) = app.versions.get(id, version) {
        return Ok(deployed);
    }
    let deployed = deploy::version(&*app.records, &app.tenant, id, version).await?;
    let deployed =
        deployed.ok_or_else(|| Error::Damaged(format!("version {version} of {id} is missing")))?;
    Ok(app.versions.keep(Arc::new(deployed)))
}

/// The version that is asked for, by the workflow's name or id.
pub(crate) async fn select(
    app: &App,
    workflow: &str,
    version: Option<u32>,
) -> Result<(Head, Arc<DeployedWorkflow>)> {
    let found = find(app, workflow).await?;
    let version = version.unwrap_or(found.version);
    if !(1..=found.version).contains(&version) {
        let workflow = workflow.into();
        return Err(Error::VersionNotFound {
            workflow,
            version,
            latest: found.version,
        });
    }
    let deployed = load(app, found.id, version).await?;
    Ok((found, deployed))
}

/// One workflow in full.
pub(crate) async fn get(app: &App, workflow: &str, version: Option<u32>) -> Result<Workflow> {
    let (found, deployed) = select(app, workflow, version).await?;
    Ok(Workflow {
        id: deployed.id.to_string(),
        name: deployed.definition.name.to_string(),
        version: deployed.version,
        latest_version: found.version,
        status: STATUS.into(),
        deployed_at: time(deployed.deployed_at),
        definition: serde_json::to_value(&deployed.definition)
            .map_err(|e| Error::Damaged(e.to_string()))?,
        actions: pinned(&deployed),
    })
}

fn pinned(deployed: &DeployedWorkflow) -> BTreeMap<String, PinnedAction> {
    let pin = |action: &ResolvedAction| PinnedAction {
        id: action.metadata.id.to_string(),
        version: action.metadata.version.to_string(),
        digest: action.digest.to_string(),
        effect: effect(action.effect).into(),
    };
    let actions = deployed.actions.iter();
    actions
        .map(|(reference, a)| (reference.clone(), pin(a)))
        .collect()
}

/// A page of a workflow's versions, newest first.
pub(crate) async fn versions(
    app: &App,
    workflow: &str,
    query: PageQuery,
) -> Result<Page<WorkflowVersion>> {
    let limit = paging::limit(query.limit)?;
    let found = find(app, workflow).await?;
    let newest = match query.cursor.as_deref().map(str::parse::<u32>) {
        None => found.version,
        Some(Ok(last)) => found.version.min(last.saturating_sub(1)),
        Some(Err(_)) => {
            return Err(Error::InvalidQuery {
                parameter: "cursor",
                message: "give `next_cursor` of the page before, as it is".into(),
            });
        }
    };
    // Versions are numbered without gaps.
    let mut items = Vec::new();
    for version in (1..=newest).rev().take(limit + 1) {
        let deployed = load(app, found.id, version).await?;
        items.push(WorkflowVersion {
            version,
            description: deployed.definition.description.clone(),
            deployed_at: time(deployed.deployed_at),
            actions: pinned(&deployed),
        });
    }
    Ok(paging::page(items, limit, |v: &WorkflowVersion| {
        v.version.to_string()
    }))
}

/// A page of workflows by name.
pub(crate) async fn list(app: &App, query: WorkflowsQuery) -> Result<Page<WorkflowSummary>> {
    let limit = paging::limit(query.limit)?;
    let filter = Filter::parse(query.filter.as_deref().unwrap_or_default())?;
    let after = query.cursor.as_deref();
    let found = app
        .records
        .list(
            Kind::Workflow,
            &app.tenant,
            &filter.prefix,
            after,
            limit + 1,
        )
        .await?;
    let mut items = Vec::with_capacity(found.len());
    for (name, record) in found {
        if filter.is_exact && name != filter.prefix {
            break;
        }
        let head: Head = deploy::read(&record)?;
        let deployed = load(app, head.id, head.version).await?;
        items.push(WorkflowSummary {
            id: head.id.to_string(),
            name,
            version: head.version,
            status: STATUS.into(),
            description: deployed.definition.description.clone(),
            deployed_at: time(deployed.deployed_at),
        });
    }
    Ok(paging::page(items, limit, |w: &WorkflowSummary| {
        w.name.clone()
    }))
}

/// Which workflows a list is about.
#[derive(Debug, Default, PartialEq, Eq)]
struct Filter {
    prefix: String,
    is_exact: bool,
}

impl Filter {
    fn parse(text: &str) -> Result<Self> {
        let invalid = |message: String| Error::InvalidQuery {
            parameter: "filter",
            message,
        };
        let mut filter = Self::default();
        for term in text.split(',').map(str::trim).filter(|t| !t.is_empty()) {
            match term.split_once('=') {
                Some(("status", STATUS)) => {}
                Some(("status", other)) => {
                    let other: String = other.chars().take(40).collect();
                    return Err(invalid(format!(
                        "no workflow has the status `{other}`: give `{STATUS}`"
                    )));
                }
                Some(("name", name)) => {
                    filter.is_exact = !name.ends_with('*');
                    name.trim_end_matches('*').clone_into(&mut filter.prefix);
                }
                _ => {
                    return Err(invalid(
                        "give `status=active`, `name=<name>` or `name=<beginning>*`".into(),
                    ));
                }
            }
        }
        Ok(filter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_or_refused() {
        let filter = |text| Filter::parse(text).ok().map(|f| (f.prefix, f.is_exact));
        assert_eq!(filter(""), Some((String::new(), false)));
        assert_eq!(filter("status=active"), Some((String::new(), false)));
        assert_eq!(
            filter("status=active, name=wea*"),
            Some(("wea".into(), false))
        );
        assert_eq!(filter("name=weather"), Some(("weather".into(), true)));
        for text in ["status=off", "owner=me", "name", "="] {
            assert_eq!(filter(text), None, "{text}");
        }
    }
}
