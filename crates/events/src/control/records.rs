//! What the control plane keeps: buses, rules with their targets, archives, replays.

use super::table::Record;
use crate::transform::InputTransformer;
use contracts::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Tags, by key.
pub type Tags = BTreeMap<String, String>;

/// An event bus that somebody made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bus {
    /// Its name.
    pub name: String,
    /// What people say about it.
    pub description: Option<String>,
    /// The queue for events that the bus itself cannot take.
    pub dead_letter_arn: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub modified_at: Timestamp,
    /// Its tags.
    #[serde(default)]
    pub tags: Tags,
}

impl Record for Bus {
    const NOUN: &'static str = "event-bus";
}

/// Whether a rule is at work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RuleState {
    /// It is.
    #[default]
    Enabled,
    /// It is not.
    Disabled,
    /// It is, also for AWS's own management events; there are none here.
    EnabledWithAllCloudtrailManagementEvents,
}

impl RuleState {
    /// EventBridge's name of it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "ENABLED",
            Self::Disabled => "DISABLED",
            Self::EnabledWithAllCloudtrailManagementEvents => {
                "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
            }
        }
    }
}

/// A rule of a bus, with its targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleRecord {
    /// The bus.
    pub bus: String,
    /// Its name, unique on the bus.
    pub name: String,
    /// Which events, as written.
    pub pattern: Option<String>,
    /// At which times, as written.
    pub schedule: Option<String>,
    /// Whether it is at work.
    pub state: RuleState,
    /// What people say about it.
    pub description: Option<String>,
    /// The role that AWS would take on; it means nothing here.
    pub role_arn: Option<String>,
    /// To whom, in the order they were put.
    pub targets: Vec<TargetSpec>,
    /// Its tags.
    #[serde(default)]
    pub tags: Tags,
    /// From when on the schedule counts: when it was set or switched on.
    pub scheduled_from: Timestamp,
    /// The last time of the schedule that it fired for.
    pub fired_at: Option<Timestamp>,
}

impl Record for RuleRecord {
    const NOUN: &'static str = "event-rule";
}

/// A target of a rule, as PutTargets takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TargetSpec {
    /// Its name within the rule.
    pub id: String,
    /// Where it leads.
    pub arn: String,
    /// The role that AWS would take on; it means nothing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// A constant that it gets instead of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The part of the event that it gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_path: Option<String>,
    /// The template that it gets, filled from the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_transformer: Option<InputTransformer>,
    /// Where events go that cannot be delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter_config: Option<DeadLetterConfig>,
    /// How long and how often a delivery is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<RetryTerms>,
}

/// A dead-letter queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeadLetterConfig {
    /// The queue's ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
}

/// A retry policy as PutTargets takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RetryTerms {
    /// How often a delivery is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_retry_attempts: Option<u32>,
    /// How old an event may be at its last try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_event_age_in_seconds: Option<u32>,
}

/// From which place of the event log on an archive has which events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The last event before.
    pub after: u64,
    /// Which events; absent means all of the bus.
    pub pattern: Option<String>,
}

/// An archive: the events of a bus that came since it was made and match its pattern.
///
/// It is a view of the event log, which keeps every event anyway; the log knows no forgetting, so
/// retention only says what a replay may reach back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    /// Its name.
    pub name: String,
    /// The bus.
    pub bus: String,
    /// What people say about it.
    pub description: Option<String>,
    /// What it has, by place in the log; the last one is the pattern of today.
    pub spans: Vec<Span>,
    /// For how many days; zero means for ever.
    pub retention_days: u32,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Record for Archive {
    const NOUN: &'static str = "event-archive";
}

/// How a replay stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReplayState {
    /// It was asked for.
    Starting,
    /// It is at work.
    Running,
    /// It is to stop.
    Cancelling,
    /// Everything was handed to its targets.
    Completed,
    /// It was stopped.
    Cancelled,
    /// It cannot go on; the reason says why.
    Failed,
}

impl ReplayState {
    /// Every state, by EventBridge's name of it.
    pub const ALL: [(&'static str, Self); 6] = [
        ("STARTING", Self::Starting),
        ("RUNNING", Self::Running),
        ("CANCELLING", Self::Cancelling),
        ("COMPLETED", Self::Completed),
        ("CANCELLED", Self::Cancelled),
        ("FAILED", Self::Failed),
    ];

    /// EventBridge's name of it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Cancelling => "CANCELLING",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }

    /// Whether there is still something to do.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Cancelling)
    }
}

/// A replay: the events of an archive in a window of time, to rules of its bus once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// Its name.
    pub name: String,
    /// What people say about it.
    pub description: Option<String>,
    /// The archive, as it was when the replay was asked for.
    pub archive: Archive,
    /// The first instant of the window.
    pub from: Timestamp,
    /// The first instant after the window.
    pub to: Timestamp,
    /// The rules it goes to, as ARNs; none means all.
    pub filter_arns: Vec<String>,
    /// How it stands.
    pub state: ReplayState,
    /// Why it stands so, if there is more to say.
    pub state_reason: Option<String>,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Everything up to here has been handed to its targets, or has a row.
    pub cursor: u64,
    /// The last event of the log when it was asked for.
    pub last: u64,
    /// The time of the last event that was handed over.
    pub last_replayed: Option<Timestamp>,
}

impl Record for Replay {
    const NOUN: &'static str = "event-replay";
}
