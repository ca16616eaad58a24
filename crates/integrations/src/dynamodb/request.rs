//! Reading the arguments of the four calls. Pure.

use super::condition::{self, Condition};
use super::parser::StandIns;
use super::path::Path;
use super::refusal::{invalid, invalid_value, no_such_table};
use super::table::{Place, Table, Tables};
use super::update::{self, Update};
use super::value::{Attributes, read_attributes};
use super::{Action, projection};
use crate::arguments::Arguments;
use crate::failure::Failure;
use serde_json::Value as Json;

/// What all calls may say; what it asks for is not measured here and never answered.
const COMMON: [&str; 2] = ["TableName", "ReturnConsumedCapacity"];
/// What all calls that write may say.
const WRITE_FIELDS: [&str; 6] = [
    "ReturnValues",
    "ReturnItemCollectionMetrics",
    "ConditionExpression",
    "ReturnValuesOnConditionCheckFailure",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
];
/// What expressions have taken the place of.
const LEGACY: [&str; 4] =
    ["Expected", "AttributeUpdates", "ConditionalOperator", "AttributesToGet"];

/// A call as it is performed.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) place: Place,
    pub(crate) effect: Effect,
}

/// What a call does to the item.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Shows it, or the paths of it.
    Get(Option<Vec<Path>>),
    /// Changes it, if it is as the condition says.
    Write(Box<Writing>),
}

/// A write.
#[derive(Debug)]
pub(crate) struct Writing {
    /// What the item must be like.
    pub(crate) condition: Option<Condition>,
    /// What becomes of it.
    pub(crate) change: Change,
    /// What is shown of it.
    pub(crate) returned: Returned,
}

/// What becomes of an item.
#[derive(Debug)]
pub(crate) enum Change {
    /// It is this.
    Put(Attributes),
    /// It is gone.
    Delete,
    /// It is changed; when it is absent it begins as its key.
    Update(Attributes, Update),
}

/// What a write shows of the item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Returned {
    Nothing,
    AllOld,
    AllNew,
    UpdatedOld,
    UpdatedNew,
}

/// Reads the arguments of a call.
pub(crate) fn parse(action: Action, arguments: &Json, tables: &Tables) -> Result<Call, Failure> {
    if let Some(name) = LEGACY.iter().find(|name| arguments.get(**name).is_some()) {
        return Err(invalid(format!("{name} is not served here: use an expression instead")));
    }
    let own: &[&str] = match action {
        Action::Get => {
            &["Key", "ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames"]
        }
        Action::Put => &["Item"],
        Action::Update => &["Key", "UpdateExpression"],
        Action::Delete => &["Key"],
    };
    let writing: &[&str] = if action == Action::Get { &[] } else { &WRITE_FIELDS };
    let read = Arguments::of(arguments, &[&COMMON, own, writing].concat())?;
    let (name, table) = table(&read, tables)?;
    let given = given(&read, if action == Action::Put { "Item" } else { "Key" })?;
    if action != Action::Put {
        table.check_key(&given)?;
    }
    let place = table.place(name, &given)?;
    let mut stand_ins = StandIns::read(&read)?;
    let effect = match action {
        Action::Get => {
            read.boolean("ConsistentRead")?;
            let shown = read.text("ProjectionExpression")?;
            Effect::Get(shown.map(|text| projection::parse(text, &mut stand_ins)).transpose()?)
        }
        Action::Put | Action::Update | Action::Delete => {
            let condition = read.text("ConditionExpression")?;
            let condition =
                condition.map(|text| condition::parse(text, &mut stand_ins)).transpose()?;
            let change = match action {
                Action::Put => Change::Put(given),
                Action::Update => Change::Update(given, update(&read, table, &mut stand_ins)?),
                Action::Delete | Action::Get => Change::Delete,
            };
            let returned = returned(&read, action)?;
            Effect::Write(Box::new(Writing { condition, change, returned }))
        }
    };
    stand_ins.all_used()?;
    Ok(Call { place, effect })
}

fn table<'a>(read: &Arguments<'a>, tables: &'a Tables) -> Result<(&'a str, &'a Table), Failure> {
    let name = read.text("TableName")?.unwrap_or_default();
    // A table may be named by its ARN.
    let name = name.split_once(":table/").map_or(name, |(_, name)| name);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(invalid(format!(
            "1 validation error detected: Value '{name}' at 'tableName' failed to satisfy \
             constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
        )));
    }
    tables.0.get(name).map(|table| (name, table)).ok_or_else(no_such_table)
}

fn given(read: &Arguments<'_>, field: &str) -> Result<Attributes, Failure> {
    let given = read.object(field)?.ok_or_else(|| {
        let field = field.to_lowercase();
        invalid(format!(
            "1 validation error detected: Value null at '{field}' failed to satisfy constraint: \
             Member must not be null"
        ))
    })?;
    read_attributes(given)
}

fn update(
    read: &Arguments<'_>,
    table: &Table,
    stand_ins: &mut StandIns,
) -> Result<Update, Failure> {
    let Some(text) = read.text("UpdateExpression")? else { return Ok(Update::default()) };
    let update = update::parse(text, stand_ins)?;
    match update.paths().iter().find(|path| table.is_key(&path.attribute)) {
        None => Ok(update),
        Some(path) => Err(invalid_value(format!(
            "Cannot update attribute {}. This attribute is part of the key",
            path.attribute
        ))),
    }
}

fn returned(read: &Arguments<'_>, action: Action) -> Result<Returned, Failure> {
    let text = read.text("ReturnValues")?.unwrap_or("NONE");
    let returned = match text {
        "NONE" => Returned::Nothing,
        "ALL_OLD" => Returned::AllOld,
        "ALL_NEW" => Returned::AllNew,
        "UPDATED_OLD" => Returned::UpdatedOld,
        "UPDATED_NEW" => Returned::UpdatedNew,
        _ => {
            return Err(invalid(format!(
                "1 validation error detected: Value '{text}' at 'returnValues' failed to satisfy \
                 constraint: Member must satisfy enum value set: [ALL_NEW, UPDATED_OLD, ALL_OLD, \
                 NONE, UPDATED_NEW]"
            )));
        }
    };
    match returned {
        Returned::AllNew | Returned::UpdatedOld | Returned::UpdatedNew
            if action != Action::Update =>
        {
            Err(invalid("Return values set to invalid value"))
        }
        _ => Ok(returned),
    }
}
