//! The log and the sandbox as they are, with what passes through them counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use nebula_flow::Timestamp;
use nebula_flow::component::{Component, Verified};
use nebula_flow::event::Recorded;
use nebula_flow::event::{Event, Failure};
use nebula_flow::id::{ExecutionId, Shard, TenantId};
use nebula_flow::ports::{
    Append, Arrival, Call, Change, EndedQuery, EventLog, ExecutionQuery, ExecutionSummary, Feed,
    Fence, InboxRow, LogError, LogLine, Message, Outcome, Prepared, Removal, Report, Runner,
    Submission, Submitted, Unfinished,
};

use super::{Labels, Metrics};

/// A log that is counted.
pub(crate) struct CountedLog {
    inner: Arc<dyn EventLog>,
    metrics: Arc<Metrics>,
}

/// A sandbox that is counted.
pub(crate) struct CountedRunner {
    inner: Arc<dyn Runner>,
    metrics: Arc<Metrics>,
    slots: u64,
    under_way: AtomicU64,
}

impl CountedLog {
    pub(crate) fn new(inner: Arc<dyn EventLog>, metrics: Arc<Metrics>) -> Self {
        Self { inner, metrics }
    }

    fn wrote(&self, kind: &'static str, since: Instant) {
        self.metrics
            .log_seconds
            .get_or_create(&label("kind", kind))
            .observe(since.elapsed().as_secs_f64());
    }

    /// An append that is on disk.
    fn appended(&self, append: &Appended) {
        for status in &append.steps {
            self.metrics
                .steps
                .get_or_create(&label("status", status))
                .inc();
        }
        if let Some((status, seconds)) = append.end {
            let labels = label("status", status);
            self.metrics.ended.get_or_create(&labels).inc();
            self.metrics
                .execution_seconds
                .get_or_create(&labels)
                .observe(seconds);
        }
    }
}

/// What is to be counted of an append, once it is on disk.
struct Appended {
    steps: Vec<&'static str>,
    end: Option<(&'static str, f64)>,
}

impl Appended {
    fn of(append: &Append) -> Self {
        let step = |recorded: &Recorded| match recorded.event {
            Event::StepSucceeded { .. } => Some("succeeded"),
            Event::StepFailed { .. } => Some("failed"),
            Event::StepSkipped { .. } => Some("skipped"),
            _ => None,
        };
        let last = append.events.last().filter(|_| append.status.is_final());
        let begun = append.execution.minted_at();
        Self {
            steps: append.events.iter().filter_map(step).collect(),
            end: last.map(|last| (append.status.name(), last.at.since(begun).as_secs_f64())),
        }
    }
}

impl CountedRunner {
    /// With so many slots.
    pub(crate) fn new(inner: Arc<dyn Runner>, metrics: Arc<Metrics>, slots: u32) -> Self {
        Self {
            inner,
            metrics,
            slots: slots.into(),
            under_way: AtomicU64::new(0),
        }
    }

    /// The sandbox gives a slot to each call until there are none left.
    fn show(&self, under_way: u64) {
        let running = under_way.min(self.slots);
        for (state, calls) in [("running", running), ("waiting", under_way - running)] {
            self.metrics
                .slots
                .get_or_create(&label("state", state))
                .set(i64::try_from(calls).unwrap_or(i64::MAX));
        }
    }
}

/// A call that is under way; no longer when dropped, also before its end.
struct UnderWay<'a>(&'a CountedRunner);

impl<'a> UnderWay<'a> {
    fn begin(runner: &'a CountedRunner) -> Self {
        let before = runner.under_way.fetch_add(1, Ordering::AcqRel);
        runner.show(before + 1);
        Self(runner)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let before = self.0.under_way.fetch_sub(1, Ordering::AcqRel);
        self.0.show(before - 1);
    }
}

fn label(name: &'static str, value: &str) -> Labels {
    vec![(name, value.to_owned())]
}

#[async_trait]
impl Runner for CountedRunner {
    async fn prepare(&self, component: &Verified<Component>) -> Result<Prepared, Failure> {
        self.inner.prepare(component).await
    }

