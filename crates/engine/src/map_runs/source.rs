//! The items of a map run, read as they are needed: never more than one chunk of an object ahead.

use asl::map_run::{
    Batcher, Child, Dataset, Format, ITEM_READER_FAILED, Outcome, Reader, RunMap, Shaper, Splitter,
};
use ports::blobs::Blob;
use ports::store::Cursor;
use ports::task::chain;
use ports::{Blobs, Error, Kind};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;

/// Bytes of an object that are read at once.
const CHUNK_BYTES: usize = 65_536;
/// Items of the state's own input that are shaped at once, and objects that are listed at once.
const PAGE_ITEMS: usize = 100;

/// Reads items and makes children of them, in order.
pub(crate) struct Source<'a> {
    blobs: Arc<dyn Blobs>,
    run: &'a RunMap,
    shaper: Shaper<'a>,
    batcher: Batcher,
    place: Place,
    /// The index of the next item.
    next: u64,
    items: Vec<Value>,
}

/// Where reading goes on.
enum Place {
    /// At this item of the state's own input.
    Input(usize),
    /// In an object; `None` where the next one of a listing is to be opened.
    Object(Option<Opened>, Keys),
    /// In a listing of objects.
    Listing(Keys),
    Done,
}

/// An object that is being read.
struct Opened {
    key: String,
    splitter: Splitter,
    at: u64,
}

/// The objects under a prefix, page by page.
#[derive(Default)]
struct Keys {
    listed: VecDeque<Blob>,
    after: Option<Cursor>,
    complete: bool,
}

impl<'a> Source<'a> {
    /// Begins with the first item.
    pub(crate) fn new(blobs: Arc<dyn Blobs>, run: &'a RunMap, shaper: Shaper<'a>) -> Self {
        let place = match &run.settings.reader {
            None => Place::Input(0),
            Some(Reader { dataset: Dataset::Listing, .. }) => Place::Listing(Keys::default()),
            Some(Reader { dataset: Dataset::Objects(_), .. }) => {
                Place::Object(None, Keys::default())
            }
            Some(Reader { dataset: Dataset::Object(format), key, .. }) => {
                let keys = Keys { complete: true, ..Keys::default() };
                Place::Object(Some(Opened::new(key.to_string(), format)), keys)
            }
        };
        let batcher = Batcher::new(run.settings.batching.clone());
        Self { blobs, run, shaper, batcher, place, next: 0, items: Vec::new() }
    }

    /// Reads on, and puts the children that come of it on `ready`; answers whether there may be
    /// more.
    ///
    /// # Errors
    /// How the map run ends because its items cannot be read.
    pub(crate) async fn more(&mut self, ready: &mut VecDeque<Child>) -> Result<bool, Outcome> {
        let mut children = Vec::new();
        match std::mem::replace(&mut self.place, Place::Done) {
            Place::Done => {}
            Place::Input(at) => self.input(at, &mut children)?,
            Place::Listing(keys) => self.listing(keys, &mut children).await?,
            Place::Object(opened, keys) => self.object(opened, keys, &mut children).await?,
        }
        if self.is_full() {
            self.place = Place::Done;
        }
        let more = !matches!(self.place, Place::Done);
        if !more {
            self.batcher.flush(&mut children);
        }
        ready.extend(children);
        Ok(more)
    }

    /// Whether as many items were read as may be.
    fn is_full(&self) -> bool {
        let most = self.run.settings.reader.as_ref().and_then(|reader| reader.items_max);
        most.is_some_and(|most| self.next >= most)
    }

    /// Makes one item part of a child.
    fn take(
        &mut self,
        item: Value,
        keyed: bool,
        object: Option<&str>,
        children: &mut Vec<Child>,
    ) -> Result<(), Outcome> {
        if self.is_full() {
            return Ok(());
        }
        let input = self.shaper.shape(self.next, item, keyed, object).map_err(Outcome::Failed)?;
        self.next += 1;
        self.batcher.push(input, children);
        Ok(())
    }

    fn input(&mut self, at: usize, children: &mut Vec<Child>) -> Result<(), Outcome> {
        let items = self.run.items();
        let end = items.len().min(at + PAGE_ITEMS);
        for item in items.get(at..end).unwrap_or_default() {
            self.take(Value::clone(item), false, None, children)?;
        }
        if end < items.len() {
            self.place = Place::Input(end);
        }
        Ok(())
    }

    async fn listing(&mut self, keys: Keys, children: &mut Vec<Child>) -> Result<(), Outcome> {
        let mut keys = keys;
        self.list(&mut keys).await?;
        while let Some(blob) = keys.listed.pop_front() {
            let item = json!({
                "Etag": blob.etag,
                "Key": blob.key,
                "LastModified": blob.modified_at.as_millis() / 1_000,
                "Size": blob.bytes,
                "StorageClass": "STANDARD",
            });
            self.take(item, false, None, children)?;
        }
        if !keys.complete {
            self.place = Place::Listing(keys);
        }
        Ok(())
    }

