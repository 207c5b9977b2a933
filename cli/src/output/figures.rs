//! Durations, sizes, counts and ages as people read them.

/// How long ago an RFC 3339 instant was: `3s ago`, `2h ago`.
pub(crate) fn age(rfc3339: &str) -> String {
    let Ok(then) = rfc3339.parse::<jiff::Timestamp>() else {
        return rfc3339.to_owned();
    };
    let seconds = jiff::Timestamp::now().duration_since(then).as_secs();
    let (seconds, tense) = if seconds < 0 {
        (-seconds, "from now")
    } else {
        (seconds, "ago")
    };
    let figure = match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    };
    format!("{figure} {tense}")
}

/// Microseconds as people read them: `87 µs`, `4.2 ms`, `1.3 s`, `2m 05s`, `3h 00m`, `7d 00h`.
pub(crate) fn micros(us: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for display")]
    let value = us as f64;
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{:.1} ms", value / 1e3),
        1_000_000..120_000_000 => format!("{:.1} s", value / 1e6),
        _ => {
            let seconds = us / 1_000_000;
            match seconds {
                0..7_200 => format!("{}m {:02}s", seconds / 60, seconds % 60),
                7_200..172_800 => format!("{}h {:02}m", seconds / 3_600, seconds / 60 % 60),
                _ => format!("{}d {:02}h", seconds / 86_400, seconds / 3_600 % 24),
            }
        }
    }
}

/// Bytes as people read them.
pub(crate) fn bytes(n: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for display")]
    let value = n as f64;
    match n {
        0..1024 => format!("{n} B"),
        1024..1_048_576 => format!("{:.0} KiB", value / 1024.0),
        _ => format!("{:.1} MiB", value / 1_048_576.0),
    }
}

/// A count with thousands separators.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number of things: `1 step`, `3 steps`.
pub(crate) fn things(n: usize, one: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {one}{s}", count(n as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(7), "7");
        assert_eq!(micros(87), "87 µs");
        assert_eq!(micros(4_200), "4.2 ms");
        assert_eq!(micros(125_000_000), "2m 05s");
        assert_eq!(micros(3 * 3_600_000_000), "3h 00m");
        assert_eq!(micros(175 * 3_600_000_000), "7d 07h");
        assert_eq!(bytes(1_310_720), "1.2 MiB");
        assert_eq!(things(1, "step"), "1 step");
        assert_eq!(things(3_650, "item"), "3,650 items");
    }

    #[test]
    fn ages_are_relative_in_both_directions() {
        let at = |seconds: i64| {
            let now = jiff::Timestamp::now();
            (now + jiff::SignedDuration::from_secs(seconds)).to_string()
        };
        assert_eq!(age(&at(-7_300)), "2h ago");
        assert_eq!(age(&at(190)), "3m from now");
        assert_eq!(age("no instant"), "no instant");
    }
}
