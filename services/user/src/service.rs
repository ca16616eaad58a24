//! What can be done with users: claim the address, load, decide, commit, reply.
//!
//! ```text
//! create: take ─────▶ user ──▶ hold                     (claim lost meanwhile: user removed, 409)
//! update: take both ─▶ user ──▶ hold new ──▶ drop old   (claim lost meanwhile: put back, 409)
//! delete:              user ──▶ drop
//! ```
//!
//! Owns: the order of these steps; why they are safe is told in [`crate::claim`].
//! Does not own: any rule.

use crate::api::{PutUser, UserView};
use crate::claims::Claims;
use crate::email::Email;
use crate::record::{self, Stored};
use crate::user::{self, Command, Event, Rejection, User};
use async_trait::async_trait;
use contracts::envelope::Origin;
use contracts::http::{IdempotencyKey, IfMatch, PageRequest};
use contracts::user::{Contact, UserCreated, UserDeleted, UserUpdated};
use contracts::{Envelope, Timestamp, UserId};
use ports::aggregate::{Aggregates, Decision, Failure};
use ports::directory::Customers;
use ports::store::{Cursor, Direction, Expect, Item, Page, Query, Write};
use ports::{Error, Ids, Kind, Result};
use std::sync::Arc;

/// How often an update looks again because somebody else moved the user to another address.
///
/// Rivals that change nothing but the name do not count; so this bounds a rare race.
const LOST_RACES_MAX: u32 = 8;

/// The users, and what can be done with them.
pub struct Service {
    aggregates: Arc<Aggregates>,
    claims: Claims,
    ids: Arc<dyn Ids>,
}

impl Service {
    /// Makes the service of the users in `aggregates`.
    #[must_use]
    pub fn new(aggregates: Arc<Aggregates>, ids: Arc<dyn Ids>) -> Self {
        let claims = Claims::new(Arc::clone(&aggregates));
        Self { aggregates, claims, ids }
    }

    /// Creates a user; with a key the same one, however often.
    ///
    /// The id derives from the key's scope, so a creation that was cut off goes on where it
    /// stopped: its claim is its own, and its user is there or not.
    ///
    /// # Errors
    /// `EmailTaken`. The world's: the user may be there, and its address is then taken.
    pub async fn create(
        &self,
        request: PutUser,
        key: Option<&IdempotencyKey>,
    ) -> Result<UserView, Failure<Rejection>> {
        let PutUser { email, name } = request;
        let id = key.map(|key| contracts::id::derived(&["user", &key.scope]));
        let id = UserId::from_uuid(id.unwrap_or_else(|| self.ids.fresh()));
        self.claims.take(&email, &id).await?;
        let created_at = self.aggregates.clock().now();
        let user = User { id: id.clone(), email: email.clone(), name, created_at };
        let view = self.change(&id, &IfMatch::Any, &Command::Create(user)).await?;
        if let Err(failure) = self.claims.hold(&email, &id).await {
            return Err(self.undo(failure, &id, &Command::Delete).await);
        }
        Ok(view)
    }

