//! Replays: what was asked for, and how far they are.

use super::{ControlPlane, Page, PageOf, Refusal, Replay, ReplayState, names_of};
use crate::arn::Named;
use contracts::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;

/// The most replays that are active at once (EventBridge's quota).
const ACTIVE_MAX: usize = 10;

/// The most rules that a replay can be limited to.
const FILTERS_MAX: usize = 100;

/// How long replays that have ended are shown (as EventBridge).
const SHOWN: Duration = Duration::from_hours(90 * 24);

/// A replay to start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewReplay {
    /// Its name.
    pub name: String,
    /// What people say about it.
    pub description: Option<String>,
    /// The ARN of the archive.
    pub archive_arn: String,
    /// The first instant of the window.
    pub from: Timestamp,
    /// The first instant after the window.
    pub to: Timestamp,
    /// The ARN of the bus that the archive is of.
    pub bus_arn: String,
    /// The rules it goes to, as ARNs; none means all.
    pub filter_arns: Vec<String>,
}

/// Which replays to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayFilter {
    /// Only those in this state.
    pub state: Option<ReplayState>,
    /// Only those of this archive, by its ARN.
    pub archive_arn: Option<String>,
}

impl ControlPlane {
    /// Starts a replay.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn start_replay(&self, new: NewReplay) -> Result<Replay, Refusal> {
        let mut tables = self.tables.write().await;
        let Some(Named::Bus(bus)) = Named::read(&new.bus_arn) else {
            let why = "Must contain an event bus ARN.";
            return Err(Refusal::parameter("Destination.Arn", why));
        };
        tables.check_bus(&bus)?;
        let Some(Named::Archive(archive)) = Named::read(&new.archive_arn) else {
            return Err(Refusal::parameter("EventSourceArn", "Must contain an archive ARN."));
        };
        let Some(archive) = tables.archives.get(&archive).cloned() else {
            let why = format!("Archive {archive} does not exist.");
            return Err(Refusal::parameter("EventSourceArn", why));
        };
        if archive.bus != bus {
            let why = "Cross event bus replay is not permitted.";
            return Err(Refusal::parameter("Destination.Arn", why));
        }
        if new.from >= new.to {
            let why = "EventStartTime must be before EventEndTime.";
            return Err(Refusal::parameter("EventEndTime", why));
        }
        self.check_filters(&new.filter_arns, &bus)?;
        let now = self.ports.clock.now();
        if tables.replays.get(&new.name).is_some() {
            let said = format!("Replay {} already exists.", new.name);
            return Err(Refusal::ResourceAlreadyExists(said));
        }
        let all = || tables.replays.beginning("");
        if all().filter(|(_, replay)| replay.state.is_active()).count() >= ACTIVE_MAX {
            return Err(Refusal::too_many());
        }
        let is_over = |replay: &Replay| replay.ended_at.is_some_and(|at| at.plus(SHOWN) <= now);
        let over: Vec<String> =
            all().filter(|(_, one)| is_over(one)).map(|(name, _)| name.to_owned()).collect();
        for name in over {
            tables.replays.remove(self.store(), &name).await?;
        }
        let replay = Replay {
            name: new.name.clone(),
            description: new.description,
            cursor: archive.spans.first().map_or(0, |span| span.after),
            archive,
            from: new.from,
            to: new.to,
            filter_arns: new.filter_arns,
            state: ReplayState::Starting,
            state_reason: None,
            started_at: now,
            ended_at: None,
            last: self.ports.log.last().await?,
            last_replayed: None,
        };
        tables.replays.put(self.store(), &new.name, replay.clone()).await?;
        self.tell();
        Ok(replay)
    }

    fn check_filters(&self, arns: &[String], bus: &str) -> Result<(), Refusal> {
        if arns.len() > FILTERS_MAX {
            return Err(Refusal::too_many());
        }
        let named = names_of(arns, bus).unwrap_or_default();
        let distinct: BTreeSet<&String> = arns.iter().collect();
        if named.len() != distinct.len() {
            let why = format!("Must contain ARNs of rules of the event bus {bus}.");
            return Err(Refusal::parameter("Destination.FilterArns", why));
        }
        Ok(())
    }

    /// Stops a replay; what is on its way already arrives.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn cancel_replay(&self, name: &str) -> Result<Replay, Refusal> {
        let mut tables = self.tables.write().await;
        let replay = tables.replays.get(name).ok_or_else(|| Refusal::no_replay(name))?;
        let mut replay = replay.clone();
        if !matches!(replay.state, ReplayState::Starting | ReplayState::Running) {
            let said = format!("Replay {name} is not in a valid state for this operation.");
            return Err(Refusal::IllegalStatus(said));
        }
        replay.state = ReplayState::Cancelling;
        tables.replays.put(self.store(), name, replay.clone()).await?;
        self.tell();
        Ok(replay)
    }

    /// Shows a replay.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    pub async fn describe_replay(&self, name: &str) -> Result<Replay, Refusal> {
        let tables = self.tables.read().await;
        tables.replays.get(name).cloned().ok_or_else(|| Refusal::no_replay(name))
    }

    /// Lists replays by name.
    ///
    /// # Errors
    /// A token of another listing.
    pub async fn list_replays(
        &self,
        filter: &ReplayFilter,
        page: &Page,
    ) -> Result<PageOf<Replay>, Refusal> {
        let tables = self.tables.read().await;
        let is_wanted = |replay: &Replay| {
            let archive = self.home.archive(&replay.archive.name);
            filter.state.is_none_or(|state| state == replay.state)
                && filter.archive_arn.as_ref().is_none_or(|arn| *arn == archive)
        };
        let replays = tables.replays.beginning("").filter(|(_, replay)| is_wanted(replay));
        page.of(replays.map(|(name, replay)| (name.to_owned(), replay.clone())))
    }

    /// The replays that have something left to do.
    pub(crate) async fn active_replays(&self) -> Vec<Replay> {
        let tables = self.tables.read().await;
        let replays = tables.replays.beginning("").map(|(_, replay)| replay);
        replays.filter(|replay| replay.state.is_active()).cloned().collect()
    }

    /// Notes how a replay goes on; a change that does not fit its state is none.
    pub(crate) async fn note_replay(
        &self,
        name: &str,
        change: impl FnOnce(&mut Replay) + Send,
    ) -> Result<(), Refusal> {
        let mut tables = self.tables.write().await;
        let Some(before) = tables.replays.get(name) else {
            return Ok(());
        };
        let mut replay = before.clone();
        change(&mut replay);
        if replay == *before {
            return Ok(());
        }
        tables.replays.put(self.store(), name, replay).await?;
        self.tell();
        Ok(())
    }
}

impl Replay {
    /// The names of the rules it goes to; absent means all.
    pub(crate) fn rules(&self) -> Option<BTreeSet<String>> {
        names_of(&self.filter_arns, &self.archive.bus)
    }
}
