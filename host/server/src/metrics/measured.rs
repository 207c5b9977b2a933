//! What actions measure (`log.measure`), by action and name.

use std::collections::HashSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use nebula_flow::ActionId;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Labels;

/// Pairs of an action and a name. An action makes its names, and what it makes them
/// of is its own business: what comes after these is counted as `other`.
const MAX_SERIES: usize = 1_000;

/// How many values there were, and their sums.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    known: Mutex<HashSet<(String, String)>>,
    values: Family<Labels, Counter>,
    sums: Family<Labels, Gauge<f64, AtomicU64>>,
}

impl Measured {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "action_metric_values",
            "Values that actions measured",
            self.values.clone(),
        );
        registry.register(
            "action_metric_sum",
            "Sums of the values that actions measured",
            self.sums.clone(),
        );
    }

    pub(crate) fn note(&self, action: &ActionId, name: &str, value: f64) {
        let labels = self.labels(action.as_str(), name);
        self.values.get_or_create(&labels).inc();
        self.sums.get_or_create(&labels).inc_by(value);
    }

    fn labels(&self, action: &str, name: &str) -> Labels {
        let pair = (action.to_owned(), name.to_owned());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (action, name) = if known.contains(&pair) || known.len() < MAX_SERIES {
            known.insert(pair.clone());
            pair
        } else {
            ("other".to_owned(), "other".to_owned())
        };
        vec![("action", action), ("name", name)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_bounded_and_nothing_is_lost() {
        let measured = Measured::default();
        let action = ActionId::new("test.measure").expect("an id");
        for at in 0..2 * MAX_SERIES {
            measured.note(&action, &format!("n{at}"), 0.5);
            measured.note(&action, "n0", 1.0);
        }
        let sum = |action: &str, name: &str| {
            let labels = vec![("action", action.to_owned()), ("name", name.to_owned())];
            measured.sums.get_or_create(&labels).get()
        };
        assert!((sum("test.measure", "n0") - 2_000.5).abs() < 1e-9);
        assert!((sum("other", "other") - 500.0).abs() < 1e-9);
    }
}
