//! Step Functions: state machines, their executions and what they wait for, in front of the engine.

mod activities;
mod aliases;
mod executions;
mod history;
mod machines;
mod map_runs;
mod names;
mod refusals;
mod tags;
mod tasks;
mod testing;
mod tokens;
mod versions;

use crate::operation::{Operation, Operations, operations};
use engine::Engine;
use tokio_util::sync::CancellationToken;

/// What the handlers reach.
pub struct StepFunctions {
    /// Runs state machines.
    pub engine: Engine,
    /// Sends waiting workers and callers home.
    pub stopping: CancellationToken,
}

const OPERATIONS: &[Operation<StepFunctions>] = operations! { StepFunctions;
    CreateActivity => activities::create,
    CreateStateMachine => machines::create,
    CreateStateMachineAlias => aliases::create,
    DeleteActivity => activities::delete,
    DeleteStateMachine => machines::delete,
    DeleteStateMachineAlias => aliases::delete,
    DeleteStateMachineVersion => versions::delete,
    DescribeActivity => activities::describe,
    DescribeExecution => executions::describe,
    DescribeMapRun => map_runs::describe,
    DescribeStateMachine => machines::describe,
    DescribeStateMachineAlias => aliases::describe,
    DescribeStateMachineForExecution => machines::describe_for_execution,
    GetActivityTask => activities::task,
    GetExecutionHistory => history::events,
    ListActivities => activities::list,
    ListExecutions => executions::list,
    ListMapRuns => map_runs::list,
    ListStateMachineAliases => aliases::list,
    ListStateMachineVersions => versions::list,
    ListStateMachines => machines::list,
    ListTagsForResource => tags::list,
    PublishStateMachineVersion => versions::publish,
    RedriveExecution => executions::redrive,
    SendTaskFailure => tasks::failure,
    SendTaskHeartbeat => tasks::heartbeat,
    SendTaskSuccess => tasks::success,
    StartExecution => executions::start,
    StartSyncExecution => executions::start_sync,
    StopExecution => executions::stop,
    TagResource => tags::tag,
    TestState => testing::test_state,
    UntagResource => tags::untag,
    UpdateMapRun => map_runs::update,
    UpdateStateMachine => machines::update,
    UpdateStateMachineAlias => aliases::update,
    ValidateStateMachineDefinition => machines::validate,
};

impl StepFunctions {
    /// Offers Step Functions' operations.
    #[must_use]
    pub const fn operations(self) -> Operations<Self> {
        Operations::new(self, OPERATIONS)
    }
}

/// The longest ARN.
const ARN: std::ops::RangeInclusive<usize> = 1..=256;
/// The longest name.
const NAME: std::ops::RangeInclusive<usize> = 1..=80;
/// The longest payload, in characters; in bytes the engine counts.
const PAYLOAD: std::ops::RangeInclusive<usize> = 0..=262_144;
