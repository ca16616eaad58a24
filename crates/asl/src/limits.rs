//! Every bound of the interpreter, with its unit and its reason.
//!
//! Spec: "Service quotas" of the Step Functions developer guide for Standard workflows, so that
//! what runs here runs there.

use std::time::Duration;

/// Bytes of UTF-8 that one input, output, argument or result may have as JSON text.
pub const PAYLOAD_BYTES_MAX: usize = 262_144;

/// Bytes of UTF-8 that all variables of one sequence may have together as JSON text.
pub const VARIABLES_BYTES_MAX: usize = 10_485_760;

/// Events in one history; the last one is kept free for the event that ends the execution.
pub const HISTORY_EVENTS_MAX: u32 = 25_000;

/// Events from which on a history has no room for a redrive: its own event, and one more.
pub const REDRIVE_EVENTS_END: u32 = 24_999;

/// Days after its end in which an execution can be redriven. For who has a clock.
pub const REDRIVE_WINDOW_DAYS: u32 = 14;

/// Days that an execution may be open, redrives included. For who has a clock.
pub const OPEN_DAYS_MAX: u32 = 365;

/// Bytes of one state machine definition.
pub const DEFINITION_BYTES_MAX: usize = 1_048_576;

/// Levels of states inside states: Parallel and Map within one another. Bounds every recursion over
/// a program.
pub const NESTING_LEVELS_MAX: usize = 32;

/// Characters in the name of a state.
pub const STATE_NAME_CHARS_MAX: usize = 80;

/// Iterations of one inline Map that run at the same time, whatever `MaxConcurrency` asks for.
pub const MAP_CONCURRENCY_MAX: u32 = 40;

/// Child executions of one map run that run at the same time, whatever `MaxConcurrency` asks for.
pub const MAP_RUN_CONCURRENCY_MAX: u32 = 10_000;

/// Items that one map run reads, whatever `MaxItems` asks for.
pub const MAP_RUN_ITEMS_MAX: u64 = 100_000_000;

/// Bytes of one item as it is read, before `ItemSelector` makes it small enough for a child.
pub const MAP_RUN_ITEM_BYTES_MAX: usize = 8_388_608;

/// Characters in the `Label` of a distributed Map.
pub const MAP_LABEL_CHARS_MAX: usize = 40;

/// Attempts that one `Retry` entry may ask for.
pub const RETRY_ATTEMPTS_MAX: u64 = 99_999_999;

/// Seconds that any interval, delay or timeout may ask for: a little over three years.
pub const SECONDS_MAX: u64 = 99_999_999;

/// Seconds that an Express execution may take.
pub const EXPRESS_SECONDS_MAX: u64 = 300;

/// Seconds that `MaxDelaySeconds` may ask for: the year that an execution may stay open.
pub const RETRY_DELAY_SECONDS_MAX: u64 = 31_622_400;

/// Retries of one state when `MaxAttempts` is absent.
pub const RETRY_ATTEMPTS_DEFAULT: u64 = 3;

/// Seconds before the first retry when `IntervalSeconds` is absent.
pub const RETRY_INTERVAL_SECONDS_DEFAULT: u64 = 1;

/// How much longer each retry waits than the one before when `BackoffRate` is absent.
pub const RETRY_BACKOFF_RATE_DEFAULT: f64 = 2.0;

/// Diagnostics that one answer about a definition lists.
pub const DIAGNOSTICS_MAX: usize = 100;

/// Bytes of problems that the message of one refusal lists; a definition of a megabyte can have
/// more problems than anybody reads.
pub const MESSAGE_BYTES_MAX: usize = 32_768;

/// How long a state under test may take, a Wait included, before it counts as timed out.
pub const TEST_MAX: Duration = Duration::from_secs(300);
