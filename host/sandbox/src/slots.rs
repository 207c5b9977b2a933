//! Whose turn it is. A sandbox runs a bounded number of calls at once, and a
//! tenant may hold a bounded number of these slots; who has to wait waits in the
//! line of his tenant, and free slots go to the tenants in turn. What the calls
//! of a tenant take in memory is summed here too.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nebula_flow::TenantId;
use tokio::sync::oneshot;

use crate::limits::{bytes, duration};

/// Tenants that are remembered while none of their calls runs or waits.
const IDLE_TENANTS: usize = 1_024;

/// The slots of one sandbox.
#[derive(Clone)]
pub(crate) struct Slots(Arc<Shared>);

struct Shared {
    table: Mutex<Table>,
    /// Slots that one tenant may hold.
    per_tenant: usize,
    /// Bytes that the calls of one tenant may take together.
    tenant_memory: u64,
}

struct Table {
    free: usize,
    tenants: HashMap<TenantId, Desk>,
    /// Tenants with calls that wait, in turn.
    turns: VecDeque<TenantId>,
}

/// One tenant's calls.
struct Desk {
    running: usize,
    waiting: VecDeque<oneshot::Sender<Permit>>,
    memory: Arc<TenantMemory>,
}

/// The right to run one call; given back when dropped.
pub(crate) struct Permit {
    /// Absent once it was taken back unused.
    holder: Option<(Arc<Shared>, TenantId)>,
    memory: Arc<TenantMemory>,
}

/// What the calls of one tenant take together.
#[derive(Debug)]
pub(crate) struct TenantMemory {
    used: AtomicU64,
    limit: u64,
}

/// The calls of a tenant have all the memory that they may have. The guest
/// whose growth met it is not told: the host tries the call again later.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error(
    "the calls of this tenant have all of their {} of memory together; this one runs when others have ended",
    bytes(*.0)
)]
pub(crate) struct TenantFull(u64);

/// All slots that the tenant may have were taken for too long.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no slot for another call of this tenant was free for {}", duration(*.0))]
pub(crate) struct NoSlot(Duration);

impl Slots {
    pub(crate) fn new(slots: usize, per_tenant: usize, tenant_memory: u64) -> Self {
        Self(Arc::new(Shared {
            table: Mutex::new(Table {
                free: slots,
                tenants: HashMap::new(),
                turns: VecDeque::new(),
            }),
            per_tenant: per_tenant.clamp(1, slots),
            tenant_memory,
        }))
    }

    /// A slot, when it is the tenant's turn.
    ///
    /// # Errors
    /// When it does not come within the time.
    pub(crate) async fn take(
        &self,
        tenant: &TenantId,
        patience: Duration,
    ) -> Result<Permit, NoSlot> {
        match self.0.take(tenant) {
            Ok(permit) => Ok(permit),
            Err(turn) => match tokio::time::timeout(patience, turn).await {
                Ok(Ok(permit)) => Ok(permit),
                // The sender stays in the table, which lives as long as `self`.
                Ok(Err(_)) | Err(_) => Err(NoSlot(patience)),
            },
        }
    }
}

impl Shared {
    /// A slot at once, or the place in the line.
    fn take(self: &Arc<Self>, tenant: &TenantId) -> Result<Permit, oneshot::Receiver<Permit>> {
        let mut table = self.table();
        let free = table.free > 0;
        let desk = self.desk(&mut table, tenant);
        // Whoever waits while a slot is free waits for his own tenant's limit.
        if free && desk.running < self.per_tenant {
            desk.running += 1;
            let permit = self.permit(tenant.clone(), desk);
            table.free -= 1;
            return Ok(permit);
        }
        let (sender, turn) = oneshot::channel();
        desk.waiting.push_back(sender);
        if desk.waiting.len() == 1 {
            table.turns.push_back(tenant.clone());
        }
        Err(turn)
    }

