//! Triggers: listed, looked at, switched, tried by hand.

use std::sync::Arc;

use nebula_api::Page;
use nebula_api::trigger::{
    TestTrigger, TestedPoll, TestedTrigger, Trigger, TriggerEvent, TriggerFailure, TriggersQuery,
};
use nebula_engine::{PollReport, poll_once};
use nebula_flow::definition::Cron;
use nebula_flow::deploy::{self, DeployedWorkflow};
use nebula_flow::id::WorkflowName;
use nebula_flow::ports::{Durability, Submitted};
use nebula_flow::trigger::poll::{self, Look};
use nebula_flow::trigger::{self, Fired, Firing, Outcome, State, TriggerError, cron};
use nebula_flow::{Timestamp, TriggerName, Value, definition, json};

use super::{Error, Result, paging, start_execution, workflows};
use crate::app::App;
use crate::service::values::time;

/// How many records are read at once.
const PAGE: usize = 200;
/// How many times of a schedule a try says.
const TIMES: usize = 5;

/// A trigger that is live.
struct Live {
    workflow: Arc<DeployedWorkflow>,
    name: TriggerName,
    state: State,
}

/// A page of the triggers of newest versions, by workflow and name.
pub(crate) async fn list(app: &App, query: TriggersQuery) -> Result<Page<Trigger>> {
    app.hooks.keep().await;
    let limit = paging::limit(query.limit)?;
    let workflow = query.workflow.as_deref().map(str::parse::<WorkflowName>);
    let workflow = workflow.transpose()?;
    let mut after = query.cursor;
    let mut items = Vec::new();
    while items.len() <= limit {
        let records = &*app.records;
        let found = trigger::list(
            records,
            &app.tenant,
            workflow.as_ref(),
            after.as_deref(),
            PAGE,
        );
        let found = found.await?;
        let is_last = found.len() < PAGE;
        after = found.last().map(|(key, ..)| key.clone());
        for (_, workflow, name, state) in found {
            if let Some(live) = live(app, &workflow, name, state).await? {
                items.push(shown(app.clock.now(), &live)?);
            }
        }
        if is_last {
            break;
        }
    }
    Ok(paging::page(items, limit, |t: &Trigger| t.id.clone()))
}

/// One trigger.
pub(crate) async fn get(app: &App, workflow: &str, name: &str) -> Result<Trigger> {
    app.hooks.keep().await;
    let live = find(app, workflow, name).await?;
    let stand = live.state.poll.as_ref();
    let stand = stand.filter(|_| definition_of(&live).is_ok_and(|d| d.poll.is_some()));
    Ok(Trigger {
        cursor: stand.map(|stand| stand.cursor.clone()),
        ..shown(app.clock.now(), &live)?
    })
}

/// Turns a trigger on or off.
pub(crate) async fn switch(
    app: &App,
    workflow: &str,
    name: &str,
    enabled: bool,
) -> Result<Trigger> {
    let live = find(app, workflow, name).await?;
    let now = app.clock.now();
    let which = (&live.workflow.definition.name, &live.name);
    let state = trigger::switch(&*app.records, &app.tenant, which, enabled, now).await?;
    app.bell.ring();
    let state = state.unwrap_or(live.state);
    shown(now, &Live { state, ..live })
}

/// Says what a trigger would start, and starts it if that is asked for.
pub(crate) async fn test(
    app: &App,
    workflow: &str,
    name: &str,
    request: TestTrigger,
) -> Result<TestedTrigger> {
    let live = find(app, workflow, name).await?;
    let now = app.clock.now();
    let definition = definition_of(&live)?;
    let next = match &definition.cron {
        Some(cron) => next_times(cron, now)?,
        None => Vec::new(),
    };
    let mut poll = None;
    let event = match request.event {
        Some(event) => Some(event),
        None if definition.poll.is_some() => {
            let found = &*poll.insert(polled(app, &live, now).await?);
            let event = |event: &Value| json!({ "event": event, "cursor": found.cursor });
            found.events.first().map(event)
        }
        None => Some(example(definition, next.first().copied().unwrap_or(now))),
    };
    let (mut input, mut execution) = (None, None);
    if let Some(event) = event {
        let made = trigger::input_of(&live.workflow, &live.name, event.clone()).map_err(refused)?;
        let problems = live.workflow.check_input(&made);
        if !problems.is_empty() {
            return Err(Error::InvalidInput(problems));
        }
        input = Some(made);
        if request.fire {
            execution = Some(fire(app, &live, event, now).await?);
        }
    }
    Ok(TestedTrigger {
        next: next.into_iter().map(time).collect(),
        poll,
        input,
        execution,
    })
}

/// Polls a trigger without moving its cursor.
async fn polled(app: &App, live: &Live, now: Timestamp) -> Result<TestedPoll> {
    let look = Look {
        workflow: &live.workflow,
        trigger: &live.name,
        now,
    };
    let asked = poll::asked(look, &live.state).map_err(refused)?;
    let PollReport { found, lines } = poll_once(&app.polling, &app.tenant, &asked).await;
    let found = found.map_err(Error::PollFailed)?;
    let line = |(level, message): (String, String)| format!("{level} {message}");
    Ok(TestedPoll {
        events: found.events,
        cursor: found.cursor,
        more: found.more,
        lines: lines.into_iter().map(line).collect(),
    })
}

/// An event as the trigger's kind has it.
fn example(trigger: &definition::Trigger, slot: Timestamp) -> Value {
    if trigger.cron.is_some() {
        cron::event(slot)
    } else if trigger.on_end.is_some() {
        example_of_end(trigger)
    } else {
        json!({ "headers": {}, "query": {}, "body": null })
    }
}

