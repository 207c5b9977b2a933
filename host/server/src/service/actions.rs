//! The actions that are installed: listed, searched, looked at.

use nebula_api::Page;
use nebula_api::action::{Action, ActionSearch, ActionSummary, ActionsQuery};
use nebula_flow::ActionId;
use nebula_flow::component::{Effect, Origin};
use nebula_flow::ports::{ResolveError, ResolvedAction};

use super::{Error, Result, paging};
use crate::app::App;

/// Characters of what is looked for.
const MAX_QUERY: usize = 200;

/// A page of actions by id.
pub(crate) async fn list(app: &App, query: ActionsQuery) -> Result<Page<ActionSummary>> {
    let limit = paging::limit(query.limit)?;
    let actions = app.components.actions(&app.tenant).await?;
    let items = actions
        .iter()
        .filter(|(id, _)| {
            query
                .cursor
                .as_deref()
                .is_none_or(|after| id.as_str() > after)
        })
        .filter(|(_, a)| {
            query
                .category
                .as_ref()
                .is_none_or(|c| a.metadata.category == *c)
        })
        .take(limit + 1)
        .map(|(_, action)| summary(action))
        .collect();
    Ok(paging::page(items, limit, |a: &ActionSummary| a.id.clone()))
}

/// Actions that have every word that is looked for, the best first.
pub(crate) async fn search(app: &App, query: ActionSearch) -> Result<Page<ActionSummary>> {
    let limit = paging::limit(query.limit)?;
    if query.q.chars().count() > MAX_QUERY {
        return Err(Error::InvalidQuery {
            parameter: "q",
            message: format!("more than {MAX_QUERY} characters"),
        });
    }
    let words: Vec<String> = query.q.split_whitespace().map(str::to_lowercase).collect();
    let actions = app.components.actions(&app.tenant).await?;
    let mut found: Vec<_> = actions
        .values()
        .filter_map(|action| Some((score(action, &words)?, action)))
        .collect();
    // Stable: equals stay in the order of their ids.
    found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    // The order is the same each time, so that the id of the last is a place in it.
    let from = match &query.cursor {
        None => 0,
        Some(last) => {
            let place = found
                .iter()
                .position(|(_, a)| a.metadata.id.as_str() == last);
            1 + place.ok_or_else(|| Error::InvalidQuery {
                parameter: "cursor",
                message: "give `next_cursor` of the page before, as it is".into(),
            })?
        }
    };
    let items = found
        .into_iter()
        .skip(from)
        .take(limit + 1)
        .map(|(_, action)| summary(action))
        .collect();
    Ok(paging::page(items, limit, |a: &ActionSummary| a.id.clone()))
}

/// One action.
pub(crate) async fn get(app: &App, id: &str) -> Result<Action> {
    let id = ActionId::new(id)?;
    match app
        .components
        .resolve(&app.tenant, &id, &semver::VersionReq::STAR)
        .await
    {
        Ok(action) => Ok(Action {
            summary: summary(&action),
            digest: action.digest.to_string(),
            input_schema: action.metadata.input_schema.clone(),
            output_schema: action.metadata.output_schema.clone(),
        }),
        Err(ResolveError::UnknownAction { action, similar }) => Err(Error::ActionNotFound {
            action: action.to_string(),
            similar: similar.map(|s| s.to_string()),
        }),
        Err(error) => Err(error.into()),
    }
}

// A word in the id weighs most, then in the name, the category, the description.
fn score(action: &ResolvedAction, words: &[String]) -> Option<u32> {
    let metadata = &action.metadata;
    let fields = [
        (8, metadata.id.as_str().to_owned()),
        (4, metadata.name.to_lowercase()),
        (2, metadata.category.to_lowercase()),
        (1, metadata.description.to_lowercase()),
    ];
    words.iter().try_fold(0, |total, word| {
        let found: u32 = fields
            .iter()
            .filter(|(_, text)| text.contains(word))
            .map(|(w, _)| w)
            .sum();
        (found > 0).then_some(total + found)
    })
}

fn summary(action: &ResolvedAction) -> ActionSummary {
    let metadata = &action.metadata;
    ActionSummary {
        id: metadata.id.to_string(),
        name: metadata.name.clone(),
        version: metadata.version.to_string(),
        kind: metadata.kind().into(),
        description: metadata.description.clone(),
        category: metadata.category.clone(),
        effect: effect(action.effect).into(),
        origin: origin(&action.origin).into(),
        credentials: metadata.credentials.clone(),
        hosts: metadata.hosts.clone(),
    }
}

/// The name that an effect has everywhere.
pub(crate) const fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Pure => "pure",
        Effect::Effectful => "effectful",
    }
}

/// The name that an origin has everywhere.
pub(super) const fn origin(origin: &Origin) -> &'static str {
    match origin {
        Origin::Statement => "statement",
        Origin::CosignOnly => "cosign-only",
        Origin::Unsigned => "unsigned",
        Origin::Embedded => "embedded",
        Origin::Local => "local",
    }
}
