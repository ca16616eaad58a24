//! Schedules: `rate(5 minutes)` and `cron(0 12 * * ? *)`, in UTC.
//!
//! Pure. Spec: Amazon EventBridge user guide, "Creating a rule that runs on a schedule".

mod cron;

use contracts::Timestamp;
use cron::Cron;
use std::time::Duration;

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// Again and again after this long.
    Rate(Duration),
    /// At the times of a calendar.
    Cron(Cron),
}

impl Schedule {
    /// Reads a schedule; `None` when it is none.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (kind, inside) = text.strip_suffix(')')?.split_once('(')?;
        match kind {
            "rate" => rate(inside).map(Kind::Rate).map(Self),
            "cron" => Cron::read(inside).map(Kind::Cron).map(Self),
            _ => None,
        }
    }

    /// The first time after `after`, of a schedule that was set at `from`.
    #[must_use]
    pub fn next(&self, from: Timestamp, after: Timestamp) -> Option<Timestamp> {
        match &self.0 {
            Kind::Rate(period) => {
                let period = i64::try_from(period.as_millis()).ok()?;
                let since = after.as_millis().saturating_sub(from.as_millis()).max(0);
                let periods = since.checked_div(period)?.saturating_add(1);
                let next = from.as_millis().saturating_add(periods.saturating_mul(period));
                Some(Timestamp::from_millis(next))
            }
            Kind::Cron(cron) => cron.next(after.max(from)),
        }
    }
}

fn rate(text: &str) -> Option<Duration> {
    let (count, unit) = text.split_once(' ')?;
    if !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u32 = count.parse().ok().filter(|count| *count > 0)?;
    let unit = match (count, unit) {
        (1, "minute") | (2.., "minutes") => Duration::from_mins(1),
        (1, "hour") | (2.., "hours") => Duration::from_hours(1),
        (1, "day") | (2.., "days") => Duration::from_hours(24),
        (_, _) => return None,
    };
    Some(unit.saturating_mul(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant is written like this")
    }

    fn check(schedule: &str, after: &str, next: &str) {
        let read = Schedule::read(schedule).expect(schedule);
        assert_eq!(read.next(at("2020-01-01T00:00:30Z"), at(after)), Some(at(next)), "{schedule}");
    }

    #[test]
    fn a_rate_counts_from_when_it_was_set() {
        check("rate(1 minute)", "2020-01-01T00:00:30Z", "2020-01-01T00:01:30Z");
        check("rate(5 minutes)", "2020-01-01T00:05:29.999Z", "2020-01-01T00:05:30Z");
        check("rate(5 minutes)", "2020-01-01T00:05:30Z", "2020-01-01T00:10:30Z");
        check("rate(2 days)", "2019-01-01T00:00:00Z", "2020-01-03T00:00:30Z");
    }

    #[test]
    fn a_calendar_has_the_times_that_its_fields_allow() {
        check("cron(0 12 * * ? *)", "2026-11-26T12:00:00Z", "2026-11-27T12:00:00Z");
        check("cron(5,35 14 * * ? *)", "2026-11-26T14:05:00Z", "2026-11-26T14:35:00Z");
        check("cron(0 18 ? * MON-FRI *)", "2026-11-27T18:00:00Z", "2026-11-30T18:00:00Z");
        check("cron(0 8 1 * ? *)", "2026-11-26T00:00:00Z", "2026-12-01T08:00:00Z");
        check("cron(0/15 * * * ? *)", "2026-11-26T12:46:00Z", "2026-11-26T13:00:00Z");
        check("cron(0/30 20-23 ? * MON-FRI *)", "2026-11-27T23:30:00Z", "2026-11-30T20:00:00Z");
        check("cron(0 2 ? * SAT#3 *)", "2026-11-01T00:00:00Z", "2026-11-21T02:00:00Z");
        check("cron(15 10 ? * 6L *)", "2026-11-01T00:00:00Z", "2026-11-27T10:15:00Z");
        check("cron(0 0 L * ? *)", "2028-02-01T00:00:00Z", "2028-02-29T00:00:00Z");
        check("cron(0 0 1W * ? *)", "2026-07-31T12:00:00Z", "2026-08-03T00:00:00Z");
        check("cron(0 0 15W * ? *)", "2026-11-01T12:00:00Z", "2026-11-16T00:00:00Z");
        check("cron(0/5 5 ? JAN 1-5 2030)", "2026-01-01T00:00:00Z", "2030-01-01T05:00:00Z");
        let past = Schedule::read("cron(15 10 ? * 6L 2002-2005)").expect("it is valid");
        assert_eq!(past.next(at("2020-01-01T00:00:00Z"), at("2020-01-01T00:00:00Z")), None);
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in [
            "rate(10 seconds)",
            "rate(10 years)",
            "rate(1 minutes)",
            "rate(1 hours)",
            "rate(1 days)",
            "rate(10 minute)",
            "rate(10 hour)",
            "rate(10 day)",
            "rate()",
            "rate(10)",
            "rate(10 minutess)",
            "rate(foo minutes)",
            "rate(0 minutes)",
            "rate(-10 minutes)",
            "rate(10 MINUTES)",
            "rate( 10 minutes )",
            " rate(10 minutes)",
            "cron(0 1 * * * *)",
            "cron(0 1 ? * ? *)",
            "cron(7 20 * * NOT *)",
            "cron(INVALID)",
            "cron(0 dummy ? * MON-FRI *)",
            "cron(71 8 1 * ? *)",
            "cron(0 8 1 * ?)",
            "at(2026-01-01T00:00:00)",
            "",
        ] {
            assert_eq!(Schedule::read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_schedule_causes_a_panic_and_times_go_on(
            text in "(rate|cron)\\(([0-9*?/,LW#-]{1,4} ?){0,6}( (minutes?|days))?\\)",
            after in 0_i64..4_000_000_000_000,
        ) {
            let after = Timestamp::from_millis(after);
            if let Some(schedule) = Schedule::read(&text)
                && let Some(next) = schedule.next(Timestamp::EPOCH, after)
            {
                prop_assert!(next > after, "{next} after {after}");
            }
        }
    }
}
