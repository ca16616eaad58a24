//! Conformance of a store's indexes: order, pages, cursors, and what a rewrite moves.

use super::sample::{START, change, expiring, indexed, place, put};
use super::store::Subject;
use super::{assert_fails, worked};
use crate::error::Kind;
use crate::store::{Cursor, Direction, Expect, PAGE_MAX, PLACE_BYTES_MAX, Page, Query, Write};
use std::time::Duration;

super::cases!(Subject;
    an_empty_group_lists_nothing,
    a_group_is_listed_by_sort_key_in_both_directions,
    a_group_does_not_list_its_neighbours,
    ties_are_broken_by_partition_and_name,
    pages_follow_each_other_without_gap_or_repetition,
    a_listed_item_is_the_stored_item,
    a_rewritten_item_moves_to_its_new_places,
    a_deleted_item_leaves_every_index,
    an_expired_item_is_not_listed,
    a_refused_change_moves_nothing,
    an_item_stands_once_in_an_index,
    a_place_past_the_limits_is_invalid,
    a_foreign_cursor_is_invalid,
    a_page_of_no_items_or_too_many_is_invalid,
);

fn listing(key: &str, direction: Direction) -> Query {
    Query { index: "by-key", key: key.to_owned(), direction, limit: PAGE_MAX, after: None }
}

/// Lists a whole group, page by page, as `partition/name`.
async fn all(subject: &Subject, mut query: Query) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let Page { items, next } = worked(subject.store.query(query.clone()).await);
        assert!(items.len() <= query.limit, "a page holds no more than was asked for");
        found.extend(items.iter().map(|found| format!("{}/{}", found.partition, found.item.name)));
        match next {
            Some(cursor) => query.after = Some(cursor),
            None => return found,
        }
    }
}

async fn insert(subject: &Subject, partition: &str, name: &str, sort: &str) {
    let write = indexed(name, Expect::Absent, vec![place("by-key", "group", sort)]);
    subject.commit(change(partition, vec![write])).await;
}

async fn an_empty_group_lists_nothing(subject: Subject) {
    let page = worked(subject.store.query(listing("group", Direction::Ascending)).await);
    assert_eq!(page, Page { items: Vec::new(), next: None });
}

async fn a_group_is_listed_by_sort_key_in_both_directions(subject: Subject) {
    for (partition, sort) in [("a", "2"), ("b", "10"), ("c", ""), ("d", "é"), ("e", "z")] {
        insert(&subject, partition, "state", sort).await;
    }
    // By bytes: "" < "10" < "2" < "z" < "é".
    let mut expected = ["c", "b", "a", "e", "d"].map(|id| format!("sample#{id}/state"));
    assert_eq!(all(&subject, listing("group", Direction::Ascending)).await, expected);
    expected.reverse();
    assert_eq!(all(&subject, listing("group", Direction::Descending)).await, expected);
}

async fn a_group_does_not_list_its_neighbours(subject: Subject) {
    let places = vec![place("by-key", "group", "1"), place("by-other", "group", "1")];
    subject.commit(change("a", vec![indexed("one", Expect::Absent, places)])).await;
    let place_next_to_it = vec![place("by-key", "groups", "1")];
    subject.commit(change("a", vec![indexed("next", Expect::Absent, place_next_to_it)])).await;
    let places = vec![place("by-other", "group", "1"), place("by-key", "grou", "p1")];
    subject.commit(change("a", vec![indexed("two", Expect::Absent, places)])).await;
    let found = all(&subject, listing("group", Direction::Ascending)).await;
    assert_eq!(found, ["sample#a/one"]);
}

async fn ties_are_broken_by_partition_and_name(subject: Subject) {
    for (partition, name) in [("b", "x"), ("a", "y"), ("b", "w"), ("a", "x")] {
        insert(&subject, partition, name, "same").await;
    }
    let mut expected = ["a/x", "a/y", "b/w", "b/x"].map(|at| format!("sample#{at}"));
    assert_eq!(all(&subject, listing("group", Direction::Ascending)).await, expected);
    expected.reverse();
    let one_by_one = Query { limit: 1, ..listing("group", Direction::Descending) };
    assert_eq!(all(&subject, one_by_one).await, expected);
}

async fn pages_follow_each_other_without_gap_or_repetition(subject: Subject) {
    for n in 0..10 {
        insert(&subject, &n.to_string(), "state", &(n / 3).to_string()).await;
    }
    for direction in [Direction::Ascending, Direction::Descending] {
        let whole = all(&subject, listing("group", direction)).await;
        assert_eq!(whole.len(), 10);
        for limit in [1, 2, 3, 5, 10] {
            let pages = Query { limit, ..listing("group", direction) };
            assert_eq!(all(&subject, pages).await, whole, "{limit} per page");
        }
    }
}

async fn a_listed_item_is_the_stored_item(subject: Subject) {
    insert(&subject, "a", "state", "1").await;
    let page = worked(subject.store.query(listing("group", Direction::Ascending)).await);
    let listed = page.items.into_iter().next().map(|found| found.item);
    assert!(listed.is_some());
    assert_eq!(listed, subject.item("a", "state").await);
}

