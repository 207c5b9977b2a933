//! Lets triggers start workflows: by the clock, and by polling. Which there are is read
//! from the records: when the bell rings, since this process deployed or switched one,
//! and every few seconds for what other nodes did. Every node looks at every schedule,
//! the owner of the workflow's shard first; whoever is late finds it done. Only the
//! owner polls.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::FuturesUnordered;
use nebula_flow::definition::{Cron, Trigger};
use nebula_flow::deploy::{self, Head};
use nebula_flow::id::WorkflowName;
use nebula_flow::plan::Plan;
use nebula_flow::ports::RecordError;
use nebula_flow::schedule::Schedule;
use nebula_flow::trigger::on_end::Follower;
use nebula_flow::trigger::{self, Next, State, cron, poll};
use nebula_flow::{TenantId, Timestamp, TriggerName, WorkflowId};
use tokio::sync::Notify;

use crate::alarm::Alarm;
use crate::config::Core;
use crate::followers;
use crate::pinned::{self, NoPlan};

mod turn;

use turn::turn;

/// How often the records are read for what other nodes did.
const POLL: Duration = Duration::from_secs(5);

/// Reading takes at most one part in so many of the time.
const SHARE: u32 = 50;

/// How many records are read at once.
const PAGE: usize = 256;

/// How many triggers are worked on at once, of those with a schedule; and of those that
/// poll, which may take long.
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

/// A trigger that starts executions by itself.
struct Known {
    workflow: Head,
    what: What,
    /// When it is looked at; absent: not before its record changes.
    due: Option<Timestamp>,
    /// Whether it is being worked on.
    busy: bool,
}

/// What it starts them by.
#[derive(Clone)]
enum What {
    Schedule(Arc<Schedule>),
    Poll,
}

impl Known {
    /// Which of two counts it belongs to.
    const fn lane(&self) -> usize {
        match self.what {
            What::Schedule(..) => 0,
            What::Poll => 1,
        }
    }
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
        alarm.set(Some(triggers.next_look()));
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
    fn next_look(&self) -> Timestamp {
        let busy = self.busy();
        let idle = (self.known.values()).filter(|k| !k.busy && busy[k.lane()] < AT_ONCE);
        let due = idle.filter_map(|known| known.due).min();
        due.map_or(self.next_poll, |due| due.min(self.next_poll))
    }

    /// How many are being worked on, by lane.
    fn busy(&self) -> [usize; 2] {
        let mut busy = [0; 2];
        for known in self.known.values().filter(|known| known.busy) {
            busy[known.lane()] += 1;
        }
        busy
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

    /// Takes up what is due, the longest first.
    fn begin(&mut self, work: &mut Work) {
        let (now, mut busy) = (self.core.clock.now(), self.busy());
        let known = self.known.iter_mut();
        let mut due: Vec<_> = known
            .filter(|(_, known)| !known.busy && known.due.is_some_and(|due| due <= now))
            .collect();
        due.sort_by_key(|(_, known)| known.due);
        for (key, known) in due {
            let lane = known.lane();
            if busy[lane] >= AT_ONCE {
                continue;
            }
            busy[lane] += 1;
            known.busy = true;
            let turn = turn(
                self.core.clone(),
                self.tenant.clone(),
                key.clone(),
                known.workflow.clone(),
                known.what.clone(),
            );
            work.push(turn.boxed());
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
                let Some(plan) = self.plan(head).await? else {
                    continue;
                };
                let Some(trigger) = plan.definition().triggers.get(&name) else {
                    continue;
                };
                if let Some(on_end) = &trigger.on_end {
                    let workflow = plan.deployed.clone();
                    let follower = state.enabled.then(|| Follower {
                        workflow,
                        trigger: name,
                    });
                    let of = followers.entry(on_end.workflow.clone()).or_default();
                    of.extend(follower);
                    continue;
                }
                let key = (workflow, name);
                if let Some(known) = self.look(&key, head, &plan, trigger, &state).await? {
                    live.insert(key, known);
                }
            }
            if is_last {
                let shared = followers.into_iter().map(|(name, all)| (name, all.into()));
                return Ok((live, shared.collect()));
            }
        }
    }

    /// The newest version of a workflow, unless it cannot be used.
    async fn plan(&self, head: &Head) -> Result<Option<Arc<Plan>>, RecordError> {
        match pinned::plan(&self.core, &self.tenant, head.id, head.version).await {
            Ok(plan) => Ok(Some(plan)),
            Err(NoPlan::Unavailable(why)) => Err(RecordError::Unavailable(why)),
            Err(NoPlan::Broken(why)) => {
                tracing::warn!(workflow = %head.id, why, "the triggers of a workflow cannot be used");
                Ok(None)
            }
        }
    }

    /// A trigger as its record and the newest version say; none if nothing is to be done
    /// about it.
    async fn look(
        &self,
        key: &Key,
        head: &Head,
        plan: &Plan,
        trigger: &Trigger,
        state: &State,
    ) -> Result<Option<Known>, RecordError> {
        let now = self.core.clock.now();
        let before = self.known.get(key);
        let same = before.filter(|known| known.workflow == *head);
        let (what, due) = if trigger.poll.is_some() {
            let look = poll::Look {
                workflow: &plan.deployed,
                trigger: &key.1,
                now,
            };
            let owns = self.core.leads(head.id);
            (What::Poll, poll::wake_at(look, state).filter(|_| owns))
        } else if let Some(cron) = &trigger.cron {
            let schedule = match same.map(|known| &known.what) {
                Some(What::Schedule(schedule)) => schedule.clone(),
                _ => match self.schedule(key, cron, now).await? {
                    Some(schedule) => schedule,
                    None => return Ok(None),
                },
            };
            let due = cron::wake_at(state, cron, &schedule, now);
            let due = due.map(|at| after_its_owner(&self.core, head.id, at));
            (What::Schedule(schedule), due)
        } else {
            return Ok(None);
        };
        Ok(Some(Known {
            due,
            workflow: head.clone(),
            what,
            busy: before.is_some_and(|known| known.busy),
        }))
    }

    /// When a trigger is due.
    async fn schedule(
        &self,
        key: &Key,
        cron: &Cron,
        now: Timestamp,
    ) -> Result<Option<Arc<Schedule>>, RecordError> {
        match cron.schedule() {
            Ok(schedule) => Ok(Some(Arc::new(schedule))),
            // It was read when it was deployed: by a version that knows other zones.
            Err(error) => {
                let which = (&key.0, &key.1);
                let records = &*self.core.records;
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
