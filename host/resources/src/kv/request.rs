//! What a guest asks of its values, checked; and what a change does to a key, whichever
//! database keeps it.

use std::time::Duration;

use nebula_sandbox::resources::{Entry, ResourceError, SetValue};
use tokio::time::Instant;

use super::config::KvConfig;

/// The longest key, bytes.
const MAX_KEY: usize = 512;
/// Keys of one list.
const MAX_LISTED: u32 = 1_000;
/// The longest that a value is there, if not for good.
const MAX_TTL: Duration = Duration::from_secs(10 * 366 * 86_400);

/// Whose values, and how long a request may take.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// Of the resource.
    pub(super) name: String,
    pub(super) tenant: String,
    pub(super) read_only: bool,
    pub(super) max_keys: i64,
    limit: Duration,
    pub(super) until: Instant,
}

impl Request {
    pub(super) fn new(name: &str, tenant: &str, config: &KvConfig, within: Duration) -> Self {
        let limit = config.timeout.min(within);
        Self {
            name: name.to_owned(),
            tenant: tenant.to_owned(),
            read_only: config.read_only,
            max_keys: i64::try_from(config.max_keys).unwrap_or(i64::MAX),
            limit,
            until: Instant::now() + limit,
        }
    }

    /// How long it may take yet.
    pub(super) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// It took too long.
    pub(super) fn late(&self) -> ResourceError {
        let (name, limit) = (&self.name, self.limit.as_millis());
        ResourceError::Unavailable(format!(
            "the values `{name}` were not to be had within {limit} ms (`resources.{name}.timeout`, or \
             what its call had left)"
        ))
    }

    /// No connection became free in time.
    pub(super) fn crowded(&self) -> ResourceError {
        let (name, limit) = (&self.name, self.limit.as_millis());
        ResourceError::Unavailable(format!(
            "all connections of `{name}` were busy for {limit} ms (`resources.{name}.max_connections`)"
        ))
    }

    /// The database is in trouble. Why is the operator's to know.
    pub(super) fn away(&self, why: &dyn std::fmt::Display) -> ResourceError {
        let name = &self.name;
        tracing::warn!(resource = name, %why, "values cannot be had");
        ResourceError::Unavailable(format!("the values `{name}` cannot be had just now"))
    }

    /// There is no room for another key.
    pub(super) fn full(&self) -> ResourceError {
        let (name, most) = (&self.name, self.max_keys);
        ResourceError::Limit(format!(
            "there are {most} keys already (`resources.{name}.max_keys`)"
        ))
    }
}

/// What is asked.
#[derive(Debug, Clone)]
pub(super) enum Work {
    /// The value of a key.
    Get(String),
    /// Some keys, in their order.
    List(List),
    Change(Change),
}

/// A change of one key.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) key: String,
    pub(super) what: What,
}

/// What is to be done to it. Times are milliseconds.
#[derive(Debug, Clone)]
pub(super) enum What {
    Set {
        value: Vec<u8>,
        ttl: Option<i64>,
        expected: Option<u64>,
    },
    Delete {
        expected: Option<u64>,
    },
    Increment {
        by: i64,
        ttl: Option<i64>,
    },
}

impl Change {
    pub(super) fn set(name: &str, config: &KvConfig, set: SetValue) -> Result<Self, ResourceError> {
        let (has, most) = (set.value.len(), config.max_value_bytes);
        if has as u64 > most {
            return Err(ResourceError::Limit(format!(
                "the value has {has} bytes; at most {most} are allowed (`resources.{name}.max_value_bytes`)"
            )));
        }
        Self::new(
            set.key,
            What::Set {
                value: set.value,
                ttl: set.ttl.map(ttl).transpose()?,
                expected: set.expected,
            },
        )
    }

    pub(super) fn delete(key: String, expected: Option<u64>) -> Result<Self, ResourceError> {
        Self::new(key, What::Delete { expected })
    }

    pub(super) fn increment(
        key: String,
        by: i64,
        time: Option<Duration>,
    ) -> Result<Self, ResourceError> {
        let ttl = time.map(ttl).transpose()?;
        Self::new(key, What::Increment { by, ttl })
    }

    fn new(key: String, what: What) -> Result<Self, ResourceError> {
        check_key(&key)?;
        Ok(Self { key, what })
    }
}

/// A key is a text of one line.
pub(super) fn check_key(key: &str) -> Result<(), ResourceError> {
    if key.is_empty() || key.len() > MAX_KEY || key.chars().any(char::is_control) {
        return Err(ResourceError::Refused(format!(
            "a key has 1 to {MAX_KEY} bytes, without control characters"
        )));
    }
    Ok(())
}

fn ttl(time: Duration) -> Result<i64, ResourceError> {
    let millis = time.min(MAX_TTL).as_millis();
    match i64::try_from(millis) {
        Ok(millis) if millis > 0 => Ok(millis),
        _ => Err(ResourceError::Refused(
            "the time that a value is there is at least 1 ms; leave it out for one that stays"
                .into(),
        )),
    }
}

