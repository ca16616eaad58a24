//! What the resources of a template are called here: names, URLs, ARNs.
//!
//! Owns: `Ref` and `Fn::GetAtt` of every kind of resource that a template of ours names.
//! Does not own: which resources there are.

use super::intrinsics::Resolver;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The account, the region, and the name of the stack.
const ACCOUNT: &str = "000000000000";
const REGION: &str = "us-east-1";
const STACK: &str = "ordersaga";

/// What sort of resource it is, where it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Lambda function.
    Function,
    /// A state machine.
    Machine,
    /// An event bus.
    Bus,
    /// A rule.
    Rule,
    /// A queue.
    Queue,
    /// A table.
    Table,
    /// A secret.
    Secret,
    /// A role.
    Role,
    /// A log group.
    LogGroup,
    /// Anything that only has to have a name.
    Other,
}

impl Kind {
    /// What sort a resource is.
    #[must_use]
    pub fn of(resource: &Value) -> Self {
        match resource["Type"].as_str().unwrap() {
            "AWS::Serverless::Function" => Self::Function,
            "AWS::Serverless::StateMachine" => Self::Machine,
            "AWS::Events::EventBus" => Self::Bus,
            "AWS::Events::Rule" => Self::Rule,
            "AWS::SQS::Queue" => Self::Queue,
            "AWS::DynamoDB::Table" => Self::Table,
            "AWS::SecretsManager::Secret" => Self::Secret,
            "AWS::IAM::Role" => Self::Role,
            "AWS::Logs::LogGroup" => Self::LogGroup,
            _ => Self::Other,
        }
    }
}

/// The names of a stack's resources.
#[derive(Clone, Debug)]
pub struct Names {
    values: BTreeMap<String, Value>,
    conditions: Map<String, Value>,
    resources: Map<String, Value>,
    url: String,
}

impl Names {
    /// Reads parameters, conditions and resources.
    #[must_use]
    pub fn of(raw: &Value, parameters: &BTreeMap<String, String>, url: &str) -> Self {
        let mut values: BTreeMap<String, Value> = [
            ("AWS::AccountId", json!(ACCOUNT)),
            ("AWS::Partition", json!("aws")),
            ("AWS::Region", json!(REGION)),
            ("AWS::StackName", json!(STACK)),
            ("AWS::URLSuffix", json!("amazonaws.com")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        for (name, parameter) in raw["Parameters"].as_object().into_iter().flatten() {
            let given = parameters.get(name).map(|value| json!(value));
            let value = given.or_else(|| parameter.get("Default").cloned());
            let value = value.unwrap_or_else(|| panic!("the parameter {name} has no value"));
            let is_list = parameter["Type"].as_str().unwrap().contains("List");
            let value = match value {
                Value::String(text) if is_list => text.split(',').map(|item| json!(item)).collect(),
                value => value,
            };
            values.insert(name.clone(), value);
        }
        let section = |name: &str| raw[name].as_object().cloned().unwrap_or_default();
        let (conditions, resources) = (section("Conditions"), section("Resources"));
        Self { values, conditions, resources, url: url.to_owned() }
    }

    /// The value of a parameter.
    #[must_use]
    pub fn parameter(&self, name: &str) -> &str {
        self.values[name].as_str().unwrap()
    }

    /// Every resource whose condition holds, resolved.
    #[must_use]
    pub fn resolved(&self) -> Map<String, Value> {
        let is_there = |(_, resource): &(&String, &Value)| {
            resource["Condition"].as_str().is_none_or(|name| self.with(|all| all.holds(name)))
        };
        let there = self.resources.iter().filter(is_there);
        there.map(|(id, resource)| (id.clone(), self.resolve(resource))).collect()
    }

    /// Resolves a value; null where there is to be none.
    #[must_use]
    pub fn resolve(&self, value: &Value) -> Value {
        self.with(|resolver| resolver.resolve(value)).unwrap_or_default()
    }

    fn with<T>(&self, then: impl FnOnce(&Resolver<'_>) -> T) -> T {
        then(&Resolver {
            values: &self.values,
            conditions: &self.conditions,
            reference: &|id| json!(self.reference(id)),
            attribute: &|id, attribute| json!(self.attribute(id, attribute)),
        })
    }

    fn kind(&self, id: &str) -> Kind {
        self.resources.get(id).map_or(Kind::Other, Kind::of)
    }

    /// What a resource is called: as its properties say, else by its logical id.
    #[must_use]
    pub fn name(&self, id: &str) -> String {
        let property = match self.kind(id) {
            Kind::Queue => "QueueName",
            Kind::LogGroup => "LogGroupName",
            Kind::Table => "TableName",
            // Functions are called by their logical ids, whatever they are called on AWS.
            Kind::Function => return id.to_owned(),
            Kind::Machine | Kind::Bus | Kind::Rule | Kind::Secret | Kind::Role | Kind::Other => {
                "Name"
            }
        };
        let given = &self.resources.get(id).unwrap_or(&Value::Null)["Properties"][property];
        self.resolve(given).as_str().unwrap_or(id).to_owned()
    }

    /// A resource's ARN.
    #[must_use]
    pub fn arn(&self, id: &str) -> String {
        let name = self.name(id);
        let (service, resource) = match self.kind(id) {
            Kind::Function => ("lambda", format!("function:{name}")),
            Kind::Machine => ("states", format!("stateMachine:{name}")),
            Kind::Bus => ("events", format!("event-bus/{name}")),
            // A schedule of SAM's becomes a rule.
            Kind::Rule | Kind::Other => ("events", format!("rule/{name}")),
            Kind::Queue => ("sqs", name),
            Kind::LogGroup => ("logs", format!("log-group:{name}:*")),
            Kind::Table => ("dynamodb", format!("table/{name}")),
            // Six characters of its own stand behind a secret's name.
            Kind::Secret => ("secretsmanager", format!("secret:{name}-local1")),
            Kind::Role => return format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
        };
        format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}")
    }

    fn reference(&self, id: &str) -> String {
        if let Some(function) = id.strip_suffix(".Alias") {
            let alias = self.resolve(&self.resources[function]["Properties"]["AutoPublishAlias"]);
            return format!("{}:{}", self.arn(function), alias.as_str().unwrap_or("live"));
        }
        match self.kind(id) {
            Kind::Machine | Kind::Secret => self.arn(id),
            Kind::Queue => format!("{}/{ACCOUNT}/{}", self.url, self.name(id)),
            Kind::Function
            | Kind::Bus
            | Kind::Rule
            | Kind::Table
            | Kind::Role
            | Kind::LogGroup
            | Kind::Other => self.name(id),
        }
    }

    fn attribute(&self, id: &str, attribute: &str) -> String {
        match attribute {
            "Arn" | "Id" => self.arn(id),
            "StreamArn" => format!("{}/stream/local", self.arn(id)),
            "Name" | "QueueName" => self.name(id),
            other => format!("{id}.{other}"),
        }
    }
}
