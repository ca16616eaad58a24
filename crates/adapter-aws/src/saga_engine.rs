//! The engine on Step Functions.
//!
//! ```text
//! ExecutionId ◀── machines ──▶ ARNs        history: pages of the answer as it was sent
//!        refusals: an exception's name ──▶ Refusal
//! ```
//!
//! Owns: names and ARNs, and what an answer says. Does not own: any rule of Step Functions; what it
//! cannot be asked at all is refused here in its words.

mod history;
mod machines;
mod refusals;

pub use machines::{Machines, NotAMachine};

use crate::Clients;
use crate::error::Effect;
use crate::time::instant;
use async_trait::async_trait;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::types::{ExecutionListItem, ExecutionStatus};
use contracts::Timestamp;
use ports::journal::{ExecutionId, Head, Status};
use ports::saga_engine::{
    Callback, Description, HistoryEvent, INPUT_BYTES_MAX, Refusal, SagaEngine, Start, check_name,
};
use ports::store::{Cursor, Page};
use ports::{Error, Kind, Result};
use refusals::{About, refused};
use serde_json::Value;

/// The most executions of one page.
const PAGE_MAX: usize = 1_000;
/// The longest token of a task, in bytes.
const TOKEN_BYTES_MAX: usize = 2_048;
/// The longest name of an error that may be told, in characters.
const ERROR_CHARS_MAX: usize = 256;
/// The longest cause that may be told, in characters.
const CAUSE_CHARS_MAX: usize = 32_768;

/// State machines of Step Functions.
#[derive(Clone, Debug)]
pub struct StepFunctions {
    client: Client,
    machines: Machines,
}

impl StepFunctions {
    /// Runs these machines.
    #[must_use]
    pub fn new(clients: &Clients, machines: Machines) -> Self {
        Self { client: Client::new(clients.config()), machines }
    }

    fn machine(&self, name: &str) -> Result<&str, Refusal> {
        let missing = || Refusal::StateMachineDoesNotExist(name.to_owned());
        self.machines.arn(name).ok_or_else(missing)
    }

    fn execution(&self, id: &ExecutionId) -> Result<String, Refusal> {
        let missing = || Refusal::ExecutionDoesNotExist(id.clone());
        self.machines.execution_arn(id).ok_or_else(missing)
    }
}

#[async_trait]
impl SagaEngine for StepFunctions {
    async fn start(&self, start: Start) -> Result<(), Refusal> {
        let Start { id, input } = start;
        check_name(&id.name).map_err(|why| Refusal::InvalidName { name: shown(&id.name), why })?;
        let input = input.to_string();
        if input.len() > INPUT_BYTES_MAX {
            return Err(Refusal::InvalidExecutionInput { bytes_max: INPUT_BYTES_MAX });
        }
        let start = self.client.start_execution().state_machine_arn(self.machine(&id.machine)?);
        let started = start.name(&id.name).input(input).send().await;
        let about = About::Execution(&id, "start");
        started.map(drop).map_err(|error| refused(&about, Effect::Writes, error))
    }

    async fn describe(&self, id: &ExecutionId) -> Result<Description, Refusal> {
        let describe = self.client.describe_execution().execution_arn(self.execution(id)?);
        let described = describe.send().await;
        let about = About::Execution(id, "describe");
        let described = described.map_err(|error| refused(&about, Effect::Reads, error))?;
        Ok(description(id, &described)?)
    }

