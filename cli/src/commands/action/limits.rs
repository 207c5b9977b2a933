//! The limits of a test call, as people write them.

use std::time::Duration;

use nebula_sandbox::nebula_flow::time::Span;

/// What a 32-bit guest can address at all.
const MOST_MEMORY: u64 = 4 << 30;
/// One page: less is not even a memory.
const LEAST_MEMORY: u64 = 64 << 10;
const LONGEST: Duration = Duration::from_secs(3_600);

/// Fuel units: `1000000000`, `1_000_000_000`, `500M`, `1G`.
pub(super) fn fuel(text: &str) -> Result<u64, String> {
    let (number, factor) = match text.strip_suffix(['k', 'M', 'G']) {
        Some(number) if text.ends_with('k') => (number, 1_000),
        Some(number) if text.ends_with('M') => (number, 1_000_000),
        Some(number) => (number, 1_000_000_000),
        None => (text, 1),
    };
    let fuel = number.replace('_', "").parse::<u64>().ok();
    match fuel.and_then(|n| n.checked_mul(factor)) {
        Some(0) => Err("without fuel nothing runs".into()),
        Some(fuel) => Ok(fuel),
        None => Err("write a whole number of units, like 1000000000, 500M or 1G".into()),
    }
}

/// Bytes: `64` (MiB), `512KiB`, `64MiB`, `1GiB`.
pub(super) fn memory(text: &str) -> Result<u64, String> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let (number, shift) = units
        .iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)))
        .unwrap_or((text, 20));
    let bytes = number
        .trim()
        .parse::<u64>()
        .map_err(|_| "write a whole number of MiB, or with a unit: 512KiB, 64MiB, 1GiB")?
        .saturating_mul(1 << shift);
    if (LEAST_MEMORY..=MOST_MEMORY).contains(&bytes) {
        Ok(bytes)
    } else {
        Err("between 64KiB and 4GiB".into())
    }
}

/// Wall time: `30` (seconds), `500ms`, `10s`, `2m`.
pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => text.parse::<Span>().map_err(|e| e.to_string())?.0,
    };
    if timeout.is_zero() || timeout > LONGEST {
        return Err("between 1ms and 1h".into());
    }
    Ok(timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_read_with_and_without_units() {
        assert_eq!(fuel("1_000"), Ok(1_000));
        assert_eq!(fuel("500M"), Ok(500_000_000));
        assert_eq!(memory("64"), Ok(64 << 20));
        assert_eq!(memory("512KiB"), Ok(512 << 10));
        assert_eq!(timeout("2"), Ok(Duration::from_secs(2)));
        assert_eq!(timeout("500ms"), Ok(Duration::from_millis(500)));
    }

    #[test]
    fn limits_that_make_no_sense_are_refused() {
        for text in [
            "",
            "0",
            "-1",
            "much",
            "99999999999999999999",
            "18446744073709551615G",
        ] {
            assert!(fuel(text).is_err(), "{text}");
        }
        for text in ["", "0", "1KiB", "64 MB", "8GiB", "18446744073709551615"] {
            assert!(memory(text).is_err(), "{text}");
        }
        for text in ["", "0", "0ms", "soon", "2h", "18446744073709551615"] {
            assert!(timeout(text).is_err(), "{text}");
        }
    }
}
