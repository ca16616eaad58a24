//! The notification: which mail an event asks for, word for word.
//!
//! Owns: subjects, bodies, and a reason's code in words. Pure: values in, values out.
//! Does not own: sending it.

use askama::Template;
use contracts::order::{OrderCancelled, OrderConfirmed, OrderRejected};
use contracts::user::Contact;
use contracts::{Money, OrderId};
use serde::{Deserialize, Serialize};

/// How an order ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is paid, and its stock is taken.
    Confirmed(OrderConfirmed),
    /// It could not be fulfilled.
    Rejected(OrderRejected),
    /// The customer cancelled it.
    Cancelled(OrderCancelled),
}

/// What a notification tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The order is confirmed.
    Confirmed,
    /// The order was rejected.
    Rejected,
    /// The order was cancelled.
    Cancelled,
}

/// A notification, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// About which order.
    pub order_id: OrderId,
    /// What it tells.
    pub kind: Kind,
    /// The recipient's address.
    pub to: String,
    /// The subject line.
    pub subject: String,
    /// The text.
    pub body: String,
}

#[derive(Template)]
#[template(path = "confirmed_body.txt")]
struct ConfirmedBody<'a> {
    name: &'a str,
    order_id: &'a OrderId,
    total: Money,
}

#[derive(Template)]
#[template(path = "rejected_body.txt")]
struct RejectedBody<'a> {
    name: &'a str,
    order_id: &'a OrderId,
    total: Money,
    reason: &'a str,
}

#[derive(Template)]
#[template(path = "cancelled_body.txt")]
struct CancelledBody<'a> {
    name: &'a str,
    order_id: &'a OrderId,
    total: Money,
}

/// Composes the mail that an event asks for; the same event gives the same mail.
///
/// # Errors
/// A template cannot be written.
pub fn compose(event: &Event) -> Result<Notification, askama::Error> {
    match event {
        Event::Confirmed(order) => {
            let body = ConfirmedBody {
                name: &order.contact.name,
                order_id: &order.order_id,
                total: order.total,
            };
            addressed(&order.order_id, &order.contact, Kind::Confirmed, &body)
        }
        Event::Rejected(order) => {
            let body = RejectedBody {
                name: &order.contact.name,
                order_id: &order.order_id,
                total: order.total,
                reason: reason_in_words(&order.reason),
            };
            addressed(&order.order_id, &order.contact, Kind::Rejected, &body)
        }
        Event::Cancelled(order) => {
            let body = CancelledBody {
                name: &order.contact.name,
                order_id: &order.order_id,
                total: order.total,
            };
            addressed(&order.order_id, &order.contact, Kind::Cancelled, &body)
        }
    }
}

fn addressed(
    order_id: &OrderId,
    contact: &Contact,
    kind: Kind,
    body: &impl Template,
) -> Result<Notification, askama::Error> {
    let subject = match kind {
        Kind::Confirmed => format!("Your order {order_id} is confirmed"),
        Kind::Rejected => format!("Your order {order_id} could not be fulfilled"),
        Kind::Cancelled => format!("Your order {order_id} is cancelled"),
    };
    Ok(Notification {
        order_id: order_id.clone(),
        kind,
        to: contact.email.clone(),
        subject,
        body: body.render()?,
    })
}

/// A customer does not read codes. One that is not known here is our affair, not the customer's.
fn reason_in_words(code: &str) -> &'static str {
    match code {
        "out_of_stock" => "Something you ordered is sold out.",
        "unknown_sku" => "Something you ordered is no longer sold.",
        "payment_declined" | "capture_declined" => "Your card was declined.",
        _ => "Something went wrong on our side.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::{Currency, UserId};

    const TOTAL: Money = Money::new(1_999, Currency::Eur);

    fn contact() -> Contact {
        Contact { email: "ada@example.org".to_owned(), name: "Ada <& Co>".to_owned() }
    }

    fn ids() -> (OrderId, UserId) {
        let uuid = contracts::id::derived(&["1"]);
        (OrderId::from_uuid(uuid), UserId::from_uuid(uuid))
    }

    fn rejected(reason: &str) -> Event {
        let (order_id, user_id) = ids();
        Event::Rejected(OrderRejected {
            order_id,
            user_id,
            total: TOTAL,
            contact: contact(),
            reason: reason.to_owned(),
        })
    }

    #[track_caller]
    fn check(when: &Event, kind: Kind, subject: &str, said: &[&str]) {
        let mail = compose(when).unwrap();
        assert_eq!((mail.kind, mail.to.as_str()), (kind, "ada@example.org"));
        let subject = subject.replace("{}", ids().0.as_str());
        assert_eq!(mail.subject, subject);
        for words in said {
            assert!(mail.body.contains(words), "`{words}` is not in:\n{}", mail.body);
        }
    }

    #[test]
    fn a_confirmation_names_the_order_and_its_total() {
        let (order_id, user_id) = ids();
        let said = ["19.99 EUR", order_id.as_str()];
        let contact = contact();
        let event = OrderConfirmed { order_id: ids().0, user_id, total: TOTAL, contact };
        check(&Event::Confirmed(event), Kind::Confirmed, "Your order {} is confirmed", &said);
    }

    #[test]
    fn a_rejection_says_why_in_words_and_that_nothing_was_charged() {
        for (code, words) in [
            ("payment_declined", "card was declined"),
            ("out_of_stock", "sold out"),
            ("some_new_code", "on our side"),
        ] {
            let subject = "Your order {} could not be fulfilled";
            let said = [words, "not been charged", "19.99 EUR"];
            check(&rejected(code), Kind::Rejected, subject, &said);
        }
    }

    #[test]
    fn a_cancellation_says_that_the_money_is_back() {
        let (order_id, user_id) = ids();
        let contact = contact();
        let event = OrderCancelled { order_id, user_id, total: TOTAL, contact };
        let said = ["given back", "19.99 EUR"];
        check(&Event::Cancelled(event), Kind::Cancelled, "Your order {} is cancelled", &said);
    }

    #[test]
    fn a_name_stands_in_the_mail_as_it_was_given() {
        let said = ["Hello Ada <& Co>,"];
        check(&rejected(""), Kind::Rejected, "Your order {} could not be fulfilled", &said);
    }
}
