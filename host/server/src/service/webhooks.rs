//! A request to a trigger's own path: who sends it is proven by the trigger's
//! secret, and by nothing else.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName};
use nebula_flow::definition::{Webhook, WebhookReply};
use nebula_flow::deploy::DeployedWorkflow;
use nebula_flow::grant::{self, Secret};
use nebula_flow::ports::{Durability, Status, Submitted};
use nebula_flow::trigger::webhook::{DEFAULT_TIMEOUT, event, key};
use nebula_flow::trigger::{self, Fired, Firing, Outcome};
use nebula_flow::{ExecutionId, Timestamp, TriggerName, Value};

use super::signature::{self, Proof};
use super::start_execution::{self, Started};
use super::{Error, Result, triggers, workflows};
use crate::app::App;

/// A name for one delivery, so that a repeat starts nothing.
const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What was sent, and where to.
pub(crate) struct Delivery<'a> {
    /// The workflow's name.
    pub(crate) workflow: &'a str,
    /// The trigger's name.
    pub(crate) trigger: &'a str,
    /// All headers.
    pub(crate) headers: &'a HeaderMap,
    /// The query, as it was sent.
    pub(crate) query: &'a str,
    /// The body, as it was sent.
    pub(crate) body: &'a [u8],
}

/// A webhook that is there.
struct Hook<'a> {
    workflow: Arc<DeployedWorkflow>,
    name: TriggerName,
    webhook: Webhook,
    delivery: Delivery<'a>,
}

/// Whether a webhook is at this path at all: a body is read only then.
pub(crate) async fn check(app: &App, workflow: &str, trigger: &str) -> Result<()> {
    find(app, workflow, trigger).await.map(drop)
}

/// Checks a delivery and starts what it is for; waits for its end where the
/// trigger says so.
pub(crate) async fn receive(app: &App, delivery: Delivery<'_>) -> Result<Started> {
    let (workflow, name, webhook) = find(app, delivery.workflow, delivery.trigger).await?;
    let hook = Hook {
        workflow,
        name,
        webhook,
        delivery,
    };
    let now = app.clock.now();
    let received = hook.receive(app, now).await;
    let which = (hook.workflow.definition.name.clone(), hook.name.clone());
    match &received {
        Ok((started, execution)) if !started.replayed => app.hooks.fired(
            which,
            Fired {
                at: now,
                outcome: Outcome::Started,
                slot: None,
                execution: Some(*execution),
            },
        ),
        Ok(_) => {}
        Err(error) => app.hooks.refused(which, now, &error.to_string()),
    }
    received.map(|(started, _)| started)
}

async fn find(
    app: &App,
    workflow: &str,
    trigger: &str,
) -> Result<(Arc<DeployedWorkflow>, TriggerName, Webhook)> {
    let absent = || Error::HookNotFound {
        workflow: workflow.chars().take(128).collect(),
        trigger: trigger.chars().take(64).collect(),
    };
    // Whoever has no secret learns nothing of which workflows there are.
    let found = match workflows::select(app, workflow, None).await {
        Ok((_, found)) if found.definition.name.as_str() == workflow => found,
        Ok(_) | Err(Error::WorkflowNotFound(_)) => return Err(absent()),
        Err(error) => return Err(error),
    };
    let name = TriggerName::new(trigger).map_err(|_| absent())?;
    let definition = found.definition.triggers.get(&name);
    let webhook = definition.and_then(|trigger| trigger.webhook.clone());
    Ok((found, name, webhook.ok_or_else(absent)?))
}

