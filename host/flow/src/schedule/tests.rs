use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect(text)
}

fn schedule(text: &str, zone: &str) -> Schedule {
    Schedule::parse(text, zone).expect(text)
}

/// The next times after an instant, in UTC.
fn nexts(text: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let schedule = schedule(text, zone);
    let mut last = at(after);
    (0..count)
        .map(|_| {
            last = schedule.next(last).expect("another");
            last.to_string().replace(":00.000Z", "Z")
        })
        .collect()
}

#[test]
fn a_schedule_is_due_by_the_clock_of_its_zone() {
    assert_eq!(
        nexts("30 2 * * *", "UTC", "2026-01-31T02:30:00Z", 2),
        ["2026-02-01T02:30Z", "2026-02-02T02:30Z"]
    );
    assert_eq!(
        nexts(
            "0 9 * * MON-FRI",
            "Europe/Berlin",
            "2026-07-03T12:00:00Z",
            2
        ),
        ["2026-07-06T07:00Z", "2026-07-07T07:00Z"]
    );
    assert_eq!(
        nexts("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", 2),
        ["2028-02-29T00:00Z", "2032-02-29T00:00Z"]
    );
    assert_eq!(
        nexts("@monthly", "UTC", "2026-01-15T00:00:00Z", 1),
        ["2026-02-01T00:00Z"]
    );
    // Seconds, and a start within one.
    let seconds = schedule("*/10 * * * * *", "UTC");
    assert_eq!(
        seconds.next(at("2026-01-01T00:00:09.500Z")),
        Some(at("2026-01-01T00:00:10Z"))
    );
    assert_eq!(
        seconds.next(at("2026-01-01T00:00:10Z")),
        Some(at("2026-01-01T00:00:20Z"))
    );
}

// In Berlin the clock goes from 02:00 to 03:00 on 29 March 2026 (01:00 UTC), and
// from 03:00 back to 02:00 on 25 October 2026 (01:00 UTC).

#[test]
fn in_a_gap_a_time_of_day_is_due_after_it_and_once() {
    assert_eq!(
        nexts("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
        ["2026-03-29T01:00Z", "2026-03-30T00:30Z"]
    );
    // One that is due at the end of the gap anyway, and one just before it.
    assert_eq!(
        nexts("0 3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
        ["2026-03-29T01:00Z", "2026-03-30T01:00Z"]
    );
    assert_eq!(
        nexts("30 1 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
        ["2026-03-29T00:30Z", "2026-03-29T23:30Z"]
    );
}

#[test]
fn in_a_gap_any_other_schedule_has_nothing() {
    assert_eq!(
        nexts("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:15:00Z", 3),
        [
            "2026-03-29T00:30Z",
            "2026-03-29T01:00Z",
            "2026-03-29T01:30Z"
        ]
    );
    assert_eq!(
        nexts("0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
        ["2026-03-30T00:00Z", "2026-03-30T00:30Z"]
    );
}

#[test]
fn in_an_hour_that_comes_twice_a_time_of_day_is_due_once_and_others_twice() {
    assert_eq!(
        nexts("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
        ["2026-10-25T00:30Z", "2026-10-26T01:30Z"]
    );
    assert_eq!(
        nexts("30 * * * *", "Europe/Berlin", "2026-10-24T23:45:00Z", 4),
        [
            "2026-10-25T00:30Z",
            "2026-10-25T01:30Z",
            "2026-10-25T02:30Z",
            "2026-10-25T03:30Z"
        ]
    );
}

#[test]
fn what_never_fires_and_what_is_no_schedule_is_refused_with_a_hint() {
    let never = |text: &str| {
        let error = Schedule::parse(text, "UTC").expect_err(text);
        assert!(matches!(error, ScheduleError::Never(_)), "{text}: {error}");
        assert!(error.to_string().contains("never fires"), "{error}");
        assert!(error.hint().is_some());
    };
    ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 31 FEB *"]
        .into_iter()
        .for_each(never);
    for text in [
        "",
        "* * * *",
        "* * * * * * *",
        "60 * * * *",
        "0 25 * * *",
        "0 0 0 * *",
        "0 0 * 13 *",
        "every day",
        "@reboot",
        "0 0 * * ÄÖ",
        "0 0 * * *\u{0}",
    ] {
        let error = Schedule::parse(text, "UTC").expect_err(text);
        assert!(
            matches!(error, ScheduleError::Syntax { .. }),
            "{text}: {error}"
        );
        assert!(!error.to_string().contains("Cron"), "{error}");
    }
    let long = format!("{} * * * *", "1,".repeat(200));
    assert!(Schedule::parse(&long, "UTC").is_err());
    let error = Schedule::parse("0 0 * * *", "Europe/Berlim").expect_err("no such zone");
    assert_eq!(
        error.hint().as_deref(),
        Some("did you mean `Europe/Berlin`?")
    );
    assert!(Schedule::parse("0 0 * * *", "Moon").is_err());
}

#[test]
fn after_the_last_year_nothing_is_due() {
    let daily = schedule("0 0 * * *", "UTC");
    assert_eq!(daily.next(Timestamp::from_millis(u64::MAX)), None);
    assert_eq!(
        daily.next(Timestamp::from_millis(253_402_300_799_000)),
        None
    );
}

#[test]
fn a_long_time_away_costs_no_more_than_a_short_one() {
    let every_second = schedule("* * * * * *", "UTC");
    let now = at("2026-01-01T00:00:00Z");
    let found = every_second.between(Timestamp::from_millis(0), now, 100);
    assert_eq!(found.len(), 100);
    assert_eq!(found.last(), Some(&now));
}

fn fields() -> impl Strategy<Value = String> {
    let field = |max: u32| {
        prop_oneof![
            Just("*".to_owned()),
            (0..=max).prop_map(|n| n.to_string()),
            (2..=12_u32).prop_map(|n| format!("*/{n}")),
            (0..=max, 0..=max).prop_map(|(a, b)| format!("{},{}", a.min(b), a.max(b))),
        ]
    };
    (field(59), field(23)).prop_map(|(minute, hour)| format!("{minute} {hour} * * *"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Slots come in order, each once, and the bounded look finds the same as a
    /// walk from the beginning, also across changes of the clock.
    #[test]
    fn the_last_slots_are_those_of_a_walk(
        text in fields(),
        zone in prop_oneof![Just("UTC"), Just("Europe/Berlin"), Just("Australia/Lord_Howe"), Just("America/New_York")],
        start in 1_767_225_600_u64..1_798_761_600,
        span in 0_u64..400_000,
        most in 1_usize..40,
    ) {
        let schedule = schedule(&text, zone);
        let (after, until) = (Timestamp::from_millis(start * 1000), Timestamp::from_millis((start + span) * 1000));
        let mut walked = Vec::new();
        let mut last = after;
        while let Some(next) = schedule.next(last).filter(|next| *next <= until) {
            prop_assert!(next > last, "{next} follows {last}");
            walked.push(next);
            last = next;
        }
        let from = walked.len().saturating_sub(most);
        prop_assert_eq!(schedule.between(after, until, most), &walked[from..]);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-0-9*,/?#@+LWA-Za-z ]{0,40}", zone in "[A-Za-z/_]{0,20}") {
        if let Ok(schedule) = Schedule::parse(&text, &zone) {
            let _ = schedule.next(Timestamp::from_millis(1_767_225_600_000));
        }
        if let Ok(schedule) = Schedule::parse(&text, "Europe/Berlin") {
            let _ = schedule.next(Timestamp::from_millis(1_767_225_600_000));
        }
    }
}
