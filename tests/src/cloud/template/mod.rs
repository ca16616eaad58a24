//! `infra/aws/template.yaml` as it would be deployed here.
//!
//! Names are fixed where CloudFormation makes them up: a resource has its logical id as its name,
//! all stand in one account and region, and every address of AWS is the local cloud's.
//!
//! Owns: which resources there are and how they are wired, read from the template alone.
//! Does not own: making any of them.

mod intrinsics;
mod resources;
#[cfg(test)]
mod tests;

pub use intrinsics::read;
pub use resources::{Kind, Names};

use super::iam::Statement;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// What one stack has.
#[derive(Clone, Debug)]
pub struct Template {
    /// What the resources are called.
    pub names: Names,
    /// The functions, by name.
    pub functions: BTreeMap<String, Function>,
    /// What HTTP requests reach whom.
    pub routes: Vec<Route>,
    /// What is polled for functions.
    pub sources: Vec<Source>,
    /// Which functions are called every so often.
    pub schedules: Vec<Schedule>,
    /// The state machines.
    pub machines: Vec<Machine>,
    /// The rules of the bus.
    pub rules: Vec<Rule>,
    /// The queues, and their attributes as `CreateQueue` takes them.
    pub queues: BTreeMap<String, Map<String, Value>>,
    /// The buses.
    pub buses: Vec<String>,
    /// The tables, as `CreateTable` takes them.
    pub tables: Vec<Value>,
    /// The ARNs of the secrets.
    pub secrets: Vec<String>,
}

/// A function.
#[derive(Clone, Debug)]
pub struct Function {
    /// The binary that serves it.
    pub binary: String,
    /// Its variables.
    pub variables: BTreeMap<String, String>,
    /// How long it may run.
    pub timeout: Duration,
    /// How much memory it asks for.
    pub memory_mb: u32,
    /// What its role lets it do.
    pub statements: Vec<Statement>,
    /// Where its output goes.
    pub log_group: Option<String>,
    /// Whether its requests are traced.
    pub is_traced: bool,
    /// Where calls are told of that nobody waited for and that failed.
    pub on_failure: Option<String>,
}

/// A route of the HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The method, or `ANY`.
    pub method: String,
    /// The path, with `{parameters}`.
    pub path: String,
    /// Whom it reaches.
    pub function: String,
    /// The scopes of which a caller needs one; `None` where no token is asked for.
    pub scopes: Option<Vec<String>>,
}

/// A source of events that is polled for a function.
#[derive(Clone, Debug)]
pub struct Source {
    /// Whom it feeds.
    pub function: String,
    /// What is polled: the ARN of a queue or of a stream.
    pub arn: String,
    /// How many records a batch has at most.
    pub batch_size: usize,
    /// Whether the function says which records failed.
    pub reports_failures: bool,
    /// Whether a batch that failed as a whole is tried in halves.
    pub bisects: bool,
    /// How often a batch is tried again before it is given up; `None` is for ever.
    pub retries: Option<u32>,
    /// The patterns of which a record must match one; none lets all through.
    pub filters: Vec<String>,
    /// Where what was given up is told of.
    pub on_failure: Option<String>,
}

/// A function that is called by the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The event's name.
    pub name: String,
    /// Whom it calls.
    pub function: String,
    /// How often: `rate(1 minute)`.
    pub every: String,
}

/// A state machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// Its definition, with all substitutions made.
    pub definition: String,
    /// What its role lets it do.
    pub statements: Vec<Statement>,
}

/// A rule of a bus.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Its bus.
    pub bus: String,
    /// Its pattern.
    pub pattern: Value,
    /// Its targets, as `PutTargets` takes them.
    pub targets: Vec<Value>,
}

