//! Unknown outcomes: books first, the same key while it is honoured, and always in sight.

use super::model_gateway::{Asked, Fate, ModelGateway};
use super::*;
use crate::record::Status;
use crate::{KEY_HONOURED, Settlement, Undoing, Unsettled};
use ports::aggregate::Failure;
use std::time::Duration;
use testkit::ManualClock;

/// One order with a gateway of its own, and a clock that stands still.
struct Case {
    house: House,
    gateway: Arc<ModelGateway>,
    clock: Arc<ManualClock>,
    order_id: OrderId,
}

impl Case {
    /// Starts after these tasks went well.
    async fn given(done: &[Task]) -> Self {
        let (gateway, clock) =
            (Arc::new(ModelGateway::default()), Arc::new(ManualClock::default()));
        let house = House::build_at(gateway.clone(), clock.clone());
        let case = Self { house, gateway, clock, order_id: order("1") };
        for task in done {
            case.house.call(*task, &case.order_id).await.unwrap();
        }
        case.gateway.asked();
        case
    }

    /// Performs a task while the gateway has these fates in store; answers its failure's name.
    async fn fails(&self, task: Task, fates: &[Fate]) -> String {
        self.gateway.follow(fates.iter().map(|fate| (*fate, 0)));
        self.house.call(task, &self.order_id).await.unwrap_err().named().0
    }

    async fn listed(&self) -> Option<Unsettled> {
        let listed = self.house.service.unsettled(PageRequest::default()).await.unwrap();
        let one = self.house.service.unsettled_of(&self.order_id).await.unwrap();
        assert_eq!(listed.items.first(), one.as_ref());
        one
    }

    async fn settle(&self) -> Result<Option<Unsettled>, TaskError> {
        self.house.service.settle(&self.order_id, None).await
    }

    async fn attest(
        &self,
        undoing: Undoing,
    ) -> Result<Settlement, Failure<crate::payment::Rejection>> {
        self.house.service.attest(&self.order_id, undoing, None).await
    }

    /// Our books are the gateway's, and how far we are.
    async fn then_is(&self, status: Status) {
        let view = self.house.view(&self.order_id).await.unwrap();
        invariant_the_ledger_balances(&view);
        assert_eq!((view.status, books_of(&view)), (status, self.gateway.books(&self.order_id).0));
    }
}

/// The gateway neither answers the call nor shows its books, nor answers the second time.
const SILENT: [Fate; 2] = [Fate::LostUnanswered, Fate::Unavailable];

#[tokio::test]
async fn an_unknown_outcome_is_listed_with_since_tries_and_the_last_error() {
    let case = Case::given(&[Task::Authorize]).await;
    let since = case.clock.now();
    for tries in 1..=3 {
        assert_eq!(
            case.fails(Task::Capture, &SILENT).await,
            if tries == 1 {
                contracts::task::error_name::OUTCOME_UNKNOWN
            } else {
                // The books come first, and cannot be had.
                contracts::task::error_name::UNAVAILABLE
            }
        );
        case.clock.advance(Duration::from_secs(60));
        let listed = case.listed().await.unwrap();
        assert_eq!((listed.since, listed.tries), (since, tries));
        assert!(listed.last_error.unwrap().contains("reach the gateway"));
        assert_eq!(listed.payment.status, Status::Capturing);
    }
    case.gateway.follow([]);
    case.house.call(Task::Capture, &case.order_id).await.unwrap();
    assert_eq!(case.listed().await, None);
}

#[tokio::test]
async fn the_tries_of_one_call_do_not_count_for_the_next() {
    let case = Case::given(&[]).await;
    case.fails(Task::Authorize, &SILENT).await;
    case.house.call(Task::Authorize, &case.order_id).await.unwrap();
    case.clock.advance(Duration::from_secs(1));
    case.fails(Task::Void, &[Fate::Unavailable]).await;
    let listed = case.listed().await.unwrap();
    assert_eq!((listed.tries, listed.since), (1, case.clock.now()));
}

#[tokio::test]
async fn past_the_keys_life_a_call_is_looked_for_and_never_sent_again() {
    for (given, task) in [
        (vec![], Task::Authorize),
        (vec![Task::Authorize], Task::Capture),
        (vec![Task::Authorize, Task::Capture], Task::Refund),
    ] {
        let case = Case::given(&given).await;
        case.fails(task, &[Fate::LostUnanswered, Fate::Works, Fate::LostUnanswered]).await;
        case.clock.advance(KEY_HONOURED);
        case.gateway.asked();
        assert_eq!(case.fails(task, &[]).await, "KeyForgotten");
        assert_eq!(case.gateway.asked(), [Asked::Find]);
        let listed = case.listed().await.unwrap();
        assert!(listed.last_error.unwrap().contains("not sent again"));
    }
}

#[tokio::test]
async fn a_moment_before_the_keys_life_ends_the_call_is_sent_under_it() {
    let case = Case::given(&[]).await;
    case.fails(Task::Authorize, &SILENT).await;
    case.clock.advance(KEY_HONOURED - Duration::from_millis(1));
    case.house.call(Task::Authorize, &case.order_id).await.unwrap();
    case.then_is(Status::Authorized).await;
}

#[tokio::test]
async fn past_the_keys_life_what_the_books_show_is_taken_from_them() {
    let case = Case::given(&[Task::Authorize]).await;
    case.fails(Task::Capture, &[Fate::AppliedUnanswered, Fate::Unavailable]).await;
    case.clock.advance(KEY_HONOURED * 14);
    case.house.call(Task::Capture, &case.order_id).await.unwrap();
    case.then_is(Status::Captured).await;
}

