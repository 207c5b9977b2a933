//! Figures, and the limiter that sums memories and tables over a whole store
//! (wasmtime's own counts each memory and each table by itself) and over the
//! calls of a tenant.

use std::sync::Arc;
use std::time::Duration;

use nebula_flow::payload::MAX_PAYLOAD;
use nebula_flow::ports::Limits;
use wasmtime::ResourceLimiter;

use crate::slots::TenantMemory;

/// The largest component, bytes.
pub(crate) const COMPONENT_BYTES: usize = 64 << 20;
/// Core instances in a store. A Rust guest needs three.
pub(crate) const INSTANCES: usize = 32;
/// Linear memories in a store.
pub(crate) const MEMORIES: usize = 8;
/// Tables in a store. A Rust guest needs two.
pub(crate) const TABLES: usize = 16;
/// Elements of all tables of a store.
pub(crate) const TABLE_ELEMENTS: usize = 100_000;
/// What one element of a table takes on the host, bytes.
const ELEMENT_BYTES: u64 = 8;
/// The guest's own stack, bytes.
pub(crate) const WASM_STACK: usize = 512 << 10;
/// The stack of a call; host functions get what the guest may not have.
pub(crate) const ASYNC_STACK: usize = 2 << 20;
/// What one host call may copy: a little over a payload, so that the typed
/// refusal of a large payload comes first.
pub(crate) const HOSTCALL_BYTES: usize = MAX_PAYLOAD + (256 << 10);
/// Host resources and handles that a guest may hold.
pub(crate) const HANDLES: usize = 1_024;
/// Entries of one `poll`.
pub(crate) const POLL_ENTRIES: usize = 1_024;
/// Blobs that a call writes at once: a chunk of each is in memory.
pub(crate) const BLOBS_AT_ONCE: u32 = 4;
/// What of a blob is read at once, bytes.
pub(crate) const BLOB_READ: usize = MAX_PAYLOAD;
/// Random bytes per request.
pub(crate) const RANDOM_BYTES: u64 = 64 << 10;
/// Header fields of one request or response, bytes in memory.
pub(crate) const HTTP_FIELD_BYTES: usize = 64 << 10;
/// Fuel after which a guest makes way for others: 20 to 200 µs.
pub(crate) const FUEL_BETWEEN_YIELDS: u64 = 250_000;
/// How often epochs move while calls run.
pub(crate) const TICK: Duration = Duration::from_millis(10);
/// What a component may cost while it describes itself.
pub(crate) const DESCRIBE: Limits = Limits {
    fuel: 100_000_000,
    memory_bytes: 32 << 20,
    timeout: Duration::from_secs(10),
};

/// Sums what a store's memories and tables take, and takes it from what the
/// store's tenant may have.
#[derive(Debug)]
pub(crate) struct StoreLimiter {
    tenant: Arc<TenantMemory>,
    limit: u64,
    used: u64,
    peak: u64,
    elements: usize,
    refused: Option<Refused>,
}

/// Which limit a guest met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Memory,
    TableElements,
}

impl StoreLimiter {
    pub(crate) const fn new(limit: u64, tenant: Arc<TenantMemory>) -> Self {
        Self {
            tenant,
            limit,
            used: 0,
            peak: 0,
            elements: 0,
            refused: None,
        }
    }

    /// The most that memories and tables took at once, bytes.
    pub(crate) const fn peak(&self) -> u64 {
        self.peak
    }

    /// The limit that was met, in words, if one was.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.refused.map(|refused| match refused {
            Refused::Memory => format!("memory limit {} reached", bytes(self.limit)),
            Refused::TableElements => format!(
                "table limit {} elements reached",
                digits(TABLE_ELEMENTS as u64)
            ),
        })
    }

    /// Whether the store may have so many bytes more. That its tenant has none
    /// left ends the call: the guest must not see what others take.
    fn take(&mut self, more: u64) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(more);
        if used > self.limit {
            self.refused = Some(Refused::Memory);
            return Ok(false);
        }
        self.tenant.take(more)?;
        self.used = used;
        self.peak = self.peak.max(used);
        Ok(true)
    }
}

impl Drop for StoreLimiter {
    fn drop(&mut self) {
        self.tenant.give_back(self.used);
    }
}

