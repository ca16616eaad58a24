//! The desk as an operator sees it: which steps wait, and letting one of them go on now.
//!
//! Owns: what is shown of a wait: all but its token. Does not own: when a step goes on by itself.

use super::record::{self, ALL, ALL_WAITS, Wait};
use super::service::{Answered, Desk, answer};
use contracts::Timestamp;
use ports::store::{Cursor, Found, Item, Page};
use ports::{Error, Kind, Result, SagaEngine};

/// A step that waits for an outage to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspended {
    /// Names the wait.
    pub id: String,
    /// The function that the step calls.
    pub function: String,
    /// The state that is to be tried again.
    pub step: String,
    /// What it failed with.
    pub error: String,
    /// How often it was rejected, from one, if it was so this time; else how often it met another
    /// outage.
    pub round: u32,
    /// Since when it waits.
    pub since: Timestamp,
    /// From when on it goes on by itself, if its breaker lets it.
    pub due: Timestamp,
    /// The name of the execution that waits, where it was told.
    pub execution: Option<String>,
}

impl From<Wait> for Suspended {
    fn from(wait: Wait) -> Self {
        Self {
            id: wait.id(),
            since: wait.since,
            due: wait.due,
            function: wait.step.function,
            step: wait.step.step,
            error: wait.step.error,
            round: wait.step.round,
            execution: wait.step.execution,
        }
    }
}

impl Desk {
    /// Lists the steps that wait, the oldest first.
    ///
    /// # Errors
    /// `Invalid` for a cursor that the store did not make. `Unavailable`, `Corrupt`.
    pub async fn waits(&self, limit: usize, after: Option<Cursor>) -> Result<Page<Suspended>> {
        let page = self.page(ALL_WAITS, ALL, limit, after).await?;
        let waits = page.items.iter().map(|found| Wait::read(&found.item).map(Suspended::from));
        Ok(Page { items: waits.collect::<Result<_>>()?, next: page.next })
    }

    /// Reads a wait; `None` when nothing waits under this id any more.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub async fn wait(&self, id: &str) -> Result<Option<Suspended>> {
        Ok(self.find(id).await?.as_ref().map(Wait::read).transpose()?.map(Suspended::from))
    }

    /// Lets a step go on now, whatever its breaker says; answers whether it waited.
    ///
    /// Called twice, the second time finds nobody waiting.
    ///
    /// # Errors
    /// `Unavailable` when the machine cannot be told: it keeps waiting. The store's.
    pub async fn resume(&self, sagas: &dyn SagaEngine, id: &str) -> Result<bool> {
        let Some(item) = self.find(id).await? else {
            return Ok(false);
        };
        let answered = answer(sagas, &Wait::read(&item)?).await;
        if answered == Answered::Kept {
            return Err(Error::new(Kind::Unavailable, "tell a machine to go back to its step"));
        }
        self.remove(&Found { partition: record::wait_partition(id), item }).await;
        Ok(answered == Answered::WentOn)
    }

    async fn find(&self, id: &str) -> Result<Option<Item>> {
        let items = self.store.items(&record::wait_partition(id), &[record::ITEM]).await?;
        Ok(items.into_iter().flatten().next())
    }
}
