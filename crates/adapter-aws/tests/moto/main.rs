//! The adapters against moto, where our own AWS API speaks none of their service.
//!
//! Without moto they are skipped, loudly; see `testkit::counterparts`.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use adapter_aws::{Clients, S3Blobs, SecretsManager, SesMailer};
use ports::conformance::{self, Excepted, Exceptions, PutSecret};
use ports::mailer::Mail;
use ports::{Blobs, Clock, Kind, Mailer, Secrets};
use std::sync::Arc;
use testkit::counterparts::{Counterpart, Program};
use uuid::Uuid;

/// What S3 does not know, and what moto's does not keep.
const S3: Exceptions<'_> = &[
    ("no_key_is_the_folder_of_another", Excepted::Fails, "S3 knows no folders"),
    (
        "of_concurrent_writes_one_stays_whole",
        Excepted::FailsByChance,
        "moto writes an object without a lock and answers 500 to whoever comes in between",
    ),
];
/// The secrets that the suite puts.
const SECRETS: [&str; 3] = ["key", "one", "two"];

async fn clients(moto: &Counterpart) -> Clients {
    Clients::at(&moto.url(), ("any", "any")).unwrap()
}

/// Makes a secret, or a new version of it.
async fn put(client: aws_sdk_secretsmanager::Client, name: &str, value: &str) {
    let put = client.put_secret_value().secret_id(name).secret_string(value);
    if put.send().await.is_err() {
        client.create_secret().name(name).secret_string(value).send().await.unwrap();
    }
}

#[tokio::test]
async fn s3_passes_the_suite_of_blobs() {
    let Some(moto) = Counterpart::start(Program::Moto, "s3_passes_the_suite_of_blobs") else {
        return;
    };
    let clients = clients(&moto).await;
    let client = aws_sdk_s3::Client::new(clients.config());
    client.create_bucket().bucket("orders").send().await.unwrap();
    conformance::blobs_but(S3, async || {
        let left = client.list_objects_v2().bucket("orders").send().await.unwrap();
        for object in left.contents() {
            let delete = client.delete_object().bucket("orders").key(object.key().unwrap());
            delete.send().await.unwrap();
        }
        Arc::new(S3Blobs::new(&clients)) as Arc<dyn Blobs>
    })
    .await;
}

#[tokio::test]
async fn secrets_manager_passes_the_suite_of_secrets_on_moto() {
    let title = "secrets_manager_passes_the_suite_of_secrets_on_moto";
    let Some(moto) = Counterpart::start(Program::Moto, title) else { return };
    let clients = clients(&moto).await;
    let client = aws_sdk_secretsmanager::Client::new(clients.config());
    conformance::secrets(async |clock: Arc<dyn Clock>| {
        for name in SECRETS {
            let delete = client.delete_secret().secret_id(name).force_delete_without_recovery(true);
            // One that is not there is deleted already.
            delete.send().await.ok();
        }
        let client = client.clone();
        let put: PutSecret =
            Box::new(move |name, value| Box::pin(put(client.clone(), name, value)));
        (Arc::new(SecretsManager::new(&clients, clock)) as Arc<dyn Secrets>, put)
    })
    .await;
}

#[tokio::test]
async fn ses_takes_a_mail_from_an_address_that_is_ours_and_from_no_other() {
    let title = "ses_takes_a_mail_from_an_address_that_is_ours_and_from_no_other";
    let Some(moto) = Counterpart::start(Program::Moto, title) else { return };
    let clients = clients(&moto).await;
    let client = aws_sdk_sesv2::Client::new(clients.config());
    client.create_email_identity().email_identity("shop@example.com").send().await.unwrap();
    let mail = Mail {
        id: Uuid::from_u128(7),
        to: "ada@example.com".to_owned(),
        subject: "Grüße".to_owned(),
        body: "Dear Ada".to_owned(),
    };
    SesMailer::new(&clients, "shop@example.com").send(mail.clone()).await.unwrap();
    let foreign = SesMailer::new(&clients, "eve@example.org").send(mail).await.unwrap_err();
    assert_eq!(foreign.kind(), Kind::Invalid);
}