    /// Lists the next page of objects, if there is one.
    async fn list(&self, keys: &mut Keys) -> Result<(), Outcome> {
        let Some(reader) = self.run.settings.reader.as_ref().filter(|_| !keys.complete) else {
            return Ok(());
        };
        let (bucket, prefix) = (&reader.bucket, &reader.key);
        let page = self.blobs.list(bucket, prefix, PAGE_ITEMS, keys.after.take()).await;
        let page = page.map_err(|error| unreadable(&error))?;
        keys.listed.extend(page.items);
        keys.complete = page.next.is_none();
        keys.after = page.next;
        Ok(())
    }

    async fn object(
        &mut self,
        opened: Option<Opened>,
        keys: Keys,
        children: &mut Vec<Child>,
    ) -> Result<(), Outcome> {
        let mut keys = keys;
        let (mut opened, several) = match opened {
            Some(opened) => (opened, self.reads_several()),
            None => {
                if keys.listed.is_empty() {
                    self.list(&mut keys).await?;
                }
                match (keys.listed.pop_front(), self.format()) {
                    (Some(blob), Some(format)) => (Opened::new(blob.key, &format), true),
                    _ if keys.complete => return Ok(()),
                    _ => {
                        self.place = Place::Object(None, keys);
                        return Ok(());
                    }
                }
            }
        };
        let mut items = std::mem::take(&mut self.items);
        let ended = self.chunk(&mut opened, &mut items).await?;
        let keyed = opened.splitter.is_keyed();
        let object = several.then(|| opened.key.clone());
        self.place = Place::Object(Some(opened), keys);
        for item in items.drain(..) {
            self.take(item, keyed, object.as_deref(), children)?;
        }
        if ended {
            self.close(object.as_deref(), children)?;
        }
        self.items = items;
        Ok(())
    }

    /// Reads one chunk of an object; answers whether it was the last.
    async fn chunk(&self, opened: &mut Opened, items: &mut Vec<Value>) -> Result<bool, Outcome> {
        let Some(reader) = &self.run.settings.reader else { return Ok(true) };
        let chunk = self.blobs.read(&reader.bucket, &opened.key, opened.at, CHUNK_BYTES).await;
        let chunk = chunk.map_err(|error| unreadable(&error))?;
        opened.at += chunk.len() as u64;
        let pushed = opened.splitter.push(&chunk, items);
        pushed.map_err(|error| Outcome::failed(ITEM_READER_FAILED, &error.to_string()))?;
        Ok(chunk.is_empty())
    }

    /// Takes the items that only an object's end completes, and goes on to the next object.
    fn close(&mut self, object: Option<&str>, children: &mut Vec<Child>) -> Result<(), Outcome> {
        let Place::Object(Some(opened), keys) = std::mem::replace(&mut self.place, Place::Done)
        else {
            return Ok(());
        };
        let (keyed, mut items) = (opened.splitter.is_keyed(), Vec::new());
        let finished = opened.splitter.finish(&mut items);
        finished.map_err(|error| Outcome::failed(ITEM_READER_FAILED, &error.to_string()))?;
        for item in items {
            self.take(item, keyed, object, children)?;
        }
        if !keys.complete || !keys.listed.is_empty() {
            self.place = Place::Object(None, keys);
        }
        Ok(())
    }

    fn reads_several(&self) -> bool {
        let dataset = self.run.settings.reader.as_ref().map(|reader| &reader.dataset);
        matches!(dataset, Some(Dataset::Objects(_)))
    }

    fn format(&self) -> Option<Format> {
        match self.run.settings.reader.as_ref().map(|reader| &reader.dataset) {
            Some(Dataset::Object(format) | Dataset::Objects(format)) => Some(format.clone()),
            Some(Dataset::Listing) | None => None,
        }
    }
}

impl Opened {
    fn new(key: String, format: &Format) -> Self {
        Self { key, splitter: Splitter::new(format), at: 0 }
    }
}

fn unreadable(error: &Error) -> Outcome {
    let cause = match error.kind() {
        Kind::NotFound => "The specified key does not exist.".to_owned(),
        Kind::Conflict
        | Kind::Throttled
        | Kind::Timeout
        | Kind::Unavailable
        | Kind::Denied
        | Kind::Invalid
        | Kind::Corrupt => format!("failed to {}", chain(error)),
    };
    Outcome::failed(ITEM_READER_FAILED, &cause)
}
