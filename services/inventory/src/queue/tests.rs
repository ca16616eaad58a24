//! Who serves and who is served, without any store.

use super::*;
use futures::FutureExt as _;

fn sku() -> Sku {
    "TEA".parse().unwrap()
}

fn call(order: u32) -> Call {
    let order_id = OrderId::from_uuid(contracts::id::derived(&[&order.to_string()]));
    Call { order_id: Some(order_id), command: Command::Release, held_until: None }
}

#[track_caller]
fn seat(turn: Option<Turn>) -> Seat {
    match turn {
        Some(Turn::Serve(seat)) => seat,
        Some(Turn::Served(_) | Turn::Abandoned) | None => panic!("the seat is not free"),
    }
}

#[test]
fn alone_in_the_queue_nobody_waits() {
    let queues = Queues::default();
    for order in 0..3 {
        let seat = seat(queues.turn(&sku(), &call(order)).now_or_never());
        assert!(seat.company(&call(order)).is_empty());
    }
    assert!(lock(&queues.waiting).is_empty());
}

#[test]
fn those_who_wait_are_served_together() {
    let queues = Queues::default();
    let first = seat(queues.turn(&sku(), &call(0)).now_or_never());
    let tea = sku();
    let (one, two) = (call(1), call(2));
    let mut waiting = [Box::pin(queues.turn(&tea, &one)), Box::pin(queues.turn(&tea, &two))];
    assert!(waiting.iter_mut().all(|turn| turn.now_or_never().is_none()));
    for waiter in first.company(&call(0)) {
        waiter.tell(Ok(()));
    }
    for turn in &mut waiting {
        assert!(matches!(turn.now_or_never(), Some(Turn::Served(Ok(())))));
    }
}

#[test]
fn two_calls_of_one_order_are_not_served_together() {
    let queues = Queues::default();
    let first = seat(queues.turn(&sku(), &call(0)).now_or_never());
    let (tea, same) = (sku(), call(0));
    let mut second = Box::pin(queues.turn(&tea, &same));
    assert!((&mut second).now_or_never().is_none());
    assert!(first.company(&call(0)).is_empty());
    drop(first);
    seat(second.now_or_never());
}

#[test]
fn no_more_are_served_together_than_one_write_can_hold() {
    let queues = Queues::default();
    let first = seat(queues.turn(&sku(), &call(0)).now_or_never());
    let tea = sku();
    let calls: Vec<Call> = (1..=100).map(call).collect();
    let mut waiting: Vec<_> = calls.iter().map(|call| Box::pin(queues.turn(&tea, call))).collect();
    assert!(waiting.iter_mut().all(|turn| turn.now_or_never().is_none()));
    assert_eq!(first.company(&call(0)).len(), BATCH_MAX - 1);
}

#[test]
fn a_server_that_goes_away_leaves_its_seat_and_its_company_to_ask_again() {
    let queues = Queues::default();
    let first = seat(queues.turn(&sku(), &call(0)).now_or_never());
    let (tea, one, two) = (sku(), call(1), call(2));
    let mut called_up = Box::pin(queues.turn(&tea, &one));
    assert!((&mut called_up).now_or_never().is_none());
    let company = first.company(&call(0));
    let mut next = Box::pin(queues.turn(&tea, &two));
    assert!((&mut next).now_or_never().is_none());
    drop((company, first));
    assert!(matches!(called_up.now_or_never(), Some(Turn::Abandoned)));
    seat(next.now_or_never());
}

#[test]
fn a_seat_that_nobody_takes_is_free_again() {
    let queues = Queues::default();
    let first = seat(queues.turn(&sku(), &call(0)).now_or_never());
    let (tea, one, two) = (sku(), call(1), call(2));
    let mut gone = Box::pin(queues.turn(&tea, &one));
    let mut sent = Box::pin(queues.turn(&tea, &two));
    assert!((&mut gone).now_or_never().is_none());
    assert!((&mut sent).now_or_never().is_none());
    drop(gone);
    drop(first);
    // The seat was sent to this one, who goes away before it looks.
    drop(sent);
    assert!(lock(&queues.waiting).is_empty());
}
