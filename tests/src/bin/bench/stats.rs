//! Medians and their spread.

use std::time::Duration;

/// Samples of one figure.
#[derive(Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// Adds a duration.
    pub(crate) fn add(&mut self, duration: Duration) {
        self.0.push(duration.as_secs_f64() * 1e6);
    }

    /// The value below which this part (0 to 1) of the samples lies, µs.
    pub(crate) fn quantile(&mut self, part: f64) -> f64 {
        self.0.sort_by(f64::total_cmp);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index"
        )]
        let index = ((self.0.len().saturating_sub(1)) as f64 * part) as usize;
        self.0.get(index).copied().unwrap_or(f64::NAN)
    }

    /// `median (p10–p90)` in the unit that fits.
    pub(crate) fn spread(&mut self) -> String {
        let (low, median, high) = (self.quantile(0.1), self.quantile(0.5), self.quantile(0.9));
        format!("{} ({}–{})", show(median), show(low), show(high))
    }
}

/// Microseconds in the unit that fits.
pub(crate) fn show(us: f64) -> String {
    if us < 1_000.0 {
        format!("{us:.1} µs")
    } else {
        format!("{:.2} ms", us / 1e3)
    }
}
