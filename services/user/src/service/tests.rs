//! Users as clients meet them, over the embedded store: also when many come at once, when the
//! process dies between two writes, and when a writer comes too late.

use super::*;
use crate::claim::LEASE;
use crate::email::Email;
use adapter_local::LocalDb;
use contracts::Problem;
use futures::future::join_all;
use ports::{Outbox, Store};
use std::collections::BTreeSet;
use std::time::Duration;
use tempfile::TempDir;
use testkit::{ManualClock, SeededIds};

struct World {
    service: Service,
    clock: Arc<ManualClock>,
    db: Arc<LocalDb>,
    _dir: TempDir,
}

fn put(email: &str, name: &str) -> PutUser {
    PutUser { email: email.parse().unwrap(), name: name.to_owned() }
}

fn email(text: &str) -> Email {
    text.parse().unwrap()
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::default());
        let db = Arc::new(LocalDb::open_with_clock(dir.path(), clock.clone()).unwrap());
        let aggregates = Arc::new(Aggregates::new(db.clone(), clock.clone()));
        let service = Service::new(aggregates, Arc::new(SeededIds::new(1)));
        Self { service, clock, db, _dir: dir }
    }

    async fn create(&self, email: &str) -> Result<UserView, Problem> {
        self.service.create(put(email, "Ada"), None).await.map_err(Problem::from)
    }

    async fn update(&self, user: &UserView, email: &str) -> Result<UserView, Problem> {
        self.rename(user, email, "Ada").await
    }

    async fn rename(&self, user: &UserView, email: &str, name: &str) -> Result<UserView, Problem> {
        let request = put(email, name);
        let updated = self.service.update(&user.id, &request, &IfMatch::Any).await;
        updated.map_err(Problem::from)
    }

    async fn all(&self) -> Vec<User> {
        let page = PageRequest { limit: 100, cursor: None };
        let listed = self.service.list(page).await.unwrap();
        listed.items.into_iter().map(|stored| stored.user).collect()
    }

    /// The kinds of all events told so far, in order.
    async fn told(&self) -> Vec<String> {
        let pending = self.db.pending(0, 100).await.unwrap();
        pending.into_iter().map(|pending| pending.envelope.detail_type).collect()
    }

    /// Whose claim there is on an address.
    async fn claimant(&self, email: &Email) -> Option<UserId> {
        let partition = record::claim_partition(email);
        let claims = self.db.items(&partition, &[record::CLAIM_ITEM]).await.unwrap();
        let claim = claims.iter().flatten().next().map(record::read_claim);
        claim.map(|seen| seen.unwrap().claim.user_id)
    }

    fn let_claims_die(&self) {
        self.clock.advance(LEASE + Duration::from_millis(1));
    }
}

/// It was refused with this status and code.
fn check_refused<T>(result: Result<T, Problem>, status: u16, code: &str) {
    let problem = result.err().expect("it is refused");
    assert_eq!((problem.status, problem.code.as_str()), (status, code));
}

#[tokio::test]
async fn a_user_is_created_read_and_known_to_other_services() {
    let world = World::new();
    let ada = world.create("Ada@example.com").await.unwrap();
    let stored = world.service.find(&ada.id).await.unwrap().unwrap();
    assert_eq!((UserView::of(&stored), ada.version), (ada.clone(), 1));
    let contact = world.service.contact(&ada.id).await.unwrap();
    let expected = Contact { email: "Ada@example.com".to_owned(), name: "Ada".to_owned() };
    assert_eq!(contact, Some(expected));
    assert_eq!(world.told().await, ["UserCreated"]);
}

#[tokio::test]
async fn an_address_in_use_is_refused_whatever_its_case() {
    let world = World::new();
    world.create("ada@example.com").await.unwrap();
    world.let_claims_die();
    check_refused(world.create("ADA@Example.com").await, 409, "email_taken");
    assert_eq!(world.told().await, ["UserCreated"]);
}

#[tokio::test]
async fn of_fifty_who_want_one_address_at_once_one_gets_it() {
    let world = World::new();
    let created = join_all((0..50).map(|_| world.create("ada@example.com"))).await;
    assert_eq!(created.iter().filter(|result| result.is_ok()).count(), 1);
    for refused in created.into_iter().filter(Result::is_err) {
        check_refused(refused, 409, "email_taken");
    }
    assert_eq!(world.all().await.len(), 1);
}

#[tokio::test]
async fn a_new_address_is_claimed_and_the_old_one_is_free() {
    let world = World::new();
    let ada = world.create("ada@example.com").await.unwrap();
    let moved = world.update(&ada, "lovelace@example.com").await.unwrap();
    assert_eq!((moved.version, moved.email.as_str()), (2, "lovelace@example.com"));
    check_refused(world.create("lovelace@example.com").await, 409, "email_taken");
    world.create("ada@example.com").await.unwrap();
    assert_eq!(world.told().await, ["UserCreated", "UserUpdated", "UserCreated"]);
}

