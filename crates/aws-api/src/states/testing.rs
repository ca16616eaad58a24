//! TestState.

use super::machines::DEFINITION;
use super::{ARN, NAME, PAYLOAD, StepFunctions};
use crate::fault::Fault;
use crate::members::Members;
use asl::test_state::{InspectionLevel, TestStateRequest, TestStateResponse};

const LEVELS: [(&str, InspectionLevel); 3] = [
    ("INFO", InspectionLevel::Info),
    ("DEBUG", InspectionLevel::Debug),
    ("TRACE", InspectionLevel::Trace),
];

pub(super) async fn test_state(
    api: &StepFunctions,
    mut members: Members,
) -> Result<TestStateResponse, Fault> {
    let request = TestStateRequest {
        definition: members.secret("definition", DEFINITION),
        role_arn: members.text_if("roleArn", ARN),
        input: members.secret_if("input", PAYLOAD),
        inspection_level: members.choice_if("inspectionLevel", &LEVELS).unwrap_or_default(),
        reveal_secrets: members.flag_if("revealSecrets").unwrap_or(false),
        variables: members.secret_if("variables", PAYLOAD),
        state_name: members.text_if("stateName", NAME),
        mock: members.read_if("mock"),
        context: members.secret_if("context", PAYLOAD),
        state_configuration: members.read_if("stateConfiguration"),
    };
    members.finish()?;
    let tested = api.engine.test_state(&request).await;
    tested.map_err(|refusal| Fault::exception(refusal.kind.code(), refusal.message))
}
