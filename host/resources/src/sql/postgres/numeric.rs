//! PostgreSQL's exact numbers, in its binary format: digits of base 10,000, the weight
//! of the first, a sign and how many decimals are shown
//! (`src/backend/utils/adt/numeric.c`, `numeric_send`).

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const NEGATIVE_INFINITY: u16 = 0xf000;
/// Decimal digits of one of its digits.
const WIDTH: usize = 4;
/// Decimal digits of a parameter.
const MAX_DIGITS: usize = 1_000;

/// The number as text, e.g. `-12.50`.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    let mut words = bytes
        .chunks_exact(2)
        .map(|b| u16::from_be_bytes([b[0], b[1]]));
    let (count, weight) = (usize::from(words.next()?), words.next()?.cast_signed());
    let (sign, scale) = (words.next()?, usize::from(words.next()?));
    match sign {
        NAN => return Some("NaN".to_owned()),
        INFINITY => return Some("Infinity".to_owned()),
        NEGATIVE_INFINITY => return Some("-Infinity".to_owned()),
        _ => {}
    }
    let digits: Vec<u16> = words.collect();
    if digits.len() != count {
        return None;
    }
    let digit = |place: i32| -> u16 {
        let index = usize::try_from(i32::from(weight) - place);
        index.ok().and_then(|i| digits.get(i)).copied().unwrap_or(0)
    };
    let mut text = String::new();
    if sign == NEGATIVE {
        text.push('-');
    }
    let first = i32::from(weight).max(0);
    for place in (0..=first).rev() {
        let digit = digit(place);
        if place == first {
            text.push_str(&digit.to_string());
        } else {
            text.push_str(&format!("{digit:04}"));
        }
    }
    if scale > 0 {
        let places = i32::try_from(scale.div_ceil(WIDTH)).ok()?;
        let decimals: String = (1..=places).map(|p| format!("{:04}", digit(-p))).collect();
        text.push('.');
        text.push_str(&decimals[..scale]);
    }
    Some(text)
}

/// The number that a text says: `-12.50`, without an exponent.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    let (sign, number) = match text.strip_prefix('-') {
        Some(number) => (NEGATIVE, number),
        None => (0, text),
    };
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let len = whole.len() + decimals.len();
    if !is_digits(whole) || !is_digits(decimals) || whole.is_empty() || len > MAX_DIGITS {
        return None;
    }
    let lead = whole.len().next_multiple_of(WIDTH) - whole.len();
    let trail = decimals.len().next_multiple_of(WIDTH) - decimals.len();
    let zeros = "000";
    let all = [&zeros[..lead], whole, decimals, &zeros[..trail]].concat();
    let digits: Vec<u16> = all
        .as_bytes()
        .chunks_exact(WIDTH)
        .map(|group| group.iter().fold(0, |n, b| n * 10 + u16::from(b - b'0')))
        .collect();
    let weight = (whole.len() + lead) / WIDTH;
    let leading = digits.iter().take_while(|digit| **digit == 0).count();
    let trailing = digits[leading..]
        .iter()
        .rev()
        .take_while(|digit| **digit == 0);
    let kept = &digits[leading..digits.len() - trailing.count()];
    let weight = i16::try_from(weight).ok()? - i16::try_from(leading).ok()? - 1;
    let mut bytes = Vec::with_capacity(8 + 2 * kept.len());
    bytes.extend(u16::try_from(kept.len()).ok()?.to_be_bytes());
    bytes.extend(if kept.is_empty() { 0 } else { weight }.to_be_bytes());
    bytes.extend(if kept.is_empty() { 0 } else { sign }.to_be_bytes());
    bytes.extend(u16::try_from(decimals.len()).ok()?.to_be_bytes());
    bytes.extend(kept.iter().flat_map(|digit| digit.to_be_bytes()));
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_comes_back_as_it_was_written() {
        for number in [
            "0",
            "1",
            "-1",
            "9999",
            "10000",
            "12.50",
            "-0.0001",
            "0.00001",
            "123456789.987654321",
            "100000000",
            "0.5000",
            "-99999999999999999999.1",
        ] {
            let bytes = bytes(number).expect(number);
            assert_eq!(text(&bytes).as_deref(), Some(number));
        }
        for wrong in ["", "-", ".5", "1e3", "1.2.3", "x", "--1", "+1", " 1"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
        assert_eq!(bytes(&"9".repeat(1_001)), None);
        for damaged in [&b""[..], &[0, 1], &[0, 2, 0, 0, 0, 0, 0, 0, 0, 1]] {
            assert_eq!(text(damaged), None);
        }
    }
}
