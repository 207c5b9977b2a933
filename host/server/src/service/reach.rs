//! What each action may reach and read in plain text, and what it has reached.

use std::collections::{BTreeMap, BTreeSet};

use nebula_api::access::{ActionReach, GrantsQuery, HostReach, Refusal, RevealReach};
use nebula_api::{Page, Time};
use nebula_flow::ports::Kind;
use nebula_flow::reached::{self, HostReached, Reached};
use nebula_flow::{ActionId, grant};

use super::{Error, Result, grants, paging, reveals};
use crate::app::App;

/// Grants that are read at once.
const CHUNK: usize = 1_000;

/// A page of actions by id: those that are installed and ask for hosts, those
/// that have grants of hosts or plain text, those that have reached or tried something.
pub(crate) async fn list(app: &App, query: GrantsQuery) -> Result<Page<ActionReach>> {
    let limit = paging::limit(query.limit)?;
    let only = query.action.as_deref().map(ActionId::new).transpose()?;
    app.reached.keep().await;
    let asks: BTreeMap<String, Vec<String>> = app
        .components
        .actions(&app.tenant)
        .await?
        .into_iter()
        .map(|(id, action)| (id.to_string(), action.metadata.hosts.clone()))
        .collect();
    let mut grants = by_action(app, only.as_ref()).await?;
    let mut reveals = reveals::by_action(app, only.as_ref()).await?;
    let after = query.cursor.as_deref();
    let mut reached: BTreeMap<String, Reached> = match &only {
        Some(id) => {
            let found = reached::reached(&*app.records, &app.tenant, id.as_str()).await?;
            BTreeMap::from([(id.to_string(), found)])
        }
        None => reached::list_reached(&*app.records, &app.tenant, after, limit + 1)
            .await?
            .into_iter()
            .collect(),
    };
    let asking = asks.iter().filter(|(_, hosts)| !hosts.is_empty());
    let names: BTreeSet<&String> = asking
        .map(|(id, _)| id)
        .chain(grants.keys())
        .chain(reveals.keys())
        .chain(
            reached
                .iter()
                .filter(|(_, r)| !r.hosts.is_empty())
                .map(|(id, _)| id),
        )
        .filter(|id| {
            only.as_ref()
                .is_none_or(|only| only.as_str() == id.as_str())
        })
        .filter(|id| after.is_none_or(|after| id.as_str() > after))
        .collect();
    let names: Vec<String> = names.into_iter().take(limit + 1).cloned().collect();
    let items = names
        .into_iter()
        .map(|id| {
            let granted = grants.remove(&id).unwrap_or_default();
            let reveals = reveals.remove(&id).unwrap_or_default();
            let reached = reached.remove(&id).unwrap_or_default();
            one(&id, asks.get(&id), granted, reveals, reached)
        })
        .collect();
    Ok(paging::page(items, limit, |item: &ActionReach| {
        item.action.clone()
    }))
}

async fn by_action(
    app: &App,
    only: Option<&ActionId>,
) -> Result<BTreeMap<String, Vec<grant::Grant>>> {
    let prefix = only.map(|id| format!("{id}/")).unwrap_or_default();
    let mut grants = BTreeMap::<_, Vec<_>>::new();
    let mut after: Option<String> = None;
    loop {
        let found = app
            .records
            .list(Kind::Grant, &app.tenant, &prefix, after.as_deref(), CHUNK)
            .await?;
        let more = found.len() == CHUNK;
        for (key, record) in found {
            let grant: grant::Grant = serde_json::from_slice(&record.value)
                .map_err(|_| Error::Damaged(format!("grant `{key}` is not one")))?;
            let action = grant.action.to_string();
            grants.entry(action).or_default().push(grant);
            after = Some(key);
        }
        if !more {
            return Ok(grants);
        }
    }
}

fn one(
    id: &str,
    asks: Option<&Vec<String>>,
    granted: Vec<grant::Grant>,
    reveals: Vec<RevealReach>,
    reached: Reached,
) -> ActionReach {
    let asked = asks.map_or(&[][..], Vec::as_slice);
    let mut hosts: BTreeMap<String, HostReach> = BTreeMap::new();
    for host in asked {
        let host = host.to_ascii_lowercase();
        hosts.insert(host.clone(), nothing_yet(host, asked));
    }
    for grant in granted {
        let row = hosts
            .entry(grant.host.clone())
            .or_insert_with_key(|host| nothing_yet(host.clone(), asked));
        row.grant = Some(grants::wire(grant));
    }
    for (host, done) in reached.hosts {
        // Messages leave out the port that a scheme has anyway; a grant need not.
        let spelled = [host.clone(), format!("{host}:443"), format!("{host}:80")];
        let known = spelled.iter().find(|name| hosts.contains_key(*name));
        let name = known.cloned().unwrap_or(host);
        let row = hosts
            .entry(name)
            .or_insert_with_key(|host| nothing_yet(host.clone(), asked));
        count(row, done);
    }
    ActionReach {
        action: id.to_owned(),
        installed: asks.is_some(),
        hosts: hosts.into_values().collect(),
        reveals,
    }
}

fn nothing_yet(host: String, asked: &[String]) -> HostReach {
    HostReach {
        asked: asked.iter().any(|asked| grant::covers(asked, &host)),
        host,
        grant: None,
        requests: 0,
        last_at: None,
        refused: 0,
        last_refusal: None,
    }
}

fn count(row: &mut HostReach, done: HostReached) {
    let time = |at: nebula_flow::Timestamp| Time::from_millis(at.as_millis());
    row.requests += done.requests;
    row.last_at = row.last_at.max(done.last_at.map(time));
    row.refused += done.refused;
    if let Some(refusal) = done.last_refusal {
        row.last_refusal = Some(Refusal {
            at: time(refusal.at),
            reason: refusal.reason,
        });
    }
}
