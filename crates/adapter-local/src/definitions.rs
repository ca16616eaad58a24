//! Definitions: immutable texts named by their hash.

use crate::LocalDb;
use crate::desk::Desk;
use crate::failure::{Failure, conflict};
use crate::writer::Request;
use async_trait::async_trait;
use ports::{Definitions, Error, Kind, Result};

#[async_trait]
impl Definitions for LocalDb {
    async fn keep(&self, hash: &str, text: &str) -> Result<()> {
        self.writer.perform(Keep { hash: hash.to_owned(), text: text.to_owned() }).await
    }

    async fn definition(&self, hash: &str) -> Result<Option<String>> {
        let doing = format!("read the definition `{hash}`");
        let found = self.readers.read(&doing, |reader| {
            reader.first("SELECT checksum, text FROM definitions WHERE hash = ?1", [hash], |row| {
                Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?))
            })
        })?;
        match found {
            Some((checksum, text)) if checksum == crc32fast::hash(text.as_bytes()) => {
                Ok(Some(text))
            }
            Some(_) => Err(Error::new(Kind::Corrupt, doing).because("the checksum does not match")),
            None => Ok(None),
        }
    }
}

struct Keep {
    hash: String,
    text: String,
}

impl Request<Desk> for Keep {
    type Answer = ();

    fn perform(&self, desk: &mut Desk) -> Result<(), Failure> {
        let Self { hash, text } = self;
        let sql = "SELECT text = ?2 FROM definitions WHERE hash = ?1";
        match desk.log.first(sql, (hash, text), |row| row.get::<_, bool>(0))? {
            Some(true) => {}
            Some(false) => {
                return Err(conflict(format!("keep `{hash}`: it names another definition")));
            }
            None => {
                desk.log.write(
                    "INSERT INTO definitions (hash, checksum, text) VALUES (?1, ?2, ?3)",
                    (hash, crc32fast::hash(text.as_bytes()), text),
                )?;
            }
        }
        Ok(())
    }
}