/// The event of an end, as it might be.
fn example_of_end(trigger: &definition::Trigger) -> Value {
    let on_end = trigger.on_end.as_ref();
    json!({
        "execution": "exec-00000000000000000000000000",
        "workflow": on_end.map(|on_end| &on_end.workflow),
        "version": 1,
        "status": "succeeded",
        "output": null,
    })
}

async fn fire(app: &App, live: &Live, event: Value, now: Timestamp) -> Result<String> {
    let execution = start_execution::mint(now)?;
    let place = trigger::Place {
        log: &*app.log,
        records: &*app.records,
        tenant: &app.tenant,
    };
    let firing = Firing {
        workflow: &live.workflow,
        trigger: &live.name,
        event,
        key: None,
        execution,
        at: now,
        durability: Durability::Now,
    };
    let started = match trigger::fire(place, firing).await.map_err(refused)? {
        Submitted::Accepted => execution,
        Submitted::Duplicate(first) => first,
    };
    let tested = |state: &mut State| {
        state.last = Some(Fired {
            at: now,
            outcome: Outcome::Tested,
            slot: None,
            execution: Some(started),
        });
        true
    };
    let which = (&live.workflow.definition.name, &live.name);
    trigger::update(&*app.records, &app.tenant, which, tested).await?;
    Ok(started.to_string())
}

/// A trigger of a workflow's newest version, by the workflow's name or id.
async fn find(app: &App, workflow: &str, name: &str) -> Result<Live> {
    let (_, deployed) = workflows::select(app, workflow, None).await?;
    let name = TriggerName::new(name)?;
    let of = &deployed.definition.name;
    let found = trigger::get(&*app.records, &app.tenant, of, &name).await?;
    match found {
        Some((state, _)) if deployed.definition.triggers.contains_key(&name) => Ok(Live {
            workflow: deployed,
            name,
            state,
        }),
        _ => Err(Error::TriggerNotFound {
            workflow: of.to_string(),
            trigger: name.to_string(),
            there: deployed.definition.triggers.keys().cloned().collect(),
        }),
    }
}

/// The trigger that a record is about, if the newest version still has it.
async fn live(
    app: &App,
    workflow: &WorkflowName,
    name: TriggerName,
    state: State,
) -> Result<Option<Live>> {
    let head = deploy::head(&*app.records, &app.tenant, workflow).await?;
    let Some((head, _)) = head else {
        return Ok(None);
    };
    let workflow = workflows::load(app, head.id, head.version).await?;
    let is_live = workflow.definition.triggers.contains_key(&name);
    Ok(is_live.then_some(Live {
        workflow,
        name,
        state,
    }))
}

fn definition_of(live: &Live) -> Result<&definition::Trigger> {
    let triggers = &live.workflow.definition.triggers;
    triggers
        .get(&live.name)
        .ok_or_else(|| Error::Damaged(format!("the trigger `{}` has no definition", live.name)))
}

fn next_times(cron: &Cron, now: Timestamp) -> Result<Vec<Timestamp>> {
    let schedule = cron.schedule().map_err(|e| Error::Damaged(e.to_string()))?;
    let next = |after: &Timestamp| schedule.next(*after);
    Ok(std::iter::successors(next(&now), next)
        .take(TIMES)
        .collect())
}

fn shown(now: Timestamp, live: &Live) -> Result<Trigger> {
    let definition = definition_of(live)?;
    let Live {
        workflow,
        name,
        state,
    } = live;
    let cron = definition.cron.as_ref();
    let webhook = definition.webhook.as_ref();
    let on_end = definition.on_end.as_ref();
    let poll = definition.poll.as_ref();
    let next = match (state.enabled, cron, poll) {
        (true, Some(cron), _) => next_times(cron, now)?.first().copied(),
        (true, None, Some(_)) => {
            let look = Look {
                workflow,
                trigger: name,
                now,
            };
            poll::wake_at(look, state)
        }
        _ => None,
    };
    let stand = state.poll.as_ref().filter(|_| poll.is_some());
    Ok(Trigger {
        id: format!("{}/{name}", workflow.definition.name),
        workflow: workflow.definition.name.to_string(),
        workflow_version: workflow.version,
        name: name.to_string(),
        kind: definition.kind().into(),
        enabled: state.enabled,
        next_at: next.map(time),
        schedule: cron.map(|cron| cron.schedule.clone()),
        timezone: cron.map(|cron| cron.timezone.clone()),
        path: webhook.map(|_| format!("/hooks/{}/{name}", workflow.definition.name)),
        auth: webhook.map(|webhook| webhook.auth.name().into()),
        follows: on_end.map(|on_end| on_end.workflow.to_string()),
        action: poll.map(|poll| poll.action.to_string()),
        every: poll.map(|poll| poll.every.to_string()),
        polled_at: stand.and_then(|stand| stand.polled_at).map(time),
        events: poll.map(|_| stand.map_or(0, |stand| stand.events)),
        cursor: None,
        last_event: state.last.as_ref().map(|last| TriggerEvent {
            at: time(last.at),
            outcome: last.outcome.name().into(),
            slot: last.slot.map(time),
            execution: last.execution.map(|id| id.to_string()),
        }),
        last_error: state.trouble.as_ref().map(|trouble| TriggerFailure {
            at: time(trouble.at),
            message: trouble.message.clone(),
        }),
        errors: state.troubles,
    })
}

/// Why a trigger started nothing, for whoever asked.
pub(super) fn refused(error: TriggerError) -> Error {
    match error {
        TriggerError::Unknown { .. } => Error::Damaged(error.to_string()),
        TriggerError::Input(_) => Error::TriggerInput(error.to_string()),
        TriggerError::Start(error) => error.into(),
        TriggerError::Log(error) => error.into(),
        TriggerError::Records(error) => error.into(),
    }
}