#[tokio::test]
async fn a_void_is_sent_however_late_because_twice_is_once() {
    let case = Case::given(&[Task::Authorize]).await;
    case.fails(Task::Void, &[Fate::AppliedUnanswered, Fate::AppliedUnanswered]).await;
    case.clock.advance(KEY_HONOURED * 2);
    case.house.call(Task::Void, &case.order_id).await.unwrap();
    case.then_is(Status::Voided).await;
}

#[tokio::test]
async fn an_earlier_send_that_arrives_after_a_second_one_charges_nobody_twice() {
    for task in [Task::Authorize, Task::Capture, Task::Refund] {
        let before: &[Task] = match task {
            Task::Authorize => &[],
            Task::Capture => &[Task::Authorize],
            Task::Refund | Task::Void => &[Task::Authorize, Task::Capture],
        };
        let case = Case::given(before).await;
        case.gateway.follow([(Fate::LandsLate(200), 0)]);
        case.house.call(task, &case.order_id).await.unwrap();
        assert_eq!(case.gateway.asked().len(), 3, "sent, looked for, sent again");
        let once = case.gateway.books(&case.order_id);
        case.gateway.settle();
        assert_eq!(case.gateway.books(&case.order_id), once, "{task:?}");
    }
}

#[tokio::test]
async fn books_that_contradict_the_gateways_answers_are_for_an_operator() {
    let case = Case::given(&[Task::Authorize, Task::Capture]).await;
    case.gateway.by_hand(&case.order_id, |books| books.refunded_minor = 200);
    case.fails(Task::Refund, &[Fate::LostUnanswered]).await;
    assert_eq!(case.fails(Task::Refund, &[]).await, "BooksDisagree");
    assert!(!contracts::task::error_name::RETRYABLE.contains(&"BooksDisagree"));
    let listed = case.listed().await.unwrap();
    assert!(listed.last_error.unwrap().contains("200 refunded"));
}

#[tokio::test]
async fn an_operator_settles_an_undoing_and_only_looks_for_a_step_forward() {
    let undoing = Case::given(&[Task::Authorize, Task::Capture]).await;
    undoing.fails(Task::Refund, &[Fate::Unavailable]).await;
    assert_eq!(undoing.settle().await.unwrap(), None);
    undoing.then_is(Status::Refunded).await;

    let forward = Case::given(&[Task::Authorize]).await;
    forward.fails(Task::Capture, &SILENT).await;
    forward.gateway.asked();
    assert!(forward.settle().await.unwrap().is_some());
    assert_eq!(forward.gateway.asked(), [Asked::Find], "whether to take it is for its saga to say");
    forward.gateway.by_hand(&forward.order_id, |books| books.captured_minor = PRICE.amount_minor);
    assert_eq!(forward.settle().await.unwrap(), None);
    forward.then_is(Status::Captured).await;
}

#[tokio::test]
async fn what_was_undone_by_hand_is_booked_as_the_gateways_books_show_it() {
    let case = Case::given(&[Task::Authorize, Task::Capture]).await;
    case.fails(Task::Refund, &[Fate::Unavailable]).await;
    case.gateway.by_hand(&case.order_id, |books| books.refunded_minor = PRICE.amount_minor);
    case.gateway.asked();
    assert_eq!(case.attest(Undoing::Refund).await.unwrap(), Settlement::ByTheBooks);
    assert_eq!(case.gateway.asked(), [Asked::Find]);
    case.then_is(Status::Refunded).await;
    assert_eq!(case.listed().await, None);
}

#[tokio::test]
async fn a_capture_of_unknown_outcome_is_booked_before_the_refund_that_was_made_by_hand() {
    let case = Case::given(&[Task::Authorize]).await;
    case.fails(Task::Capture, &[Fate::AppliedUnanswered, Fate::Unavailable]).await;
    case.gateway.by_hand(&case.order_id, |books| books.refunded_minor = PRICE.amount_minor);
    assert_eq!(case.attest(Undoing::Refund).await.unwrap(), Settlement::ByTheBooks);
    case.then_is(Status::Refunded).await;
}

#[tokio::test]
async fn nobodys_word_stands_against_the_gateways_books() {
    let case = Case::given(&[Task::Authorize, Task::Capture]).await;
    case.fails(Task::Refund, &[Fate::Unavailable]).await;
    for undoing in [Undoing::Refund, Undoing::Void] {
        let refused = case.attest(undoing).await.unwrap_err();
        assert!(matches!(refused, Failure::Rejected(_)), "{refused:?}");
    }
    let held = Case::given(&[Task::Authorize]).await;
    let refused = held.attest(Undoing::Void).await.unwrap_err();
    assert!(matches!(refused, Failure::Rejected(_)), "{refused:?}");
    held.then_is(Status::Authorized).await;
}

#[tokio::test]
async fn where_the_books_cannot_be_had_a_word_is_taken_and_the_payment_stays_listed() {
    let case = Case::given(&[Task::Authorize]).await;
    case.gateway.follow([(Fate::Unavailable, 0)]);
    let settlement = case.attest(Undoing::Void).await.unwrap();
    assert!(matches!(settlement, Settlement::OnTheirWord { .. }), "{settlement:?}");
    assert_eq!(case.listed().await.unwrap().payment.status, Status::Voiding);
    // Whatever was said, it is settled by the gateway alone.
    assert_eq!(case.settle().await.unwrap(), None);
    case.then_is(Status::Voided).await;
}
