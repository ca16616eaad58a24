//! Objects on S3; a bucket of ours is a bucket there.
//!
//! S3 knows no folders: a key may be the path of another one's folder, and is not refused. A bucket
//! that does not exist counts as empty, and cannot be written to.
//!
//! Spec: Amazon S3 API reference.

use crate::Clients;
use crate::error::{Codes, Effect, Symptom, failed};
use crate::time::instant;
use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_types::timeout::TimeoutConfig;
use ports::blobs::{Blob, PUT_BYTES_MAX, READ_BYTES_MAX, is_bucket, is_key};
use ports::store::{Cursor, Page};
use ports::{Blobs, Error, Kind, Result};
use std::time::Duration;

/// The most objects of one page.
const PAGE_MAX: usize = 1_000;
/// How long a write may take: 64 MiB over a slow line.
const PUT_TIMEOUT: Duration = Duration::from_secs(60);

/// S3's own codes; those of all services go beside them.
const CODES: Codes = &[
    ("InternalError", Kind::Unavailable),
    ("NoSuchBucket", Kind::NotFound),
    ("NoSuchKey", Kind::NotFound),
    ("OperationAborted", Kind::Conflict),
    ("RequestTimeout", Kind::Unavailable),
    ("ServiceUnavailable", Kind::Unavailable),
];

/// Keeps objects in S3.
#[derive(Clone, Debug)]
pub struct S3Blobs {
    client: Client,
}

impl S3Blobs {
    /// Keeps objects in the buckets of an account.
    #[must_use]
    pub fn new(clients: &Clients) -> Self {
        Self { client: Client::new(clients.config()) }
    }
}

fn check_bucket(bucket: &str) -> Result<()> {
    if is_bucket(bucket) {
        return Ok(());
    }
    let doing = format!("use the bucket `{bucket}`: no bucket can have that name");
    Err(Error::new(Kind::Invalid, doing))
}

fn check(bucket: &str, key: &str) -> Result<()> {
    check_bucket(bucket)?;
    if is_key(key) {
        return Ok(());
    }
    let doing = format!("use the key `{key}`: no object can have that key");
    Err(Error::new(Kind::Invalid, doing))
}

/// Whether a bucket is not there.
fn is_no_bucket(symptom: &Symptom) -> bool {
    matches!(symptom, Symptom::Refused { code: Some(code), .. } if code == "NoSuchBucket")
}

#[async_trait]
impl Blobs for S3Blobs {
    /// `Timeout` without an answer: it may have been written.
    async fn put(&self, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<()> {
        check(bucket, key)?;
        if bytes.len() > PUT_BYTES_MAX {
            let doing = format!("write {bucket}/{key}: it is larger than {PUT_BYTES_MAX} bytes");
            return Err(Error::new(Kind::Invalid, doing));
        }
        let timeouts = TimeoutConfig::builder().operation_timeout(PUT_TIMEOUT).build();
        let put = self.client.put_object().bucket(bucket).key(key).body(ByteStream::from(bytes));
        let put = put.customize().config_override(Builder::new().timeout_config(timeouts));
        let doing = || format!("write the object {bucket}/{key}");
        put.send().await.map(drop).map_err(|error| failed(doing(), Effect::Writes, CODES, error))
    }

    async fn read(&self, bucket: &str, key: &str, from: u64, most: usize) -> Result<Vec<u8>> {
        check(bucket, key)?;
        // A range has at least one byte.
        let (asked, most) = (most.clamp(1, READ_BYTES_MAX), most.min(READ_BYTES_MAX));
        let last = from.saturating_add(asked as u64 - 1);
        let get = self.client.get_object().bucket(bucket).key(key);
        let got = get.range(format!("bytes={from}-{last}")).send().await;
        let doing = || format!("read the object {bucket}/{key}");
        let got = match got {
            Ok(got) => got,
            Err(error) => {
                return match Symptom::of(&error) {
                    // It ends before the range begins.
                    Symptom::Refused { status: 416, .. } => Ok(Vec::new()),
                    Symptom::Refused { .. }
                    | Symptom::Unmakeable
                    | Symptom::Unsigned
                    | Symptom::Unsent
                    | Symptom::Unanswered => Err(failed(doing(), Effect::Reads, CODES, error)),
                };
            }
        };
        let body = got.body.collect().await;
        let body = body.map_err(|error| Error::new(Kind::Unavailable, doing()).because(error))?;
        let mut bytes = body.to_vec();
        bytes.truncate(most);
        Ok(bytes)
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<Blob>> {
        check_bucket(bucket)?;
        let most = i32::try_from(limit.clamp(1, PAGE_MAX)).unwrap_or(1);
        let list = self.client.list_objects_v2().bucket(bucket).prefix(prefix).max_keys(most);
        match list.set_start_after(after.map(|cursor| cursor.0)).send().await {
            Ok(listed) => Ok(page(listed)),
            Err(error) if is_no_bucket(&Symptom::of(&error)) => {
                Ok(Page { items: Vec::new(), next: None })
            }
            Err(error) => {
                Err(failed(format!("list the bucket {bucket}"), Effect::Reads, CODES, error))
            }
        }
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<()> {
        check(bucket, key)?;
        match self.client.delete_object().bucket(bucket).key(key).send().await {
            Ok(_) => Ok(()),
            Err(error) if is_no_bucket(&Symptom::of(&error)) => Ok(()),
            Err(error) => {
                let doing = format!("delete the object {bucket}/{key}");
                Err(failed(doing, Effect::Writes, CODES, error))
            }
        }
    }
}

fn page(listed: ListObjectsV2Output) -> Page<Blob> {
    let is_cut = listed.is_truncated.unwrap_or(false);
    let items: Vec<Blob> = listed
        .contents
        .unwrap_or_default()
        .into_iter()
        .map(|object| Blob {
            bytes: object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            modified_at: object.last_modified.as_ref().map(instant).unwrap_or_default(),
            etag: object.e_tag.unwrap_or_default().trim_matches('"').to_owned(),
            key: object.key.unwrap_or_default(),
        })
        .collect();
    let next = items.last().filter(|_| is_cut).map(|last| Cursor(last.key.clone()));
    Page { items, next }
}
