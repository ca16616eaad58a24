//! What the tasks answer and ask the gateway, case by case.

use super::model_gateway::{Asked, Fate, ModelGateway};
use super::*;
use crate::record::Status;
use contracts::Timestamp;
use ports::{Kind, Outbox as _};
use std::pin::pin;

/// One order with a gateway of its own.
struct Case {
    house: House,
    gateway: Arc<ModelGateway>,
    order_id: OrderId,
}

impl Case {
    /// Starts after these tasks went well.
    async fn given(done: &[Task]) -> Self {
        let gateway = Arc::new(ModelGateway::default());
        let case = Self { house: House::build(gateway.clone()), gateway, order_id: order("1") };
        for task in done {
            case.house.call(*task, &case.order_id).await.unwrap();
        }
        case.gateway.asked();
        case
    }

    /// Performs a task while the gateway has these fates in store.
    async fn when(&self, task: Task, fates: &[Fate]) -> Result<PaymentReply, TaskError> {
        self.gateway.follow(fates.iter().map(|fate| (*fate, 0)));
        self.house.call(task, &self.order_id).await
    }

    #[track_caller]
    fn then_asked(&self, asked: &[Asked]) {
        assert_eq!(self.gateway.asked(), asked);
    }

    async fn then_is(&self, status: Status) {
        let view = self.house.view(&self.order_id).await.unwrap();
        assert_eq!(view.status, status);
        invariant_the_ledger_balances(&view);
        assert_eq!(books_of(&view), self.gateway.books(&self.order_id).0);
    }

    async fn is_listed(&self) -> bool {
        self.house.is_listed_as_unsettled(&self.order_id).await
    }
}

#[track_caller]
fn failed(answer: &Result<PaymentReply, TaskError>) -> (&str, &str) {
    match answer {
        Err(TaskError::Failed { error, cause }) => (error, cause),
        other => panic!("no business no: {other:?}"),
    }
}

#[tokio::test]
async fn a_payment_asks_the_gateway_twice_and_no_more() {
    let case = Case::given(&[]).await;
    let held = case.when(Task::Authorize, &[]).await.unwrap();
    assert_eq!(held.amount, Some(PRICE));
    let taken = case.when(Task::Capture, &[]).await.unwrap();
    assert_eq!(taken.amount, Some(PRICE));
    case.then_asked(&[Asked::Authorize, Asked::Capture]);
    case.then_is(Status::Captured).await;
}

#[tokio::test]
async fn every_call_of_the_gateway_ends_before_the_task_does() {
    let case = Case::given(&[]).await;
    case.gateway.deadlines();
    case.gateway.follow([(Fate::LostUnanswered, 0)]);
    let deadline = Some(Timestamp::from_millis(4_000_000_000_000));
    let context = TaskContext { deadline, ..TaskContext::default() };
    let call = Task::Authorize.call(&case.order_id, "tok_approve");
    case.house.service.perform(call, context).await.unwrap();
    let bound = Some(Timestamp::from_millis(3_999_999_999_750));
    assert_eq!(case.gateway.deadlines(), [bound, bound, bound]);
    case.then_asked(&[Asked::Authorize, Asked::Find, Asked::Authorize]);
}

#[tokio::test]
async fn a_task_asked_again_answers_the_same_without_the_gateway() {
    let story = [Task::Authorize, Task::Capture, Task::Refund];
    let case = Case::given(&[]).await;
    for task in story {
        let first = case.when(task, &[]).await.unwrap();
        case.gateway.asked();
        assert_eq!(case.when(task, &[]).await.unwrap(), first);
        case.then_asked(&[]);
    }
}

#[tokio::test]
async fn a_declined_card_is_declined_again_without_the_gateway() {
    let case = Case::given(&[]).await;
    for _ in 0..2 {
        let answer = case.when(Task::Authorize, &[Fate::Declines]).await;
        assert_eq!(failed(&answer), ("PaymentDeclined", "declined"));
    }
    case.then_asked(&[Asked::Authorize]);
    case.then_is(Status::Declined).await;
}