async fn a_rewritten_item_moves_to_its_new_places(subject: Subject) {
    insert(&subject, "a", "state", "1").await;
    insert(&subject, "b", "state", "2").await;
    let places = vec![place("by-key", "group", "3"), place("by-other", "group", "1")];
    subject.commit(change("a", vec![indexed("state", Expect::Version(1), places)])).await;
    let group = all(&subject, listing("group", Direction::Ascending)).await;
    assert_eq!(group, ["sample#b/state", "sample#a/state"]);
    let by_other = || Query { index: "by-other", ..listing("group", Direction::Ascending) };
    assert_eq!(all(&subject, by_other()).await, ["sample#a/state"]);
    let moved = vec![place("by-key", "other", "1")];
    subject.commit(change("a", vec![indexed("state", Expect::Version(2), moved)])).await;
    assert_eq!(all(&subject, listing("group", Direction::Ascending)).await, ["sample#b/state"]);
    assert_eq!(all(&subject, listing("other", Direction::Ascending)).await, ["sample#a/state"]);
    assert!(all(&subject, by_other()).await.is_empty());
    subject.commit(change("a", vec![put("state", Expect::Version(3), "{}")])).await;
    assert_eq!(all(&subject, listing("group", Direction::Ascending)).await, ["sample#b/state"]);
    assert!(all(&subject, listing("other", Direction::Ascending)).await.is_empty());
}

async fn a_deleted_item_leaves_every_index(subject: Subject) {
    insert(&subject, "a", "state", "1").await;
    let delete = Write::Delete { name: "state".to_owned(), expect: Expect::Version(1) };
    subject.commit(change("a", vec![delete])).await;
    assert!(all(&subject, listing("group", Direction::Ascending)).await.is_empty());
}

async fn an_expired_item_is_not_listed(subject: Subject) {
    let second = Duration::from_secs(1);
    let lease = expiring("lease", Expect::Absent, START.plus(second));
    let longer = expiring("longer", Expect::Absent, START.plus(second * 2));
    subject.commit(change("a", vec![lease, longer])).await;
    assert_eq!(all(&subject, listing("group", Direction::Ascending)).await.len(), 2);
    subject.clock.advance(second);
    let found = all(&subject, listing("group", Direction::Ascending)).await;
    assert_eq!(found, ["sample#a/longer"]);
    // Taken over under the same name, it is listed again, once.
    let again = expiring("lease", Expect::Absent, START.plus(second * 3));
    subject.commit(change("a", vec![again])).await;
    let found = all(&subject, listing("group", Direction::Ascending)).await;
    assert_eq!(found, ["sample#a/lease", "sample#a/longer"]);
}

async fn a_refused_change_moves_nothing(subject: Subject) {
    insert(&subject, "a", "state", "1").await;
    let writes = vec![
        indexed("state", Expect::Version(1), vec![place("by-key", "other", "1")]),
        put("more", Expect::Version(1), "{}"),
    ];
    subject.refuses(change("a", writes), Kind::Conflict).await;
    assert_eq!(all(&subject, listing("group", Direction::Ascending)).await, ["sample#a/state"]);
    assert!(all(&subject, listing("other", Direction::Ascending)).await.is_empty());
}

async fn an_item_stands_once_in_an_index(subject: Subject) {
    for (key, sort) in [("group", "1"), ("group", "2"), ("other", "1")] {
        let places = vec![place("by-key", "group", "1"), place("by-key", key, sort)];
        let twice = change("a", vec![indexed("state", Expect::Absent, places)]);
        subject.refuses(twice, Kind::Invalid).await;
    }
    assert_eq!(subject.item("a", "state").await, None);
    assert!(all(&subject, listing("group", Direction::Ascending)).await.is_empty());
}

async fn a_place_past_the_limits_is_invalid(subject: Subject) {
    let around = "sample#a".len() + "state".len();
    let longest = vec![place("by-key", "group", &"x".repeat(PLACE_BYTES_MAX - around))];
    subject.commit(change("a", vec![indexed("state", Expect::Absent, longest)])).await;
    assert_eq!(all(&subject, listing("group", Direction::Ascending)).await, ["sample#a/state"]);
    let longer = vec![place("by-key", "group", &"x".repeat(PLACE_BYTES_MAX - around + 1))];
    let change = change("a", vec![indexed("state", Expect::Version(1), longer)]);
    subject.refuses(change, Kind::Invalid).await;
}

async fn a_foreign_cursor_is_invalid(subject: Subject) {
    for sort in ["1", "2"] {
        insert(&subject, sort, "state", sort).await;
    }
    for text in ["", "nonsense", "AAAA", "é", "eyJhIjoxfQ"] {
        let after = Some(Cursor(text.to_owned()));
        let query = Query { after, ..listing("group", Direction::Ascending) };
        assert_fails(subject.store.query(query).await, Kind::Invalid);
    }
    let first = Query { limit: 1, ..listing("group", Direction::Ascending) };
    let next = worked(subject.store.query(first).await).next;
    assert!(next.is_some(), "a full page that is not the last has a cursor");
    let other = Query { after: next, ..listing("other", Direction::Ascending) };
    assert_fails(subject.store.query(other).await, Kind::Invalid);
}

async fn a_page_of_no_items_or_too_many_is_invalid(subject: Subject) {
    for limit in [0, PAGE_MAX + 1] {
        let query = Query { limit, ..listing("group", Direction::Ascending) };
        assert_fails(subject.store.query(query).await, Kind::Invalid);
    }
}
