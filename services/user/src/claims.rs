//! Claims in the store: taking, holding and dropping them, by the rules of [`crate::claim`].

use crate::claim::{self, Claim, Seen};
use crate::email::Email;
use crate::record;
use crate::user::Rejection;
use contracts::UserId;
use ports::aggregate::{Aggregates, Decision, Failure};
use ports::store::{Expect, Write};
use ports::{Error, Result};
use std::sync::Arc;

/// The claims on all addresses.
pub(crate) struct Claims {
    aggregates: Arc<Aggregates>,
}

impl Claims {
    pub(crate) const fn new(aggregates: Arc<Aggregates>) -> Self {
        Self { aggregates }
    }

    /// Claims an address for `by`, whose user is to be written next; answers the claim.
    ///
    /// One's own claim is touched. A dead claim of somebody else is taken over.
    pub(crate) async fn take(
        &self,
        email: &Email,
        by: &UserId,
    ) -> Result<Seen, Failure<Rejection>> {
        match self.try_take(email, by, None).await {
            Err(Failure::Rejected(Rejection::EmailTaken)) => {
                let dead = self.dead(email).await?;
                self.try_take(email, by, dead.as_ref()).await
            }
            done => done,
        }
    }

    async fn try_take(
        &self,
        email: &Email,
        by: &UserId,
        dead: Option<&Seen>,
    ) -> Result<Seen, Failure<Rejection>> {
        let at = self.aggregates.clock().now();
        self.put(email, |seen| claim::take(seen, by, dead, at)).await
    }

    /// Holds the claim on an address, now that its user is written.
    ///
    /// # Errors
    /// `EmailTaken` when the claim was taken over: the user came too late.
    pub(crate) async fn hold(&self, email: &Email, by: &UserId) -> Result<(), Failure<Rejection>> {
        let at = self.aggregates.clock().now();
        self.put(email, |seen| claim::hold(seen, by, at)).await.map(|_| ())
    }

    /// Drops the claim on the address of a user that is gone.
    pub(crate) async fn drop_dead(&self, email: &Email) {
        if let Ok(Some(dead)) = self.dead(email).await {
            self.drop(email, &dead).await;
        }
    }

    /// Drops a claim, if nobody touched it since it was seen. The users have changed already, so a
    /// store that does not answer fails nobody: a claim that stays is dead, or dies.
    pub(crate) async fn drop(&self, email: &Email, unneeded: &Seen) {
        let partition = record::claim_partition(email);
        let decided = self.aggregates.decide(&partition, &[record::CLAIM_ITEM], None, |items| {
            let item = items.first().and_then(Option::as_ref);
            let seen = item.map(record::read_claim).transpose()?;
            let delete = |seen: Seen| Write::Delete {
                name: record::CLAIM_ITEM.to_owned(),
                expect: Expect::Version(seen.version),
            };
            let writes = seen.filter(|seen| seen == unneeded).map(delete).into_iter().collect();
            Ok::<_, Error>(Decision { writes, outbox: Vec::new(), reply: () })
        });
        decided.await.ok();
    }

    /// The claim on an address, if it is dead.
    async fn dead(&self, email: &Email) -> Result<Option<Seen>> {
        let store = self.aggregates.store();
        let claims = store.items(&record::claim_partition(email), &[record::CLAIM_ITEM]).await?;
        let Some(item) = claims.first().and_then(Option::as_ref) else {
            return Ok(None);
        };
        let seen = record::read_claim(item)?;
        // After the claim, never before: see the rules.
        let partition = record::user_partition(&seen.claim.user_id);
        let users = store.items(&partition, &[record::USER_ITEM]).await?;
        let user = users.iter().flatten().next().map(record::read_user).transpose()?;
        let user = user.as_ref().map(|stored| &stored.user);
        let now = self.aggregates.clock().now();
        Ok(Some(seen).filter(|seen| claim::is_dead(&seen.claim, email, user, now)))
    }

    /// Writes what `decide` makes of the claim on an address; answers the claim as written.
    async fn put(
        &self,
        email: &Email,
        decide: impl Fn(Option<&Seen>) -> Result<Claim, Rejection>,
    ) -> Result<Seen, Failure<Rejection>> {
        let partition = record::claim_partition(email);
        let answer = self.aggregates.decide(&partition, &[record::CLAIM_ITEM], None, |items| {
            let item = items.first().and_then(Option::as_ref);
            let seen = item.map(record::read_claim).transpose()?;
            let claim = decide(seen.as_ref()).map_err(Failure::Rejected)?;
            let expect = Expect::unchanged(item);
            let writes = vec![record::write_claim(&claim, expect)];
            let reply = Seen { claim, version: expect.next_version() };
            Ok::<_, Failure<Rejection>>(Decision { writes, outbox: Vec::new(), reply })
        });
        answer.await.map(|answer| answer.reply()).map_err(Failure::flatten)
    }
}
