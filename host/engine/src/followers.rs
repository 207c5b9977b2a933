//! The triggers that follow the ends of executions, as this engine knows them: all
//! that are switched on, read by [`triggers`](crate::triggers) from the records.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use nebula_flow::id::WorkflowName;
use nebula_flow::trigger::on_end::Follower;
use nebula_flow::trigger::{Fired, State};
use nebula_flow::{ExecutionId, Timestamp, TriggerName};
use tokio::sync::{Notify, watch};

/// By the workflow whose ends they follow.
pub(crate) type Known = HashMap<WorkflowName, Arc<[Follower]>>;

#[derive(Debug)]
pub(crate) struct Followers {
    known: RwLock<Known>,
    /// Whether they were looked for once.
    looked: watch::Sender<bool>,
    /// What they did that their records do not say yet.
    done: Mutex<BTreeMap<(WorkflowName, TriggerName), Done>>,
    news: Notify,
}

/// What a trigger did last, and what went wrong.
#[derive(Debug, Default)]
pub(crate) struct Done {
    last: Option<Fired>,
    trouble: Option<(Timestamp, String)>,
    troubles: u64,
}

impl Default for Followers {
    fn default() -> Self {
        Self {
            known: RwLock::default(),
            looked: watch::Sender::new(false),
            done: Mutex::default(),
            news: Notify::new(),
        }
    }
}

impl Followers {
    /// Those that follow the ends of a workflow. Waits until they were looked for
    /// once, so that an engine which has just begun overlooks none.
    pub(crate) async fn of(&self, workflow: &WorkflowName) -> Option<Arc<[Follower]>> {
        self.looked().await;
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(workflow).cloned()
    }

    /// Waits until they were looked for once.
    pub(crate) async fn looked(&self) {
        if !*self.looked.borrow() {
            // The sender lives as long as this.
            let _ = self.looked.subscribe().wait_for(|looked| *looked).await;
        }
    }

    /// They are these; none when they could not be read, and stay as they were.
    pub(crate) fn set(&self, known: Option<Known>) {
        if let Some(known) = known {
            *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        }
        self.looked.send_replace(true);
    }

    /// Notes what became of an end.
    pub(crate) fn note(
        &self,
        follower: &Follower,
        at: Timestamp,
        started: Result<ExecutionId, String>,
    ) {
        let name = follower.workflow.definition.name.clone();
        let mut all = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let done = all.entry((name, follower.trigger.clone())).or_default();
        match started {
            Ok(execution) => done.last = Some(Fired::started(at, execution)),
            Err(why) => {
                done.trouble = Some((at, why));
                done.troubles += 1;
            }
        }
        self.news.notify_one();
    }

    /// Waits until something was noted.
    pub(crate) async fn noted(&self) {
        self.news.notified().await;
    }

    /// What was noted since the last time, by trigger.
    pub(crate) fn take(&self) -> BTreeMap<(WorkflowName, TriggerName), Done> {
        std::mem::take(&mut *self.done.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Done {
    /// Writes it into the trigger's state.
    pub(crate) fn tell(&self, state: &mut State) {
        if let Some(last) = &self.last {
            state.last = Some(last.clone());
        }
        if let Some((at, message)) = &self.trouble {
            state.note(*at, message);
            state.troubles = state.troubles.saturating_add(self.troubles - 1);
        }
    }
}
