//! State machines: their revisions, versions and aliases.
//!
//! Owns: creating, changing and deleting them, and which program a start runs by. Does not own:
//! executions; a running one keeps its definition whatever happens to its machine.
//!
//! What is stored are records of the store port ([`record`]); every change is one conditional
//! write, and a change that lost a race is decided anew.

mod aliases;
mod record;
mod refusal;
mod tags;
mod versions;

pub use aliases::AliasChange;
pub use record::{Alias, Machine, MachineType, Route, Settings, Version};
pub use refusal::MachineRefusal;
pub(crate) use tags::{tagged, untagged};

use crate::arn::{MachineRef, Qualifier, machine_arn};
use crate::programs::Programs;
use crate::{name, records};
use asl::Program;
use contracts::Timestamp;
use ports::store::{Change, Cursor, Direction, Expect, Item, PAGE_MAX, Page, Query, Write};
use ports::{Clock, Error, Ids, Kind, Store};
use record::{ALIASES, ALL, MACHINE_ITEM, MACHINES, VERSIONS, partition};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// How often a change is decided anew because somebody else was faster.
const RACES_MAX: u32 = 8;

/// A state machine to create.
#[derive(Clone, Debug, Default)]
pub struct NewMachine {
    /// Its name.
    pub name: String,
    /// How its executions live.
    pub machine_type: MachineType,
    /// Its definition, as JSON text.
    pub definition: String,
    /// Role, logging and the like.
    pub settings: Settings,
    /// What people write on it.
    pub tags: BTreeMap<String, String>,
    /// Whether to publish it as version 1 at once, with which description.
    pub publish: Option<Option<String>>,
}

/// What changes of a state machine; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct MachineChange {
    /// Another definition.
    pub definition: Option<String>,
    /// Another role.
    pub role: Option<String>,
    /// Another logging configuration.
    pub logging: Option<serde_json::Value>,
    /// Another tracing configuration.
    pub tracing: Option<serde_json::Value>,
    /// Another encryption configuration.
    pub encryption: Option<serde_json::Value>,
    /// Whether to publish the new revision at once, with which description.
    pub publish: Option<Option<String>>,
}

/// A revision that a start runs by.
#[derive(Clone)]
pub(crate) struct Runs {
    pub(crate) program: Arc<Program>,
    pub(crate) machine_type: MachineType,
    pub(crate) role: String,
    pub(crate) version: Option<u64>,
    pub(crate) alias: Option<String>,
}

/// A machine, version or alias as it is described: with its definition's text.
#[derive(Clone, Debug)]
pub struct Described {
    /// The newest revision of the machine.
    pub machine: Machine,
    /// The version that was asked for, if one was.
    pub version: Option<Version>,
    /// The definition of what was asked for.
    pub definition: String,
    /// The same, compiled.
    pub program: Arc<Program>,
}

/// All state machines.
pub struct Machines {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    pub(crate) programs: Programs,
    /// What was read of newest revisions; whoever changes one takes it out. One process writes.
    newest: Mutex<HashMap<String, Runs>>,
}