impl Template {
    /// Reads a template; `parameters` stand before the template's defaults, and `url` is where
    /// AWS is reached.
    ///
    /// # Panics
    /// It cannot be read, or has what is not known here.
    #[must_use]
    pub fn load(path: &Path, parameters: &BTreeMap<String, String>, url: &str) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let raw = read(&text);
        let names = Names::of(&raw, parameters, url);
        let resolved = names.resolved();
        let folder = path.parent().unwrap();
        let of = |kind: Kind| {
            let resources = resolved.iter().filter(move |(_, resource)| Kind::of(resource) == kind);
            resources.map(|(id, resource)| (id.as_str(), &resource["Properties"]))
        };
        let globals = names.resolve(&raw["Globals"]["Function"]);
        let mut functions = BTreeMap::new();
        let (mut routes, mut sources, mut schedules) = (Vec::new(), Vec::new(), Vec::new());
        for (id, own) in of(Kind::Function) {
            let properties = merged(&globals, own);
            functions.insert(id.to_owned(), function(&properties, &resolved));
            for (name, event) in properties["Events"].as_object().into_iter().flatten() {
                let given = &event["Properties"];
                match event["Type"].as_str().unwrap() {
                    "HttpApi" => routes.push(route(id, given, &resolved)),
                    "SQS" => sources.push(source(id, &given["Queue"], given)),
                    "DynamoDB" => sources.push(source(id, &given["Stream"], given)),
                    "Schedule" | "ScheduleV2" => schedules.push(Schedule {
                        name: name.clone(),
                        function: id.to_owned(),
                        every: words(&given["Schedule"], "ScheduleExpression", given),
                    }),
                    other => panic!("{id}: events of type {other} are not known here"),
                }
            }
        }
        let machines = of(Kind::Machine).map(|(id, given)| machine(id, given, folder, &resolved));
        let machines = machines.collect();
        let queues = of(Kind::Queue).map(|(id, given)| (names.name(id), queue(given))).collect();
        let rules = of(Kind::Rule).map(|(id, given)| rule(id, given)).collect();
        let buses = of(Kind::Bus).map(|(id, _)| names.name(id)).collect();
        let tables = of(Kind::Table).map(|(id, given)| table(&names.name(id), given)).collect();
        let secrets = of(Kind::Secret).map(|(id, _)| names.arn(id)).collect();
        Self {
            names,
            functions,
            routes,
            sources,
            schedules,
            machines,
            rules,
            queues,
            buses,
            tables,
            secrets,
        }
    }
}

/// A resource's own properties over those of `Globals`, maps merged.
fn merged(globals: &Value, own: &Value) -> Value {
    match (globals, own) {
        (Value::Object(globals), Value::Object(own)) => {
            let mut all = globals.clone();
            for (name, value) in own {
                let value = all.get(name).map_or_else(|| value.clone(), |g| merged(g, value));
                all.insert(name.clone(), value);
            }
            Value::Object(all)
        }
        (_, Value::Null) => globals.clone(),
        (_, own) => own.clone(),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => panic!("a text is missing"),
        other => other.to_string(),
    }
}

fn words(value: &Value, other: &str, given: &Value) -> String {
    text(if value.is_null() { &given[other] } else { value })
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().map(text).collect(),
        Value::Null => Vec::new(),
        one => vec![text(one)],
    }
}

fn number(value: &Value, default: u64) -> u64 {
    match value {
        Value::Null => default,
        Value::String(text) => text.parse().unwrap(),
        other => other.as_u64().unwrap_or_else(|| panic!("{other} is no number")),
    }
}

fn function(given: &Value, resources: &Map<String, Value>) -> Function {
    let built = &given["Metadata"]["BuildProperties"]["Binary"];
    let code = text(&given["CodeUri"]);
    let binary = built.as_str().or_else(|| code.trim_end_matches('/').rsplit('/').next()).unwrap();
    let variables = given["Environment"]["Variables"].as_object().into_iter().flatten();
    let mut variables: BTreeMap<String, String> =
        variables.map(|(name, value)| (name.clone(), text(value))).collect();
    if let Some(format) = given["LoggingConfig"]["LogFormat"].as_str() {
        variables.insert("AWS_LAMBDA_LOG_FORMAT".to_owned(), format.to_owned());
    }
    Function {
        binary: binary.to_owned(),
        variables,
        timeout: Duration::from_secs(number(&given["Timeout"], 3)),
        memory_mb: u32::try_from(number(&given["MemorySize"], 128)).unwrap(),
        statements: statements(given, resources),
        log_group: given["LoggingConfig"]["LogGroup"].as_str().map(str::to_owned),
        is_traced: given["Tracing"] == "Active",
        on_failure: destination(&given["EventInvokeConfig"]),
    }
}

fn destination(given: &Value) -> Option<String> {
    given["DestinationConfig"]["OnFailure"]["Destination"].as_str().map(str::to_owned)
}

