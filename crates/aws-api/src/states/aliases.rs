//! Aliases of state machines.

use super::machines::DESCRIPTION;
use super::names::{alias, invalid, machine, version};
use super::tokens::{Paging, listed, paged};
use super::{ARN, NAME, StepFunctions};
use crate::fault::Fault;
use crate::members::Members;
use crate::seconds::seconds;
use engine::{AliasChange, MachineRef, Qualifier, Route};
use serde_json::{Value, json};

/// A route as it was given: a version's ARN, and its weight.
type Given = (String, u8);

pub(super) async fn create(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let name = members.text("name", NAME);
    let description = members.text_if("description", DESCRIPTION);
    let given = members.list("routingConfiguration", 1..=2, route);
    members.finish()?;
    let (machine, routes) = routes(&given)?;
    let machines = api.engine.machines();
    let alias = machines.create_alias(&machine, &name, description, routes).await?;
    Ok(json!({
        "stateMachineAliasArn": alias.arn(&machine),
        "creationDate": seconds(alias.created_at),
    }))
}

pub(super) async fn update(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let arn = members.text("stateMachineAliasArn", ARN);
    let description = members.text_if("description", DESCRIPTION);
    let given = members.list_if("routingConfiguration", 1..=2, route);
    members.finish()?;
    let (machine, name) = alias(&arn)?;
    let routes = given.as_deref().map(routes).transpose()?;
    if routes.as_ref().is_some_and(|(of, _)| *of != machine) {
        return Err(of_several_machines());
    }
    let change = AliasChange { description, routes: routes.map(|(_, routes)| routes) };
    let alias = api.engine.machines().update_alias(&machine, &name, change).await?;
    Ok(json!({"updateDate": seconds(alias.updated_at)}))
}

fn route(members: &mut Members) -> Given {
    let arn = members.text("stateMachineVersionArn", ARN);
    let weight = members.number_if("weight", 0..=100);
    if weight.is_none() {
        members.wrong("weight", None, "Member must not be null");
    }
    (arn, weight.and_then(|weight| u8::try_from(weight).ok()).unwrap_or(0))
}

/// The machine that all routes belong to, and the routes.
fn routes(given: &[Given]) -> Result<(String, Vec<Route>), Fault> {
    let mut machine = None;
    let mut routes = Vec::new();
    for (arn, weight) in given {
        let (of, version) = version(arn)?;
        if machine.get_or_insert_with(|| of.clone()) != &of {
            return Err(of_several_machines());
        }
        routes.push(Route { version, weight: *weight });
    }
    Ok((machine.unwrap_or_default(), routes))
}

fn of_several_machines() -> Fault {
    let said = "The versions of an alias must be of one state machine";
    Fault::exception("ValidationException", said)
}

pub(super) async fn describe(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let arn = members.text("stateMachineAliasArn", ARN);
    members.finish()?;
    let (machine, name) = alias(&arn)?;
    let alias = api.engine.machines().alias(&machine, &name).await?;
    let routes: Vec<_> = { alias.routes.iter() }
        .map(|route| {
            let qualifier = Qualifier::Version(route.version);
            let version = MachineRef { name: machine.clone(), qualifier };
            json!({"stateMachineVersionArn": version.arn(), "weight": route.weight})
        })
        .collect();
    let mut said = json!({
        "stateMachineAliasArn": alias.arn(&machine),
        "name": alias.name,
        "routingConfiguration": routes,
        "creationDate": seconds(alias.created_at),
        "updateDate": seconds(alias.updated_at),
    });
    if let Some(description) = alias.description {
        said["description"] = description.into();
    }
    Ok(said)
}

/// Lists a machine's aliases, or those that lead to one of its versions.
pub(super) async fn list(api: &StepFunctions, mut members: Members) -> Result<Value, Fault> {
    let arn = members.text("stateMachineArn", ARN);
    let Paging { limit, after } = Paging::read(&mut members);
    members.finish()?;
    let MachineRef { name, qualifier } = machine(&arn)?;
    let of = match qualifier {
        Qualifier::Newest => None,
        Qualifier::Version(number) => Some(number),
        Qualifier::Alias(_) => return Err(invalid(&arn)),
    };
    let machines = api.engine.machines();
    machines.describe(&MachineRef::newest(&*name)).await?;
    let mut page = paged(machines.aliases(&name, limit, after).await)?;
    if let Some(number) = of {
        page.items.retain(|alias| alias.routes.iter().any(|route| route.version == number));
    }
    Ok(listed("stateMachineAliases", page, |alias| {
        json!({
            "stateMachineAliasArn": alias.arn(&name),
            "creationDate": seconds(alias.created_at),
        })
    }))
}

pub(super) async fn delete(api: &StepFunctions, mut members: Members) -> Result<(), Fault> {
    let arn = members.text("stateMachineAliasArn", ARN);
    members.finish()?;
    let (machine, name) = alias(&arn)?;
    Ok(api.engine.machines().delete_alias(&machine, &name).await?)
}
