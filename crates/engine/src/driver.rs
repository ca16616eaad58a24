//! One execution's loop: input → decide → append → apply → perform what is outstanding.
//!
//! Starting, going on after a restart and being woken after a year of waiting are the same loop:
//! what is to be done is read off the state, so there is nothing to recover.

use crate::active::{Mail, Mailbox, Reply};
use crate::calls::{Calls, Made};
use crate::engine::Shared;
use crate::live::{self, Live};
use crate::redrive::{self, Asked};
use asl::{Effects, Misuse, What};
use futures::FutureExt;
use ports::journal::ExecutionId;
use ports::saga_engine::Refusal;
use ports::task::chain;
use ports::{Error, Kind};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Why a driver stops before its execution ends.
enum Stop {
    /// The system stops; the next start goes on from the journal.
    Shutdown,
    /// The journal holds something else than memory does; it must be read again.
    Reload,
    /// The execution cannot be served.
    Broken(Error),
}

/// Drives an execution for as long as it has something to do.
///
/// A bug is caught here, once: the execution is left alone, everything else goes on.
pub(crate) async fn drive(
    shared: Arc<Shared>,
    id: ExecutionId,
    mut mailbox: Mailbox,
    live: Option<Live>,
) {
    let driven = AssertUnwindSafe(serve(&shared, &id, &mut mailbox, live)).catch_unwind().await;
    let broken = match driven {
        Ok(Ok(())) => return,
        Ok(Err(error)) => chain(&error),
        Err(_) => "a bug: its driver panicked".to_owned(),
    };
    tracing::error!(execution = %id, error = broken, "an execution cannot be served");
    shared.quarantine(&id, &mut mailbox);
}

async fn serve(
    shared: &Arc<Shared>,
    id: &ExecutionId,
    mailbox: &mut Mailbox,
    mut live: Option<Live>,
) -> Result<(), Error> {
    loop {
        let loaded = match live.take() {
            Some(live) => Some(live),
            None => match live::load_until_known(shared, id).await {
                Err(_) if shared.stopping.is_cancelled() => return Ok(()),
                known => known?,
            },
        };
        let Some(loaded) = loaded else {
            refuse_all(id, mailbox);
            if shared.active.leave(id, mailbox) {
                return Ok(());
            }
            continue;
        };
        let mut driver = Driver::new(shared, id, loaded);
        match driver.run(mailbox).await {
            Ok(()) | Err(Stop::Shutdown) => return Ok(()),
            Err(Stop::Reload) => {}
            Err(Stop::Broken(error)) => return Err(error),
        }
    }
}

fn refuse_all(id: &ExecutionId, mailbox: &mut Mailbox) {
    while let Ok(mail) = mailbox.try_recv() {
        match mail {
            Mail::Told(_, reply) | Mail::Redrive(_, reply) => {
                drop(reply.send(Err(Refusal::ExecutionDoesNotExist(id.clone()))));
            }
            Mail::Wake | Mail::Timer => {}
        }
    }
}

/// One execution at work.
struct Driver<'a> {
    shared: &'a Arc<Shared>,
    id: &'a ExecutionId,
    live: Live,
    calls: Calls,
}

impl<'a> Driver<'a> {
    fn new(shared: &'a Arc<Shared>, id: &'a ExecutionId, live: Live) -> Self {
        Self { shared, id, live, calls: Calls::default() }
    }

    async fn run(&mut self, mailbox: &mut Mailbox) -> Result<(), Stop> {
        loop {
            let owed = asl::outstanding(&self.live.program, &self.live.execution);
            if let Some(end) = &owed.announce {
                self.shared.waiters.announce(self.id, end);
            } else if !self.shared.stopping.is_cancelled() {
                self.calls.make(self.shared, &self.live.program, &owed);
            }
            if self.calls.is_empty() || owed.announce.is_some() {
                if self.shared.stopping.is_cancelled() {
                    return Err(Stop::Shutdown);
                }
                if self.shared.active.leave(self.id, mailbox) {
                    self.wait_without_memory(&owed);
                    return Ok(());
                }
            }
            self.next_input(mailbox, &owed).await?;
        }
    }