    async fn list(
        &self,
        machine: &str,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<Head>, Refusal> {
        let most = i32::try_from(limit.clamp(1, PAGE_MAX)).unwrap_or(i32::MAX);
        let list = self.client.list_executions().state_machine_arn(self.machine(machine)?);
        let list = list.max_results(most).set_next_token(after.map(|cursor| cursor.0));
        let listed = list.send().await;
        let listed =
            listed.map_err(|error| refused(&About::Machine(machine), Effect::Reads, error))?;
        let items = listed.executions().iter().map(|item| head(machine, item));
        let items = items.collect::<Result<Vec<_>>>()?;
        Ok(Page { items, next: listed.next_token().map(|token| Cursor(token.to_owned())) })
    }

    async fn history(&self, id: &ExecutionId) -> Result<Vec<HistoryEvent>, Refusal> {
        history::read(&self.client, &self.execution(id)?, id).await
    }

    async fn stop(
        &self,
        id: &ExecutionId,
        error: Option<String>,
        cause: Option<String>,
    ) -> Result<Timestamp, Refusal> {
        let stop = self.client.stop_execution().execution_arn(self.execution(id)?);
        let stop = stop.set_error(error.map(cut::<ERROR_CHARS_MAX>));
        let stopped = stop.set_cause(cause.map(cut::<CAUSE_CHARS_MAX>)).send().await;
        let about = About::Execution(id, "stop");
        let stopped = stopped.map_err(|error| refused(&about, Effect::Writes, error))?;
        Ok(instant(stopped.stop_date()))
    }

    async fn redrive(&self, id: &ExecutionId, token: Option<&str>) -> Result<Timestamp, Refusal> {
        let redrive = self.client.redrive_execution().execution_arn(self.execution(id)?);
        let redriven = redrive.set_client_token(token.map(str::to_owned)).send().await;
        let about = About::Execution(id, "redrive");
        let redriven = redriven.map_err(|error| refused(&about, Effect::Writes, error))?;
        Ok(instant(redriven.redrive_date()))
    }

    async fn answer(&self, token: &str, callback: Callback) -> Result<(), Refusal> {
        if token.is_empty() || token.len() > TOKEN_BYTES_MAX {
            return Err(Refusal::InvalidToken);
        }
        let (client, about) = (&self.client, &About::Task);
        match callback {
            Callback::Success(output) => {
                let success = client.send_task_success().task_token(token);
                let told = success.output(output.to_string()).send().await;
                told.map(drop).map_err(|error| refused(about, Effect::Writes, error))
            }
            Callback::Failure { error, cause } => {
                let failure = client.send_task_failure().task_token(token);
                let failure = failure.set_error(error.map(cut::<ERROR_CHARS_MAX>));
                let told = failure.set_cause(cause.map(cut::<CAUSE_CHARS_MAX>)).send().await;
                told.map(drop).map_err(|error| refused(about, Effect::Writes, error))
            }
            Callback::Heartbeat => {
                let told = client.send_task_heartbeat().task_token(token).send().await;
                told.map(drop).map_err(|error| refused(about, Effect::Writes, error))
            }
        }
    }
}

/// As much of a text as may be sent: a reason that is told in part is better than none.
fn cut<const CHARS_MAX: usize>(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(CHARS_MAX) {
        text.truncate(end);
    }
    text
}

/// As much of a wrong name as is worth showing.
fn shown(name: &str) -> String {
    name.chars().take(100).collect()
}

fn status(status: &ExecutionStatus) -> Result<Status> {
    Ok(match status {
        ExecutionStatus::Running => Status::Running,
        ExecutionStatus::Succeeded => Status::Succeeded,
        // A child of a map run that failed, and will be run again when its parent is.
        ExecutionStatus::Failed | ExecutionStatus::PendingRedrive => Status::Failed,
        ExecutionStatus::TimedOut => Status::TimedOut,
        ExecutionStatus::Aborted => Status::Aborted,
        // The SDK's enum may grow.
        other => {
            let doing = format!("read the status `{}` of an execution", other.as_str());
            return Err(Error::new(Kind::Corrupt, doing));
        }
    })
}

fn description(id: &ExecutionId, described: &DescribeExecutionOutput) -> Result<Description> {
    let json = |text: &str| {
        serde_json::from_str::<Value>(text).map_err(|error| {
            Error::new(Kind::Corrupt, format!("read what {id} worked on")).because(error)
        })
    };
    Ok(Description {
        id: id.clone(),
        definition: described.state_machine_version_arn().unwrap_or_default().to_owned(),
        status: status(described.status())?,
        started_at: instant(described.start_date()),
        stopped_at: described.stop_date().map(instant),
        input: described.input().map(json).transpose()?.unwrap_or(Value::Null),
        output: described.output().map(json).transpose()?,
        error: described.error().map(str::to_owned),
        cause: described.cause().map(str::to_owned),
    })
}

fn head(machine: &str, item: &ExecutionListItem) -> Result<Head> {
    Ok(Head {
        id: ExecutionId { machine: machine.to_owned(), name: item.name().to_owned() },
        definition: item.state_machine_version_arn().unwrap_or_default().to_owned(),
        status: status(item.status())?,
        version: 0,
        started_at: instant(item.start_date()),
        stopped_at: item.stop_date().map(instant),
        wake_at: None,
        owes_calls: false,
        annex: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_is_too_long_is_told_in_part() {
        assert_eq!(cut::<3>("naïve".to_owned()), "naï");
        assert_eq!(cut::<5>("naïve".to_owned()), "naïve");
        assert_eq!(cut::<3>(String::new()), "");
    }

    #[test]
    fn a_status_that_is_not_known_is_no_guess() {
        let new = status(&ExecutionStatus::from("DREAMING"));
        assert_eq!(new.unwrap_err().kind(), Kind::Corrupt);
    }
}
