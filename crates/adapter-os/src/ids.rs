//! Fresh ids and entropy from the operating system.

use ports::Ids;
use uuid::Uuid;

/// The system's source of ids.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    fn fresh(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn seed(&self) -> u64 {
        getrandom::u64().expect("the operating system gives entropy")
    }
}