impl Machines {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        programs: Programs,
    ) -> Self {
        Self { store, clock, ids, programs, newest: Mutex::default() }
    }

    /// Creates a machine. Creating the same one twice is creating it once; role and tags do not
    /// count. Answers the machine and the version that was published.
    ///
    /// # Errors
    /// See [`MachineRefusal`].
    pub async fn create(
        &self,
        new: NewMachine,
    ) -> Result<(Machine, Option<Version>), MachineRefusal> {
        check_name(&new.name)?;
        let express = new.machine_type == MachineType::Express;
        let program = self.programs.keep(&new.name, &new.definition, express).await?;
        let at = self.clock.now();
        let mut machine =
            Machine::new(&new.name, new.machine_type, program.hash(), new.settings, at);
        machine.tags = tagged(BTreeMap::new(), new.tags)?;
        let mut writes = Vec::new();
        let version = new.publish.map(|description| {
            machine.versions = 1;
            machine.version(1, description, at)
        });
        if let Some(version) = &version {
            writes.push(put_version(&machine.name, version));
        }
        writes.push(put_machine(&machine, Expect::Absent));
        match self.commit(&machine.name, writes).await {
            Ok(()) => Ok((machine, version)),
            Err(error) if error.kind() == Kind::Conflict => self.created_before(machine).await,
            Err(error) => Err(error.into()),
        }
    }

    /// The answer to a creation whose name is taken: the same machine again, or a refusal.
    async fn created_before(
        &self,
        new: Machine,
    ) -> Result<(Machine, Option<Version>), MachineRefusal> {
        let (there, _) = self.machine(&new.name).await?;
        let (mine, theirs) = (&new.settings, &there.settings);
        let same = new.definition == there.definition
            && new.machine_type == there.machine_type
            && (&mine.logging, &mine.tracing, &mine.encryption)
                == (&theirs.logging, &theirs.tracing, &theirs.encryption);
        if !same {
            return Err(MachineRefusal::StateMachineAlreadyExists(there.arn()));
        }
        let version = match new.versions {
            0 => None,
            _ => Some(self.version(&there.name, 1).await?),
        };
        Ok((there, version))
    }

    /// Makes `definition` what new executions of `machine` run by, whether or not it exists.
    ///
    /// # Errors
    /// Every problem of the definition at once.
    pub async fn publish(&self, machine: &str, definition: &str) -> Result<(), MachineRefusal> {
        let name = machine.to_owned();
        let new = NewMachine { name, definition: definition.to_owned(), ..NewMachine::default() };
        match self.create(new).await {
            Err(MachineRefusal::StateMachineAlreadyExists(_)) => {
                let definition = Some(definition.to_owned());
                let change = MachineChange { definition, ..MachineChange::default() };
                self.update(machine, change).await.map(|_| ())
            }
            created => created.map(|_| ()),
        }
    }

    /// Changes a machine: makes a new revision of it. Answers it and the version that was
    /// published.
    ///
    /// # Errors
    /// See [`MachineRefusal`].
    pub async fn update(
        &self,
        name: &str,
        change: MachineChange,
    ) -> Result<(Machine, Option<Version>), MachineRefusal> {
        let mut races = 0;
        loop {
            let (mut machine, item) = self.machine(name).await?;
            let express = machine.machine_type == MachineType::Express;
            if let Some(text) = &change.definition {
                let program = self.programs.keep(name, text, express).await?;
                program.hash().clone_into(&mut machine.definition);
            }
            apply(&mut machine.settings, &change);
            machine.revision = Some(self.ids.fresh().to_string());
            machine.updated_at = self.clock.now();
            let mut writes = Vec::new();
            let version = change.publish.clone().map(|description| {
                machine.versions += 1;
                machine.version(machine.versions, description, machine.updated_at)
            });
            if let Some(version) = &version {
                writes.push(put_version(name, version));
            }
            writes.push(put_machine(&machine, Expect::Version(item.version)));
            let written = self.commit(name, writes).await;
            if !lost_race(&written, &mut races) {
                return written.map(|()| (machine, version)).map_err(Into::into);
            }
        }
    }

    /// Deletes a machine with its versions and aliases. Executions that run go on; deleting one
    /// that is not there is deleting it.
    ///
    /// # Errors
    /// See [`MachineRefusal`].
    pub async fn delete(&self, name: &str) -> Result<(), MachineRefusal> {
        for index in [ALIASES, VERSIONS] {
            while self.delete_page(name, index).await? {}
        }
        let mut races = 0;
        loop {
            let Some(item) = self.item(name, MACHINE_ITEM).await? else {
                return Ok(());
            };
            let name_of_item = MACHINE_ITEM.to_owned();
            let delete =
                Write::Delete { name: name_of_item, expect: Expect::Version(item.version) };
            let written = self.commit(name, vec![delete]).await;
            if !lost_race(&written, &mut races) {
                return written.map_err(Into::into);
            }
        }
    }

    /// Deletes a page of an index; answers whether there was one.
    async fn delete_page(&self, name: &str, index: &'static str) -> Result<bool, Error> {
        let page = self.page(ascending(index, name, PAGE_MAX, None)).await?;
        let writes: Vec<Write> = { page.items.iter() }
            .map(|found| Write::Delete {
                name: found.name.clone(),
                expect: Expect::Version(found.version),
            })
            .collect();
        if writes.is_empty() {
            return Ok(false);
        }
        self.commit(name, writes).await.map(|()| true)
    }

    /// Describes a machine, or one of its versions; an alias is described by the version that
    /// gets most of its starts.
    ///
    /// # Errors
    /// See [`MachineRefusal`].
    pub async fn describe(&self, which: &MachineRef) -> Result<Described, MachineRefusal> {
        let (machine, _) = self.machine(&which.name).await?;
        let version = match &which.qualifier {
            Qualifier::Newest => None,
            Qualifier::Version(number) => Some(self.version(&which.name, *number).await?),
            Qualifier::Alias(alias) => {
                let alias = self.alias(&which.name, alias).await?;
                let most = alias.routes.iter().max_by_key(|route| route.weight);
                let number = most.map_or(0, |route| route.version);
                Some(self.version(&which.name, number).await?)
            }
        };
        let hash = version.as_ref().map_or(&machine.definition, |version| &version.definition);
        let (definition, program) = self.programs.text(hash).await?;
        Ok(Described { machine, version, definition, program })
    }

    /// The text of a definition by its hash.
    ///
    /// # Errors
    /// `World`.
    pub async fn definition(&self, hash: &str) -> Result<String, MachineRefusal> {
        Ok(self.programs.text(hash).await?.0)
    }

    /// Lists machines by name.
    ///
    /// # Errors
    /// `Invalid` for a cursor that this list did not make.
    pub async fn list(
        &self,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<Machine>, MachineRefusal> {
        let page = self.page(ascending(MACHINES, ALL, limit, after)).await?;
        records::read_page(page, Machine::read).map_err(Into::into)
    }

    /// Writes tags on a machine; a tag of the same key is replaced.
    ///
    /// # Errors
    /// See [`MachineRefusal`].
    pub async fn tag(
        &self,
        name: &str,
        tags: BTreeMap<String, String>,
    ) -> Result<(), MachineRefusal> {
        self.retag(name, |there| tagged(there, tags.clone())).await
    }

    /// Takes tags off a machine; one that is not there is off.
    ///
    /// # Errors
    /// See [`MachineRefusal`].
    pub async fn untag(&self, name: &str, keys: &[String]) -> Result<(), MachineRefusal> {
        self.retag(name, |there| Ok(untagged(there, keys))).await
    }

    async fn retag(
        &self,
        name: &str,
        how: impl Fn(BTreeMap<String, String>) -> Result<BTreeMap<String, String>, MachineRefusal>,
    ) -> Result<(), MachineRefusal> {
        let mut races = 0;
        loop {
            let (mut machine, item) = self.machine(name).await.map_err(no_resource)?;
            machine.tags = how(machine.tags)?;
            let write = put_machine(&machine, Expect::Version(item.version));
            let written = self.commit(name, vec![write]).await;
            if !lost_race(&written, &mut races) {
                return written.map_err(Into::into);
            }
        }
    }

    /// What a start runs by; `None` when there is no such machine, version or alias.
    pub(crate) async fn runs(&self, which: &MachineRef) -> Result<Option<Runs>, Error> {
        match &which.qualifier {
            Qualifier::Newest => self.newest(&which.name).await,
            Qualifier::Version(number) => self.runs_version(&which.name, *number, None).await,
            Qualifier::Alias(alias) => {
                let item = self.item(&which.name, &record::alias_item(alias)).await?;
                let Some(alias) = item.as_ref().map(Alias::read).transpose()? else {
                    return Ok(None);
                };
                let number = alias.route(self.ids.seed()).unwrap_or(0);
                self.runs_version(&which.name, number, Some(alias.name)).await
            }
        }
    }

    async fn newest(&self, name: &str) -> Result<Option<Runs>, Error> {
        if let Some(runs) = self.lock().get(name) {
            return Ok(Some(runs.clone()));
        }
        let Some(item) = self.item(name, MACHINE_ITEM).await? else { return Ok(None) };
        let machine = Machine::read(&item)?;
        let runs = Runs {
            program: self.programs.by_hash(&machine.definition).await?,
            machine_type: machine.machine_type,
            role: machine.settings.role,
            version: None,
            alias: None,
        };
        self.lock().insert(name.to_owned(), runs.clone());
        // A change that was committed since the item was read has taken nothing out.
        if self.item(name, MACHINE_ITEM).await?.map(|now| now.version) != Some(item.version) {
            self.lock().remove(name);
        }
        Ok(Some(runs))
    }

    async fn runs_version(
        &self,
        name: &str,
        number: u64,
        alias: Option<String>,
    ) -> Result<Option<Runs>, Error> {
        let Some(newest) = self.newest(name).await? else { return Ok(None) };
        let item = self.item(name, &record::version_item(number)).await?;
        let Some(version) = item.as_ref().map(Version::read).transpose()? else {
            return Ok(None);
        };
        Ok(Some(Runs {
            program: self.programs.by_hash(&version.definition).await?,
            machine_type: newest.machine_type,
            role: version.settings.role,
            version: Some(number),
            alias,
        }))
    }

    async fn machine(&self, name: &str) -> Result<(Machine, Item), MachineRefusal> {
        let item = self.item(name, MACHINE_ITEM).await?;
        let item =
            item.ok_or_else(|| MachineRefusal::StateMachineDoesNotExist(machine_arn(name)))?;
        Ok((Machine::read(&item)?, item))
    }

    async fn item(&self, machine: &str, name: &str) -> Result<Option<Item>, Error> {
        records::item(&*self.store, &partition(machine), name).await
    }

    async fn page(&self, query: Query) -> Result<Page<Item>, Error> {
        records::page(&*self.store, query).await
    }

    async fn commit(&self, machine: &str, writes: Vec<Write>) -> Result<(), Error> {
        let change = Change { partition: partition(machine), writes, outbox: Vec::new() };
        let written = self.store.commit(change).await;
        // Also after a failure: a write whose outcome is unknown may have happened.
        self.lock().remove(machine);
        written
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Runs>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A page of an index, by rising sort key.
fn ascending(index: &'static str, key: &str, limit: usize, after: Option<Cursor>) -> Query {
    Query { index, key: key.to_owned(), direction: Direction::Ascending, limit, after }
}

/// Whether a write lost a race and is to be decided anew.
fn lost_race(written: &Result<(), Error>, races: &mut u32) -> bool {
    *races += 1;
    matches!(written, Err(error) if error.kind() == Kind::Conflict) && *races < RACES_MAX
}

fn apply(settings: &mut Settings, change: &MachineChange) {
    if let Some(role) = &change.role {
        settings.role.clone_from(role);
    }
    for (setting, change) in [
        (&mut settings.logging, &change.logging),
        (&mut settings.tracing, &change.tracing),
        (&mut settings.encryption, &change.encryption),
    ] {
        if change.is_some() {
            setting.clone_from(change);
        }
    }
}

fn put(name: String, expect: Expect, record: &impl Serialize, at: Indexes) -> Write {
    let body = ports::record::text(record);
    Write::Put { name, expect, body, indexes: at, expires_at: None }
}

type Indexes = Vec<ports::store::IndexKey>;

fn put_machine(machine: &Machine, expect: Expect) -> Write {
    put(MACHINE_ITEM.to_owned(), expect, machine, machine.indexes())
}

fn put_version(machine: &str, version: &Version) -> Write {
    let name = record::version_item(version.number);
    put(name, Expect::Absent, version, version.indexes(machine))
}

/// Of a resource that is tagged, it is only said that it is not there.
pub(crate) fn no_resource(refusal: MachineRefusal) -> MachineRefusal {
    match refusal {
        MachineRefusal::StateMachineDoesNotExist(arn)
        | MachineRefusal::ActivityDoesNotExist(arn) => MachineRefusal::ResourceNotFound(arn),
        other => other,
    }
}

/// Checks the name of a machine, an alias or an activity.
pub(crate) fn check_name(text: &str) -> Result<(), MachineRefusal> {
    name::check(text).map_err(|why| MachineRefusal::InvalidName { name: name::shown(text), why })
}

impl Described {
    /// When what was asked for came to be.
    #[must_use]
    pub fn created_at(&self) -> Timestamp {
        self.version.as_ref().map_or(self.machine.created_at, |version| version.created_at)
    }

    /// Role, logging and the like of what was asked for.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        self.version.as_ref().map_or(&self.machine.settings, |version| &version.settings)
    }

    /// The revision of what was asked for.
    #[must_use]
    pub fn revision(&self) -> Option<&str> {
        let version = self.version.as_ref();
        version.map_or(&self.machine.revision, |version| &version.revision).as_deref()
    }
}
