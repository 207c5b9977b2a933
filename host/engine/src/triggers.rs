//! Lets triggers start workflows by the clock. Which there are is read from the
//! records: when the bell rings, since this process deployed or switched one,
//! and every few seconds for what other nodes did. Every node looks at every
//! trigger, the owner of the workflow's shard first; whoever is late finds it done.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::FuturesUnordered;
use nebula_flow::definition::Cron;
use nebula_flow::deploy::{self, Head};
use nebula_flow::id::WorkflowName;
use nebula_flow::ports::RecordError;
use nebula_flow::schedule::Schedule;
use nebula_flow::trigger::cron::{self, Look, Next};
use nebula_flow::trigger::on_end::Follower;
use nebula_flow::trigger::{self, State};
use nebula_flow::{ExecutionId, TenantId, Timestamp, TriggerName, WorkflowId};
use tokio::sync::Notify;

use crate::alarm::Alarm;
use crate::chance::{self, Backoff};
use crate::config::Core;
use crate::followers;
use crate::pinned::{self, NoPlan};

/// How often the records are read for what other nodes did.
const POLL: Duration = Duration::from_secs(5);

/// Reading takes at most one part in so many of the time.
const SHARE: u32 = 50;

/// How many records are read at once.
const PAGE: usize = 256;

/// How many triggers are worked on at once.
const AT_ONCE: usize = 32;

/// How long who does not hold a workflow's shard waits for the one who does.
const HANDOVER: Duration = Duration::from_secs(2);

/// Tells an engine that triggers were deployed or switched, so that it looks at
/// once; without it, it looks every five seconds.
#[derive(Debug, Clone, Default)]
pub struct TriggerBell(Arc<Notify>);

impl TriggerBell {
    /// Rings.
    pub fn ring(&self) {
        self.0.notify_one();
    }
}

type Key = (WorkflowName, TriggerName);
type Work = FuturesUnordered<BoxFuture<'static, (Key, Next)>>;

/// A trigger with a schedule.
struct Known {
    workflow: Head,
    cron: Cron,
    schedule: Arc<Schedule>,
    /// When it is looked at; absent: not before its record changes.
    due: Option<Timestamp>,
    /// Whether it is being worked on.
    busy: bool,
}

struct Triggers {
    core: Arc<Core>,
    tenant: TenantId,
    known: BTreeMap<Key, Known>,
    next_poll: Timestamp,
}

/// Works until it is dropped, or the engine takes no new work any more.
pub(crate) async fn run(core: Arc<Core>, bell: TriggerBell) {
    let mut alarm = Alarm::new(core.clock.clone());
    let mut triggers = Triggers {
        next_poll: core.clock.now(),
        tenant: TenantId::default_tenant(),
        known: BTreeMap::new(),
        core: core.clone(),
    };
    // Who ends an execution waits for the first look; without one, for the end of this.
    let _looked = Looked(core.clone());
    triggers.read().await;
    let mut work = Work::new();
    while !triggers.core.stopping.load(Ordering::Relaxed) {
        if triggers.core.clock.now() >= triggers.next_poll {
            triggers.read().await;
        }
        triggers.begin(&mut work);
        alarm.set(Some(triggers.next_look(work.len())));
        tokio::select! {
            Some((key, next)) = work.next(), if !work.is_empty() => triggers.done(&key, next),
            () = bell.0.notified() => triggers.next_poll = triggers.core.clock.now(),
            () = core.followers.noted() => triggers.tell().await,
            () = alarm.ring() => {}
        }
    }
}

struct Looked(Arc<Core>);

impl Drop for Looked {
    fn drop(&mut self) {
        self.0.followers.set(None);
    }
}

impl Triggers {
    /// When something is to be looked at.
    fn next_look(&self, working: usize) -> Timestamp {
        if working >= AT_ONCE {
            return self.next_poll;
        }
        let idle = self.known.values().filter(|known| !known.busy);
        let due = idle.filter_map(|known| known.due).min();
        due.map_or(self.next_poll, |due| due.min(self.next_poll))
    }

    /// Writes what followed ends to the records of its triggers. They show it; the
    /// starts themselves were on disk with the ends.
    async fn tell(&mut self) {
        for ((workflow, name), done) in self.core.followers.take() {
            let (records, which) = (&*self.core.records, (&workflow, &name));
            let told = |state: &mut State| {
                done.tell(state);
                true
            };
            if let Err(error) = trigger::update(records, &self.tenant, which, told).await {
                tracing::warn!(%workflow, trigger = %name, %error, "what a trigger did is not noted");
            }
        }
    }

    /// Takes up what is due.
    fn begin(&mut self, work: &mut Work) {
        let now = self.core.clock.now();
        for (key, known) in &mut self.known {
            if work.len() >= AT_ONCE {
                return;
            }
            if !known.busy && known.due.is_some_and(|due| due <= now) {
                known.busy = true;
                let turn = turn(
                    self.core.clone(),
                    self.tenant.clone(),
                    key.clone(),
                    known.workflow.clone(),
                    known.schedule.clone(),
                );
                work.push(turn.boxed());
            }
        }
    }

    fn done(&mut self, key: &Key, next: Next) {
        let core = &self.core;
        let Some(known) = self.known.get_mut(key) else {
            return;
        };
        known.busy = false;
        let id = known.workflow.id;
        known.due = match next {
            Next::Again => Some(core.clock.now()),
            Next::At(at) => at.map(|at| after_its_owner(core, id, at)),
            Next::Gone => None,
        };
    }

