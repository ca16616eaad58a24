//! A random walk through a machine: what is told to it, and what it makes of that.

use asl::map_run::Outcome;
use asl::{
    Effects, Event, Execution, Identity, Input, Program, Start, Token, VisitId, What, apply,
    decide, outstanding,
};
use contracts::time::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Inputs in one walk.
const STEPS_MAX: usize = 80;
/// Letters of a text that is larger than a payload may be.
const TOO_LARGE: usize = 300_000;

/// One input, and what came of it.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) before: Execution,
    pub(crate) input: Input,
    /// Empty also if the input was refused.
    pub(crate) events: Vec<Event>,
    pub(crate) after: Execution,
}

impl Step {
    /// Whether all timers that were due had their chance.
    pub(crate) const fn fired(&self) -> bool {
        matches!(self.input.what, What::TimerFired)
    }
}

/// A whole walk.
#[derive(Debug)]
pub(crate) struct Walk<'p> {
    pub(crate) program: &'p Program,
    pub(crate) steps: Vec<Step>,
    pub(crate) events: Vec<Event>,
    pub(crate) last: Execution,
}

impl<'p> Walk<'p> {
    /// Walks through a machine; the same seed takes the same way.
    pub(crate) fn through(program: &'p Program, seed: u64) -> Self {
        let mut walker = Walker {
            dice: Dice(seed),
            at: Timestamp::from_millis(1_795_413_600_000),
            told: Vec::new(),
        };
        let mut walk =
            Self { program, steps: Vec::new(), events: Vec::new(), last: Execution::default() };
        let start = walker.start();
        walk.tell(walker.input(start));
        while walk.steps.len() < STEPS_MAX {
            let what = if walk.last.end().is_none() {
                walker.next(&outstanding(program, &walk.last))
            } else if walk.last.redrivability().is_ok() && walker.dice.below(6) > 0 {
                walker.after_the_end(&walk.last)
            } else {
                break;
            };
            walk.tell(walker.input(what));
        }
        walk.tell(walker.input(What::TimerFired));
        walk
    }

    fn tell(&mut self, input: Input) {
        let before = self.last.clone();
        let events = decide(self.program, &before, &input).unwrap_or_default();
        for event in &events {
            apply(&mut self.last, event);
        }
        self.events.extend(events.iter().cloned());
        let after = self.last.clone();
        self.steps.push(Step { before, input, events, after });
    }
}

struct Walker {
    dice: Dice,
    at: Timestamp,
    told: Vec<What>,
}

impl Walker {
    fn input(&mut self, what: What) -> Input {
        self.told.push(what.clone());
        Input::new(self.at, self.dice.roll(), what)
    }

    fn start(&mut self) -> What {
        let items: Vec<Value> = (0..self.dice.below(5)).map(|_| self.data()).collect();
        What::Start(Start {
            input: Arc::new(json!({
                "items": items,
                "go": self.dice.below(2) == 0,
                "n": self.dice.below(5),
            })),
            identity: Identity {
                id: "arn:aws:states:here:1:execution:machine:name".into(),
                name: "name".into(),
                ..Identity::default()
            },
            entry: None,
        })
    }

    /// A redrive, mostly the next one; or something that comes too late.
    fn after_the_end(&mut self, execution: &Execution) -> What {
        self.at = self.at.plus(Duration::from_secs(self.dice.below(300)));
        let next = execution.redrive_count() + 1;
        match self.dice.below(8) {
            0 => What::Redrive { number: self.dice.below(4) as u32 },
            1 => self.astray(),
            _ => What::Redrive { number: next },
        }
    }

