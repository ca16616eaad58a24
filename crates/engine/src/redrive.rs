//! Redriving: continuing an execution that ended without success from where it failed.
//!
//! Owns: the conditions that need a clock, and that a client's token is honoured. Does not own: what
//! runs again; that is the machine's.
//!
//! Spec: Step Functions API reference, `RedriveExecution` and `DescribeExecution`.

use crate::annex::Annex;
use crate::live::Live;
use asl::limits::{OPEN_DAYS_MAX, REDRIVE_WINDOW_DAYS};
use contracts::Timestamp;
use std::time::Duration;

/// What is to be done when somebody asks for a redrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It is to happen, as this one in the execution's life.
    Next(u32),
    /// The same request has been honoured already.
    Done,
}

/// Decides on a request.
///
/// # Errors
/// Why the execution cannot be redriven.
pub(crate) fn asked(live: &Live, token: Option<&str>, now: Timestamp) -> Result<Asked, String> {
    if token.is_some_and(|token| live.annex.redriven_by(token, now).is_some()) {
        return Ok(Asked::Done);
    }
    redrivable(live, now)?;
    Ok(Asked::Next(live.execution.redrive_count().saturating_add(1)))
}

/// Whether an execution can be redriven now.
///
/// # Errors
/// Why it cannot, as `redriveStatusReason` says it.
pub(crate) fn redrivable(live: &Live, now: Timestamp) -> Result<(), String> {
    live.execution.redrivability().map_err(|why| why.to_string())?;
    let started_at = live.execution.started_at().unwrap_or(now);
    in_time(started_at, live.stopped_at.unwrap_or(now), now)
}

/// Whether an execution that started and ended then can be redriven now.
fn in_time(started_at: Timestamp, stopped_at: Timestamp, now: Timestamp) -> Result<(), String> {
    let days = |days: u32| Duration::from_hours(24) * days;
    if now > stopped_at.plus(days(REDRIVE_WINDOW_DAYS)) {
        return Err("Execution's redrivable period exceeded".to_owned());
    }
    if now > started_at.plus(days(OPEN_DAYS_MAX)) {
        return Err("Execution has exceeded the max execution time".to_owned());
    }
    Ok(())
}

/// When a redrive happened: the one with this token, else the last one.
pub(crate) fn happened_at(annex: &Annex, token: Option<&str>, now: Timestamp) -> Option<Timestamp> {
    token.and_then(|token| annex.redriven_by(token, now)).or(annex.redriven_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_can_be_redriven_for_fourteen_days_and_within_a_year_of_its_start() {
        let day = Duration::from_hours(24);
        let start = Timestamp::from_millis(0);
        let check = |stopped: Duration, now: Duration| {
            in_time(start, start.plus(stopped), start.plus(now)).is_ok()
        };
        assert!(check(day, 15 * day));
        assert!(!check(day, 15 * day + Duration::from_millis(1)));
        assert!(check(360 * day, 365 * day));
        assert!(!check(360 * day, 365 * day + Duration::from_millis(1)));
    }
}
