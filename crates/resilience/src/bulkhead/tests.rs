//! Bulkheads as callers meet them.

use super::*;
use crate::hand_clock::HandClock;
use crate::scripted::{Scripted, request, request_until};
use crate::spare::{Body, said};
use futures::FutureExt;
use futures::executor::block_on;
use http::{Request, Response};
use ports::Kind;
use ports::task::{TaskError, TaskReply, TaskRequest};
use serde_json::json;
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

fn limited(script: &Scripted, concurrent_max: u32, waiting_max: u32) -> Bulkhead<Scripted, OfTask> {
    let limits = Limits { concurrent_max, waiting_max };
    let bulkheads = Bulkheads::new(Config { limits, ..Config::default() });
    BulkheadLayer::new(OfTask, bulkheads).layer(script.clone())
}

fn check_throttled(answer: Result<TaskReply, TaskError>) {
    let Err(TaskError::World(error)) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!((error.kind(), error.wait()), (Kind::Throttled, Some(Duration::from_secs(1))));
}

#[test]
fn a_call_beyond_both_limits_is_turned_away_and_told_when_to_come_back() {
    let script = Scripted::default();
    let mut service = limited(&script, 1, 1);
    let mut running = Box::pin(service.call(request()));
    let mut waiting = Box::pin(service.call(request()));
    assert!(running.as_mut().now_or_never().is_none());
    assert!(waiting.as_mut().now_or_never().is_none());
    check_throttled(block_on(service.call(request())));
    assert_eq!(script.calls(), 1);
}

#[test]
fn those_who_wait_go_in_the_order_they_came() {
    let script = Scripted::default();
    let mut service = limited(&script, 1, 9);
    let mut calls: Vec<_> = (0..4).map(|_| Box::pin(service.call(request()))).collect();
    calls.iter_mut().for_each(|call| assert!(call.as_mut().now_or_never().is_none()));
    for place in 1..4 {
        drop(calls.remove(0));
        // Polled from the last to the first: it is the queue that decides, not the runtime.
        calls.iter_mut().rev().for_each(|call| drop(call.as_mut().now_or_never()));
        assert_eq!(script.calls(), place + 1);
    }
}

#[test]
fn a_call_that_is_dropped_gives_its_place_back_at_once() {
    let script = Scripted::default();
    let mut service = limited(&script, 1, 0);
    let call = service.call(request());
    check_throttled(block_on(service.call(request())));
    drop(call);
    script.will_answer(Ok(json!(1)));
    // The first call reached the script, which never answers it.
    assert_eq!(block_on(service.call(request())).unwrap(), 1);
}

#[test]
fn a_call_that_is_dropped_while_it_waits_leaves_the_queue() {
    let script = Scripted::default();
    let mut service = limited(&script, 1, 1);
    let running = service.call(request());
    let waiting = service.call(request());
    check_throttled(block_on(service.call(request())));
    drop(waiting);
    let mut waiting = Box::pin(service.call(request()));
    drop(running);
    script.will_answer(Ok(json!(1)));
    assert_eq!(block_on(&mut waiting).unwrap(), 1);
    assert_eq!(service.world_views(), [("lookup".to_owned(), 0, 0)]);
}

#[test]
fn a_place_that_is_handed_to_a_call_that_goes_away_is_handed_on() {
    let script = Scripted::default();
    let mut service = limited(&script, 1, 2);
    let running = service.call(request());
    let second = service.call(request());
    let mut third = Box::pin(service.call(request()));
    drop(running);
    // The place is the second's now, and it was never polled.
    drop(second);
    script.will_answer(Ok(json!(3)));
    assert_eq!(block_on(&mut third).unwrap(), 3);
}

#[test]
fn an_answered_call_gives_its_place_back_before_it_is_dropped() {
    let script = Scripted::default();
    let mut service = limited(&script, 1, 0);
    script.will_answer(Ok(json!(1)));
    script.will_answer(Ok(json!(2)));
    let mut first = Box::pin(service.call(request()));
    assert_eq!(block_on(&mut first).unwrap(), 1);
    assert_eq!(block_on(service.call(request())).unwrap(), 2);
}

#[test]
fn a_wait_ends_at_the_deadline() {
    use crate::deadline::{self, DeadlineLayer};
    let script = Scripted::default();
    let clock = HandClock::standing();
    let around = DeadlineLayer::new(deadline::OfTask, clock.clone());
    let mut service = around.layer(limited(&script, 1, 1));
    let mut running = Box::pin(service.call(request()));
    let mut waiting = Box::pin(service.call(request_until(1_000)));
    assert!(running.as_mut().now_or_never().is_none());
    assert!(waiting.as_mut().now_or_never().is_none());
    clock.advance(Duration::from_secs(1));
    let answer = waiting.as_mut().now_or_never().expect("its time is up");
    assert_eq!(answer.unwrap_err().named().0, "Ordersaga.Timeout");
    assert_eq!(script.calls(), 1);
    let mut next = Box::pin(service.call(request_until(2_000)));
    assert!(next.as_mut().now_or_never().is_none(), "the queue has room again");
}

#[test]
fn one_slow_function_does_not_fill_anothers_places() {
    let script = Scripted::default();
    let mut service = limited(&script, 1, 0);
    let mut slow = Box::pin(service.call(request()));
    assert!(slow.as_mut().now_or_never().is_none());
    script.will_answer(Ok(json!(1)));
    let other = TaskRequest { function: "other".into(), ..request() };
    assert_eq!(block_on(service.call(other)).unwrap(), 1);
}

#[test]
fn a_named_function_has_limits_of_its_own() {
    let script = Scripted::default();
    let limits = Limits { concurrent_max: 1, waiting_max: 0 };
    let two = Limits { concurrent_max: 2, waiting_max: 0 };
    let named = [(request().function, two)].into();
    let layer = BulkheadLayer::new(OfTask, Bulkheads::new(Config { limits, named }));
    let mut service = layer.layer(script.clone());
    let _running = [service.call(request()), service.call(request())];
    check_throttled(block_on(service.call(request())));
}

#[test]
fn there_are_never_more_bulkheads_than_the_most_and_the_rest_share_one() {
    let script = Scripted::default();
    let mut service = limited(&script, 1, 0);
    let mut call = |n: usize| service.call(TaskRequest { function: format!("f{n}"), ..request() });
    let mut running: Vec<_> = (0..=BULKHEADS_MAX).map(&mut call).collect();
    check_throttled(block_on(call(BULKHEADS_MAX + 1)));
    running.clear();
    script.will_answer(Ok(json!(1)));
    assert_eq!(block_on(call(BULKHEADS_MAX + 1)).unwrap(), 1);
    assert_eq!(service.world_views().len(), 1, "those at rest have made room");
}

#[test]
fn a_full_route_answers_503_and_says_when_to_come_back() {
    let answer: Result<Response<Body>, ()> =
        Policy::<Request<Body>, _, _>::full(&ByRoute::new(|_| None), Duration::from_millis(1_200));
    let response = answer.unwrap();
    assert_eq!(response.headers()["retry-after"], "2");
    let (status, body) = said(response);
    assert_eq!(status, 503);
    assert!(body.contains("\"code\":\"too_busy\""), "{body}");
}

impl<S, P> Bulkhead<S, P> {
    /// Names with how many run and wait.
    fn world_views(&self) -> Vec<(String, u32, u32)> {
        let views = self.bulkheads().views().into_iter();
        views.map(|view| (view.name, view.running, view.waiting)).collect()
    }
}
