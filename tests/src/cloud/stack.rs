//! The cloud, put together: what the template describes, running.
//!
//! ```text
//! Client ──▶ front ──▶ host ──▶ Lambda binaries ──▶ proxy ──▶ dynoxide · saga's AWS API · doubles
//!                       ▲  ▲                                     │ stream   │ states, queues
//!                       │  └──────── pollers ◀───────────────────┘──────────┤
//!                       └──────────── lambda:invoke ◀───────────────────────┘
//! ```
//!
//! Owns: the order in which things are started, and the names and parameters they are given.
//! Does not own: what the template says, or what any part of it does.

use super::counterparts;
use super::doubles::Doubles;
use super::faults::Faults;
use super::front::{self, Front};
use super::host::{self, Host, Outcome};
use super::iam::Statement;
use super::pollers::{self, Delivery};
use super::proxy::{self, Behind, Book, Stack, Upstreams};
use super::template::Template;
use super::wire::Wire;
use crate::{Client, Customer};
use app::config::Config;
use app::{Layers, System};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::Uri;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tempfile::TempDir;
use testkit::counterparts::Counterpart;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The programs that functions are.
const BINARIES: [&str; 7] =
    ["desk", "inventory", "notification", "order", "payment", "relay", "user"];
/// How many environments a function may have at once: enough for those who wait for an order.
const CONCURRENCY: usize = 12;
/// What the gateway asks for, and the secret holds.
const GATEWAY_KEY: &str = "the-key-of-the-local-cloud";
/// How many lines of functions are shown when a test fails.
const LINES_SHOWN: usize = 60;
/// How long the client rests between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// A running cloud, and a customer in it.
pub struct Cloud {
    /// What it was made of.
    pub template: Template,
    /// Where functions run.
    pub host: Arc<Host>,
    /// What goes wrong.
    pub faults: Arc<Faults>,
    /// What functions did.
    pub book: Arc<Book>,
    /// Secrets and mails.
    pub doubles: Arc<Doubles>,
    /// DynamoDB itself, past the proxy.
    pub tables: Wire,
    /// Step Functions, EventBridge and SQS themselves, past the proxy.
    pub services: Wire,
    /// A planted bug: whether what functions say of single records is ignored.
    pub is_deaf: Arc<AtomicBool>,
    customer: Customer,
    system: Option<System>,
    tasks: Vec<JoinHandle<()>>,
    _dynoxide: Counterpart,
    _dir: TempDir,
}

impl Deref for Cloud {
    type Target = Customer;

    fn deref(&self) -> &Customer {
        &self.customer
    }
}

/// The client of the tests, which may do everything.
fn client(api: SocketAddr, gateway: SocketAddr) -> Client {
    let client = Client::new(api, gateway).with_token(Some("everything"));
    client.with_gateway_key(GATEWAY_KEY).with_pause(PAUSE)
}

/// What functions said last, when a test fails.
impl Drop for Cloud {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut said = self.book.refusals().join("\n");
            for line in self.host.output.tail(LINES_SHOWN) {
                said += &format!("\n{}: {}", line.environment, line.text);
            }
            std::io::stderr().write_all(said.as_bytes()).ok();
        }
    }
}

/// Who calls the API: the client of the tests may do everything.
fn clients() -> Vec<front::Client> {
    let client = |token: &str, scopes: &[&str]| front::Client {
        token: token.to_owned(),
        id: format!("client-{token}"),
        scopes: scopes.iter().map(|scope| format!("ordersaga/{scope}")).collect(),
    };
    vec![
        client("everything", &["orders", "catalogue", "operate", "read"]),
        client("shop", &["orders"]),
        client("reader", &["read"]),
    ]
}

impl Cloud {
    /// Starts everything for the test with this title; `None` when something is absent and may be.
    ///
    /// # Panics
    /// Something cannot be started, or is absent where nothing may be.
    pub async fn start(title: &str) -> Option<Self> {
        Self::start_with(&counterparts::functions()?, title).await
    }

