//! TestState: one state run alone; what it calls is called through the same seam as ever.
//!
//! Owns: making the one call that a state under test may owe. Does not own: the test itself
//! (`asl::test_state`).

use crate::call;
use crate::engine::Engine;
use asl::test_state::{
    CallAnswer, Refusal, TestBed, TestStateRequest, TestStateResponse, Tested, test_state,
};
use asl::{Fault, Identity, Invoke, What};
use ports::journal::ExecutionId;
use std::time::Duration;

/// How long a state under test may take.
///
/// Spec: Step Functions Developer Guide, *Testing a state using the TestState API*.
const TEST_MAX: Duration = Duration::from_mins(5);
/// What a state under test counts as a state of.
const MACHINE: &str = "test-state";

impl Engine {
    /// Tests one state.
    ///
    /// # Errors
    /// What is asked makes no sense, with the code and the words of Step Functions.
    pub async fn test_state(
        &self,
        request: &TestStateRequest,
    ) -> Result<TestStateResponse, Refusal> {
        let ports = &self.shared.ports;
        let name = ports.ids.fresh().to_string();
        let id = ExecutionId { machine: MACHINE.to_owned(), name };
        let identity = Identity {
            id: crate::execution_arn(&id).into(),
            name: id.name.as_str().into(),
            machine_id: crate::machine_arn(MACHINE).into(),
            machine_name: MACHINE.into(),
            ..Identity::default()
        };
        let bed = TestBed { identity, at: ports.clock.now(), seed: ports.ids.seed() };
        match test_state(request, &bed)? {
            Tested::Done(response) => Ok(*response),
            Tested::Calls(pending) => {
                let answer = self.call_once(pending.invoke()).await;
                Ok(pending.answer(answer))
            }
        }
    }

    async fn call_once(&self, invoke: &Invoke) -> CallAnswer {
        let shared = &self.shared;
        let answer = match call::request(invoke) {
            Ok(request) => tokio::select! {
                answer = shared.transport.reach(request) => answer,
                () = shared.ports.clock.sleep(TEST_MAX) => return CallAnswer::TimedOut,
            },
            Err(error) => Err(error),
        };
        match call::answered(invoke, answer) {
            What::TaskSucceeded { output, .. } => CallAnswer::Succeeded(output),
            What::TaskFailed { error, cause, .. } => CallAnswer::Failed(Fault {
                error: error.map(Into::into),
                cause: cause.map(Into::into),
            }),
            // A call's answer is one of the two.
            _ => CallAnswer::TimedOut,
        }
    }
}
