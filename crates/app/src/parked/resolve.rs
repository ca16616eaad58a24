//! Resolving an entry of the operators' queue.
//!
//! Owns: the order of evidence, answer and record. Does not own: which evidence a step needs
//! (`rules`), and what a saga does with the answer (`state-machines/`).

use crate::http::edge::{Answered, Refused, absent};
use crate::http::operations::Operations;
use crate::parked::entry::EntryId;
use crate::parked::rules::{self, Evidence, GivenBack, Shown};
use crate::parked::{BOOKS_WAIT, Kind};
use contracts::fields::{self, Object};
use contracts::order::{Remedy, Resolution};
use contracts::problem::FieldError;
use contracts::{OrderId, Problem, Sku};
use order::Obstacle;
use payment::payment::Rejection;
use payment::{Settlement, Undoing};
use ports::aggregate::Failure;
use ports::saga_engine::Callback;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// The longest name and the longest reason that are kept, in characters.
const BY_CHARS_MAX: usize = 100;
const NOTE_CHARS_MAX: usize = 1_000;
/// Who resolves, if nobody says: the API knows no names yet.
const SOMEBODY: &str = "operator";

/// What an operator decides.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
pub(crate) struct Resolve {
    /// What is to be done.
    pub(crate) resolution: Remedy,
    /// Why; must be there when the step is said to be done.
    #[schema(example = "refunded in the gateway's own console, ticket 4711")]
    pub(crate) note: Option<String>,
    /// Who decides.
    #[schema(example = "ada")]
    pub(crate) by: Option<String>,
}

impl Resolve {
    /// Reads a request's body.
    ///
    /// # Errors
    /// Every wrong field.
    pub(crate) fn read(json: &Value) -> Result<Self, Vec<FieldError>> {
        let mut body = Object::read(json);
        let resolution = body.required("resolution", remedy);
        let note = body.optional("note", fields::text(1, NOTE_CHARS_MAX));
        let by = body.optional("by", fields::text(1, BY_CHARS_MAX));
        if resolution == Some(Remedy::Done) && json.get("note").is_none() {
            body.wrong("note", "must say how and why the step was done");
        }
        body.finish_with(resolution.map(|resolution| Self { resolution, note, by }))
    }
}

fn remedy(value: &Value) -> Result<Remedy, String> {
    match value.as_str() {
        Some("retry") => Ok(Remedy::Retry),
        Some("done") => Ok(Remedy::Done),
        _ => Err("must be `retry` or `done`".to_owned()),
    }
}

/// What was decided, and on what ground.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Resolved {
    /// The entry.
    pub(crate) id: String,
    /// What sort of thing it is.
    pub(crate) kind: Kind,
    /// What was decided.
    pub(crate) resolution: Remedy,
    /// Who decided it.
    pub(crate) by: String,
    /// What is known about it now, in words.
    pub(crate) outcome: String,
}

/// Resolves an entry: once. Whoever comes second finds that it does not stand still any more.
pub(crate) async fn resolve(
    operations: &Operations,
    id: &EntryId,
    resolve: Resolve,
) -> Answered<Resolved> {
    let (kind, outcome) = match id {
        EntryId::Order(order_id) => (Kind::Order, order(operations, order_id, &resolve).await?),
        EntryId::Payment(order_id) => {
            (Kind::Payment, payment(operations, order_id, &resolve).await?)
        }
        EntryId::Step(wait) => (Kind::Step, step(operations, wait, &resolve).await?),
    };
    let by = resolve.by.unwrap_or_else(|| SOMEBODY.to_owned());
    Ok(Resolved { id: id.to_string(), kind, resolution: resolve.resolution, by, outcome })
}

async fn order(operations: &Operations, id: &OrderId, resolve: &Resolve) -> Answered<String> {
    let Some(stored) = operations.orders.find(id).await? else {
        return Err(absent(format_args!("order {id}")));
    };
    let Some(obstacle) = operations.orders.obstacle(id).await? else {
        return Err(not_parked("the order is not parked, or not any more"));
    };
    let outcome = match resolve.resolution {
        Remedy::Retry => format!("the saga goes on with {}", obstacle.step),
        Remedy::Done => {
            let skus: Vec<Sku> = stored.order.details.lines.into_iter().map(|l| l.sku).collect();
            let why = done(operations, id, &skus, &obstacle).await?;
            format!("the saga goes on with what follows {}: {why}", obstacle.step)
        }
    };
    let resolution = Resolution {
        resolution: resolve.resolution,
        by: resolve.by.clone().unwrap_or_else(|| SOMEBODY.to_owned()),
        note: resolve.note.clone().unwrap_or_default(),
    };
    let answer = serde_json::to_value(&resolution).expect("a resolution is plain data");
    operations.sagas.answer(&obstacle.task_token, Callback::Success(answer)).await?;
    Ok(outcome)
}

