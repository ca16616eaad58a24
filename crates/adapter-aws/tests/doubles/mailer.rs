//! SES: what is sent, and what its refusals become.

use crate::double::{Asked, Double, Said};
use adapter_aws::SesMailer;
use ports::conformance::{self, Delivered, Excepted, Exceptions};
use ports::mailer::Mail;
use ports::{Kind, Mailer};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// Why a mail's record must be kept by whoever sends it.
const NO_IDEMPOTENCY: &str = "SES sends what it is told, as often as it is told";
/// What SES cannot keep of the mailer's suite.
const SES: Exceptions<'_> = &[
    ("a_mail_sent_twice_arrives_once", Excepted::Fails, NO_IDEMPOTENCY),
    ("of_concurrent_sends_of_one_mail_one_arrives", Excepted::Fails, NO_IDEMPOTENCY),
];

/// The mail that a call of SES sends.
fn sent(asked: &Asked) -> Mail {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let message = &asked.body["Content"]["Simple"];
    Mail {
        id: asked.body["EmailTags"][0]["Value"].as_str().unwrap().parse().unwrap(),
        to: text(&asked.body["Destination"]["ToAddresses"][0]),
        subject: text(&message["Subject"]["Data"]),
        body: text(&message["Body"]["Text"]["Data"]),
    }
}

#[tokio::test]
async fn ses_passes_the_suite_of_mailers_but_for_what_it_cannot_keep() {
    conformance::mailer_but(SES, async || {
        let double = Double::saying(|_| Said::with(200, json!({"MessageId": "1"}))).await;
        let mailer = SesMailer::new(&double.clients, "shop@example.com");
        let delivered: Delivered = Box::new(move || double.asked().iter().map(sent).collect());
        (Arc::new(mailer) as Arc<dyn Mailer>, delivered)
    })
    .await;
}

fn mail() -> Mail {
    Mail {
        id: Uuid::from_u128(7),
        to: "ada@example.com".to_owned(),
        subject: "Grüße".to_owned(),
        body: "Dear Ada,\n\n\tthank you.\n".to_owned(),
    }
}

#[tokio::test]
async fn a_mail_is_sent_as_plain_text_with_its_id() {
    let double = Double::saying(|_| Said::with(200, json!({"MessageId": "1"}))).await;
    let mailer = SesMailer::new(&double.clients, "Shop <shop@example.com>");
    mailer.send(mail()).await.unwrap();
    let asked = double.asked().remove(0);
    let id = "00000000-0000-0000-0000-000000000007";
    let text = |data: &str| json!({"Data": data, "Charset": "UTF-8"});
    let expected = json!({
        "FromEmailAddress": "Shop <shop@example.com>",
        "Destination": {"ToAddresses": ["ada@example.com"]},
        "Content": {"Simple": {
            "Subject": text("Grüße"),
            "Body": {"Text": text("Dear Ada,\n\n\tthank you.\n")},
            "Headers": [{"Name": "X-Mail-Id", "Value": id}],
        }},
        "EmailTags": [{"Name": "mail-id", "Value": id}],
    });
    assert_eq!((asked.path.as_str(), asked.body), ("/v2/email/outbound-emails", expected));
}

#[tokio::test]
async fn a_refusal_says_whether_the_mail_may_be_sent_later() {
    let double = Double::saying(|_| Said::with(200, "{}")).await;
    let mailer = SesMailer::new(&double.clients, "shop@example.com");
    for (status, code, kind) in [
        (400, "MessageRejected", Kind::Invalid),
        (400, "BadRequestException", Kind::Invalid),
        (400, "MailFromDomainNotVerifiedException", Kind::Denied),
        (400, "AccountSuspendedException", Kind::Denied),
        (400, "SendingPausedException", Kind::Unavailable),
        (429, "TooManyRequestsException", Kind::Throttled),
        (400, "LimitExceededException", Kind::Throttled),
        // It may have been sent.
        (500, "InternalServiceErrorException", Kind::Timeout),
    ] {
        double.say(move |_| Said::error(status, code));
        let refused = mailer.send(mail()).await.unwrap_err();
        assert_eq!(refused.kind(), kind, "{code}");
    }
}

#[tokio::test]
async fn what_is_no_address_is_not_sent() {
    let double = Double::saying(|_| Said::with(200, "{}")).await;
    let mailer = SesMailer::new(&double.clients, "shop@example.com");
    for to in ["", "ada@example.com\r\nBcc: eve@example.com"] {
        let refused = mailer.send(Mail { to: to.to_owned(), ..mail() }).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Invalid, "{to:?}");
    }
    assert_eq!(double.times(), 0);
}