    /// The same, with the binaries of this folder.
    ///
    /// # Panics
    /// As [`Cloud::start`].
    pub async fn start_with(binaries: &Path, title: &str) -> Option<Self> {
        let dynoxide =
            tokio::task::block_in_place(|| counterparts::start(binaries, &BINARIES, title))?;
        let dir = tempfile::tempdir().unwrap();
        let (faults, book, doubles, is_deaf) =
            (Arc::default(), Arc::default(), Arc::<Doubles>::default(), Arc::default());
        let mut tasks = Vec::new();

        // What has an address comes first: the others are told it.
        let listen = || async { TcpListener::bind("127.0.0.1:0").await.unwrap() };
        let url = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
        let (invoking, proxying, fronting) = (listen().await, listen().await, listen().await);
        let later = Arc::new(OnceLock::new());
        let system = system(dir.path(), &url(&invoking)).await;
        let gateway = system.gateway_address().unwrap();

        let parameters = parameters(&format!("http://{gateway}"));
        let path = xtask::root().join("infra/aws/template.yaml");
        let template = Template::load(&path, &parameters, &url(&proxying));
        let functions = functions(&template, &url(&proxying), binaries);
        let host = Arc::new(Host::new(functions));
        later.set(Arc::clone(&host)).ok().unwrap();
        tasks.push(invoke_api(invoking, later));

        let own = format!("http://{}", system.aws_address().unwrap());
        let (tables, services) = (Wire::at(dynoxide.url()), Wire::at(&own));
        deploy(&template, &tables, &services).await;
        for secret in &template.secrets {
            doubles.keep(secret, GATEWAY_KEY);
        }
        let behind = Behind {
            roles: roles(&template),
            stack: stack(&template),
            upstreams: Upstreams { dynamodb: dynoxide.url(), own },
            host: Arc::clone(&host),
            doubles: Arc::clone(&doubles),
            faults: Arc::clone(&faults),
            book: Arc::clone(&book),
            http: reqwest::Client::new(),
        };
        tasks.push(proxy::serve(proxying, behind));
        for source in template.sources.clone() {
            let (host, faults, is_deaf) =
                (Arc::clone(&host), Arc::clone(&faults), Arc::clone(&is_deaf));
            let (streams, queues) = (tables.clone(), services.clone());
            let delivery = Delivery { source, host, streams, queues, faults, is_deaf };
            tasks.extend(delivery.start());
        }
        let client = client(fronting.local_addr().unwrap(), gateway);
        let routes = template.routes.clone();
        let front = Front { routes, clients: clients(), host: Arc::clone(&host) };
        tasks.push(front::serve(fronting, front));
        let customer = Customer::join(client).await;
        Some(Self {
            template,
            host,
            faults,
            book,
            doubles,
            tables,
            services,
            is_deaf,
            customer,
            system: Some(system),
            tasks,
            _dynoxide: dynoxide,
            _dir: dir,
        })
    }

    /// Calls every function that has a schedule, as when its time has come; answers how each ended.
    pub async fn tick(&self) -> BTreeMap<String, Outcome> {
        let mut ended = BTreeMap::new();
        for schedule in &self.template.schedules {
            let event = pollers::tick(schedule).to_string();
            let outcome = self.host.invoke(&schedule.function, event).await.unwrap();
            ended.insert(format!("{} {}", schedule.function, schedule.name), outcome);
        }
        ended
    }

    /// Replaces what is stored of an aggregate's state, past every function; answers what stood there.
    pub async fn store(&self, partition: &str, body: &str) -> String {
        let change = json!({
            "TableName": "Table",
            "Key": {"pk": {"S": partition}, "sk": {"S": "state"}},
            "UpdateExpression": "SET body = :body",
            "ConditionExpression": "attribute_exists(body)",
            "ExpressionAttributeValues": {":body": {"S": body}},
            "ReturnValues": "UPDATED_OLD",
        });
        let before = self.tables.must("DynamoDB_20120810.UpdateItem", &change).await;
        before["Attributes"]["body"]["S"].as_str().unwrap().to_owned()
    }

    /// How many messages wait in a queue, whether they are seen or not.
    pub async fn waiting(&self, queue: &str) -> u64 {
        let asked = json!({"QueueUrl": queue, "AttributeNames": ["All"]});
        let answer = self.services.must("AmazonSQS.GetQueueAttributes", &asked).await;
        let count = |name: &str| -> u64 {
            answer["Attributes"][name].as_str().unwrap_or("0").parse().unwrap()
        };
        count("ApproximateNumberOfMessages") + count("ApproximateNumberOfMessagesNotVisible")
    }

    /// Ends everything.
    pub async fn stop(mut self) {
        for task in &self.tasks {
            task.abort();
        }
        if let Some(system) = self.system.take() {
            system.stop().await;
        }
    }
}