    /// What happens next: mostly what is owed, sometimes what nobody waits for.
    fn next(&mut self, effects: &Effects) -> What {
        self.at = self.at.plus(Duration::from_millis(self.dice.below(3_000)));
        match self.dice.below(16) {
            0 => {
                let again = self.dice.below(self.told.len() as u64) as usize;
                self.told[again].clone()
            }
            1 => self.astray(),
            2..=4 => self.time(effects),
            _ if !effects.map_runs.is_empty() => self.map_run(effects),
            5..=8 => self.callback(effects).unwrap_or_else(|| self.time(effects)),
            _ => self.task(effects).unwrap_or_else(|| self.time(effects)),
        }
    }

    /// Time passes, rarely too little for anything to be due.
    fn time(&mut self, effects: &Effects) -> What {
        if let Some(at) = effects.wake_at.filter(|_| self.dice.below(8) > 0) {
            self.at = self.at.max(at);
        }
        What::TimerFired
    }

    fn task(&mut self, effects: &Effects) -> Option<What> {
        let chosen = self.dice.below(effects.tasks.len().max(1) as u64) as usize;
        let task = effects.tasks.get(chosen)?;
        let (visit, attempt) = (task.visit, task.attempt);
        Some(match self.dice.below(12) {
            0 | 1 => What::TaskFailed {
                visit,
                attempt,
                error: self.error(),
                cause: Some("because".to_owned()),
            },
            2 => What::TaskTimedOut { visit, attempt, cause: None },
            3 | 4 => What::TaskSubmitted { visit, attempt, output: self.payload() },
            5 => What::TaskStarted { visit, attempt, worker: Some("worker".to_owned()) },
            _ => What::TaskSucceeded { visit, attempt, output: self.payload() },
        })
    }

    fn map_run(&mut self, effects: &Effects) -> What {
        let chosen = self.dice.below(effects.map_runs.len() as u64) as usize;
        let run = &effects.map_runs[chosen];
        let outcome = match self.dice.below(3) {
            0 => Outcome::exceeded(),
            _ => Outcome::Succeeded { output: self.payload() },
        };
        What::MapRunEnded { visit: run.visit, attempt: run.attempt, outcome }
    }

    fn callback(&mut self, effects: &Effects) -> Option<What> {
        let chosen = self.dice.below(effects.callbacks.len().max(1) as u64) as usize;
        let token = effects.callbacks.get(chosen)?.token.clone();
        Some(match self.dice.below(5) {
            0 | 1 => What::Heartbeat { token },
            2 => What::CallbackFailed { token, error: self.error(), cause: None },
            _ => What::CallbackSucceeded { token, output: self.payload() },
        })
    }

    /// What nobody waits for.
    fn astray(&mut self) -> What {
        let visit = VisitId::new(self.dice.below(40) as u32);
        let attempt = self.dice.below(3) as u32;
        match self.dice.below(12) {
            0 | 1 => What::Stop { error: self.error(), cause: None },
            2 => What::Redrive { number: 1 },
            3 => What::TaskSucceeded { visit, attempt, output: self.payload() },
            4..=6 => What::TaskFailed { visit, attempt, error: None, cause: None },
            7 | 8 => What::Heartbeat { token: Token::from("2.0.nobody") },
            9 | 10 => What::CallbackFailed { token: Token::from(""), error: None, cause: None },
            _ => self.start(),
        }
    }

    fn error(&mut self) -> Option<String> {
        let names = ["Declined", "States.Timeout", "States.TaskFailed", "States.Runtime"];
        let name = names.get(self.dice.below(5) as usize)?;
        Some((*name).to_owned())
    }

    fn payload(&mut self) -> Arc<Value> {
        Arc::new(self.data())
    }

    fn data(&mut self) -> Value {
        match self.dice.below(40) {
            0 => Value::from("x".repeat(TOO_LARGE)),
            1..=5 => Value::Null,
            6..=10 => json!([1, "two", {"three": 3}]),
            11..=13 => Value::from(self.dice.below(100)),
            14 | 15 => Value::from(f64::from_bits(self.dice.roll())),
            _ => json!({"go": self.dice.below(2) == 0, "n": self.dice.below(5)}),
        }
    }
}

/// SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.roll() % end.max(1)
    }
}
