//! Activities: tasks that workers come for.
//!
//! Owns: which activities there are, and bringing a task that waits together with a worker that
//! polls. Does not own: the task; that it was taken is an input of its execution, and the worker
//! gets it once that is durable.

mod desk;

pub use desk::ActivityTask;
pub(crate) use desk::{Desk, Taken};

use crate::arn::{activity_arn, activity_of};
use crate::machines::{MachineRefusal, check_name, no_resource, tagged, untagged};
use crate::records;
use asl::{Program, Resource};
use contracts::Timestamp;
use ports::store::{
    Change, Cursor, Direction, Expect, IndexKey, Item, Page, Partition, Query, Write,
};
use ports::{Clock, Error, Kind, Store, record};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The version of an activity's record.
const RECORD: u32 = 1;
/// The index of all activities.
const ACTIVITIES: &str = "activities";
/// The only group of [`ACTIVITIES`].
const ALL: &str = "all";
/// The item that holds an activity.
const ITEM: &str = "activity";

/// An activity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    v: u32,
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// `encryptionConfiguration` as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Value>,
    /// What people wrote on it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl Activity {
    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        activity_arn(&self.name)
    }

    fn read(item: &Item) -> Result<Self, Error> {
        record::read(item, "an activity", RECORD)
    }

    fn put(&self, expect: Expect) -> Write {
        let place = IndexKey { index: ACTIVITIES, key: ALL.to_owned(), sort: self.name.clone() };
        Write::Put {
            name: ITEM.to_owned(),
            expect,
            body: record::text(self),
            indexes: vec![place],
            expires_at: None,
        }
    }
}

/// All activities.
pub struct Activities {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    pub(crate) desk: Desk,
}

impl Activities {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, desk: Desk::default() }
    }

    /// Creates an activity; creating the same one twice is creating it once.
    ///
    /// # Errors
    /// See [`MachineRefusal`].
    pub async fn create(
        &self,
        name: &str,
        encryption: Option<Value>,
        tags: BTreeMap<String, String>,
    ) -> Result<Activity, MachineRefusal> {
        check_name(name)?;
        let tags = tagged(BTreeMap::new(), tags)?;
        let created_at = self.clock.now();
        let activity = Activity { v: RECORD, name: name.to_owned(), created_at, encryption, tags };
        match self.commit(name, activity.put(Expect::Absent)).await {
            Ok(()) => Ok(activity),
            Err(error) if error.kind() == Kind::Conflict => {
                let (there, _) = self.found(name).await?;
                let same = there.encryption == activity.encryption;
                let arn = there.arn();
                if same { Ok(there) } else { Err(MachineRefusal::ActivityAlreadyExists(arn)) }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// An activity.
    ///
    /// # Errors
    /// `ActivityDoesNotExist`.
    pub async fn describe(&self, name: &str) -> Result<Activity, MachineRefusal> {
        self.found(name).await.map(|(activity, _)| activity)
    }

    /// Lists activities by name.
    ///
    /// # Errors
    /// `Invalid` for a cursor that this list did not make.
    pub async fn list(
        &self,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<Activity>, MachineRefusal> {
        let (key, direction) = (ALL.to_owned(), Direction::Ascending);
        let query = Query { index: ACTIVITIES, key, direction, limit, after };
        let page = records::page(&*self.store, query).await?;
        records::read_page(page, Activity::read).map_err(Into::into)
    }

    /// Deletes an activity; deleting one that is not there is deleting it.
    ///
    /// # Errors
    /// `World`.
    pub async fn delete(&self, name: &str) -> Result<(), MachineRefusal> {
        let item = records::item(&*self.store, &partition(name), ITEM).await?;
        let Some(item) = item else { return Ok(()) };
        let expect = Expect::Version(item.version);
        self.commit(name, Write::Delete { name: ITEM.to_owned(), expect }).await?;
        Ok(())
    }

    /// Writes tags on an activity; a tag of the same key is replaced.
    ///
    /// # Errors
    /// See [`MachineRefusal`].
    pub async fn tag(
        &self,
        name: &str,
        tags: BTreeMap<String, String>,
    ) -> Result<(), MachineRefusal> {
        let (mut activity, item) = self.found(name).await.map_err(no_resource)?;
        activity.tags = tagged(activity.tags, tags)?;
        Ok(self.commit(name, activity.put(Expect::Version(item.version))).await?)
    }

    /// Takes tags off an activity; one that is not there is off.
    ///
    /// # Errors
    /// See [`MachineRefusal`].
    pub async fn untag(&self, name: &str, keys: &[String]) -> Result<(), MachineRefusal> {
        let (mut activity, item) = self.found(name).await.map_err(no_resource)?;
        activity.tags = untagged(activity.tags, keys);
        Ok(self.commit(name, activity.put(Expect::Version(item.version))).await?)
    }

    /// The ARNs of the activities that a program names and that do not exist.
    pub(crate) async fn absent(&self, program: &Program) -> Result<Vec<Arc<str>>, Error> {
        let mut absent = Vec::new();
        for resource in program.resources() {
            if let Resource::Activity { arn } = resource {
                let name = activity_of(arn).unwrap_or_default();
                if records::item(&*self.store, &partition(name), ITEM).await?.is_none() {
                    absent.push(Arc::clone(arn));
                }
            }
        }
        Ok(absent)
    }

    async fn found(&self, name: &str) -> Result<(Activity, Item), MachineRefusal> {
        let item = records::item(&*self.store, &partition(name), ITEM).await?;
        let absent = || MachineRefusal::ActivityDoesNotExist(activity_arn(name));
        let item = item.ok_or_else(absent)?;
        Ok((Activity::read(&item)?, item))
    }

    async fn commit(&self, name: &str, write: Write) -> Result<(), Error> {
        let change = Change { partition: partition(name), writes: vec![write], outbox: Vec::new() };
        self.store.commit(change).await
    }
}

fn partition(name: &str) -> Partition {
    Partition::of("activity", name)
}
