//! The node's figures, in Prometheus' text format.
//!
//! Nothing that runs work knows of them: they are counted at the ports, by
//! decorators around the log and the sandbox, and at the door.
//!
//! - [`Metrics`]: every figure.
//! - [`ports`]: what the decorators count; [`measured`]: what actions measure.

pub(crate) mod measured;
pub(crate) mod ports;

use std::sync::Arc;
use std::time::Duration;

use nebula_storage::Figures;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// Names and values of labels, the names always in the same order.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// A family of histograms.
type Histograms = Family<Labels, Histogram, fn() -> Histogram>;

/// Every figure of a node. No label has a value that a caller chooses: a route
/// is its template, so that their number is bounded.
pub(crate) struct Metrics {
    registry: Registry,
    /// Executions whose start was accepted.
    pub(crate) started: Counter,
    /// Executions that ended, by status.
    pub(crate) ended: Family<Labels, Counter>,
    /// From accepted to ended, by status.
    pub(crate) execution_seconds: Histograms,
    /// Steps that ended, by status.
    pub(crate) steps: Family<Labels, Counter>,
    /// Calls of actions, by how they ended.
    pub(crate) calls: Family<Labels, Counter>,
    /// From the call to its end, without the wait for a slot of the sandbox.
    pub(crate) call_seconds: Histogram,
    /// What all calls burned.
    pub(crate) fuel: Counter,
    /// Peak of each call.
    pub(crate) memory: Histogram,
    /// Calls that are under way, running or waiting for a slot.
    pub(crate) slots: Family<Labels, Gauge>,
    /// From handing it to the log until it is on disk, by kind.
    pub(crate) log_seconds: Histograms,
    /// Requests that were answered, by method, route and status.
    pub(crate) requests: Family<Labels, Counter>,
    /// Until the head of the answer, by route.
    pub(crate) request_seconds: Histograms,
    /// What actions measure.
    pub(crate) measured: measured::Measured,
    /// Connections that are open.
    pub(crate) connections: Gauge,
    /// Live streams that are open.
    pub(crate) streams: Gauge,
}

impl Metrics {
    /// All at zero.
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("nebula"),
            started: Counter::default(),
            ended: Family::default(),
            execution_seconds: Family::new_with_constructor(seconds as fn() -> Histogram),
            steps: Family::default(),
            calls: Family::default(),
            call_seconds: seconds(),
            fuel: Counter::default(),
            memory: Histogram::new(exponential_buckets(65_536.0, 4.0, 8)),
            slots: Family::default(),
            log_seconds: Family::new_with_constructor(seconds as fn() -> Histogram),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds as fn() -> Histogram),
            measured: measured::Measured::default(),
            connections: Gauge::default(),
            streams: Gauge::default(),
        };
        metrics.register_work();
        metrics.register_door();
        metrics
    }

    fn register_work(&mut self) {
        let registry = &mut self.registry;
        let build = vec![("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "The program that runs", Info::new(build));
        registry.register(
            "executions_started",
            "Executions whose start was accepted",
            self.started.clone(),
        );
        registry.register(
            "executions_ended",
            "Executions that ended",
            self.ended.clone(),
        );
        registry.register_with_unit(
            "execution_duration",
            "From the accepted start of an execution to its end",
            Unit::Seconds,
            self.execution_seconds.clone(),
        );
        registry.register("steps_ended", "Steps that ended", self.steps.clone());
        registry.register("calls", "Calls of actions that ended", self.calls.clone());
        registry.register_with_unit(
            "call_duration",
            "Wall time of a call in the sandbox",
            Unit::Seconds,
            self.call_seconds.clone(),
        );
        registry.register("call_fuel", "Fuel that all calls burned", self.fuel.clone());
        registry.register_with_unit(
            "call_memory",
            "Peak memory of a call",
            Unit::Bytes,
            self.memory.clone(),
        );
        registry.register(
            "sandbox_calls",
            "Calls that have a slot of the sandbox, and calls that wait for one",
            self.slots.clone(),
        );
        registry.register_with_unit(
            "log_write",
            "From handing something to the log until it is on disk",
            Unit::Seconds,
            self.log_seconds.clone(),
        );
        self.measured.register(registry);
    }

    fn register_door(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "http_requests",
            "Requests that were answered",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "From a request's head to its answer's head",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        registry.register(
            "http_connections",
            "Connections that are open",
            self.connections.clone(),
        );
        registry.register(
            "http_streams",
            "Live streams that are open",
            self.streams.clone(),
        );
    }

    /// With the figures of a store.
    pub(crate) fn with_store(mut self, figures: Arc<Figures>) -> Self {
        self.registry.register_collector(Box::new(Store(figures)));
        self
    }

    /// One request that was answered.
    pub(crate) fn answered(&self, method: &http::Method, route: &str, status: u16, took: Duration) {
        let method = match method.as_str() {
            known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "PATCH" | "OPTIONS") => known,
            _ => "other",
        };
        let route = route.to_owned();
        let labels = vec![
            ("method", method.to_owned()),
            ("route", route.clone()),
            ("status", status.to_string()),
        ];
        self.requests.get_or_create(&labels).inc();
        self.request_seconds
            .get_or_create(&vec![("route", route)])
            .observe(took.as_secs_f64());
    }

    /// All figures as text.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

/// One more for as long as this lives.
pub(crate) struct Counted(Gauge);

impl Counted {
    /// Counts one.
    pub(crate) fn in_gauge(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_5, 4.0, 10))
}

/// The figures of the store's writer.
struct Store(Arc<Figures>);

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &'static str,
    help: &str,
    value: u64,
) -> Result<(), std::fmt::Error> {
    let metric = ConstCounter::new(value);
    let encoder = encoder.encode_descriptor(name, help, None, metric.metric_type())?;
    metric.encode(encoder)
}

impl Collector for Store {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let figures = &self.0;
        let help = "Commits of the log, each one fsync";
        counter(&mut encoder, "log_commits", help, figures.commits())?;
        let help = "Requests that these commits had";
        counter(&mut encoder, "log_requests", help, figures.requests())?;
        let waiting = ConstGauge::new(i64::try_from(self.0.waiting()).unwrap_or(i64::MAX));
        let encoder = encoder.encode_descriptor(
            "log_waiting",
            "Requests that wait for the log's writer",
            None,
            waiting.metric_type(),
        )?;
        waiting.encode(encoder)
    }
}
