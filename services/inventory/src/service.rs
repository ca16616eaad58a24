//! What can be done with products and stock: load, decide, commit, reply.
//!
//! Owns: the order of these steps, and which items they touch.
//! Does not own: any rule; they live in [`crate::product`] and [`crate::stock`].

use crate::api::{ProductList, ProductView, PutProduct, SetStock, StockView};
use crate::batch::{self, Batch, STATE};
use crate::product::{self, Versioned};
use crate::queue::{Call, Queues, Seat, Turn, Verdict};
use crate::record::{ProductRecord, StockRecord};
use crate::stock::{self, Rejection};
use async_trait::async_trait;
use contracts::envelope::Origin;
use contracts::http::{IfMatch, PageRequest};
use contracts::inventory::ProductPut;
use contracts::{Envelope, Money, Sku, Timestamp};
use futures::future::try_join_all;
use ports::aggregate::{Aggregates, Decision, Failure};
use ports::directory::Catalogue;
use ports::record;
use ports::store::{Cursor, Direction, Expect, IndexKey, Item, Partition, Query, Store, Write};
use ports::{Error, Kind, Result};
use std::sync::Arc;

/// How often a call may lose whoever serves it: each time, a caller went away in the middle.
const ABANDONED_MAX: u32 = 8;

const PRODUCTS: &str = "products";
const ALL: &str = "all";

/// Products and their stock, and what can be done with them.
pub struct Service {
    aggregates: Arc<Aggregates>,
    queues: Queues,
}

/// A product after it was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The product.
    pub product: ProductView,
    /// Whether it was created: 201, else 200.
    pub is_new: bool,
}

impl Service {
    /// Makes the service of the products and stock in `aggregates`.
    #[must_use]
    pub fn new(aggregates: Arc<Aggregates>) -> Self {
        Self { aggregates, queues: Queues::default() }
    }

    /// Creates a product or replaces it; putting the same again changes nothing.
    ///
    /// # Errors
    /// `VersionConflict`. The world's.
    pub async fn put_product(
        &self,
        sku: &Sku,
        body: PutProduct,
        condition: IfMatch,
    ) -> Result<Put, Failure<product::Rejection>> {
        let (partition, now) = (product_partition(sku), self.now());
        let command = product::Command::Put {
            product: product::State { name: body.name, unit_price: body.unit_price },
            condition,
        };
        let answer = self
            .aggregates
            .decide(&partition, &[STATE], None, |items| {
                let item = items.first().and_then(Option::as_ref);
                product_decision(sku, item, &command, now)
            })
            .await
            .map_err(Failure::flatten)?;
        let (record, version, is_new) = answer.reply();
        let product = product_view(sku.clone(), record, version);
        Ok(Put { product, is_new })
    }

    /// Reads a product.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub async fn product(&self, sku: &Sku) -> Result<Option<ProductView>> {
        let Some(item) = self.item(&product_partition(sku)).await? else {
            return Ok(None);
        };
        let record = ProductRecord::read(&item)?;
        Ok(Some(product_view(sku.clone(), record, item.version)))
    }

    /// Lists products by SKU.
    ///
    /// # Errors
    /// `Invalid` for a cursor that the store did not make. `Unavailable`, `Corrupt`.
    pub async fn products(&self, page: PageRequest) -> Result<ProductList> {
        let query = Query {
            index: PRODUCTS,
            key: ALL.to_owned(),
            direction: Direction::Ascending,
            limit: page.limit,
            after: page.cursor.map(Cursor),
        };
        let page = self.aggregates.store().query(query).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for found in &page.items {
            let record = ProductRecord::read(&found.item)?;
            let sku = sku_of(&found.partition)?;
            items.push(product_view(sku, record, found.item.version));
        }
        let next_cursor = page.next.map(|cursor| cursor.0);
        Ok(ProductList { items, next_cursor })
    }

    /// Sets what is on hand of a product.
    ///
    /// # Errors
    /// `UnknownSku`. The world's.
    pub async fn set_stock(
        &self,
        sku: &Sku,
        body: SetStock,
    ) -> Result<StockView, Failure<Rejection>> {
        self.must_be_listed(sku).await?;
        let command = stock::Command::Set { on_hand: body.on_hand };
        self.execute(sku, Call { order_id: None, command, held_until: None }).await?;
        self.stock(sku).await
    }

    /// Reads the stock of a product; one that was never counted has none.
    ///
    /// # Errors
    /// `UnknownSku`. The world's.
    pub async fn stock(&self, sku: &Sku) -> Result<StockView, Failure<Rejection>> {
        let item = self.item(&batch::partition(sku)).await?;
        if item.is_none() {
            self.must_be_listed(sku).await?;
        }
        let stock = StockRecord::read(item.as_ref())?;
        Ok(StockView::of(sku.clone(), stock.counters()))
    }

    pub(crate) async fn must_be_listed(&self, sku: &Sku) -> Verdict {
        match self.item(&product_partition(sku)).await? {
            Some(_) => Ok(()),
            None => Err(Failure::Rejected(Rejection::UnknownSku)),
        }
    }

    /// Performs a command on a product's stock, for an order if the command is about one.
    ///
    /// # Errors
    /// See [`stock::decide`]. The world's.
    pub(crate) async fn execute(&self, sku: &Sku, call: Call) -> Verdict {
        for _ in 0..ABANDONED_MAX {
            match self.queues.turn(sku, &call).await {
                Turn::Served(verdict) => return verdict,
                Turn::Serve(seat) => return self.serve(&seat, call).await,
                // It takes effect once, however often it is asked.
                Turn::Abandoned => {}
            }
        }
        let doing = format!("get a turn at the stock of {sku}");
        Err(Error::new(Kind::Conflict, doing).into())
    }

    /// Performs a call and those that wait with it.
    async fn serve(&self, seat: &Seat, first: Call) -> Verdict {
        let company = seat.company(&first);
        let calls = std::iter::once(&first).chain(company.iter().map(|waiter| &waiter.call));
        let batch = Batch::new(seat.sku(), calls, self.now());
        let (partition, names) = (batch.partition(), batch.names());
        let mut verdicts = Vec::new();
        let decide = |items: &[Option<Item>]| {
            let (decision, decided) = batch.decide(items)?;
            verdicts = decided;
            Ok::<_, Error>(decision)
        };
        let error = match self.aggregates.decide(partition, &names, None, decide).await {
            Ok(_) => None,
            Err(Failure::World(error) | Failure::Rejected(error)) => Some(error),
            Err(Failure::KeyReused) => Some(Error::new(Kind::Invalid, "change a stock")),
        };
        if let Some(error) = error {
            for waiter in company {
                waiter.tell(Err(batch::shared(&error).into()));
            }
            return Err(error.into());
        }
        let mut verdicts = verdicts.into_iter();
        let mine = verdicts.next().expect("every call of a batch has a verdict");
        for (waiter, verdict) in company.into_iter().zip(verdicts) {
            waiter.tell(verdict);
        }
        mine
    }

    async fn item(&self, partition: &Partition) -> Result<Option<Item>> {
        let items = self.aggregates.store().items(partition, &[STATE]).await?;
        Ok(items.into_iter().flatten().next())
    }

    pub(crate) fn store(&self) -> &dyn Store {
        self.aggregates.store()
    }

    fn now(&self) -> Timestamp {
        self.aggregates.clock().now()
    }
}

