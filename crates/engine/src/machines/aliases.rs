//! Aliases of state machines: names that lead to one version, or to two by weight.

use super::record::{ALIASES, Alias, Route, alias_item, version_item};
use super::{MachineRefusal, Machines, ascending, check_name, lost_race, put, records};
use crate::arn::{MachineRef, Qualifier};
use ports::Kind;
use ports::store::{Cursor, Expect, Item, Page, Write};

/// How many aliases a machine has at most.
const ALIASES_MAX: usize = 100;
/// How many versions an alias leads to at most.
const ROUTES_MAX: usize = 2;

/// What changes of an alias; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct AliasChange {
    /// Another description.
    pub description: Option<String>,
    /// Other routes.
    pub routes: Option<Vec<Route>>,
}

impl Machines {
    /// Creates an alias. Creating the same one twice is creating it once.
    ///
    /// # Errors
    /// `Conflict` when the name leads elsewhere; `ResourceNotFound` for a version that is not
    /// there; `Validation`.
    pub async fn create_alias(
        &self,
        machine: &str,
        name: &str,
        description: Option<String>,
        routes: Vec<Route>,
    ) -> Result<Alias, MachineRefusal> {
        check_name(name)?;
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            let why = "an alias must not be a number: that is a version";
            return Err(MachineRefusal::InvalidName { name: name.to_owned(), why });
        }
        self.machine(machine).await.map_err(super::no_resource)?;
        self.check_routes(machine, &routes).await?;
        let page = self.aliases(machine, ALIASES_MAX, None).await?;
        if page.items.len() >= ALIASES_MAX && page.items.iter().all(|alias| alias.name != name) {
            let what = format!("a state machine has at most {ALIASES_MAX} aliases");
            return Err(MachineRefusal::ServiceQuotaExceeded(what));
        }
        let alias = Alias::new(name, description, routes, self.clock.now());
        match self.commit(machine, vec![put_alias(machine, &alias, Expect::Absent)]).await {
            Ok(()) => Ok(alias),
            Err(error) if error.kind() == Kind::Conflict => {
                let there = self.alias(machine, name).await?;
                let same =
                    (&there.routes, &there.description) == (&alias.routes, &alias.description);
                let what = format!("the alias '{name}' exists and differs");
                if same { Ok(there) } else { Err(MachineRefusal::Conflict(what)) }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Changes an alias.
    ///
    /// # Errors
    /// As [`Machines::create_alias`].
    pub async fn update_alias(
        &self,
        machine: &str,
        name: &str,
        change: AliasChange,
    ) -> Result<Alias, MachineRefusal> {
        if let Some(routes) = &change.routes {
            self.check_routes(machine, routes).await?;
        }
        let mut races = 0;
        loop {
            let (mut alias, item) = self.found_alias(machine, name).await?;
            alias.description = change.description.clone().or(alias.description);
            alias.routes = change.routes.clone().unwrap_or(alias.routes);
            alias.updated_at = self.clock.now();
            let write = put_alias(machine, &alias, Expect::Version(item.version));
            let written = self.commit(machine, vec![write]).await;
            if !lost_race(&written, &mut races) {
                return written.map(|()| alias).map_err(Into::into);
            }
        }
    }

    /// Deletes an alias.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    pub async fn delete_alias(&self, machine: &str, name: &str) -> Result<(), MachineRefusal> {
        let mut races = 0;
        loop {
            let (_, item) = self.found_alias(machine, name).await?;
            let expect = Expect::Version(item.version);
            let delete = Write::Delete { name: alias_item(name), expect };
            let written = self.commit(machine, vec![delete]).await;
            if !lost_race(&written, &mut races) {
                return written.map_err(Into::into);
            }
        }
    }

    /// An alias of a machine.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    pub async fn alias(&self, machine: &str, name: &str) -> Result<Alias, MachineRefusal> {
        self.found_alias(machine, name).await.map(|(alias, _)| alias)
    }

    async fn found_alias(
        &self,
        machine: &str,
        name: &str,
    ) -> Result<(Alias, Item), MachineRefusal> {
        let item = self.item(machine, &alias_item(name)).await?;
        let absent = || {
            let qualifier = Qualifier::Alias(name.to_owned());
            let which = MachineRef { name: machine.to_owned(), qualifier };
            MachineRefusal::ResourceNotFound(which.arn())
        };
        let item = item.ok_or_else(absent)?;
        Ok((Alias::read(&item)?, item))
    }

    /// Lists a machine's aliases by name.
    ///
    /// # Errors
    /// `Invalid` for a cursor that this list did not make.
    pub async fn aliases(
        &self,
        machine: &str,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<Alias>, MachineRefusal> {
        let page = self.page(ascending(ALIASES, machine, limit, after)).await?;
        records::read_page(page, Alias::read).map_err(Into::into)
    }

    async fn check_routes(&self, machine: &str, routes: &[Route]) -> Result<(), MachineRefusal> {
        let invalid = |what: &str| Err(MachineRefusal::Validation(what.to_owned()));
        if routes.is_empty() || routes.len() > ROUTES_MAX {
            return invalid("an alias leads to one version or to two");
        }
        if routes.iter().map(|route| u32::from(route.weight)).sum::<u32>() != 100 {
            return invalid("the weights of an alias must add up to 100");
        }
        if let [one, other] = routes
            && one.version == other.version
        {
            return invalid("an alias cannot lead to the same version twice");
        }
        for route in routes {
            if self.item(machine, &version_item(route.version)).await?.is_none() {
                let qualifier = Qualifier::Version(route.version);
                let which = MachineRef { name: machine.to_owned(), qualifier };
                return Err(MachineRefusal::ResourceNotFound(which.arn()));
            }
        }
        Ok(())
    }
}

fn put_alias(machine: &str, alias: &Alias, expect: Expect) -> Write {
    put(alias_item(&alias.name), expect, alias, alias.indexes(machine))
}
