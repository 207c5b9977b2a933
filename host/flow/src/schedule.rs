//! When a cron schedule is due. Fields are read by `croner`, time zones by
//! `jiff` from the database that is built in, so that all nodes of one version
//! agree.
//!
//! Where the clock changes, a schedule whose second, minute and hour are each one
//! value names a time of day: in a gap it is due at the first instant after the
//! gap, and in an hour that comes twice only the first time. Any other schedule
//! follows the clock: what lies in a gap is not there, and what comes twice is due
//! twice. (Vixie cron's rules, which `croner` implements.)

use std::collections::VecDeque;
use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Year};
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::definition::diagnostic::did_you_mean;
use crate::time::Timestamp;

/// The longest schedule, bytes.
pub const MAX_SCHEDULE: usize = 256;

/// A schedule in its time zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// It is not cron.
    #[error("`{text}` is no cron schedule: {why}")]
    Syntax {
        /// As it was written, cut.
        text: String,
        /// What is wrong.
        why: String,
    },
    /// No date has what it asks for.
    #[error("the schedule `{0}` never fires: no date has that day, month and weekday")]
    Never(String),
    /// No such time zone.
    #[error("there is no time zone `{name}`")]
    Zone {
        /// As it was written, cut.
        name: String,
        /// What may be meant.
        hint: Option<String>,
    },
}

impl ScheduleError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Syntax { .. } => Some(
                "write five fields, minute hour day-of-month month day-of-week, for example `0 2 * * *`; \
                 a sixth in front is the second"
                    .to_owned(),
            ),
            Self::Never(_) => Some("look at its day and its month".to_owned()),
            Self::Zone { hint, .. } => Some(hint.clone().unwrap_or_else(|| {
                "write a name of the IANA database, for example `Europe/Berlin`".to_owned()
            })),
        }
    }
}

impl Schedule {
    /// Reads a schedule: five fields, or six with the second in front, or one of
    /// `@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly`.
    ///
    /// # Errors
    /// When it is no schedule, never fires, or the zone is not known.
    pub fn parse(text: &str, zone: &str) -> Result<Self, ScheduleError> {
        let short = || text.chars().take(80).collect::<String>();
        let syntax = |why: String| ScheduleError::Syntax { text: short(), why };
        if text.len() > MAX_SCHEDULE {
            return Err(syntax(format!("it has more than {MAX_SCHEDULE} bytes")));
        }
        if !text.is_ascii() {
            return Err(syntax("it has characters that are not ASCII".to_owned()));
        }
        let parser = CronParser::builder().year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|e| syntax(said(&e)))?;
        // Without a year the calendar repeats itself, so that any start will do;
        // without a zone every time of day exists.
        let start = jiff::civil::date(2000, 1, 1).at(0, 0, 0, 0);
        if cron.find_next_occurrence(&start, true).is_err() {
            return Err(ScheduleError::Never(short()));
        }
        Ok(Self {
            cron,
            zone: self::zone(zone)?,
        })
    }

    /// The first instant after this one at which it is due; none after the year 9999.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let millis = i64::try_from(after.as_millis()).ok()?;
        let after = jiff::Timestamp::from_millisecond(millis).ok()?;
        let local = after.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&local, false).ok()?;
        let millis = u64::try_from(next.timestamp().as_millisecond()).ok()?;
        Some(Timestamp::from_millis(millis))
    }

    /// The instants at which it was due after one and up to another, in order;
    /// the last `most` of them where there are more. What it costs hangs on
    /// `most`, and only a little on how long that time is.
    #[must_use]
    pub fn between(&self, after: Timestamp, until: Timestamp, most: usize) -> Vec<Timestamp> {
        // Ever earlier starts, until there are enough.
        let mut reach = Duration::from_secs(60);
        loop {
            let back = u64::try_from(reach.as_millis()).unwrap_or(u64::MAX);
            let start = after.max(Timestamp::from_millis(
                until.as_millis().saturating_sub(back),
            ));
            let found = self.last(start, until, most);
            if found.len() == most || start == after {
                return found;
            }
            reach = reach.saturating_mul(2);
        }
    }

    fn last(&self, after: Timestamp, until: Timestamp, most: usize) -> Vec<Timestamp> {
        let mut found = VecDeque::new();
        let mut at = after;
        while let Some(next) = self.next(at).filter(|next| *next <= until && *next > at) {
            if found.len() == most {
                found.pop_front();
            }
            found.push_back(next);
            at = next;
        }
        found.into()
    }
}

/// A time zone by its name in the IANA database.
fn zone(name: &str) -> Result<TimeZone, ScheduleError> {
    let database = TimeZoneDatabase::bundled();
    database.get(name).map_err(|_| {
        let known: Vec<String> = database
            .available()
            .map(|known| known.as_str().to_owned())
            .collect();
        ScheduleError::Zone {
            name: name.chars().take(80).collect(),
            hint: did_you_mean(name, known.iter().map(String::as_str)),
        }
    })
}

/// The crate's words, without the names of its types.
fn said(error: &croner::errors::CronError) -> String {
    use croner::errors::CronError;
    let text = match error {
        CronError::InvalidPattern(why)
        | CronError::IllegalCharacters(why)
        | CronError::ComponentError(why) => why.replace("CronPattern", "it"),
        CronError::EmptyPattern => "it is empty".to_owned(),
        other => other.to_string(),
    };
    let text: String = text.trim_end_matches('.').chars().take(160).collect();
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests;
