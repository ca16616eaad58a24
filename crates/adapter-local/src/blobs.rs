//! Objects as files: `<dir>/blobs/<bucket>/<key>`, so that they can be looked at and put there.
//!
//! An object is written beside the buckets and renamed into its place once it is on the disk, so
//! that no reader and no power cut meets a part of one.

use async_trait::async_trait;
use contracts::Timestamp;
use ports::blobs::{Blob, PUT_BYTES_MAX, READ_BYTES_MAX, is_bucket, is_key};
use ports::store::{Cursor, Page};
use ports::{Blobs, Error, Kind, Result};
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

/// The folder of all objects within the data directory.
const FOLDER: &str = "blobs";
/// Where objects are written before they have their place; no bucket can have this name.
const INCOMING: &str = ".incoming";
/// The most objects that one page of a listing has.
const PAGE_MAX: usize = 1_000;

/// Keeps objects as files.
#[derive(Debug)]
pub struct LocalBlobs {
    root: PathBuf,
    written: AtomicU64,
}

impl LocalBlobs {
    /// Keeps objects in the data directory `dir`; makes the folder when it is first needed.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { root: dir.join(FOLDER), written: AtomicU64::new(0) }
    }

    fn bucket(&self, name: &str) -> Result<PathBuf> {
        if is_bucket(name) {
            return Ok(self.root.join(name));
        }
        let what = format!("use the bucket `{name}`: no bucket can have that name");
        Err(Error::new(Kind::Invalid, what))
    }

    /// The file of an object. Its key has been checked, so that it leads nowhere else.
    fn file(&self, bucket: &str, key: &str) -> Result<PathBuf> {
        let bucket = self.bucket(bucket)?;
        if is_key(key) {
            return Ok(bucket.join(key));
        }
        let what = format!("use the key `{key}`: no object can have that key");
        Err(Error::new(Kind::Invalid, what))
    }

    /// A file to write to that no other write uses.
    fn incoming(&self) -> PathBuf {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        self.root.join(INCOMING).join(format!("{}-{number}", std::process::id()))
    }
}

#[async_trait]
impl Blobs for LocalBlobs {
    async fn put(&self, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<()> {
        let file = self.file(bucket, key)?;
        if bytes.len() > PUT_BYTES_MAX {
            let what = format!("write {bucket}/{key}: it is larger than {PUT_BYTES_MAX} bytes");
            return Err(Error::new(Kind::Invalid, what));
        }
        let (incoming, doing) = (self.incoming(), format!("write the object {bucket}/{key}"));
        let written = blocking(move || write(&incoming, &file, &bytes)).await;
        written.map_err(|error| failed(doing, error))
    }

    async fn read(&self, bucket: &str, key: &str, from: u64, most: usize) -> Result<Vec<u8>> {
        let file = self.file(bucket, key)?;
        let most = most.min(READ_BYTES_MAX);
        let doing = format!("read the object {bucket}/{key}");
        let read = blocking(move || read(&file, from, most)).await;
        read.map_err(|error| failed(doing, error))
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<Blob>> {
        let folder = self.bucket(bucket)?;
        let limit = limit.clamp(1, PAGE_MAX);
        let prefix = prefix.to_owned();
        let doing = format!("list the bucket {bucket}");
        let found = blocking(move || {
            let after = after.map(|cursor| cursor.0).unwrap_or_default();
            // One more than asked for tells whether there is another page.
            let mut listing = Listing { prefix, after, room: limit + 1, found: Vec::new() };
            listing.walk(&folder, "")?;
            Ok(listing.found)
        });
        let mut items = found.await.map_err(|error| failed(doing, error))?;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|last| Cursor(last.key.clone()));
        Ok(Page { items, next })
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<()> {
        let (file, folder) = (self.file(bucket, key)?, self.bucket(bucket)?);
        let doing = format!("delete the object {bucket}/{key}");
        let deleted = blocking(move || delete(&file, &folder)).await;
        deleted.map_err(|error| failed(doing, error))
    }
}

/// Runs file work where it may wait for the disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn failed(doing: String, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::IsADirectory => Kind::NotFound,
        // A segment of the key is an object, or the key is the folder of others.
        io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => Kind::Invalid,
        _ => Kind::Unavailable,
    };
    Error::new(kind, doing).because(error)
}

/// Writes all bytes, and only then gives them their place.
fn write(incoming: &Path, file: &Path, bytes: &[u8]) -> io::Result<()> {
    if file.is_dir() {
        return Err(io::Error::from(io::ErrorKind::NotADirectory));
    }
    let parent = file.parent().unwrap_or(file);
    make_folder(parent)?;
    make_folder(incoming.parent().unwrap_or(incoming))?;
    let written = File::create(incoming).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let placed = written.and_then(|()| fs::rename(incoming, file));
    if placed.is_err() {
        // What is left behind is nobody's, and has no place.
        drop(fs::remove_file(incoming));
    }
    placed?;
    sync_folder(parent)
}

/// Makes a folder and those around it, so that they outlast a power cut.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_folder(parent)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(io::Error::from(io::ErrorKind::NotADirectory))
        }
        Err(error) => Err(error),
        Ok(()) => folder.parent().map_or(Ok(()), sync_folder),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    // Where a folder cannot be opened as a file, the file system takes care of that itself.
    File::open(folder).map_or(Ok(()), |folder| folder.sync_all())
}

fn read(file: &Path, from: u64, most: usize) -> io::Result<Vec<u8>> {
    let mut opened = match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        opened => opened?,
    };
    opened.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    opened.take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Deletes a file, and the folders that it leaves empty within `bucket`.
fn delete(file: &Path, bucket: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Ok(()) => {}
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::IsADirectory
                    | io::ErrorKind::PermissionDenied
            ) && !file.is_file() =>
        {
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    let inside = |folder: &&Path| folder.starts_with(bucket) && *folder != bucket;
    for folder in file.ancestors().skip(1).take_while(inside) {
        // One that is not empty stays, and so do those around it.
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
    sync_folder(file.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(bucket))
}

/// A listing under way: keys in the order of their bytes.
struct Listing {
    prefix: String,
    after: String,
    room: usize,
    found: Vec<Blob>,
}

impl Listing {
    /// Lists a folder whose path within the bucket, with a slash at its end, is `path`.
    fn walk(&mut self, folder: &Path, path: &str) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            // A name that is no text is no key's.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
            names.push(format!("{path}{name}{slash}"));
        }
        names.sort_unstable();
        for name in names {
            if self.found.len() >= self.room {
                return Ok(());
            }
            self.visit(folder, path, &name)?;
        }
        Ok(())
    }

    fn visit(&mut self, folder: &Path, path: &str, name: &str) -> io::Result<()> {
        let file = folder.join(&name[path.len()..]);
        if name.ends_with('/') {
            let on_the_way = self.prefix.starts_with(name) || name.starts_with(&self.prefix);
            let behind = name < self.after.as_str() && !self.after.starts_with(name);
            return if on_the_way && !behind { self.walk(&file, name) } else { Ok(()) };
        }
        if name.starts_with(&self.prefix) && name > self.after.as_str() && is_key(name) {
            match fs::metadata(&file) {
                Ok(metadata) => self.found.push(blob(name, &metadata)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn blob(key: &str, metadata: &Metadata) -> Blob {
    let modified = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let nanos = modified.map_or(0, |since| since.as_nanos());
    let millis = modified.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0);
    Blob {
        key: key.to_owned(),
        bytes: metadata.len(),
        modified_at: Timestamp::from_millis(millis),
        etag: format!("\"{nanos:x}-{:x}\"", metadata.len()),
    }
}
