//! What the engine keeps beside a head: what listings and descriptions show of an execution and its
//! history does not say.

use contracts::Timestamp;
use ports::journal::Head;
use ports::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How many tokens of redrives are remembered, and for how long.
///
/// Spec: `clientToken` of RedriveExecution.
const REDRIVE_TOKENS_MAX: usize = 10;
const REDRIVE_TOKEN_KEPT: Duration = Duration::from_mins(15);

/// What is kept beside a head.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Annex {
    /// The version of its machine that it was started by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<u64>,
    /// The alias of its machine that it was started by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) alias: Option<String>,
    /// `traceHeader` as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace_header: Option<String>,
    /// The key of the task that started it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) started_by: Option<String>,
    /// The map run that started it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) map_run: Option<String>,
    /// How many items of the map run it works on.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) items: u64,
    /// How often it was redriven.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) redrives: u32,
    /// When it was redriven last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) redriven_at: Option<Timestamp>,
    /// The tokens of the last redrives and when each was used, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) redrive_tokens: Vec<(String, Timestamp)>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Annex {
    /// What a head has beside it.
    pub(crate) fn of(head: &Head) -> Result<Self> {
        let Some(text) = &head.annex else { return Ok(Self::default()) };
        serde_json::from_str(text).map_err(|e| {
            Error::new(Kind::Corrupt, format!("read what is kept beside `{}`", head.id)).because(e)
        })
    }

    /// When a redrive with this token happened, if it is remembered.
    pub(crate) fn redriven_by(&self, token: &str, now: Timestamp) -> Option<Timestamp> {
        let used = self.redrive_tokens.iter().find(|(other, _)| other == token)?.1;
        (now.since(used) <= REDRIVE_TOKEN_KEPT).then_some(used)
    }

    /// Notes that a redrive happened.
    pub(crate) fn redriven(&mut self, token: Option<&str>, at: Timestamp) {
        self.redrives += 1;
        self.redriven_at = Some(at);
        if let Some(token) = token {
            if self.redrive_tokens.len() >= REDRIVE_TOKENS_MAX {
                self.redrive_tokens.remove(0);
            }
            self.redrive_tokens.push((token.to_owned(), at));
        }
    }

    /// As it is kept; nothing where there is nothing to say.
    pub(crate) fn text(&self) -> Option<String> {
        (*self != Self::default()).then(|| ports::record::text(self))
    }
}