    async fn run(&self, call: Call) -> Report {
        let under_way = UnderWay::begin(self);
        let action = call.action.clone();
        let report = self.inner.run(call).await;
        drop(under_way);
        let result = match &report.result {
            Ok(Outcome::Success(_)) => "success",
            Ok(Outcome::Skip(_)) => "skip",
            Ok(Outcome::Branch(..)) => "branch",
            Ok(Outcome::Wait(..)) => "wait",
            Ok(Outcome::Continue(_)) => "continue",
            Err(failure) => failure.kind.name(),
        };
        let metrics = &self.metrics;
        metrics.calls.get_or_create(&label("result", result)).inc();
        #[expect(clippy::cast_precision_loss, reason = "figures for people")]
        let (micros, bytes) = (
            report.usage.duration_us as f64,
            report.usage.memory_bytes as f64,
        );
        metrics.call_seconds.observe(micros / 1e6);
        metrics.memory.observe(bytes);
        metrics.fuel.inc_by(report.usage.fuel);
        for (name, value) in report.metrics() {
            metrics.measured.note(&action, name, value);
        }
        report
    }
}

#[async_trait]
impl EventLog for CountedLog {
    async fn submit(&self, submission: Submission) -> Result<Submitted, LogError> {
        let is_start = matches!(submission.message, Message::Start { .. });
        let since = Instant::now();
        let submitted = self.inner.submit(submission).await?;
        self.wrote("submit", since);
        if is_start && submitted == Submitted::Accepted {
            self.metrics.started.inc();
        }
        Ok(submitted)
    }

    async fn append(&self, fence: Fence, append: Append) -> Result<(), LogError> {
        let counted = Appended::of(&append);
        let starts = append.outbox.iter();
        let starts = starts.filter(|o| matches!(o.message, Message::Start { .. }));
        let starts = starts.count() as u64;
        let since = Instant::now();
        self.inner.append(fence, append).await?;
        self.wrote("append", since);
        self.appended(&counted);
        self.metrics.started.inc_by(starts);
        Ok(())
    }

    async fn claim(&self, owner: &str) -> Result<Vec<Fence>, LogError> {
        self.inner.claim(owner).await
    }

    async fn release(&self, fences: &[Fence]) -> Result<(), LogError> {
        self.inner.release(fences).await
    }

    fn arrivals(&self) -> Feed<Arrival> {
        self.inner.arrivals()
    }

    async fn unfinished(
        &self,
        shard: Shard,
        after: Option<ExecutionId>,
        limit: usize,
    ) -> Result<Vec<Unfinished>, LogError> {
        self.inner.unfinished(shard, after, limit).await
    }

    async fn inbox(&self, execution: ExecutionId) -> Result<Vec<InboxRow>, LogError> {
        self.inner.inbox(execution).await
    }

    async fn history(
        &self,
        execution: ExecutionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Recorded>, LogError> {
        self.inner.history(execution, after, limit).await
    }

    async fn lines(
        &self,
        execution: ExecutionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, LogLine)>, LogError> {
        self.inner.lines(execution, after, limit).await
    }

    async fn execution(
        &self,
        tenant: &TenantId,
        execution: ExecutionId,
    ) -> Result<Option<ExecutionSummary>, LogError> {
        self.inner.execution(tenant, execution).await
    }

    async fn executions(
        &self,
        tenant: &TenantId,
        query: &ExecutionQuery,
    ) -> Result<Vec<ExecutionSummary>, LogError> {
        self.inner.executions(tenant, query).await
    }

    fn changes(&self) -> Feed<Change> {
        self.inner.changes()
    }

    async fn ended(
        &self,
        tenant: &TenantId,
        query: &EndedQuery,
    ) -> Result<Vec<ExecutionSummary>, LogError> {
        self.inner.ended(tenant, query).await
    }

    async fn remove_executions(
        &self,
        tenant: &TenantId,
        executions: &[ExecutionId],
        at: Timestamp,
    ) -> Result<Vec<Removal>, LogError> {
        self.inner.remove_executions(tenant, executions, at).await
    }

    async fn sweep(&self, at: Timestamp) -> Result<bool, LogError> {
        self.inner.sweep(at).await
    }
}
