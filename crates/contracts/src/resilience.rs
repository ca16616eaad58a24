//! What the circuit breakers of a fleet say of themselves.

use crate::envelope::fact;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Whether an operator has taken the judgement away from a breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerMode {
    /// The breaker judges.
    #[default]
    Judging,
    /// The breaker judges and shows its state, but every call is made.
    Shadow,
    /// No call is made.
    ForcedOpen,
    /// Every call is made and none is counted.
    Disabled,
}

/// The calls of a fleet within the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallsSeen {
    /// All of them, but for those that say nothing about who was called.
    pub calls: u32,
    /// Those that failed.
    pub failures: u32,
    /// Those that took too long, whatever they answered.
    pub slow: u32,
}

/// No calls are made for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerOpened {
    /// Which breaker, by the name of what it guards.
    pub breaker: String,
    /// The number of this transition among the breaker's.
    pub generation: u64,
    /// The instance that wrote it.
    pub by: String,
    /// When the next probe may go.
    pub until: Timestamp,
    /// How often it has opened since it was last closed, this time included.
    pub openings: u32,
    /// The calls that opened it; absent when a probe did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<CallsSeen>,
}

/// A few calls are made, to see whether they work again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerHalfOpened {
    /// Which breaker, by the name of what it guards.
    pub breaker: String,
    /// The number of this transition among the breaker's.
    pub generation: u64,
    /// The instance that wrote it.
    pub by: String,
}

/// All calls are made again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerClosed {
    /// Which breaker, by the name of what it guards.
    pub breaker: String,
    /// The number of this transition among the breaker's.
    pub generation: u64,
    /// The instance that wrote it.
    pub by: String,
}

/// An operator gave the judgement to a breaker, or took it away; it starts closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerSwitched {
    /// Which breaker, by the name of what it guards.
    pub breaker: String,
    /// The number of this transition among the breaker's.
    pub generation: u64,
    /// The instance that wrote it.
    pub by: String,
    /// How it judges from now on.
    pub mode: BreakerMode,
}

fact!("ordersaga.resilience", BreakerOpened, BreakerHalfOpened, BreakerClosed, BreakerSwitched,);
