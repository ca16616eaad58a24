//! The lock on a data directory: one process at a time has it open.

use crate::open::OpenError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

/// The lock's file name; the file stays, the operating system's lock on it goes with the process.
const FILE_NAME: &str = "ordersaga.lock";
/// The most bytes of the note in the lock file that are read.
const NOTE_BYTES_MAX: u64 = 64;

/// Holds the exclusive lock on a data directory until it is dropped.
#[derive(Debug)]
pub(crate) struct DirLock {
    file: File,
}

impl DirLock {
    /// Takes the lock, or says who has it.
    pub(crate) fn take(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(FILE_NAME);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|source| OpenError::io("open the lock file", &path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => {
                Err(OpenError::InUse { dir: dir.to_owned(), holder: note(&mut file) })
            }
            Err(TryLockError::Error(source)) => Err(OpenError::io("lock the file", &path, source)),
        }
    }

    /// Notes our process id in the lock file, for whoever is refused.
    ///
    /// The note is a courtesy, so failing to leave one is no reason to stay closed.
    pub(crate) fn sign(&mut self) {
        let signed = self
            .file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .and_then(|()| writeln!(self.file, "process {}", std::process::id()));
        if let Err(error) = signed {
            tracing::debug!(%error, "the lock file could not be signed");
        }
    }
}

/// Reads who holds the lock, as far as they said.
fn note(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(NOTE_BYTES_MAX).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        Ok(_) | Err(_) => "another process".to_owned(),
    }
}