    /// Reads a user.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub async fn find(&self, id: &UserId) -> Result<Option<Stored>> {
        let store = self.aggregates.store();
        let items = store.items(&record::user_partition(id), &[record::USER_ITEM]).await?;
        items.iter().flatten().next().map(record::read_user).transpose()
    }

    /// Lists users, the newest first.
    ///
    /// # Errors
    /// `Invalid` for a cursor that the store did not make. `Unavailable`, `Corrupt`.
    pub async fn list(&self, page: PageRequest) -> Result<Page<Stored>> {
        let (index, key) = record::INDEX;
        let query = Query {
            index,
            key: key.to_owned(),
            direction: Direction::Descending,
            limit: page.limit,
            after: page.cursor.map(Cursor),
        };
        let page = self.aggregates.store().query(query).await?;
        let items = page.items.iter().map(|found| record::read_user(&found.item));
        Ok(Page { items: items.collect::<Result<_>>()?, next: page.next })
    }

    /// Changes a user's address and name; the same again changes nothing.
    ///
    /// # Errors
    /// `NoSuchUser`, `VersionConflict`, `EmailTaken`. The world's.
    pub async fn update(
        &self,
        id: &UserId,
        request: &PutUser,
        condition: &IfMatch,
    ) -> Result<UserView, Failure<Rejection>> {
        for _ in 0..=LOST_RACES_MAX {
            let seen = self.find(id).await?.ok_or(Failure::Rejected(Rejection::NoSuchUser))?;
            // Also checked with the write; here it saves a claim that is of no use.
            admitted(condition, &seen).map_err(Failure::Rejected)?;
            match self.update_from(&seen.user.email, id, request, condition).await {
                Err(Failure::Rejected(Rejection::Moved)) => {}
                done => return done,
            }
        }
        Err(Error::new(Kind::Conflict, "update a user that others keep moving").into())
    }

    /// Changes a user, provided that it still has the address `old`, whose claim is dropped.
    async fn update_from(
        &self,
        old: &Email,
        id: &UserId,
        request: &PutUser,
        condition: &IfMatch,
    ) -> Result<UserView, Failure<Rejection>> {
        let PutUser { email: new, name } = request.clone();
        let command = Command::Update { from: old.clone(), email: new.clone(), name };
        if old.is_same(&new) {
            return self.change(id, condition, &command).await;
        }
        self.claims.take(&new, id).await?;
        // The old claim must outlast the moment in which the user has the new address, in case
        // that has to be undone.
        let claimed = self.claims.take(old, id).await?;
        let view = self.change(id, condition, &command).await?;
        if let Err(failure) = self.claims.hold(&new, id).await {
            let revert = Command::Revert { lost: new, to: old.clone() };
            return Err(self.undo(failure, id, &revert).await);
        }
        self.claims.drop(old, &claimed).await;
        Ok(view)
    }

    /// Deletes a user; then its address is free.
    ///
    /// # Errors
    /// `NoSuchUser`, also the second time. `VersionConflict`. The world's.
    pub async fn delete(&self, id: &UserId, condition: &IfMatch) -> Result<(), Failure<Rejection>> {
        let gone = self.change(id, condition, &Command::Delete).await?;
        self.claims.drop_dead(&gone.email).await;
        Ok(())
    }

    /// Undoes a user whose claim was lost; any other failure leaves it, for its claim is its own.
    async fn undo(
        &self,
        failure: Failure<Rejection>,
        id: &UserId,
        command: &Command,
    ) -> Failure<Rejection> {
        match failure {
            Failure::Rejected(Rejection::EmailTaken) => {
                match self.change(id, &IfMatch::Any, command).await {
                    Ok(_) | Err(Failure::Rejected(_)) => failure,
                    Err(failure) => failure,
                }
            }
            failure => failure,
        }
    }

    /// Performs a command on a user at an admitted version; answers with the user as it is then,
    /// or as it was if it is gone.
    async fn change(
        &self,
        id: &UserId,
        condition: &IfMatch,
        command: &Command,
    ) -> Result<UserView, Failure<Rejection>> {
        let (partition, at) = (record::user_partition(id), self.aggregates.clock().now());
        let answer = self.aggregates.decide(&partition, &[record::USER_ITEM], None, |items| {
            let item = items.first().and_then(Option::as_ref);
            decision(item, condition, command, at)
        });
        answer.await.map(|answer| answer.reply()).map_err(Failure::flatten)
    }
}

#[async_trait]
impl Customers for Service {
    async fn contact(&self, user_id: &UserId) -> Result<Option<Contact>> {
        let contact = |User { email, name, .. }| Contact { email: email.to_string(), name };
        Ok(self.find(user_id).await?.map(|stored| contact(stored.user)))
    }
}

fn admitted(condition: &IfMatch, seen: &Stored) -> Result<(), Rejection> {
    condition.admits(seen.version).then_some(()).ok_or(Rejection::VersionConflict)
}

/// What a command does to a user as it is stored.
fn decision(
    item: Option<&Item>,
    condition: &IfMatch,
    command: &Command,
    at: Timestamp,
) -> Result<Decision<UserView>, Failure<Rejection>> {
    let stored = item.map(record::read_user).transpose()?;
    let admitted = stored.as_ref().map_or(Ok(()), |stored| admitted(condition, stored));
    let before = stored.as_ref().map(|stored| &stored.user);
    let events =
        admitted.and_then(|()| user::decide(before, command)).map_err(Failure::Rejected)?;
    if let (Some(stored), []) = (&stored, events.as_slice()) {
        return Ok(Decision::nothing(UserView::of(stored)));
    }
    let mut after = before.cloned();
    for event in &events {
        user::apply(&mut after, event);
    }
    let expect = Expect::unchanged(item);
    let write = match &after {
        Some(user) => record::write_user(user, expect, at),
        None => Write::Delete { name: record::USER_ITEM.to_owned(), expect },
    };
    let user = after.or(stored.map(|stored| stored.user));
    let user = user.expect("a user that was not there can only be created");
    let version = expect.next_version();
    let partition = record::user_partition(&user.id);
    let origin = Origin {
        at,
        aggregate: partition.as_str(),
        sequence: version,
        correlation_id: user.id.as_str(),
        causation_id: None,
    };
    let outbox = events.iter().map(|event| envelope(event, &user.id, &origin)).collect();
    let reply = UserView::of(&Stored { user, version, updated_at: at });
    Ok(Decision { writes: vec![write], outbox, reply })
}

/// Tells the world of an event.
fn envelope(event: &Event, id: &UserId, origin: &Origin<'_>) -> Envelope {
    let user_id = id.clone();
    match event {
        Event::Created(_) => Envelope::of(&UserCreated { user_id }, origin),
        Event::Updated { .. } => Envelope::of(&UserUpdated { user_id }, origin),
        Event::Deleted => Envelope::of(&UserDeleted { user_id }, origin),
    }
}

#[cfg(test)]
mod tests;