/// The engine, the bus and the queues, and the gateway that payments go to: `saga up`, whose own
/// services nobody calls.
async fn system(dir: &Path, functions: &str) -> System {
    let key = dir.join("gateway-key");
    std::fs::write(&key, GATEWAY_KEY).unwrap();
    let only_mine = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&key, only_mine).unwrap();
    let here = || "127.0.0.1:0".to_owned();
    let flags = [
        ("listen", here()),
        ("gateway_listen", here()),
        ("aws_listen", here()),
        ("gateway_key_file", key.display().to_string()),
        ("data_dir", dir.join("data").display().to_string()),
        ("log", "error".to_owned()),
    ];
    let mut config = Config::of(&flags).unwrap();
    config.integrations.other_functions = Some(functions.parse().unwrap());
    // What stands around tasks stands in the functions.
    System::start_with(config, Layers::Bare).await.unwrap()
}

/// What the template's parameters are, where payments go to this gateway.
#[must_use]
pub fn parameters(gateway_url: &str) -> BTreeMap<String, String> {
    [
        ("GatewayUrl", gateway_url),
        ("MailFrom", "orders@shop.example"),
        ("MailIdentity", "shop.example"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn functions(template: &Template, aws: &str, binaries: &Path) -> Vec<host::Function> {
    let function = |(name, function): (&String, &super::template::Function)| {
        let mut variables = function.variables.clone();
        variables.insert("AWS_ENDPOINT_URL".to_owned(), aws.to_owned());
        host::Function {
            name: name.clone(),
            program: binaries.join(&function.binary),
            arguments: Vec::new(),
            variables,
            timeout: function.timeout,
            memory_mb: function.memory_mb,
            concurrency: CONCURRENCY,
        }
    };
    template.functions.iter().map(function).collect()
}

/// What each function may do.
fn roles(template: &Template) -> BTreeMap<String, Vec<Statement>> {
    let roles = template.functions.iter();
    roles.map(|(name, function)| (name.clone(), function.statements.clone())).collect()
}

fn stack(template: &Template) -> Stack {
    let machine = |name: &str| format!("arn:aws:states:us-east-1:000000000000:stateMachine:{name}");
    let mut stack = Stack {
        machines: template.machines.iter().map(|one| machine(&one.name)).collect(),
        identity: template.names.parameter("MailIdentity").to_owned(),
        ..Stack::default()
    };
    for table in &template.tables {
        stack.learn(table);
    }
    stack
}

/// Lambda's `Invoke` for Step Functions, which has a role of its own.
fn invoke_api(listener: TcpListener, host: Arc<OnceLock<Arc<Host>>>) -> JoinHandle<()> {
    let invoke = async |State(host): State<Arc<OnceLock<Arc<Host>>>>, uri: Uri, body: Bytes| {
        proxy::invoke(host.get().unwrap(), uri.path(), body).await
    };
    let routes = Router::new().fallback(invoke).with_state(host);
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() })
}

/// Makes what the template describes.
async fn deploy(template: &Template, tables: &Wire, services: &Wire) {
    for table in &template.tables {
        tables.must("DynamoDB_20120810.CreateTable", table).await;
    }
    // Dead letters have to have a queue before a queue can name it.
    let (with, without): (Vec<_>, Vec<_>) =
        template.queues.iter().partition(|(_, given)| given.contains_key("RedrivePolicy"));
    for (name, attributes) in without.into_iter().chain(with) {
        let asked = json!({"QueueName": name, "Attributes": attributes});
        services.must("AmazonSQS.CreateQueue", &asked).await;
    }
    for bus in &template.buses {
        services.must("AWSEvents.CreateEventBus", &json!({"Name": bus})).await;
    }
    for rule in &template.rules {
        let pattern = rule.pattern.to_string();
        let asked = json!({"Name": rule.name, "EventBusName": rule.bus, "EventPattern": pattern});
        services.must("AWSEvents.PutRule", &asked).await;
        let asked = json!({"Rule": rule.name, "EventBusName": rule.bus, "Targets": rule.targets});
        let put: Value = services.must("AWSEvents.PutTargets", &asked).await;
        assert_eq!(put["FailedEntryCount"], 0, "{put}");
    }
    for machine in &template.machines {
        let asked = json!({
            "name": machine.name,
            "definition": machine.definition,
            "roleArn": "arn:aws:iam::000000000000:role/machine",
        });
        services.must("AWSStepFunctions.CreateStateMachine", &asked).await;
    }
}
