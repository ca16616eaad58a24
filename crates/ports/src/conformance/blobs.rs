//! Conformance of a keeper of objects.

use super::{Exceptions, assert_fails, check_exceptions, run_but, worked};
use crate::blobs::{Blobs, PUT_BYTES_MAX, READ_BYTES_MAX};
use crate::error::Kind;
use futures::future::join_all;
use std::sync::Arc;

type Subject = Arc<dyn Blobs>;

/// Runs the suite; `make` makes a keeper of no objects.
///
/// # Panics
/// When a case fails.
pub async fn blobs<F>(make: impl Fn() -> F)
where
    F: Future<Output = Arc<dyn Blobs>>,
{
    blobs_but(&[], make).await;
}

/// The same, but for what a keeper cannot keep.
///
/// # Panics
/// As [`blobs`], and when an exception is none.
pub async fn blobs_but<F>(exceptions: Exceptions<'_>, make: impl Fn() -> F)
where
    F: Future<Output = Arc<dyn Blobs>>,
{
    let names: Vec<_> = CASES.iter().map(|(name, _)| *name).collect();
    check_exceptions(exceptions, &names);
    run_but("blobs", CASES, exceptions, make).await;
}

super::cases!(Subject;
    an_object_is_read_as_it_was_written,
    an_object_is_read_in_parts,
    a_read_answers_no_more_than_it_may,
    what_was_never_written_is_not_found,
    a_second_write_takes_the_place_of_the_first,
    of_concurrent_writes_one_stays_whole,
    a_listing_has_the_keys_of_its_prefix_in_order,
    a_listing_goes_on_where_a_page_ended,
    a_bucket_that_nothing_was_written_to_is_empty,
    what_was_deleted_is_gone,
    an_etag_changes_with_the_contents,
    names_that_lead_elsewhere_are_refused,
    no_key_is_the_folder_of_another,
    an_object_larger_than_may_be_is_refused,
);

const BUCKET: &str = "orders";

async fn put(blobs: &Subject, key: &str, text: &str) {
    worked(blobs.put(BUCKET, key, text.as_bytes().to_vec()).await);
}

async fn whole(blobs: &Subject, key: &str) -> Vec<u8> {
    worked(blobs.read(BUCKET, key, 0, READ_BYTES_MAX).await)
}

async fn keys(blobs: &Subject, prefix: &str) -> Vec<String> {
    let page = worked(blobs.list(BUCKET, prefix, 100, None).await);
    assert_eq!(page.next, None);
    page.items.into_iter().map(|blob| blob.key).collect()
}

async fn an_object_is_read_as_it_was_written(blobs: Subject) {
    let bytes: Vec<u8> = (0..=255).collect();
    worked(blobs.put(BUCKET, "a/b é.bin", bytes.clone()).await);
    assert_eq!(whole(&blobs, "a/b é.bin").await, bytes);
    put(&blobs, "empty", "").await;
    assert_eq!(whole(&blobs, "empty").await, b"");
}

async fn an_object_is_read_in_parts(blobs: Subject) {
    put(&blobs, "k", "0123456789").await;
    assert_eq!(worked(blobs.read(BUCKET, "k", 3, 4).await), b"3456");
    assert_eq!(worked(blobs.read(BUCKET, "k", 8, 4).await), b"89");
    assert_eq!(worked(blobs.read(BUCKET, "k", 10, 4).await), b"");
    assert_eq!(worked(blobs.read(BUCKET, "k", 99, 4).await), b"");
}

async fn a_read_answers_no_more_than_it_may(blobs: Subject) {
    worked(blobs.put(BUCKET, "k", vec![7; READ_BYTES_MAX + 1]).await);
    assert_eq!(worked(blobs.read(BUCKET, "k", 0, usize::MAX).await).len(), READ_BYTES_MAX);
}

async fn what_was_never_written_is_not_found(blobs: Subject) {
    assert_fails(blobs.read(BUCKET, "k", 0, 1).await, Kind::NotFound);
    put(&blobs, "k/inner", "x").await;
    assert_fails(blobs.read(BUCKET, "k", 0, 1).await, Kind::NotFound);
    assert_fails(blobs.read("other-bucket", "k/inner", 0, 1).await, Kind::NotFound);
}

async fn a_second_write_takes_the_place_of_the_first(blobs: Subject) {
    put(&blobs, "k", "a longer text").await;
    put(&blobs, "k", "short").await;
    assert_eq!(whole(&blobs, "k").await, b"short");
    assert_eq!(keys(&blobs, "").await, ["k"]);
}

async fn of_concurrent_writes_one_stays_whole(blobs: Subject) {
    let writes = (0..8_u8).map(|n| blobs.put(BUCKET, "k", vec![n; 10_000]));
    join_all(writes).await.into_iter().for_each(worked);
    let stays = whole(&blobs, "k").await;
    assert_eq!(stays.len(), 10_000);
    assert!(stays.iter().all(|byte| *byte == stays[0]));
}

async fn a_listing_has_the_keys_of_its_prefix_in_order(blobs: Subject) {
    for key in ["b", "a/2", "a/10", "a.x", "a-y", "ab/c/d", "aé"] {
        put(&blobs, key, key).await;
    }
    assert_eq!(keys(&blobs, "").await, ["a-y", "a.x", "a/10", "a/2", "ab/c/d", "aé", "b"]);
    assert_eq!(keys(&blobs, "a/").await, ["a/10", "a/2"]);
    assert_eq!(keys(&blobs, "a/1").await, ["a/10"]);
    assert_eq!(keys(&blobs, "ab/c").await, ["ab/c/d"]);
    assert_eq!(keys(&blobs, "none/").await, [""; 0]);
    let page = worked(blobs.list(BUCKET, "a/2", 1, None).await);
    assert_eq!(page.items[0].bytes, 3);
}

async fn a_listing_goes_on_where_a_page_ended(blobs: Subject) {
    let all: Vec<String> = (0..7).map(|n| format!("x/{}/{n}", n % 3)).collect();
    for key in &all {
        put(&blobs, key, "").await;
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = worked(blobs.list(BUCKET, "x/", 2, after).await);
        assert!(page.items.len() <= 2);
        found.extend(page.items.into_iter().map(|blob| blob.key));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let mut expected = all;
    expected.sort();
    assert_eq!(found, expected);
}

async fn a_bucket_that_nothing_was_written_to_is_empty(blobs: Subject) {
    assert_eq!(keys(&blobs, "").await, [""; 0]);
    worked(blobs.delete(BUCKET, "k").await);
}

async fn what_was_deleted_is_gone(blobs: Subject) {
    put(&blobs, "k/inner", "x").await;
    worked(blobs.delete(BUCKET, "k/inner").await);
    worked(blobs.delete(BUCKET, "k/inner").await);
    assert_fails(blobs.read(BUCKET, "k/inner", 0, 1).await, Kind::NotFound);
    assert_eq!(keys(&blobs, "").await, [""; 0]);
    put(&blobs, "k", "its folder is gone too").await;
}

async fn an_etag_changes_with_the_contents(blobs: Subject) {
    let etag = async || worked(blobs.list(BUCKET, "k", 1, None).await).items[0].etag.clone();
    put(&blobs, "k", "one").await;
    let first = etag().await;
    assert_eq!(etag().await, first);
    put(&blobs, "k", "another").await;
    assert_ne!(etag().await, first);
}

async fn names_that_lead_elsewhere_are_refused(blobs: Subject) {
    for key in ["", "..", "../k", "/k", "k/../../x", "k/", "a\\b"] {
        assert_fails(blobs.put(BUCKET, key, Vec::new()).await, Kind::Invalid);
        assert_fails(blobs.read(BUCKET, key, 0, 1).await, Kind::Invalid);
        assert_fails(blobs.delete(BUCKET, key).await, Kind::Invalid);
    }
    for bucket in ["", "..", "a/b", "Orders"] {
        assert_fails(blobs.put(bucket, "k", Vec::new()).await, Kind::Invalid);
        assert_fails(blobs.list(bucket, "", 1, None).await, Kind::Invalid);
    }
}

async fn no_key_is_the_folder_of_another(blobs: Subject) {
    put(&blobs, "k", "x").await;
    assert_fails(blobs.put(BUCKET, "k/inner", Vec::new()).await, Kind::Invalid);
}

async fn an_object_larger_than_may_be_is_refused(blobs: Subject) {
    assert_fails(blobs.put(BUCKET, "k", vec![0; PUT_BYTES_MAX + 1]).await, Kind::Invalid);
}