    fn desk<'a>(&self, table: &'a mut Table, tenant: &TenantId) -> &'a mut Desk {
        if table.tenants.len() > IDLE_TENANTS && !table.tenants.contains_key(tenant) {
            table
                .tenants
                .retain(|_, desk| desk.running > 0 || !desk.waiting.is_empty());
        }
        table.tenants.entry(tenant.clone()).or_insert_with(|| Desk {
            running: 0,
            waiting: VecDeque::new(),
            memory: Arc::new(TenantMemory::new(self.tenant_memory)),
        })
    }

    fn permit(self: &Arc<Self>, tenant: TenantId, desk: &Desk) -> Permit {
        Permit {
            holder: Some((Arc::clone(self), tenant)),
            memory: Arc::clone(&desk.memory),
        }
    }

    fn give_back(self: &Arc<Self>, tenant: &TenantId) {
        let mut table = self.table();
        table.free += 1;
        if let Some(desk) = table.tenants.get_mut(tenant) {
            desk.running -= 1;
        }
        self.hand_out(&mut table);
    }

    /// Gives free slots to those who wait, one for each tenant in turn.
    fn hand_out(self: &Arc<Self>, table: &mut Table) {
        let mut full = 0;
        while table.free > 0 && full < table.turns.len() {
            let Some(tenant) = table.turns.pop_front() else {
                return;
            };
            let Some(desk) = table.tenants.get_mut(&tenant) else {
                continue;
            };
            if desk.running >= self.per_tenant {
                table.turns.push_back(tenant);
                full += 1;
                continue;
            }
            full = 0;
            let Some(waiting) = desk.waiting.pop_front() else {
                continue;
            };
            match waiting.send(self.permit(tenant.clone(), desk)) {
                Ok(()) => {
                    desk.running += 1;
                    table.free -= 1;
                }
                // Nobody waits there any more: the call was dropped.
                Err(mut unused) => drop(unused.holder.take()),
            }
            if !desk.waiting.is_empty() {
                table.turns.push_back(tenant);
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Where the memory of the tenant's calls is summed.
    pub(crate) fn memory(&self) -> Arc<TenantMemory> {
        Arc::clone(&self.memory)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some((shared, tenant)) = self.holder.take() {
            shared.give_back(&tenant);
        }
    }
}

impl TenantMemory {
    pub(crate) const fn new(limit: u64) -> Self {
        Self {
            used: AtomicU64::new(0),
            limit,
        }
    }

    /// Takes so many bytes, or says that they are not there.
    pub(crate) fn take(&self, more: u64) -> Result<(), TenantFull> {
        let before = self.used.fetch_add(more, Ordering::Relaxed);
        if before.saturating_add(more) <= self.limit {
            return Ok(());
        }
        self.give_back(more);
        Err(TenantFull(self.limit))
    }

    pub(crate) fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn tenant(name: &str) -> TenantId {
        TenantId::new(name).expect("a name")
    }

    const LONG: Duration = Duration::from_secs(3_600);

    fn now(slots: &Slots, who: &TenantId) -> Option<Permit> {
        slots.take(who, LONG).now_or_never().map(granted)
    }

    fn granted(permit: Result<Permit, NoSlot>) -> Permit {
        permit.expect("no patience ends")
    }

    #[tokio::test]
    async fn a_tenant_holds_no_more_than_its_share_and_leaves_the_rest_to_others() {
        let slots = Slots::new(4, 2, 1 << 20);
        let (a, b) = (tenant("a"), tenant("b"));
        let held: Vec<_> = (0..2).map(|_| now(&slots, &a).expect("a slot")).collect();
        assert!(now(&slots, &a).is_none(), "it has its share");
        let other = now(&slots, &b).expect("a slot is left");
        drop(held);
        assert!(now(&slots, &a).is_some());
        drop(other);
    }

    #[tokio::test]
    async fn free_slots_go_to_the_tenants_in_turn() {
        let slots = Slots::new(1, 1, 1 << 20);
        let (greedy, modest) = (tenant("greedy"), tenant("modest"));
        let first = now(&slots, &greedy).expect("a slot");
        let mut line: Vec<_> = (0..50)
            .map(|_| Box::pin(slots.take(&greedy, LONG)))
            .collect();
        for waiting in &mut line {
            assert!(waiting.as_mut().now_or_never().is_none());
        }
        let mut late = Box::pin(slots.take(&modest, LONG));
        assert!(late.as_mut().now_or_never().is_none());
        drop(first);
        let second = line[0].as_mut().now_or_never().expect("its turn");
        assert!(late.as_mut().now_or_never().is_none());
        drop(second);
        assert!(
            late.as_mut().now_or_never().is_some(),
            "49 calls of the greedy one wait, and this one goes before them"
        );
    }

    #[tokio::test]
    async fn who_stops_waiting_loses_no_slot() {
        let slots = Slots::new(1, 1, 1 << 20);
        let who = tenant("a");
        let held = now(&slots, &who).expect("a slot");
        // One gives up before its turn, one after the slot was handed to it.
        let mut given_up = Box::pin(slots.take(&who, LONG));
        assert!(given_up.as_mut().now_or_never().is_none());
        let mut handed = Box::pin(slots.take(&who, LONG));
        assert!(handed.as_mut().now_or_never().is_none());
        drop(given_up);
        drop(held);
        drop(handed);
        assert!(now(&slots, &who).is_some());
    }

    #[tokio::test]
    async fn patience_ends() {
        let slots = Slots::new(1, 1, 1 << 20);
        let who = tenant("a");
        let held = now(&slots, &who).expect("a slot");
        let none = slots.take(&who, Duration::from_millis(20)).await;
        let said = none.err().expect("none is free").to_string();
        assert!(said.ends_with("free for 20 ms"), "{said}");
        drop(held);
        assert!(now(&slots, &who).is_some());
    }

    #[tokio::test]
    async fn tenants_that_do_nothing_are_forgotten() {
        let slots = Slots::new(4, 2, 1 << 20);
        for n in 0..3 * IDLE_TENANTS {
            drop(now(&slots, &tenant(&format!("t{n}"))).expect("a slot"));
        }
        assert!(slots.0.table().tenants.len() <= IDLE_TENANTS + 1);
    }

    #[test]
    fn the_memory_of_a_tenant_is_summed() {
        let memory = TenantMemory::new(100);
        assert!(memory.take(60).is_ok());
        assert!(memory.take(60).is_err());
        assert!(memory.take(40).is_ok());
        memory.give_back(60);
        assert!(memory.take(60).is_ok());
        assert!(memory.take(u64::MAX).is_err(), "and nothing overflows");
        assert!(memory.take(1).is_err());
    }
}
