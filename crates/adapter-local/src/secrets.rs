//! Secrets as files that their owner alone can read: `<folder>/<name>`, as container platforms
//! mount them.
//!
//! A file is read anew for every question: whoever rotates a secret replaces its file, and the next
//! call has the new one.

use async_trait::async_trait;
use ports::secrets::{SECRET_BYTES_MAX, Secret, is_name};
use ports::{Error, Kind, Result, Secrets};
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Reads secrets from the files of a folder.
#[derive(Clone, Debug)]
pub struct FileSecrets {
    folder: PathBuf,
}

impl FileSecrets {
    /// Reads secrets from `folder`, which need not be there before the first one is asked for.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }
}

#[async_trait]
impl Secrets for FileSecrets {
    async fn get(&self, name: &str) -> Result<Secret> {
        if !is_name(name) {
            let doing = format!("read the secret `{name}`: no secret can have that name");
            return Err(Error::new(Kind::Invalid, doing));
        }
        let (path, doing) = (self.folder.join(name), format!("read the secret `{name}`"));
        let read = tokio::task::spawn_blocking(move || read(&path, &doing)).await;
        read.map_err(|error| Error::new(Kind::Unavailable, "read a secret").because(error))?
    }

    async fn refresh(&self, name: &str, _refused: &Secret) -> Result<Secret> {
        self.get(name).await
    }
}

fn read(path: &Path, doing: &str) -> Result<Secret> {
    let failed = |kind| Error::new(kind, doing);
    let told = |error: io::Error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::NotADirectory => Kind::NotFound,
            io::ErrorKind::PermissionDenied => Kind::Denied,
            _ => Kind::Unavailable,
        };
        failed(kind).because(error)
    };
    let file = File::open(path).map_err(told)?;
    let metadata = file.metadata().map_err(told)?;
    if !metadata.is_file() {
        return Err(failed(Kind::NotFound).because("it is no file"));
    }
    if is_open_to_others(&metadata) {
        let mend = format!("others can read {0}: chmod 600 {0}", path.display());
        return Err(failed(Kind::Denied).because(mend));
    }
    let mut bytes = Vec::new();
    file.take(SECRET_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(told)?;
    if bytes.len() > SECRET_BYTES_MAX {
        let why = format!("it has more than {SECRET_BYTES_MAX} bytes");
        return Err(failed(Kind::Corrupt).because(why));
    }
    let text = String::from_utf8(bytes).map_err(|_| failed(Kind::Corrupt).because("no UTF-8"))?;
    // Editors end a file with a new line; no secret does.
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(failed(Kind::NotFound).because("its file is empty"));
    }
    Ok(Secret::new(secret.to_owned()))
}

/// Whether somebody beside the owner and the owner's group can read it. The group may: platforms
/// that mount secrets make them so.
#[cfg(unix)]
fn is_open_to_others(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o007 != 0
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    fn kind_of(bytes: &[u8], mode: u32) -> Option<Kind> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        read(&path, "read it").err().map(|error| error.kind())
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        assert_eq!(kind_of(b"s", 0o600), None);
        assert_eq!(kind_of(b"s", 0o440), None);
        assert_eq!(kind_of(b"s", 0o604), Some(Kind::Denied));
        assert_eq!(kind_of(b"s", 0o602), Some(Kind::Denied));
    }

    #[test]
    fn what_is_no_secret_is_said() {
        assert_eq!(kind_of(b"\r\n", 0o600), Some(Kind::NotFound));
        assert_eq!(kind_of(&[0xFF], 0o600), Some(Kind::Corrupt));
        assert_eq!(kind_of(&vec![b'a'; SECRET_BYTES_MAX + 1], 0o600), Some(Kind::Corrupt));
        assert_eq!(kind_of(&vec![b'a'; SECRET_BYTES_MAX], 0o600), None);
    }

    #[test]
    fn the_end_of_a_line_is_no_part_of_a_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, " a b\r\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read(&path, "read it").unwrap().expose(), " a b");
    }
}
