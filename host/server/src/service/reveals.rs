//! Who may read which credential in plain text. The credential must say so too; one
//! that does not is refused here, so that nobody believes in a grant that does nothing,
//! and none lies about until another's word wakes it.

use std::collections::BTreeMap;

use nebula_api::Page;
use nebula_api::access::{GrantsQuery, Reveal, RevealReach};
use nebula_flow::ActionId;
use nebula_flow::grant;
use nebula_flow::id::InvalidId;
use nebula_flow::ports::RecordError;

use super::credentials::check_name;
use super::{Error, Result, paging};
use crate::app::App;

/// Reveals that are read at once.
const CHUNK: usize = 1_000;

/// A page of reveals by action and credential.
pub(crate) async fn list(app: &App, query: GrantsQuery) -> Result<Page<Reveal>> {
    let limit = paging::limit(query.limit)?;
    let action = query.action.as_deref().map(ActionId::new).transpose()?;
    let after = query.cursor.as_deref();
    let found = grant::list_reveals(
        &*app.records,
        &app.tenant,
        action.as_ref(),
        after,
        limit + 1,
    );
    let items = found
        .await?
        .into_iter()
        .map(|(_, reveal)| wire(reveal))
        .collect();
    Ok(paging::page(items, limit, |r: &Reveal| {
        format!("{}/{}", r.action, r.credential)
    }))
}

/// Grants an action the plain text of a credential. Says whether that is new.
pub(crate) async fn add(app: &App, request: Reveal) -> Result<(Reveal, bool)> {
    let reveal = read(request).map_err(|(pointer, error)| Error::InvalidBody {
        pointer: pointer.into(),
        message: error.to_string(),
    })?;
    let name = &reveal.credential;
    let stored = grant::credential(&*app.records, &app.tenant, name).await?;
    let stored = stored.ok_or_else(|| Error::CredentialNotFound(name.clone()))?;
    stored.revealable().map_err(|why| Error::NotRevealable {
        credential: name.clone(),
        why,
    })?;
    let version = grant::put_reveal(&*app.records, &app.tenant, &reveal).await?;
    tracing::info!(action = %reveal.action, credential = %reveal.credential, "an action may read a credential in plain text");
    Ok((wire(reveal), version == 1))
}

/// Takes the plain text of a credential back from an action.
pub(crate) async fn remove(app: &App, request: Reveal) -> Result<()> {
    let reveal = read(request).map_err(|(_, error)| error)?;
    if grant::remove_reveal(&*app.records, &app.tenant, &reveal).await? {
        tracing::info!(action = %reveal.action, credential = %reveal.credential, "an action may no longer read a credential in plain text");
        return Ok(());
    }
    Err(Error::RevealNotFound {
        action: reveal.action.to_string(),
        credential: reveal.credential,
    })
}

/// What each action is granted in plain text, and what of it is withheld.
pub(super) async fn by_action(
    app: &App,
    only: Option<&ActionId>,
) -> Result<BTreeMap<String, Vec<RevealReach>>> {
    let mut actions = BTreeMap::<_, Vec<_>>::new();
    let mut known = BTreeMap::<String, Option<String>>::new();
    let mut after: Option<String> = None;
    loop {
        let after_one = after.as_deref();
        let found = grant::list_reveals(&*app.records, &app.tenant, only, after_one, CHUNK).await?;
        let more = found.len() == CHUNK;
        for (key, grant::Reveal { action, credential }) in found {
            let withheld = match known.get(&credential) {
                Some(withheld) => withheld.clone(),
                None => withheld(app, &credential).await?,
            };
            known.insert(credential.clone(), withheld.clone());
            let reveal = RevealReach {
                credential,
                withheld,
            };
            actions.entry(action.to_string()).or_default().push(reveal);
            after = Some(key);
        }
        if !more {
            return Ok(actions);
        }
    }
}

/// Why nobody gets this credential in plain text, if that is so.
async fn withheld(app: &App, credential: &str) -> Result<Option<String>> {
    let stored = match grant::credential(&*app.records, &app.tenant, credential).await {
        Ok(stored) => stored,
        Err(RecordError::Damaged(_)) => return Ok(Some("it cannot be read".into())),
        Err(error) => return Err(error.into()),
    };
    Ok(match stored {
        None => Some("it is not stored".into()),
        Some(stored) => stored.revealable().err().map(|why| why.to_string()),
    })
}

/// What was asked for, or what is wrong with it, and where.
fn read(request: Reveal) -> std::result::Result<grant::Reveal, (&'static str, InvalidId)> {
    let action = ActionId::new(&request.action).map_err(|error| ("/action", error))?;
    check_name(&request.credential).map_err(|error| ("/credential", error))?;
    Ok(grant::Reveal {
        action,
        credential: request.credential,
    })
}

fn wire(reveal: grant::Reveal) -> Reveal {
    Reveal {
        action: reveal.action.to_string(),
        credential: reveal.credential,
    }
}
