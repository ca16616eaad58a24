//! Answers to tasks that wait for a token.

use super::{PAYLOAD, StepFunctions};
use crate::fault::Fault;
use crate::members::Members;
use ports::SagaEngine as _;
use ports::saga_engine::Callback;
use std::ops::RangeInclusive;

const TOKEN: RangeInclusive<usize> = 1..=2_048;
pub(super) const ERROR: RangeInclusive<usize> = 0..=256;
pub(super) const CAUSE: RangeInclusive<usize> = 0..=32_768;

pub(super) async fn success(api: &StepFunctions, mut members: Members) -> Result<(), Fault> {
    let token = members.text("taskToken", TOKEN);
    let output = members.secret("output", PAYLOAD);
    members.finish()?;
    let output = serde_json::from_str(&output)
        .map_err(|error| Fault::exception("InvalidOutput", format!("Invalid Output: '{error}'")))?;
    Ok(api.engine.answer(&token, Callback::Success(output)).await?)
}

pub(super) async fn failure(api: &StepFunctions, mut members: Members) -> Result<(), Fault> {
    let token = members.text("taskToken", TOKEN);
    let error = members.secret_if("error", ERROR);
    let cause = members.secret_if("cause", CAUSE);
    members.finish()?;
    Ok(api.engine.answer(&token, Callback::Failure { error, cause }).await?)
}

pub(super) async fn heartbeat(api: &StepFunctions, mut members: Members) -> Result<(), Fault> {
    let token = members.text("taskToken", TOKEN);
    members.finish()?;
    Ok(api.engine.answer(&token, Callback::Heartbeat).await?)
}