impl Hook<'_> {
    async fn receive(&self, app: &App, now: Timestamp) -> Result<(Started, ExecutionId)> {
        let id = self.id()?;
        let signature = self.prove(app, id, now).await?;
        let of = &self.workflow.definition.name;
        let state = trigger::get(&*app.records, &app.tenant, of, &self.name).await?;
        if !state.is_some_and(|(state, _)| state.enabled) {
            return Err(Error::TriggerDisabled(format!("{of}/{}", self.name)));
        }
        let unique = id.map(|id| format!("id/{id}"));
        let unique = unique.or_else(|| signature.map(|sum| format!("sum/{sum}")));
        let key = unique.map(|unique| key(self.workflow.id, &self.name, &unique));
        let execution = start_execution::mint(now)?;
        let wait = self.patience();
        let watch = wait.map(|patience| (app.watches.watch(execution), patience));
        let place = trigger::Place {
            log: &*app.log,
            records: &*app.records,
            tenant: &app.tenant,
        };
        let firing = Firing {
            workflow: &self.workflow,
            trigger: &self.name,
            event: self.event()?,
            key: key.as_deref(),
            execution,
            at: now,
            durability: if watch.is_some() {
                Durability::WithAppend
            } else {
                Durability::Now
            },
        };
        let submitted = trigger::fire(place, firing)
            .await
            .map_err(triggers::refused)?;
        let first = match submitted {
            Submitted::Accepted => execution,
            Submitted::Duplicate(first) => first,
        };
        let start = start_execution::Submission {
            execution,
            workflow: &self.workflow,
            at: now,
            submitted,
            watch,
        };
        let mut started = start_execution::answer(app, start).await?;
        if self.webhook.reply == WebhookReply::Accepted {
            // A repeat learns no more than the first time.
            let result = &mut started.result;
            (result.finished_at, result.output, result.error) = (None, None, None);
            result.status = Status::Queued.name().into();
        }
        Ok((started, first))
    }

    /// How long the answer waits for the execution's end.
    fn patience(&self) -> Option<Duration> {
        match self.webhook.reply {
            WebhookReply::Accepted => None,
            WebhookReply::Result => {
                let given = self.webhook.timeout.map(|span| span.0);
                Some(given.unwrap_or(DEFAULT_TIMEOUT))
            }
        }
    }

    /// The delivery's name, if the sender gave it one.
    fn id(&self) -> Result<Option<&str>> {
        let Some(id) = self.header(&ID)? else {
            return Ok(None);
        };
        let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let valid = (1..=100).contains(&id.len())
            && id.bytes().all(word)
            // A number could be taken for a timestamp.
            && id.bytes().any(|b| !b.is_ascii_digit());
        if valid {
            Ok(Some(id))
        } else {
            Err(Error::InvalidHeader {
                message:
                    "`webhook-id` has 1 to 100 of a-z, A-Z, 0-9, `-` and `_`, and not digits only"
                        .into(),
            })
        }
    }

    /// A header that is given once, as text.
    fn header(&self, name: &HeaderName) -> Result<Option<&str>> {
        let mut values = self.delivery.headers.get_all(name).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        match (value.to_str(), values.next()) {
            (Ok(value), None) => Ok(Some(value)),
            _ => Err(Error::InvalidHeader {
                message: format!("`{name}` is given once, in visible ASCII characters"),
            }),
        }
    }

    /// Proves that the sender knows the secret; gives the sum that was signed, if
    /// that is how.
    async fn prove(&self, app: &App, id: Option<&str>, now: Timestamp) -> Result<Option<String>> {
        let secret = self.secret(app).await?;
        let proof = Proof {
            id,
            timestamp: self.header(&TIMESTAMP)?,
            signature: self.header(&SIGNATURE)?,
            authorization: self.header(&AUTHORIZATION)?,
            body: self.delivery.body,
        };
        signature::check(&self.webhook, &secret, &proof, now)
            .map_err(|why| Error::WebhookRefused(why.to_string()))
    }

    async fn secret(&self, app: &App) -> Result<Secret> {
        let name = &self.webhook.secret;
        let found = grant::credential(&*app.records, &app.tenant, name).await?;
        let shared = found.and_then(|found| found.shared());
        shared.ok_or_else(|| Error::SecretMissing(name.clone()))
    }

    fn event(&self) -> Result<Value> {
        let headers = self.webhook.passed_on().filter_map(|name| {
            let value = self.delivery.headers.get(name.as_ref())?;
            Some((name.into_owned(), value.to_str().ok()?.to_owned()))
        });
        let media_type = self.delivery.headers.get(http::header::CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok());
        event(headers, self.delivery.query, media_type, self.delivery.body).map_err(|message| {
            Error::InvalidBody {
                pointer: String::new(),
                message,
            }
        })
    }
}
