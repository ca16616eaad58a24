//! Prices that are read once for many orders, and are a few seconds old at most.
//!
//! ```text
//! unit_prices ──▶ cache: those that are young enough
//!                   └── the others ──▶ catalogue, all at once ──▶ cache
//! ```
//!
//! The cache is asked for speed, never for truth: what it forgets, or cannot say, is read. What is
//! not sold is not remembered, so that a new product can be ordered at once.
//!
//! Owns: how old a price may be. Does not own: the price that an order is placed at, which the
//! order's own decision takes from here and keeps.

use async_trait::async_trait;
use contracts::{Money, Sku};
use futures::future::join_all;
use ports::directory::Catalogue;
use ports::task::chain;
use ports::{Cache, Result};
use std::sync::Arc;
use std::time::Duration;

/// How old a price may be: a change of price is seen by every order after this time.
const PRICE_KEPT: Duration = Duration::from_secs(5);

/// A catalogue behind a cache.
pub(super) struct CachedCatalogue {
    catalogue: Arc<dyn Catalogue>,
    cache: Arc<dyn Cache>,
}

impl CachedCatalogue {
    /// Puts a cache before a catalogue.
    pub(super) fn new(catalogue: Arc<dyn Catalogue>, cache: Arc<dyn Cache>) -> Self {
        Self { catalogue, cache }
    }

    async fn cached(&self, sku: &Sku) -> Option<Money> {
        match self.cache.get(&key(sku)).await {
            Ok(value) => serde_json::from_slice(&value?).ok(),
            Err(error) => {
                tracing::debug!(error = chain(&error), "a price is read past the cache");
                None
            }
        }
    }

    async fn remember(&self, sku: &Sku, price: Money) {
        let value = serde_json::to_vec(&price).expect("money is plain data");
        if let Err(error) = self.cache.set(&key(sku), &value, PRICE_KEPT).await {
            tracing::debug!(error = chain(&error), "a price is not kept");
        }
    }
}

fn key(sku: &Sku) -> String {
    format!("price/{sku}")
}

#[async_trait]
impl Catalogue for CachedCatalogue {
    async fn unit_prices(&self, skus: &[Sku]) -> Result<Vec<Option<Money>>> {
        let mut prices = join_all(skus.iter().map(|sku| self.cached(sku))).await;
        let is_missing = |(_, price): &(&Sku, &Option<Money>)| price.is_none();
        let missing: Vec<Sku> =
            skus.iter().zip(&prices).filter(is_missing).map(|(sku, _)| sku.clone()).collect();
        if missing.is_empty() {
            return Ok(prices);
        }
        let read = self.catalogue.unit_prices(&missing).await?;
        let found = missing.iter().zip(&read);
        let kept = found.filter_map(|(sku, price)| Some(self.remember(sku, (*price)?)));
        join_all(kept).await;
        let mut read = read.into_iter();
        for price in prices.iter_mut().filter(|price| price.is_none()) {
            *price = read.next().flatten();
        }
        Ok(prices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::Currency;
    use futures::FutureExt as _;
    use ports::{Error, Kind};
    use std::collections::HashMap;
    use std::sync::Mutex;

    /// A catalogue that counts what it is asked for.
    #[derive(Default)]
    struct Shelf {
        prices: Mutex<HashMap<String, i64>>,
        asked: Mutex<Vec<String>>,
    }

    #[async_trait]
    impl Catalogue for Shelf {
        async fn unit_prices(&self, skus: &[Sku]) -> Result<Vec<Option<Money>>> {
            self.asked.lock().unwrap().extend(skus.iter().map(Sku::to_string));
            let prices = self.prices.lock().unwrap();
            let price = |sku: &Sku| Some(Money::new(*prices.get(sku.as_str())?, Currency::Eur));
            Ok(skus.iter().map(price).collect())
        }
    }

    /// A cache that keeps everything, or is away.
    #[derive(Default)]
    struct Drawer {
        kept: Mutex<HashMap<String, Vec<u8>>>,
        is_away: bool,
    }

    impl Drawer {
        fn there(&self) -> Result<()> {
            match self.is_away {
                true => Err(Error::new(Kind::Unavailable, "open the drawer")),
                false => Ok(()),
            }
        }
    }

    #[async_trait]
    impl Cache for Drawer {
        async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
            self.there()?;
            Ok(self.kept.lock().unwrap().get(key).cloned())
        }

        async fn set(&self, key: &str, value: &[u8], kept: Duration) -> Result<()> {
            self.there()?;
            assert_eq!(kept, Duration::from_secs(5));
            self.kept.lock().unwrap().insert(key.to_owned(), value.to_vec());
            Ok(())
        }

        async fn set_if_absent(&self, _: &str, _: &[u8], _: Duration) -> Result<bool> {
            unreachable!("prices are not claimed")
        }

        async fn delete(&self, key: &str) -> Result<()> {
            self.kept.lock().unwrap().remove(key);
            self.there()
        }
    }

    fn house(drawer: Drawer) -> (CachedCatalogue, Arc<Shelf>, Arc<Drawer>) {
        let (shelf, drawer) = (Arc::new(Shelf::default()), Arc::new(drawer));
        for (sku, price) in [("TEA", 399), ("MUG", 899)] {
            shelf.prices.lock().unwrap().insert(sku.to_owned(), price);
        }
        let catalogue = Arc::clone(&shelf) as Arc<dyn Catalogue>;
        let cached = CachedCatalogue::new(catalogue, Arc::clone(&drawer) as Arc<dyn Cache>);
        (cached, shelf, drawer)
    }

    fn asked(catalogue: &CachedCatalogue, skus: &[&str]) -> Vec<Option<i64>> {
        let skus: Vec<Sku> = skus.iter().map(|sku| sku.parse().unwrap()).collect();
        let prices = catalogue.unit_prices(&skus).now_or_never().unwrap().unwrap();
        prices.into_iter().map(|price| price.map(|money| money.amount_minor)).collect()
    }

    #[test]
    fn a_price_is_read_once_and_the_others_beside_it() {
        let (catalogue, shelf, _) = house(Drawer::default());
        assert_eq!(asked(&catalogue, &["TEA"]), [Some(399)]);
        assert_eq!(asked(&catalogue, &["MUG", "TEA"]), [Some(899), Some(399)]);
        assert_eq!(asked(&catalogue, &["TEA", "MUG", "TEA"]), [Some(399), Some(899), Some(399)]);
        assert_eq!(*shelf.asked.lock().unwrap(), ["TEA", "MUG"]);
    }

    #[test]
    fn what_is_not_sold_is_asked_for_again() {
        let (catalogue, shelf, _) = house(Drawer::default());
        assert_eq!(asked(&catalogue, &["POT", "TEA"]), [None, Some(399)]);
        shelf.prices.lock().unwrap().insert("POT".to_owned(), 2_500);
        assert_eq!(asked(&catalogue, &["TEA", "POT"]), [Some(399), Some(2_500)]);
    }

    #[test]
    fn a_cache_that_is_away_or_talks_nonsense_costs_a_read_and_no_more() {
        let (catalogue, shelf, _) = house(Drawer { is_away: true, ..Drawer::default() });
        for _ in 0..2 {
            assert_eq!(asked(&catalogue, &["TEA"]), [Some(399)]);
        }
        assert_eq!(shelf.asked.lock().unwrap().len(), 2);
        let (catalogue, _, drawer) = house(Drawer::default());
        drawer.kept.lock().unwrap().insert("price/TEA".to_owned(), b"cheap".to_vec());
        assert_eq!(asked(&catalogue, &["TEA"]), [Some(399)]);
    }
}
