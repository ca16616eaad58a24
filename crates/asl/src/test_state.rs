//! TestState: one state run alone, with a given input, and a look at every step of its data.
//!
//! ```text
//! TestStateRequest ─ test_state ─▶ Refusal, or Tested::Done(response),
//!                                  or Tested::Calls(pending) ─ answer ─▶ response
//! ```
//!
//! The state runs through the same machine as in an execution; what is mocked takes the place of
//! the call, the branches or the iterations. A Task without a mock needs a real call: the answer
//! to the request is then the call to make, and what comes back ends the test.
//!
//! Owns: what may be asked, how it is refused, the response. Does not own: running the state
//! (`machine::trial`), making calls, waiting.
//!
//! Spec: the TestState action of the Step Functions API.

#![warn(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm
)]

mod mock;
mod request;
mod response;
mod shapes;

pub use request::{
    ErrorOutput, FieldValidationMode, InspectionLevel, Mock, StateConfiguration, TestStateRequest,
};
pub use response::{
    ErrorDetails, InspectionData, Refusal, RefusalKind, TestStateResponse, TestStatus,
};

use response::Originals;

use crate::check;
use crate::effect::{Fault, Invoke};
use crate::input::{Identity, Payload};
use crate::machine::{Setup, Trial, Tried};
use crate::program::{Body, Program, StateIndex};
use crate::validate::invalid_definition;
use contracts::time::Timestamp;
use std::sync::Arc;

/// The name that a state under test has, whatever its machine calls it.
const STATE_NAME: &str = "StateName";

/// Where and when a state is tested.
#[derive(Clone, Debug)]
pub struct TestBed {
    /// Who the state's execution is. Its role is taken from the request.
    pub identity: Identity,
    /// The time of the test.
    pub at: Timestamp,
    /// The seed of all chance in the test.
    pub seed: u64,
}

/// What became of a test.
#[derive(Debug)]
pub enum Tested {
    /// The state is through.
    Done(Box<TestStateResponse>),
    /// The state calls something; the answer ends the test.
    Calls(Box<PendingTest>),
}

/// A test whose state calls something.
#[derive(Debug)]
pub struct PendingTest {
    trial: Trial,
    invoke: Invoke,
    level: InspectionLevel,
    originals: Originals,
}

/// What a call that a state under test makes came to.
#[derive(Clone, Debug, PartialEq)]
pub enum CallAnswer {
    /// It succeeded with this result.
    Succeeded(Payload),
    /// It failed.
    Failed(Fault),
    /// It was given up.
    TimedOut,
}

impl PendingTest {
    /// The call to make.
    #[must_use]
    pub const fn invoke(&self) -> &Invoke {
        &self.invoke
    }

    /// Ends the test with what the call came to.
    #[must_use]
    pub fn answer(self, answer: CallAnswer) -> TestStateResponse {
        let tried = match answer {
            CallAnswer::Succeeded(result) => self.trial.succeed(result),
            CallAnswer::Failed(fault) => self.trial.fail(fault),
            CallAnswer::TimedOut => self.trial.time_out(),
        };
        response::of(tried, self.level, &self.originals)
    }
}

/// Tests one state.
///
/// Pure: the same request on the same bed gives the same answer. A Wait is not waited for; the
/// response says how long it would have been.
///
/// # Errors
/// What is asked makes no sense, with the code and the words of Step Functions.
pub fn test_state(request: &TestStateRequest, bed: &TestBed) -> Result<Tested, Refusal> {
    let (program, state) = subject(request)?;
    let body = &program.state(state).ok_or_else(not_found)?.body;
    let mocked = mock::mocked(request, &program, body)?;
    mock::callable(request, body, mocked.as_ref())?;
    let data = request.data(mocked.is_some())?;
    let configuration = request.state_configuration.clone().unwrap_or_default();
    let mut originals = Originals::default();
    originals.keep(&data.input, request.input.as_deref());
    if let (Some(mock::Mocked::Result(result)), Some(mock)) = (&mocked, &request.mock) {
        originals.keep(result, mock.result.as_deref());
    }
    let role = request.role_arn.as_deref().unwrap_or_default();
    let setup = Setup {
        name: Arc::from(STATE_NAME),
        identity: Identity { role: role.into(), ..bed.identity.clone() },
        at: bed.at,
        seed: bed.seed,
        input: data.input,
        variables: data.variables,
        context: data.context,
        retries: configuration.retrier_retry_count.unwrap_or(0),
        failed_iterations: configuration.map_iteration_failure_count,
        reader_data: configuration.map_item_reader_data,
    };
    let trial = Trial::begin(Arc::new(program), state, setup);
    let level = request.inspection_level;
    let tried = match mocked {
        None => trial.perform(),
        Some(mock::Mocked::Result(result)) => trial.perform_mocked(Ok(result)),
        Some(mock::Mocked::Error(fault)) => trial.perform_mocked(Err(fault)),
    };
    match tried.map_err(|problem| Refusal::validation(problem.to_string()))? {
        Tried::Ended(ended) => Ok(Tested::Done(Box::new(response::of(*ended, level, &originals)))),
        Tried::Calls(trial, invoke) => {
            let (trial, invoke) = (*trial, *invoke);
            Ok(Tested::Calls(Box::new(PendingTest { trial, invoke, level, originals })))
        }
    }
}

/// The state to test, and the program that it is in.
fn subject(request: &TestStateRequest) -> Result<(Program, StateIndex), Refusal> {
    let refused = |problems: Vec<check::Problem>| Refusal {
        kind: RefusalKind::InvalidDefinition,
        message: invalid_definition(&problems),
    };
    match &request.state_name {
        None => {
            let program = check::lone_state(&request.definition, STATE_NAME).into_program();
            let program = program.map_err(refused)?;
            let start = program.start;
            Ok((program, start))
        }
        Some(name) => {
            let program = Program::compile(&request.definition).map_err(refused)?;
            let state = program.named(name).ok_or_else(not_found)?;
            Ok((program, state))
        }
    }
}

fn not_found() -> Refusal {
    Refusal::validation("State not found in definition")
}

/// The states inside a Parallel or Map, at any depth.
fn inner_states(program: &Program, body: &Body) -> Vec<StateIndex> {
    let mut found = Vec::new();
    let mut ahead: Vec<StateIndex> = body.inner().collect();
    while let Some(state) = ahead.pop() {
        let Some(body) =
            program.state(state).map(|state| &state.body).filter(|_| !found.contains(&state))
        else {
            continue;
        };
        found.push(state);
        ahead.extend(body.inner().chain(body.targets()));
    }
    found
}
