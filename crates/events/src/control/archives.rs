//! Archives: views of the event log.

use super::{Archive, ControlPlane, Page, PageOf, Refusal, Span};
use crate::arn::Named;
use crate::pattern::Pattern;
use crate::selector::Selector;
use ports::bus::entry_bytes;
use std::collections::BTreeMap;

/// The most archives.
const ARCHIVES_MAX: usize = 1_000;

/// The most changes of an archive's pattern: each is kept, for it tells which events it has.
const SPANS_MAX: usize = 100;

/// The most events that one call counts; what is left is counted by the next call.
const COUNT_MAX: usize = 100_000;

/// The most events read at once while counting.
const PAGE_EVENTS: usize = 1_000;

/// An archive to make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewArchive {
    /// Its name.
    pub name: String,
    /// The ARN of the bus.
    pub source_arn: String,
    /// What people say about it.
    pub description: Option<String>,
    /// Which events, as text; absent means all.
    pub pattern: Option<String>,
    /// For how many days; zero means for ever.
    pub retention_days: u32,
}

/// What is to change about an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArchiveUpdate {
    /// What people say about it.
    pub description: Option<String>,
    /// Which events from now on, as text.
    pub pattern: Option<String>,
    /// For how many days.
    pub retention_days: Option<u32>,
}

/// An archive as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveDescription {
    /// Its ARN.
    pub arn: String,
    /// The ARN of its bus.
    pub source_arn: String,
    /// What is known about it.
    pub archive: Archive,
    /// How many events it has, as far as they were counted.
    pub events: u64,
    /// How large they are.
    pub bytes: u64,
}

/// How many events the archives have, as far as they were counted.
pub(super) type Counts = BTreeMap<String, Count>;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    to: u64,
    events: u64,
    bytes: u64,
}

impl Archive {
    /// The pattern of today, as written.
    #[must_use]
    pub fn pattern(&self) -> Option<&str> {
        self.spans.last()?.pattern.as_deref()
    }
}