    /// Leaves the waiting to the timers: a waiting execution takes no task and no memory.
    fn wait_without_memory(&self, owed: &Effects) {
        if let Some(at) = owed.wake_at.filter(|_| owed.announce.is_none()) {
            self.shared.timers.add(at, self.id.clone());
        }
    }

    /// Waits for whatever happens next, and takes it in.
    async fn next_input(&mut self, mailbox: &mut Mailbox, owed: &Effects) -> Result<(), Stop> {
        let alarm = async {
            match owed.wake_at {
                Some(at) => self.shared.ports.clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            made = self.calls.next() => match made {
                Some(made) => self.take_made(made).await,
                None => Ok(()),
            },
            mail = mailbox.recv() => match mail {
                Some(Mail::Told(what, reply)) => self.take(what, Some(reply)).await,
                Some(Mail::Redrive(token, reply)) => self.redrive(token, reply).await,
                Some(Mail::Timer) => self.take(What::TimerFired, None).await,
                Some(Mail::Wake) => Ok(()),
                // Nobody can reach this driver any more: another one has its place.
                None => Err(Stop::Shutdown),
            },
            () = alarm => self.take(What::TimerFired, None).await,
            () = self.shared.stopping.cancelled(), if self.calls.is_empty() => Err(Stop::Shutdown),
        }
    }

    /// Takes what came of a call; a task that a worker took is handed over once that is durable.
    async fn take_made(&mut self, made: Made) -> Result<(), Stop> {
        let Some((hand_over, task)) = made.hand_over else {
            return self.take(made.what, None).await;
        };
        let (reply, mut taken) = oneshot::channel();
        let outcome = self.take(made.what, Some(reply)).await;
        if matches!(taken.try_recv(), Ok(Ok(()))) {
            // A worker that has left is missed by its heartbeats.
            drop(hand_over.send(task));
        }
        outcome
    }

    /// Goes on with an execution that ended without success, if that can be.
    async fn redrive(&mut self, token: Option<String>, reply: Reply) -> Result<(), Stop> {
        let now = self.shared.ports.clock.now();
        match redrive::asked(&self.live, token.as_deref(), now) {
            Ok(Asked::Next(number)) => {
                let mut annex = self.live.annex.clone();
                annex.redriven(token.as_deref(), now);
                let asked = (What::Redrive { number }, annex);
                // On the heap: it is rare, and every driver would be larger by it.
                let step = live::step_with(self.shared, self.id, &mut self.live, asked);
                let taken = Box::pin(step).await;
                self.taken(taken, Some(reply))
            }
            Ok(Asked::Done) => {
                drop(reply.send(Ok(())));
                Ok(())
            }
            Err(why) => {
                let id = self.id.clone();
                drop(reply.send(Err(Refusal::ExecutionNotRedrivable { id, why })));
                Ok(())
            }
        }
    }

    async fn take(&mut self, what: What, reply: Option<Reply>) -> Result<(), Stop> {
        let taken = live::step(self.shared, self.id, &mut self.live, what).await;
        self.taken(taken, reply)
    }

    /// Says what became of an input to who waits for that, and to the loop.
    fn taken(
        &self,
        taken: Result<Result<(), Misuse>, Error>,
        reply: Option<Reply>,
    ) -> Result<(), Stop> {
        let (answer, outcome) = match taken {
            Ok(Ok(())) => (Ok(()), Ok(())),
            // A late or repeated answer: its question is settled.
            Ok(Err(misuse)) => (Err(live::refusal(self.id, misuse)), Ok(())),
            Err(error) if error.kind() == Kind::Conflict => {
                let again = Error::new(Kind::Conflict, "take an answer").because(error);
                (Err(Refusal::World(again)), Err(Stop::Reload))
            }
            Err(error) if self.shared.stopping.is_cancelled() => {
                (Err(Refusal::World(error)), Err(Stop::Shutdown))
            }
            Err(error) => {
                let told = Error::new(error.kind(), "take an answer");
                (Err(Refusal::World(told)), Err(Stop::Broken(error)))
            }
        };
        if let Some(reply) = reply {
            // Who has stopped waiting is not told.
            drop(reply.send(answer));
        }
        outcome
    }
}