    /// Reads which triggers there are.
    async fn read(&mut self) {
        let begun = self.core.clock.now();
        match self.live().await {
            Ok((known, followers)) => {
                self.known = known;
                self.core.followers.set(Some(followers));
            }
            Err(error) => {
                tracing::warn!(%error, "triggers cannot be read; trying again");
                self.core.followers.set(None);
            }
        }
        let now = self.core.clock.now();
        let pause = POLL.max(now.since(begun).saturating_mul(SHARE));
        self.next_poll = now.plus(pause);
    }

    async fn live(&self) -> Result<(BTreeMap<Key, Known>, followers::Known), RecordError> {
        let mut live = BTreeMap::new();
        let mut followers: HashMap<WorkflowName, Vec<Follower>> = HashMap::new();
        let mut after: Option<String> = None;
        let mut head: Option<(WorkflowName, Option<Head>)> = None;
        loop {
            let records = &*self.core.records;
            let page = trigger::list(records, &self.tenant, None, after.as_deref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            after = page.last().map(|(key, ..)| key.clone());
            for (_, workflow, name, state) in page {
                // The triggers of a workflow come together.
                if head.as_ref().is_none_or(|(of, _)| *of != workflow) {
                    let found = deploy::head(records, &self.tenant, &workflow).await?;
                    head = Some((workflow.clone(), found.map(|(head, _)| head)));
                }
                let Some((_, Some(head))) = &head else {
                    continue;
                };
                if state.cron.is_none() {
                    if let Some((followed, follower)) = self.follower(name, head, &state).await {
                        followers.entry(followed).or_default().push(follower);
                    }
                    continue;
                }
                let key = (workflow, name);
                if let Some(known) = self.look(&key, head, &state).await? {
                    live.insert(key, known);
                }
            }
            if is_last {
                let shared = followers.into_iter().map(|(name, all)| (name, all.into()));
                return Ok((live, shared.collect()));
            }
        }
    }

    /// A trigger that follows the ends of a workflow, with that workflow's name, if
    /// it is one and is switched on.
    async fn follower(
        &self,
        name: TriggerName,
        head: &Head,
        state: &State,
    ) -> Option<(WorkflowName, Follower)> {
        let plan = pinned::plan(&self.core, &self.tenant, head.id, head.version).await;
        let workflow = plan.ok().filter(|_| state.enabled)?.deployed.clone();
        let on_end = workflow.definition.triggers.get(&name)?.on_end.as_ref()?;
        let followed = on_end.workflow.clone();
        let trigger = name;
        Some((followed, Follower { workflow, trigger }))
    }

    /// A trigger as its record and the newest version say; none if it is not live.
    async fn look(
        &self,
        key: &Key,
        head: &Head,
        state: &State,
    ) -> Result<Option<Known>, RecordError> {
        let now = self.core.clock.now();
        let before = self.known.get(key);
        let (cron, schedule) = match before.filter(|known| known.workflow == *head) {
            Some(known) => (known.cron.clone(), known.schedule.clone()),
            None => match self.definition(key, head, now).await? {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        let due = trigger::cron::wake_at(state, &cron, &schedule, now);
        Ok(Some(Known {
            due: due.map(|at| after_its_owner(&self.core, head.id, at)),
            workflow: head.clone(),
            cron,
            schedule,
            busy: before.is_some_and(|known| known.busy),
        }))
    }

    /// What the newest version says of a trigger.
    async fn definition(
        &self,
        key: &Key,
        head: &Head,
        now: Timestamp,
    ) -> Result<Option<(Cron, Arc<Schedule>)>, RecordError> {
        let records = &*self.core.records;
        let deployed = deploy::version(records, &self.tenant, head.id, head.version).await?;
        let Some(cron) = deployed
            .and_then(|deployed| deployed.definition.triggers.get(&key.1).cloned())
            .and_then(|trigger| trigger.cron)
        else {
            return Ok(None);
        };
        match cron.schedule() {
            Ok(schedule) => Ok(Some((cron, Arc::new(schedule)))),
            // It was read when it was deployed: by a version that knows other zones.
            Err(error) => {
                let which = (&key.0, &key.1);
                trigger::trouble(records, &self.tenant, which, now, &error.to_string()).await?;
                Ok(None)
            }
        }
    }
}

/// When this node does what is due at an instant.
fn after_its_owner(core: &Core, workflow: WorkflowId, at: Timestamp) -> Timestamp {
    if core.leads(workflow) {
        at
    } else {
        at.plus(HANDOVER)
    }
}

/// Does what is due for one trigger, until nothing is.
async fn turn(
    core: Arc<Core>,
    tenant: TenantId,
    key: Key,
    head: Head,
    schedule: Arc<Schedule>,
) -> (Key, Next) {
    let mut backoff = Backoff::new();
    loop {
        let why = match pinned::plan(&core, &tenant, head.id, head.version).await {
            Ok(plan) => {
                let now = core.clock.now();
                let look = Look {
                    workflow: &plan.deployed,
                    trigger: &key.1,
                    schedule: &schedule,
                    now,
                    execution: ExecutionId::mint(now, chance::bits()),
                };
                let place = trigger::Place {
                    log: &*core.log,
                    records: &*core.records,
                    tenant: &tenant,
                };
                match cron::turn(place, look).await {
                    Ok(Next::Again) => {
                        backoff = Backoff::new();
                        continue;
                    }
                    Ok(next) => return (key, next),
                    Err(error) => error.to_string(),
                }
            }
            Err(NoPlan::Unavailable(why)) => why,
            Err(NoPlan::Broken(why)) => {
                tracing::error!(workflow = %key.0, trigger = %key.1, why, "a trigger's workflow cannot be used");
                return (key, Next::Gone);
            }
        };
        tracing::warn!(workflow = %key.0, trigger = %key.1, why, "a trigger cannot be fired; trying again");
        backoff.pause(&*core.clock).await;
    }
}
