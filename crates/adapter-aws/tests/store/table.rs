//! Tables for tests, made as the adapter's own data says.

use adapter_aws::Clients;
use adapter_aws::store::table::{GlobalIndex, INDEXES, KeyType, PK, Projection as Held, SK, TTL};
use adapter_aws::store::{DynamoOutbox, DynamoStore, Layout, Slot};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeyType as Role;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, Projection,
    ProjectionType, ScalarAttributeType, StreamSpecification, StreamViewType,
    TimeToLiveSpecification,
};
use ports::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use testkit::counterparts::Counterpart;

/// Where the suites' indexes stand.
pub(crate) fn layout() -> Layout {
    Layout::new([
        ("by-key", Slot::One),
        ("by-other", Slot::Two),
        ("by-third", Slot::Three),
        ("by-fourth", Slot::Four),
        ("by-fifth", Slot::One),
    ])
}

/// A counterpart with tables.
pub(crate) struct Tables {
    pub(crate) clients: Clients,
    client: Client,
    made: AtomicU32,
}

impl Tables {
    pub(crate) async fn at(counterpart: &Counterpart) -> Self {
        let clients = Clients::at(&counterpart.url(), ("OrdersagaTests", "any")).unwrap();
        let client = Client::new(clients.config());
        Self { clients, client, made: AtomicU32::new(0) }
    }

    /// Makes an empty table; returns its name.
    pub(crate) async fn make(&self) -> String {
        let name = format!("table-{}", self.made.fetch_add(1, Ordering::Relaxed));
        create(&self.client, &name).await;
        name
    }

    pub(crate) async fn store(&self, clock: Arc<dyn Clock>) -> Arc<DynamoStore> {
        let table = self.make().await;
        Arc::new(DynamoStore::new(&self.clients, table, layout(), clock))
    }

    pub(crate) async fn store_and_outbox(
        &self,
        clock: Arc<dyn Clock>,
    ) -> (Arc<DynamoStore>, DynamoOutbox, String) {
        let table = self.make().await;
        let store = DynamoStore::new(&self.clients, table.as_str(), layout(), clock);
        (Arc::new(store), DynamoOutbox::new(&self.clients, table.as_str()), table)
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }
}

async fn create(client: &Client, name: &str) {
    let keys = [(PK, KeyType::Text), (SK, KeyType::Text)];
    let of_indexes =
        INDEXES.iter().flat_map(|index| [(index.pk, KeyType::Text), (index.sk, index.sk_type)]);
    let attributes = keys.into_iter().chain(of_indexes).map(|(name, key_type)| {
        let scalar = match key_type {
            KeyType::Text => ScalarAttributeType::S,
            KeyType::Bytes => ScalarAttributeType::B,
        };
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(scalar);
        attribute.build().unwrap()
    });
    let stream = StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(StreamViewType::NewImage)
        .build()
        .unwrap();
    client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(attributes.collect()))
        .set_key_schema(Some(schema(PK, SK)))
        .set_global_secondary_indexes(Some(INDEXES.iter().map(global).collect()))
        .stream_specification(stream)
        .send()
        .await
        .unwrap();
    let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name(TTL).build().unwrap();
    let update = client.update_time_to_live().table_name(name).time_to_live_specification(ttl);
    update.send().await.unwrap();
}

fn schema(pk: &str, sk: &str) -> Vec<KeySchemaElement> {
    let element = |name, role| {
        KeySchemaElement::builder().attribute_name(name).key_type(role).build().unwrap()
    };
    vec![element(pk, Role::Hash), element(sk, Role::Range)]
}

fn global(index: &GlobalIndex) -> GlobalSecondaryIndex {
    let projection = match index.projection {
        Held::KeysOnly => Projection::builder().projection_type(ProjectionType::KeysOnly).build(),
        Held::Include(names) => Projection::builder()
            .projection_type(ProjectionType::Include)
            .set_non_key_attributes(Some(names.iter().map(|name| (*name).to_owned()).collect()))
            .build(),
    };
    GlobalSecondaryIndex::builder()
        .index_name(index.name)
        .set_key_schema(Some(schema(index.pk, index.sk)))
        .projection(projection)
        .build()
        .unwrap()
}
