//! The store, the outbox and the stories on DynamoDB's counterparts.
//!
//! A counterpart that is absent skips its tests, loudly; see `testkit::counterparts`.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod limits;
mod model;
mod outbox;
mod refusals;
mod table;

use contracts::Envelope;
use ports::conformance::{self, Excepted, Exceptions, Tell};
use ports::store::{Change, Partition};
use ports::{Store, Stories};
use std::sync::Arc;
use table::Tables;
use testkit::counterparts::{Counterpart, Program};

/// What moto cannot keep of the store's suite.
const MOTO_STORE: Exceptions<'_> = &[(
    "of_concurrent_writes_of_one_version_one_wins",
    Excepted::FailsByChance,
    "moto checks the condition and writes without a lock, in as many threads as there are calls",
)];
/// What moto cannot keep of the stories' suite.
const MOTO_STORIES: Exceptions<'_> = &[(
    "events_of_concurrent_changes_are_each_read_once",
    Excepted::FailsByChance,
    "moto copies the table for each transaction while others change it, and answers 500",
)];

/// Commits events together, as an aggregate's.
async fn commit(store: &dyn Store, outbox: Vec<Envelope>) {
    let partition = outbox.first().map(|event| event.lane().into_owned()).unwrap();
    let partition = Partition::from_text(partition);
    store.commit(Change { partition, writes: Vec::new(), outbox }).await.unwrap();
}

async fn suites(tables: &Tables, of_store: Exceptions<'_>, of_stories: Exceptions<'_>) {
    let store = async |clock| tables.store(clock).await as Arc<dyn Store>;
    conformance::store_but(of_store, store).await;
    conformance::stories_but(of_stories, async |clock| {
        let store = tables.store(clock).await;
        let told = Arc::clone(&store);
        let tell: Tell = Box::new(move |events| {
            let told = Arc::clone(&told);
            Box::pin(async move { commit(&*told, events).await })
        });
        (store as Arc<dyn Stories>, tell)
    })
    .await;
}

#[tokio::test]
async fn the_store_and_its_stories_pass_their_suites_on_dynoxide() {
    let title = "the_store_and_its_stories_pass_their_suites_on_dynoxide";
    let Some(dynoxide) = Counterpart::start(Program::Dynoxide, title) else { return };
    suites(&Tables::at(&dynoxide).await, &[], &[]).await;
}

#[tokio::test]
async fn the_store_and_its_stories_pass_their_suites_on_moto() {
    let title = "the_store_and_its_stories_pass_their_suites_on_moto";
    let Some(moto) = Counterpart::start(Program::Moto, title) else { return };
    suites(&Tables::at(&moto).await, MOTO_STORE, MOTO_STORIES).await;
}