#[tokio::test]
async fn a_declined_capture_leaves_the_hold_to_be_voided() {
    let case = Case::given(&[Task::Authorize]).await;
    let answer = case.when(Task::Capture, &[Fate::Declines]).await;
    assert_eq!(failed(&answer), ("CaptureDeclined", "declined"));
    assert_eq!(case.when(Task::Refund, &[]).await.unwrap().amount, None);
    let voided = case.when(Task::Void, &[]).await.unwrap();
    assert_eq!(voided.amount, Some(PRICE));
    case.then_is(Status::Voided).await;
}

#[tokio::test]
async fn a_lost_answer_is_found_in_the_books() {
    let case = Case::given(&[]).await;
    case.when(Task::Authorize, &[Fate::AppliedUnanswered]).await.unwrap();
    case.then_asked(&[Asked::Authorize, Asked::Find]);
    case.then_is(Status::Authorized).await;
}

#[tokio::test]
async fn a_lost_call_is_sent_once_more() {
    let case = Case::given(&[]).await;
    case.when(Task::Authorize, &[Fate::LostUnanswered]).await.unwrap();
    case.then_asked(&[Asked::Authorize, Asked::Find, Asked::Authorize]);
    case.then_is(Status::Authorized).await;
}

#[tokio::test]
async fn what_stays_unknown_is_said_and_listed_and_looked_up_first_the_next_time() {
    let case = Case::given(&[Task::Authorize]).await;
    let fates = [Fate::LostUnanswered, Fate::Works, Fate::AppliedUnanswered];
    let answer = case.when(Task::Capture, &fates).await;
    assert!(matches!(answer, Err(TaskError::Unknown(_))), "{answer:?}");
    assert!(case.is_listed().await);
    case.gateway.asked();
    case.when(Task::Capture, &[]).await.unwrap();
    case.then_asked(&[Asked::Find]);
    assert!(!case.is_listed().await);
}

#[tokio::test]
async fn after_a_lost_answer_a_gateway_that_went_away_is_still_unknown() {
    let case = Case::given(&[]).await;
    let fates = [Fate::LostUnanswered, Fate::Works, Fate::Unavailable];
    let answer = case.when(Task::Authorize, &fates).await;
    assert!(matches!(answer, Err(TaskError::Unknown(_))), "{answer:?}");
}

#[tokio::test]
async fn a_crash_after_the_gateway_acted_is_found_out_by_the_next_attempt() {
    let case = Case::given(&[Task::Authorize]).await;
    case.gateway.follow([(Fate::AppliedThenCrash, 0)]);
    let capture = case.house.call(Task::Capture, &case.order_id);
    let crashed = pin!(case.gateway.crash.notified());
    futures::future::select(pin!(capture), crashed).await;
    assert!(case.is_listed().await);
    case.gateway.asked();
    case.when(Task::Capture, &[]).await.unwrap();
    case.then_asked(&[Asked::Find]);
    case.then_is(Status::Captured).await;
}

#[tokio::test]
async fn a_refund_looks_for_a_capture_of_unknown_outcome() {
    let case = Case::given(&[Task::Authorize]).await;
    let fates = [Fate::AppliedUnanswered, Fate::Unavailable];
    let answer = case.when(Task::Capture, &fates).await;
    assert!(matches!(answer, Err(TaskError::Unknown(_))), "{answer:?}");
    let refunded = case.when(Task::Refund, &[]).await.unwrap();
    assert_eq!(refunded.amount, Some(PRICE));
    case.then_is(Status::Refunded).await;
}

#[tokio::test]
async fn a_capture_that_lands_between_refund_and_void_is_refunded_by_the_void() {
    let case = Case::given(&[Task::Authorize]).await;
    let fates = [Fate::LandsLate(4), Fate::Unavailable];
    case.when(Task::Capture, &fates).await.unwrap_err();
    assert_eq!(case.when(Task::Refund, &[]).await.unwrap().amount, None);
    // The capture lands just before the void does.
    case.when(Task::Void, &[Fate::LostUnanswered]).await.unwrap();
    let (books, captures) = case.gateway.books(&case.order_id);
    assert_eq!((captures, books.refunded_minor), (1, PRICE.amount_minor));
    case.then_is(Status::Voided).await;
}