// ---------------------------------------------------------------- changes --

/// The value that a key has, before its time is over.
#[derive(Debug, Clone)]
pub(super) struct Present {
    pub(super) value: Vec<u8>,
    pub(super) version: i64,
    /// Milliseconds since the Unix epoch.
    pub(super) expires: Option<i64>,
}

/// What becomes of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    Stays(Answer),
    Removed(Answer),
    Put {
        value: Vec<u8>,
        expires: Option<i64>,
        answer: Answer,
    },
}

/// What who asked is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Entry(Option<Entry>),
    Keys(Vec<String>),
    /// The new version; none if another was expected.
    Set(Option<i64>),
    Deleted(bool),
    Sum(i64),
}

/// What a change does to a key that has this value, at this instant, under this version.
pub(super) fn decide(
    what: What,
    present: Option<&Present>,
    now: i64,
    version: i64,
) -> Result<Next, ResourceError> {
    let has = present.map_or(0, |present| present.version.unsigned_abs());
    let at = |ttl: Option<i64>| ttl.map(|ttl| now.saturating_add(ttl));
    Ok(match what {
        What::Set { expected, .. } if expected.is_some_and(|e| e != has) => {
            Next::Stays(Answer::Set(None))
        }
        What::Set { value, ttl, .. } => Next::Put {
            value,
            expires: at(ttl),
            answer: Answer::Set(Some(version)),
        },
        What::Delete { expected } if has == 0 || expected.is_some_and(|e| e != has) => {
            Next::Stays(Answer::Deleted(false))
        }
        What::Delete { .. } => Next::Removed(Answer::Deleted(true)),
        What::Increment { by, ttl } => {
            let number = present.map_or(Ok(0), |present| number(&present.value))?;
            let sum = number.checked_add(by).ok_or_else(|| {
                ResourceError::Refused(format!("{number} and {by} are more than 64 bits hold"))
            })?;
            let value = rmp_serde::to_vec(&sum);
            Next::Put {
                value: value.map_err(|e| ResourceError::Refused(e.to_string()))?,
                expires: present.map_or_else(|| at(ttl), |present| present.expires),
                answer: Answer::Sum(sum),
            }
        }
    })
}

fn number(value: &[u8]) -> Result<i64, ResourceError> {
    rmp_serde::from_slice(value).map_err(|_| {
        ResourceError::Refused("the key has a value that is no whole number of 64 bits".into())
    })
}

// ------------------------------------------------------------------ lists --

/// Keys that are asked for.
#[derive(Debug, Clone)]
pub(super) struct List {
    /// The first that may come.
    pub(super) from: String,
    /// The first that may not come any more; none if all may.
    pub(super) below: Option<String>,
    /// They come after this one.
    pub(super) after: String,
    pub(super) limit: i64,
}

impl List {
    pub(super) fn new(
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Self, ResourceError> {
        for text in [Some(&prefix), after.as_ref()].into_iter().flatten() {
            if !text.is_empty() {
                check_key(text)?;
            }
        }
        Ok(Self {
            below: beyond(&prefix),
            from: prefix,
            after: after.unwrap_or_default(),
            limit: limit.clamp(1, MAX_LISTED).into(),
        })
    }
}

/// The first text, in the order of bytes, behind all that begin so; none if there is
/// none.
fn beyond(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // The surrogates are no characters.
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            last => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_begins_so_is_below_what_is_beyond_and_nothing_else_is(
            prefix in "[a\u{D7FF}\u{E000}\u{10FFFF}]{0,3}",
            text in "[a-c\u{D7FF}\u{E000}\u{10FFFF}]{0,5}",
        ) {
            let is_below = beyond(&prefix).is_none_or(|beyond| text < beyond);
            prop_assert_eq!(text.starts_with(&prefix), text >= prefix && is_below);
        }

        #[test]
        fn a_change_goes_by_the_version_that_is_there(
            has in proptest::option::of(1_i64..4),
            expected in proptest::option::of(0_u64..4),
        ) {
            let present = has.map(|version| Present { value: vec![7], version, expires: Some(9) });
            let fits = expected.is_none_or(|e| e == has.map_or(0, i64::unsigned_abs));
            let set = What::Set { value: vec![1], ttl: Some(5), expected };
            let next = decide(set, present.as_ref(), 100, 8).unwrap();
            let put = Next::Put { value: vec![1], expires: Some(105), answer: Answer::Set(Some(8)) };
            prop_assert_eq!(next, if fits { put } else { Next::Stays(Answer::Set(None)) });
            let next = decide(What::Delete { expected }, present.as_ref(), 100, 8).unwrap();
            let gone = fits && has.is_some();
            let removed = Next::Removed(Answer::Deleted(true));
            prop_assert_eq!(next, if gone { removed } else { Next::Stays(Answer::Deleted(false)) });
        }
    }
}
