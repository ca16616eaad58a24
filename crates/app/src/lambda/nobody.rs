//! Who stands in a service for what its function must not reach.
//!
//! A function that only shows payments has no gateway's address, no key and no leave to read one;
//! should a change of the code let it move money all the same, it is refused here.

use async_trait::async_trait;
use contracts::Timestamp;
use ports::gateway::{Books, Operation, Outcome};
use ports::mailer::Mail;
use ports::{Error, Kind, Mailer, PaymentGateway, Result};

/// Refuses whatever it is asked.
pub(super) struct Nobody;

fn refused<T>(doing: &str) -> Result<T> {
    Err(Error::new(Kind::Denied, doing).because("this function has no part in it"))
}

#[async_trait]
impl PaymentGateway for Nobody {
    async fn authorize(&self, _: &Operation, _: &str) -> Result<Outcome> {
        refused("authorize a payment")
    }

    async fn capture(&self, _: &Operation) -> Result<Outcome> {
        refused("capture a payment")
    }

    async fn void(&self, _: &Operation) -> Result<Outcome> {
        refused("void a payment")
    }

    async fn refund(&self, _: &Operation) -> Result<Outcome> {
        refused("refund a payment")
    }

    async fn find(&self, _: &str, _: Option<Timestamp>) -> Result<Books> {
        refused("read the gateway's books")
    }
}

#[async_trait]
impl Mailer for Nobody {
    async fn send(&self, _: Mail) -> Result<()> {
        refused("send a mail")
    }
}
