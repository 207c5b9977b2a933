//! Which part of a blob is asked for (RFC 9110, section 14), and which part of
//! an upload is sent (distribution specification, "Pushing a blob in chunks").

/// What a `Range` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// All of it.
    Whole,
    /// From this byte up to and with that one.
    Part(u64, u64),
    /// Nothing that there is.
    Nothing,
}

/// Reads a `Range`. What has another unit, several parts or no sense is answered
/// with the whole, as RFC 9110 allows.
pub(super) fn asked(range: &str, size: u64) -> Asked {
    let Some((unit, set)) = range.split_once('=') else {
        return Asked::Whole;
    };
    let Some((first, last)) = set.trim().split_once('-') else {
        return Asked::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Asked::Whole;
    }
    match (position(first), position(last)) {
        (Some(Some(first)), Some(last)) => {
            let last = last.unwrap_or(u64::MAX).min(size.saturating_sub(1));
            if first >= size || last < first {
                Asked::Nothing
            } else {
                Asked::Part(first, last)
            }
        }
        (Some(None), Some(Some(length))) => match size.min(length) {
            0 => Asked::Nothing,
            length => Asked::Part(size - length, size - 1),
        },
        _ => Asked::Whole,
    }
}

/// Digits, or nothing at all. A number that is too great is the greatest.
fn position(text: &str) -> Option<Option<u64>> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if text.is_empty() {
        return Some(None);
    }
    Some(Some(text.parse().unwrap_or(u64::MAX)))
}

/// First and last byte of a chunk, by its `Content-Range`: `^[0-9]+-[0-9]+$`.
pub(super) fn chunk(range: &str) -> Option<(u64, u64)> {
    let (first, last) = range.split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(first) || !digits(last) {
        return None;
    }
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_rfc_9110_hold() {
        for (range, asked_for) in [
            ("bytes=0-499", Asked::Part(0, 499)),
            ("bytes=500-999", Asked::Part(500, 999)),
            ("bytes=-500", Asked::Part(9500, 9999)),
            ("bytes=9500-", Asked::Part(9500, 9999)),
            ("Bytes=0-0", Asked::Part(0, 0)),
            ("bytes=0-99999999999999999999999", Asked::Part(0, 9999)),
            ("bytes=-99999", Asked::Part(0, 9999)),
            ("bytes=10000-", Asked::Nothing),
            ("bytes=500-0", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=0-0,-1", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("bytes=+1-2", Asked::Whole),
            ("lines=0-1", Asked::Whole),
            ("", Asked::Whole),
        ] {
            assert_eq!(asked(range, 10_000), asked_for, "{range}");
        }
        assert_eq!(asked("bytes=0-", 0), Asked::Nothing);
        assert_eq!(asked("bytes=-1", 0), Asked::Nothing);
    }

    #[test]
    fn a_chunk_is_two_numbers() {
        assert_eq!(chunk("0-0"), Some((0, 0)));
        assert_eq!(chunk("5-9"), Some((5, 9)));
        for wrong in [
            "",
            "-",
            "5-",
            "-5",
            "9-5",
            "bytes 0-5/6",
            "0-5/6",
            " 0-5",
            "0--5",
            "+0-5",
        ] {
            assert_eq!(chunk(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_always_within_the_blob(
            range in r"(bytes|x)?=?[0-9]{0,22}-?[0-9]{0,22}(,[0-9]-)?",
            size in prop_oneof![Just(0), 1..5u64, any::<u64>()],
        ) {
            if let Asked::Part(first, last) = asked(&range, size) {
                prop_assert!(first <= last && last < size);
            }
        }
    }
}