/// What a role, or the policies that SAM makes one of, let their owner do.
fn statements(given: &Value, resources: &Map<String, Value>) -> Vec<Statement> {
    let mut documents: Vec<&Value> = Vec::new();
    if let Some(role) = given["Role"].as_str() {
        let name = role.rsplit('/').next().unwrap();
        let role = resources.get(name).unwrap_or_else(|| panic!("no role {name}"));
        let policies = role["Properties"]["Policies"].as_array().into_iter().flatten();
        documents.extend(policies.map(|policy| &policy["PolicyDocument"]));
        let managed = texts(&role["Properties"]["ManagedPolicyArns"]);
        assert!(managed.is_empty(), "{name}: what {managed:?} grants is not known here");
    }
    documents.extend(given["Policies"].as_array().into_iter().flatten());
    let statements = documents.into_iter().flat_map(|document| match &document["Statement"] {
        Value::Array(statements) => statements.clone(),
        one => vec![one.clone()],
    });
    statements.map(|statement| Statement::read(&statement)).collect()
}

fn route(function: &str, given: &Value, resources: &Map<String, Value>) -> Route {
    let api = resources.get(given["ApiId"].as_str().unwrap_or("ServerlessHttpApi"));
    let api_auth = api.map_or(&Value::Null, |api| &api["Properties"]["Auth"]);
    let auth = &given["Auth"];
    let authorizer = auth["Authorizer"].as_str().or(api_auth["DefaultAuthorizer"].as_str());
    let scopes = authorizer.filter(|name| *name != "NONE").map(|name| {
        let of_all = &api_auth["Authorizers"][name]["AuthorizationScopes"];
        texts(if auth["AuthorizationScopes"].is_null() {
            of_all
        } else {
            &auth["AuthorizationScopes"]
        })
    });
    Route {
        method: text(&given["Method"]).to_uppercase(),
        path: text(&given["Path"]),
        function: function.to_owned(),
        scopes,
    }
}

fn source(function: &str, arn: &Value, given: &Value) -> Source {
    let is_queue = text(arn).contains(":sqs:");
    let filters = given["FilterCriteria"]["Filters"].as_array().into_iter().flatten();
    let responses = texts(&given["FunctionResponseTypes"]);
    Source {
        function: function.to_owned(),
        arn: text(arn),
        batch_size: usize::try_from(number(&given["BatchSize"], if is_queue { 10 } else { 100 }))
            .unwrap(),
        reports_failures: responses.iter().any(|kind| kind == "ReportBatchItemFailures"),
        bisects: given["BisectBatchOnFunctionError"] == json!(true),
        retries: given["MaximumRetryAttempts"].as_u64().map(|times| u32::try_from(times).unwrap()),
        filters: filters.map(|filter| text(&filter["Pattern"])).collect(),
        on_failure: destination(given),
    }
}

fn machine(id: &str, given: &Value, folder: &Path, resources: &Map<String, Value>) -> Machine {
    let file = folder.join(text(&given["DefinitionUri"]));
    let definition = std::fs::read_to_string(&file).unwrap();
    let substitutions = given["DefinitionSubstitutions"].as_object().into_iter().flatten();
    let definition = substitutions.fold(definition, |definition, (name, value)| {
        definition.replace(&format!("${{{name}}}"), &text(value))
    });
    assert!(!definition.contains("${"), "{id}: a substitution is missing");
    let name = given["Name"].as_str().unwrap_or(id).to_owned();
    Machine { name, definition, statements: statements(given, resources) }
}

fn queue(given: &Value) -> Map<String, Value> {
    let known = [
        "VisibilityTimeout",
        "MessageRetentionPeriod",
        "DelaySeconds",
        "MaximumMessageSize",
        "ReceiveMessageWaitTimeSeconds",
        "RedrivePolicy",
    ];
    let attribute = |name: &&str| {
        let value = given.get(*name)?;
        Some(((*name).to_owned(), json!(text(value))))
    };
    known.iter().filter_map(attribute).collect()
}

fn rule(id: &str, given: &Value) -> Rule {
    Rule {
        name: given["Name"].as_str().unwrap_or(id).to_owned(),
        bus: text(&given["EventBusName"]),
        pattern: given["EventPattern"].clone(),
        targets: given["Targets"].as_array().unwrap().clone(),
    }
}

fn table(name: &str, given: &Value) -> Value {
    let mut table = json!({
        "TableName": name,
        "AttributeDefinitions": given["AttributeDefinitions"],
        "KeySchema": given["KeySchema"],
        "BillingMode": "PAY_PER_REQUEST",
        "GlobalSecondaryIndexes": given["GlobalSecondaryIndexes"],
    });
    if let Some(view) = given["StreamSpecification"]["StreamViewType"].as_str() {
        table["StreamSpecification"] = json!({"StreamEnabled": true, "StreamViewType": view});
    }
    table
}
