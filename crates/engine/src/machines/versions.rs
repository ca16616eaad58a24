//! Versions of state machines: revisions that never change.

use super::record::{VERSIONS, Version, version_item};
use super::{
    Machine, MachineRefusal, Machines, ascending, lost_race, no_resource, put_machine, put_version,
    records,
};
use crate::arn::{MachineRef, Qualifier};
use ports::store::{Cursor, Direction, Expect, PAGE_MAX, Page, Query, Write};

/// How many versions a machine keeps at most.
const VERSIONS_MAX: usize = 1_000;

impl Machines {
    /// Publishes the newest revision; publishing the same one again answers the version it has.
    ///
    /// # Errors
    /// `Conflict` when `revision` is given and is not the newest.
    pub async fn publish_version(
        &self,
        name: &str,
        revision: Option<&str>,
        description: Option<String>,
    ) -> Result<Version, MachineRefusal> {
        let mut races = 0;
        loop {
            let (mut machine, item) = self.machine(name).await?;
            if revision.is_some() && revision != machine.revision.as_deref() {
                let what = "the revision is not the newest one of the state machine";
                return Err(MachineRefusal::Conflict(what.to_owned()));
            }
            if let Some(published) = self.published(&machine).await? {
                return Ok(published);
            }
            self.has_room(name).await?;
            machine.versions += 1;
            let version = machine.version(machine.versions, description.clone(), self.clock.now());
            let writes = vec![
                put_version(name, &version),
                put_machine(&machine, Expect::Version(item.version)),
            ];
            let written = self.commit(name, writes).await;
            if !lost_race(&written, &mut races) {
                return written.map(|()| version).map_err(Into::into);
            }
        }
    }

    /// The version that the newest revision has already.
    async fn published(&self, machine: &Machine) -> Result<Option<Version>, MachineRefusal> {
        let newest = self.item(&machine.name, &version_item(machine.versions)).await?;
        let newest = newest.as_ref().map(Version::read).transpose()?;
        Ok(newest.filter(|version| version.revision == machine.revision))
    }

    async fn has_room(&self, name: &str) -> Result<(), MachineRefusal> {
        let (mut count, mut after) = (0, None);
        loop {
            let page = self.versions(name, PAGE_MAX, after).await?;
            count += page.items.len();
            after = page.next;
            if count >= VERSIONS_MAX {
                let what = format!("a state machine has at most {VERSIONS_MAX} versions");
                return Err(MachineRefusal::ServiceQuotaExceeded(what));
            }
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// A version of a machine.
    ///
    /// # Errors
    /// `StateMachineDoesNotExist`.
    pub async fn version(&self, machine: &str, number: u64) -> Result<Version, MachineRefusal> {
        let item = self.item(machine, &version_item(number)).await?;
        let absent = || {
            let qualifier = Qualifier::Version(number);
            let which = MachineRef { name: machine.to_owned(), qualifier };
            MachineRefusal::StateMachineDoesNotExist(which.arn())
        };
        Ok(Version::read(&item.ok_or_else(absent)?)?)
    }

    /// Lists a machine's versions, the newest first.
    ///
    /// # Errors
    /// `Invalid` for a cursor that this list did not make.
    pub async fn versions(
        &self,
        machine: &str,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<Version>, MachineRefusal> {
        let page = self
            .page(Query {
                direction: Direction::Descending,
                ..ascending(VERSIONS, machine, limit, after)
            })
            .await?;
        records::read_page(page, Version::read).map_err(Into::into)
    }

    /// Deletes a version that no alias leads to; deleting one that is not there is deleting it.
    ///
    /// # Errors
    /// `Conflict` when an alias leads to it.
    pub async fn delete_version(&self, machine: &str, number: u64) -> Result<(), MachineRefusal> {
        let mut races = 0;
        loop {
            let Some(item) = self.item(machine, &version_item(number)).await? else {
                return Ok(());
            };
            let mut after = None;
            loop {
                let page = self.aliases(machine, PAGE_MAX, after).await?;
                let leads = |alias: &super::Alias| alias.routes.iter().any(|r| r.version == number);
                if let Some(alias) = page.items.iter().find(|alias| leads(alias)) {
                    let what = format!("the alias '{}' leads to version {number}", alias.name);
                    return Err(MachineRefusal::Conflict(what));
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            let expect = Expect::Version(item.version);
            let delete = Write::Delete { name: version_item(number), expect };
            let written = self.commit(machine, vec![delete]).await;
            if !lost_race(&written, &mut races) {
                return written.map_err(|error| no_resource(error.into()));
            }
        }
    }
}