impl ControlPlane {
    /// Makes an archive of the events that come from now on.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn create_archive(&self, new: NewArchive) -> Result<ArchiveDescription, Refusal> {
        let bus = source_bus(&new.source_arn)?;
        if let Some(pattern) = &new.pattern {
            Pattern::parse(pattern)?;
        }
        let mut tables = self.tables.write().await;
        tables.check_bus(&bus)?;
        if tables.archives.get(&new.name).is_some() {
            let said = format!("Archive {} already exists.", new.name);
            return Err(Refusal::ResourceAlreadyExists(said));
        }
        if tables.archives.len() >= ARCHIVES_MAX {
            return Err(Refusal::too_many());
        }
        let after = self.ports.log.last().await?;
        let archive = Archive {
            name: new.name.clone(),
            bus,
            description: new.description,
            spans: vec![Span { after, pattern: new.pattern }],
            retention_days: new.retention_days,
            created_at: self.ports.clock.now(),
        };
        tables.archives.put(self.store(), &new.name, archive.clone()).await?;
        tables.counts.remove(&new.name);
        Ok(self.shown_archive(archive, Count::default()))
    }

    /// Changes an archive; another pattern counts for the events that come from now on.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn update_archive(
        &self,
        name: &str,
        update: ArchiveUpdate,
    ) -> Result<ArchiveDescription, Refusal> {
        if update == ArchiveUpdate::default() {
            let said =
                "At least one of EventPattern, RetentionDays or Description must be provided.";
            return Err(Refusal::Validation(said.to_owned()));
        }
        if let Some(pattern) = &update.pattern {
            Pattern::parse(pattern)?;
        }
        let mut tables = self.tables.write().await;
        let archive = tables.archives.get(name).ok_or_else(|| Refusal::no_archive(name))?;
        let mut archive = archive.clone();
        if update.pattern.is_some() && update.pattern.as_deref() != archive.pattern() {
            if archive.spans.len() >= SPANS_MAX {
                return Err(Refusal::too_many());
            }
            let after = self.ports.log.last().await?;
            archive.spans.push(Span { after, pattern: update.pattern });
        }
        archive.description = update.description.or(archive.description);
        archive.retention_days = update.retention_days.unwrap_or(archive.retention_days);
        tables.archives.put(self.store(), name, archive.clone()).await?;
        let count = tables.counts.get(name).copied().unwrap_or_default();
        Ok(self.shown_archive(archive, count))
    }

    /// Removes an archive; the events stay in the log.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn delete_archive(&self, name: &str) -> Result<(), Refusal> {
        let mut tables = self.tables.write().await;
        if tables.archives.get(name).is_none() {
            return Err(Refusal::no_archive(name));
        }
        tables.archives.remove(self.store(), name).await?;
        tables.counts.remove(name);
        Ok(())
    }

    /// Shows an archive.
    ///
    /// # Errors
    /// `ResourceNotFound`; the log's.
    pub async fn describe_archive(&self, name: &str) -> Result<ArchiveDescription, Refusal> {
        let archive = self.tables.read().await.archives.get(name).cloned();
        let archive = archive.ok_or_else(|| Refusal::no_archive(name))?;
        let count = self.count(&archive).await?;
        Ok(self.shown_archive(archive, count))
    }

    /// Lists archives by name; only those of one bus, if its ARN is given.
    ///
    /// # Errors
    /// `ResourceNotFound`, a token of another listing; the log's.
    pub async fn list_archives(
        &self,
        source_arn: Option<&str>,
        page: &Page,
    ) -> Result<PageOf<ArchiveDescription>, Refusal> {
        let tables = self.tables.read().await;
        let bus = source_arn.map(source_bus).transpose()?;
        if let Some(bus) = &bus {
            tables.check_bus(bus)?;
        }
        let archives = tables.archives.beginning("");
        let archives = archives.filter(|(_, one)| bus.as_ref().is_none_or(|bus| *bus == one.bus));
        let found = page.of(archives.map(|(name, one)| (name.to_owned(), one.clone())))?;
        drop(tables);
        let mut entries = Vec::with_capacity(found.entries.len());
        for archive in found.entries {
            let count = self.count(&archive).await?;
            entries.push(self.shown_archive(archive, count));
        }
        Ok(PageOf { entries, next: found.next })
    }

    /// Counts an archive's events from where it was counted to.
    async fn count(&self, archive: &Archive) -> Result<Count, Refusal> {
        let known = self.tables.read().await.counts.get(&archive.name).copied();
        let from = archive.spans.first().map_or(0, |span| span.after);
        let mut count = known.unwrap_or(Count { to: from, ..Count::default() });
        let Some(selector) = Selector::of(archive, &self.home) else {
            return Ok(count);
        };
        for _ in 0..COUNT_MAX / PAGE_EVENTS {
            let page = self.ports.log.after(count.to, PAGE_EVENTS).await?;
            let Some(last) = page.last() else {
                break;
            };
            count.to = last.sequence;
            for archived in page.iter().filter(|archived| selector.has(archived)) {
                count.events += 1;
                count.bytes += entry_bytes(&archived.envelope) as u64;
            }
        }
        let mut tables = self.tables.write().await;
        if tables.archives.get(&archive.name) == Some(archive) {
            tables.counts.insert(archive.name.clone(), count);
        }
        Ok(count)
    }

    fn shown_archive(&self, archive: Archive, count: Count) -> ArchiveDescription {
        ArchiveDescription {
            arn: self.home.archive(&archive.name),
            source_arn: self.home.bus(&archive.bus),
            archive,
            events: count.events,
            bytes: count.bytes,
        }
    }
}

fn source_bus(arn: &str) -> Result<String, Refusal> {
    match Named::read(arn) {
        Some(Named::Bus(bus)) => Ok(bus),
        Some(Named::Rule { .. } | Named::Archive(_) | Named::Replay(_)) | None => {
            Err(Refusal::parameter("EventSourceArn", "Must contain an event bus ARN."))
        }
    }
}
