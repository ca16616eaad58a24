//! Mail through SES.
//!
//! SES has no idempotency: a mail that is sent twice arrives twice, and a call without an answer may
//! have sent it. Whoever must send once keeps a record of what was sent; the mail's id travels in a
//! header and a tag, so that what came of it can be found again.
//!
//! Spec: Amazon SES API v2 reference, `SendEmail`.

use crate::Clients;
use crate::error::{Codes, Effect, failed};
use async_trait::async_trait;
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::BuildError;
use aws_sdk_sesv2::types::{
    Body, Content, Destination, EmailContent, Message, MessageHeader, MessageTag,
};
use ports::mailer::Mail;
use ports::{Error, Kind, Mailer, Result};

/// The header that carries the mail's id.
const ID_HEADER: &str = "X-Mail-Id";
/// The tag that carries it to what SES publishes about the mail.
const ID_TAG: &str = "mail-id";
/// What texts are written in.
const CHARSET: &str = "UTF-8";

/// SES's own codes; those of all services go beside them.
const CODES: Codes = &[
    ("AccountSuspendedException", Kind::Denied),
    ("BadRequestException", Kind::Invalid),
    ("MailFromDomainNotVerifiedException", Kind::Denied),
    ("MessageRejected", Kind::Invalid),
    // A configuration set that is not there.
    ("NotFoundException", Kind::Denied),
    // Until somebody lets the account send again: nothing was sent, and later may be fine.
    ("SendingPausedException", Kind::Unavailable),
];

/// Sends mail from one address.
#[derive(Clone, Debug)]
pub struct SesMailer {
    client: Client,
    from: String,
}

impl SesMailer {
    /// Sends from `from`, an address (perhaps with a name) that SES knows to be ours.
    #[must_use]
    pub fn new(clients: &Clients, from: impl Into<String>) -> Self {
        Self { client: Client::new(clients.config()), from: from.into() }
    }
}

#[async_trait]
impl Mailer for SesMailer {
    /// Sends plain text. Sending the same id twice is sending it twice.
    async fn send(&self, mail: Mail) -> Result<()> {
        let doing = || format!("send the mail {}", mail.id);
        // An address that is none is told by SES; one with a line in it is no header.
        if mail.to.is_empty() || mail.to.chars().any(char::is_control) {
            return Err(Error::new(Kind::Invalid, doing()).because("the recipient is no address"));
        }
        let (content, tag) =
            content(&mail).map_err(|error| Error::new(Kind::Invalid, doing()).because(error))?;
        let send = self
            .client
            .send_email()
            .from_email_address(&self.from)
            .destination(Destination::builder().to_addresses(&mail.to).build())
            .content(content)
            .email_tags(tag);
        let sent = send.send().await;
        sent.map(drop).map_err(|error| failed(doing(), Effect::Writes, CODES, error))
    }
}

fn content(mail: &Mail) -> std::result::Result<(EmailContent, MessageTag), BuildError> {
    let text = |data: &str| Content::builder().data(data).charset(CHARSET).build();
    let id = mail.id.to_string();
    let header = MessageHeader::builder().name(ID_HEADER).value(&id).build()?;
    let message = Message::builder()
        .subject(text(&mail.subject)?)
        .body(Body::builder().text(text(&mail.body)?).build())
        .headers(header)
        .build();
    let tag = MessageTag::builder().name(ID_TAG).value(id).build()?;
    Ok((EmailContent::builder().simple(message).build(), tag))
}
