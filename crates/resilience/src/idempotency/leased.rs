//! The way of a request whose answer the layer records: lease, handler, record, answer.
//!
//! ```text
//! claim ──▶ Run ──▶ handler, until its lease ends ──▶ outcome? ──▶ on record ──▶ answer
//!   │ Busy: 409, or look again while the client waits     │ no: key given back ──▶ answer
//!   └ Replay: the recorded answer                         └ superseded ──▶ the recorded answer
//! ```
//!
//! Owns: what the client is told in every one of these cases; no answer that could be the outcome
//! is sent unless it is on record.
//! Does not own: the records, and who may run ([`super::record`]).

use super::answer;
use super::layer::{IdempotencyLayer, Patience, Turn};
use super::lease::{Begun, Ended, Leases, Run};
use super::record::{Abandon, Record};
use super::stored::{Cause, Kept, Meaning, weigh};
use crate::backoff::Exponential;
use crate::deadline::Deadline;
use crate::metric::{Keyed, keyed_request};
use bytes::Bytes;
use contracts::Timestamp;
use http::{Request, Response};
use http_body::Body;
use ports::Error;
use ports::task::chain;
use std::time::Duration;
use tower_service::Service;

/// How a copy that waits for a run in another process looks for its end: soon at first, for most
/// requests end in milliseconds, then once a second, which no store feels.
const LOOKS: Exponential =
    Exponential { first: Duration::from_millis(20), cap: Duration::from_secs(1) };

impl IdempotencyLayer {
    /// Runs a request by lease, or answers what is on record.
    pub(super) async fn run_by_lease<S, B, R>(
        &self,
        leases: &Leases,
        turn: &mut Turn,
        mut inner: S,
        mut request: Request<B>,
    ) -> Result<Response<R>, S::Error>
    where
        S: Service<Request<B>, Response = Response<R>>,
        R: Body<Error: Into<Cause>> + From<Bytes>,
    {
        let deadline = request.extensions().get().map(|Deadline(end)| *end);
        let run = match self.claim(leases, turn, deadline).await {
            Ok(run) => run,
            Err(answer) => return Ok(answer),
        };
        request.extensions_mut().insert(run.lease().clone());
        let handled = async { Ok::<_, S::Error>(weigh(inner.call(request).await?).await) };
        let (meaning, response) = match leases.in_time(run.ends_at(), handled).await {
            Some(Ok(handled)) => handled,
            Some(Err(error)) => {
                run.abandon(Abandon::Failed).await;
                return Err(error);
            }
            None => {
                run.abandon(Abandon::Failed).await;
                return Ok(answer::out_of_time());
            }
        };
        keyed_request(Keyed::Ran);
        Ok(match meaning {
            Meaning::NoOutcome(why) => {
                run.abandon(why).await;
                response
            }
            Meaning::Outcome(kept) => match run.finish(kept).await {
                Ok(Ended::Recorded) => response,
                Ok(Ended::Superseded(record)) => recorded(&record, &turn.patience),
                Err(error) => unrecorded(&error),
            },
        })
    }

    /// Claims the key of a request; who has the patience waits for a run in another process.
    async fn claim<R: From<Bytes>>(
        &self,
        leases: &Leases,
        turn: &mut Turn,
        deadline: Option<Timestamp>,
    ) -> Result<Run, Response<R>> {
        let claim = leases.claim(turn.key.fingerprint.clone(), deadline);
        let mut looks = 0;
        loop {
            let now = self.clock.now();
            let rest = match leases.begin(&turn.key.scope, &claim).await {
                Ok(Begun::Run(run)) if run.ends_at() <= self.clock.now() => {
                    run.abandon(Abandon::Failed).await;
                    return Err(answer::out_of_time());
                }
                Ok(Begun::Run(run)) => return Ok(*run),
                Ok(Begun::Replay(kept)) => return Err(replayed(&kept)),
                Ok(Begun::Reused) => {
                    keyed_request(Keyed::Mismatched);
                    return Err(answer::reused());
                }
                Ok(Begun::Busy { retry_after }) => retry_after,
                Err(error) => return Err(unrecorded(&error)),
            };
            let until = turn.patience.until(now).filter(|until| *until > self.clock.now());
            let Some(until) = until else {
                return Err(turn.patience.in_use());
            };
            let next = self.clock.now().plus(LOOKS.nth(looks).min(rest));
            self.clock.sleep_until(next.min(until)).await;
            looks += 1;
        }
    }
}

/// The answer on record, marked as one that was given before.
fn replayed<R: From<Bytes>>(kept: &Kept) -> Response<R> {
    keyed_request(Keyed::Replayed);
    let mut response = kept.response();
    response.extensions_mut().insert(answer::Replayed);
    answer::mark_replayed(&mut response);
    response
}

/// What the client of a run that was overtaken is told: what everybody is told.
fn recorded<R: From<Bytes>>(record: &Record<Kept>, patience: &Patience) -> Response<R> {
    match record {
        Record::Done { answer, .. } => replayed(answer),
        Record::Free { .. } | Record::Running { .. } | Record::Released { .. } => patience.in_use(),
    }
}

fn unrecorded<R: From<Bytes>>(error: &Error) -> Response<R> {
    keyed_request(Keyed::Unrecorded);
    tracing::warn!(error = chain(error), "an idempotent request is refused: no record of it");
    answer::unrecorded()
}

#[cfg(test)]
mod tests;