#[tokio::test]
async fn an_address_of_somebody_else_cannot_be_moved_to() {
    let world = World::new();
    let ada = world.create("ada@example.com").await.unwrap();
    world.create("bob@example.com").await.unwrap();
    check_refused(world.update(&ada, "bob@example.com").await, 409, "email_taken");
    let stored = world.service.find(&ada.id).await.unwrap().unwrap();
    assert_eq!(UserView::of(&stored), ada);
    check_refused(world.create("ada@example.com").await, 409, "email_taken");
}

#[tokio::test]
async fn only_the_case_of_an_address_can_be_changed_too() {
    let world = World::new();
    let ada = world.create("ada@example.com").await.unwrap();
    let changed = world.update(&ada, "Ada@example.com").await.unwrap();
    assert_eq!(changed.email.as_str(), "Ada@example.com");
    let same = world.update(&ada, "Ada@example.com").await.unwrap();
    assert_eq!(same, changed);
    assert_eq!(world.told().await, ["UserCreated", "UserUpdated"]);
}

#[tokio::test]
async fn a_condition_that_does_not_hold_changes_nothing_and_claims_nothing() {
    let world = World::new();
    let ada = world.create("ada@example.com").await.unwrap();
    let stale = IfMatch::read(Some("\"7\""));
    let request = put("lovelace@example.com", "Ada");
    let updated = world.service.update(&ada.id, &request, &stale).await;
    check_refused(updated.map_err(Problem::from), 412, "version_conflict");
    let deleted = world.service.delete(&ada.id, &stale).await;
    check_refused(deleted.map_err(Problem::from), 412, "version_conflict");
    let unclaimed = world.create("lovelace@example.com").await;
    assert!(unclaimed.is_ok());
    let current = IfMatch::read(Some("\"1\""));
    world.service.update(&ada.id, &put("ada@example.com", "Countess"), &current).await.unwrap();
}

#[tokio::test]
async fn a_deleted_user_is_gone_and_its_address_is_free() {
    let world = World::new();
    let ada = world.create("ada@example.com").await.unwrap();
    world.service.delete(&ada.id, &IfMatch::Any).await.unwrap();
    assert_eq!(world.service.contact(&ada.id).await.unwrap(), None);
    let again = world.service.delete(&ada.id, &IfMatch::Any).await.map_err(Problem::from);
    check_refused(again, 404, "not_found");
    check_refused(world.update(&ada, "x@example.com").await, 404, "not_found");
    world.create("ada@example.com").await.unwrap();
    assert_eq!(world.told().await, ["UserCreated", "UserDeleted", "UserCreated"]);
}

#[tokio::test]
async fn one_hundred_renamings_at_once_all_work() {
    let world = World::new();
    let ada = world.create("ada@example.com").await.unwrap();
    let names = ["Ada", "Countess", "Lovelace"].into_iter().cycle().take(100);
    let requests: Vec<PutUser> = names.map(|name| put("ada@example.com", name)).collect();
    let updates = requests.iter().map(|put| world.service.update(&ada.id, put, &IfMatch::Any));
    for updated in join_all(updates).await {
        updated.unwrap();
    }
}

#[tokio::test]
async fn a_claim_whose_process_died_blocks_its_address_for_a_minute_only() {
    let world = World::new();
    let lost = UserId::from_uuid(contracts::id::derived(&["lost"]));
    world.service.claims.take(&email("ada@example.com"), &lost).await.unwrap();
    check_refused(world.create("ada@example.com").await, 409, "email_taken");
    world.let_claims_die();
    world.create("ada@example.com").await.unwrap();
}

#[tokio::test]
async fn a_user_whose_process_died_before_holding_the_claim_keeps_the_address() {
    let world = World::new();
    let ada = UserId::from_uuid(contracts::id::derived(&["ada"]));
    world.service.claims.take(&email("ada@example.com"), &ada).await.unwrap();
    write(&world, &ada, "ada@example.com").await;
    world.let_claims_die();
    check_refused(world.create("ada@example.com").await, 409, "email_taken");
}

#[tokio::test]
async fn an_address_whose_deletion_was_cut_short_is_free() {
    let world = World::new();
    let ada = world.create("ada@example.com").await.unwrap();
    world.service.change(&ada.id, &IfMatch::Any, &Command::Delete).await.unwrap();
    world.create("ada@example.com").await.unwrap();
}

#[tokio::test]
async fn a_writer_that_comes_after_its_claim_was_taken_over_removes_its_user_again() {
    let world = World::new();
    let late = UserId::from_uuid(contracts::id::derived(&["late"]));
    let address = email("ada@example.com");
    world.service.claims.take(&address, &late).await.unwrap();
    world.let_claims_die();
    let ada = world.create("ada@example.com").await.unwrap();
    write(&world, &late, "ada@example.com").await;
    let failure = world.service.claims.hold(&address, &late).await.unwrap_err();
    let failure = world.service.undo(failure, &late, &Command::Delete).await;
    check_refused(Err::<(), _>(Problem::from(failure)), 409, "email_taken");
    let ids: Vec<UserId> = world.all().await.into_iter().map(|user| user.id).collect();
    assert_eq!(ids, [ada.id]);
    assert_eq!(world.told().await, ["UserCreated", "UserCreated", "UserDeleted"]);
}

