//! Conformance of a mailer whose mail can be looked at where it arrives.

use super::{Exceptions, check_exceptions, run_but, worked};
use crate::mailer::{Mail, Mailer};
use contracts::id;
use futures::future::join_all;
use std::sync::Arc;

/// Shows the mail that has arrived.
pub type Delivered = Box<dyn Fn() -> Vec<Mail> + Send + Sync>;

pub(super) struct Subject {
    mailer: Arc<dyn Mailer>,
    delivered: Delivered,
}

/// Runs the mailer's suite; `make` makes a mailer and a look into its empty mailbox.
///
/// # Panics
/// When a case fails.
pub async fn mailer<F>(make: impl Fn() -> F)
where
    F: Future<Output = (Arc<dyn Mailer>, Delivered)>,
{
    mailer_but(&[], make).await;
}

/// The same, but for what a mailer cannot keep.
///
/// # Panics
/// As [`mailer`], and when an exception is none.
pub async fn mailer_but<F>(exceptions: Exceptions<'_>, make: impl Fn() -> F)
where
    F: Future<Output = (Arc<dyn Mailer>, Delivered)>,
{
    let names: Vec<_> = CASES.iter().map(|(name, _)| *name).collect();
    check_exceptions(exceptions, &names);
    let fresh = || async {
        let (mailer, delivered) = make().await;
        Subject { mailer, delivered }
    };
    run_but("mailer", CASES, exceptions, fresh).await;
}

super::cases!(Subject;
    a_mail_arrives_as_it_was_sent,
    a_mail_sent_twice_arrives_once,
    of_concurrent_sends_of_one_mail_one_arrives,
    mails_to_one_recipient_all_arrive,
);

fn mail(number: u32) -> Mail {
    Mail {
        id: id::derived(&["mail", &number.to_string()]),
        to: "ada@example.com".to_owned(),
        subject: format!("Your order {number} — é"),
        body: "Dear Ada,\n\n\tthank you.\n".to_owned(),
    }
}

async fn a_mail_arrives_as_it_was_sent(subject: Subject) {
    worked(subject.mailer.send(mail(1)).await);
    assert_eq!((subject.delivered)(), [mail(1)]);
}

async fn a_mail_sent_twice_arrives_once(subject: Subject) {
    worked(subject.mailer.send(mail(1)).await);
    worked(subject.mailer.send(mail(1)).await);
    assert_eq!((subject.delivered)().len(), 1);
}

async fn of_concurrent_sends_of_one_mail_one_arrives(subject: Subject) {
    let sends = (0..16).map(|_| subject.mailer.send(mail(1)));
    join_all(sends).await.into_iter().for_each(worked);
    assert_eq!((subject.delivered)().len(), 1);
}

async fn mails_to_one_recipient_all_arrive(subject: Subject) {
    for number in 1..=3 {
        worked(subject.mailer.send(mail(number)).await);
    }
    let mut subjects: Vec<_> = (subject.delivered)().into_iter().map(|mail| mail.subject).collect();
    subjects.sort();
    assert_eq!(subjects, [mail(1).subject, mail(2).subject, mail(3).subject]);
}