#[async_trait]
impl Catalogue for Service {
    async fn unit_prices(&self, skus: &[Sku]) -> Result<Vec<Option<Money>>> {
        try_join_all(skus.iter().map(async |sku| {
            let item = self.item(&product_partition(sku)).await?;
            let record = item.as_ref().map(ProductRecord::read).transpose()?;
            Ok(record.map(|record| record.state().unit_price))
        }))
        .await
    }
}

fn product_partition(sku: &Sku) -> Partition {
    Partition::of("product", sku)
}

fn sku_of(partition: &Partition) -> Result<Sku> {
    let text = partition.as_str().strip_prefix("product#");
    text.unwrap_or_default().parse().map_err(|error| {
        let doing = format!("read the product of {partition}");
        Error::new(Kind::Corrupt, doing).because(error)
    })
}

fn product_view(sku: Sku, record: ProductRecord, version: u64) -> ProductView {
    let (created_at, updated_at) = (record.created_at, record.updated_at);
    let product = record.state();
    ProductView {
        sku,
        name: product.name,
        unit_price: product.unit_price,
        created_at,
        updated_at,
        version,
    }
}

/// A product's record, its version, and whether it is new.
type PutReply = (ProductRecord, u64, bool);

fn product_decision(
    sku: &Sku,
    item: Option<&Item>,
    command: &product::Command,
    now: Timestamp,
) -> Result<Decision<PutReply>, Failure<product::Rejection>> {
    let record = item.map(ProductRecord::read).transpose()?;
    let current = item
        .zip(record.clone())
        .map(|(item, record)| Versioned { version: item.version, product: record.state() });
    let events = product::decide(current.as_ref(), command).map_err(Failure::Rejected)?;
    let expect = Expect::unchanged(item);
    let created_at = record.as_ref().map_or(now, |record| record.created_at);
    let Some(product) = events.last().map(product::apply) else {
        let unchanged = item.zip(record);
        let (item, record) = unchanged.expect("a product that is not there is created");
        return Ok(Decision::nothing((record, item.version, false)));
    };
    let record = ProductRecord::of(product, created_at, now);
    let write = Write::Put {
        name: STATE.to_owned(),
        expect,
        body: record::text(&record),
        indexes: vec![IndexKey { index: PRODUCTS, key: ALL.to_owned(), sort: sku.to_string() }],
        expires_at: None,
    };
    let partition = product_partition(sku);
    let origin = Origin {
        at: now,
        aggregate: partition.as_str(),
        sequence: expect.next_version(),
        correlation_id: sku.as_str(),
        causation_id: None,
    };
    let fact = ProductPut { sku: sku.clone() };
    Ok(Decision {
        writes: vec![write],
        outbox: vec![Envelope::of(&fact, &origin)],
        reply: (record, expect.next_version(), item.is_none()),
    })
}
