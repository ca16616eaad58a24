//! The local mailbox: mail goes into a table instead of out into the world.

use crate::LocalDb;
use crate::desk::Desk;
use crate::failure::{Failure, invalid};
use crate::writer::Request;
use async_trait::async_trait;
use ports::mailer::Mail;
use ports::{Mailer, Result};
use rusqlite::Row;
use uuid::Uuid;

/// The largest mail in bytes, all its texts together: 1 MiB, far above any text of ours.
const MAIL_BYTES_MAX: usize = 1 << 20;
/// How many mails, from the newest back, are looked through for one recipient. There is no index
/// by recipient: people look into this mailbox, the business does not.
const LOOK_BACK_MAX: usize = 100_000;

#[async_trait]
impl Mailer for LocalDb {
    async fn send(&self, mail: Mail) -> Result<()> {
        let bytes = mail.to.len() + mail.subject.len() + mail.body.len();
        if bytes > MAIL_BYTES_MAX {
            return Err(invalid(format!("send {bytes} bytes: the most is {MAIL_BYTES_MAX}")));
        }
        self.writer.perform(Send(mail)).await
    }
}

impl LocalDb {
    /// Reads the newest mails, the newest first, at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub fn mails(&self, limit: usize) -> Result<Vec<Mail>> {
        self.readers.read("read the mailbox", |reader| {
            reader.all(
                "SELECT id, recipient, subject, body FROM mails ORDER BY sequence DESC LIMIT ?1",
                [limit.min(LOOK_BACK_MAX)],
                read_mail,
            )
        })
    }

    /// Reads the newest mails to one recipient, the newest first, at most `limit`.
    ///
    /// Looks through the newest 100,000 mails.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub fn mails_to(&self, recipient: &str, limit: usize) -> Result<Vec<Mail>> {
        self.readers.read("read the mailbox", |reader| {
            reader.all(
                "SELECT id, recipient, subject, body FROM mails
                 WHERE sequence > (SELECT max(sequence) FROM mails) - ?2 AND recipient = ?1
                 ORDER BY sequence DESC LIMIT ?3",
                (recipient, LOOK_BACK_MAX, limit.min(LOOK_BACK_MAX)),
                read_mail,
            )
        })
    }
}

fn read_mail(row: &Row<'_>) -> rusqlite::Result<Mail> {
    let id: [u8; 16] = row.get(0)?;
    Ok(Mail { id: Uuid::from_bytes(id), to: row.get(1)?, subject: row.get(2)?, body: row.get(3)? })
}

struct Send(Mail);

impl Request<Desk> for Send {
    type Answer = ();

    fn perform(&self, desk: &mut Desk) -> Result<(), Failure> {
        let Mail { id, to, subject, body } = &self.0;
        desk.log.write(
            "INSERT INTO mails (id, recipient, subject, body) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO NOTHING",
            (id.as_bytes(), to, subject, body),
        )?;
        Ok(())
    }
}