#[tokio::test]
async fn a_capture_that_lands_after_the_void_is_refused_by_the_gateway() {
    let case = Case::given(&[Task::Authorize]).await;
    let fates = [Fate::LandsLate(100), Fate::Unavailable];
    case.when(Task::Capture, &fates).await.unwrap_err();
    case.when(Task::Refund, &[]).await.unwrap();
    case.when(Task::Void, &[]).await.unwrap();
    case.gateway.settle();
    assert_eq!(case.gateway.books(&case.order_id).1, 0);
    case.then_is(Status::Voided).await;
}

#[tokio::test]
async fn without_a_payment_there_is_nothing_to_undo_and_a_late_one_is_refused() {
    let case = Case::given(&[Task::Refund, Task::Void]).await;
    let late = case.when(Task::Authorize, &[]).await;
    assert_eq!(failed(&late).0, "PaymentVoided");
    case.then_asked(&[]);
    case.then_is(Status::Forestalled).await;
}

#[tokio::test]
async fn a_void_that_does_not_get_through_stays_in_sight_and_can_be_tried_again() {
    let case = Case::given(&[Task::Authorize]).await;
    let answer = case.when(Task::Void, &[Fate::Unavailable]).await;
    let Err(TaskError::World(error)) = answer else {
        panic!("no failure of the world: {answer:?}");
    };
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(case.is_listed().await);
    case.when(Task::Void, &[]).await.unwrap();
    case.then_is(Status::Voided).await;
}

#[tokio::test]
async fn every_movement_is_told_once() {
    let case = Case::given(&[Task::Authorize, Task::Capture, Task::Capture, Task::Refund]).await;
    let pending = case.house.store.pending(0, 100).await.unwrap();
    let told: Vec<&str> = pending.iter().map(|p| p.envelope.detail_type.as_str()).collect();
    let expected = ["PaymentAuthorized", "PaymentCaptured", "PaymentRefunded"];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_task_that_makes_no_sense_is_refused_by_name() {
    let case = Case::given(&[]).await;
    for (task, input, expected) in [
        ("steal_payment", json!({}), "steal_payment"),
        ("capture_payment", json!({"order_id": "x"}), "order id"),
        ("authorize_payment", json!({}), "missing field"),
    ] {
        let task = task.to_owned();
        let call = TaskCall { task, input };
        let error = case.house.service.perform(call, TaskContext::default()).await.unwrap_err();
        let (name, cause) = error.named();
        assert_eq!(name, contracts::task::error_name::INVALID);
        assert!(cause.contains(expected), "{cause}");
    }
}

#[tokio::test]
async fn every_task_at_once_late_and_after_a_crash_moves_money_once_and_answers_the_same() {
    let tasks = [
        (Task::Authorize, &[][..], Status::Authorized),
        (Task::Capture, &[Task::Authorize], Status::Captured),
        (Task::Refund, &[Task::Authorize, Task::Capture], Status::Refunded),
        (Task::Void, &[Task::Authorize], Status::Voided),
    ];
    for (task, before, status) in tasks {
        let case = Case::given(before).await;
        // The first caller dies after the gateway acted and before that is written down.
        case.gateway.follow([(Fate::AppliedThenCrash, 0)]);
        let first = case.house.call(task, &case.order_id);
        futures::future::select(pin!(first), pin!(case.gateway.crash.notified())).await;
        let copies = (0..10).map(|_| case.house.call(task, &case.order_id));
        let answers = futures::future::join_all(copies).await;
        let first = case.when(task, &[]).await.unwrap();
        for answer in answers {
            assert_eq!(answer.unwrap(), first, "{task:?}");
        }
        case.then_is(status).await;
        let (books, captures) = case.gateway.books(&case.order_id);
        assert!(captures <= 1 && books.authorized_minor == PRICE.amount_minor, "{books:?}");
        // Late, it asks the gateway nothing.
        case.gateway.asked();
        assert_eq!(case.when(task, &[]).await.unwrap(), first);
        case.then_asked(&[]);
    }
}