/// Whether the step was done outside, and what shows it.
async fn done(
    operations: &Operations,
    id: &OrderId,
    skus: &[Sku],
    obstacle: &Obstacle,
) -> Answered<String> {
    let step = &obstacle.step;
    match rules::evidence(step) {
        Err(why) => Err(not_done(format!("{step} cannot have been done outside: {why}"))),
        Ok(Evidence::Books(undoing)) => by_the_books(operations, id, undoing).await,
        Ok(Evidence::Stock(given_back)) => by_the_stock(operations, id, skus, given_back).await,
    }
}

async fn by_the_books(operations: &Operations, id: &OrderId, undoing: Undoing) -> Answered<String> {
    let until = operations.clock.now().plus(BOOKS_WAIT);
    match operations.payments.attest(id, undoing, Some(until)).await {
        Ok(Settlement::ByTheBooks) => Ok("the gateway's books show that it was done".to_owned()),
        Ok(Settlement::OnTheirWord { why }) => Ok(format!(
            "the gateway's books cannot be read ({why}), so the payment stays in this list until \
             they agree"
        )),
        Err(Failure::Rejected(Rejection::BooksDisagree { books })) => Err(not_done(format!(
            "the gateway's books show {} authorized, {} captured, {} voided and {} refunded",
            books.authorized_minor, books.captured_minor, books.voided_minor, books.refunded_minor
        ))),
        Err(failure) => Err(failure.into()),
    }
}

async fn by_the_stock(
    operations: &Operations,
    id: &OrderId,
    skus: &[Sku],
    given_back: GivenBack,
) -> Answered<String> {
    let holdings = operations.inventory.holdings(id, skus).await?;
    match rules::shown(given_back, &holdings) {
        Shown::Back => Ok("our stock shows that it was given back".to_owned()),
        Shown::Unreadable => Ok("a record of the stock cannot be read".to_owned()),
        Shown::Out => {
            let out =
                skus.iter().zip(&holdings).map(|(sku, holding)| format!("{sku}: {holding:?}"));
            let out: Vec<String> = out.collect();
            let shows = out.join(", ").to_lowercase();
            Err(not_done(format!("our stock shows for the order: {shows}")))
        }
    }
}

async fn payment(operations: &Operations, id: &OrderId, resolve: &Resolve) -> Answered<String> {
    if operations.payments.unsettled_of(id).await?.is_none() {
        return Err(not_parked("the payment's outcome is known, or it never began"));
    }
    if resolve.resolution == Remedy::Done {
        return Err(not_done(
            "a payment is settled by the gateway's books alone: retry asks them now".to_owned(),
        ));
    }
    let until = operations.clock.now().plus(BOOKS_WAIT);
    match operations.payments.settle(id, Some(until)).await {
        Ok(None) => Ok("the payment is settled: both ledgers agree".to_owned()),
        Ok(Some(_)) => {
            Err(unsettled("the gateway's books show nothing of it; its saga decides what follows"))
        }
        Err(error) => {
            let (name, cause) = error.named();
            Err(unsettled(&format!("{name}: {cause}")))
        }
    }
}

async fn step(operations: &Operations, id: &str, resolve: &Resolve) -> Answered<String> {
    if operations.desk.wait(id).await?.is_none() {
        return Err(not_parked("the step does not wait any more"));
    }
    if resolve.resolution == Remedy::Done {
        return Err(not_done(
            "a step that waits for an outage to end goes on by itself, or is undone: it can only \
             be told to go on now"
                .to_owned(),
        ));
    }
    match operations.desk.resume(&*operations.sagas, id).await? {
        true => Ok("the saga goes on with the step".to_owned()),
        false => Err(not_parked("the step does not wait any more")),
    }
}

fn not_parked(why: &str) -> Refused {
    Problem::new(409, "not_parked", "It does not stand still").detail(why).into()
}

fn not_done(why: String) -> Refused {
    Problem::new(409, "not_done", "It cannot be taken for done").detail(why).into()
}

fn unsettled(why: &str) -> Refused {
    Problem::new(409, "still_unsettled", "The outcome is still unknown").detail(why).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(given: &Value, then: &[&str]) {
        let wrong = Resolve::read(given).unwrap_err();
        let pointers: Vec<&str> = wrong.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, then, "{given}");
    }

    #[test]
    fn whoever_says_done_says_why() {
        check(&json!({"resolution": "done"}), &["/note"]);
        check(&json!({"resolution": "done", "note": " "}), &["/note"]);
        let done = Resolve::read(&json!({"resolution": "done", "note": "by hand", "by": "ada"}));
        assert_eq!(done.unwrap().by.as_deref(), Some("ada"));
        assert!(Resolve::read(&json!({"resolution": "retry"})).is_ok());
    }

    #[test]
    fn everything_wrong_with_a_resolution_is_said_at_once() {
        check(&json!({"resolution": "drop", "note": 1, "x": 1}), &["/resolution", "/note", "/x"]);
        check(&json!({}), &["/resolution"]);
        check(&json!([]), &[""]);
    }
}