#[tokio::test]
async fn an_update_that_comes_after_its_claim_was_taken_over_puts_the_address_back() {
    let world = World::new();
    let ada = world.create("ada@example.com").await.unwrap();
    let wanted = email("lovelace@example.com");
    world.service.claims.take(&wanted, &ada.id).await.unwrap();
    world.let_claims_die();
    world.create("lovelace@example.com").await.unwrap();
    let (from, name) = (ada.email.clone(), "Ada".to_owned());
    let update = Command::Update { from, email: wanted.clone(), name };
    world.service.change(&ada.id, &IfMatch::Any, &update).await.unwrap();
    let failure = world.service.claims.hold(&wanted, &ada.id).await.unwrap_err();
    let revert = Command::Revert { lost: wanted, to: ada.email.clone() };
    world.service.undo(failure, &ada.id, &revert).await;
    let stored = world.service.find(&ada.id).await.unwrap().unwrap();
    assert_eq!(stored.user.email, ada.email);
}

#[tokio::test]
async fn no_two_users_share_an_address_however_their_requests_interleave() {
    let world = World::new();
    let addresses = ["a@x.org", "b@x.org", "c@x.org", "d@x.org", "e@x.org", "f@x.org"];
    for round in 0..24 {
        let address = |i: usize| addresses[(i + round) % addresses.len()];
        join_all((0..3).map(|i| world.create(address(i)))).await;
        let users: Vec<UserView> = {
            let page = PageRequest { limit: 100, cursor: None };
            let listed = world.service.list(page).await.unwrap();
            listed.items.iter().map(UserView::of).collect()
        };
        let moves = users.iter().enumerate().flat_map(|(i, user)| {
            let (near, far) = (address(i + 1), address(i + 2));
            [(near, "A"), (far, "B"), (near, "C"), (user.email.as_str(), "D"), (far, "E")]
                .map(|(address, name)| world.rename(user, address, name))
        });
        let gone = users.first().map(|user| world.service.delete(&user.id, &IfMatch::Any));
        futures::join!(join_all(moves), join_all(gone), join_all([world.create(address(0))]));

        let users = world.all().await;
        let keys: BTreeSet<String> = users.iter().map(|user| user.email.key()).collect();
        assert_eq!(keys.len(), users.len(), "in round {round}: {users:?}");
        for user in users {
            assert_eq!(world.claimant(&user.email).await, Some(user.id), "in round {round}");
        }
    }
    world.let_claims_die();
    let taken: BTreeSet<String> = world.all().await.iter().map(|user| user.email.key()).collect();
    for address in addresses {
        let free = world.create(address).await.is_ok();
        assert_eq!(free, !taken.contains(address), "{address}");
    }
}

#[tokio::test]
async fn users_are_listed_newest_first_page_by_page() {
    let world = World::new();
    for address in ["a@x.org", "b@x.org", "c@x.org"] {
        world.create(address).await.unwrap();
        world.clock.advance(Duration::from_secs(1));
    }
    let first = PageRequest { limit: 2, cursor: None };
    let first = world.service.list(first).await.unwrap();
    let cursor = first.next.map(|cursor| cursor.0);
    let second = world.service.list(PageRequest { limit: 2, cursor }).await.unwrap();
    let all = first.items.into_iter().chain(second.items);
    let addresses: Vec<String> = all.map(|stored| stored.user.email.to_string()).collect();
    assert_eq!(addresses, ["c@x.org", "b@x.org", "a@x.org"]);
    assert_eq!(second.next, None);
}

/// Writes a user as `create` does, without the steps before and after.
async fn write(world: &World, id: &UserId, address: &str) {
    let user = User {
        id: id.clone(),
        email: email(address),
        name: "Ada".to_owned(),
        created_at: Timestamp::EPOCH,
    };
    world.service.change(id, &IfMatch::Any, &Command::Create(user)).await.unwrap();
}

#[tokio::test]
async fn a_creation_under_a_key_is_resumed_wherever_it_was_cut_off() {
    let address = "ada@example.com";
    let key = IdempotencyKey {
        scope: "scope".to_owned(),
        fingerprint: contracts::Fingerprint::of_bytes(b"ada"),
    };
    let world = World::new();
    // Cut off after the claim, then after the user, then after everything.
    let id = UserId::from_uuid(contracts::id::derived(&["user", &key.scope]));
    world.service.claims.take(&email(address), &id).await.unwrap();
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(world.service.create(put(address, "Ada"), Some(&key)).await.unwrap());
        world.service.claims.take(&email(address), &id).await.unwrap();
    }
    assert_eq!(made[0].id, id);
    assert!(made.iter().all(|user| *user == made[0]), "{made:?}");
    assert_eq!(world.all().await.len(), 1);
    assert_eq!(world.told().await, ["UserCreated"]);
    assert!(world.create(address).await.is_err(), "without the key it is another user");
}
