//! Event buses.

use super::{Bus, ControlPlane, Page, PageOf, Refusal, Tags, rule_key};
use crate::arn::queue_named;
use contracts::Timestamp;
use contracts::envelope::DEFAULT_BUS;

/// The most event buses, the default one among them (EventBridge's quota).
const BUSES_MAX: usize = 100;

/// How names of buses begin that AWS keeps for itself.
const RESERVED: &str = "aws.";

/// What can be set about a bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BusSettings {
    /// What people say about it.
    pub description: Option<String>,
    /// The ARN of the queue for events that the bus itself cannot take.
    pub dead_letter_arn: Option<String>,
}

/// A bus as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusDescription {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// What was set about it.
    pub settings: BusSettings,
    /// When it was made; absent for the one that was always there.
    pub created_at: Option<Timestamp>,
    /// When it was changed last.
    pub modified_at: Option<Timestamp>,
}

impl ControlPlane {
    /// Makes a bus.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn create_event_bus(
        &self,
        name: &str,
        settings: BusSettings,
        tags: Tags,
    ) -> Result<BusDescription, Refusal> {
        check_name(name)?;
        check(&settings)?;
        let mut tables = self.tables.write().await;
        if name == DEFAULT_BUS || tables.buses.get(name).is_some() {
            let said = format!("Event bus {name} already exists.");
            return Err(Refusal::ResourceAlreadyExists(said));
        }
        if tables.buses.len() + 1 >= BUSES_MAX {
            return Err(Refusal::too_many());
        }
        let now = self.ports.clock.now();
        let bus = Bus {
            name: name.to_owned(),
            description: settings.description,
            dead_letter_arn: settings.dead_letter_arn,
            created_at: now,
            modified_at: now,
            tags,
        };
        tables.buses.put(self.store(), name, bus.clone()).await?;
        self.reroute(&tables, name);
        Ok(self.shown(&bus))
    }

    /// Changes what is set about a bus; what is not given stays.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn update_event_bus(
        &self,
        name: &str,
        settings: BusSettings,
    ) -> Result<BusDescription, Refusal> {
        check(&settings)?;
        let mut tables = self.tables.write().await;
        tables.check_bus(name)?;
        let mut bus = tables.buses.get(name).cloned().unwrap_or_else(default_bus);
        bus.description = settings.description.or(bus.description);
        bus.dead_letter_arn = settings.dead_letter_arn.or(bus.dead_letter_arn);
        bus.modified_at = self.ports.clock.now();
        tables.buses.put(self.store(), name, bus.clone()).await?;
        Ok(self.shown(&bus))
    }

    /// Removes a bus that has no rules.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn delete_event_bus(&self, name: &str) -> Result<(), Refusal> {
        if name == DEFAULT_BUS {
            return Err(Refusal::Validation(format!("Cannot delete event bus {name}.")));
        }
        let mut tables = self.tables.write().await;
        tables.check_bus(name)?;
        if tables.rules.beginning(&rule_key(name, "")).next().is_some() {
            let said = format!("Event bus {name} can't be deleted since it has rules.");
            return Err(Refusal::Validation(said));
        }
        tables.buses.remove(self.store(), name).await?;
        self.switchboard.replace(|routes| routes.without(name));
        Ok(())
    }

    /// Shows a bus.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    pub async fn describe_event_bus(&self, name: &str) -> Result<BusDescription, Refusal> {
        let tables = self.tables.read().await;
        tables.check_bus(name)?;
        Ok(self.shown(tables.buses.get(name).unwrap_or(&default_bus())))
    }

    /// Lists buses by name.
    ///
    /// # Errors
    /// A token of another listing.
    pub async fn list_event_buses(&self, page: &Page) -> Result<PageOf<BusDescription>, Refusal> {
        let tables = self.tables.read().await;
        let mut buses: Vec<Bus> = tables.buses.beginning("").map(|(_, bus)| bus.clone()).collect();
        if tables.buses.get(DEFAULT_BUS).is_none() {
            buses.push(default_bus());
        }
        buses.sort_by(|a, b| a.name.cmp(&b.name));
        page.of(buses.iter().map(|bus| (bus.name.clone(), self.shown(bus))))
    }

    fn shown(&self, bus: &Bus) -> BusDescription {
        let is_made = bus.created_at > Timestamp::EPOCH;
        BusDescription {
            name: bus.name.clone(),
            arn: self.home.bus(&bus.name),
            settings: BusSettings {
                description: bus.description.clone(),
                dead_letter_arn: bus.dead_letter_arn.clone(),
            },
            created_at: is_made.then_some(bus.created_at),
            modified_at: (bus.modified_at > Timestamp::EPOCH).then_some(bus.modified_at),
        }
    }
}

/// The bus that was always there, as long as nothing was set about it.
pub(super) fn default_bus() -> Bus {
    Bus {
        name: DEFAULT_BUS.to_owned(),
        description: None,
        dead_letter_arn: None,
        created_at: Timestamp::EPOCH,
        modified_at: Timestamp::EPOCH,
        tags: Tags::new(),
    }
}

fn check_name(name: &str) -> Result<(), Refusal> {
    if name.contains('/') || name.starts_with(RESERVED) {
        return Err(Refusal::parameter(
            "Name",
            "the name of a custom event bus has no / and does not start with aws.",
        ));
    }
    Ok(())
}

fn check(settings: &BusSettings) -> Result<(), Refusal> {
    match &settings.dead_letter_arn {
        Some(arn) if queue_named(arn).is_none() => {
            Err(Refusal::parameter("DeadLetterConfig.Arn", "it is not the ARN of an SQS queue."))
        }
        Some(_) | None => Ok(()),
    }
}
