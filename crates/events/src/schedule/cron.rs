//! Calendars: minutes, hours, day of month, month, day of week, year.

use contracts::Timestamp;

/// The last year that a calendar knows (EventBridge's own limit).
const YEAR_LAST: i64 = 2_199;
const YEAR_FIRST: i64 = 1_970;
const MINUTE_MS: i64 = 60_000;
const DAY_MINUTES: i64 = 24 * 60;

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: Values,
    hours: Values,
    months: Values,
    years: Values,
    days: Days,
}

/// Allowed values, in order.
type Values = Vec<i64>;

/// Which days of a month.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Days {
    OfMonth(Vec<MonthDay>),
    OfWeek(Vec<WeekDay>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MonthDay {
    Is(i64),
    /// The last one.
    Last,
    /// The weekday next to this day, within the month.
    Weekday(i64),
}

/// A day of the week, Sunday being one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WeekDay {
    Is(i64),
    /// The last one of the month.
    Last(i64),
    /// The n-th one of the month.
    Nth(i64, i64),
}

/// The values a field may have, and their names.
struct Range {
    low: i64,
    high: i64,
    names: &'static [&'static str],
}

const fn range(low: i64, high: i64, names: &'static [&'static str]) -> Range {
    Range { low, high, names }
}

impl Cron {
    /// Reads the six fields.
    pub(super) fn read(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split(' ').collect();
        let &[minutes, hours, of_month, months, of_week, years] = fields.as_slice() else {
            return None;
        };
        let days = match (of_month, of_week) {
            ("?", "?") => return None,
            (_, "?") => Days::OfMonth(terms(of_month, month_day)?),
            ("?", _) => Days::OfWeek(terms(of_week, week_day)?),
            (_, _) => return None,
        };
        Some(Self {
            minutes: values(minutes, &range(0, 59, &[]))?,
            hours: values(hours, &range(0, 23, &[]))?,
            months: values(months, &range(1, 12, &MONTHS))?,
            years: values(years, &range(YEAR_FIRST, YEAR_LAST, &[]))?,
            days,
        })
    }

    /// The first minute after an instant that the calendar has.
    pub(super) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let first = after.as_millis().div_euclid(MINUTE_MS).checked_add(1)?;
        let (first_day, first_minute) =
            (first.div_euclid(DAY_MINUTES), first.rem_euclid(DAY_MINUTES));
        let mut day = first_day;
        loop {
            let (year, month, of_month) = civil(day);
            if year > YEAR_LAST || self.years.last().is_none_or(|last| year > *last) {
                return None;
            }
            if !self.years.contains(&year) {
                day = day_number(year.checked_add(1)?, 1, 1);
                continue;
            }
            if self.months.contains(&month) && self.days.have(day, (year, month, of_month)) {
                let from = if day == first_day { first_minute } else { 0 };
                if let Some(minute) = self.minute_from(from) {
                    let minutes = day.checked_mul(DAY_MINUTES)?.checked_add(minute)?;
                    return Some(Timestamp::from_millis(minutes.checked_mul(MINUTE_MS)?));
                }
            }
            day = day.checked_add(1)?;
        }
    }

    fn minute_from(&self, from: i64) -> Option<i64> {
        let of_day = self
            .hours
            .iter()
            .flat_map(|hour| self.minutes.iter().map(move |minute| hour * 60 + minute));
        of_day.into_iter().find(|minute| *minute >= from)
    }
}

impl Days {
    fn have(&self, day: i64, (year, month, of_month): (i64, i64, i64)) -> bool {
        let length = length_of(year, month);
        let of_week = week_day_of(day);
        match self {
            Self::OfMonth(days) => days.iter().any(|one| match one {
                MonthDay::Is(wanted) => *wanted == of_month,
                MonthDay::Last => of_month == length,
                MonthDay::Weekday(wanted) => {
                    *wanted <= length && of_month == nearest_weekday(year, month, *wanted)
                }
            }),
            Self::OfWeek(days) => days.iter().any(|one| match one {
                WeekDay::Is(wanted) => *wanted == of_week,
                WeekDay::Last(wanted) => *wanted == of_week && of_month + 7 > length,
                WeekDay::Nth(wanted, nth) => *wanted == of_week && (of_month + 6) / 7 == *nth,
            }),
        }
    }
}

/// Reads a field of plain values: `*`, `1`, `1-5`, `0/15`, and lists of them.
fn values(text: &str, range: &Range) -> Option<Values> {
    let mut all = Values::new();
    for term in text.split(',') {
        all.extend(range.values(term)?);
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}

impl Range {
    fn values(&self, term: &str) -> Option<Values> {
        let (span, step) = match term.split_once('/') {
            Some((span, step)) => (span, Some(number(step).filter(|step| *step > 0)?)),
            None => (term, None),
        };
        let (low, high) = match span.split_once('-') {
            Some((low, high)) => (self.value(low)?, self.value(high)?),
            None if span == "*" => (self.low, self.high),
            None => {
                let value = self.value(span)?;
                (value, if step.is_some() { self.high } else { value })
            }
        };
        let step = usize::try_from(step.unwrap_or(1)).ok()?;
        (low <= high).then(|| (low..=high).step_by(step).collect())
    }

    fn value(&self, text: &str) -> Option<i64> {
        let named = self.names.iter().position(|name| *name == text);
        let value = match named {
            Some(place) => i64::try_from(place).ok()?.checked_add(1)?,
            None => number(text)?,
        };
        (self.low..=self.high).contains(&value).then_some(value)
    }
}

fn number(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

fn terms<T>(text: &str, read: impl Fn(&str) -> Option<Vec<T>>) -> Option<Vec<T>> {
    let mut all = Vec::new();
    for term in text.split(',') {
        all.extend(read(term)?);
    }
    Some(all)
}

fn month_day(term: &str) -> Option<Vec<MonthDay>> {
    let days = range(1, 31, &[]);
    if term == "L" {
        return Some(vec![MonthDay::Last]);
    }
    if let Some(day) = term.strip_suffix('W') {
        return Some(vec![MonthDay::Weekday(days.value(day)?)]);
    }
    Some(days.values(term)?.into_iter().map(MonthDay::Is).collect())
}

fn week_day(term: &str) -> Option<Vec<WeekDay>> {
    let days = range(1, 7, &DAYS);
    if term == "L" {
        return Some(vec![WeekDay::Is(days.high)]);
    }
    if let Some(day) = term.strip_suffix('L') {
        return Some(vec![WeekDay::Last(days.value(day)?)]);
    }
    if let Some((day, nth)) = term.split_once('#') {
        let nth = number(nth).filter(|nth| (1..=5).contains(nth))?;
        return Some(vec![WeekDay::Nth(days.value(day)?, nth)]);
    }
    Some(days.values(term)?.into_iter().map(WeekDay::Is).collect())
}

/// The day of the week of a day counted from 1970-01-01, a Thursday; Sunday is one.
const fn week_day_of(day: i64) -> i64 {
    (day + 4).rem_euclid(7) + 1
}

/// The weekday that is next to a day of a month, without leaving the month.
fn nearest_weekday(year: i64, month: i64, day: i64) -> i64 {
    match week_day_of(day_number(year, month, day)) {
        7 if day == 1 => 3,
        7 => day - 1,
        1 if day == length_of(year, month) => day - 2,
        1 => day + 1,
        _ => day,
    }
}

const fn length_of(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar.
///
/// Years are counted from March, so that the leap day is the last day of a year.
const fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a day counted from 1970-01-01.
const fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = (from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, of_year - (153 * from_march + 2) / 5 + 1)
}
