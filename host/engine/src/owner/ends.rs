//! What becomes of an execution when its task has ended.

use nebula_flow::{ExecutionId, TenantId};

use super::{Ended, Owner};
use crate::chance::Backoff;
use crate::task::{Exit, Signal};

/// How often an execution may stumble (a panic, a lost race) before it is parked.
const STUMBLES: u32 = 3;

impl Owner {
    pub(super) fn ended(&mut self, ended: Ended) {
        let Ended {
            id,
            tenant,
            epoch,
            exit,
            mut mailbox,
        } = ended;
        if self.active.get(&id).is_none_or(|a| a.epoch != epoch) {
            return;
        }
        let priority = self.active.remove(&id).map_or(0, |a| a.priority);
        let whose = (tenant, priority);
        let unread: Vec<_> = std::iter::from_fn(|| mailbox.try_recv().ok())
            .filter_map(|signal| match signal {
                Signal::Row(row) => Some(row),
                _ => None,
            })
            .collect();
        match exit {
            Exit::Finished | Exit::Vanished | Exit::Waiting(_) => drop(self.stumbles.remove(&id)),
            Exit::Stumbled(_) | Exit::Parked(_) | Exit::Fenced | Exit::Drained => {}
        }
        match exit {
            Exit::Finished | Exit::Vanished | Exit::Drained => {}
            Exit::Waiting(at) if unread.is_empty() => {
                if let Some(at) = at {
                    self.timers.set(at, id, whose);
                }
            }
            Exit::Waiting(_) => unread
                .into_iter()
                .for_each(|row| self.enqueue(id, whose.clone(), Some(row))),
            Exit::Stumbled(why) => self.stumbled(id, whose, &why),
            Exit::Parked(why) => self.park(id, &why),
            Exit::Fenced => {
                tracing::warn!(shard = id.shard().0, epoch, "shard is no longer held");
                self.lose(id.shard());
                self.doors.claim.notify_one();
            }
        }
    }

    /// What stumbled is loaded again from the log, a few times and not at once.
    fn stumbled(&mut self, id: ExecutionId, whose: (TenantId, i8), why: &str) {
        let (times, backoff) = self
            .stumbles
            .entry(id)
            .or_insert_with(|| (0, Backoff::new()));
        *times += 1;
        if *times > STUMBLES {
            self.stumbles.remove(&id);
            return self.park(id, why);
        }
        let at = self.core.clock.now().plus(backoff.delay());
        tracing::warn!(execution = %id, why, "execution stumbled; loading it again");
        self.timers.set(at, id, whose);
    }

    fn park(&mut self, id: ExecutionId, why: &str) {
        tracing::error!(execution = %id, why, "execution is parked until it gets a message or the engine starts again");
        self.parked.insert(id);
    }
}
