//! Tags of buses and rules.

use super::{ControlPlane, Refusal, RuleRecord, Tables, Tags, buses, rule_key};
use crate::arn::Named;
use contracts::envelope::DEFAULT_BUS;

/// The most tags of a thing (AWS's limit).
const TAGS_MAX: usize = 50;

impl ControlPlane {
    /// Adds tags to a bus or a rule, or gives them other values.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn tag_resource(&self, arn: &str, tags: Tags) -> Result<(), Refusal> {
        self.change_tags(arn, |held| held.extend(tags)).await
    }

    /// Removes tags from a bus or a rule.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn untag_resource(&self, arn: &str, keys: &[String]) -> Result<(), Refusal> {
        self.change_tags(arn, |held| held.retain(|key, _| !keys.contains(key))).await
    }

    /// The tags of a bus or a rule.
    ///
    /// # Errors
    /// `ResourceNotFound`, `Validation`.
    pub async fn list_tags(&self, arn: &str) -> Result<Tags, Refusal> {
        let tables = self.tables.read().await;
        match tagged(arn)? {
            Tagged::Bus(bus) => {
                tables.check_bus(&bus)?;
                Ok(tables.buses.get(&bus).map(|bus| bus.tags.clone()).unwrap_or_default())
            }
            Tagged::Rule { bus, name } => match self.built_in(&bus, &name) {
                Some(_) => Ok(Tags::new()),
                None => tables.rule(&bus, &name).map(|rule| rule.tags.clone()),
            },
        }
    }

    async fn change_tags(
        &self,
        arn: &str,
        change: impl FnOnce(&mut Tags) + Send,
    ) -> Result<(), Refusal> {
        let mut tables = self.tables.write().await;
        match tagged(arn)? {
            Tagged::Bus(bus) => {
                tables.check_bus(&bus)?;
                let mut record = tables.buses.get(&bus).cloned();
                let mut record = record.take().unwrap_or_else(buses::default_bus);
                changed(&mut record.tags, change)?;
                Ok(tables.buses.put(self.store(), &bus, record).await?)
            }
            Tagged::Rule { bus, name } => {
                self.check_not_built_in(&bus, &name)?;
                let mut record: RuleRecord = tables.rule(&bus, &name)?.clone();
                changed(&mut record.tags, change)?;
                let Tables { rules, .. } = &mut *tables;
                Ok(rules.put(self.store(), &rule_key(&bus, &name), record).await?)
            }
        }
    }
}

enum Tagged {
    Bus(String),
    Rule { bus: String, name: String },
}

fn tagged(arn: &str) -> Result<Tagged, Refusal> {
    match Named::read(arn) {
        Some(Named::Bus(bus)) => Ok(Tagged::Bus(bus)),
        Some(Named::Rule { bus, name }) => Ok(Tagged::Rule { bus, name }),
        Some(Named::Archive(_) | Named::Replay(_)) | None => Err(Refusal::parameter(
            "ResourceARN",
            format!("it is the ARN of no event bus and no rule, like those of {DEFAULT_BUS}."),
        )),
    }
}

fn changed(tags: &mut Tags, change: impl FnOnce(&mut Tags)) -> Result<(), Refusal> {
    change(tags);
    if tags.len() > TAGS_MAX { Err(Refusal::too_many()) } else { Ok(()) }
}