impl ResourceLimiter for StoreLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Beyond its own maximum the growth fails by itself and takes nothing.
        if maximum.is_some_and(|max| desired > max) {
            return Ok(false);
        }
        self.take(desired.saturating_sub(current) as u64)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let elements = self
            .elements
            .saturating_add(desired.saturating_sub(current));
        if elements > TABLE_ELEMENTS {
            self.refused = Some(Refused::TableElements);
            return Ok(false);
        }
        if maximum.is_some_and(|max| desired > max) {
            return Ok(false);
        }
        let taken = self.take(ELEMENT_BYTES * desired.saturating_sub(current) as u64)?;
        if taken {
            self.elements = elements;
        }
        Ok(taken)
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

/// A number as messages show it: `1,000,000,000`.
pub(crate) fn digits(number: u64) -> String {
    let text = number.to_string();
    let mut out = String::with_capacity(text.len() + text.len() / 3);
    for (i, digit) in text.chars().enumerate() {
        if i > 0 && (text.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A size as messages show it: `64 MiB`.
pub(crate) fn bytes(size: u64) -> String {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if size >= unit && size.is_multiple_of(unit) {
            return format!("{} {name}", size / unit);
        }
    }
    format!("{} bytes", digits(size))
}

/// A duration as messages show it: `30 s`, `200 ms`.
pub(crate) fn duration(time: Duration) -> String {
    let millis = time.as_millis();
    if millis >= 1_000 && millis.is_multiple_of(1_000) {
        format!("{} s", millis / 1_000)
    } else {
        format!("{millis} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(limit: u64) -> StoreLimiter {
        StoreLimiter::new(limit, Arc::new(TenantMemory::new(1 << 40)))
    }

    #[test]
    fn a_full_tenant_ends_the_call_and_gets_back_what_ended_calls_had() {
        let tenant = Arc::new(TenantMemory::new(1 << 20));
        let mut first = StoreLimiter::new(1 << 20, Arc::clone(&tenant));
        let mut second = StoreLimiter::new(1 << 20, Arc::clone(&tenant));
        assert!(first.memory_growing(0, 768 << 10, None).expect("answers"));
        let error = second.memory_growing(0, 512 << 10, None).expect_err("full");
        assert!(error.to_string().contains("all of their 1 MiB"), "{error}");
        assert_eq!((second.refusal(), second.peak()), (None, 0));
        drop(first);
        assert!(second.memory_growing(0, 512 << 10, None).expect("answers"));
    }

    #[test]
    fn memories_and_tables_share_one_limit() {
        let mut limiter = limiter(1 << 20);
        assert!(limiter.memory_growing(0, 512 << 10, None).expect("answers"));
        assert!(
            limiter.memory_growing(0, 256 << 10, None).expect("answers"),
            "a second memory"
        );
        assert!(
            limiter.table_growing(0, 16 << 10, None).expect("answers"),
            "16 Ki elements are 128 KiB"
        );
        assert_eq!(limiter.refusal(), None);
        assert!(
            !limiter
                .memory_growing(512 << 10, 768 << 10, None)
                .expect("answers")
        );
        assert_eq!(
            limiter.refusal().as_deref(),
            Some("memory limit 1 MiB reached")
        );
        assert_eq!(limiter.peak(), (512 + 256 + 128) << 10);
    }

    #[test]
    fn the_elements_of_all_tables_are_summed() {
        let mut limiter = limiter(1 << 30);
        assert!(limiter.table_growing(0, 60_000, None).expect("answers"));
        assert!(!limiter.table_growing(0, 60_000, None).expect("answers"));
        assert_eq!(
            limiter.refusal().as_deref(),
            Some("table limit 100,000 elements reached")
        );
    }

    #[test]
    fn a_growth_beyond_a_memory_s_own_maximum_is_not_the_host_s_refusal() {
        let mut limiter = limiter(1 << 30);
        assert!(
            !limiter
                .memory_growing(0, 2 << 16, Some(1 << 16))
                .expect("answers")
        );
        assert_eq!((limiter.refusal(), limiter.peak()), (None, 0));
    }

    #[test]
    fn figures_read_as_people_write_them() {
        assert_eq!(digits(1_000_000_000), "1,000,000,000");
        assert_eq!((digits(7), digits(1_234)), ("7".into(), "1,234".into()));
        assert_eq!(
            (bytes(64 << 20), bytes(1_000)),
            ("64 MiB".into(), "1,000 bytes".into())
        );
        assert_eq!(duration(Duration::from_secs(30)), "30 s");
        assert_eq!(duration(Duration::from_millis(200)), "200 ms");
    }
}
